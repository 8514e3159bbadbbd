"""Newton's method where the loop is slow: the same plan, far fewer steps."""

from __future__ import annotations

import itertools

import pytest
import torch

import gca_playground as gca
from gca_playground import EXACT, Bounded, Soft
from gca_playground.transport import conjugate, kernel, newton, sinkhorn
from tests.oracles.problems import randn


def hard(n=60, seed=0):
    """Points in the plane, which a small epsilon couples slowly."""
    return gca.squared_euclidean_cost(randn(n, 2, seed=seed), 0.5 + randn(n, 2, seed=seed + 1))


def plainly(cost, monkeypatch, **options):
    with monkeypatch.context() as patch:
        patch.setattr(newton, "applies", lambda problem: False)
        return gca.solve(cost, max_steps=20_000, **options)


@pytest.mark.parametrize(
    ("rows", "cols"), [(EXACT, EXACT), (Soft(50.0), EXACT), (EXACT, Soft(50.0)), (Soft(20.0), Soft(5.0))], ids=str
)
def test_the_same_plan_as_the_plain_loop(rows, cols, monkeypatch):
    options = {"epsilon": 0.2, "rows": rows, "cols": cols, "tol": 1e-11}
    expected = plainly(hard(), monkeypatch, **options)
    found = gca.solve(hard(), method="newton", **options)
    assert found.converged and expected.converged
    torch.testing.assert_close(found.matrix, expected.matrix, rtol=1e-7, atol=1e-10)


def test_far_fewer_steps(monkeypatch):
    expected, found = plainly(hard(), monkeypatch, epsilon=0.05), gca.solve(hard(), epsilon=0.05)
    assert found.converged and max(found.row_error, found.col_error) <= 1e-6
    assert found.steps < expected.steps / 10


@pytest.mark.parametrize("epsilon", [1e-2, 3e-3, 1e-3])
def test_small_epsilon_converges(epsilon):
    plan = gca.solve(hard(40), epsilon=epsilon)
    assert plan.converged and max(plan.row_error, plan.col_error) <= 1e-6
    # Exact marginals, and a cost near the best assignment's, epsilon log n away at most.
    spent = (plan.matrix * hard(40)).sum()
    best = hard(40)[range(40), _assignment(hard(40))].sum()
    assert -1e-6 <= (spent - best) / 40 <= epsilon * torch.tensor(40.0).log()


def _assignment(cost):
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment(cost.numpy())[1]


def test_float32_as_far_as_it_goes():
    plan = gca.solve(hard().float(), epsilon=0.05, tol=1e-5)
    assert plan.converged and plan.matrix.dtype == torch.float32


def test_a_batch_stays_with_the_loop():
    cost = torch.stack([hard(20, seed) for seed in (0, 5)])
    plan = gca.solve(cost, epsilon=0.3, method="newton")
    alone = gca.solve(cost[1], epsilon=0.3, tol=1e-10, method="newton")
    torch.testing.assert_close(plan.matrix[1], alone.matrix, rtol=1e-4, atol=1e-6)


def test_the_dual_rises_at_every_step(monkeypatch):
    duals = []
    search = newton._search
    monkeypatch.setattr(newton, "_search", lambda *given: duals.append(given[2].dual) or search(*given))
    gca.solve(hard(), epsilon=0.05)
    assert len(duals) > 2
    assert all(after >= before - 1e-12 * abs(before) for before, after in itertools.pairwise(duals))


@pytest.mark.parametrize("slip", [0.0, 1e-9, -1e-9])
def test_a_direction_stays_finite_where_the_operator_is_singular(slip):
    # Along the ones rounding decides the sign of the curvature; of the target, too, it leaves a little there.
    n = 40
    matrix = torch.eye(n).double() - (1 - slip) / n
    target = randn(n, seed=1)
    target -= target.mean()
    ones = torch.ones(n).double()
    goal = 1e-6 * conjugate.inner(ones, target, target)
    found = conjugate.solve_linear(lambda x: matrix @ x, target + 1e-7, metric=ones, goal=goal, most=200)
    torch.testing.assert_close(found, target, rtol=0, atol=1e-2)
    alone = 1e-7 * ones
    goal = 1e-6 * conjugate.inner(ones, alone, alone)
    assert conjugate.solve_linear(lambda x: matrix @ x, alone, metric=ones, goal=goal, most=200).isfinite().all()


