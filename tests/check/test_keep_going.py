"""The self-checks of notebook 04: hubs made and taken away, and when KL(T | P) falls; they never raise."""

import pytest
import torch

import gca_playground as gca

# A hub --------------------------------------------------------------------------------------------------------------


def batch(n=32, near=0.3, turned=True):
    """Pairs on the axes, first views in a cone; the first second view turned to the cone's axis."""
    z, w = torch.eye(n) + near, torch.eye(n)
    if turned:
        w[0] = 1.0
    return z, w


def test_right_hubs():
    verdict = gca.check.hub(batch())
    assert verdict.state == "right"
    assert "after one half-step; the loss falls from" in verdict.why
    assert gca.check.hub([view.numpy() for view in batch(16)]).state == "right"
    assert gca.check.hub(torch.stack(batch())).state == "right"
    assert gca.check.hub(torch.stack(batch()).numpy()).state == "right"


def collapsed(n=32):
    generator = torch.Generator().manual_seed(0)
    z = torch.ones(n, 4) + 1e-3 * torch.rand(n, 4, generator=generator)
    w = torch.ones(n, 4) * torch.tensor([1.0, 1.0, 1.0, -1.0])
    w[0] = 1.0
    return z, w


def mild(n=32):
    """Two bunches, in which pairs are hard to tell apart, and a hub that both like a little."""
    axes = torch.eye(4).repeat_interleave(n // 2, 0)
    z, w = axes[:n], 0.52 * axes[:n] + 0.85 * axes[n:]
    w[0] = torch.tensor([1.0, 1.0, 0.0, 0.0])
    return z, w


def near_pairs(n=32):
    """A hub in the middle of all, and pairs that are too near for anybody to go there."""
    z = torch.eye(n) + 0.3
    w = z.clone()
    w[0] = z.mean(0)
    return z, w


def long_vector(n=32):
    z, w = torch.eye(n) + 0.1, torch.eye(n) + 0.1
    w[0] *= 1000
    return z, w


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (batch(8), "with 8 pairs"),
        (batch(turned=False), "no column is popular"),
        (batch(near=0.001), "asked for are 8.0"),
        (batch()[::-1], "your hub is a first view"),
        (long_vector(), "does not see length"),
        (near_pairs(), "most z are nearer still to their own w"),
        (torch.stack(batch(turned=False)), "no column is popular"),
        (torch.zeros(20, 3), "pass the two clouds together"),
        (mild(), "ten half-steps lower the loss from"),
        (collapsed(), "no plan tells the pairs apart"),
        (batch()[0], "pass the two clouds together"),
        ((*batch(), 3), "pass the two clouds together"),
        ((batch()[0], batch()[1][:30]), "one shape (n, d), yours have (32, 32) and (30, 32)"),
        (tuple(view * torch.nan for view in batch()), "must be finite"),
        (("z", "w"), "a tensor of numbers"),
    ],
)
def test_wrong_hubs_are_told_apart(wrong, reason):
    verdict = gca.check.hub(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# Its bias -----------------------------------------------------------------------------------------------------------


def bias(cost, epsilon, steps=None):
    return gca.solve(cost, epsilon=epsilon, steps=steps).g / epsilon


def by_hand(cost, epsilon):
    (n, m), found = cost.shape, torch.zeros(cost.shape[1]).to(cost)
    for _ in range(500):
        found = found - ((found - cost / epsilon).softmax(1).sum(0) * m / n).log()
    return found


@pytest.mark.parametrize("right", [bias, by_hand, lambda c, e: bias(c, e) + 7, lambda c, e: bias(c, e).tolist()])
def test_right_biases(right):
    assert gca.check.hub_bias(right).state == "right"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda c, e: e * bias(c, e), "in units of the cost"),
        (lambda c, e: -bias(c, e), "a hub's g is low"),
        (lambda c, e: -e * bias(c, e), "the sign is turned round and epsilon is missing"),
        (lambda c, e: bias(c, e).exp(), "the scaling v"),
        (lambda c, e: bias(c, e, 2), "one turn of the columns is not enough: "),
        (lambda c, e: e * bias(c, e, 2), "not enough, and epsilon is missing"),
        (lambda c, e: c.mean(0) / e, "only guesses"),
        (lambda c, e: torch.zeros(c.shape[1]), "the same for all columns"),
        (lambda c, e: gca.solve(c, epsilon=e).f / e, "yours has shape (10,), one a row"),
        (lambda c, e: torch.arange(c.shape[1]), "with your bias the columns sum to"),
        (lambda c, e: bias(c, e) * torch.nan, "with your bias the columns sum to nan"),
    ],
)
def test_wrong_biases_are_told_apart(wrong, reason):
    verdict = gca.check.hub_bias(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# When it falls ------------------------------------------------------------------------------------------------------


def kl(p, q):
    return (p * (p / q).log() - p + q).sum()


def drop(old, new):
    return kl(new, old) / len(old)


@pytest.mark.parametrize("right", [drop, lambda old, new: drop(old, new).item()])
def test_right_drops(right):
    assert gca.check.kl_drop(right).state == "right"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda o, n: kl(n, o), "n is missing: "),
        (lambda o, n: kl(o, n) / len(o), "this is KL(old | new): "),
        (lambda o, n: kl(o, n), "and n is missing"),
        (lambda o, n: (n * (n / o).log()).sum() / len(o), "changes the mass"),
        (lambda o, n: (n * (n / o).log()).sum(), "changes the mass"),
        (lambda o, n: -drop(o, n), "the sign is turned round"),
        (lambda o, n: (n - o).abs().sum() / 2 / len(o), "total variation"),
        (lambda o, n: kl(n, o) / o.shape[1], "divided by the m = 4 columns"),
        (lambda o, n: kl(n, o) / o.numel(), "not over the n m entries"),
        (lambda o, n: (drop(o, n) + drop(n, o)) / 2, "the mean of KL(new | old) and KL(old | new)"),
        (lambda o, n: drop(o, n) + 1, "T itself drops out"),
        (lambda o, n: n - o, "one number is asked for"),
    ],
)
def test_wrong_drops_are_told_apart(wrong, reason):
    verdict = gca.check.kl_drop(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# When it does not ---------------------------------------------------------------------------------------------------


def row_softmax(cost, epsilon):
    return torch.softmax(-cost / epsilon, 1)


def all_to_the_hub(cost, epsilon):
    hub = row_softmax(cost, epsilon).sum(0).argmax()
    return torch.nn.functional.one_hot(hub.repeat(len(cost)), len(cost)).float()


def second_plan(cost, epsilon):
    return gca.solve(cost, epsilon=epsilon, steps=2).matrix


def repelled(cost, epsilon):
    """All mass to the least popular column, which the second half-step fills."""
    least = row_softmax(cost, epsilon).sum(0).argmin()
    return torch.nn.functional.one_hot(least.repeat(len(cost)), len(cost)).float()


@pytest.mark.parametrize("right", [row_softmax, all_to_the_hub])
def test_right_targets(right):
    assert gca.check.rising_target(right).state == "right"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda c, e: torch.eye(len(c)), "then it is a theorem"),
        (lambda c, e: gca.solve(c, epsilon=e).matrix, "then it is a theorem"),
        (repelled, "needed, but not enough"),
        (second_plan, "the rows of T must sum to 1"),
        (lambda c, e: row_softmax(c, e) / len(c), "the rows of T must sum to 1"),
        (lambda c, e: 2 * torch.eye(len(c)) - row_softmax(c, e), "numbers >= 0 and no others, the least of yours is -"),
        (lambda c, e: row_softmax(c, e) * torch.nan, "numbers >= 0 and no others, the least of yours is nan"),
        (lambda c, e: row_softmax(c, e)[0], "must have the cost's shape (8, 8), yours has (8,)"),
    ],
)
def test_wrong_targets_are_told_apart(wrong, reason):
    verdict = gca.check.rising_target(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


@pytest.mark.parametrize("answer", [(..., ...), (None, None), [torch.eye(16), ...]])
def test_clouds_that_are_not_there_yet(answer):
    assert "make z and w" in gca.check.hub(answer).why
