"""The self-checks of notebook 03: each typical slip is told apart by what is said of it; they never raise."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

import gca_playground as gca


def softmax(cost, epsilon, dim=1):
    return torch.softmax(-cost / epsilon, dim)


def ce(scores):
    return cross_entropy(scores, torch.arange(len(scores)))


def infonce(cost, epsilon):
    return ce(-cost / epsilon)


def after(**place):
    return lambda c, e: gca.Alignment(epsilon=e, **place).of_cost(c)


# The loss -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "right",
    [
        infonce,
        lambda c, e: -torch.log_softmax(-c / e, 1).diagonal().mean(),
        lambda c, e: -gca.solve(c, epsilon=e, steps=1).log.diagonal().mean(),
        lambda c, e: (
            float(((c - c.min(1, keepdim=True)[0]) / -e).exp().sum(1).log().mean())
            + float((c.diagonal() - c.min(1)[0]).mean() / e)
        ),
        lambda c, e: np.mean([c[i, i].item() / e + np.logaddexp.reduce(-c[i].numpy() / e) for i in range(len(c))]),
        after(cols=gca.FREE, steps=1),
    ],
)
def test_right_losses(right):
    assert gca.check.infonce(right).state == "right"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (
            lambda c, e: -softmax(c, e).diagonal().log().mean(),
            "right at epsilon = 0.2 and 0.35, but at epsilon = 0.001",
        ),
        (lambda c, e: -(softmax(c, e).diagonal() + 1e-12).log().mean(), "but at epsilon = 0.001"),
        (lambda c, e: len(c) * infonce(c, e), "divide by n"),
        (lambda c, e: -infonce(c, e), "the sign is turned round"),
        (lambda c, e: infonce(c.T, e), "your columns sum to 1"),
        (lambda c, e: (infonce(c, e) + infonce(c.T, e)) / 2, "CLIP"),
        (lambda c, e: -torch.log_softmax(-c / e, 1).mean(), "over all pairs"),
        (lambda c, e: ce(c / e), "a sign is lost"),
        (lambda c, e: ce(-c), "epsilon is not used"),
        (lambda c, e: e * infonce(c, e), "no epsilon in front"),
        (lambda c, e: -softmax(c, e).diagonal().mean().log(), "take the logarithm first"),
        (lambda c, e: -softmax(c, e).diagonal().mean(), "this is -P_ii"),
        (lambda c, e: (1 - softmax(c, e).diagonal()).mean(), "this is 1 - P_ii"),
        (lambda c, e: c.diagonal().mean() / e, "no half-step was taken"),
        (after(steps=2), "after two half-steps"),
        (after(), "the converged plan"),
        (after(total=True), "one softmax over the whole matrix"),
        (lambda c, e: ce(softmax(c, e)), "a softmax too much"),
        (lambda c, e: infonce(c, e) + math.log(len(c)), "as in POT"),
        (lambda c, e: infonce(c, e) + 1, "The first P_ii are"),
        (lambda c, e: softmax(c, e), "must return one number, it returned a tensor of shape (8, 8)"),
    ],
)
def test_wrong_losses_are_told_apart(wrong, reason):
    verdict = gca.check.infonce(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# Its gradient -------------------------------------------------------------------------------------------------------


def gradient(cost, T, epsilon):
    return (T - softmax(cost, epsilon)) / (len(cost) * epsilon)


def by_tape(cost, T, epsilon):
    cost = cost.requires_grad_()
    (-(T * torch.log_softmax(-cost / epsilon, 1)).sum() / len(cost)).backward()
    return cost.grad


def detached(cost, T, epsilon):
    cost = cost.requires_grad_()
    level = (-cost / epsilon).logsumexp(1, keepdim=True).detach()
    (-(T * (-cost / epsilon - level)).sum() / len(cost)).backward()
    return cost.grad


@pytest.mark.parametrize("right", [gradient, by_tape, lambda *given: gradient(*given).tolist()])
def test_right_gradients(right):
    assert gca.check.infonce_gradient(right).state == "right"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda c, t, e: -gradient(c, t, e), "this is -dL/dC"),
        (lambda c, t, e: len(c) * gradient(c, t, e), "n is missing: "),
        (lambda c, t, e: -len(c) * gradient(c, t, e), "n is missing and the sign"),
        (lambda c, t, e: e * gradient(c, t, e), "epsilon is missing"),
        (lambda c, t, e: t - softmax(c, e), "n and epsilon are missing"),
        (lambda c, t, e: -e * gradient(c, t, e), "by the scores"),
        (lambda c, t, e: e * e * gradient(c, t, e), "do not multiply by it"),
        (detached, "without P nothing repels"),
        (lambda c, t, e: -softmax(c, e) / (len(c) * e), "without T nothing attracts"),
        (lambda c, t, e: gradient(c, t, e).T, "transposed"),
        (lambda c, t, e: gradient(c, torch.eye(len(c)), e), "right for pairs"),
        (lambda c, t, e: (t - softmax(c, e, 0)) / (len(c) * e), "the columns' softmax"),
        (lambda c, t, e: (t - gca.solve(c, epsilon=e).matrix) / (len(c) * e), "the converged plan"),
        (lambda c, t, e: gradient(c, t, e) / len(c), "not over the n^2 entries"),
        (lambda c, t, e: gradient(c, t, e) / e, "epsilon counts once"),
        (lambda c, t, e: gradient(c, t, e) + 1, "its rows must sum to 0"),
        (lambda c, t, e: gradient(c, t, 2 * e), "so dL/dC_ij = "),
        (lambda c, t, e: gradient(c, t, e).sum(1), "has an entry for each pair, (6, 6); yours has shape (6,)"),
    ],
)
def test_wrong_gradients_are_told_apart(wrong, reason):
    verdict = gca.check.infonce_gradient(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# NT-Xent ------------------------------------------------------------------------------------------------------------


def stacked(z, w, epsilon, own=-torch.inf, unit=True):
    both = torch.cat([z, w])
    both = normalize(both, dim=1) if unit else both
    return (both @ both.T / epsilon).fill_diagonal_(own)


def partners(z):
    return torch.arange(2 * len(z)).roll(len(z))


def nt_xent(z, w, epsilon, **options):
    return cross_entropy(stacked(z, w, epsilon, **options), partners(z))


def without_negative_cosines(z, w, e):
    return cross_entropy(stacked(z, w, e, 0.0).clamp(1e-7).fill_diagonal_(-torch.inf), partners(z))


def without_partner(z, w, e):
    scores, partner = stacked(z, w, e), partners(z)
    own = scores.gather(1, partner[:, None])[:, 0]
    return (scores.scatter(1, partner[:, None], -torch.inf).logsumexp(1) - own).mean()


@pytest.mark.parametrize(
    "right",
    [
        nt_xent,
        lambda z, w, e: gca.loss("nt-xent", epsilon=e)(z, w),
        lambda z, w, e: gca.loss("nt-xent", epsilon=e)(torch.cat([z, w])),
    ],
)
def test_right_nt_xents(right):
    assert gca.check.nt_xent(right).state == "right"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda z, w, e: 2 * len(z) * nt_xent(z, w, e), "divide by 2n"),
        (lambda z, w, e: 2 * nt_xent(z, w, e), "not by n"),
        (lambda z, w, e: nt_xent(z, w, e, own=1 / e), "coupled with itself"),
        (lambda z, w, e: nt_xent(z, w, e, own=-1 / e), "the largest cost"),
        (lambda z, w, e: nt_xent(z, w, e, own=float(stacked(z, w, e, 0.0).min())), "the largest cost"),
        (lambda z, w, e: nt_xent(z, w, e, own=0.0), "a cosine of 0"),
        (without_negative_cosines, "cosines below 0 were cut off"),
        (
            lambda z, w, e: nt_xent(z / z.norm(dim=0), w / w.norm(dim=0), e, unit=False),
            "the coordinates were normalised",
        ),
        (lambda z, w, e: gca.loss("infonce", epsilon=e)(z, w), "this is InfoNCE"),
        (lambda z, w, e: gca.loss("clip", epsilon=e)(z, w), "CLIP"),
        (lambda z, w, e: nt_xent(z, w, e, unit=False), "normalise the rows"),
        (lambda z, w, e: cross_entropy(stacked(z, w, e)[: len(z)], partners(z)[: len(z)]), "only the first view's"),
        (lambda z, w, e: cross_entropy(stacked(z, w, e), torch.arange(2 * len(z)) ^ 1), "one above the other"),
        (without_partner, "missing in the denominator"),
        (lambda z, w, e: nt_xent(z, w, 2 * e), "Stack z over w"),
    ],
)
def test_wrong_nt_xents_are_told_apart(wrong, reason):
    verdict = gca.check.nt_xent(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# All ----------------------------------------------------------------------------------------------------------------


def test_a_loss_is_compared_at_two_epsilons_since_one_number_may_come_near_another_by_chance():
    def without_the_pair(cost, epsilon):
        scores = -cost / epsilon
        others = scores.masked_fill(torch.eye(len(cost)).bool(), -torch.inf)
        return (others.logsumexp(1) - scores.diagonal()).mean()

    for _ in range(100):
        assert "The first P_ii are" in gca.check.infonce(without_the_pair).why


def test_every_call_asks_about_another_cost():
    seen = []

    def remembering(cost, epsilon):
        seen.append(cost)
        return infonce(cost, epsilon)

    for _ in range(2):
        assert gca.check.infonce(remembering).state == "right"
    assert not torch.equal(seen[0], seen[-1])
