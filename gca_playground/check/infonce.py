"""The exercises of notebook 03: InfoNCE as the loss of a plan, its gradient, and NT-Xent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy, normalize

from gca_playground.alignment import Alignment
from gca_playground.check.answers import call, first_match, fresh, number, numbers, same
from gca_playground.check.verdict import Wrong, exercise
from gca_playground.transport import EXACT, FREE, Plan, solve

SMALL = 1e-3
"""The epsilon at which P_ii itself has long been zero."""

TWO = 0.2, 0.35
"""The epsilons at which a loss, which is one number, is compared."""

ROWS: dict[str, Any] = {"rows": EXACT, "cols": FREE, "steps": 1}
"""InfoNCE's place in the family."""


# The loss -----------------------------------------------------------------------------------------------------------


@exercise(
    "write infonce(cost, epsilon) that returns the mean over the rows of -log P_ii, where P is the plan of the cost "
    f"(n, n) after one half-step, also at epsilon = {SMALL:g}; then pass it"
)
def infonce(answer: Any) -> str:
    """Given ``(cost, epsilon) -> number``: right when it is KL(I | P) / n of the plan after one half-step."""
    cost = 2 * _uniform(fresh(), 8, 8)
    found = torch.stack([_number(call(answer, cost=cost, epsilon=epsilon)) for epsilon in TWO])
    if not same(found, torch.stack([_infonce(cost, epsilon) for epsilon in TWO])):
        raise Wrong(_infonce_mistake(found, cost))
    found = _number(call(answer, cost=cost, epsilon=SMALL))
    if not same(found, _infonce(cost, SMALL)):
        wanted = float(_infonce(cost, SMALL))
        raise Wrong(
            f"right at epsilon = {TWO[0]} and {TWO[1]}, but at epsilon = {SMALL:g} the loss is {wanted:.1f} and yours "
            f"{float(found):.1f}: some P_ii are zero there, though their logarithms are not. Stay in the log domain: "
            "plan.log, or log_softmax"
        )
    return f"the mean of -log P_ii after one half-step, and epsilon = {SMALL:g} is no trouble"


def _infonce(cost: Tensor, epsilon: float, **place: Any) -> Tensor:
    return Alignment(epsilon=epsilon, **(place or ROWS)).of_cost(cost)


def _infonce_mistake(found: Tensor, cost: Tensor) -> str:
    if reason := first_match(found, _at_both(_infonce_mistakes(cost, epsilon) for epsilon in TWO)):
        return reason
    k = next(k for k, epsilon in enumerate(TWO) if not same(found[k], _infonce(cost, epsilon)))
    plan = solve(cost, epsilon=TWO[k], steps=1)
    shares = ", ".join(f"{share:.3f}" for share in plan.matrix.diagonal()[:3].tolist())
    return (
        f"at epsilon = {TWO[k]} the loss is {float(_infonce(cost, TWO[k])):.4f}, yours is {float(found[k]):.4f}. The "
        f"first P_ii are {shares}: take the logarithm of each, change the sign, then the mean over all n"
    )


def _number(value: Any) -> Tensor:
    return torch.tensor(number(value), dtype=torch.float64)


def _at_both(slips: Iterable[Iterator[tuple[Tensor, str]]]) -> Iterator[tuple[Tensor, str]]:
    """The same slips at each epsilon, as one: two of them may come near each other at one, hardly at two."""
    for told in zip(*slips, strict=True):
        yield torch.stack([wrong for wrong, _ in told]), told[0][1]


def _infonce_mistakes(cost: Tensor, epsilon: float) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    loss, scores, n = _infonce(cost, epsilon), -cost / epsilon, len(cost)
    log, turned = scores.log_softmax(1), _infonce(cost.mT, epsilon)
    own, pairs = log.diagonal(), torch.arange(n)
    yield n * loss, "this is the sum over the rows: divide by n"
    yield -loss, "the sign is turned round: the logarithm of a probability is negative, a loss is not"
    yield turned, "your columns sum to 1: the first half-step is the rows', so the softmax runs along a row, dim=1"
    yield (loss + turned) / 2, "this is CLIP's loss, the mean of both directions: only the rows' is asked for"
    yield -log.mean(), "this is the mean of -log P over all pairs: only the diagonal belongs to the target"
    yield cross_entropy(cost / epsilon, pairs), "a sign is lost: near pairs cost little, so P is exp(-C / epsilon)"
    yield cross_entropy(-cost, pairs), "epsilon is not used: the softmax is that of -C / epsilon"
    yield epsilon * loss, "the loss is in nats: no epsilon in front of it"
    yield -own.exp().mean().log(), "this is -log of the mean of P_ii: take the logarithm first, then the mean"
    yield -own.exp().mean(), "the logarithm is missing: this is -P_ii, on average"
    yield (1 - own.exp()).mean(), "the logarithm is missing: this is 1 - P_ii, on average"
    yield -scores.diagonal().mean(), "no half-step was taken: C_ii / epsilon alone attracts, and nothing repels"
    yield _infonce(cost, epsilon, steps=2), "this is the loss after two half-steps: one is asked for"
    yield _infonce(cost, epsilon, steps=None), "this is the loss of the converged plan: one half-step is asked for"
    yield _infonce(cost, epsilon, total=True), "one softmax over the whole matrix: each row has its own"
    yield cross_entropy(log.exp(), pairs), "a softmax too much: P is one already, and cross_entropy takes another"
    yield loss + math.log(n), "your rows sum to 1/n, as in POT: here a row has mass 1"


