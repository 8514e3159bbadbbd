"""The plan found is the plan the problem was made from."""

from __future__ import annotations

import math

import pytest
import torch

import gca_playground as gca
from gca_playground import EXACT, FREE, Bounded, Soft
from tests.oracles import plain
from tests.oracles.problems import draw_problem, kinds, rand, randn


@kinds()
@pytest.mark.parametrize("epsilon", [0.02, 1.0])
def test_the_plan_is_the_one_the_problem_was_made_from(rows, cols, epsilon):
    problem = draw_problem(rows, cols, epsilon=epsilon, batch=(2,), seed=1)
    plan = gca.solve(problem.cost, **problem.arguments(), tol=1e-11)
    assert plan.converged
    torch.testing.assert_close(plan.matrix, problem.plan, rtol=1e-8, atol=1e-10)


@kinds("exact", "soft", "softer", "free")
@pytest.mark.parametrize("reference", ["counting", "product"])
def test_the_objective_is_stationary_at_the_plan(rows, cols, reference):
    a, b = 0.2 + rand(5, seed=1), 0.2 + rand(4, seed=2)
    b *= a.sum() / b.sum()
    cost, sides = randn(5, 4, seed=3), plain.Sides(rows, cols, a, b)
    plan = gca.solve(cost, epsilon=0.3, rows=rows, cols=cols, a=a, b=b, reference=reference, tol=1e-12)
    matrix = plan.matrix.clone().requires_grad_()
    (slope,) = torch.autograd.grad(plain.objective(matrix, cost, 0.3, sides, reference), matrix)
    # An exact side allows no move of its sums: what is constant along them is its multiplier.
    if rows == EXACT:
        slope = slope - slope.mean(1, keepdim=True)
    if cols == EXACT:
        slope = slope - slope.mean(0, keepdim=True)
    assert slope.abs().max() < 1e-9


def test_no_plan_within_the_bounds_is_better():
    cost, (a, b) = randn(5, 4, seed=3), plain.unit_masses(randn(5, 4, seed=0))
    sides = plain.Sides(EXACT, Bounded(0.7, 1.2), a, b)
    plan = gca.solve(cost, epsilon=0.3, cols=Bounded(0.7, 1.2), tol=1e-12)
    sums = plan.col_sums / b
    assert sums.min() > 0.7 - 1e-9 and sums.max() < 1.2 + 1e-9
    assert ((sums - 0.7).abs() < 1e-9).any() and ((sums - 1.2).abs() < 1e-9).any()
    assert ((sums > 0.7 + 1e-3) & (sums < 1.2 - 1e-3)).any()
    least = plain.objective(plan.matrix, cost, 0.3, sides)
    for seed in range(20):
        other = gca.solve(cost + 0.05 * randn(5, 4, seed=seed), epsilon=0.3, cols=Bounded(0.7, 1.2)).matrix
        assert plain.objective(other, cost, 0.3, sides) > least


@pytest.mark.parametrize("epsilon", [0.02, 0.5])
def test_two_by_two_in_closed_form(epsilon):
    # P = [[t, 1 - t], [1 - t, t]] with t / (1 - t) = exp((C01 + C10 - C00 - C11) / (2 epsilon))
    cost = torch.tensor([[0.1, 0.25], [0.05, 0.12]], dtype=torch.float64)
    odds = math.exp((0.25 + 0.05 - 0.1 - 0.12) / (2 * epsilon))
    t = odds / (1 + odds)
    expected = torch.tensor([[t, 1 - t], [1 - t, t]], dtype=torch.float64)
    found = gca.solve(cost, epsilon=epsilon, tol=1e-12).matrix
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("reference", ["counting", "product"])
def test_a_cost_of_two_sides_couples_independently(reference):
    x, y, a, b = randn(4, seed=1), randn(3, seed=2), rand(4, seed=3) + 0.1, rand(3, seed=4) + 0.1
    b *= a.sum() / b.sum()
    plan = gca.solve(x[:, None] + y, a=a, b=b, reference=reference, tol=1e-12)
    assert plan.steps <= 4
    torch.testing.assert_close(plan.matrix, a[:, None] * b / a.sum(), rtol=1e-10, atol=0)


