"""The self-checks of notebook 01: each typical slip is told apart by what is said of it; they never raise."""

import math

import numpy as np
import pytest
import torch

import gca_playground as gca
from gca_playground.check import matching
from gca_playground.check.answers import fresh

DIFFERENCE = "z[:, None] - w has shape (n, m, d)"


def difference(z, w):
    return z[:, None] - w


# The cost matrix ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "right",
    [
        lambda z, w: (z[:, None] - w[None]).square().sum(-1) / 2,
        lambda z, w: torch.cdist(z, w) ** 2 / 2,
        lambda z, w: z.square().sum(1)[:, None] / 2 + w.square().sum(1) / 2 - z @ w.T,
        lambda z, w: ((z[:, None].float() - w.float()) ** 2).sum(2) * 0.5,
        lambda z, w: (np.array(z)[:, None] - np.array(w)) ** 2 @ np.full(z.shape[1], 0.5),
        lambda z, w: [[0.5 * math.dist(p, q) ** 2 for q in w.tolist()] for p in z.tolist()],
        gca.squared_euclidean_cost,
    ],
)
def test_right_costs(right):
    assert gca.check.cost_matrix(right).state == "right"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda z, w: difference(z, w).square().sum(-1), "the half is missing"),
        (lambda z, w: difference(z, w).square().sum(-1) / 4, "the half there twice"),
        (lambda z, w: torch.cdist(z, w), "a square root too much, and the half is missing"),
        (lambda z, w: torch.cdist(z, w) / 2, "half the distance"),
        (lambda z, w: (torch.cdist(z, w) ** 2 / 2).sqrt(), "leave the root out"),
        (lambda z, w: torch.cdist(w, z) ** 2 / 2, "transposed"),
        (lambda z, w: difference(z, w).square() / 2, "coordinates are still apart"),
        (lambda z, w: difference(z, w).square().sum() / 2, "one number came out"),
        (lambda z, w: difference(z, w).square().mean(-1) / 2, "mean over the d = 3"),
        (lambda z, w: difference(z, w).square().mean(-1), "mean over the d = 3 coordinates, without the half"),
        (lambda z, w: difference(z, w).abs().sum(-1) / 2, "absolute differences"),
        (lambda z, w: -difference(z, w).square().sum(-1) / 2, "sign"),
        (gca.cosine_cost, "cosine cost"),
        (gca.dot_cost, "dot cost"),
        (lambda z, w: z @ w.T, "products"),
        (lambda z, w: (z[:, None] + w).square().sum(-1) / 2, "cross term"),
        (lambda z, w: z.square().sum(1)[:, None] / 2 + w.square().sum(1) / 2 - 2 * z @ w.T, "the half is at one"),
        (lambda z, w: z.square().sum(1)[:, None] + w.square().sum(1) - z @ w.T, "the half is at one"),
        (lambda z, w: gca.squared_euclidean_cost(z, w) + 1, "apart, so the cost is"),
        (lambda z, w: (z - w).square().sum(-1) / 2, DIFFERENCE),
        (lambda z, w: gca.squared_euclidean_cost(z, w)[:5, :5], "must have shape (n, m) = (5, 7), yours has (5, 5)"),
        (lambda z, w: gca.squared_euclidean_cost(z, w) / 0, "NaN or infinite"),
    ],
)
def test_wrong_costs_are_told_apart(wrong, reason):
    verdict = gca.check.cost_matrix(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


def test_a_function_that_knows_one_size_only_is_wrong():
    def cost(z, w):
        return torch.stack([torch.stack([(z[i] - w[j]).square().sum() / 2 for j in range(7)]) for i in range(5)])

    verdict = gca.check.cost_matrix(cost)
    assert verdict.state == "wrong"
    assert "z (6, 2), w (4, 2)" in verdict.why


# What epsilon does --------------------------------------------------------------------------------------------------


def solved(cost, epsilon, steps=201):
    """The plan by plain half-steps, which shape checks do not slow down."""
    scores = -torch.as_tensor(cost) / epsilon
    (n, m), level = scores.shape, scores.new_zeros(1, 1)
    log_g = scores.new_zeros(m)
    for k in range(steps):
        if k % 2 == 0:
            level = -(scores + log_g).logsumexp(1, keepdim=True)
        else:
            log_g = math.log(n / m) - (scores + level).logsumexp(0)
    return (scores + level + log_g).exp()


def mean_row_entropy(cost, epsilon, steps=201):
    return float(torch.special.entr(solved(cost, epsilon, steps)).sum()) / len(cost)


def bisected(entropy, wanted, low=1e-2, high=1e3, rounds=20):
    for _ in range(rounds):
        epsilon = math.sqrt(low * high)
        low, high = (epsilon, high) if entropy(epsilon) < wanted else (low, epsilon)
    return epsilon


def epsilon_for(cost, share):
    return bisected(lambda epsilon: mean_row_entropy(cost, epsilon), share * math.log(cost.shape[1]))


def test_the_right_blur():
    assert gca.check.blur(epsilon_for).state == "right"
    assert gca.check.blur(lambda cost, share: torch.tensor(epsilon_for(cost, share))).state == "right"
    assert gca.check.blur(lambda cost, share: np.float32(epsilon_for(cost.numpy(), share))).state == "right"


def of_the_whole_plan(cost, share):
    wanted = share * math.log(cost.shape[1])
    return bisected(lambda epsilon: float(torch.special.entr(solved(cost, epsilon)).sum()), wanted, low=1e-3)


def in_bits(cost, share):
    return epsilon_for(cost, share * math.log(2))


def of_the_share_alone(cost, share):
    return bisected(lambda epsilon: mean_row_entropy(cost, epsilon), share)


def of_the_softmax(cost, share):
    wanted = share * math.log(cost.shape[1])
    return bisected(lambda epsilon: mean_row_entropy(cost, epsilon, steps=1), wanted)


def of_log_n(cost, share):
    return bisected(lambda epsilon: mean_row_entropy(cost, epsilon), share * math.log(len(cost)))


def of_partners(cost, share):
    def partners(epsilon):
        return float(torch.special.entr(solved(cost, epsilon)).sum(1).exp().mean())

    return bisected(partners, share * cost.shape[1])


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda cost, share: 1e3, "too blurred"),
        (lambda cost, share: epsilon_for(cost, share / 2), ": too sharp"),
        (lambda cost, share: epsilon_for(cost, 1.05 * share), "close, but not within 1%"),
        (lambda cost, share: math.log10(1e-2), "if you search its logarithm"),
        (of_the_whole_plan, "far too sharp. plan.entropy adds up all rows"),
        (in_bits, "bits and nats"),
        (of_the_share_alone, "multiply the share by log m"),
        (of_the_softmax, "solve to convergence"),
        (of_log_n, "log m, not log n"),
        (of_partners, "share of m partners"),
        (lambda cost, share: min(1.0, epsilon_for(cost, share)), "does your search reach so far"),
        (lambda cost, share: gca.solve(cost, epsilon=0.1).matrix, "one number, it returned a tensor of shape (12, 6)"),
    ],
)
def test_wrong_blurs_are_told_apart(wrong, reason, monkeypatch):
    # Two slips may lead to one epsilon: here to ones that are apart.
    monkeypatch.setattr(matching, "fresh", lambda: torch.Generator().manual_seed(0))
    verdict = gca.check.blur(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


@pytest.mark.parametrize("factor", [1.0, 1.1])
def test_an_epsilon_that_does_not_move_with_the_cost_is_wrong(factor):
    found = []

    def stuck(cost, share):
        if not found:
            found.append(factor * epsilon_for(cost, share))
        return found[0]

    verdict = gca.check.blur(stuck)
    assert verdict.state == "wrong"
    assert "its unit is that of the cost" in verdict.why


# Both ---------------------------------------------------------------------------------------------------------------


CHECKS = [gca.check.cost_matrix, gca.check.blur]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("answer", [None, ...])
def test_not_attempted_repeats_the_question(check, answer):
    verdict = check(answer)
    assert verdict.state == "not attempted"
    assert "write a function" in verdict.why


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (torch.eye(3), "the function itself, without calling it; this is a Tensor"),
        (0.3, "this is a float"),
        (lambda *_: None, "does it end with `return`"),
        (lambda *_: ..., "still returns the dots"),
        (lambda *_: "far", "it returned a str"),
        (lambda *_: {"cost": 1}, "it returned a dict"),
        (lambda *_: torch.ones(2, 2, dtype=torch.complex64), "a tensor of numbers"),
        (lambda *_: 1 / 0, "raised ZeroDivisionError: division by zero"),
        (lambda: 3, "raised TypeError"),
        (lambda x, y: x.nothing, "raised AttributeError"),
        (lambda *_: [[1.0], [2.0, 3.0]], "a tensor of numbers"),
    ],
)
def test_answers_of_the_wrong_kind_are_wrong_in_words(check, answer, reason):
    verdict = check(answer)
    assert verdict.state == "wrong"
    assert reason in verdict.why


def test_the_problems_are_fresh_and_the_global_numbers_stay():
    before = torch.get_rng_state()
    first, second = (torch.rand(4, generator=fresh()) for _ in range(2))
    gca.check.cost_matrix(gca.squared_euclidean_cost)
    assert not torch.equal(first, second)
    assert torch.equal(before, torch.get_rng_state())


def test_an_answer_may_spoil_what_it_is_given():
    def cost(z, w):
        result = gca.squared_euclidean_cost(z.clone(), w.clone())
        z.zero_(), w.zero_()
        return result.requires_grad_()

    assert gca.check.cost_matrix(cost).state == "right"