# Its gradient -------------------------------------------------------------------------------------------------------


@exercise(
    "write gradient(cost, T, epsilon) that returns the matrix dL/dC (n, n) of L = KL(T | P) / n, where P is the plan "
    "after one half-step and the rows of T sum to 1; then pass it"
)
def infonce_gradient(answer: Any) -> str:
    """Given ``(cost, T, epsilon) -> dL/dC``: right when it is ``(T - P) / (n epsilon)``."""
    generator = fresh()
    cost, target = 2 * _uniform(generator, 6, 6), _uniform(generator, 6, 6)
    target = target / target.sum(1, keepdim=True)
    for epsilon in (0.3, 0.1):
        found = numbers(call(answer, cost=cost, T=target, epsilon=epsilon))
        plan = solve(cost, epsilon=epsilon, steps=1)
        if found.shape != cost.shape:
            raise Wrong(f"dL/dC has an entry for each pair, {tuple(cost.shape)}; yours has shape {tuple(found.shape)}")
        if not same(found, (target - plan.matrix) / (len(cost) * epsilon)):
            raise Wrong(_gradient_mistake(found, plan, target))
    return "(T - P) / (n epsilon): the pairs' costs are pulled down, all others pushed up, each by the mass it holds"


def _gradient_mistake(found: Tensor, plan: Plan, target: Tensor) -> str:
    if reason := first_match(found, _gradient_mistakes(plan, target)):
        return reason
    wanted = (target - plan.matrix) / (len(target) * plan.epsilon)
    if found.sum(1).abs().max() > 1e-3 * wanted.abs().max():
        return (
            "its rows must sum to 0, since a constant added to a row of C changes no softmax; yours sum to "
            f"{float(found.sum(1).min()):.3g} up to {float(found.sum(1).max()):.3g}"
        )
    i, j = divmod(int((found - wanted).abs().argmax()), len(target))
    return (
        f"row {i}, column {j}: T = {float(target[i, j]):.3f}, P = {float(plan.matrix[i, j]):.3f}, so dL/dC_ij = "
        f"{float(wanted[i, j]):.4f}; yours is {float(found[i, j]):.4f}"
    )


def _gradient_mistakes(plan: Plan, target: Tensor) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    n, epsilon, matrix = len(target), plan.epsilon, plan.matrix
    gap = target - matrix
    yield -gap / (n * epsilon), "the sign is turned round: this is -dL/dC, the way downhill that the lab shows"
    yield gap / epsilon, "n is missing: the loss is a mean over n rows"
    yield -gap / epsilon, "n is missing and the sign is turned round: this is the matrix that the lab shows, -n dL/dC"
    yield gap / n, "epsilon is missing: P depends on C / epsilon"
    yield gap, "n and epsilon are missing: the loss is a mean over n rows, and P depends on C / epsilon"
    yield -gap / n, "this is the gradient by the scores -C / epsilon: the chain rule's -1/epsilon is missing"
    yield gap * epsilon / n, "divide by epsilon, do not multiply by it"
    yield gap / (n * epsilon**2), "epsilon counts once: L has no epsilon in front of it"
    yield gap / (n * n * epsilon), "the loss is a mean over n rows, not over the n^2 entries"
    alone = "T and P are both needed: "
    yield target / (n * epsilon), f"{alone}without P nothing repels. Was the denominator taken for a constant?"
    yield -matrix / (n * epsilon), f"{alone}without T nothing attracts"
    yield gap.mT / (n * epsilon), "it is transposed: row i belongs to row i of the cost"
    pairs = (torch.eye(n).to(target) - matrix) / (n * epsilon)
    yield pairs, "right for pairs; but the target here is T, not the identity"
    yield (target - plan.cost.div(-epsilon).softmax(0)) / (n * epsilon), "your P is the columns' softmax: rows go first"
    later = solve(plan.cost, epsilon=epsilon).matrix
    yield (target - later) / (n * epsilon), "your P is the converged plan: one half-step is asked for"


