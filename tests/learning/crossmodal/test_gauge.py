import math

import pytest
import torch
from torch import Tensor

import gca_playground as gca

cm = gca.crossmodal
DRAW = torch.Generator().manual_seed(5)
S = 2 * torch.randn(6, 6, generator=DRAW, dtype=torch.float64)
WIDE = torch.randn(5, 3, generator=DRAW, dtype=torch.float64)
F, H = torch.randn(2, 6, generator=DRAW, dtype=torch.float64)
P = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)


def loss_of(name: str, scores: Tensor, **knobs: object) -> float:
    record = cm.alignment_for(name, tilting="dot", **knobs)
    return record.of_cost(-scores).item()


def shifts(name: str, **knobs: object) -> tuple[float, float]:
    """How far a function of u, and one of v, moves a loss."""
    first = loss_of(name, S, **knobs)
    return abs(loss_of(name, S + F[:, None], **knobs) - first), abs(loss_of(name, S + H, **knobs) - first)


def test_the_loss_v_given_u_does_not_see_a_function_of_u() -> None:
    by_u, by_v = shifts("v|u")
    assert by_u < 1e-12
    assert by_v > 0.01


def test_the_loss_u_given_v_does_not_see_a_function_of_v() -> None:
    by_u, by_v = shifts("u|v")
    assert by_u > 0.01
    assert by_v < 1e-12


def test_the_sinkhorn_loss_sees_neither() -> None:
    sharp = gca.Alignment(cost="dot", epsilon=1.0)
    record = [sharp.of_cost(-s).item() for s in (S, S + F[:, None], S + H)]
    # As far as the plan has converged: the solver's own tolerance, 1e-6 of the marginals, is quadratic in the loss.
    assert max(record) - min(record) < 1e-10
    many = shifts("sinkhorn", half_steps=4000)
    assert max(many) < 1e-12


@pytest.mark.parametrize("name", ["joint", "two-sided"])
def test_the_joint_and_the_two_sided_loss_see_both_and_not_a_constant(name: str) -> None:
    assert min(shifts(name)) > 0.01
    assert loss_of(name, S + 3.0) == pytest.approx(loss_of(name, S), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "free"),
    [
        ("v|u", ("u",)),
        ("u|v", ("v",)),
        ("two-sided", ()),
        ("joint", ()),
        ("sinkhorn", ("u", "v")),
        ("infonce", ("u",)),
        ("mmd-conditional", ("v",)),
        ("iot", ("u", "v")),
        ("gca-uot", ()),
        ("nt-xent", ()),
        ("domain-prior", ("u", "v")),
    ],
)
def test_what_a_loss_leaves_open_is_measured(name: str, free: tuple[str, ...]) -> None:
    assert cm.free_sides(cm.alignment_for(name)) == free


def test_a_half_step_is_a_half_step_of_the_solver() -> None:
    a, b = (torch.full((k,), 1 / k, dtype=torch.float64) for k in WIDE.shape)
    knobs = {"epsilon": 1.0, "reference": "product", "a": a}
    rows = gca.solve(-WIDE, rows=gca.EXACT, cols=gca.FREE, steps=1, b=b, **knobs)
    cols = gca.solve(-WIDE, rows=gca.FREE, cols=gca.EXACT, steps=2, b=P, **knobs)
    torch.testing.assert_close(cm.half_step(WIDE, over="v"), WIDE + rows.f[:, None], atol=1e-12, rtol=0)
    torch.testing.assert_close(cm.half_step(WIDE, over="u"), WIDE + cols.g, atol=1e-12, rtol=0)
    weighted = gca.solve(-WIDE, rows=gca.EXACT, cols=gca.FREE, steps=1, b=P, **knobs)
    found = cm.half_step(WIDE, over="v", log_prior=P.log() + 4)
    torch.testing.assert_close(found, WIDE + weighted.f[:, None], atol=1e-12, rtol=0)


