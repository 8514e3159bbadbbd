"""The adjoint against autograd through the plain loop, which shares no code with it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gca_playground as gca
from gca_playground import EXACT, FREE, Bounded, Soft
from gca_playground.transport import adjoint
from tests.oracles import plain
from tests.oracles.plain import Sides, unit_masses
from tests.oracles.problems import draw_problem, instances, kinds, law, rand, randn, seeds


def off(found, expected, upstream, epsilon):
    """Relative error; where the gradient nearly cancels, relative to what it cancels from."""
    return ((found - expected).norm() / (expected.norm() + 1e-2 * upstream.norm() / epsilon)).item()


def gradient(log, cost, upstream):
    """d <upstream, log> / d cost, over the pairs that may hold mass."""
    finite = torch.where(log.isneginf(), 0.0, log)
    return torch.autograd.grad((upstream.masked_fill(log.isneginf(), 0.0) * finite).sum(), cost)[0]


@kinds()
@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_steps(rows, cols, steps):
    problem = draw_problem(rows, cols, epsilon=0.2, batch=(2,), seed=steps)
    start, upstream = problem.cost + 0.1 * randn(2, 5, 4, seed=9), randn(2, 5, 4, seed=8)
    sides = Sides(rows, cols, problem.a, problem.b)
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    plan = gca.solve(ours, **problem.arguments(), steps=steps)
    expected = gradient(plain.log_plan(theirs, 0.2, sides, steps), theirs, upstream)
    assert off(gradient(plan.log, ours, upstream), expected, upstream, 0.2) < 1e-11


@kinds("exact", "soft", "bounded")
def test_many_steps(rows, cols):
    test_steps(rows, cols, 50)


@law
@given(instances(), st.integers(0, 9), seeds)
def test_steps_of_any_problem(problem, steps, seed):
    ours, theirs = problem.cost.clone().requires_grad_(), problem.cost.clone().requires_grad_()
    upstream = randn(*problem.cost.shape, seed=seed)
    found = gradient(gca.solve(ours, **problem.arguments(), steps=steps).log, ours, upstream)
    assert found.isfinite().all()
    if problem.reference == "counting" or (problem.a.min() > 0 and problem.b.min() > 0):
        log = plain.log_plan(problem.effective_cost(theirs), problem.epsilon, problem.sides(), steps)
        expected = gradient(log, theirs, upstream)
        assert off(found, expected, upstream, problem.epsilon) < 1e-11 + 1e-13 * problem.steepness()


@law
@given(instances(dtypes=(torch.float32,)), st.integers(0, 9), seeds)
def test_steps_in_single_precision(problem, steps, seed):
    ours, theirs = problem.cost.clone().requires_grad_(), problem.cost.double().requires_grad_()
    upstream = randn(*problem.cost.shape, seed=seed)
    found = gradient(gca.solve(ours, **problem.arguments(), steps=steps).log, ours, upstream.float())
    assert found.dtype == torch.float32 and found.isfinite().all()
    if problem.reference == "counting":
        log = plain.log_plan(problem.effective_cost(theirs), problem.epsilon, problem.sides(), steps)
        assert off(found, gradient(log, theirs, upstream), upstream, problem.epsilon) < 1e-4


@pytest.mark.parametrize("steps", [1, 2, 3, 20, 75])
def test_steps_of_the_matrix(steps):
    start, upstream = randn(6, 4, seed=1), randn(6, 4, seed=2)
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    sides = Sides(Soft(0.5), EXACT, *unit_masses(start))
    (gca.solve(ours, rows=0.5, steps=steps).matrix * upstream).sum().backward()
    (plain.log_plan(theirs, 0.1, sides, steps).exp() * upstream).sum().backward()
    assert off(ours.grad, theirs.grad, upstream, 0.1) < 1e-11


def test_masses_of_zero_and_the_first_column_step():
    # At g = 0 an empty column still takes part in the first row softmax.
    start, upstream, b = randn(3, 4, seed=1), randn(3, 4, seed=2), torch.tensor([1.0, 0.0, 1.0, 1.0]).double()
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    found = gradient(gca.solve(ours, b=b, steps=2).log, ours, upstream)
    sides = Sides(EXACT, EXACT, torch.ones(3).double(), b)
    expected = gradient(plain.log_plan(theirs, 0.1, sides, 2), theirs, upstream)
    assert expected[:, 1].abs().max() > 1e-2
    assert off(found, expected, upstream, 0.1) < 1e-11


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_warm_start_is_a_constant(steps):
    start, upstream, g = randn(4, 3, seed=1), randn(4, 3, seed=2), 0.1 * randn(3, seed=3)
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    init = (torch.zeros(4).double(), g)
    found = gradient(gca.solve(ours, init=init, steps=steps).log, ours, upstream)
    sides = Sides(EXACT, EXACT, *unit_masses(start))
    expected = gradient(plain.log_plan(theirs, 0.1, sides, steps, start=init), theirs, upstream)
    assert off(found, expected, upstream, 0.1) < 1e-11


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("level", [-1.0, 0.0, 1.0])
def test_potentials_that_wander_far(level, dtype):
    # Soft sides at small epsilon: the potentials move by hundreds of epsilon from step to step.
    start, upstream = level + 0.1 * randn(5, 4, seed=1), randn(5, 4, seed=2)
    ours, theirs = start.to(dtype).requires_grad_(), start.to(dtype).double().requires_grad_()
    plan = gca.solve(ours, epsilon=1e-3, rows=1e-3, cols=1e-3, steps=10)
    found = gradient(plan.log, ours, upstream.to(dtype))
    sides = Sides(Soft(1e-3), Soft(1e-3), *unit_masses(start))
    expected = gradient(plain.log_plan(theirs, 1e-3, sides, 10), theirs, upstream)
    assert off(found, expected, upstream, 1e-3) < (1e-5 if dtype == torch.float32 else 1e-11)


def test_total_mass():
    start, upstream = randn(2, 4, 3, seed=1), randn(2, 4, 3, seed=2)
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    forbidden = rand(4, 3, seed=3) < 0.3
    found = gradient(gca.solve(ours, total=True, forbidden=forbidden).log, ours, upstream)
    scores = (-theirs / 0.1).masked_fill(forbidden, -math.inf)
    expected = gradient(torch.log_softmax(scores.flatten(1), 1).view_as(start), theirs, upstream)
    assert off(found, expected, upstream, 0.1) < 1e-13


# ------------------------------------------------------------------------------------------ at convergence


@kinds()
def test_convergence(rows, cols):
    problem = draw_problem(rows, cols, epsilon=0.2, batch=(2,), seed=3)
    upstream, sides = randn(2, 5, 4, seed=8), Sides(rows, cols, problem.a, problem.b)
    ours, theirs = problem.cost.clone().requires_grad_(), problem.cost.clone().requires_grad_()
    plan = gca.solve(ours, **problem.arguments(), tol=1e-12)
    log = plain.log_plan(theirs, 0.2, sides, 400, start=(plan.f, plan.g))
    expected = gradient(log, theirs, upstream)
    assert off(gradient(plan.log, ours, upstream), expected, upstream, 0.2) < 1e-9


@pytest.mark.parametrize("cols", [EXACT, Soft(0.3)])
def test_convergence_with_forbidden_pairs_and_empty_sides(cols):
    start, upstream = 0.3 * randn(6, 5, seed=1), randn(6, 5, seed=2)
    a, b = 0.5 + rand(6, seed=3), 0.5 + rand(5, seed=4)
    a[2], b[1] = 0.0, 0.0
    b *= a.sum() / b.sum()
    forbidden = torch.zeros(6, 5, dtype=torch.bool)
    forbidden[0, 0] = forbidden[3, 4] = True
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    plan = gca.solve(ours, epsilon=0.3, cols=cols, a=a, b=b, forbidden=forbidden, tol=1e-12)
    found = gradient(plan.log, ours, upstream)
    effective = theirs.masked_fill(forbidden, math.inf)
    log = plain.log_plan(effective, 0.3, Sides(EXACT, cols, a, b), 400, start=(plan.f, plan.g))
    assert off(found, gradient(log, theirs, upstream), upstream, 0.3) < 1e-9
    assert (found[forbidden] == 0).all() and (found[2] == 0).all() and (found[:, 1] == 0).all()


@pytest.mark.parametrize("epsilon", [0.05, 0.3])
def test_the_balanced_gradient_has_zero_sums(epsilon):
    # The plan does not see C + x_i + y_j.
    cost = gca.cosine_cost(randn(6, 3, seed=1), randn(4, 3, seed=2)).requires_grad_()
    plan = gca.solve(cost, epsilon=epsilon, tol=1e-11)
    (slope,) = torch.autograd.grad((plan.matrix * randn(6, 4, seed=3)).sum(), cost)
    assert slope.norm() > 1e-2
    assert max(slope.sum(0).abs().max(), slope.sum(1).abs().max()) < 1e-10 * slope.norm()


def test_a_gradient_step_does_what_the_gradient_says():
    cost, weight = 0.3 * randn(5, 5, seed=1), randn(5, 5, seed=2)
    direction = randn(5, 5, seed=3)

    def value(shift):
        return (gca.solve(cost + shift * direction, epsilon=0.2, rows=0.5, tol=1e-12).matrix * weight).sum()

    along = cost.clone().requires_grad_()
    plan = gca.solve(along, epsilon=0.2, rows=0.5, tol=1e-12)
    (slope,) = torch.autograd.grad((plan.matrix * weight).sum(), along)
    difference = (value(1e-4) - value(-1e-4)) / 2e-4
    torch.testing.assert_close((slope * direction).sum(), difference, rtol=1e-6, atol=0)


def nearly_separate_blocks(leak):
    """A problem that f = g = 0 solves; its plan couples two clusters by this much only."""
    plan = randn(6, 6, seed=1).exp()
    plan[:3, 3:] *= leak
    plan[3:, :3] *= leak
    return -0.02 * plan.log(), {"epsilon": 0.02, "a": plan.sum(1), "b": plan.sum(0)}


@pytest.mark.parametrize(("leak", "error"), [(1e-2, 1e-12), (1e-5, 1e-9), (1e-9, 1e-5)])
def test_nearly_separate_blocks_have_the_right_gradient(leak, error):
    cost, knobs = nearly_separate_blocks(leak)
    cost.requires_grad_()
    upstream = randn(6, 6, seed=3)
    plan = gca.solve(cost, **knobs)
    assert plan.steps <= 4
    assert off(gradient(plan.log, cost, upstream), implicit(plan, cost, upstream), upstream, 0.02) < error


@pytest.mark.parametrize("leak", [1e-14, 1e-18, 1e-100])
def test_separate_blocks_keep_the_gradient_bounded(leak):
    # The linear system is singular to rounding.
    cost, knobs = nearly_separate_blocks(leak)
    cost.requires_grad_()
    upstream = randn(6, 6, seed=3)
    found = gradient(gca.solve(cost, **knobs).log, cost, upstream)
    assert found.norm() < 5 * upstream.norm() / 0.02


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("noise", [0.3, 1.0, 100.0])
def test_where_the_terms_of_the_system_cancel_nothing_is_factorised(noise, dtype, monkeypatch):
    # KL(T | P), where T has the marginals of P: its gradient is T - P, and what is left to solve for is rounding.
    monkeypatch.setattr(adjoint, "_least_squares", lambda *given: pytest.fail("conjugate gradients went astray"))
    z = randn(96, 16, seed=1, dtype=dtype)
    cost = gca.cosine_cost(z, z + noise * randn(96, 16, seed=2, dtype=dtype)).requires_grad_()
    plan = gca.solve(cost, epsilon=0.1)
    (slope,) = torch.autograd.grad(-plan.log.diagonal().sum(), cost)
    assert plan.converged
    torch.testing.assert_close(slope, (torch.eye(96).to(dtype) - plan.matrix.detach()) / 0.1, rtol=0, atol=2e-4)


def implicit(plan, cost, upstream):
    """The balanced gradient from the whole linear system, by elimination with one potential fixed."""
    matrix, (n, m) = plan.matrix.detach(), cost.shape
    system = torch.zeros(n + m, n + m, dtype=torch.float64)
    system[:n, :n], system[n:, n:] = torch.diag(matrix.sum(1)), torch.diag(matrix.sum(0))
    system[:n, n:], system[n:, :n] = matrix, matrix.T
    right = torch.cat([upstream.sum(1), upstream.sum(0)])
    solution = torch.cat([torch.zeros(1).double(), torch.linalg.solve(system[1:, 1:], right[1:])])
    return (matrix * (solution[:n, None] + solution[None, n:]) - upstream) / plan.epsilon


# ------------------------------------------------------------------------------------------ by differences


@pytest.mark.parametrize(
    "knobs",
    [
        {"steps": 3},
        {"steps": 4, "rows": 0.3, "cols": 0.7},
        {"steps": 3, "cols": Bounded(0.9, 1.1)},
        {"steps": 3, "reference": "product"},
        {"total": True},
        {"tol": 1e-13},
        {"tol": 1e-13, "rows": 0.4, "cols": FREE},
        {"tol": 1e-13, "rows": 0.4, "cols": 0.6},
    ],
    ids=str,
)
def test_gradcheck(knobs):
    cost = randn(3, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda cost: gca.solve(cost, epsilon=0.5, **knobs).matrix, cost, fast_mode=False)


@pytest.mark.parametrize("cost", [gca.CosineCost, gca.SquaredEuclideanCost, gca.DotCost])
@pytest.mark.parametrize("steps", [3, None])
def test_lazy_costs_pass_gradients_to_both_views(cost, steps):
    z, w = randn(4, 2, seed=1).requires_grad_(), randn(3, 2, seed=2).requires_grad_()
    tol = {} if steps else {"tol": 1e-13}
    assert torch.autograd.gradcheck(lambda z, w: gca.solve(cost(z, w), epsilon=1.0, steps=steps, **tol).matrix, (z, w))


def test_potentials_and_what_is_shown_are_detached():
    plan = gca.solve(randn(4, 3, seed=1).requires_grad_(), steps=4)
    shown = [plan.f, plan.g, plan.row_mass, plan.col_mass, plan.rows(0, 2), plan.at(2).matrix]
    assert not any(tensor.requires_grad for tensor in [*shown, *vars(plan.trajectory).values()])
    assert plan.log.requires_grad and plan.matrix.requires_grad
