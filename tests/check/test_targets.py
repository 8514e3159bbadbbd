"""The self-checks of notebook 07: a domain prior, a target that can be reached, classes apart with domains mixed."""

import numpy
import pytest
import torch

import gca_playground as gca

# A domain prior -----------------------------------------------------------------------------------------------------


def parts(domains):
    together = (domains[:, None] == domains).double()
    return torch.eye(len(domains)).double(), together, 1 - together


def shared(block):
    return block / block.sum(1, keepdim=True)


def prior(domains, alpha, beta):
    own, together, apart = parts(domains)
    return own + alpha * shared(together - own) + beta * shared(apart)


def from_library(domains, alpha, beta):
    return gca.targets.domains(domains, alpha=alpha, beta=beta, scaled=True)


@pytest.mark.parametrize("right", [prior, from_library])
def test_right_priors(right):
    assert gca.check.domain_prior(right).state == "right"


def unscaled(domains, alpha, beta):
    return gca.targets.domains(domains, alpha=alpha, beta=beta)


def with_itself(domains, alpha, beta):
    own, together, apart = parts(domains)
    return own + alpha * shared(together) + beta * shared(apart)


def with_itself_unshared(domains, alpha, beta):
    own, together, apart = parts(domains)
    return own + alpha * together + beta * apart


def one_too_many(domains, alpha, beta):
    own, together, apart = parts(domains)
    return own + alpha * (together - own) / together.sum(1, keepdim=True) + beta * shared(apart)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (unscaled, "the masses are not shared"),
        (with_itself, "the point itself was counted"),
        (with_itself_unshared, "and share each mass"),
        (one_too_many, "one fewer than the domain has"),
        (lambda d, a, b: prior(d, b, a), "alpha and beta are exchanged"),
        (lambda d, a, b: prior(d, a, b) - torch.eye(len(d)), "the pair itself is missing"),
        (lambda d, a, b: shared(prior(d, a, b)), "the rows were made to sum to 1"),
        (lambda d, a, b: prior(d, a, b).T, "it is transposed"),
        (lambda d, a, b: prior(d, a, b) + 1, "it should be 1 + alpha + beta"),
        (lambda d, a, b: prior(d, a, b)[0], "T must have shape (9, 9), yours has (9,)"),
    ],
)
def test_wrong_priors_are_told_apart(wrong, reason):
    verdict = gca.check.domain_prior(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# A target that can be reached ---------------------------------------------------------------------------------------


def turns(T, count=1000):
    for k in range(count):
        T = T / T.sum((k + 1) % 2, keepdim=True)
    return T


def fitted(T):
    return gca.Alignment(target=T, infeasible="project").fitted(torch.zeros(len(T), len(T))).matrix


@pytest.mark.parametrize("right", [turns, fitted, lambda T: turns(T.T).T])
def test_right_projections(right):
    assert gca.check.reachable(right).state == "right"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda T: T, "this is T as it was"),
        (lambda T: T / T.sum(), "only the total is 1"),
        (lambda T: len(T) * T / T.sum(), "only the total is right"),
        (lambda T: turns(T, 1), "the rows sum to 1, the columns don't"),
        (lambda T: T / T.sum(0), "the columns sum to 1, the rows don't"),
        (lambda T: turns(T, 2), "the columns' turn has spoilt the rows"),
        (lambda T: turns(T, 3), "the columns must sum to 1, yours sum to"),
        (lambda T: turns(T.exp()), "the half-steps began from exp(T)"),
        (lambda T: turns((-T).exp()), "the half-steps began from exp(-T)"),
        (lambda T: (turns(T) + turns(T).T) / 2, "it is not the nearest"),
        (lambda T: 2 * torch.eye(len(T)) - turns(T), "no negative mass"),
        (lambda T: turns(T) * torch.nan, "the rows must sum to 1"),
        (lambda T: T[0], "T must have shape (6, 6)"),
    ],
)
def test_wrong_projections_are_told_apart(wrong, reason):
    verdict = gca.check.reachable(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# Classes apart, domains mixed ---------------------------------------------------------------------------------------


def same(kinds):
    return (kinds[:, None] == kinds).double()


@pytest.mark.parametrize(
    "right",
    [
        lambda classes, domains: gca.targets.classes(classes),
        lambda classes, domains: same(classes) * (1 - same(domains)),
    ],
)
def test_right_targets(right):
    verdict = gca.check.classes_apart(right)
    assert verdict.state == "right"
    assert "classes are told with" in verdict.why


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda c, d: torch.eye(len(c)), "These are the pairs"),
        (lambda c, d: same(d), "Domains are what your target keeps together"),
        (lambda c, d: 1 - same(d), "Classes mix too"),
        (lambda c, d: torch.ones(len(c), len(c)), "Classes mix too"),
        (lambda c, d: same(c) * same(d), "keeps the domains of each class apart"),
        (lambda c, d: same(c) + same(d), "mass between different classes"),
        (lambda c, d: 2 * torch.eye(len(c)) + shared(same(c)), "The way is right"),
        (lambda c, d: shared(same(c)) - 0.01, "numbers >= 0 and no others"),
        (lambda c, d: same(c) * torch.nan, "numbers >= 0 and no others"),
        (lambda c, d: same(c) * (c > 0), "has no mass, nobody belongs to it"),
        (lambda c, d: same(c)[:10], "T must have shape (150, 150), yours has (10, 150)"),
    ],
)
def test_wrong_targets_are_told_apart(wrong, reason):
    verdict = gca.check.classes_apart(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


@pytest.mark.parametrize("wrap", [torch.as_tensor, numpy.asarray])
def test_a_mask_is_a_target(wrap):
    verdict = gca.check.classes_apart(lambda classes, domains: wrap(classes[:, None] == classes))
    assert verdict.state == "right", verdict.why
