"""The exercises of notebook 01: the cost matrix, and what epsilon does to a plan."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator, Tensor

from gca_playground.check.answers import call, first_match, fresh, number, numbers, same
from gca_playground.check.verdict import Wrong, exercise
from gca_playground.transport import (
    ConvergenceWarning,
    Plan,
    cosine_cost,
    dot_cost,
    solve,
    squared_euclidean_cost,
)

APART = "z[:, None] - w has shape (n, m, d): every row of z against every row of w"
WITHIN = 0.01
"""How near the entropy must come to the one asked for, as a share of it."""

SAME_UNIT = "for ten times the cost your epsilon is the same, so one of them is wrong: its unit is that of the cost"


# The cost matrix ----------------------------------------------------------------------------------------------------


@exercise("write a function of z (n, d) and w (m, d) that returns the matrix of all |z_i - w_j|^2 / 2, then pass it")
def cost_matrix(answer: Any) -> str:
    """Given a function ``(z, w) -> C``: right when ``C_ij = |z_i - w_j|^2 / 2`` for clouds of any size."""
    generator = fresh()
    for n, m, d in ((5, 7, 3), (6, 4, 2)):
        z, w = _cloud(generator, n, d), _cloud(generator, m, d)
        found = numbers(call(answer, z=z, w=w, hint=APART))
        if not same(found, squared_euclidean_cost(z, w)):
            raise Wrong(_cost_mistake(found, z, w))
    return "every entry is half the squared distance, also where the clouds have different sizes"


def _cost_mistake(found: Tensor, z: Tensor, w: Tensor) -> str:
    cost = squared_euclidean_cost(z, w)
    if found.shape != cost.shape:
        return _shape_mistake(found, z, w)
    if not found.isfinite().all():
        return "some entries are NaN or infinite: is there a division or a square root too much?"
    return first_match(found, _cost_mistakes(z, w)) or _one_entry(found, z, w)


def _shape_mistake(found: Tensor, z: Tensor, w: Tensor) -> str:
    (n, d), m = z.shape, len(w)
    shapes = f"C must have shape (n, m) = {(n, m)}, yours has {tuple(found.shape)}"
    if found.shape == (m, n):
        return f"{shapes}: it is transposed. Rows belong to z, columns to w"
    if found.shape == (n, m, d):
        return f"{shapes}: the d coordinates are still apart. Sum the squares over the last dimension"
    if found.ndim == 0:
        return f"{shapes}: one number came out. Sum over the coordinates only, not over the points"
    return shapes


def _cost_mistakes(z: Tensor, w: Tensor) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    cost, dot, d = squared_euclidean_cost(z, w), z @ w.mT, z.shape[1]
    size = 2 * (z[:, None] - w).abs().sum(-1)
    yield 2 * cost, "every entry is twice too large: this is |z_i - w_j|^2, the half is missing"
    yield cost / 2, "every entry is half of what it should be: is the half there twice?"
    yield (2 * cost).sqrt(), "this is the distance |z_i - w_j|: a square root too much, and the half is missing"
    yield (2 * cost).sqrt() / 2, "this is half the distance: a square root too much, or the square is missing"
    yield cost.sqrt(), "this is the square root of the cost: leave the root out"
    yield cost / d, f"this is the mean over the d = {d} coordinates: take their sum"
    yield 2 * cost / d, f"this is the mean over the d = {d} coordinates, without the half: take half of their sum"
    yield size / 2, "these are sums of absolute differences: square them first"
    yield size / 4, "these are sums of absolute differences: square them first"
    yield -cost, "the sign is turned round: a cost is large where the points are far apart"
    yield cosine_cost(z, w), "this is the cosine cost: it sees directions only, and forgets how long the vectors are"
    yield dot_cost(z, w), "this is the dot cost -<z_i, w_j>: the halves |z_i|^2/2 and |w_j|^2/2 are missing"
    yield dot, "these are the products <z_i, w_j>: large where the points are alike, and a cost is small there"
    yield cost + 2 * dot, "this is |z_i + w_j|^2 / 2: the cross term has the wrong sign"
    halved = "the half is at one place only: (|z|^2 + |w|^2) / 2 wants one <z, w>, |z|^2 + |w|^2 wants two"
    yield cost - dot, halved
    yield 2 * cost + dot, halved


def _one_entry(found: Tensor, z: Tensor, w: Tensor) -> str:
    cost = squared_euclidean_cost(z, w)
    i, j = divmod(int((found - cost).abs().argmax()), cost.shape[1])
    distance = math.dist(z[i].tolist(), w[j].tolist())
    return (
        f"row {i}, column {j}: z_{i} and w_{j} are {distance:.3f} apart, so the cost is {distance:.3f}^2 / 2 = "
        f"{float(cost[i, j]):.3f}; yours is {float(found[i, j]):.3f}"
    )


# What epsilon does --------------------------------------------------------------------------------------------------


@exercise(
    "write a function of a cost (n, m) and a share between 0 and 1 that returns the epsilon at which the rows of the "
    "converged plan have, on average, that share of their largest entropy log m; then pass it"
)
def blur(answer: Any) -> str:
    """Given a function ``(cost, share) -> epsilon``: right within 1 % of the entropy, for a cost and its tenfold."""
    cost, share = _telling_cost(fresh())
    wanted = share * math.log(cost.shape[1])
    found, larger = _epsilon_of(answer, cost, share), _epsilon_of(answer, 10 * cost, share)
    entropy = _entropy(_plan(cost, found))
    if not _near(entropy, wanted):
        unmoved = math.isclose(larger, found, rel_tol=1e-3) and 0.5 * wanted < entropy < 1.5 * wanted
        raise Wrong(SAME_UNIT if unmoved else _blur_mistake(found, cost, share))
    if math.isclose(larger, found, rel_tol=1e-3):
        raise Wrong(SAME_UNIT)
    if not _near(_entropy(_plan(10 * cost, larger)), wanted):
        raise Wrong(
            f"right for one cost; for ten times that cost epsilon should be ten times {found:.3g}, yours is "
            f"{larger:.3g}: does your search reach so far?"
        )
    return "the rows are as blurred as asked; and for ten times the cost, epsilon is ten times as large"


def _epsilon_of(answer: Any, cost: Tensor, share: float) -> float:
    epsilon = number(call(answer, cost=cost, share=share))
    if not (epsilon > 0 and math.isfinite(epsilon)):
        raise Wrong(f"epsilon must be > 0 and finite, yours is {epsilon:.3g}; if you search its logarithm, return exp")
    return epsilon


def _blur_mistake(epsilon: float, cost: Tensor, share: float) -> str:
    m = cost.shape[1]
    wanted = share * math.log(m)
    plan = _plan(cost, epsilon)
    entropy = _entropy(plan)
    if _near(entropy / math.log(2), wanted) or _near(entropy, wanted / math.log(2)):
        return "bits and nats are mixed up: take the natural logarithm both in the entropy and in log m"
    if _near(entropy, share * math.log(len(cost))):
        return "a row has m entries: its largest entropy is log m, not log n"
    if _near(entropy, share):
        return "at your epsilon the entropy is the share itself: multiply the share by log m"
    if _near(_entropy(solve(cost, epsilon=epsilon, steps=1)), wanted):
        return "at your epsilon the row softmax (one half-step) has that entropy: solve to convergence, steps=None"
    if _near(_spread(plan), share * m):
        return "at your epsilon the rows have that share of m partners, exp(entropy): the entropy itself is asked for"
    return _too_sharp_or_blurred(epsilon, entropy, wanted)


def _too_sharp_or_blurred(epsilon: float, entropy: float, wanted: float) -> str:
    says = f"at your epsilon = {epsilon:.3g} the entropy of a row is {entropy:.3f}, asked for is {wanted:.3f}"
    if abs(entropy - wanted) < 0.1 * wanted:
        return f"{says}: close, but not within {WITHIN:.0%}. Search longer, and half-way in log epsilon"
    if entropy > wanted:
        return f"{says}: too blurred. Which way does the entropy go when epsilon grows, and which half do you keep?"
    if entropy > 0.25 * wanted:
        return f"{says}: too sharp. Which way does the entropy go when epsilon grows, and which half do you keep?"
    return (
        f"{says}: far too sharp. plan.entropy adds up all rows: is it divided by n? And which half does the search "
        "keep when the entropy is too large?"
    )


def _telling_cost(generator: Generator) -> tuple[Tensor, float]:
    """A cost with a popular column, and a share, for which row softmax and converged plan clearly differ."""
    n, m = 12, 6
    share = 0.4 + 0.2 * float(torch.rand((), generator=generator))
    while True:
        cost = squared_euclidean_cost(_cloud(generator, n, 2), _cloud(generator, m, 2))
        cost[:, 0] /= 10
        softmax, plan = _entropy(solve(cost, epsilon=0.3, steps=1)), _entropy(_plan(cost, 0.3))
        if abs(softmax - plan) > 0.1 * plan:
            return cost, share


def _plan(cost: Tensor, epsilon: float) -> Plan:
    """Near convergence, with exact rows: an entropy needs probabilities."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        plan = solve(cost, epsilon=epsilon, tol=1e-3, max_steps=400)
    return solve(cost, epsilon=epsilon, init=plan, steps=1)


def _entropy(plan: Plan) -> float:
    """The mean entropy of a row, in nats."""
    return float(plan.entropy) / len(plan.matrix)


def _spread(plan: Plan) -> float:
    """The mean over the rows of exp(entropy)."""
    return float(torch.special.entr(plan.matrix).sum(1).exp().mean())


def _near(found: float, wanted: float) -> bool:
    return abs(found - wanted) <= WITHIN * wanted


def _cloud(generator: Generator, n: int, d: int) -> Tensor:
    return torch.randn(n, d, generator=generator, dtype=torch.float64)
