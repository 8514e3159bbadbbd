"""What every half-step keeps, whatever the problem."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gca_playground as gca
from gca_playground import EXACT, Bounded, Soft
from tests.oracles import plain
from tests.oracles.problems import instances, law, rand, randn, seeds

steps_taken = st.integers(0, 9)
BOTH = (torch.float32, torch.float64)


@law
@given(instances(), steps_taken, st.sampled_from(["auto", "log"]))
def test_the_plan_is_that_of_the_plain_loop(problem, steps, method):
    found = gca.solve(problem.cost, **problem.arguments(), steps=steps, method=method).log
    expected = plain.log_plan(problem.effective_cost(), problem.epsilon, problem.sides(), steps)
    same = torch.where(found == expected, 0.0, (found - expected).abs())
    assert same.max() < 1e-13 * problem.steepness()


@law
@given(instances(dtypes=BOTH), steps_taken)
def test_nothing_is_nan_and_nothing_empty_is_full(problem, steps):
    plan = gca.solve(problem.cost, **problem.arguments(), steps=steps)
    assert plan.log.dtype == problem.cost.dtype
    assert not any(x.isnan().any() for x in (plan.log, plan.matrix, plan.f, plan.g, plan.row_sums, plan.entropy))
    assert not math.isnan(plan.row_error) and not math.isnan(plan.col_error)
    if problem.forbidden is not None:
        assert (plan.matrix[problem.forbidden] == 0).all()
    if steps >= 1 and problem.rows != Soft(0):
        assert (plan.row_sums[problem.a == 0] == 0).all()
    if steps >= 2 and problem.cols != Soft(0):
        assert (plan.col_sums[problem.b == 0] == 0).all()


@law
@given(instances(dtypes=BOTH), st.integers(1, 9))
def test_a_side_is_right_after_its_own_half_step(problem, steps):
    plan = gca.solve(problem.cost, **problem.arguments(), steps=steps)
    rows_turn = steps % 2 == 1
    constraint, mass = (problem.rows, problem.a) if rows_turn else (problem.cols, problem.b)
    sums, potential = (plan.row_sums, plan.last.f) if rows_turn else (plan.col_sums, plan.last.g)
    sums, error = sums.double(), plan.row_error if rows_turn else plan.col_error
    rounding = (1e-5 if problem.cost.dtype == torch.float32 else 1e-13) * problem.steepness()
    if constraint == EXACT:
        assert error < max(rounding, 1e-5 if problem.cost.dtype == torch.float32 else 0)
        assert ((sums - mass).abs() <= rounding * mass).all()
    elif isinstance(constraint, Bounded):
        assert (sums >= constraint.lo * mass * (1 - rounding)).all()
        assert (sums[mass > 0] <= constraint.hi * mass[mass > 0] * (1 + rounding)).all()
        assert error < rounding
    elif constraint.rho == 0:
        assert (potential == 0).all() or problem.reference == "product"
        assert error == 0
    else:
        assert error < rounding * (problem.epsilon + constraint.rho)


@law
@given(instances(), st.integers(2, 60), seeds)
def test_at_is_the_plan_of_so_many_steps(problem, steps, seed):
    k = seed % (min(steps, 50) + 1)
    arguments = problem.arguments()
    shown, solved = (
        gca.solve(problem.cost, **arguments, steps=steps).at(k),
        gca.solve(problem.cost, **arguments, steps=k),
    )
    torch.testing.assert_close(shown.log, solved.log, rtol=1e-12, atol=1e-12 * problem.steepness())
    assert shown.steps == k and not shown.converged


@law
@given(instances(dtypes=BOTH), st.integers(0, 9))
def test_the_trajectory_knows_the_sums_and_errors_of_every_plan(problem, steps):
    path = (plan := gca.solve(problem.cost, **problem.arguments(), steps=steps)).trajectory
    assert len(path) == steps
    single = problem.cost.dtype == torch.float32
    for k in range(steps + 1):
        log = plan.at(k).log.double()
        bound = {"rtol": 1e-4, "atol": 1e-4} if single else {"rtol": 1e-12, "atol": 1e-12 * problem.steepness()}
        torch.testing.assert_close(path.log_row_sums[k], log.logsumexp(-1), **bound)
        torch.testing.assert_close(path.log_col_sums[k], log.logsumexp(-2), **bound)
        for seen, error in ((path.row_error[k], plan.at(k).row_error), (path.col_error[k], plan.at(k).col_error)):
            assert seen.item() == pytest.approx(error, rel=1e-3 if single else 1e-9, abs=1e-3 if single else 1e-9)


@law
@given(instances(), steps_taken)
def test_a_batch_is_its_problems_one_by_one(problem, steps):
    batch = problem.cost.shape[:-2]
    together = gca.solve(problem.cost, **problem.arguments(), steps=steps)
    for index in itertools.product(*map(range, batch)):
        one = problem._replace(cost=problem.cost[index], a=problem.a[index], b=problem.b[index])
        if problem.forbidden is not None:
            one = one._replace(forbidden=problem.forbidden[index])
        alone = gca.solve(one.cost, **one.arguments(), steps=steps)
        torch.testing.assert_close(together.log[index], alone.log, rtol=1e-12, atol=1e-12 * problem.steepness())
        torch.testing.assert_close(together.f[index], alone.f, rtol=1e-12, atol=1e-12 * problem.steepness())


@law
@given(instances(), steps_taken, st.integers(0, 4))
def test_steps_can_be_taken_in_two_goes(problem, steps, more):
    # An even number first: what is resumed begins with the rows again.
    arguments, first = problem.arguments(), 2 * (steps // 2)
    start = gca.solve(problem.cost, **arguments, steps=first)
    resumed = gca.solve(problem.cost, **arguments, steps=more, init=start)
    whole = gca.solve(problem.cost, **arguments, steps=first + more)
    torch.testing.assert_close(resumed.log, whole.log, rtol=1e-12, atol=1e-12 * problem.steepness())
    torch.testing.assert_close(resumed.at(more).log, gca.solve(problem.cost, **arguments, steps=more).log)


@law
@given(instances(dtypes=BOTH), steps_taken)
def test_blocks_of_rows_are_rows_of_the_matrix(problem, steps):
    plan = gca.solve(problem.cost, **problem.arguments(), steps=steps)
    n = problem.cost.shape[-2]
    blocks = [plan.rows(start, min(start + 2, n)) for start in range(0, n, 2)]
    torch.testing.assert_close(torch.cat(blocks, -2), plan.matrix, rtol=3e-5, atol=1e-30)
    assert plan.rows(n, n).shape[-2] == 0


@law
@given(instances(), steps_taken)
def test_arrays_and_tensors_are_the_same(problem, steps):
    as_array = {"cost": problem.cost.numpy()} | problem.arguments()
    as_array |= {name: as_array[name].numpy() for name in ("a", "b", "forbidden") if as_array[name] is not None}
    from_tensors = gca.solve(problem.cost, **problem.arguments(), steps=steps)
    assert isinstance(as_array["cost"], np.ndarray)
    assert torch.equal(gca.solve(**as_array, steps=steps).log, from_tensors.log)


# ------------------------------------------------------------------------------------------ divergence on the way


def matching(n, seed):
    """A doubly stochastic target: a mixture of permutations."""
    orders = [torch.randperm(n, generator=torch.Generator().manual_seed(seed + k)) for k in range(3)]
    return sum(weight * torch.eye(n).double()[order] for weight, order in zip((0.6, 0.3, 0.1), orders, strict=True))


@law
@given(st.integers(2, 6), st.sampled_from([0.01, 0.1, 1.0]), seeds, st.booleans())
def test_exact_half_steps_are_projections(n, epsilon, seed, product):
    # KL(T|P_t) = KL(T|P_t+1) + KL(P_t+1|P_t): Pythagoras; so the divergence from a feasible target falls.
    target = matching(n, seed)
    cost = gca.cosine_cost(randn(n, 3, seed=seed), randn(n, 3, seed=seed + 1))
    plan = gca.solve(cost, epsilon=epsilon, steps=8, reference="product" if product else "counting")
    plans = [plan.at(k).matrix for k in range(9)]
    for before, after in itertools.pairwise(plans):
        whole, parts = plain.kl(target, before), plain.kl(target, after) + plain.kl(after, before)
        torch.testing.assert_close(whole, parts, rtol=1e-11, atol=1e-11)
        assert plain.kl(target, after) <= whole + 1e-11


def test_a_soft_half_step_may_lead_away_from_the_target():
    # The theorem is about exact sides; this keeps anyone from believing more.
    values = []
    for seed in range(20):
        cost = gca.cosine_cost(randn(4, 3, seed=seed), randn(4, 3, seed=seed + 50))
        plan = gca.solve(cost, epsilon=0.05, rows=0.02, cols=0.02, steps=6)
        values.append([plain.kl(torch.eye(4).double(), plan.at(k).matrix).item() for k in range(7)])
    assert any(after > before + 1e-3 for path in values for before, after in itertools.pairwise(path[1:]))


@pytest.mark.parametrize("epsilon", [1e-3, 1e-2])
@pytest.mark.parametrize("steps", [1, 2, 9, 50])
def test_small_epsilon_in_single_precision(epsilon, steps):
    cost = gca.cosine_cost(randn(64, 16, seed=1), randn(64, 16, seed=2)).float().requires_grad_()
    a = 0.1 + rand(64, seed=3)
    plan = gca.solve(cost, epsilon=epsilon, a=a, steps=steps)
    sums, mass = (plan.row_sums, plan.row_mass) if steps % 2 else (plan.col_sums, plan.col_mass)
    assert ((sums - mass).abs() / mass).max() < 1e-5
    assert (plan.row_error if steps % 2 else plan.col_error) < 1e-5
    assert plan.log.isfinite().all() and plan.matrix.isfinite().all()
    (slope,) = torch.autograd.grad(plan.log.diagonal().sum(), cost)
    assert slope.isfinite().all()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("epsilon", [1e-3, 100.0])
def test_any_finite_cost(scale, epsilon):
    cost = scale * randn(6, 5, seed=1)
    for steps in (1, 2, 7):
        plan = gca.solve(cost, epsilon=epsilon, steps=steps)
        sums = plan.row_sums if steps % 2 else plan.col_sums / (6 / 5)
        assert (sums - 1).abs().max() < max(1e-12, 1e-15 * scale / epsilon)
