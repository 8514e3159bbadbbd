"""One loss by its names in ``gca.loss``, ``gca.crossmodal`` and ``gca.gaussian``: one value, or a word about it."""

from __future__ import annotations

import math

import pytest
import torch

import gca_playground as gca
from gca_playground._boundary import CONDITIONAL
from tests.oracles.problems import randn

SCORES = randn(7, 7, seed=0)
X, Y = randn(7, 2, seed=1), randn(7, 3, seed=2)


def by_table(name, **knobs):
    """The value of ``gca.loss``, less the log N by which the Gaussian theory counts from independence."""
    record = gca.loss(name, cost="dot", epsilon=1.0, **knobs).alignment
    return record.of_cost(-SCORES, tol=1e-11).item() - math.log(7)


def by_modalities(name, **knobs):
    record = gca.crossmodal.alignment_for(name, tilting="dot", **knobs)
    counted = (record.weight_rows + record.weight_cols) / 2
    return record.of_cost(-SCORES).item() - counted * math.log(7)


def by_theory(name, **knobs):
    return gca.gaussian.batch_loss(name, **knobs)(SCORES).item()


def by_hand(weights):
    """``(w_u L(u|v) + w_v L(v|u)) / 2`` with the softmax of each column and of each row."""
    one_way = [-(SCORES.log_softmax(dim).diagonal() + math.log(7)).mean() for dim in (0, 1)]
    return sum(weight * value for weight, value in zip(weights, one_way, strict=True)).item() / 2


@pytest.mark.parametrize(("name", "weights"), CONDITIONAL.items())
def test_a_conditional_loss_by_all_its_names(name, weights):
    expected = pytest.approx(by_hand(weights), abs=1e-12)
    assert by_modalities(name) == expected and by_theory(name) == expected
    if name != "u|v":
        assert by_table(name) == expected
    assert by_table("infonce", weight_rows=weights[1], weight_cols=weights[0]) == expected


@pytest.mark.parametrize("name", ["two-sided", "clip", "conditional", "infonce"])
def test_weights_are_in_one_order(name):
    expected = pytest.approx(by_hand((0.3, 1.1)), abs=1e-12)
    assert by_modalities(name, weights=(0.3, 1.1)) == expected
    assert by_theory(name, weights=(0.3, 1.1)) == expected


def test_the_plans_by_their_names():
    assert by_table("joint") == pytest.approx(by_theory("joint"), abs=1e-12)
    assert by_theory("iot-total") == by_theory("joint") and by_table("iot-total") == by_table("joint")
    assert by_table("iot") == pytest.approx(by_theory("sinkhorn"), abs=1e-9) and by_theory("iot") == by_theory(
        "sinkhorn"
    )
    steps = by_theory("sinkhorn", half_steps=5)
    assert by_table("gca-ince", steps=5) == pytest.approx(steps, abs=1e-12)
    assert by_modalities("sinkhorn", half_steps=5) == pytest.approx(steps, abs=1e-12)


def test_what_the_words_about_soft_sides_say():
    # kappa = 1/4 and 3/4 are rho = 1/3 and 3; the theory looks at the plan brought to mass 1.
    plan = gca.loss("gca-uot", cost="dot", epsilon=1.0, rho_rows=1 / 3, rho_cols=3.0, steps=6).alignment.plan_of(
        -SCORES
    )
    at_mass_one = (plan.matrix / plan.mass).diagonal()
    expected = by_theory("unbalanced", kappa=(0.25, 0.75), half_steps=6)
    assert -at_mass_one.log().mean().item() - 2 * math.log(7) == pytest.approx(expected, abs=1e-12)


def test_what_the_words_about_the_kernels_say():
    data = {"data": (X, Y)}
    for table, theory, factor in (("mmd-joint", "joint_mmd", 1), ("mmd-conditional", "conditional_mmd", 2)):
        ours = gca.loss(table, cost="dot", epsilon=1.0, kernel="gaussian", bandwidth=1.0).alignment
        theirs = gca.gaussian.batch_loss(theory, bandwidth=1.0)(SCORES, X, Y)
        torch.testing.assert_close(factor * ours.of_cost(-SCORES, **data), theirs)


def test_every_door_of_the_theory_knows_them():
    truth = gca.gaussian.Gaussian(1.5, 1.0, 1.5)
    A = [[0.2]]
    for name, meant, knobs in (
        ("clip", "conditional", {}),
        ("v|u", "conditional", {"weights": (0.0, 2.0)}),
        ("iot", "sinkhorn", {}),
    ):
        exact = gca.gaussian.population_loss(meant, truth, **knobs)
        assert gca.gaussian.population_loss(name, truth)(A) == exact(A)
        best = gca.gaussian.closed_form(meant, truth, **knobs)
        torch.testing.assert_close(gca.gaussian.closed_form(name, truth).A, best.A)
        found = gca.gaussian.fit(name, truth)
        torch.testing.assert_close(found.A, best.A, rtol=1e-5, atol=0)
        assert found.kappa == best.kappa


@pytest.mark.parametrize(
    ("door", "name", "words"),
    [
        (gca.loss, "sinkhorn", "unknown loss 'sinkhorn': it is called 'iot' here"),
        (gca.loss, "u|v", "unknown loss 'u|v': it is called 'infonce' with weight_rows=0, weight_cols=2 here"),
        (gca.loss, "unbalanced", "it is called 'gca-uot' with rho = kappa epsilon / (1 - kappa), "),
        (gca.loss, "joint_mmd", "it is called 'mmd-joint' with kernel='gaussian' here"),
        (gca.gaussian.batch_loss, "gca-ince", "it is called 'sinkhorn' with half_steps, on a batch here"),
        (gca.gaussian.batch_loss, "gca-uot", "it is called 'unbalanced' with kappa = rho / (rho + epsilon), "),
        (gca.gaussian.batch_loss, "mmd-conditional", "'conditional_mmd' with bandwidth=1, where it is twice as large"),
        (gca.crossmodal.alignment_for, "conditional_mmd", "it is called 'mmd-conditional' with kernel='gaussian', "),
        (gca.gaussian.batch_loss, "clap", "did you mean"),
    ],
)
def test_what_differs_is_told_by_its_name_here(door, name, words):
    with pytest.raises(ValueError, match="unknown loss") as caught:
        door(name)
    assert words in str(caught.value)


def test_a_loss_called_by_its_side_has_no_weights():
    with pytest.raises(TypeError, match=r"weights is no knob of 'u\|v', which looks one way: 'conditional' has them"):
        gca.gaussian.batch_loss("u|v", weights=(1.0, 1.0))
    with pytest.raises(ValueError, match="weights belong to a loss that looks both ways"):
        gca.crossmodal.alignment_for("u|v", weights=(1.0, 1.0))
