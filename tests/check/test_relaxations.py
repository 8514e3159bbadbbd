"""The self-checks of notebook 05: each typical slip is told apart by what is said of it; they never raise."""

import math

import pytest
import torch
from torch.nn.functional import normalize

import gca_playground as gca

# Three plans --------------------------------------------------------------------------------------------------------


def plan(cost, epsilon, which, steps=400, columns=None):
    """By hand: one factor, one a row, or turns until both sides are right."""
    n, m = cost.shape
    matrix = torch.exp(-cost / epsilon)
    if which == "U(1)":
        return n * matrix / matrix.sum()
    matrix = matrix / matrix.sum(1, keepdim=True)
    for k in range(2, 1 + (steps if which == "U(a,b)" else 1)):
        matrix = matrix / matrix.sum(k % 2, keepdim=True)
        matrix = matrix if k % 2 else matrix * (n / m if columns is None else columns)
    return matrix


def by_library(cost, epsilon, which):
    knobs = {"U(1)": {"total": True}, "U(a)": {"cols": gca.FREE}, "U(a,b)": {}}[which]
    return gca.solve(cost, epsilon=epsilon, **knobs).matrix


@pytest.mark.parametrize("right", [plan, by_library, lambda *given: plan(*given).numpy()])
def test_right_plans(right):
    assert gca.check.three_plans(right).state == "right"


def only(name, wrong):
    """Right for the two other sets."""
    return lambda c, e, which: wrong(c, e, which) if which == name else plan(c, e, which)


def kernel(c, e, which):
    return torch.exp(-c / e)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (kernel, "U(1): this is the kernel"),
        (lambda c, e, which: plan(c, e, which) / len(c), "U(1): your total mass is 1"),
        (lambda c, e, which: plan(-c, e, which), "U(1): a sign is lost"),
        (lambda c, e, which: plan(c, 1.0, which), "U(1): epsilon is not used"),
        (lambda c, e, which: plan(c, e, "U(a)"), "U(1): this is the plan of U(a): what does `which` say?"),
        (only("U(1)", lambda c, e, which: 2 * plan(c, e, which)), "U(1): the total mass is 12"),
        (only("U(1)", lambda c, e, which: plan(c, 2 * e, which)), "U(1): the total mass is right, n = 6, but"),
        (only("U(a)", lambda c, e, which: torch.softmax(-c / e, 0)), "U(a): each column was made to sum to 1"),
        (only("U(a)", lambda c, e, which: 1.5 * torch.softmax(-c / e, 0)), "instead of the rows"),
        (only("U(a)", lambda c, e, which: plan(c, e, "U(a,b)")), "U(a): this is the plan of U(a,b)"),
        (only("U(a)", lambda c, e, which: 2 * plan(c, e, which)), "U(a): the rows must sum to 1, yours sum to 2"),
        (only("U(a)", lambda c, e, which: torch.full_like(c, 0.25)), "U(a): the sums are right, but"),
        (only("U(a,b)", lambda c, e, which: plan(c, e, which, 2)), "U(a,b): this is the plan after 2 half-steps"),
        (only("U(a,b)", lambda c, e, which: plan(c, e, which, 50, columns=1.0)), "U(a,b): columns can't sum to 1"),
        (only("U(a,b)", lambda c, e, which: plan(c, 2 * e, "U(a)")), "U(a,b): the columns must sum to n/m = 1.5"),
        (only("U(a,b)", lambda c, e, which: torch.full_like(c, 0.25)), "U(a,b): the sums are right, but"),
        (lambda c, e, which: plan(c, e, which).T, "a plan has the cost's shape (6, 4), yours has (4, 6)"),
    ],
)
def test_wrong_plans_are_told_apart(wrong, reason):
    verdict = gca.check.three_plans(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# Alignment and uniformity -------------------------------------------------------------------------------------------


def squares(z, w):
    return (z[:, None] - w).square().sum(-1)


def align(z, w):
    return squares(z, w).diagonal().mean()


def spread(z, w, t):
    return (-t * squares(z, w)).exp().mean().log()


@pytest.mark.parametrize(
    "right",
    [
        lambda z, w, t: (align(z, w), spread(z, w, t)),
        lambda z, w, t: [align(z, w).item(), spread(z, w, t)[None]],
        lambda z, w, t: (
            align(z, w),
            gca.Alignment(cost="squared_euclidean", epsilon=1 / (2 * t), total=True)(z, w)
            - t * align(z, w)
            - math.log(len(z)),
        ),
    ],
)
def test_right_parts(right):
    assert gca.check.alignment_uniformity(right).state == "right"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda z, w, t: t * align(z, w), "t stands outside"),
        (lambda z, w, t: align(z, w) / 2, "used up by epsilon"),
        (lambda z, w, t: len(z) * align(z, w), "not the sum"),
        (lambda z, w, t: squares(z, w).diagonal().sqrt().mean(), "square them"),
        (lambda z, w, t: (z - w).square().mean(), "pairs and coordinates"),
        (lambda z, w, t: squares(z, w).mean(), "the pairs only"),
        (lambda z, w, t: -align(z, w), "small where the pairs are near"),
        (lambda z, w, t: align(z, w) + 1, "it is the mean over the pairs"),
    ],
)
def test_wrong_alignments_are_told_apart(wrong, reason):
    verdict = gca.check.alignment_uniformity(lambda z, w, t: (wrong(z, w, t), spread(z, w, t)))
    assert verdict.state == "wrong"
    assert verdict.why.startswith("alignment is")
    assert reason in verdict.why


