"""The self-checks of notebook 06: RINCE whose lam acts, what a soft column keeps, and a batch on which RINCE rises."""

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

import gca_playground as gca

# RINCE --------------------------------------------------------------------------------------------------------------


def cos(z, w):
    return normalize(z, dim=1) @ normalize(w, dim=1).T


def from_kernel(K, q, lam):
    return (-(K.diagonal() ** q) / q + (lam * K.sum(1)) ** q / q).mean()


def rince(z, w, epsilon, q, lam):
    return from_kernel(torch.exp(cos(z, w) / epsilon), q, lam)


def library(z, w, epsilon, q, lam):
    return gca.loss("rince", epsilon=epsilon, q=q, lam=lam)(z, w)


@pytest.mark.parametrize("right", [rince, library, lambda *given: rince(*given).item()])
def test_right_robust_losses(right):
    assert gca.check.rince(right).state == "right"


def power_of_infonce(z, w, e, q, lam):
    return cross_entropy(cos(z, w) / e, torch.arange(len(z))) ** q / q


def outside(z, w, e, q, lam):
    K = torch.exp(cos(z, w) / e)
    return (lam * K.sum(1) ** q / q - K.diagonal() ** q / q).mean()


def weighed(z, w, e, q, all_by, pair_by, sign=-1):
    K = torch.exp(cos(z, w) / e)
    return ((all_by * K.sum(1)) ** q / q + sign * (pair_by * K.diagonal()) ** q / q).mean()


