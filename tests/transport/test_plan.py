"""What can be read off a plan."""

from __future__ import annotations

import math

import pytest
import torch

import gca_playground as gca
from gca_playground import EXACT, FREE, Bounded, Soft
from tests.oracles import plain
from tests.oracles.plain import Sides, unit_masses
from tests.oracles.problems import rand, randn

COST = 0.5 * randn(5, 4, seed=1)


def test_the_plan_is_its_potentials():
    for knobs in ({"steps": 3}, {"rows": 0.3}, {"total": True}, {"steps": 0}):
        plan = gca.solve(COST, epsilon=0.2, **knobs)
        log = (plan.f[:, None] + plan.g - COST) / 0.2
        torch.testing.assert_close(plan.log, log, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(plan.matrix, log.exp(), rtol=1e-12, atol=0)


def test_sums_mass_and_entropy():
    plan = gca.solve(COST, epsilon=0.2, rows=0.3, cols=0.6)
    matrix = plan.matrix
    torch.testing.assert_close(plan.row_sums, matrix @ torch.ones(4).double())
    torch.testing.assert_close(plan.col_sums, torch.ones(5).double() @ matrix)
    torch.testing.assert_close(plan.mass, matrix.sum())
    torch.testing.assert_close(plan.entropy, -(matrix * matrix.log()).sum())
    assert gca.solve(COST, forbidden=COST > 0.5).entropy.isfinite()


def test_half_steps_by_hand():
    kernel = torch.exp(-COST / 0.2)
    plan = gca.solve(COST, epsilon=0.2, steps=3)
    torch.testing.assert_close(plan.at(0).matrix, kernel)
    after_one = kernel / kernel.sum(1, keepdim=True)
    torch.testing.assert_close(plan.at(1).matrix, after_one)
    after_two = after_one / after_one.sum(0) * (5 / 4)
    torch.testing.assert_close(plan.at(2).matrix, after_two)
    torch.testing.assert_close(plan.at(3).matrix, after_two / after_two.sum(1, keepdim=True))
    assert plan.at(3).row_error < 1e-14 < plan.at(3).col_error
    assert plan.at(2).col_error < 1e-14 < plan.at(2).row_error


def test_a_free_side_counts_its_turn():
    plan = gca.solve(COST, cols=FREE, steps=4)
    for k in (2, 3, 4):
        assert torch.equal(plan.at(k).log, plan.at(1).log)
    plan = gca.solve(COST, rows=FREE, steps=2)
    assert torch.equal(plan.at(1).log, plan.at(0).log)
    torch.testing.assert_close(plan.matrix, torch.softmax(-COST / 0.1, 0) * (5 / 4))


def test_errors_by_their_definition():
    a, b = 0.5 + rand(5, seed=2), 0.5 + rand(4, seed=3)
    b *= a.sum() / b.sum()
    for steps in (0, 1, 2, 5):
        plan = gca.solve(COST, epsilon=0.2, rows=EXACT, cols=0.4, a=a, b=b, steps=steps)
        assert plan.row_error == pytest.approx(((plan.row_sums - a).abs() / a).max().item(), rel=1e-9, abs=1e-13)
        soft = (plan.g + 0.4 * (plan.col_sums / b).log()).abs().max().item()
        assert plan.col_error == pytest.approx(soft, rel=1e-9, abs=1e-13)
    plan = gca.solve(COST, cols=Bounded(0.9, 1.1), steps=1)
    moved = gca.solve(COST, cols=Bounded(0.9, 1.1), steps=2)
    assert plan.row_error < 1e-13 and moved.col_error < 1e-13
    assert plan.col_error == pytest.approx((plan.col_sums / moved.col_sums - 1).abs().max().item(), rel=1e-9)


def test_masses_are_shown():
    plan = gca.solve(COST.float(), a=[1, 2, 3, 4, 5], steps=1)
    assert plan.row_mass.tolist() == [1, 2, 3, 4, 5] and plan.col_mass.tolist() == [3.75] * 4
    assert plan.row_mass.dtype == torch.float32


def test_at_reaches_fifty_steps_of_the_plain_iteration():
    sides = Sides(EXACT, Soft(5.0), *unit_masses(COST))
    expected = plain.log_plans(COST, 0.1, sides, 60)
    for knobs in ({"steps": 60}, {"steps": None}, {"steps": None, "init": (randn(5, seed=3), randn(4, seed=4))}):
        plan = gca.solve(COST, cols=5.0, **knobs)
        assert len(plan.trajectory) == 50
        for k in (0, 1, 2, 17, 50):
            torch.testing.assert_close(plan.at(k).log, expected[k], rtol=1e-11, atol=1e-11)
        with pytest.raises(ValueError, match="got 51"):
            plan.at(51)
    torch.testing.assert_close(gca.solve(COST, cols=5.0, steps=60).log, expected[60], rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(gca.solve(COST, cols=5.0, steps=57).log, expected[57], rtol=1e-11, atol=1e-11)


def test_what_it_calls_itself():
    assert repr(gca.solve(COST, steps=2)).startswith(
        "Plan((5, 4), epsilon=0.1, rows=EXACT, cols=EXACT, after 2 half-steps, row_error="
    )
    shown = repr(gca.solve(COST, rows=0.25, cols=FREE))
    assert "rows=Soft(0.25), cols=FREE, converged in" in shown
    assert "total mass" in repr(gca.solve(COST, total=True))
    assert "Bounded(lo=0.5, hi=2.0)" in repr(gca.solve(COST, cols=Bounded(0.5, 2)))


def test_converged_says_so():
    assert gca.solve(COST).converged
    assert gca.solve(COST, total=True).converged
    assert not gca.solve(COST, steps=100).converged
    assert gca.solve(COST, steps=100).steps == 100


def test_one_pair():
    plan = gca.solve([[0.7]])
    assert plan.matrix.item() == 1.0 and plan.converged and plan.entropy == 0
    assert gca.solve([[0.7]], epsilon=0.5, steps=0).matrix.item() == pytest.approx(math.exp(-1.4))


def test_types_and_devices_stay():
    for dtype in (torch.float32, torch.float64):
        plan = gca.solve(COST.to(dtype), rows=0.3)
        assert {x.dtype for x in (plan.log, plan.matrix, plan.f, plan.g, plan.row_sums, plan.rows(0, 1))} == {dtype}
    assert gca.solve(COST.half()).matrix.dtype == torch.float32
    assert gca.solve([[1, 2], [3, 4]]).matrix.dtype == torch.float32


@pytest.mark.parametrize(
    "options", [{"steps": 0}, {"steps": 1}, {"steps": 4}, {"rows": 0.5, "tol": 1e-13}, {"total": True}]
)
@pytest.mark.parametrize("grad", ["exact", "autograd", "envelope"])
@pytest.mark.parametrize("lazy", [True, False])
def test_the_diagonal_of_log_p_is_that_of_the_matrix(options, grad, lazy):
    upstream, found = randn(6, seed=3), []
    for read in (lambda plan: plan.log_diagonal, lambda plan: plan.log.diagonal()):
        z, w = (randn(6, 3, seed=k).requires_grad_() for k in (1, 2))
        temperature = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
        cost = gca.CosineCost(z, w) if lazy else gca.cosine_cost(z, w)
        plan = gca.solve(cost, epsilon=temperature, grad=grad, **options)
        value = read(plan)
        # Potentials that somebody also looks at must not be counted twice.
        slopes = torch.autograd.grad((upstream * value).sum() + (upstream * plan.log_u).sum(), (z, w, temperature))
        found.append([value.detach(), *slopes])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10)


def test_a_plan_that_is_not_square_has_no_diagonal():
    plan = gca.solve(randn(5, 4, seed=1).requires_grad_(), steps=3)
    assert plan.log_diagonal is None
    plan.log_u.sum().backward()
    assert plan.cost.grad.isfinite().all()
