"""What a plan does not see, and how it follows what it sees."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gca_playground as gca
from gca_playground import EXACT, FREE, Bounded, Soft
from tests.oracles import plain
from tests.oracles.problems import draw_problem, instances, kinds, law, randn, seeds

steps_taken = st.integers(0, 9)


def unlike(first, second):
    return (first - second).abs().max().item() > 1e-3


def test_what_each_corner_is_blind_to():
    cost, x, y = randn(4, 3, seed=1), randn(4, 1, seed=2), randn(1, 3, seed=3)

    def plan(shift, **knobs):
        return gca.solve(cost + shift, epsilon=0.5, tol=1e-12, **knobs).matrix

    balanced = plan(0)
    torch.testing.assert_close(plan(x + y), balanced, rtol=1e-9, atol=1e-10)
    for steps in (1, 2, 5):
        torch.testing.assert_close(plan(x, steps=steps), plan(0, steps=steps), rtol=1e-11, atol=1e-12)
        assert unlike(plan(y, steps=steps), plan(0, steps=steps))
    torch.testing.assert_close(plan(3.0, total=True), plan(0, total=True), rtol=1e-11, atol=1e-12)
    assert unlike(plan(x, total=True), plan(0, total=True))
    assert unlike(plan(3.0, rows=0.5, cols=0.5), plan(0, rows=0.5, cols=0.5))
    torch.testing.assert_close(plan(x, cols=0.5), plan(0, cols=0.5), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("units", [1e-3, 1e-6])
@pytest.mark.parametrize(("rows", "cols"), [(0.5, 0.5), (0.5, math.inf), (0.05, 0.05)])
def test_convergence_knows_no_units(rows, cols, units):
    # A soft side's error is in the units of the cost: it alone would call anything converged where these are small.
    cost = gca.cosine_cost(randn(12, 3, seed=1), randn(9, 3, seed=2))
    plan = gca.solve(cost, epsilon=0.05, rows=rows, cols=cols)
    small = gca.solve(units * cost, epsilon=units * 0.05, rows=units * rows, cols=units * cols)
    torch.testing.assert_close(small.matrix, plan.matrix, rtol=1e-5, atol=0)


@law
@given(instances(small=-1.0), steps_taken, st.sampled_from([0.01, 3.0, 1000.0]))
def test_cost_epsilon_and_rho_scale_together(problem, steps, scale):
    def stretched(side):
        return Soft(side.rho * scale) if isinstance(side, Soft) else side

    knobs = problem.arguments() | {"rows": stretched(problem.rows), "cols": stretched(problem.cols)}
    plan = gca.solve(problem.cost, **problem.arguments(), steps=steps)
    scaled = gca.solve(problem.cost * scale, **(knobs | {"epsilon": problem.epsilon * scale}), steps=steps)
    bound = {"rtol": 1e-11, "atol": 1e-11 * problem.steepness()}
    torch.testing.assert_close(scaled.log, plan.log, **bound)
    torch.testing.assert_close(scaled.f / scale, plan.f, **bound)


@law
@given(instances(small=-2.0), steps_taken, seeds)
def test_a_permutation_goes_through(problem, steps, seed):
    n, m = problem.cost.shape[-2:]
    order = torch.Generator().manual_seed(seed)
    i, j = torch.randperm(n, generator=order), torch.randperm(m, generator=order)
    forbidden = None if problem.forbidden is None else problem.forbidden[..., i, :][..., j]
    moved = problem._replace(
        cost=problem.cost[..., i, :][..., j], a=problem.a[..., i], b=problem.b[..., j], forbidden=forbidden
    )
    plan = gca.solve(problem.cost, **problem.arguments(), steps=steps)
    permuted = gca.solve(moved.cost, **moved.arguments(), steps=steps)
    bound = {"rtol": 1e-12, "atol": 1e-12 * problem.steepness()}
    torch.testing.assert_close(permuted.log, plan.log[..., i, :][..., j], **bound)


@kinds()
def test_transposed_with_the_sides_swapped(rows, cols):
    problem = draw_problem(rows, cols, seed=7)
    plan = gca.solve(problem.cost, **problem.arguments(), tol=1e-11)
    knobs = {"rows": cols, "cols": rows, "a": problem.b, "b": problem.a, "epsilon": problem.epsilon}
    turned = gca.solve(problem.cost.mT, **knobs, tol=1e-11)
    torch.testing.assert_close(turned.matrix.mT, plan.matrix, rtol=1e-8, atol=1e-10)


@law
@given(instances(), steps_taken)
def test_transposed_half_steps_are_those_with_the_columns_first(problem, steps):
    if problem.reference == "product" and (problem.a == 0).any() | (problem.b == 0).any():
        return
    forbidden = None if problem.forbidden is None else problem.forbidden.mT
    turned = gca.solve(
        problem.cost.mT,
        epsilon=problem.epsilon,
        rows=problem.cols,
        cols=problem.rows,
        a=problem.b,
        b=problem.a,
        forbidden=forbidden,
        reference=problem.reference,
        steps=steps,
    )
    expected = plain.log_plan(problem.effective_cost(), problem.epsilon, problem.sides(), steps, columns_first=True)
    found = turned.log.mT
    assert torch.where(found == expected, 0.0, (found - expected).abs()).max() < 1e-13 * problem.steepness()


def test_an_empty_element_is_as_good_as_absent():
    cost = 0.3 * randn(5, 4, seed=1)
    a, b = torch.tensor([1.0, 0.0, 2.0, 1.0, 1.0]).double(), torch.tensor([2.0, 1.0, 2.0, 0.0]).double()
    rows, cols = a > 0, b > 0
    for knobs in ({}, {"rows": 0.4}, {"cols": Bounded(0.5, 1.5)}, {"reference": "product", "rows": FREE}):
        whole = gca.solve(cost, **knobs, a=a, b=b, tol=1e-11).matrix
        part = gca.solve(cost[rows][:, cols], **knobs, a=a[rows], b=b[cols], tol=1e-11).matrix
        torch.testing.assert_close(whole[rows][:, cols], part, rtol=1e-8, atol=1e-10)
        assert (whole[~rows] == 0).all() and (whole[:, ~cols] == 0).all()


def test_a_forbidden_pair_is_the_limit_of_a_dear_one():
    cost = 0.3 * randn(5, 4, seed=1)
    forbidden = torch.zeros(5, 4, dtype=torch.bool)
    forbidden[0, 1] = forbidden[3, 2] = True
    for knobs in ({"steps": 3}, {"steps": 4, "rows": 0.4}, {"tol": 1e-11}, {"total": True}):
        without = gca.solve(cost, **knobs, forbidden=forbidden).matrix
        torch.testing.assert_close(gca.solve(cost + 100 * forbidden, **knobs).matrix, without, rtol=1e-8, atol=1e-12)


@law
@given(seeds, st.sampled_from([1e-2, 0.1, 1.0]), st.sampled_from([(EXACT, EXACT), (EXACT, FREE), (EXACT, Soft(0.3))]))
def test_duplicate_points_share_alike(seed, epsilon, sides):
    z = randn(4, 3, seed=seed)
    z[1] = z[0]
    plan = gca.solve(gca.cosine_cost(z, z.clone()), epsilon=epsilon, rows=sides[0], cols=sides[1], steps=6).matrix
    torch.testing.assert_close(plan[0], plan[1], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(plan[:, 0], plan[:, 1], rtol=1e-9, atol=1e-12)