def others(matrix):
    return matrix[~torch.eye(len(matrix)).bool()]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda z, w, t: (-t * squares(z, w)).exp().sum().log(), "the logarithm of the sum"),
        (lambda z, w, t: spread(z, w, t) + math.log(len(z)), "log n stands outside"),
        (lambda z, w, t: spread(z, w, t).exp(), "the logarithm is missing"),
        (lambda z, w, t: -spread(z, w, t), "the sign is turned round"),
        (lambda z, w, t: (-t * squares(z, w)).mean(), "mean first"),
        (lambda z, w, t: spread(z, w, 1.0), "t is missing"),
        (lambda z, w, t: spread(z, w, t / 2), "half the square only"),
        (lambda z, w, t: (-t * squares(z, w).sqrt()).exp().mean().log(), "square them"),
        (lambda z, w, t: others(-t * squares(z, w)).exp().mean().log(), "the pairs (k, k)"),
        (lambda z, w, t: spread(z, z, t), "within one view"),
        (lambda z, w, t: others(-t * squares(z, z)).exp().mean().log(), "within one view"),
        (lambda z, w, t: spread(z, w, t) + 1, "it is the logarithm of the mean"),
    ],
)
def test_wrong_uniformities_are_told_apart(wrong, reason):
    verdict = gca.check.alignment_uniformity(lambda z, w, t: (align(z, w), wrong(z, w, t)))
    assert verdict.state == "wrong"
    assert verdict.why.startswith("uniformity is")
    assert reason in verdict.why


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda z, w, t: align(z, w), "return alignment, uniformity"),
        (lambda z, w, t: (spread(z, w, t), align(z, w)), "have changed places"),
        (lambda z, w, t: (align(z, w),), "return alignment, uniformity"),
        (lambda z, w, t: (squares(z, w), spread(z, w, t)), "yours have shapes [(7, 7), ()]"),
        (lambda z, w, t: (..., ...), "still returns the dots"),
    ],
)
def test_parts_of_the_wrong_kind_are_wrong_in_words(wrong, reason):
    verdict = gca.check.alignment_uniformity(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# The outer step -----------------------------------------------------------------------------------------------------


def coupled(z, w, e, steps=None):
    return gca.solve(-z @ w.T, epsilon=e, steps=steps).matrix


def outer(z, w, e, steps=None):
    return (coupled(z, w, e, steps) @ w - w) / (len(z) * e)


def by_cosine(z, w, e, drawn):
    plan = gca.solve(gca.cosine_cost(z, w), epsilon=e).matrix
    return (plan @ drawn - drawn) / (len(z) * e)


def by_tape(z, w, e):
    z = z.requires_grad_()
    gca.Alignment(cost="dot", epsilon=e)(z, w).backward()
    return z.grad


@pytest.mark.parametrize("right", [outer, by_tape, lambda z, w, e: outer(z, w, e, 400)])
def test_right_outer_steps(right):
    assert gca.check.outer_step(right).state == "right"


def test_a_hundred_half_steps_are_enough_for_the_outer_step():
    for _ in range(10):
        assert gca.check.outer_step(lambda z, w, e: outer(z, w, e, 100)).state == "right"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda z, w, e: -outer(z, w, e), "the sign is turned round"),
        (lambda z, w, e: len(z) * outer(z, w, e), "n is missing"),
        (lambda z, w, e: e * outer(z, w, e), "epsilon is missing"),
        (lambda z, w, e: (coupled(z, w, e).T @ w - w) / (len(z) * e), "P is transposed"),
        (lambda z, w, e: (coupled(z, w, e).T @ z - z) / (len(z) * e), "this is dL/dw"),
        (lambda z, w, e: -w / (len(z) * e), "nothing repels"),
        (lambda z, w, e: coupled(z, w, e) @ w / (len(z) * e), "nothing attracts"),
        (lambda z, w, e: outer(z, w, e, 1), "this is InfoNCE's"),
        (lambda z, w, e: outer(z, w, e, 2), "the plan is that after 2 half-steps"),
        (lambda z, w, e: by_cosine(z, w, e, w), "the plan is that of the cosine cost"),
        (lambda z, w, e: by_cosine(z, w, e, normalize(w, dim=1)), "the plan is that of the cosine cost"),
        (lambda z, w, e: outer(z, w, 2 * e), "dC_ij/dz_i = -w_j"),
        (lambda z, w, e: coupled(z, w, e), "dL/dz has z's shape (6, 3), yours has (6, 6)"),
    ],
)
def test_wrong_outer_steps_are_told_apart(wrong, reason):
    verdict = gca.check.outer_step(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why
