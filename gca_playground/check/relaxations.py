"""The exercises of notebook 05: three constraint sets, what U(1) means, and the outer step of inverse transport."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from gca_playground.check.answers import call, first_match, fresh, numbers, same, two
from gca_playground.check.verdict import Wrong, exercise
from gca_playground.transport import EXACT, FREE, cosine_cost, solve

SETS: dict[str, dict[str, Any]] = {
    "U(1)": {"total": True},
    "U(a)": {"rows": EXACT, "cols": FREE},
    "U(a,b)": {"rows": EXACT, "cols": EXACT},
}
"""The three constraint sets as knobs of ``solve``."""


# Three plans --------------------------------------------------------------------------------------------------------


@exercise(
    'write plan(cost, epsilon, which) that returns the matrix P (n, m) for which = "U(1)" (total mass n), "U(a)" (rows '
    'sum to 1) and "U(a,b)" (rows sum to 1, columns to n/m, within 1e-4); then pass it'
)
def three_plans(answer: Any) -> str:
    """Given ``(cost, epsilon, which) -> P``: right when each is the entropic plan under its constraint."""
    cost, epsilon = 2 * torch.rand(6, 4, generator=fresh(), dtype=torch.float64), 0.25  # not the notebook's
    for which in SETS:
        found = numbers(call(answer, cost=cost, epsilon=epsilon, which=which), part="matrix")
        if found.shape != cost.shape:
            shape = f"a plan has the cost's shape {tuple(cost.shape)}, yours has {tuple(found.shape)}"
            raise Wrong(f"{which}: {shape}")
        if not torch.allclose(found, _plan(cost, epsilon, which), rtol=1e-3, atol=1e-4):
            raise Wrong(f"{which}: {_plan_mistake(found, cost, epsilon, which)}")
    return "each is exp(-C / epsilon) under its own constraint; the more it asks for, the more factors there are"


def _plan(cost: Tensor, epsilon: float, which: str) -> Tensor:
    return solve(cost, epsilon=epsilon, **SETS[which]).matrix


def _plan_mistake(found: Tensor, cost: Tensor, epsilon: float, which: str) -> str:
    if reason := first_match(found, _plan_mistakes(cost, epsilon, which)):
        return reason
    n, m = cost.shape
    rows, cols = found.sum(1), found.sum(0)
    if which == "U(1)" and abs(float(found.sum()) - n) > 1e-3 * n:
        return f"the total mass is {float(found.sum()):.3g}, it must be n = {n}, by one factor for all pairs"
    if which == "U(1)":
        return f"the total mass is right, n = {n}, but it is not exp(-C / epsilon) times one factor for all pairs"
    if rows.sub(1).abs().max() > 1e-3:
        return f"the rows must sum to 1, yours sum to {float(rows.min()):.3g} up to {float(rows.max()):.3g}"
    if which == "U(a,b)" and cols.sub(n / m).abs().max() > 1e-3:
        return (
            f"the columns must sum to n/m = {n / m:.3g}, yours sum to {float(cols.min()):.3g} up to "
            f"{float(cols.max()):.3g}: more half-steps?"
        )
    return "the sums are right, but it is not exp(-C / epsilon) times a factor for each side that is constrained"


def _plan_mistakes(cost: Tensor, epsilon: float, which: str) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    n, m = cost.shape
    right, kernel = _plan(cost, epsilon, which), (-cost / epsilon).exp()
    yield kernel, "this is the kernel exp(-C / epsilon) as it is: nothing was constrained yet"
    yield right / n, "your total mass is 1, as in POT: a row has mass 1 here, so the whole has n"
    yield _plan(-cost, epsilon, which), "a sign is lost: mass goes where the cost is small, exp(-C / epsilon)"
    yield _plan(cost, 1.0, which), "epsilon is not used: the kernel is exp(-C / epsilon)"
    yield kernel / kernel.sum(0), "each column was made to sum to 1: a is the mass of the rows"
    yield n / m * kernel / kernel.sum(0), "the columns were made right instead of the rows: a is the mass of the rows"
    for other in SETS:
        if other != which:
            yield _plan(cost, epsilon, other), f"this is the plan of {other}: what does `which` say?"
    if which == "U(a,b)":
        yield from _early(cost, epsilon)
        yield _unit_columns(cost, epsilon, 50), f"columns can't sum to 1: {n} rows bring {n}, each gets n/m"


def _early(cost: Tensor, epsilon: float) -> Iterator[tuple[Tensor, str]]:
    for steps in range(2, 8):
        yield (
            solve(cost, epsilon=epsilon, steps=steps).matrix,
            f"this is the plan after {steps} half-steps: go on until both sides are right",
        )


def _unit_columns(cost: Tensor, epsilon: float, steps: int) -> Tensor:
    plan = (-cost / epsilon).exp()
    for k in range(steps):
        plan = plan / plan.sum(1 - k % 2, keepdim=True)
    return plan


# What U(1) means ----------------------------------------------------------------------------------------------------


@exercise(
    "write parts(z, w, t) that returns (alignment, uniformity) with which the loss of U(1) at cost |z - w|^2 / 2 and "
    "epsilon = 1/(2t) is t alignment + uniformity + log n; then pass it"
)
def alignment_uniformity(answer: Any) -> str:
    """Given ``(z, w, t) -> (alignment, uniformity)``: right when both are those of the identity."""
    generator, t = fresh(), 1.5
    z, w = _cloud(generator, 7, 3), _cloud(generator, 7, 3)
    found = [numbers(part) for part in two(call(answer, z=z, w=w, t=t), "alignment, uniformity")]
    if any(part.numel() != 1 for part in found):
        raise Wrong(f"both are single numbers; yours have shapes {[tuple(part.shape) for part in found]}")
    pairs, all_pairs = (z - w).square().sum(1), (z[:, None] - w).square().sum(-1)
    align, even = pairs.mean(), (-t * all_pairs).exp().mean().log()
    parts = [part.reshape(()) for part in found]
    if same(torch.stack(parts), torch.stack([even, align])):
        raise Wrong("alignment and uniformity have changed places: return alignment, uniformity")
    for name, part, wanted, slips in (
        ("alignment", parts[0], align, _alignment_mistakes(z, w, t)),
        ("uniformity", parts[1], even, _uniformity_mistakes(z, w, t)),
    ):
        if not same(part, wanted):
            told = f"{name} is {float(wanted):.4f}, yours is {float(part):.4f}"
            raise Wrong(f"{told}: {first_match(part, slips) or _DEFINITIONS[name]}")
    return "t alignment + uniformity + log n is the loss of U(1): pull the pairs together, spread everything out"


_DEFINITIONS = {
    "alignment": "it is the mean over the pairs of |z_i - w_i|^2",
    "uniformity": "it is the logarithm of the mean over all k and l of exp(-t |z_k - w_l|^2)",
}


def _alignment_mistakes(z: Tensor, w: Tensor, t: float) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    pairs = (z - w).square().sum(1)
    yield t * pairs.mean(), "t stands outside already"
    yield pairs.mean() / 2, "the half of the cost is used up by epsilon = 1/(2t): C / epsilon = t |z - w|^2"
    yield pairs.sum(), "take the mean over the n pairs, not the sum"
    yield pairs.sqrt().mean(), "these are distances: square them"
    yield (z - w).square().mean(), "the mean over pairs and coordinates: add the squares of the coordinates first"
    yield (z[:, None] - w).square().sum(-1).mean(), "this is the mean over all k and l: alignment knows the pairs only"
    yield -pairs.mean(), "the sign is turned round: it is small where the pairs are near"


def _uniformity_mistakes(z: Tensor, w: Tensor, t: float) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    squares, n = (z[:, None] - w).square().sum(-1), len(z)
    right, own = (-t * squares).exp().mean().log(), torch.eye(n).bool()
    yield right + 2 * math.log(n), "this is the logarithm of the sum: take the mean over the n^2 pairs (k, l)"
    yield right + math.log(n), "log n stands outside already"
    yield right.exp(), "the logarithm is missing"
    yield -right, "the sign is turned round: it is low where the points are spread out"
    yield -t * squares.mean(), "the logarithm was taken before the mean: mean first"
    yield (-squares).exp().mean().log(), "t is missing in the exponent"
    yield (-t * squares / 2).exp().mean().log(), "half the square only: in C / epsilon the 1/2 has cancelled"
    yield (-t * squares.sqrt()).exp().mean().log(), "these are distances: square them"
    yield (-t * squares)[~own].exp().mean().log(), "the pairs (k, k) belong to the softmax too"
    within = (z[:, None] - z).square().sum(-1)
    apart = "this is within one view, as in Wang and Isola: U(1) compares z_k with w_l"
    yield (-t * within).exp().mean().log(), apart
    yield (-t * within)[~own].exp().mean().log(), apart


# The outer step -----------------------------------------------------------------------------------------------------


@exercise(
    "write outer(z, w, epsilon) that returns dL/dz (n, d) of L = KL(I | P) / n, P the converged plan under U(a,b) of "
    "the dot cost -<z_i, w_j>, without a tape through the plan; then pass it"
)
def outer_step(answer: Any) -> str:
    """Given ``(z, w, epsilon) -> dL/dz``: right when it is ``(P - I) w / (n epsilon)``."""
    generator, epsilon = fresh(), 0.5
    z, w = (0.5 * _cloud(generator, 6, 3) for _ in range(2))  # so small that a hundred half-steps converge
    found = numbers(call(answer, z=z, w=w, epsilon=epsilon))
    if found.shape != z.shape:
        raise Wrong(f"dL/dz has z's shape {tuple(z.shape)}, yours has {tuple(found.shape)}")
    plan = _plan(-z @ w.mT, epsilon, "U(a,b)")
    wanted = (plan - torch.eye(6).double()) @ w / (6 * epsilon)
    if not torch.allclose(found, wanted, rtol=1e-3, atol=1e-4):
        i = int((found - wanted).abs().sum(1).argmax())
        right, yours = ([round(x, 3) for x in rows[i].tolist()] for rows in (wanted, found))
        raise Wrong(
            first_match(found, _outer_mistakes(z, w, plan, epsilon))
            or f"for z_{i} it is {right}, yours is {yours}. dL/dC = (T - P) / (n epsilon), and dC_ij/dz_i = -w_j"
        )
    return "(P - I) w / (n epsilon): towards one's partner, away from the mean of the w that the plan prefers"


def _outer_mistakes(z: Tensor, w: Tensor, plan: Tensor, epsilon: float) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    n = len(z)
    gap = plan - torch.eye(n).to(plan)
    yield -gap @ w / (n * epsilon), "the sign is turned round: dC_ij/dz_i is -w_j, a near pair has a small cost"
    yield gap @ w / epsilon, "n is missing: the loss is a mean over n rows"
    yield gap @ w / n, "epsilon is missing"
    yield gap.mT @ w / (n * epsilon), "P is transposed: z_i owns row i"
    yield gap.mT @ z / (n * epsilon), "this is dL/dw: z was asked for"
    yield -w / (n * epsilon), "P is missing: nothing repels. Were the potentials detached, and log P_ii differentiated?"
    yield plan @ w / (n * epsilon), "the target is missing: nothing attracts"
    cosine = _plan(cosine_cost(z, w), epsilon, "U(a,b)") - torch.eye(n).to(plan)
    for units in (w, normalize(w, dim=1)):
        yield cosine @ units / (n * epsilon), "the plan is that of the cosine cost: the cost here is -<z_i, w_j>"
    for steps in range(2, 8):
        early = solve(-z @ w.mT, epsilon=epsilon, steps=steps).matrix - torch.eye(n).to(plan)
        yield early @ w / (n * epsilon), f"the plan is that after {steps} half-steps: solve to convergence, steps=None"
    softmax = solve(-z @ w.mT, epsilon=epsilon, steps=1).matrix
    yield (softmax - torch.eye(n).to(plan)) @ w / (n * epsilon), "this is InfoNCE's: solve to convergence, steps=None"


def _cloud(generator: Generator, n: int, d: int) -> Tensor:
    return torch.randn(n, d, generator=generator, dtype=torch.float64)