@pytest.mark.parametrize(("rows", "cols"), [(0.3, 0.3), (0.2, 5.0), (math.inf, 0.4), (0.4, math.inf), (0.0, 0.4)])
def test_one_pair_in_closed_form(rows, cols):
    # log p = (f + g - C) / epsilon with f = - rho_r log(p / a), g = - rho_c log(p / b)
    a, b = torch.tensor([1.5], dtype=torch.float64), torch.tensor([0.8], dtype=torch.float64)
    cost = torch.tensor([[0.7]], dtype=torch.float64)
    plan = gca.solve(cost, epsilon=0.2, rows=rows, cols=cols, a=a, b=b, tol=1e-12)
    soft = math.exp((rows * math.log(1.5) + cols * math.log(0.8) - cost.item()) / (0.2 + rows + cols))
    expected = {rows: 1.5, cols: 0.8}[math.inf] if math.inf in (rows, cols) else soft
    assert plan.matrix.item() == pytest.approx(expected, rel=1e-10)


def test_one_row_or_one_column():
    cost, mass = randn(1, 4, seed=1), rand(4, seed=2) + 0.1
    torch.testing.assert_close(gca.solve(cost, b=mass).matrix, mass[None], rtol=1e-12, atol=0)
    torch.testing.assert_close(gca.solve(cost.mT, a=mass).matrix, mass[:, None], rtol=1e-12, atol=0)
    torch.testing.assert_close(gca.solve(cost, steps=1).matrix, torch.softmax(-cost / 0.1, -1), rtol=1e-12, atol=0)


def test_both_sides_free_is_the_kernel():
    cost = randn(3, 4, seed=1)
    plan = gca.solve(cost, epsilon=0.5, rows=FREE, cols=FREE)
    assert plan.converged
    torch.testing.assert_close(plan.matrix, torch.exp(-cost / 0.5), rtol=1e-13, atol=0)


def test_one_exact_side_is_a_softmax():
    cost, a, b = randn(3, 4, seed=1), rand(3, seed=2), rand(4, seed=3)
    by_rows = gca.solve(cost, epsilon=0.5, cols=FREE, a=a).matrix
    torch.testing.assert_close(by_rows, a[:, None] * torch.softmax(-cost / 0.5, 1), rtol=1e-12, atol=0)
    by_cols = gca.solve(cost, epsilon=0.5, rows=FREE, b=b).matrix
    torch.testing.assert_close(by_cols, b * torch.softmax(-cost / 0.5, 0), rtol=1e-12, atol=0)


def test_one_soft_side_in_closed_form():
    # r = a^kappa (K 1)^(1 - kappa), spread over the row by its softmax
    cost, a, kappa = randn(3, 4, seed=1), rand(3, seed=2), 0.7 / (0.7 + 0.5)
    kernel = torch.exp(-cost / 0.5)
    expected = (a / kernel.sum(1)).pow(kappa)[:, None] * kernel
    found = gca.solve(cost, epsilon=0.5, rows=Soft(0.7), cols=FREE, a=a, tol=1e-12).matrix
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("reference", ["counting", "product"])
def test_total_mass_is_one_softmax_over_all_pairs(reference):
    cost, a, b = randn(2, 3, 4, seed=1), rand(3, seed=2), rand(4, seed=3)
    b *= a.sum() / b.sum()
    scores = -cost / 0.2 + (a[:, None] * b).log() * (reference == "product")
    expected = a.sum() * torch.softmax(scores.flatten(1), 1).view_as(cost)
    plan = gca.solve(cost, epsilon=0.2, total=True, a=a, b=b, reference=reference)
    torch.testing.assert_close(plan.matrix, expected, rtol=1e-12, atol=0)
    assert plan.row_error < 1e-13 and plan.mass.shape == (2,)


def test_the_default_masses_are_one_a_row():
    cost = 0.1 * randn(6, 3, seed=1)
    plan = gca.solve(cost, tol=1e-12)
    torch.testing.assert_close(plan.row_sums, torch.ones(6).double(), rtol=1e-10, atol=0)
    torch.testing.assert_close(plan.col_sums, torch.full((3,), 2.0).double(), rtol=1e-10, atol=0)
    given = gca.solve(cost, a=torch.arange(6.0), tol=1e-12)
    torch.testing.assert_close(given.col_sums, torch.full((3,), 5.0).double(), rtol=1e-10, atol=0)
    given = gca.solve(cost, b=[1.0, 2.0, 3.0], tol=1e-12)
    torch.testing.assert_close(given.row_sums, torch.ones(6).double(), rtol=1e-10, atol=0)
