"""Each named loss against its formula, by the test that names it, through ``gca.loss(name)``."""

from __future__ import annotations

import json
import math
import re
import warnings

import pytest
import torch
from torch.nn import functional as F

import gca_playground as gca
from gca_playground import EXACT, FREE, Alignment, Soft, targets
from tests.oracles import losses as oracle
from tests.oracles.plain import Sides, unit_masses
from tests.oracles.problems import randn

ROWS = gca.losses()
EPSILON = 0.2


def views(n=6, d=3, seed=1, **options):
    return tuple(randn(n, d, seed=seed + k, **options).requires_grad_() for k in (0, 1))


def cosines(z, w):
    return F.normalize(z, dim=-1) @ F.normalize(w, dim=-1).T


def cross_entropy(scores):
    return F.cross_entropy(scores, torch.arange(len(scores)))


def same(found, expected, *inputs, within=1e-12):
    """The same value, and the same gradient in each input."""
    torch.testing.assert_close(found, expected, rtol=within, atol=within)
    ours, theirs = torch.autograd.grad(found, inputs), torch.autograd.grad(expected, inputs)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=10 * within, atol=within * (1 + their.abs().max().item()))


def solved(z, w, *, steps, rows=EXACT, cols=EXACT, epsilon=EPSILON):
    """The plain plan of two views on the cosine cost."""
    cost = 1 - cosines(z, w)
    return oracle.solve(cost, epsilon, Sides(rows, cols, *unit_masses(cost)), steps)


def eye(n=6):
    return torch.eye(n, dtype=torch.float64)


# ------------------------------------------------------------------------------------------ one row, one test


@pytest.mark.parametrize("epsilon", [0.05, 0.5])
def test_infonce_is_cross_entropy(epsilon):
    z, w = views(32, 8)
    same(gca.loss("infonce", epsilon=epsilon)(z, w), cross_entropy(cosines(z, w) / epsilon), z, w)


def textbook_nt_xent(batch, epsilon):
    """SimCLR's loss, row by row: the partner of k is k + n, modulo 2n, and k itself is left out of the sum."""
    unit, count = F.normalize(batch, dim=-1), len(batch)
    loss = 0.0
    for k in range(count):
        scores = torch.stack([unit[k] @ unit[other] / epsilon for other in range(count) if other != k])
        partner = unit[k] @ unit[(k + count // 2) % count] / epsilon
        loss = loss + scores.logsumexp(0) - partner
    return loss / count


@pytest.mark.parametrize("n", [1, 2, 5])
def test_nt_xent_is_the_textbook(n):
    z, w = views(n, 4)
    expected = textbook_nt_xent(torch.cat([z, w]), EPSILON)
    loss = gca.loss("nt-xent", epsilon=EPSILON)
    same(loss(z, w), expected, z, w)
    assert torch.equal(loss(torch.cat([z, w])), loss(z, w))


@pytest.mark.parametrize("weights", [(1.0, 1.0), (2.0, 0.0), (0.0, 2.0), (0.3, 1.1)])
def test_clip_is_the_mean_of_two(weights):
    z, w = views()
    scores = cosines(z, w) / EPSILON
    expected = (weights[0] * cross_entropy(scores) + weights[1] * cross_entropy(scores.T)) / 2
    same(gca.loss("clip", epsilon=EPSILON, weight_rows=weights[0], weight_cols=weights[1])(z, w), expected, z, w)


@pytest.mark.parametrize("t", [0.5, 2.0])
def test_joint_is_alignment_plus_cross_view_uniformity(t):
    z, w = views()
    square = (z[:, None] - w).square().sum(-1)
    expected = t * square.diagonal().mean() + (-t * square).exp().mean().log() + math.log(6)
    loss = gca.loss("joint", cost="squared_euclidean", epsilon=1 / (2 * t))
    same(loss(z, w), expected, z, w, within=1e-11)
    assert torch.equal(gca.loss("iot-total", epsilon=0.3)(z, w), gca.loss("joint", epsilon=0.3)(z, w))


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_gca_ince_is_kl_after_its_half_steps(steps):
    z, w = views()
    same(gca.loss("gca-ince", epsilon=EPSILON, steps=steps)(z, w), oracle.kl(eye(), solved(z, w, steps=steps)), z, w)


def published_rince(scores, q, lam):
    positive, everything = scores.diagonal().exp(), scores.exp().sum(1)
    return (-(positive**q) / q + (lam * everything) ** q / q).mean()


@pytest.mark.parametrize(("q", "lam"), [(0.5, 0.01), (0.1, 1.0), (1.0, 0.3)])
def test_rince_is_the_published_formula(q, lam):
    z, w = views()
    same(gca.loss("rince", epsilon=EPSILON, q=q, lam=lam)(z, w), published_rince(cosines(z, w) / EPSILON, q, lam), z, w)


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 6])
def test_gca_rince_is_its_formula(steps):
    z, w = views()
    expected = oracle.rince(solved(z, w, steps=steps), q=0.4, lam=0.1)
    same(gca.loss("gca-rince", epsilon=EPSILON, q=0.4, lam=0.1, steps=steps)(z, w), expected, z, w)


