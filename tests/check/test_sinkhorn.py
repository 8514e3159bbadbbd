"""The self-checks of notebook 02: each typical slip is told apart by what is said of it; they never raise."""

import math

import numpy as np
import pytest
import torch
from torch import logsumexp

import gca_playground as gca

# One half-step ------------------------------------------------------------------------------------------------------


def half_step(cost, g, log_a, epsilon):
    return epsilon * (log_a - logsumexp((g - cost) / epsilon, dim=1))


def by_hand(cost, g, log_a, epsilon):
    scores = (g - cost) / epsilon
    most = scores.max(1, keepdim=True).values
    return epsilon * (log_a - most[:, 0] - (scores - most).exp().sum(1).log())


def in_numpy(cost, g, log_a, epsilon):
    return epsilon * (np.array(log_a) - np.logaddexp.reduce(np.array(g - cost) / epsilon, axis=1))


@pytest.mark.parametrize("right", [half_step, by_hand, in_numpy, lambda *given: half_step(*given).tolist()])
def test_right_half_steps(right):
    assert gca.check.half_step(right).state == "right"


def naive(cost, g, log_a, epsilon):
    return epsilon * (log_a - ((g - cost) / epsilon).exp().sum(1).log())


def once_for_all_rows(cost, g, log_a, epsilon):
    scores = (g - cost) / epsilon
    return epsilon * (log_a - scores.max() - (scores - scores.max()).exp().sum(1).log())


