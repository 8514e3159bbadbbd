"""How the corners of the family hang together."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gca_playground as gca
from gca_playground import EXACT, FREE, Alignment, Bounded, Soft
from tests.oracles import plain
from tests.oracles.plain import Sides
from tests.oracles.problems import draw_problem, kinds, law, rand, randn, seeds


def plan(cost=None, **knobs):
    cost = 0.5 * randn(5, 4, seed=1) if cost is None else cost
    return gca.solve(cost, **({"tol": 1e-11} | knobs)).matrix


def close(first, second, within):
    torch.testing.assert_close(first, second, rtol=within, atol=within)


@pytest.mark.parametrize("steps", [1, 2, 7, None])
@pytest.mark.parametrize("side", ["rows", "cols"])
def test_a_dear_side_is_exact_and_a_cheap_one_free(steps, side):
    other = {"rows": "cols", "cols": "rows"}[side]
    for kind in (EXACT, Soft(0.3)):
        knobs = {"epsilon": 0.3, "steps": steps, other: kind}
        close(plan(**knobs, **{side: 1e7}), plan(**knobs, **{side: EXACT}), 1e-5)
        close(plan(**knobs, **{side: 1e-9}), plan(**knobs, **{side: FREE}), 1e-6)


@pytest.mark.parametrize("steps", [1, 2, 3, 8, None])
def test_the_relaxation_slider_is_continuous_at_zero(steps):
    at_zero = plan(rows=0.0, cols=0.0, steps=steps, epsilon=1.0)
    gaps = [
        (plan(rows=rho, cols=rho, steps=steps, epsilon=1.0) - at_zero).abs().max().item() for rho in (1e-2, 1e-4, 1e-6)
    ]
    assert gaps[0] > 30 * gaps[1] > 900 * gaps[2] > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rho", [1e2, 1e4, 1e6])
def test_a_dear_side_converges_like_an_exact_one(rho, dtype):
    # Its own error is measured in cost units, where rounding is rho times larger.
    cost = gca.cosine_cost(randn(96, 8, seed=1), randn(96, 8, seed=2)).to(dtype)
    for rows in (EXACT, Soft(rho)):
        found = gca.solve(cost, rows=rows, cols=rho)
        assert found.converged and found.steps < 200


def test_wide_bounds_are_free_and_narrow_bounds_exact():
    for steps in (1, 2, 5, None):
        close(plan(cols=Bounded(0.0, math.inf), steps=steps), plan(cols=FREE, steps=steps), 1e-10)
        close(plan(cols=Bounded(1.0, 1.0), steps=steps), plan(cols=EXACT, steps=steps), 1e-9)


def test_words_and_numbers_are_constraints_too():
    cost = randn(4, 3, seed=1)
    for word, side in (("exact", EXACT), ("Free", FREE), (0.5, Soft(0.5)), (0, FREE), (math.inf, EXACT), (None, EXACT)):
        assert torch.equal(plan(cost, rows=word, steps=3), plan(cost, rows=side, steps=3))


@settings(law, max_examples=25)
@given(st.integers(2, 6), st.sampled_from([0.02, 0.1, 1.0]), seeds)
def test_more_potentials_come_closer_to_the_pairs(n, epsilon, seed):
    z, w = randn(n, 3, seed=seed), randn(n, 3, seed=seed + 1)
    total = Alignment(epsilon=epsilon, total=True)(z, w)
    infonce = Alignment(epsilon=epsilon, cols=FREE, steps=1)(z, w)
    steps = [Alignment(epsilon=epsilon, steps=k)(z, w) for k in (1, 2, 5, 40)]
    assert total >= infonce - 1e-12 and torch.equal(infonce, steps[0])
    assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(steps))


@kinds("exact", "soft", "softer")
@pytest.mark.parametrize("epsilon", [0.05, 1.0])
def test_the_shift_of_mass_changes_no_plan(rows, cols, epsilon):
    problem = draw_problem(rows, cols, epsilon=epsilon, seed=2)
    found = gca.solve(problem.cost, **problem.arguments(), tol=1e-11)
    sides = Sides(rows, cols, problem.a, problem.b)
    expected = plain.log_plan(problem.cost, epsilon, sides, 2000).exp()
    close(found.matrix, expected, 1e-6 if rows == cols == Soft(0.7) and epsilon == 0.05 else 1e-8)


def test_the_shift_of_mass_saves_most_of_the_steps():
    z, w = randn(64, 8, seed=1), randn(64, 8, seed=2)
    cost = gca.cosine_cost(z, w)
    # Streamed, so that Newton's method does not take over.
    plans = gca.solve(gca.CosineCost(z, w), rows=10.0, cols=10.0, tol=1e-8, method="stream")
    assert plans.converged and plans.steps < 100
    a, b = plain.unit_masses(cost)
    walk = plain.log_plans(cost, 0.1, Sides(Soft(10.0), Soft(10.0), a, b), 100)
    assert (walk[-1].exp() - plans.matrix).abs().max() > 1e-6


@kinds()
def test_any_start_leads_to_the_same_plan(rows, cols):
    problem = draw_problem(rows, cols, epsilon=0.2, seed=4)
    cold = gca.solve(problem.cost, **problem.arguments(), tol=1e-11)
    warm = gca.solve(problem.cost, **problem.arguments(), tol=1e-11, init=(randn(5, seed=1), randn(4, seed=2)))
    close(warm.matrix, cold.matrix, 1e-8)
    again = gca.solve(problem.cost, **problem.arguments(), tol=1e-9, init=cold)
    assert again.steps <= 4
    moved = gca.solve(problem.cost + 1e-3, **problem.arguments(), tol=1e-11)
    close(gca.solve(problem.cost + 1e-3, **problem.arguments(), tol=1e-11, init=cold).matrix, moved.matrix, 1e-8)


def test_a_start_that_was_empty_elsewhere():
    cost = randn(4, 3, seed=1)
    empty = gca.solve(cost, b=[0.0, 2.0, 2.0], epsilon=0.5)
    assert empty.g[0] == -math.inf
    close(gca.solve(cost, init=empty, epsilon=0.5, tol=1e-11).matrix, plan(cost, epsilon=0.5), 1e-8)
    nowhere = (torch.zeros(4), torch.full((3,), -math.inf))
    close(gca.solve(cost, init=nowhere, epsilon=0.5, tol=1e-11).matrix, plan(cost, epsilon=0.5), 1e-8)


@kinds("exact", "soft", "bounded")
@pytest.mark.parametrize("steps", [1, 4, None])
def test_the_methods_agree(rows, cols, steps):
    problem = draw_problem(rows, cols, epsilon=0.3, batch=(2,), seed=5)
    logs = [
        gca.solve(problem.cost, **problem.arguments(), steps=steps, method=method).log
        for method in ("auto", "log", "scaling")
    ]
    close(logs[1], logs[0], 1e-6 if steps is None else 1e-12)
    close(logs[2], logs[0], 1e-6 if steps is None else 1e-12)


def test_scaling_says_where_it_loses_digits():
    cost = gca.cosine_cost(randn(32, 4, seed=1), randn(32, 4, seed=2)).float()
    with pytest.raises(ValueError, match=r"method='scaling' left its range at epsilon = 0.0001: use method='auto'"):
        gca.solve(cost, epsilon=1e-4, steps=20, method="scaling")
    for method in ("auto", "log"):
        assert gca.solve(cost, epsilon=1e-4, steps=20, method=method).col_error < 1e-5


@pytest.mark.parametrize("rho", [(0.2, 0.2), (0.05, 1.0), (10.0, 10.0), (0.5, 0.0)])
@pytest.mark.parametrize("epsilon", [0.05, 0.1, 1.0])
def test_the_optimality_residual_of_soft_sides(rho, epsilon):
    cost, a, b = (
        gca.cosine_cost(randn(16, 4, seed=1), randn(12, 4, seed=2)),
        0.5 + rand(16, seed=3),
        0.5 + rand(12, seed=4),
    )
    found = gca.solve(cost, epsilon=epsilon, rows=rho[0], cols=rho[1], a=a, b=b, tol=1e-10)
    log_r, log_c = found.log.logsumexp(1) - a.log(), found.log.logsumexp(0) - b.log()
    residual = cost + epsilon * found.log + rho[0] * log_r[:, None] + rho[1] * log_c
    assert found.converged and residual.abs().max() < 1e-8
    assert max(found.row_error, found.col_error) < 1e-8


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("rows", "cols"), [(EXACT, EXACT), (EXACT, Soft(0.2)), (Soft(0.3), Soft(0.2)), (EXACT, Bounded(0.7, 1.2))]
)
def test_convergence_keeps_its_word(rows, cols, dtype):
    tol = 1e-6 if dtype == torch.float32 else 1e-10
    cost = gca.cosine_cost(randn(24, 6, seed=1), randn(18, 6, seed=2)).to(dtype)
    found = gca.solve(cost, epsilon=0.1, rows=rows, cols=cols, tol=tol)
    assert found.converged and found.row_error < 3 * tol and found.col_error < 3 * tol
    further = gca.solve(cost, epsilon=0.1, rows=rows, cols=cols, steps=100, init=found)
    assert (further.log - found.log).abs().max() < 100 * tol