@pytest.mark.parametrize(("kl_weight", "rince_weight"), [(1.0, 0.0), (0.7, 0.4), (0.0, 1.0)])
def test_gca_uot_mixes_kl_with_mass_and_rince(kl_weight, rince_weight):
    z, w = views()
    plan = solved(z, w, steps=10, rows=Soft(0.3), cols=Soft(0.5))
    rince = oracle.rince(plan, q=0.5, lam=0.01) * math.exp(-0.5 / EPSILON)
    knobs = {"rho_rows": 0.3, "rho_cols": 0.5, "kl_weight": kl_weight, "rince_weight": rince_weight}
    same(
        gca.loss("gca-uot", epsilon=EPSILON, **knobs)(z, w),
        kl_weight * oracle.kl(eye(), plan) + rince_weight * rince,
        z,
        w,
    )


def test_byol_view_is_two_minus_two_cosines():
    z, w = views()
    same(gca.loss("byol-view")(z, w), (2 - 2 * cosines(z, w).diagonal()).mean(), z, w)


def test_iot_has_the_gradient_target_minus_plan():
    cost = (1 - cosines(*views())).detach().requires_grad_()
    alignment = gca.loss("iot", epsilon=EPSILON).alignment
    plan = alignment.plan_of(cost, tol=1e-12)
    (slope,) = torch.autograd.grad(alignment.value(plan), cost)
    expected = oracle.solve(cost.detach(), EPSILON, Sides(EXACT, EXACT, *unit_masses(cost)), 2000).matrix
    torch.testing.assert_close(slope, (eye() - expected) / EPSILON / 6, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("weight", [0.02, 0.5])
def test_iot_uni_adds_the_penalty(weight):
    z, w = views()
    plan = solved(z, w, steps=2000)
    expected = oracle.kl(eye(), plan) + weight * oracle.uniformity(eye(), plan)
    alignment = gca.loss("iot-uni", epsilon=EPSILON, uniformity_weight=weight).alignment
    same(alignment.value(alignment.plan(z, w, tol=1e-13)), expected, z, w, within=1e-10)
    torch.testing.assert_close(alignment(z, w), expected, rtol=1e-5, atol=0)


def test_the_domain_prior_is_its_target_and_the_masses_of_it():
    z, w = views()
    alpha, beta = 0.4, 0.1
    domain = torch.tensor([0, 0, 0, 1, 1, 2])
    target = eye()
    for i in range(6):
        others = [j for j in range(6) if j != i]
        for j in others:
            alike = [k for k in others if (domain[k] == domain[i]) == (domain[j] == domain[i])]
            target[i, j] = (alpha if domain[i] == domain[j] else beta) / len(alike)
    cost = 1 - cosines(z, w)
    plan = oracle.solve(cost, EPSILON, Sides(EXACT, EXACT, target.sum(1), target.sum(0)), 10)
    found = gca.loss("domain-prior", epsilon=EPSILON, alpha=alpha, beta=beta)(z, w, labels=domain)
    same(found, oracle.kl(target, plan), z, w)


@pytest.mark.parametrize("kernel", ["gaussian", "linear"])
def test_mmd_conditional_term_by_term(kernel):
    (z, w), x, y = views(), randn(6, 4, seed=7), randn(6, 2, seed=8)
    gram = oracle.gaussian_gram(x, 0.8) if kernel == "gaussian" else x @ x.T
    expected = oracle.mmd_conditional(solved(w, z, steps=1), gram)
    loss = gca.loss("mmd-conditional", epsilon=EPSILON, kernel=kernel, bandwidth=0.8)
    same(loss(z, w, data=(x, y)), expected, z, w)
    other = gca.loss("mmd-conditional", epsilon=EPSILON, kernel=kernel, bandwidth=0.8, weight_rows=2.0, weight_cols=0.0)
    torch.testing.assert_close(other(w, z, data=(y, x)), expected, rtol=1e-12, atol=0)


def test_mmd_conditional_is_half_the_distance_of_the_means_up_to_a_constant():
    (z, w), x = views(), randn(6, 4, seed=7)
    softmax = (cosines(z, w) / EPSILON).softmax(0)
    half = (softmax.T @ x - x).square().sum(1).mean() / 2
    constant = x.square().sum(1).mean() / 2
    found = gca.loss("mmd-conditional", epsilon=EPSILON, kernel="linear")(z, w, data=(x, x))
    same(found, half - constant, z, w)


def test_mmd_of_a_stacked_batch_knows_its_pairs():
    (z, w), x = views(3), randn(6, 2, seed=7)
    gram = oracle.gaussian_gram(x, 1.0)
    batch = torch.cat([z, w])
    plan = gca.solve(1 - cosines(batch, batch), epsilon=EPSILON, steps=1, forbidden=torch.eye(6).bool()).matrix
    expected = sum(plan[i] @ gram @ plan[i] / 2 - plan[i] @ gram[:, (i + 3) % 6] for i in range(6)) / 6
    alignment = gca.Alignment(epsilon=EPSILON, steps=1, divergence="mmd", layout="stacked")
    same(alignment(z, w, data=(x, x)), expected, z, w)
    joint = gca.Alignment(epsilon=EPSILON, total=True, divergence=gca.MMD(joint=True), layout="stacked")
    share = joint.plan(batch).matrix / 6
    moved = gram @ share @ gram
    expected = (share * moved).sum() - 2 * sum(moved[i, (i + 3) % 6] for i in range(6)) / 6
    same(joint(batch, data=(x, x)), expected, z, w)


@pytest.mark.parametrize("kernel", ["gaussian", "linear"])
def test_mmd_joint_term_by_term(kernel):
    (z, w), x, y = views(), randn(6, 4, seed=7), randn(6, 2, seed=8)
    grams = [oracle.gaussian_gram(data, 1.3) if kernel == "gaussian" else data @ data.T for data in (x, y)]
    cost = 1 - cosines(z, w)
    plan = oracle.solve_total(cost, EPSILON, Sides(EXACT, EXACT, *unit_masses(cost)))
    found = gca.loss("mmd-joint", epsilon=EPSILON, kernel=kernel, bandwidth=1.3)(z, w, data=(x, y))
    same(found, oracle.mmd_joint(plan, *grams), z, w)


@pytest.mark.parametrize(("rows", "cols"), [(EXACT, EXACT), (Soft(0.3), Soft(0.6)), (EXACT, Soft(0.2))])
def test_matching_gap_is_primal_minus_dual_and_its_gradient_target_minus_plan(rows, cols):
    z, w = views()
    plan = solved(z, w, steps=3000, rows=rows, cols=cols)
    alignment = gca.loss("matching-gap", epsilon=EPSILON, rho_rows=rows.rho, rho_cols=cols.rho).alignment
    found = alignment.plan(z, w, tol=1e-13)
    torch.testing.assert_close(alignment.value(found), oracle.fenchel_young(eye(), plan), rtol=1e-10, atol=1e-13)
    cost = found.cost.detach().requires_grad_()
    (slope,) = torch.autograd.grad(alignment.value(alignment.plan_of(cost, tol=1e-13)), cost)
    torch.testing.assert_close(slope, (eye() - plan.matrix) / 6, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("alpha", [1.0, 0.3, -0.5, -1.0])
def test_tempered_is_its_formula(alpha):
    z, w = views()
    expected = oracle.tempered(solved(z, w, steps=1), alpha=alpha)
    same(gca.loss("tempered", epsilon=EPSILON, alpha=alpha)(z, w), expected, z, w)


def test_tempered_at_nought_is_infonce():
    z, w = views()
    infonce = gca.loss("infonce", epsilon=EPSILON)(z, w) - math.log(6)
    same(gca.loss("tempered", epsilon=EPSILON, alpha=0.0)(z, w), infonce, z, w)
    for alpha in (1e-7, -1e-7):
        near = gca.loss("tempered", epsilon=EPSILON, alpha=alpha)(z, w)
        torch.testing.assert_close(near, infonce, rtol=1e-5, atol=0)


# ------------------------------------------------------------------------------------------ all rows


TURNED = {
    "cost": "squared_euclidean",
    "epsilon": 0.7,
    "grad": "envelope",
    "target": "smoothed",
    "infeasible": "keep",
    "layout": "stacked",
    "weight_rows": 0.6,
    "weight_cols": 0.7,
    "steps": 2,
    "rho_rows": 0.35,
    "rho_cols": 0.45,
    "kl_weight": 0.6,
    "rince_weight": 0.3,
    "q": 0.9,
    "lam": 0.2,
    "kernel": {"score": "cost", "cost": "score", "gaussian": "linear"},
    "uniformity_weight": 0.4,
    "alpha": 0.25,
    "beta": 0.15,
    "scaled": False,
    "bandwidth": 0.6,
}
"""For each knob a value that is not the first one of any row."""
NEEDS = {
    "q": {"rince_weight": 0.5},
    "lam": {"rince_weight": 0.5},
}
"""What else must be so for a knob to matter, where the row has it."""
ENVELOPE_IS_RIGHT = {"infonce", "nt-xent", "clip", "joint", "rince", "byol-view", "iot", "mmd-joint", "matching-gap"}
"""No potential moves, or the loss is at its best in them: the gradients agree."""


def uneven(n):
    """A target that has the masses of nobody."""
    return [[2.0 * (abs(i - j) == n // 2) + (j == 0 and i > 0) + 0.1 * (i != j) for j in range(n)] for i in range(n)]


def value_and_slope(name, **knobs):
    z, w = views(6, 3)
    labels, data = torch.tensor([0, 0, 0, 1, 1, 2]), (randn(6, 4, seed=7), randn(6, 2, seed=8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = gca.loss(name, **knobs)(z, w, labels=labels, data=data)
    value.backward()
    return value.item(), torch.cat([z.grad, w.grad])


@pytest.mark.parametrize(("name", "knob"), [(name, knob) for name, row in ROWS.items() for knob in row.defaults])
def test_every_knob_of_every_row_changes_something(name, knob):
    turned = TURNED[knob]
    if isinstance(turned, dict):
        turned = turned[ROWS[name].defaults[knob]]
    base = {key: value for key, value in NEEDS.get(knob, {}).items() if key in ROWS[name].knobs} | {"epsilon": 0.3}
    if knob == "infeasible" and "target" in ROWS[name].knobs:
        base["target"] = uneven(12 if name == "nt-xent" else 6)
    value, slope = value_and_slope(name, **base)
    other, other_slope = value_and_slope(name, **(base | {knob: turned}))
    moved = max(abs(value - other) / (1 + abs(value)), ((slope - other_slope).norm() / slope.norm()).item())
    if knob == "grad" and name in ENVELOPE_IS_RIGHT:
        assert moved < 1e-5
    else:
        assert moved > 1e-4
        assert knob == "grad" or abs(value - other) > 1e-5


@pytest.mark.parametrize("name", ROWS)
def test_rows_go_into_a_file_and_back(name):
    for knobs in (
        {},
        {knob: TURNED[knob] for knob in ROWS[name].knobs if knob in ("q", "alpha", "rho_rows", "kl_weight")},
    ):
        alignment = gca.loss(name, **knobs).alignment
        text = json.dumps(alignment.to_dict(), allow_nan=False)
        again = Alignment.from_dict(json.loads(text))
        assert again == alignment and hash(again) == hash(alignment) and json.dumps(again.to_dict()) == text


@pytest.mark.parametrize("name", ROWS)
def test_rows_say_what_they_are_and_what_may_be_turned(name):
    row = ROWS[name]
    assert all(len(words) > 10 for words in (row.description, row.formula, row.reference))
    assert set(row.defaults) == {"cost", "epsilon", "grad", *row.knobs}
    first = {knob: value for knob, value in row.defaults.items() if value is not None}
    again = gca.loss(name, **{knob: value for knob, value in first.items() if knob != "target"}).alignment
    assert again == row.alignment
    assert row.defaults == {knob: again.knobs()[knob] for knob in row.defaults}


@pytest.mark.parametrize("name", ROWS)
def test_no_loss_minds_the_order_of_the_pairs(name):
    z, w = views()
    order, labels = torch.tensor([3, 0, 5, 1, 4, 2]), torch.tensor([0, 0, 0, 1, 1, 2])
    x, y = randn(6, 4, seed=7), randn(6, 2, seed=8)
    loss = gca.loss(name, epsilon=0.3)
    here = loss(z, w, labels=labels, data=(x, y))
    there = loss(z[order], w[order], labels=labels[order], data=(x[order], y[order]))
    same(there, here, z, w, within=1e-11)


@pytest.mark.parametrize("name", ROWS)
def test_a_step_downhill_is_a_step_downhill(name):
    z, w = views(8, 4)
    given = {"labels": torch.arange(8) // 3, "data": (randn(8, 2, seed=7), randn(8, 2, seed=8))}
    loss = gca.loss(name)
    start = loss(z, w, **given)
    start.backward()
    stride = 1e-4 / (z.grad.square().sum() + w.grad.square().sum())
    with torch.no_grad():
        drop = start - loss(z - stride * z.grad, w - stride * w.grad, **given)
    assert drop.item() == pytest.approx(1e-4, rel=0.05)


# ------------------------------------------------------------------------------------------ names and knobs


@pytest.mark.parametrize("name", ["GCA_UOT", "gca-uot", "Gca-Uot"])
def test_names_are_read_kindly(name):
    assert gca.loss(name).alignment == ROWS["gca-uot"].alignment and gca.loss(name).name == "gca-uot"
    assert gca.loss("iot-total").name == "joint"


@pytest.mark.parametrize(
    ("name", "knobs", "words"),
    [
        ("infonec", {}, "unknown loss 'infonec': did you mean 'infonce'?"),
        ("", {}, "unknown loss '': known are 'infonce', 'nt-xent', "),
        ("gca-uot", {"rho_row": 1.0}, "unknown knob of 'gca-uot' 'rho_row': did you mean 'rho_rows'?"),
        ("infonce", {"rows": 1.0}, "unknown knob of 'infonce' 'rows'"),
        ("infonce", {"steps": 3}, "unknown knob of 'infonce' 'steps'"),
        ("infonce", {"smoothing": 0.3}, "unknown knob of 'infonce' 'smoothing'"),
        ("infonce", {"target": "smoothed", "alpha": 0.3}, "unknown knob of 'infonce' 'alpha'"),
        ("rince", {"target": "smoothed"}, "unknown knob of 'rince' 'target'"),
        ("gca-uot", {"target": "smoothed", "rince_weight": 1.0}, "rince is defined for pairs only"),
        ("gca-uot", {"rho_rows": -1.0}, "rho must be in [0, inf], got -1.0"),
        ("gca-uot", {"kl_weight": math.nan}, "kl_weight must be >= 0 and finite, got nan"),
        ("rince", {"q": 1.5}, "q must be in (0, 1], got 1.5"),
        ("tempered", {"alpha": -2}, "alpha must be >= -1 and finite, got -2"),
        ("mmd-joint", {"bandwidth": 0}, "bandwidth must be > 0 and finite, got 0"),
        ("mmd-joint", {"kernel": "gausian"}, "unknown kernel of mmd 'gausian': did you mean 'gaussian'?"),
    ],
)
def test_unknown_names_and_bad_knobs(name, knobs, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        gca.loss(name, **knobs)


def test_one_knob_is_not_turned_twice():
    with pytest.raises(ValueError, match="rows and rho_rows are one knob"):
        Alignment().change(rows=0.3, rho_rows=0.5)
    with pytest.raises(ValueError, match="unknown knob 'foo_steps'"):
        Alignment().change(steps=3, foo_steps=5)
    with pytest.raises(TypeError, match=r"rho_cols must be a number in \[0, inf\], got 'x'"):
        Alignment().change(rho_cols="x")


def test_knobs_of_a_target_come_with_it():
    loss = gca.loss("gca-ince", target="smoothed", smoothing=0.3)
    assert loss.alignment.target == targets.Smoothed(0.3)
    assert loss.alignment.change(smoothing=0.4).target == targets.Smoothed(0.4)


def test_the_corners_are_where_the_table_says():
    z, w = views()
    infonce = gca.loss("infonce")(z, w)
    assert torch.equal(gca.loss("gca-ince", steps=1)(z, w), infonce)
    assert torch.equal(gca.loss("nt-xent")(z, w), gca.loss("infonce", layout="stacked")(z, w))
    columns = Alignment(rows=FREE, cols=EXACT, steps=2)(z, w)
    torch.testing.assert_close(gca.loss("clip", weight_rows=0.0, weight_cols=2.0)(z, w), columns, rtol=1e-12, atol=0)
