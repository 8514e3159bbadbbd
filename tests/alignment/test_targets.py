"""Which matching we want: every target in both layouts, what is done where its sums are not the masses, and errors."""

from __future__ import annotations

import itertools
import json

import jaxtyping
import numpy as np
import pytest
import torch
from torch.nn import functional as F

import gca_playground as gca
from gca_playground import EXACT, FREE, Alignment, Bounded, Soft, targets
from tests.oracles import plain
from tests.oracles.problems import rand, randn

LABELS = [0, 0, 0, 1, 1, 2]


@pytest.fixture(autouse=True)
def _as_users_run_it():
    """Without the type checks of the test run, which would speak first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def views(n=6, d=3, **options):
    return randn(n, d, seed=1, **options), randn(n, d, seed=2, **options)


def target_of(n=6, labels=None, **knobs):
    return Alignment(**knobs).fitted(torch.zeros(n, n, dtype=torch.float64), labels=labels).matrix


def by_hand(n, entry):
    return torch.tensor([[float(entry(i, j)) for j in range(n)] for i in range(n)], dtype=torch.float64)


# ------------------------------------------------------------------------------------------ matrices, both layouts


def test_pairs_in_both_layouts():
    assert torch.equal(target_of(), torch.eye(6).double())
    swapped = by_hand(6, lambda i, j: (i - j) % 6 == 3)
    assert torch.equal(target_of(layout="stacked"), swapped)
    assert torch.equal(targets.stacked_pairs(3).double(), swapped)


@pytest.mark.parametrize("s", [0.0, 0.3, 1.0])
def test_smoothed_in_both_layouts(s):
    knobs = {"target": {"name": "smoothed", "smoothing": s}}
    expected = by_hand(6, lambda i, j: (1 - s) * (i == j) + s / 6)
    torch.testing.assert_close(target_of(**knobs), expected)
    torch.testing.assert_close(targets.smoothed(6, s, dtype=torch.float64), expected)
    stacked = by_hand(6, lambda i, j: (i != j) * ((1 - s) * ((i - j) % 6 == 3) + s / 5))
    torch.testing.assert_close(target_of(**knobs, layout="stacked"), stacked)


@pytest.mark.parametrize("labels", [LABELS, ["a", "a", "a", "b", "b", "c"], np.array(LABELS), np.array(list("aaabbc"))])
def test_classes_in_both_layouts(labels):
    sizes = [3, 3, 3, 2, 2, 1]
    expected = by_hand(6, lambda i, j: (LABELS[i] == LABELS[j]) / sizes[i])
    torch.testing.assert_close(target_of(target="classes", labels=labels), expected)
    torch.testing.assert_close(targets.classes(labels, dtype=torch.float64), expected)
    twice = LABELS + LABELS
    stacked = by_hand(12, lambda i, j: (i != j) * (twice[i] == twice[j]) / (2 * sizes[i % 6] - 1))
    for given in (labels, list(labels) * 2):
        found = target_of(12, target="classes", labels=given, layout="stacked")
        torch.testing.assert_close(found, stacked)


def supervised_contrastive(batch, labels, epsilon):
    """The loss of Khosla and others (their L_out), row by row."""
    unit, count = F.normalize(batch, dim=-1), len(batch)
    loss = 0.0
    for i in range(count):
        others = [j for j in range(count) if j != i]
        scores = torch.stack([unit[i] @ unit[j] / epsilon for j in others])
        log = scores - scores.logsumexp(0)
        alike = [k for k, j in enumerate(others) if labels[j] == labels[i]]
        loss = loss - log[alike].mean()
    return loss / count


def test_stacked_classes_are_supervised_contrast_up_to_the_entropy_of_the_target():
    z, w = views()
    loss = gca.loss("nt-xent", target="classes", epsilon=0.3)
    found = loss(z, w, labels=LABELS)
    target = target_of(12, target="classes", labels=LABELS, layout="stacked")
    entropy = -torch.xlogy(target, target).sum() / 12
    expected = supervised_contrastive(torch.cat([z, w]), LABELS + LABELS, 0.3)
    torch.testing.assert_close(found + entropy, expected, rtol=1e-12, atol=0)


def test_two_view_classes_are_soft_cross_entropy_up_to_the_entropy():
    z, w = views()
    found = gca.loss("infonce", target="classes", epsilon=0.3)(z, w, labels=LABELS)
    target = targets.classes(LABELS, dtype=torch.float64)
    scores = F.normalize(z, dim=-1) @ F.normalize(w, dim=-1).T / 0.3
    expected = F.cross_entropy(scores, target) + torch.xlogy(target, target).sum() / 6
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("layout", ["two_views", "stacked"])
def test_domains_in_both_layouts(layout, scaled):
    count = 6 if layout == "two_views" else 12
    label = (LABELS + LABELS)[:count]
    taken = {(i, i) for i in range(count)} | {(i, (i + 6) % 12) for i in range(count) if layout == "stacked"}

    def entry(i, j):
        if (i, j) in taken:
            return (i == j) if layout == "two_views" else (i != j)
        alike = [k for k in range(count) if (i, k) not in taken and (label[k] == label[i]) == (label[j] == label[i])]
        return (0.4 if label[i] == label[j] else 0.1) / (len(alike) if scaled else 1)

    knobs = {"target": {"name": "domains", "alpha": 0.4, "beta": 0.1, "scaled": scaled}, "layout": layout}
    torch.testing.assert_close(target_of(count, labels=LABELS, **knobs), by_hand(count, entry))
    if layout == "two_views":
        matrix = targets.domains(LABELS, alpha=0.4, beta=0.1, scaled=scaled, dtype=torch.float64)
        torch.testing.assert_close(matrix, by_hand(6, entry))


# ------------------------------------------------------------------------------------------ given matrices and plans


def test_a_given_matrix_takes_the_place_of_the_record_s():
    z, w = views()
    matrix = rand(6, 6, seed=3)
    loss = gca.loss("gca-ince", target=matrix)
    for given in (matrix, matrix.numpy(), matrix.tolist(), targets.Given(matrix)):
        assert torch.equal(gca.loss("gca-ince")(z, w, target=given), loss(z, w))
    assert torch.equal(loss(z, w, target="pairs"), gca.loss("gca-ince")(z, w))


def test_a_plan_of_other_views_is_a_target_that_passes_nothing_on():
    (z, w), other = views(), randn(6, 3, seed=4).requires_grad_()
    plan = Alignment(epsilon=0.5).plan(other, w)
    z.requires_grad_()
    loss = gca.loss("infonce")(z, w, target=plan)
    loss.backward()
    assert z.grad.norm() > 0 and other.grad is None
    torch.testing.assert_close(loss, gca.loss("infonce")(z, w, target=plan.matrix.detach()), rtol=1e-12, atol=0)
    assert torch.equal(gca.loss("infonce", target=plan)(z, w), loss)
    own = gca.loss("infonce")(z, w, target=Alignment().plan(z, w))
    (slope,) = torch.autograd.grad(own, z)
    assert slope.isfinite().all() and not targets.Given(plan.matrix).values.requires_grad


def test_a_rectangular_target_in_both_directions():
    z, w, matrix = randn(4, 3, seed=1), randn(5, 3, seed=2), rand(4, 5, seed=3)
    both = Alignment(steps=3, target=matrix, weight_rows=0.7, weight_cols=1.1)
    there = Alignment(steps=3, target=matrix)(z, w)
    back = Alignment(steps=3, target=matrix.mT)(w, z)
    torch.testing.assert_close(both(z, w), (0.7 * there + 1.1 * back) / 2, rtol=1e-12, atol=0)
    assert (there * 4 - back * 5).abs() > 1e-2
    given = Alignment(steps=3, weight_rows=0.7, weight_cols=1.1)(z, w, target=matrix)
    torch.testing.assert_close(given, both(z, w), rtol=1e-12, atol=0)


def test_unequal_domains_in_both_directions():
    (z, w), target = views(), targets.Domains(alpha=0.5, beta=0.2, scaled=True)
    matrix = targets.domains(LABELS, alpha=0.5, beta=0.2, scaled=True, dtype=torch.float64)
    assert not torch.equal(matrix, matrix.mT)
    found = Alignment(steps=3, target=target, weight_rows=0.0, weight_cols=2.0)(z, w, labels=LABELS)
    torch.testing.assert_close(found, Alignment(steps=3, target=matrix.mT)(w, z), rtol=1e-6, atol=0)


def test_masses_and_forbidden_pairs_turn_with_the_direction():
    z, w, a, b = randn(4, 3, seed=1), randn(5, 3, seed=2), 0.5 + rand(4, seed=3), 0.5 + rand(5, seed=4)
    forbidden = torch.zeros(4, 5, dtype=torch.bool)
    forbidden[0, 4] = True
    matrix, b = rand(4, 5, seed=5).masked_fill(forbidden, 0.0), b * a.sum() / b.sum()
    init = (0.1 * randn(4, seed=6), 0.1 * randn(5, seed=7))
    back = Alignment(steps=3)(w, z, a=b, b=a, forbidden=forbidden.mT, target=matrix.mT, init=init[::-1])
    options = {"a": a, "b": b, "forbidden": forbidden.numpy(), "target": matrix, "init": init}
    found = Alignment(steps=3, weight_rows=0.0, weight_cols=2.0)(z, w, **options)
    torch.testing.assert_close(found, back, rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_given_matrices_go_into_a_file_and_back_with_every_digit(dtype):
    alignment = Alignment(target=rand(3, 4, seed=1, dtype=dtype))
    again = Alignment.from_dict(json.loads(json.dumps(alignment.to_dict())))
    assert again == alignment and hash(again) == hash(alignment)
    assert again != Alignment(target=rand(3, 4, seed=2, dtype=dtype)) and alignment != Alignment()


@pytest.mark.parametrize("target", ["smoothed", "classes", {"name": "domains", "alpha": 0.5, "scaled": True}])
def test_targets_go_into_a_file_and_back(target):
    alignment = Alignment(target=target)
    assert Alignment.from_dict(json.loads(json.dumps(alignment.to_dict()))) == alignment


# ------------------------------------------------------------------------------------------ feasible or not


UNEVEN = 0.1 + rand(6, 6, seed=3)


def test_a_feasible_target_needs_no_word():
    for target in ("pairs", "smoothed", torch.ones(6, 6) / 6):
        fitted = Alignment(target=target).fitted(torch.zeros(6, 6))
        assert fitted.said == "" and fitted.a is None and fitted.b is None


def test_masses_are_taken_from_the_target():
    alignment = Alignment(epsilon=0.3, target=UNEVEN, steps=51)
    fitted = alignment.fitted(torch.zeros(6, 6, dtype=torch.float64))
    assert "the target's row and column sums are not the masses" in fitted.said
    assert fitted.said.endswith("a and b are taken from it")
    assert torch.equal(fitted.a, UNEVEN.sum(1)) and torch.equal(fitted.b, UNEVEN.sum(0))
    plan = alignment.plan(*views())
    torch.testing.assert_close(plan.row_sums, UNEVEN.sum(1), rtol=1e-10, atol=0)
    assert plan.col_error < 1e-3


def test_a_target_is_projected():
    alignment = Alignment(target=UNEVEN, infeasible="project")
    fitted = alignment.fitted(torch.zeros(6, 6, dtype=torch.float64))
    assert fitted.said.endswith("it was projected onto the masses") and fitted.a is None
    torch.testing.assert_close(fitted.matrix.sum(1), torch.ones(6).double(), rtol=1e-5, atol=0)
    torch.testing.assert_close(fitted.matrix.sum(0), torch.ones(6).double(), rtol=1e-5, atol=0)
    # The nearest: what is left is of the form x_i + y_j.
    ratio = (fitted.matrix / UNEVEN).log()
    residue = ratio - ratio.mean(0) - ratio.mean(1, keepdim=True) + ratio.mean()
    assert residue.abs().max() < 1e-9
    plan = alignment.plan(*views())
    torch.testing.assert_close(plan.row_sums, torch.ones(6).double(), rtol=1e-5, atol=0)
    assert torch.equal(alignment.target_of(plan), fitted.matrix)


def test_projection_leaves_free_sides_alone_and_zeros_empty():
    matrix = UNEVEN * (1 - torch.eye(6))
    rows_only = Alignment(target=matrix, infeasible="project", cols=FREE).fitted(torch.zeros(6, 6).double()).matrix
    torch.testing.assert_close(rows_only, matrix / matrix.sum(1, keepdim=True), rtol=1e-9, atol=0)
    total = Alignment(target=torch.stack([matrix, 3 * matrix]), infeasible="project", total=True)
    found = total.fitted(torch.zeros(2, 6, 6).double()).matrix
    torch.testing.assert_close(found, (6 * matrix / matrix.sum()).expand(2, 6, 6), rtol=1e-12, atol=0)
    both = Alignment(target=matrix, infeasible="project").fitted(torch.zeros(6, 6).double()).matrix
    assert (both.diagonal() == 0).all()


def test_a_target_without_room_is_not_projected():
    matrix = torch.zeros(3, 3)
    matrix[0, 0] = matrix[1, 0] = matrix[2, 0] = matrix[2, 1] = matrix[2, 2] = 1.0
    with pytest.raises(ValueError, match="the target cannot be projected: its 4 zeros leave no matrix with the masses"):
        Alignment(target=matrix, infeasible="project")(torch.eye(3), torch.eye(3))


def test_a_target_is_kept_and_no_plan_reaches_it():
    alignment = Alignment(target=UNEVEN, infeasible="keep", epsilon=0.3)
    fitted = alignment.fitted(torch.zeros(6, 6, dtype=torch.float64))
    assert fitted.said.endswith("it was kept, and no plan can reach it") and torch.equal(fitted.matrix, UNEVEN)
    values = [alignment.change(infeasible=cure)(*views()).item() for cure in ("keep", "masses", "project")]
    assert len({round(value, 4) for value in values}) == 3


def test_bounds_that_hold_the_target_need_no_cure():
    like = torch.zeros(6, 6, dtype=torch.float64)
    sums = torch.cat([UNEVEN.sum(0), UNEVEN.sum(1)])
    wide, narrow = Bounded(0.9 * sums.min().item(), 1.1 * sums.max().item()), Bounded(0.99, 1.01)
    assert Alignment(target=UNEVEN, rows=wide, cols=wide).fitted(like).said == ""
    assert "row and column sums" in Alignment(target=UNEVEN, rows=narrow, cols=narrow).fitted(like).said
    projected = Alignment(target=UNEVEN, rows=narrow, cols=narrow, infeasible="project").fitted(like).matrix
    assert (projected.sum(1) - 1).abs().max() < 0.01 + 1e-5 and (projected.sum(0) - 1).abs().max() > 0.005


def test_only_sides_that_ask_are_asked():
    like, row_fair = torch.zeros(6, 6, dtype=torch.float64), UNEVEN / UNEVEN.sum(1, keepdim=True)
    assert Alignment(target=row_fair, cols=FREE).fitted(like).said == ""
    assert "the target's column sums" in Alignment(target=row_fair, cols=Soft(0.3)).fitted(like).said
    assert Alignment(target=UNEVEN, rows=FREE, cols=FREE).fitted(like).said == ""
    assert Alignment(target=row_fair, total=True).fitted(like).said == ""
    assert "a and b are taken" in Alignment(target=UNEVEN, total=True).fitted(like).said


def distances(target, cure, epsilon=0.1, rows=EXACT, cols=EXACT):
    z, w = views()
    alignment = Alignment(epsilon=epsilon, target=target, infeasible=cure, rows=rows, cols=cols)
    plans = [alignment.change(steps=k).plan(z, w) for k in range(12)]
    return [plain.kl(alignment.target_of(plan), plan.matrix).item() for plan in plans]


@pytest.mark.parametrize("cure", ["masses", "project"])
def test_kl_falls_at_each_half_step_when_the_target_is_feasible(cure):
    target = UNEVEN**4
    falls = [before - after for before, after in itertools.pairwise(distances(target, cure))]
    assert all(fall > -1e-6 for fall in falls) and falls[1] > 1e-2


def test_kl_rises_where_a_target_that_breaks_the_columns_is_kept():
    target = Alignment(epsilon=0.1, steps=1).plan(*views()).matrix
    kept = distances(target, "keep")
    assert kept[1] == pytest.approx(0, abs=1e-12) and kept[2] > 0.1
    assert max(distances(target, "masses")[1:]) < 1e-9


# ------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda z, w: gca.loss("infonce", target="classes")(z, w), ValueError, "'classes' needs labels, one a row"),
        (lambda z, w: gca.loss("domain-prior")(z, w), ValueError, "'domains' needs labels, one a row"),
        (lambda z, w: gca.loss("domain-prior")(z, w, labels=[1, 2]), ValueError, "labels must be one a row, 6, got 2"),
        (lambda z, w: gca.loss("domain-prior")(z, w, labels=[[1] * 6]), ValueError, "got shape (1, 6)"),
        (lambda z, w: gca.loss("domain-prior")(z, w, labels="aabbcc"), TypeError, "got 'aabbcc'"),
        (
            lambda z, w: gca.loss("domain-prior")(z, w, labels=[0.0, 1.0, float("nan"), 1, 1, 1]),
            ValueError,
            "NaN, got 1",
        ),
        (lambda z, w: targets.classes(None), TypeError, "labels must be one a row, (n,), got None"),
        (lambda z, w: targets.classes(3.5), ValueError, "got shape ()"),
        (lambda z, w: targets.classes([]), ValueError, "got shape (0,)"),
        (
            lambda z, w: gca.loss("nt-xent", target="classes")(torch.cat([z, w]), labels=list(range(12))),
            ValueError,
            "every row needs another of its class, got none for row 0",
        ),
        (
            lambda z, w: gca.loss("nt-xent", target=torch.ones(12, 12))(z, w),
            ValueError,
            "in a stacked batch nothing is paired with itself: the target's diagonal must be 0, got 1",
        ),
        (
            lambda z, w: gca.loss("iot")(z, w, target=torch.ones(6, 5)),
            ValueError,
            "the plan's shape (6, 6), got (6, 5)",
        ),
        (lambda z, w: gca.loss("iot")(z, w, target=torch.ones(6)), ValueError, "a target must be a matrix (n, m)"),
        (lambda z, w: gca.loss("iot")(z, w, target=-torch.eye(6)), ValueError, "finite and >= 0, got -1 (6 such)"),
        (lambda z, w: gca.loss("iot")(z, w, target=0 * torch.eye(6)), ValueError, "a target must hold some mass"),
        (lambda z, w: gca.loss("iot")(z, w, target=[["a"]]), TypeError, "target must be a matrix of numbers"),
        (lambda z, w: gca.loss("rince")(z, w, target=torch.eye(6)), ValueError, "rince is defined for pairs only"),
        (lambda z, w: gca.loss("nt-xent")(z[:2], w[:4]), ValueError, "must have one shape, got z (2, 3) and w (4, 3)"),
        (lambda z, w: gca.loss("nt-xent")(z[:5]), ValueError, "a stacked batch holds an even number of rows, got 5"),
        (lambda z, w: gca.loss("infonce")(z), TypeError, "two views are needed, z and w"),
        (lambda z, w: targets.smoothed(3, 1.5), ValueError, "smoothing s must be in [0, 1], got 1.5"),
        (lambda z, w: gca.loss("mmd-joint")(z, w), ValueError, "pass data=(x, y)"),
        (
            lambda z, w: gca.loss("mmd-joint")(z, w, data=(z, w[:3])),
            ValueError,
            "one point a row, (6, d), got shape (3, 3)",
        ),
        (lambda z, w: gca.loss("mmd-joint")(z, w, data=(z, "w")), TypeError, "data must be a tensor or an array"),
        (lambda z, w: gca.loss("mmd-joint")(z, w, data=(z, w / 0)), ValueError, "data must be finite, got 18"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "",
)
def test_bad_targets(call, kind, words):
    with pytest.raises(kind) as error:
        call(*views())
    assert words in str(error.value)