def lse(cost, g, epsilon, dim=1):
    return logsumexp((g - cost) / epsilon, dim)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (naive, "every f is NaN or infinite"),
        (once_for_all_rows, "out of each row by itself"),
        (lambda c, g, a, e: e * (a - (((g - c) / e).exp().sum(1) + 1e-30).log()), "does not bring back"),
        (lambda c, g, a, e: e * (a - ((g - c) / e).exp().sum(1).clamp_min(1e-30).log()), "does not bring back"),
        (lambda c, g, a, e: e * (a - lse(c, g, e, dim=0)), "rows and columns are mixed up"),
        (lambda c, g, a, e: e * (a - logsumexp((g[:, None] - c) / e, 1)), "rows and columns are mixed up"),
        (lambda c, g, a, e: e * (a - logsumexp((g[:, None] - c) / e, 0)), "rows and columns are mixed up"),
        (lambda c, g, a, e: -e * lse(c, g, e, dim=0), "one a column: sum over the columns"),
        (lambda c, g, a, e: a - lse(c, g, e), "this is f / epsilon"),
        (lambda c, g, a, e: torch.exp(a - lse(c, g, e)), "the scaling u"),
        (lambda c, g, a, e: a - e * lse(c, g, e), "multiplies both"),
        (lambda c, g, a, e: -e * lse(c, g, e), "log_a is missing: your rows have mass 1 each"),
        (lambda c, g, a, e: e * (-math.log(len(c)) - lse(c, g, e)), "your rows have mass 1/n each"),
        (lambda c, g, a, e: e * (a.exp() - lse(c, g, e)), "not the mass exp(log_a)"),
        (lambda c, g, a, e: e * (a.log() - lse(c, g, e)), "is a logarithm already"),
        (lambda c, g, a, e: -half_step(c, g, a, e), "the sign is turned round: f is large"),
        (lambda c, g, a, e: e * (a + lse(c, g, e)), "must be subtracted"),
        (lambda c, g, a, e: e * (a - logsumexp(g - c, 1)), "both g_j and C_ij are divided"),
        (lambda c, g, a, e: e * (a - logsumexp(g - c / e, 1)), "both g_j and C_ij are divided"),
        (lambda c, g, a, e: e * (a - logsumexp((g + c) / e, 1)), "a sign is turned round"),
        (lambda c, g, a, e: e * (a - logsumexp((c - g) / e, 1)), "a sign is turned round"),
        (lambda c, g, a, e: half_step(c, 0 * g, a, e), "g is not used"),
        (lambda c, g, a, e: half_step(c, g, a, e) + 0.1, "of the plan has mass"),
        (lambda c, g, a, e: half_step(c, g, a, e)[:, None], "must have shape (n,) = (5,), yours has (5, 1)"),
        (lambda c, g, a, e: c @ c, "cost (5, 7), g (7,), log_a (5,), epsilon 0.3"),
    ],
)
def test_wrong_half_steps_are_told_apart(wrong, reason):
    verdict = gca.check.half_step(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# All of them --------------------------------------------------------------------------------------------------------


def sinkhorn(cost, epsilon, steps, a=None, b=None, first=0, simultaneous=False):
    """Plain half-steps in the log domain, and the ways to get them wrong."""
    n, m = cost.shape
    log_a, log_b = math.log(1.0 if a is None else a), math.log(n / m if b is None else b)
    f, g = torch.zeros(n).to(cost), torch.zeros(m).to(cost)
    for k in range(first, first + steps):
        new_f = epsilon * (log_a - logsumexp((g - cost) / epsilon, 1))
        new_g = epsilon * (log_b - logsumexp((f[:, None] - cost) / epsilon, 0))
        if simultaneous:
            f, g = new_f, new_g
        elif k % 2 == 0:
            f = new_f
        else:
            g = new_g
    return f, g


def in_numpy_loops(cost, epsilon, steps):
    return [x.numpy() for x in sinkhorn(cost, epsilon, steps)]


def shifted(cost, epsilon, steps):
    f, g = sinkhorn(cost, epsilon, steps)
    return f - 3, g + 3


@pytest.mark.parametrize("right", [sinkhorn, in_numpy_loops, shifted])
def test_right_sinkhorns(right):
    assert gca.check.sinkhorn(right).state == "right"


def rows_only(cost, epsilon, steps):
    f, g = sinkhorn(cost, epsilon, min(steps, 1))
    return f, g


def in_the_scaling_domain(cost, epsilon, steps):
    kernel, (n, m) = torch.exp(-cost / epsilon), cost.shape
    u, v = cost.new_ones(n), cost.new_ones(m)
    for k in range(steps):
        if k % 2 == 0:
            u = 1 / (kernel @ v)
        else:
            v = n / m / (kernel.T @ u)
    return epsilon * u.log(), epsilon * v.log()


def plan(cost, epsilon, steps):
    f, g = sinkhorn(cost, epsilon, steps)
    return ((f[:, None] + g - cost) / epsilon).exp()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda c, e, k: sinkhorn(c, e, 2 * k), "twice as many"),
        (lambda c, e, k: sinkhorn(c, e, k + 1), "one half-step too many"),
        (lambda c, e, k: sinkhorn(c, e, max(k - 1, 0)), "one half-step too few"),
        (lambda c, e, k: sinkhorn(c, e, k, first=1), "the columns had the first turn"),
        (lambda c, e, k: sinkhorn(c, e, k, simultaneous=True), "both sides moved at once"),
        (rows_only, "only the rows had turns"),
        (lambda c, e, k: [x / e for x in sinkhorn(c, e, k)], "f / epsilon and g / epsilon"),
        (lambda c, e, k: sinkhorn(c, e, k, b=1.0), "your columns sum to 1: 6 rows of mass 1 bring 6 in all"),
        (lambda c, e, k: sinkhorn(c, e, k, a=1 / 6, b=1 / 4), "as in POT"),
        (lambda c, e, k: sinkhorn(c, e, k, a=1 / 6, b=1 / 6), "as in POT"),
        (lambda c, e, k: sinkhorn(c, e, 100), "steps is not used"),
        (lambda c, e, k: sinkhorn(c, e, k)[::-1], "changed places"),
        (plan, "the plan is right, but two potentials"),
        (lambda c, e, k: c, "two potentials are asked for: return f, g; yours returned a tensor (6, 4)"),
        (lambda c, e, k: (*sinkhorn(c, e, k), k), "yours returned 3 things"),
        (lambda c, e, k: [x[None] for x in sinkhorn(c, e, k)], "yours have (1, 6) and (1, 4)"),
        (lambda c, e, k: [x + 0.1 for x in sinkhorn(c, e, k)], "after 0 half-steps nothing has happened"),
        (lambda c, e, k: [x * 1.1 for x in sinkhorn(c, e, k)], "after 1 half-step the rows must sum to 1; yours"),
        (lambda c, e, k: sinkhorn(c.flip(0), e, k), "after 1 half-step the rows must sum to 1; yours"),
        (lambda c, e, k: sinkhorn(c, e, k if k < 5 else 7), "that is so, but the plan is another one"),
        (in_the_scaling_domain, "not at epsilon = 0.001: exp((g_j - C_ij) / epsilon) is zero"),
    ],
)
def test_wrong_sinkhorns_are_told_apart(wrong, reason):
    verdict = gca.check.sinkhorn(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# Both ---------------------------------------------------------------------------------------------------------------


CHECKS = [gca.check.half_step, gca.check.sinkhorn]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("answer", [None, ...])
def test_not_attempted_repeats_the_question(check, answer):
    verdict = check(answer)
    assert verdict.state == "not attempted"
    assert verdict.why.startswith(f"write {check.__name__}(cost, ")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (torch.eye(3), "the function itself, without calling it; this is a Tensor"),
        ("sinkhorn", "this is a str"),
        (lambda *_: None, "does it end with `return`"),
        (lambda *_: ..., "still returns the dots"),
        (lambda *_: "far", "it returned a str"),
        (lambda *_: 1 / 0, "raised ZeroDivisionError: division by zero"),
        (lambda: 3, "raised TypeError"),
        (lambda cost, *_: cost.nothing, "raised AttributeError"),
        (lambda *_: 3.0, "()"),
    ],
)
def test_answers_of_the_wrong_kind_are_wrong_in_words(check, answer, reason):
    verdict = check(answer)
    assert verdict.state == "wrong"
    assert reason in verdict.why


def test_what_the_checks_ask_is_never_what_the_student_already_saw():
    seen = []

    def remembering(cost, g, log_a, epsilon):
        seen.append(cost)
        return half_step(cost, g, log_a, epsilon)

    for _ in range(2):
        assert gca.check.half_step(remembering).state == "right"
    first, again = seen[0], seen[2]
    assert not torch.equal(first, again)
