"""How far the plan is from the target."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gca_playground as gca
from gca_playground import EXACT, FREE, Alignment, Bounded, Soft
from gca_playground.alignment import kl, kl_along, targets
from tests.oracles import plain
from tests.oracles.problems import instances, law, rand, randn, seeds


@law
@given(instances(small=-1.0), st.integers(0, 9), seeds)
def test_kl_is_its_formula(problem, steps, seed):
    plan = gca.solve(problem.cost, **problem.arguments(), steps=steps)
    target = rand(*problem.cost.shape[-2:], seed=seed) * (rand(*problem.cost.shape[-2:], seed=seed + 1) < 0.7)
    target = target * (plan.matrix > 0)
    expected = plain.kl(target, plan.log.exp()) / problem.cost.shape[-2]
    # Where P underflows, log P does not.
    clear = (plan.log > -700) | plan.log.isneginf()
    if clear.all():
        torch.testing.assert_close(kl(target, plan), expected, rtol=1e-11, atol=1e-11)
    assert (kl(target, plan) >= -1e-12).all()


@law
@given(instances(small=-2.0), st.integers(0, 9), seeds)
def test_kl_along_is_the_kl_of_every_plan(problem, steps, seed):
    plan = gca.solve(problem.cost, **problem.arguments(), steps=steps)
    target = rand(*problem.cost.shape, seed=seed) * (rand(*problem.cost.shape, seed=seed + 1) < 0.7)
    every = torch.stack([plan.at(k).matrix > 0 for k in range(steps + 1)])
    target = target * every.all(0)
    path = kl_along(target, plan)
    assert path.shape == (steps + 1, *problem.cost.shape[:-2])
    for k in range(steps + 1):
        bound = {"rtol": 1e-10, "atol": 1e-11 * problem.steepness()}
        torch.testing.assert_close(path[k], kl(target, plan.at(k)), **bound)


def test_kl_along_carries_no_tape():
    plan = gca.solve(randn(4, 4, seed=1).requires_grad_(), steps=4)
    assert not kl_along(torch.eye(4).double(), plan).requires_grad


@pytest.mark.parametrize("steps", [1, 3, None])
def test_with_exact_rows_it_is_the_mean_of_minus_log(steps):
    plan = gca.solve(randn(5, 5, seed=1), epsilon=0.5, steps=steps, tol=1e-10)
    torch.testing.assert_close(kl(torch.eye(5).double(), plan), -plan.log.diagonal().mean(), rtol=1e-9, atol=0)


def test_a_plan_that_gives_up_mass_pays_for_it():
    plan = gca.solve(randn(5, 5, seed=1), epsilon=0.5, rows=0.2, cols=0.2)
    target = torch.eye(5).double()
    expected = -plan.log.diagonal().mean() - 1 + plan.mass / 5
    torch.testing.assert_close(kl(target, plan), expected, rtol=1e-12, atol=0)
    assert abs(plan.mass.item() / 5 - 1) > 0.05


def test_a_forbidden_pair_costs_nothing_where_the_target_is_zero():
    cost = randn(4, 4, seed=1).requires_grad_()
    forbidden = torch.zeros(4, 4, dtype=torch.bool)
    forbidden[0, 1] = True
    plan = gca.solve(cost, forbidden=forbidden, steps=3)
    loss = kl(torch.eye(4).double(), plan)
    loss.backward()
    assert loss.isfinite() and cost.grad.isfinite().all() and cost.grad[0, 1] == 0
    assert kl(torch.full((4, 4), 0.25).double(), plan) == math.inf


@pytest.mark.parametrize("sides", [(EXACT, EXACT), (Soft(0.3), Soft(0.5)), (EXACT, Bounded(0.8, 1.2)), (FREE, FREE)])
@pytest.mark.parametrize("steps", [0, 1, 4, None])
def test_its_gradient(sides, steps):
    target = rand(4, 4, seed=2)
    tol = {} if steps is not None else {"tol": 1e-12}

    def divergence(cost):
        return kl(target, gca.solve(cost, epsilon=0.7, rows=sides[0], cols=sides[1], steps=steps, **tol))

    assert torch.autograd.gradcheck(divergence, 0.3 * randn(4, 4, seed=1).requires_grad_(), fast_mode=steps is None)


def test_pairs():
    assert torch.equal(targets.pairs(3), torch.eye(3))
    assert targets.pairs(3, dtype=torch.float64).dtype == torch.float64
    plan = gca.solve(randn(2, 3, 3, seed=1), steps=2)
    assert torch.equal(Alignment().target_of(plan), torch.eye(3).double())
