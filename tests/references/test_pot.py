"""Against POT, which shares our problem but neither our units nor, in the balanced case, our order of half-steps.

POT's default masses are 1/n and its plan is ours / n; the balanced solver updates the columns first and ends on the
rows, the unbalanced one the rows first. With its 'kl' regulariser the reference measure is a x b, with 'entropy'
counting.
"""

from __future__ import annotations

import math
import warnings

import ot
import pytest
import torch

import gca_playground as gca
from gca_playground import EXACT, FREE, Soft
from tests.oracles.problems import rand, randn

EPSILONS = [0.02, 0.1, 0.5, 2.0, 10.0]
N, M = 9, 6


def problem():
    cost = gca.cosine_cost(randn(N, 3, seed=1), randn(M, 3, seed=2))
    a, b = 0.3 + rand(N, seed=3), 0.3 + rand(M, seed=4)
    return cost, a / a.sum(), b / b.sum()


def worst(plan, expected):
    return (plan.matrix - torch.as_tensor(expected)).abs().max().item()


def balanced(cost, epsilon, a, b, **options):
    options = {"method": "sinkhorn_log", "numItermax": 100_000, "stopThr": 1e-11, "warn": False} | options
    return ot.sinkhorn(a.numpy(), b.numpy(), cost.numpy(), epsilon, **options)


def unbalanced(cost, epsilon, rho, a, b, kind, iterations=100_000):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="If reg_type = entropy")
        return ot.unbalanced.sinkhorn_unbalanced(
            a.numpy(), b.numpy(), cost.numpy(), epsilon, rho, reg_type=kind, numItermax=iterations, stopThr=1e-14
        )


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_balanced(epsilon):
    cost, a, b = problem()
    found = gca.solve(cost, epsilon=epsilon, a=a, b=b, tol=1e-10)
    assert found.converged
    assert worst(found, balanced(cost, epsilon, a, b)) < 1e-8


@pytest.mark.parametrize("epsilon", [0.1, 10.0])
def test_balanced_with_the_default_masses_of_both(epsilon):
    cost, _, _ = problem()
    theirs = ot.sinkhorn([], [], cost.numpy(), epsilon, method="sinkhorn_log", numItermax=100_000, stopThr=1e-11)
    assert worst(gca.solve(cost, epsilon=epsilon, tol=1e-10), N * theirs) < 1e-7


@pytest.mark.parametrize("iterations", [1, 2, 7])
def test_balanced_after_finitely_many_iterations(iterations):
    # The transposed problem turns our rows-first into their columns-first.
    cost, a, b = problem()
    theirs = balanced(cost, 0.1, a, b, numItermax=iterations, stopThr=0.0)
    ours = gca.solve(cost.mT, epsilon=0.1, a=b, b=a, steps=2 * iterations)
    assert worst(ours, theirs.T) < 1e-14
    untransposed = gca.solve(cost, epsilon=0.1, a=a, b=b, steps=2 * iterations)
    assert iterations == 7 or worst(untransposed, theirs) > 1e-4


def test_small_epsilon_comes_to_the_unregularised_cost():
    cost, a, b = problem()
    least = ot.emd2(a.numpy(), b.numpy(), cost.numpy())
    plan = gca.solve(cost, epsilon=0.004, a=a, b=b, tol=1e-8, max_steps=200_000)
    gap = (cost * plan.matrix).sum().item() - least
    assert -1e-7 < gap < 0.004 * math.log(N * M)


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("rho", [0.05, 1.0, (0.2, 3.0), (math.inf, 0.5), (0.5, math.inf)])
def test_unbalanced_with_the_product_reference(epsilon, rho):
    cost, a, b = problem()
    rows, cols = rho if isinstance(rho, tuple) else (rho, rho)
    plan = gca.solve(cost, epsilon=epsilon, rows=rows, cols=cols, a=a, b=b, reference="product", tol=1e-11)
    assert worst(plan, unbalanced(cost, epsilon, rho, a, b, "kl")) < 1e-9


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("rho", [0.05, 1.0, (0.2, 3.0)])
def test_unbalanced_with_the_counting_reference(epsilon, rho):
    cost, a, b = problem()
    rows, cols = rho if isinstance(rho, tuple) else (rho, rho)
    plan = gca.solve(cost, epsilon=epsilon, rows=rows, cols=cols, a=a, b=b, tol=1e-11)
    assert worst(plan, unbalanced(cost, epsilon, rho, a, b, "entropy")) < 1e-9


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_unbalanced_in_our_units(epsilon):
    # masses 1/n and 1/m: 'kl' is our plan at C + epsilon log m, 'entropy' at C - epsilon log n
    cost, _, _ = problem()
    a, b = torch.full((N,), 1 / N).double(), torch.full((M,), 1 / M).double()
    a, b = a / a.sum(), b / b.sum()
    for kind, shift in (("kl", epsilon * math.log(M)), ("entropy", -epsilon * math.log(N))):
        plan = gca.solve(cost + shift, epsilon=epsilon, rows=0.4, cols=0.4, tol=1e-11)
        assert worst(plan, N * unbalanced(cost, epsilon, 0.4, a, b, kind)) < 1e-7, kind


@pytest.mark.parametrize("iterations", [1, 2, 7])
def test_unbalanced_after_finitely_many_iterations(iterations):
    cost, a, b = problem()
    theirs = unbalanced(cost, 0.1, 0.3, a, b, "kl", iterations)
    ours = gca.solve(cost, epsilon=0.1, rows=0.3, cols=0.3, a=a, b=b, reference="product", steps=2 * iterations)
    assert worst(ours, theirs) < 1e-14


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_one_sided(epsilon):
    cost, a, b = problem()
    plan = gca.solve(cost, epsilon=epsilon, cols=FREE, a=a)
    assert worst(plan, a[:, None] * torch.softmax(-cost / epsilon, -1)) < 1e-15
    semi_relaxed = unbalanced(cost, epsilon, (math.inf, 0.0), a, b, "kl")
    ours = gca.solve(cost, epsilon=epsilon, rows=EXACT, cols=Soft(0), a=a, b=b, reference="product")
    assert worst(ours, semi_relaxed) < 1e-13


def test_the_large_epsilon_limit():
    cost, a, b = problem()
    plan = gca.solve(cost, epsilon=1e6, a=a, b=b, tol=1e-10)
    assert worst(plan, a[:, None] * b) < 1e-7