def negatives_only(z, w, e, q, lam):
    K = torch.exp(cos(z, w) / e)
    return ((lam * (K.sum(1) - K.diagonal())) ** q / q - K.diagonal() ** q / q).mean()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (power_of_infonce, "lam is inert: this is InfoNCE to the power q"),
        (lambda z, w, e, q, lam: power_of_infonce(z, w, e, q, lam) + 1, "lam is inert: at lam = 0.05"),
        (lambda z, w, e, q, lam: from_kernel((cos(z, w) / e).abs(), q, lam), "the exponential is missing"),
        (lambda z, w, e, q, lam: from_kernel(cos(z, w) / e, q, lam), "not a number: a power of a negative one"),
        (outside, "lam stands outside of the power"),
        (negatives_only, "the pair included"),
        (lambda z, w, e, q, lam: weighed(z, w, e, q, 1, lam), "lam weighs the sum, not the pair"),
        (lambda z, w, e, q, lam: weighed(z, w, e, q, lam, lam), "lam weighs the sum, not the pair"),
        (lambda z, w, e, q, lam: weighed(z, w, e, q, lam, 1, sign=1), "the pair's term stands with a minus"),
        (
            lambda z, w, e, q, lam: from_kernel((cos(z, w).clamp(1e-7) / e).exp(), q, lam),
            "cosines below 0 were cut off",
        ),
        (lambda z, w, e, lam, q: rince(z, w, e, q, lam), "q and lam have changed places"),
        (lambda z, w, *knobs: rince(w, z, *knobs), "sums of columns"),
        (lambda z, w, e, q, lam: rince(z, w, e, q, lam) * torch.tensor(-q / e).exp(), "this has K = exp(-C / epsilon)"),
        (lambda z, w, e, q, lam: from_kernel((cos(z, w) / e).softmax(1), q, lam), "nothing repels"),
        (lambda *given: len(given[0]) * rince(*given), "take the mean over the n rows"),
        (lambda *given: given[3] * rince(*given), "1/q is missing"),
        (lambda *given: -rince(*given), "the sign is turned round"),
        (lambda z, w, e, q, lam: from_kernel((z @ w.T / e).exp(), q, lam), "this is the dot product"),
        (lambda z, w, e, q, lam: rince(z, w, 1.0, q, lam), "epsilon is missing"),
        (lambda z, w, e, q, lam: rince(z, w, e, 1.0, lam), "q is missing"),
        (lambda *given: rince(*given) + 1, "K_ii and the sum of row i"),
        (lambda z, w, *knobs: cos(z, w), "your function must return one number"),
    ],
)
def test_wrong_robust_losses_are_told_apart(wrong, reason):
    verdict = gca.check.rince(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# What a soft column keeps -------------------------------------------------------------------------------------------


def kept(before, rho, epsilon):
    return before ** (epsilon / (rho + epsilon))


def by_the_price(before, rho, epsilon):
    price = -rho / (rho + epsilon) * epsilon * torch.tensor(before).log()
    return before * torch.exp(price / epsilon)


@pytest.mark.parametrize("right", [kept, by_the_price])
def test_right_masses(right):
    assert gca.check.kept_mass(right).state == "right"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda b, r, e: 1.0, "this is the exact half-step"),
        (lambda b, r, e: b, "this is the free side"),
        (lambda b, r, e: b ** (r / (r + e)), "the powers are swapped"),
        (lambda b, r, e: b ** (-r / (r + e)), "this is the factor"),
        (lambda b, r, e: (r + e * b) / (r + e), "the price is damped, not the mass"),
        (lambda b, r, e: r / (r + e) * b, "kappa damps the price g"),
        (lambda b, r, e: b ** (1 + r / (r + e)), "the sign of g is turned round"),
        (lambda b, r, e: b ** (r / e), "kappa is rho / (rho + epsilon)"),
        (lambda b, r, e: b ** (1 - e * r / (r + e)), "epsilon counts once too often"),
        (lambda b, r, e: kept(b, r, e) + 1, "The price is g = -kappa epsilon log(mass)"),
    ],
)
def test_wrong_masses_are_told_apart(wrong, reason):
    verdict = gca.check.kept_mass(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# A batch on which it rises ------------------------------------------------------------------------------------------

SMALLEST = ([0, 0, 240], [0, 180, 300], 0.5)


FOUR = ([0, 0, 240, 120], [0, 180, 300, 90], 0.5)


@pytest.mark.parametrize("right", [SMALLEST, [torch.tensor(SMALLEST[0]), SMALLEST[1], 0.5], FOUR])
def test_right_counterexamples(right):
    verdict = gca.check.rising_rince(right)
    assert verdict.state == "right"
    assert "it rises on your batch, from" in verdict.why


def test_a_small_rise_is_told_too():
    why = gca.check.rising_rince(([0, 0, 240], [0, 180, 300], 50.0)).why
    assert "it rises on your batch, from -0.973 after one half-step by 6.7e-05" in why


def test_the_numbers_are_told():
    assert "from -3.33 after one half-step by 1.3" in gca.check.rising_rince(SMALLEST).why


def radians(degrees):
    return torch.tensor(degrees).double().deg2rad().tolist()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (([0, 100, 200], [10, 110, 220], 0.5), "All your pairs agree"),
        (([0, 0], [0, 180], 0.5), "it does not move on your batch, it stays at -3.69. Two pairs are too few"),
        (([0, 120, 240], [0, 0, 300], 0.5), "There is a wrong pair, that is the way"),
        ((radians(SMALLEST[0]), radians(SMALLEST[1]), 0.5), "Are these angles in radians?"),
        ((SMALLEST[1], SMALLEST[0], 0.5), "With the views exchanged it would rise"),
        (SMALLEST[:2], "pass three things together"),
        (torch.eye(3), "pass three things together"),
        ((SMALLEST[0], SMALLEST[1][:2], 0.5), "these are not two lists of as many angles"),
        ((torch.eye(3), torch.eye(3), 0.5), "one number a view in degrees: shapes (3, 3) and (3, 3)"),
        (([0] * 7, [180] * 7, 0.5), "7 pairs: take two at least"),
        (("z", "w", 0.5), "these are not two lists of angles"),
        (([0], [180], 0.5), "1 pairs: take two at least"),
        ((*SMALLEST[:2], -0.5), "epsilon must be > 0"),
        ((*SMALLEST[:2], 1e-3), "RINCE"),
    ],
)
def test_wrong_counterexamples_are_told_apart(wrong, reason):
    verdict = gca.check.rising_rince(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why
