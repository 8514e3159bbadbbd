"""The exercises of notebook 07: write a target, make it reachable, and choose one that parts classes, not domains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor
from torch.optim import Adam

from gca_playground.alignment import Alignment
from gca_playground.alignment.target import domains as domain_matrix
from gca_playground.check.answers import call, first_match, fresh, numbers, same
from gca_playground.check.verdict import Wrong, exercise
from gca_playground.learning import datasets
from gca_playground.learning.metrics import linear_probe
from gca_playground.learning.networks import mlp
from gca_playground.learning.pairs import Pairs
from gca_playground.transport import solve

# A domain prior -----------------------------------------------------------------------------------------------------


@exercise(
    "write prior(domains, alpha, beta) that returns T (n, n): 1 for the pair, alpha shared equally among the others of "
    "a row's domain, beta among all of the other domains; then pass it"
)
def domain_prior(answer: Any) -> str:
    """Given ``(domains, alpha, beta) -> T``: right when both masses are shared within each row."""
    domains = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 2])[torch.randperm(9, generator=fresh())]
    alpha, beta = 0.6, 0.25
    found = numbers(call(answer, domains=domains, alpha=alpha, beta=beta))
    _check_shape(found, len(domains))
    wanted = domain_matrix(domains, alpha=alpha, beta=beta, scaled=True, dtype=torch.float64)
    if not same(found, wanted):
        i, j = divmod(int((found - wanted).abs().nan_to_num(torch.inf).argmax()), len(domains))
        raise Wrong(
            first_match(found, _prior_mistakes(domains, alpha, beta))
            or f"for domains {domains.tolist()} the entry ({i}, {j}) is {float(wanted[i, j]):.4f}, yours is "
            f"{float(found[i, j]):.4f}; row {i} sums to {float(found[i].sum()):.3f}, it should be 1 + alpha + beta = "
            f"{1 + alpha + beta:.3f}"
        )
    return "1 for the pair, alpha for the others of the domain, beta for the other domains: every row sums to the same"


def _prior_mistakes(domains: Tensor, alpha: float, beta: float) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    together = (domains[:, None] == domains).double()
    own, apart = torch.eye(len(domains)).double(), 1 - together
    others = together - own
    shared_others, shared_apart = (block / block.sum(1, keepdim=True) for block in (others, apart))
    right = own + alpha * shared_others + beta * shared_apart
    yield own + alpha * others + beta * apart, "the masses are not shared: divide each by the count of those who get it"
    itself = "the point itself was counted among the others of its domain: leave out i = j"
    yield own + alpha * together / together.sum(1, keepdim=True) + beta * shared_apart, itself
    yield own + alpha * together + beta * apart, f"{itself}; and share each mass among those who get it"
    yield (
        own + alpha * others / together.sum(1, keepdim=True) + beta * shared_apart,
        ("alpha is shared among the others of the domain, one fewer than the domain has"),
    )
    yield (
        own + beta * shared_others + alpha * shared_apart,
        "alpha and beta are exchanged: alpha is a row's own domain's",
    )
    yield right - own, "the pair itself is missing: T = I + ..."
    yield right / right.sum(1, keepdim=True), "the rows were made to sum to 1: leave them, the masses are taken from T"
    yield right.mT, "it is transposed: row i shares its mass, so divide by what row i counts"


# A target that can be reached ---------------------------------------------------------------------------------------


@exercise(
    "write reachable(T) that returns the matrix nearest to T (n, n) in KL whose rows and columns all sum to 1 (within "
    "1e-3); then pass it"
)
def reachable(answer: Any) -> str:
    """Given ``T -> T'``: right when it is Sinkhorn's projection of a T > 0."""
    painted = 0.1 + 3 * torch.rand(6, 6, generator=fresh(), dtype=torch.float64) ** 3
    found = numbers(call(answer, T=painted), part="matrix")
    _check_shape(found, len(painted))
    wanted = solve(-painted.log(), epsilon=1.0).matrix
    if not torch.allclose(found, wanted, rtol=1e-3, atol=1e-3):
        raise Wrong(first_match(found, _reach_mistakes(painted)) or _not_reached(found))
    return "rows and columns by turns until both are right: the same half-steps, with T in place of exp(-C / epsilon)"


def _not_reached(found: Tensor) -> str:
    for name, sums in (("rows", found.sum(1)), ("columns", found.sum(0))):
        if not sums.sub(1).abs().max() <= 2e-3:
            return f"the {name} must sum to 1, yours sum to {float(sums.min()):.3g} up to {float(sums.max()):.3g}"
    if (found < 0).any():
        return f"the sums are right, but a target holds no negative mass, yours goes down to {float(found.min()):.3g}"
    return "the sums are right, but it is not the nearest: that one is T times a factor for each row and each column"


def _reach_mistakes(painted: Tensor) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    rows = painted / painted.sum(1, keepdim=True)
    yield painted, "this is T as it was"
    yield painted / painted.sum(), "only the total is 1: every row and every column should sum to 1"
    yield len(painted) * painted / painted.sum(), "only the total is right: every row and every column should sum to 1"
    yield rows, "the rows sum to 1, the columns don't: this is one half-step, go on"
    yield painted / painted.sum(0), "the columns sum to 1, the rows don't: this is one half-step, go on"
    yield rows / rows.sum(0), "rows and columns once each: the columns' turn has spoilt the rows, go on"
    for sign, told in ((1, "exp(T)"), (-1, "exp(-T)")):
        plan = solve(-sign * painted, epsilon=1.0).matrix
        yield plan, f"the half-steps began from {told}: begin from T itself, a mass is no cost and no score"


# Classes apart, domains mixed ---------------------------------------------------------------------------------------

CLASS, DOMAIN = 0.9, 0.55
"""Class accuracy that is asked for at least, and domain accuracy at most."""
KINDS, POINTS, STEPS, EPSILON = 3, 150, 100, 0.2
"""Classes, and domains; points; steps of the training that judges a target."""


@dataclass(frozen=True)
class Probes:
    """How well a linear probe tells classes and domains of points that training did not see."""

    label: float
    domain: float

    def __str__(self) -> str:
        """Both in words."""
        return f"classes are told with {self.label:.2f}, domains with {self.domain:.2f} (chance: {1 / KINDS:.2f})"


@exercise(
    "write target(classes, domains) that returns T (n, n) for one class and one domain a row, such that an encoder "
    f"trained towards it tells classes (linear probe at least {CLASS}) and not domains (at most {DOMAIN}); then pass it"
)
def classes_apart(answer: Any) -> str:
    """Given ``(classes, domains) -> T``: right when a training towards it parts the classes and mixes the domains."""
    seed = int(torch.randint(1 << 20, (), generator=fresh()))
    data = datasets.load("domains", n=POINTS, classes=KINDS, domains=KINDS, seed=seed)
    labels, domains = data.labels, torch.as_tensor(data.domains)
    found = numbers(call(answer, classes=labels, domains=domains))
    _check_target(found, POINTS)
    probes = _trained(found, data, seed)
    if probes.label >= CLASS and probes.domain <= DOMAIN:
        return f"after {STEPS} steps {probes}: your target never asks from which domain a point is"
    raise Wrong(f"after {STEPS} steps {probes}. {_advice(found, labels, domains)}")


def _trained(target: Tensor, data: Pairs, seed: int) -> Probes:
    """What a small network on the sphere learns towards a target, all points in each step."""
    encoder, draw = mlp(4, 3, seed=seed, sphere=True), Generator().manual_seed(seed)
    optimiser, record = Adam(encoder.parameters(), lr=0.01), Alignment(epsilon=EPSILON, steps=10, target=target)
    for _ in range(STEPS):
        first, second = data.views(torch.arange(len(data)), draw)
        optimiser.zero_grad()
        with torch.enable_grad():
            record(encoder(first), encoder(second)).backward()
        optimiser.step()
    test = datasets.load("domains", n=512, classes=KINDS, domains=KINDS, seed=seed + 1)
    with torch.no_grad():
        z, test_z = encoder(data.x), encoder(test.x)
    label = linear_probe(z, data.labels, test_z, test.labels)
    return Probes(label, linear_probe(z, torch.as_tensor(data.domains), test_z, torch.as_tensor(test.domains)))


def _advice(target: Tensor, labels: Tensor, domains: Tensor) -> str:
    """What to change, from where the mass lies."""
    other, alike = ~torch.eye(len(labels)).bool(), (labels[:, None] == labels, domains[:, None] == domains)
    label, domain, neither = (
        float(target[other & (alike[0] == same_class) & (alike[1] == same_domain)].mean())
        for same_class, same_domain in ((True, False), (False, True), (False, False))
    )
    if not target[other].any():
        return "These are the pairs: both views of a point show its class and its domain. Let points share mass"
    if domain > label:
        return "Domains are what your target keeps together: let classes share their mass, in all domains alike"
    if neither >= label > 0:
        return "Classes mix too: mass between two points should ask whether they are of one class"
    if label == 0:
        return "Your target keeps the domains of each class apart: let a class share across domains, too"
    if domain > 0 or neither > 0:
        return "There is mass between different classes, which mixes them and may keep domains together: leave it out"
    return "The way is right, but each point, or its domain, keeps too much for itself: share it with the whole class"


# What is common -----------------------------------------------------------------------------------------------------


def _check_shape(found: Tensor, n: int) -> None:
    if found.shape != (n, n):
        raise Wrong(f"T must have shape ({n}, {n}), yours has {tuple(found.shape)}")


def _check_target(found: Tensor, n: int) -> None:
    _check_shape(found, n)
    if not (found >= 0).all():
        raise Wrong(f"a target holds numbers >= 0 and no others, the least of yours is {float(found.min()):.3g}")
    empty = (found.sum(1) == 0) | (found.sum(0) == 0)
    if empty.any():
        raise Wrong(
            f"point {int(empty.nonzero()[0])} has no mass, nobody belongs to it: every row and column needs some"
        )