def test_after_a_half_step_each_u_has_a_law_of_v() -> None:
    fixed = cm.half_step(WIDE, over="v", log_prior=P.log())
    torch.testing.assert_close((P * fixed.exp()).sum(1), torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(cm.half_step(fixed, over="v", log_prior=P.log()), fixed)
    before, after = (cm.class_probabilities(s, log_prior=P.log()) for s in (WIDE, fixed))
    torch.testing.assert_close(before, after)  # the direction it sums over is left as it was


@pytest.mark.parametrize(("over", "dim"), [("v", 1), ("u", 0)])
def test_a_half_step_takes_away_what_the_loss_leaves_open(over: str, dim: int) -> None:
    shifted = S + F.unsqueeze(dim)
    torch.testing.assert_close(cm.half_step(shifted, over=over), cm.half_step(S, over=over), atol=1e-12, rtol=0)
    other = S + F.unsqueeze(1 - dim)
    assert (cm.half_step(other, over=over) - cm.half_step(S, over=over)).abs().max() > 0.1


def test_the_recipe_for_drawing_images_from_a_model_of_labels() -> None:
    by_hand = (WIDE + P.log()).log_softmax(1).softmax(0)
    mine = cm.generation_weights(cm.half_step(WIDE, over="v", log_prior=P.log()))
    # The half-step leaves the prior out of the score: a constant of each column.
    torch.testing.assert_close(mine, by_hand, atol=1e-12, rtol=0)


def test_the_recipe_for_classifying_with_a_model_of_images() -> None:
    train = torch.randn(40, 3, generator=DRAW, dtype=torch.float64)
    by_hand = WIDE - train.logsumexp(0) + math.log(40)
    torch.testing.assert_close(cm.half_step(WIDE, over="u", library=train), by_hand, atol=1e-12, rtol=0)


def test_all_half_steps_give_both_marginals() -> None:
    a = torch.tensor([0.1, 0.2, 0.3, 0.2, 0.2], dtype=torch.float64)
    f, h = cm.balance(WIDE, log_prior_u=a.log(), log_prior_v=P.log() - 2)
    plan = a[:, None] * P * (WIDE + f[:, None] + h).exp()
    torch.testing.assert_close(plan.sum(1), a, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(plan.sum(0), P, atol=1e-6, rtol=1e-6)
    assert f.mean().item() == pytest.approx(h.mean().item(), abs=1e-12)
    even, _ = cm.balance(WIDE)
    assert (even - f).abs().max() > 0.01


def test_an_item_that_the_prior_shuts_out_has_a_potential_too() -> None:
    shut = torch.tensor([0.0, 1.0, -torch.inf], dtype=torch.float64)
    f, h = cm.balance(WIDE, log_prior_v=shut)
    small_f, small_h = cm.balance(WIDE[:, :2], log_prior_v=shut[:2])
    shift = (f - small_f)[0]
    torch.testing.assert_close(f, small_f + shift, atol=1e-6, rtol=0)
    torch.testing.assert_close(h[:2], small_h - shift, atol=1e-6, rtol=0)
    proper = (WIDE + f[:, None] + h).exp().mean(0)
    torch.testing.assert_close(proper, torch.ones(3, dtype=torch.float64), atol=1e-6, rtol=0)


def test_bad_half_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown side to sum over 'w'"):
        cm.half_step(S, over="w")
    with pytest.raises(ValueError, match=r"library must have the same rows as scores \(5, 3\), got \(4, 3\)"):
        cm.half_step(WIDE, over="v", library=WIDE[:4])
    with pytest.raises(ValueError, match=r"library must have the same columns as scores \(5, 3\), got \(5, 2\)"):
        cm.half_step(WIDE, over="u", library=WIDE[:, :2])
    with pytest.raises(ValueError, match=r"log_prior must have shape \(5,\)"):
        cm.half_step(WIDE, over="u", log_prior=P)
