"""Gaussians that are none, plans that cannot be, and who may know whom."""

from __future__ import annotations

import ast
import math
import re
from pathlib import Path

import jaxtyping
import pytest
import torch

import gca_playground
from gca_playground.transport import gaussian as gg

eye = torch.eye(2)


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
            "cov must be positive definite, got smallest eigenvalue -1 in shape (2, 2)",
            lambda: gg.Normal([[1, 2], [2, 1.0]]),
        ),
        (ValueError, "cov must be positive definite, got smallest eigenvalue 0", lambda: gg.Normal(0.0)),
        (
            ValueError,
            "cov must be symmetric, got entries that differ by 0.5",
            lambda: gg.Normal([[1, 0.5], [0.0, 1.0]]),
        ),
        (ValueError, "cov must be square, got shape (1, 2)", lambda: gg.Normal([[1, 0.5]])),
        (ValueError, "cov must be finite", lambda: gg.Normal(math.nan)),
        (ValueError, "mean must be of shape (2,), got (3,)", lambda: gg.Normal(eye, [1.0, 2, 3])),
        (ValueError, "mass must be a number > 0, got -1", lambda: gg.Normal(eye, mass=-1.0)),
        (TypeError, "cov must be a tensor or an array of numbers, got str", lambda: gg.Normal("wide")),
        (ValueError, "cov_uv must be of shape (2, 1), got shape (2, 2)", lambda: gg.Gaussian(eye, eye, 1.0)),
        (
            ValueError,
            "the covariance of (u, v) must be positive definite, got smallest eigenvalue -0.1",
            lambda: gg.Gaussian(1.0, 1.1, 1.0),
        ),
        (
            ValueError,
            "the largest canonical correlation sigma must be < 1, it is 1.1",
            lambda: gg.Gaussian(1.0, 1.1, 1.0),
        ),
        (ValueError, "sigma must be < 1, it is 1", lambda: gg.Gaussian(1.0, 1.0, 1.0)),
        (
            ValueError,
            "canonical correlations sigma must be in [0, 1), got [1.0, 0.5]",
            lambda: gg.Gaussian.from_correlations([1.0, 0.5]),
        ),
        (
            ValueError,
            "canonical correlations sigma must be in [0, 1), got [-0.1]",
            lambda: gg.Gaussian.from_correlations([-0.1]),
        ),
        (
            ValueError,
            "1 to min(n_u, n_v) = 1 correlations are possible, got 2",
            lambda: gg.Gaussian.from_correlations([0.1, 0.2], n_v=1),
        ),
        (ValueError, "cov must be square and larger than n_u = 2", lambda: gg.Gaussian.from_joint(eye, n_u=2)),
        (ValueError, "cov must be symmetric", lambda: gg.Gaussian.from_joint([[1, 0.5], [0.1, 1.0]], n_u=1)),
        (
            ValueError,
            "u and v must pair up row by row",
            lambda: gg.Gaussian.from_samples(torch.ones(3, 1), torch.ones(4, 1)),
        ),
        (
            ValueError,
            "cov_u must be positive definite",
            lambda: gg.Gaussian.from_samples(torch.ones(3, 1), torch.rand(3, 1)),
        ),
        (
            ValueError,
            "y must have 1 coordinates, got shape (2,)",
            lambda: gg.Gaussian(1.0, 0.5, 1.0).u_given_v([1.0, 2.0]),
        ),
        (ValueError, "n must be >= 1, got 0", lambda: gg.Normal(1.0).sample(0)),
        (ValueError, "equal dimensions, got 1 and 2", lambda: gg.Normal(1.0).kl(gg.Normal(eye))),
        (ValueError, "the coupling m must be >= 0, got -0.5", lambda: gg.h(-0.5)),
        (ValueError, "correlations must be in [0, 1), got", lambda: gg.h_inverse(1.0)),
        (ValueError, "epsilon must be > 0", lambda: gg.entropic_plan(gg.Normal(1.0), gg.Normal(1.0), epsilon=0.0)),
        (
            ValueError,
            "rows must be a number rho in [0, inf], got -1",
            lambda: gg.entropic_plan(gg.Normal(1.0), gg.Normal(1.0), epsilon=1.0, rows=-1.0),
        ),
        (
            TypeError,
            "cols must be a number rho in [0, inf], got 'exact'",
            lambda: gg.entropic_plan(gg.Normal(1.0), gg.Normal(1.0), epsilon=1.0, cols="exact"),
        ),
        (
            ValueError,
            "unknown cost 'squared': did you mean 'squared_euclidean'?",
            lambda: gg.entropic_plan(gg.Normal(1.0), gg.Normal(1.0), epsilon=1.0, cost="squared"),
        ),
        (
            ValueError,
            "needs equal dimensions, got 1 and 2: give a matrix",
            lambda: gg.entropic_plan(gg.Normal(1.0), gg.Normal(eye), epsilon=1.0),
        ),
        (
            ValueError,
            "cost must be of shape (1, 2), got shape (2, 2)",
            lambda: gg.entropic_plan(gg.Normal(1.0), gg.Normal(eye), epsilon=1.0, cost=eye),
        ),
        (
            ValueError,
            "the masses must agree, got 1 and 2",
            lambda: gg.entropic_plan(gg.Normal(1.0), gg.Normal(1.0, mass=2.0), epsilon=1.0),
        ),
        (
            ValueError,
            "infinite mass",
            lambda: gg.entropic_plan(gg.Normal(1.0), gg.Normal(1.0), epsilon=0.5, cost="dot", rows=0.0, cols=0.0),
        ),
        (
            ValueError,
            "rho must be > 0 and finite, got inf",
            lambda: gg.equal_penalty_plan(gg.Normal(1.0), gg.Normal(1.0), epsilon=1.0, rho=math.inf),
        ),
        (
            ValueError,
            "needs equal dimensions, got 1 and 2",
            lambda: gg.entropic_value(gg.Normal(1.0), gg.Normal(eye), epsilon=1.0),
        ),
    ],
)
def test_refused(kind, words, call):
    with pytest.raises(kind, match=re.escape(words)):
        call()


def test_numbers_keep_their_digits_and_arrays_are_welcome():
    assert gg.Normal(0.1).cov.item() == 0.1
    law = gg.Gaussian(torch.tensor([[2.0]], dtype=torch.float32).numpy(), [[0.3]], 1)
    assert law.cov.dtype == torch.float64 and law.cov_uv.item() == 0.3


def test_an_oracle_does_not_know_its_pupil():
    # The import contract lists the solver's parts by name; this holds for those that come later too.
    package = Path(gca_playground.__file__).parent
    files = [*(package / "transport" / "gaussian").glob("*.py"), *(package / "learning" / "gaussian").glob("*.py")]
    learners = {"__init__.py", "batch.py", "fit.py"}
    for file in files:
        imported = imports_of(file)
        outside = {name for name in imported if re.match(r"gca_playground\.(alignment|transport(?!\.gaussian))", name)}
        assert not outside or (file.parent.parent.name == "learning" and file.name in learners), (file, outside)
    assert "gca_playground.transport.solve" in imports_of(package / "learning" / "gaussian" / "batch.py")


def imports_of(file):
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {
                f"{node.module}.{alias.name}" for alias in node.names if node.module.count(".") < 2
            }
    return found
