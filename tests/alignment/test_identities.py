"""The family hangs together: what each loss becomes at the ends of its knobs, and the laws they all obey."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

import gca_playground as gca
from gca_playground import EXACT, KL, Alignment, Soft, Uniformity
from tests.oracles import losses as oracle
from tests.oracles import plain
from tests.oracles.plain import Sides, unit_masses
from tests.oracles.problems import law, rand, randn, seeds


def views(n=6, d=3, seed=1, **options):
    return randn(n, d, seed=seed, **options), randn(n, d, seed=seed + 1, **options)


def value_and_slopes(name, z, w, **knobs):
    z, w = (x.detach().clone().requires_grad_() for x in (z, w))
    value = gca.loss(name, **knobs)(z, w)
    return [value.detach(), *torch.autograd.grad(value, (z, w))]


def same(first, second, within=1e-12):
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other, rtol=within, atol=within)


# ------------------------------------------------------------------------------------------ robust InfoNCE


@pytest.mark.parametrize("lam", [0.01, 1.0])
@pytest.mark.parametrize("steps", [1, 4])
def test_rince_falls_to_infonce_plus_log_lam(lam, steps):
    # The gap is of first order in q: it falls tenfold with q. With potentials the columns bring <log v> in nothing new.
    z, w = views()
    limit = gca.loss("gca-ince", steps=1)(z, w) + math.log(lam)
    gaps = [(gca.loss("gca-rince", steps=1, q=q, lam=lam)(z, w) - limit).abs().item() for q in (1e-3, 1e-4, 1e-5)]
    assert gaps[0] == pytest.approx(10 * gaps[1], rel=0.1) and gaps[1] == pytest.approx(10 * gaps[2], rel=0.1)
    near = gca.loss("gca-rince", steps=steps, q=1e-7, lam=lam)(z, w)
    scores = (F.normalize(z, dim=-1) @ F.normalize(w, dim=-1).T) / 0.1
    biased = scores + Alignment(steps=steps).plan(z, w).g / 0.1
    expected = F.cross_entropy(biased, torch.arange(6)) + math.log(lam)
    torch.testing.assert_close(near, expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("lam", [0.05, 1.0])
@pytest.mark.parametrize("steps", [0, 2, 5])
def test_rince_at_q_one_is_total_variation_weighted_by_row_sums(lam, steps):
    z, w = views()
    g = Alignment(epsilon=0.3, steps=steps).plan(z, w).g
    spread = ((F.normalize(z, dim=-1) @ F.normalize(w, dim=-1).T + g) / 0.3).exp()
    sums = spread.sum(1)
    row = spread / sums[:, None]
    total_variation = (row - torch.eye(6).double()).abs().sum(1) / 2
    expected = (sums * (total_variation - (1 - lam))).mean()
    found = gca.loss("gca-rince", epsilon=0.3, q=1.0, lam=lam, steps=steps)(z, w)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_lam_is_not_inert():
    z, w = views()
    values = [gca.loss("rince", lam=lam)(z, w).item() for lam in (1e-4, 1e-2, 0.5, 1.0)]
    slopes = [value_and_slopes("rince", z, w, lam=lam)[1].norm().item() for lam in (1e-4, 1e-2, 0.5, 1.0)]
    assert all(later > 1.01 * earlier for earlier, later in itertools.pairwise([v - values[0] + 1 for v in values]))
    assert len({round(slope, 6) for slope in slopes}) == 4


@pytest.mark.parametrize("epsilon", [0.05, 0.5])
def test_gca_rince_at_one_half_step_is_rince_and_changes_at_column_steps_only(epsilon):
    z, w = views()
    knobs = {"epsilon": epsilon, "q": 0.3}
    same(value_and_slopes("gca-rince", z, w, steps=1, **knobs), value_and_slopes("rince", z, w, **knobs), 1e-11)
    values = [gca.loss("gca-rince", steps=steps, **knobs)(z, w).item() for steps in range(7)]
    assert values[3] == pytest.approx(values[2], rel=1e-12) and values[5] == pytest.approx(values[4], rel=1e-12)
    assert abs(values[2] - values[1]) > 1e-4 * abs(values[1]) and values[4] != values[2] and values[6] != values[4]


def test_the_smallest_counterexample_of_multistep_rince():
    angles = [torch.tensor(degrees).double().deg2rad() for degrees in ([0.0, 0.0, 240.0], [0.0, 180.0, 300.0])]
    z, w = (torch.stack([angle.cos(), angle.sin()], 1) for angle in angles)
    values = [gca.loss("gca-rince", epsilon=0.5, q=1.0, lam=0.01, steps=k)(z, w).item() for k in (1, 3, 9, 101)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(-3.33, abs=0.01) and values[-1] == pytest.approx(-1.91, abs=0.01)


@pytest.mark.parametrize("epsilon", [0.1, 1.0])
@pytest.mark.parametrize("q", [0.2, 1.0])
def test_rince_inside_gca_uot_is_the_published_value_shrunk(epsilon, q):
    z, w = views()
    knobs = {"epsilon": epsilon, "q": q, "lam": 0.2}
    free = {"rho_rows": 0.0, "rho_cols": 0.0, "kl_weight": 0.0, "rince_weight": 1.0}
    published = value_and_slopes("rince", z, w, **knobs)
    shrunk = [x * math.exp(-q / epsilon) for x in published]
    same(value_and_slopes("gca-uot", z, w, **free, **knobs), shrunk)
    same(value_and_slopes("rince", z, w, kernel="cost", **knobs), shrunk)


# ------------------------------------------------------------------------------------------ unbalanced


@pytest.mark.parametrize("steps", [1, 2, 9])
def test_the_limits_of_gca_uot(steps):
    z, w = views()

    def uot(rho_rows, rho_cols):
        return value_and_slopes("gca-uot", z, w, rho_rows=rho_rows, rho_cols=rho_cols, steps=steps)

    same(uot(math.inf, 0.0), value_and_slopes("infonce", z, w))
    same(uot(math.inf, math.inf), value_and_slopes("gca-ince", z, w, steps=steps))
    cost = gca.cosine_cost(z, w)
    raw = cost.diagonal().mean() / 0.1 - 1 + (-cost / 0.1).exp().sum() / 6
    torch.testing.assert_close(uot(0.0, 0.0)[0], raw, rtol=1e-12, atol=0)
    if steps > 1:
        same(uot(1e9, 1e9), uot(math.inf, math.inf), 1e-6)
    same(uot(1e-9, 1e-9), uot(0.0, 0.0), 1e-5)


@pytest.mark.parametrize("rho", [(0.2, 0.2), (0.5, 2.0), (0.05, 1.0)])
@pytest.mark.parametrize("epsilon", [0.05, 0.5])
def test_gca_uot_is_optimal_at_convergence(rho, epsilon):
    z, w = views(12, 4)
    loss = gca.loss("gca-uot", epsilon=epsilon, rho_rows=rho[0], rho_cols=rho[1], steps=400)
    plan = loss.plan(z, w)
    log_r, log_c = plan.log.logsumexp(1), plan.log.logsumexp(0)
    residual = gca.cosine_cost(z, w) + epsilon * plan.log + rho[0] * log_r[:, None] + rho[1] * log_c
    assert residual.abs().max() < 1e-9 and (plan.mass - 12).abs() > 0.01
    again = Alignment(epsilon=epsilon, rows=rho[0], cols=rho[1]).plan(z, w, tol=1e-11)
    torch.testing.assert_close(again.log, plan.log, rtol=1e-8, atol=1e-8)


# ------------------------------------------------------------------------------------------ laws


@settings(law, max_examples=15)
@given(st.integers(2, 8), st.sampled_from([0.03, 0.1, 1.0]), st.sampled_from(["cosine", "dot"]), seeds)
def test_pythagoras_at_every_half_step(n, epsilon, cost, seed):
    z, w = views(n, 3, seed)
    start = 0.05 + rand(n, n, seed=seed + 2)
    target = gca.solve(-start.log(), epsilon=1.0, tol=1e-13).matrix
    plans = [Alignment(cost=cost, epsilon=epsilon, steps=k).plan(z, w) for k in range(7)]
    for before, after in itertools.pairwise(plans):
        fell = gca.alignment.kl(target, before) - gca.alignment.kl(target, after)
        moved = plain.kl(after.matrix, before.matrix) / n
        size = 1 + gca.alignment.kl(target, before).abs() + before.mass
        assert (fell - moved).abs() < 1e-12 * size
        assert fell > -1e-12 * size


@settings(law, max_examples=20)
@given(st.integers(2, 12), st.floats(0.03, 2.0), st.sampled_from(["cosine", "dot", "squared_euclidean"]), seeds)
def test_more_potentials_come_closer(n, epsilon, cost, seed):
    z, w = views(n, 3, seed)
    knobs = {"epsilon": epsilon, "cost": cost}
    total, infonce, many = (
        gca.loss("joint", **knobs)(z, w),
        gca.loss("infonce", **knobs)(z, w),
        gca.loss("gca-ince", steps=60, **knobs)(z, w),
    )
    assert total >= infonce - 1e-12 * (1 + total) and infonce >= many - 1e-12 * (1 + infonce)


@pytest.mark.parametrize("kind", ["pairs", "smoothed", "given"])
@pytest.mark.parametrize(("n", "epsilon", "seed"), [(2, 0.5, 1), (5, 0.2, 2), (7, 1.0, 3)])
def test_the_balanced_gradient_has_zero_sums(n, epsilon, seed, kind):
    target = (
        gca.solve(-(0.05 + rand(n, n, seed=seed)).log(), epsilon=1.0, tol=1e-13).matrix if kind == "given" else kind
    )
    alignment = gca.loss("iot", epsilon=epsilon, target=target).alignment
    cost = gca.cosine_cost(*views(n, 3, seed)).requires_grad_()
    plan = alignment.plan_of(cost, tol=1e-11)
    (slope,) = torch.autograd.grad(alignment.value(plan), cost)
    size = 1 / epsilon / n
    assert max(slope.sum(0).abs().max(), slope.sum(1).abs().max()) < 1e-8 * size
    torch.testing.assert_close(slope, (alignment.target_of(plan) - plan.matrix) / epsilon / n, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("rows", "cols"), [(EXACT, EXACT), (Soft(0.3), EXACT), (Soft(0.3), Soft(0.7)), (EXACT, Soft(0.2))]
)
def test_the_gap_is_a_sum_of_divergences(rows, cols):
    z, w = views()
    target = 0.05 + rand(6, 6, seed=3)
    if rows == EXACT and cols == EXACT:
        target = gca.solve(-target.log(), epsilon=1.0, tol=1e-14).matrix
    elif rows == EXACT:
        target = target / target.sum(1, keepdim=True)
    elif cols == EXACT:
        target = target / target.sum(0, keepdim=True)
    knobs = {"rho_rows": rows.rho, "rho_cols": cols.rho, "target": target, "infeasible": "keep"}
    alignment = gca.loss("matching-gap", epsilon=0.2, **knobs).alignment
    plan = alignment.plan(z, w, tol=1e-13)
    expected = 0.2 * plain.kl(target, plan.matrix)
    for side, dim in ((rows, 1), (cols, 0)):
        if side != EXACT:
            expected = expected + side.rho * vector_kl(target.sum(dim), plan.matrix.sum(dim))
    gap = alignment.value(plan)
    torch.testing.assert_close(gap, expected / 6, rtol=1e-9, atol=1e-12)
    early = alignment.change(steps=2)(z, w)
    assert early > gap > 0


def test_the_gap_is_convex_in_the_cost_and_kl_of_a_limit_scaled():
    z, w = views()
    gap = gca.loss("matching-gap", epsilon=1.0).alignment
    iot = gca.loss("iot", epsilon=1.0).alignment
    costs = [gca.cosine_cost(z, w), randn(6, 6, seed=5)]
    ends = [gap.of_cost(cost, tol=1e-12) for cost in costs]
    middle = gap.of_cost((costs[0] + costs[1]) / 2, tol=1e-12)
    assert middle < sum(ends) / 2 - 1e-3
    torch.testing.assert_close(ends[0], iot.of_cost(costs[0], tol=1e-12), rtol=1e-10, atol=0)


@pytest.mark.parametrize("stacked", [False, True])
def test_the_uniformity_penalty_in_closed_form(stacked):
    alignment = Alignment(epsilon=0.3, steps=3, divergence=Uniformity(), layout="stacked" if stacked else "two_views")
    z, w = (x.requires_grad_() for x in views())
    plan = alignment.plan(*((torch.cat([z, w]),) if stacked else (z, w)))
    allowed = ~torch.eye(len(plan.matrix), dtype=torch.bool)
    negatives = plan.matrix[allowed & (alignment.target_of(plan) == 0)]
    count = len(negatives)
    assert count == (12 * 10 if stacked else 6 * 5)
    arithmetic, geometric = negatives.mean(), negatives.log().mean().exp()
    expected = count * arithmetic * (arithmetic / geometric).log() / len(plan.matrix)
    found = alignment.value(plan)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)
    slopes = [torch.autograd.grad(x, (z, w), retain_graph=True) for x in (found, expected)]
    same(*slopes, within=1e-11)
    mean = arithmetic.expand_as(negatives)
    torch.testing.assert_close(found, vector_kl(mean, negatives) / len(plan.matrix), rtol=1e-11, atol=0)


def vector_kl(first, second):
    return (first * (first / second).log() - first + second).sum()


def test_the_uniformity_of_equal_negatives_is_nothing():
    alignment = Alignment(divergence=KL() + 1.0 * Uniformity(), steps=1)
    z = torch.eye(4, dtype=torch.float64)
    torch.testing.assert_close(alignment(z, z), gca.loss("infonce")(z, z), rtol=1e-12, atol=0)
    one = randn(1, 3, seed=1).requires_grad_()
    lonely = alignment(one, one)
    lonely.backward()
    assert abs(lonely) < 1e-13 and one.grad.isfinite().all()


# ------------------------------------------------------------------------------------------ traps of published code


def test_no_similarity_is_clamped():
    # Beyond 90 degrees there is a gradient too.
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    w = torch.tensor([[-1.0, 0.1], [0.1, -1.0]], dtype=torch.float64).requires_grad_()
    assert (gca.cosine_cost(z, w).diagonal() > 1.9).all()
    gca.loss("infonce", epsilon=0.5)(z, w).backward()
    assert (w.grad.norm(dim=1) > 1e-2).all()
    assert gca.loss("byol-view")(z, w) > 3.9


@pytest.mark.parametrize("name", ["infonce", "gca-ince", "joint", "gca-uot"])
def test_self_pairs_hold_no_mass_and_pass_no_gradient(name):
    batch = randn(8, 3, seed=1)
    alignment = gca.loss(name, epsilon=0.3, layout="stacked").alignment
    cost = gca.cosine_cost(batch, batch).requires_grad_()
    plan = alignment.plan_of(cost)
    assert (plan.matrix.diagonal() == 0).all() and plan.matrix.sum() > 1
    (slope,) = torch.autograd.grad(alignment.value(plan), cost)
    assert (slope.diagonal() == 0).all() and slope.isfinite().all() and slope.norm() > 1e-3
    # Nothing about a row depends on what the largest cost of the batch is.
    moved = cost.detach().clone()
    moved.diagonal().fill_(1e3)
    torch.testing.assert_close(alignment.plan_of(moved).matrix, plan.matrix, rtol=1e-12, atol=1e-15)


def test_stacked_views_are_not_interleaved():
    z = F.normalize(randn(16, 32, seed=1), dim=-1)
    loss = gca.loss("nt-xent")
    clean, interleaved = loss(torch.cat([z, z])), loss(z.repeat_interleave(2, 0))
    assert clean < 0.1 < 5 < interleaved


@pytest.mark.parametrize("name", ["infonce", "nt-xent", "gca-rince", "gca-uot"])
@pytest.mark.parametrize("epsilon", [0.01, 0.005, 0.002])
def test_single_precision_at_small_epsilon(name, epsilon):
    if name == "gca-rince" and epsilon < 0.5 / 80:
        return
    z, w = views(16, 4)
    wide = value_and_slopes(name, z, w, epsilon=epsilon)
    narrow = value_and_slopes(name, z.float(), w.float(), epsilon=epsilon)
    torch.testing.assert_close(narrow[0].double(), wide[0], rtol=1e-3, atol=1e-4)
    for our, exact in zip(narrow[1:], wide[1:], strict=True):
        assert (our.double() - exact).norm() < 2e-3 * exact.norm()


def test_one_loss_takes_batches_of_any_size():
    for name in ("nt-xent", "gca-uot", "iot"):
        loss = gca.loss(name, epsilon=0.5, **({} if name == "nt-xent" else {"layout": "stacked"}))
        values = [loss(*views(n, 3)).item() for n in (2, 7, 3, 7)]
        assert values[1] == values[3] and len(set(values)) == 3


def test_the_columns_balance():
    z, w = views(16, 3)
    errors = [gca.loss("gca-ince", steps=steps).plan(z, w).col_error for steps in (1, 3, 9, 25, 101)]
    assert all(later < earlier for earlier, later in itertools.pairwise(errors)) and errors[-1] < 1e-3 * errors[0]
    cost = gca.cosine_cost(z, w)
    sides = Sides(EXACT, EXACT, *unit_masses(cost))
    plan = oracle.solve(cost, 0.1, sides, 9)
    torch.testing.assert_close(gca.loss("gca-ince", steps=9).plan(z, w).matrix, plan.matrix, rtol=1e-11, atol=1e-14)
