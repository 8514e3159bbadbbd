"""The self-checks of notebook 09: each typical slip is told apart by what is said of it; they never raise."""

import math

import pytest
import torch

import gca_playground as gca
from gca_playground.check import gaussian


def power(matrix, exponent):
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values**exponent) @ vectors.T


def whitened(cu, cuv, cv):
    return power(cu, -0.5) @ cuv @ power(cv, -0.5)


def sigma_of(cu, cuv, cv):
    return torch.linalg.svdvals(whitened(cu, cuv, cv))


def shrink(sigma):
    return (torch.sqrt(1 + 4 * sigma**2) - 1) / (2 * sigma)


# Canonical correlations by training ---------------------------------------------------------------------------------


def trained(cu, cuv, cv, rank, loss="conditional", whiten=True):
    truth = gca.gaussian.Gaussian(cu, cuv, cv)
    A = gca.gaussian.fit(loss, truth, rank=rank).A
    return torch.linalg.svdvals(power(cu, 0.5) @ A @ power(cv, 0.5) if whiten else A)[:rank]


def by_plain_descent(cu, cuv, cv, rank):
    torch.manual_seed(0)
    G, H = (0.3 * torch.randn(rank, len(side), dtype=torch.float64) for side in (cu, cv))
    R = whitened(cu, cuv, cv)
    G.requires_grad_(), H.requires_grad_()
    optimiser = torch.optim.Adam([G, H], lr=0.05)
    for _ in range(600):
        optimiser.zero_grad()
        (0.5 * (G.T @ H).square().sum() - ((G.T @ H) * R).sum()).backward()
        optimiser.step()
    return torch.linalg.svdvals((G.T @ H).detach())[:rank]


@pytest.mark.parametrize("right", [trained, by_plain_descent, lambda *c: sigma_of(*c[:3])[: c[3]].numpy()])
def test_right_correlations(right):
    assert gca.check.recover_correlations(right).state == "right"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda *c: trained(*c).flip(0), "the right ones, rising"),
        (lambda *c: trained(*c) ** 2, "these are their squares"),
        (lambda *c: trained(*c).sqrt(), "these are their roots"),
        (lambda *c: trained(*c, loss="joint"), "this is h(sigma)"),
        (lambda *c: trained(*c, loss="sinkhorn"), "what the Sinkhorn loss learns"),
        (lambda *c: trained(*c, whiten=False), "the singular values of A itself"),
        (lambda *c: torch.linalg.svdvals(c[1])[: c[3]], "nothing was whitened"),
        (lambda *c: sigma_of(*c[:3])[-c[3] :], "these are the smallest ones"),
        (lambda *c: 0.9 * trained(*c), "Has the training converged?"),
        (lambda *c: sigma_of(*c[:3]), "2 numbers are asked for"),
    ],
)
def test_wrong_correlations_are_told_apart(wrong, reason):
    verdict = gca.check.recover_correlations(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# The joint loss's encoders ------------------------------------------------------------------------------------------


def encoders(cu, cuv, cv, rank, scale=shrink, outer=-0.5):
    U, sigma, Vh = torch.linalg.svd(whitened(cu, cuv, cv), full_matrices=False)
    return power(cu, outer) @ (U[:, :rank] * scale(sigma[:rank])) @ Vh[:rank] @ power(cv, outer)


def unwhitened(cu, cuv, cv, rank):
    U, s, Vh = torch.linalg.svd(cuv, full_matrices=False)
    return (U[:, :rank] * shrink(s[:rank])) @ Vh[:rank]


def transposed_twice(cu, cuv, cv, rank):
    U, sigma, V = torch.linalg.svd(whitened(cu, cuv, cv), full_matrices=False)
    return power(cu, -0.5) @ (U[:, :rank] * shrink(sigma[:rank])) @ V.T[:rank] @ power(cv, -0.5)


def fitted(cu, cuv, cv, rank):
    return gca.gaussian.fit("joint", gca.gaussian.Gaussian(cu, cuv, cv), rank=rank).A


@pytest.mark.parametrize("right", [encoders, fitted, lambda *c: encoders(*c).numpy()])
def test_right_encoders(right):
    assert gca.check.joint_encoders(right).state == "right"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda *c: encoders(*c, scale=lambda s: s), "this is InfoNCE's A"),
        (lambda *c: encoders(*c, scale=lambda s: s / (1 - s**2)), "this is the Sinkhorn loss's A"),
        (lambda *c: encoders(*c[:3], 3), "this has full rank"),
        (lambda *c: encoders(*c, outer=0), "still in whitened coordinates"),
        (lambda *c: encoders(*c, outer=0.5), "multiply by the inverse roots"),
        (unwhitened, "not of cov_uv itself"),
        (lambda *c: -encoders(*c), "the sign is turned round"),
        (lambda *c: encoders(*c) @ power(c[2], 0.5), "only one side was undone"),
        (lambda *c: power(c[0], 0.5) @ encoders(*c), "only one side was undone"),
        (lambda *c: encoders(*c[:3], 3) - encoders(*c[:3], 1), "these are the smallest correlations"),
        (transposed_twice, "returns V' already"),
        (lambda *c: 2 * encoders(*c), 'Compare with `gca.gaussian.fit("joint", '),
        (lambda *c: encoders(*c).T, "A has a row for each of u's coordinates: (4, 3); yours has (3, 4)"),
    ],
)
def test_wrong_encoders_are_told_apart(wrong, reason):
    verdict = gca.check.joint_encoders(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# The two-sided law --------------------------------------------------------------------------------------------------


def z_of(sigma):
    return (math.sqrt(9 - 8 * sigma) - 1) / 2


def law(sigma):
    return 1 - z_of(sigma), z_of(sigma)


def law_by_training(sigma, **knobs):
    truth = gca.gaussian.Gaussian(1.0, sigma, 1.0)
    learned = gca.gaussian.fit("conditional", truth, tilting="squared_euclidean", **knobs).u_given_v
    return learned.slope.item(), learned.cov


@pytest.mark.parametrize("right", [law, law_by_training, lambda sigma: torch.tensor([law(sigma)])[0].tolist()])
def test_right_laws(right):
    assert gca.check.two_sided_law(right).state == "right"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda s: law_by_training(s, weights=(2.0, 0.0)), "this is the true law"),
        (lambda s: law_by_training(s, weights=(0.0, 2.0)), "a one-sided loss neglects"),
        (lambda s: (s, 1.0), "this is the inner product's"),
        (lambda s: (s / (2 - s), 2 * (1 - s) / (2 - s)), "this is the joint loss's"),
        (lambda s: law(s)[::-1], "exchanged"),
        (lambda s: (1 / z_of(s) - 1, z_of(s)), "this is the coupling x = p q"),
        (lambda s: (1 - z_of(s), z_of(s) ** 0.5), "standard deviation"),
        (lambda s: (0.0, 0.0), "which root did you take?"),
        (lambda s: z_of(s), "return slope, variance"),
        (lambda s: (..., ...), "still returns the dots"),
    ],
)
def test_wrong_laws_are_told_apart(wrong, reason):
    verdict = gca.check.two_sided_law(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_every_slip_shows_wherever_the_law_is_asked_for(share):
    least, most = gaussian.TWO_SIDED
    sigma = least + share * (most - least)
    laws = [
        torch.tensor(law(sigma), dtype=torch.float64),
        *(slip for slip, _ in gaussian._law_mistakes(sigma, z_of(sigma))),
    ]
    apart = [(a - b).abs().max().item() for k, a in enumerate(laws) for b in laws[:k]]
    assert min(apart) > 10 * gaussian.TRAINED
