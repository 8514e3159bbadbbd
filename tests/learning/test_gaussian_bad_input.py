"""Everything a user of ``gca.gaussian`` can get wrong: the type of the error, and words that name the law."""

from __future__ import annotations

import re

import jaxtyping
import pytest
import torch

import gca_playground as gca

gg = gca.gaussian
TRUTH = gg.Gaussian.from_correlations([0.8, 0.5], n_u=3, n_v=2)


@pytest.fixture(autouse=True)
def _as_users_run_it():
    """Without the type checks of the test run, which would speak first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.parametrize(
    ("kind", "words", "call"),
    [
        (
            ValueError,
            "unknown loss 'conditonal': did you mean 'conditional'?",
            lambda: gg.closed_form("conditonal", TRUTH),
        ),
        (
            ValueError,
            "unknown tilting 'dots': did you mean 'dot'?",
            lambda: gg.closed_form("joint", TRUTH, tilting="dots"),
        ),
        (ValueError, "unknown tilting 'l2'", lambda: gg.fit("joint", TRUTH, tilting="l2")),
        (ValueError, "rank must be >= 1, got 0", lambda: gg.closed_form("joint", TRUTH, rank=0)),
        (ValueError, "rank must be <= min(n_u, n_v) = 2, got 3", lambda: gg.closed_form("joint", TRUTH, rank=3)),
        (ValueError, "rank must be <= min(n_u, n_v) = 2, got 3", lambda: gg.fit("joint", TRUTH, rank=3)),
        (TypeError, "rank must be a whole number, got 1.5", lambda: gg.fit("joint", TRUTH, rank=1.5)),
        (
            ValueError,
            "no closed form is known for 'conditional' with the tilting 'squared_euclidean' and weights = (0.3, 1.7)",
            lambda: gg.closed_form("conditional", TRUTH, tilting="squared_euclidean", weights=(0.3, 1.7)),
        ),
        (
            ValueError,
            "no closed form is known for 'conditional_mmd'",
            lambda: gg.closed_form("conditional_mmd", TRUTH, bandwidth=1.0),
        ),
        (ValueError, "no closed form is known for 'joint_mmd'", lambda: gg.closed_form("joint_mmd", TRUTH)),
        (
            ValueError,
            "no closed form is known for 'wasserstein'",
            lambda: gg.closed_form("wasserstein", TRUTH, weights=(1, 1)),
        ),
        (
            TypeError,
            "unknown knob of 'joint' 'weights': it takes none",
            lambda: gg.population_loss("joint", TRUTH, weights=(1, 1)),
        ),
        (
            TypeError,
            "unknown knob of 'conditional' 'weight': did you mean 'weights'?",
            lambda: gg.population_loss("conditional", TRUTH, weight=(1, 1)),
        ),
        (TypeError, "unknown knob of 'joint' 'negatives'", lambda: gg.fit("joint", TRUTH, negatives="others")),
        (
            ValueError,
            "weights (w_u, w_v) must be >= 0 and not both 0, got (0, 0)",
            lambda: gg.population_loss("conditional", TRUTH, weights=(0, 0)),
        ),
        (ValueError, "weights must be two numbers, got 1", lambda: gg.population_loss("conditional", TRUTH, weights=1)),
        (
            ValueError,
            "kappa (of u, of v) must be in [0, 1] x [0, 1], got (0.5, 1.5)",
            lambda: gg.population_loss("unbalanced", TRUTH, kappa=(0.5, 1.5)),
        ),
        (ValueError, "alpha must be a number >= -1 and not 0", lambda: gg.population_loss("tempered", TRUTH, alpha=0)),
        (
            ValueError,
            "bandwidth (None for the linear kernel) must be a number > 0, got -1",
            lambda: gg.population_loss("joint_mmd", TRUTH, bandwidth=-1),
        ),
        (
            ValueError,
            "A must be of shape (3, 2), got shape (2, 3)",
            lambda: gg.population_loss("joint", TRUTH)(torch.zeros(2, 3)),
        ),
        (
            ValueError,
            "B must be of shape (3, 3), got shape (2, 2)",
            lambda: gg.population_loss("joint", TRUTH)(torch.zeros(3, 2), torch.eye(2)),
        ),
        (
            ValueError,
            "D must be symmetric",
            lambda: gg.population_loss("joint", TRUTH)(torch.zeros(3, 2), D=[[1, 0.5], [0, 1]]),
        ),
        (ValueError, "'wasserstein' compares laws", lambda: gg.batch_loss("wasserstein")),
        (ValueError, "'wasserstein' compares laws", lambda: gg.fit("wasserstein", TRUTH, batch=16)),
        (
            ValueError,
            "unknown negatives 'other': did you mean 'others'?",
            lambda: gg.batch_loss("joint", negatives="other"),
        ),
        (ValueError, "s must be N x N with N >= 2", lambda: gg.batch_loss("joint")(torch.zeros(2, 3))),
        (
            TypeError,
            "this loss needs the data: loss(s, u, v), got no u",
            lambda: gg.batch_loss("joint_mmd")(torch.eye(3)),
        ),
        (
            ValueError,
            "v must have one row for each of the 3 scores' rows, got (2, 1)",
            lambda: gg.batch_loss("joint_mmd")(torch.eye(3), torch.ones(3, 1), torch.ones(2, 1)),
        ),
        (ValueError, "half_steps must be >= 0, got -1", lambda: gg.batch_loss("sinkhorn", half_steps=-1)),
        (ValueError, "batch must be >= 2, got 1", lambda: gg.fit("joint", TRUTH, batch=1)),
        (
            ValueError,
            "batch must be <= the 5 samples, got 6",
            lambda: gg.fit("joint", TRUTH, batch=6, samples=TRUTH.sample(5)),
        ),
        (
            ValueError,
            "v must be of shape (5, 2), got shape (4, 2)",
            lambda: gg.fit("joint", TRUTH, samples=(TRUTH.sample(5)[0], TRUTH.sample(4)[1])),
        ),
        (
            ValueError,
            "u must be of shape (5, 3), got shape (5, 2)",
            lambda: gg.fit("joint", TRUTH, samples=(TRUTH.sample(5)[1], TRUTH.sample(5)[1])),
        ),
        (ValueError, "unknown method 'bfgs': did you mean 'lbfgs'?", lambda: gg.fit("joint", TRUTH, method="bfgs")),
        (
            ValueError,
            "start must have tilting 'dot' and encoders",
            lambda: gg.fit("joint", TRUTH, rank=1, start=gg.closed_form("joint", TRUTH, rank=2)),
        ),
        (
            ValueError,
            "method 'lbfgs' needs the same loss at each step",
            lambda: gg.fit("joint", TRUTH, method="lbfgs", batch=16),
        ),
        (ValueError, "steps must be >= 1, got 0", lambda: gg.fit("joint", TRUTH, steps=0)),
        (ValueError, "lr must be a number > 0, got 0", lambda: gg.fit("joint", TRUTH, method="adam", lr=0)),
        (ValueError, "tolerance must be a number > 0", lambda: gg.fit("joint", TRUTH, tolerance=-1.0)),
        (ValueError, "the correlation must be in (0, 1), got 1.0", lambda: gg.sign_model(1.0)),
        (ValueError, "tau must be a number > 0", lambda: gg.sign_model(0.5, tau=0.0)),
        (ValueError, "modes must be <= 1000", lambda: gg.process_example(modes=1001)),
        (ValueError, "noise must be a number > 0", lambda: gg.process_example(noise=0.0)),
    ],
)
def test_refused(kind, words, call):
    with pytest.raises(kind, match=re.escape(words)):
        call()


def test_a_joint_law_that_does_not_exist_leaves_its_conditionals():
    truth = gg.Gaussian(1.0, 0.5, 1.0)
    model = gg.Model(truth, "dot", torch.tensor([[1.2]]).double(), torch.tensor([[1.0]]).double(), (0.0, 0.0), 0.0)
    assert model.u_given_v.slope.item() == pytest.approx(1.2)
    with pytest.raises(ValueError, match="infinite mass"):
        _ = model.joint