def test_conjugate_gradients_solve_each_problem_of_a_batch():
    root = randn(2, 12, 12, seed=3)
    matrix, diagonal = root @ root.mT + torch.eye(12).double(), randn(2, 12, seed=4).exp()
    target = randn(2, 12, seed=5)

    def operator(x):
        return (matrix @ x[..., None]).squeeze(-1) / diagonal

    goal = torch.tensor([[1e-24], [1e30]]).double()
    found = conjugate.solve_linear(operator, target / diagonal, metric=diagonal, goal=goal, most=60)
    torch.testing.assert_close(found[0], torch.linalg.solve(matrix[0], target[0]), rtol=1e-9, atol=1e-9)
    assert not found[1].any()


def near_pairs(noise):
    """Two close views in single precision, too many for a kernel in double precision from the start."""
    z = randn(520, 64, seed=0, dtype=torch.float32)
    cost = gca.cosine_cost(z, z + noise * randn(520, 64, seed=1, dtype=torch.float32))
    assert cost.numel() > kernel.SMALL
    return cost


@pytest.mark.parametrize(("noise", "epsilon"), [(0.3, 0.05), (1.0, 0.1), (1.0, 0.05), (1.0, 0.02)])
def test_a_large_problem_in_single_precision_gets_as_far(noise, epsilon):
    cost = near_pairs(noise)
    plan, wide = (gca.solve(each, epsilon=epsilon) for each in (cost, cost.double()))
    assert plan.converged and plan.steps <= wide.steps + 20
    assert max(plan.row_error, plan.col_error) <= 1e-6
    torch.testing.assert_close(plan.matrix.double(), wide.matrix, rtol=2e-4, atol=1e-6)


def test_single_precision_does_not_lead_newton_astray(monkeypatch):
    cost = near_pairs(0.5)
    search, directions = newton._search, []
    monkeypatch.setattr(newton, "_search", lambda *given: directions.append(given[3]) or search(*given))
    assert gca.solve(cost, epsilon=0.1).converged
    assert directions and all(direction.isfinite().all() for direction in directions)


def test_bounded_and_empty_sides_stay_with_the_loop():
    cost = hard(20)
    b = torch.ones(20).double()
    b[3] = 0
    for options in ({"cols": Bounded(0.5, 2.0)}, {"b": b * 20 / 19}):
        plan = gca.solve(cost, epsilon=0.3, method="newton", **options)
        assert plan.converged


def test_a_warmer_problem_helps(monkeypatch):
    asked = []
    warmer = sinkhorn._from_warmer
    monkeypatch.setattr(
        sinkhorn, "_from_warmer", lambda problem, *a, **k: asked.append(problem.epsilon) or warmer(problem, *a, **k)
    )
    plan = gca.solve(gca.cosine_cost(randn(60, 6, seed=1), randn(60, 6, seed=2)), epsilon=1e-3)
    assert plan.converged and asked and asked[0] == 1e-3


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_where_no_plan_has_the_masses_it_says_so(spread):
    """Two rows that may only use one column: the dual has no maximum, and the potentials leave for infinity."""
    allowed = torch.tensor([[1, 0, 0], [1, 0, 0], [1, 1, 1]]).bool()
    cost = spread * randn(3, 3, seed=0)
    with pytest.warns(gca.ConvergenceWarning):
        plan = gca.solve(cost, epsilon=0.3, forbidden=~allowed, max_steps=2000)
    assert not plan.converged and max(plan.row_error, plan.col_error) > 0.5
    assert plan.f.abs().max() < 1e4