# NT-Xent ------------------------------------------------------------------------------------------------------------


@exercise(
    "write nt_xent(z, w, epsilon) that returns the mean of -log P over the 2n pairs of the stacked batch, where P is "
    "the plan of its cosine cost after one half-step, with nothing coupled with itself; then pass it"
)
def nt_xent(answer: Any) -> str:
    """Given ``(z, w, epsilon) -> number``: right when it is the loss of SimCLR."""
    generator = fresh()
    z = 2 * _uniform(generator, 6, 4) - 1
    w = z + _uniform(generator, 6, 4) - 0.5
    found = torch.stack([_number(call(answer, z=z, w=w, epsilon=epsilon)) for epsilon in TWO])
    wanted = torch.stack([Alignment(epsilon=epsilon, layout="stacked", **ROWS)(z, w) for epsilon in TWO])
    if same(found, wanted):
        return "a plan of 2n rows after one half-step, with the diagonal forbidden: SimCLR's loss"
    raise Wrong(
        first_match(found, _at_both(_nt_xent_mistakes(z, w, epsilon) for epsilon in TWO))
        or f"at epsilon = {TWO[0]} and {TWO[1]} the loss is {_told(wanted)}, yours is {_told(found)}. Stack z over w, "
        "forbid the diagonal, take row softmaxes; the partner of row i is row i + n, that of row i + n is row i"
    )


def _told(values: Tensor) -> str:
    return " and ".join(f"{value:.4f}" for value in values.tolist())


def _nt_xent_mistakes(z: Tensor, w: Tensor, epsilon: float) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    n, both = len(z), torch.cat([z, w])
    raw = both @ both.mT / epsilon
    units = normalize(both, dim=1)
    scores = units @ units.mT / epsilon
    own, partner = torch.eye(2 * n).bool(), torch.arange(2 * n).roll(n)
    inner, outer = scores.masked_fill(own, -torch.inf), scores.masked_fill(own, -1 / epsilon)
    loss, apart = cross_entropy(inner, partner), scores[:n, n:]
    yield 2 * n * loss, "this is the sum over the 2n rows: divide by 2n"
    yield 2 * loss, "divide by 2n rows, not by n"
    yield cross_entropy(scores, partner), "every point is coupled with itself: forbid the diagonal, with -inf"
    for large in (outer, scores.masked_fill(own, float(scores.min()))):
        yield (
            cross_entropy(large, partner),
            "self-pairs got the largest cost and still hold mass: forbid them, with -inf",
        )
    yield cross_entropy(scores.masked_fill(own, 0.0), partner), "a score of 0 is a cosine of 0, use -inf"
    yield cross_entropy(apart, torch.arange(n)), "this is InfoNCE: the other points of the same view are missing"
    clip = (cross_entropy(apart, torch.arange(n)) + cross_entropy(apart.mT, torch.arange(n))) / 2
    yield clip, "this is CLIP's loss: the other points of the same view are missing"
    yield cross_entropy(raw.masked_fill(own, -torch.inf), partner), "these are dot products: normalise the rows first"
    columns = torch.cat([normalize(z, dim=0), normalize(w, dim=0)])
    sideways = (columns @ columns.mT / epsilon).masked_fill(own, -torch.inf)
    yield cross_entropy(sideways, partner), "the coordinates were normalised, not the points: dim=1"
    clamped = scores.clamp_min(0).masked_fill(own, -torch.inf)
    yield cross_entropy(clamped, partner), "cosines below 0 were cut off: they count, and their pairs need a gradient"
    first = cross_entropy(inner[:n], partner[:n])
    yield first, "only the first view's rows: the 2n rows of the stacked batch count"
    neighbours = torch.arange(2 * n) ^ 1
    yield cross_entropy(inner, neighbours), "rows 2i and 2i + 1 are no pair here: the views lie one above the other"
    lost = inner.masked_fill(torch.eye(2 * n).roll(n, 0).bool(), -torch.inf)
    decoupled = (lost.logsumexp(1) - scores[torch.arange(2 * n), partner]).mean()
    yield decoupled, "the partner is missing in the denominator: a row's softmax runs over all that are allowed"


def _uniform(generator: Generator, n: int, m: int) -> Tensor:
    return torch.rand(n, m, generator=generator, dtype=torch.float64)
