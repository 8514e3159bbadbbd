"""The exercises of notebook 04: make a hub, take it away, and say when more half-steps lower the loss."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator, Tensor

from gca_playground.alignment import Alignment, kl
from gca_playground.check.answers import call, first_match, fresh, kind, numbers, same
from gca_playground.check.verdict import Wrong, exercise
from gca_playground.transport import Plan, cosine_cost, dot_cost, solve

EPSILON = 0.1
"""The temperature at which a hub is judged."""
SHARE = 0.25
"""A hub takes at least this share of all mass after one half-step."""
FALL = 0.2
"""And the columns' turns take at least this share off the loss."""


# Make a hub ---------------------------------------------------------------------------------------------------------


@exercise(
    f"make a batch (z, w) of at least 16 pairs in which, at epsilon = {EPSILON} under the cosine cost, one column "
    "takes a quarter of all mass after one half-step, and ten half-steps take a fifth off the loss; then pass (z, w)"
)
def hub(answer: Any) -> str:
    """Given ``(z, w)``, both (n, d): right when one second view is everybody's favourite, and only the columns mind."""
    z, w = _clouds(answer)
    cost, n = cosine_cost(z, w), len(z)
    heaviest = _heaviest(cost)
    if heaviest < SHARE * n:
        raise Wrong(_no_hub(z, w, heaviest))
    before, after = (float(Alignment(epsilon=EPSILON, steps=steps).of_cost(cost)) for steps in (1, 10))
    if after > 0.9 * math.log(n):
        raise Wrong(
            f"one column holds {heaviest:.1f} of {n}; but the loss after ten half-steps is {after:.2f}, near log {n} = "
            f"{math.log(n):.2f}: the points are so alike that no plan tells the pairs apart. Keep the other pairs apart"
        )
    if after > (1 - FALL) * before:
        raise Wrong(
            f"one column holds {heaviest:.1f} of {n}, but ten half-steps lower the loss from {before:.2f} to "
            f"{after:.2f} only: let the hub compete with more pairs that are near each other"
        )
    return (
        f"one column holds {heaviest:.1f} of {n} after one half-step; the loss falls from {before:.2f} to {after:.2f} "
        "when the columns get their turn"
    )


def _clouds(answer: Any) -> tuple[Tensor, Tensor]:
    stacked = len(getattr(answer, "shape", ())) == 3
    if not (stacked or isinstance(answer, tuple | list)) or len(answer) != 2:
        raise Wrong(f"pass the two clouds together, as (z, w); this is {kind(answer)}")
    if any(part is None or part is ... for part in answer):
        raise Wrong("the clouds are not there yet: make z and w, both (n, d), first")
    z, w = map(numbers, answer)
    if z.ndim != 2 or z.shape != w.shape:
        raise Wrong(f"z and w must have one shape (n, d), yours have {tuple(z.shape)} and {tuple(w.shape)}")
    if len(z) < 16:
        raise Wrong(f"with {len(z)} pairs a column is popular by chance: take at least 16")
    return z, w


def _heaviest(cost: Tensor) -> float:
    return float(solve(cost, epsilon=EPSILON, steps=1).col_sums.max())


def _no_hub(z: Tensor, w: Tensor, heaviest: float) -> str:
    n = len(z)
    says = f"the heaviest column holds {heaviest:.1f} of {n}, asked for are {SHARE * n:.1f}"
    if _heaviest(cosine_cost(w, z)) >= SHARE * n:
        return f"{says}: your hub is a first view. Rows always hold 1 after a half-step; change z and w"
    if _heaviest(dot_cost(z, w)) >= SHARE * n:
        return f"{says}: the cosine does not see length, so a long vector is no hub. Turn it towards the others"
    if heaviest < 1.5:
        return f"{says}: no column is popular. Turn one w towards the mean of all z"
    cost = cosine_cost(z, w)
    popular = solve(cost, epsilon=EPSILON, steps=1).col_sums.argmax()
    if (cost.diagonal() < cost[:, popular]).double().mean() > 0.5:
        return (
            f"{says}: one column is near to many, but most z are nearer still to their own w. Let the z lie closer "
            "together, or the two views of a pair farther apart"
        )
    return f"{says}: the way is right. Turn that w further towards the mean of all z, or let the z lie closer together"


# Take it away -------------------------------------------------------------------------------------------------------


@exercise(
    "write bias(cost, epsilon) that returns one number a column (m,), to be added to the scores -C / epsilon, so that "
    "after a softmax of each row every column sums to n/m; then pass it"
)
def hub_bias(answer: Any) -> str:
    """Given ``(cost, epsilon) -> bias``: right when ``softmax(bias - C / epsilon)`` has equal column sums."""
    cost, epsilon = _with_hub(fresh(), 10, 6), 0.25
    n, m = cost.shape
    found = numbers(call(answer, cost=cost, epsilon=epsilon))
    if found.shape != (m,):
        whose = ", one a row: the rows' softmax swallows that" if found.shape == (n,) else ""
        raise Wrong(f"the bias has one number a column, ({m},); yours has shape {tuple(found.shape)}{whose}")
    sums = (found - cost / epsilon).softmax(1).sum(0)
    if sums.sub(n / m).abs().max() > 0.01 * n / m or sums.isnan().any():
        raise Wrong(_bias_mistake(found, sums, cost, epsilon))
    return "every column sums to n/m: the hub has got its handicap, and the others theirs"


def _with_hub(generator: Generator, n: int, m: int) -> Tensor:
    """A cost whose first column is near to every row, and some columns a little nearer than others."""
    cost = torch.rand(n, m, generator=generator, dtype=torch.float64) + 0.5
    lift = torch.linspace(-0.6, 0.3, m, dtype=torch.float64)
    return cost + lift + 0.3 * torch.rand(n, 1, generator=generator, dtype=torch.float64)


def _bias_mistake(found: Tensor, sums: Tensor, cost: Tensor, epsilon: float) -> str:
    centred = found - found.mean()
    slips = ((wrong - wrong.mean(), reason) for wrong, reason in _bias_mistakes(cost, epsilon))
    n, m = cost.shape
    return first_match(centred, slips) or (
        f"with your bias the columns sum to {float(sums.min()):.2f} up to {float(sums.max()):.2f}, not to n/m = "
        f"{n / m:.2f}: lower the bias of the columns that hold too much, and again until all are even"
    )


def _bias_mistakes(cost: Tensor, epsilon: float) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, each up to a constant, and what to say of them."""
    limit, once = solve(cost, epsilon=epsilon).g, solve(cost, epsilon=epsilon, steps=2).g
    yield limit, "these are the prices g, in units of the cost: a score is -C / epsilon, so add g / epsilon"
    yield -limit / epsilon, "the sign is turned round: a hub's g is low, and g is added to the score"
    yield -limit, "the sign is turned round and epsilon is missing: add g / epsilon"
    yield (limit / epsilon).exp(), "this is the scaling v = exp(g / epsilon), a factor: a score wants its logarithm"
    yield once / epsilon, "one turn of the columns is not enough: the rows' softmax after it spoils the sums. Go on"
    yield once, "one turn of the columns is not enough, and epsilon is missing: a score wants g / epsilon"
    yield cost.mean(0) / epsilon, "the mean cost only guesses how popular a column is; Sinkhorn finds it"
    yield torch.zeros_like(limit), "a bias that is the same for all columns changes no softmax"


# When it falls ------------------------------------------------------------------------------------------------------


@exercise(
    "write drop(old, new) that returns by how much KL(T | P) / n falls in an exact half-step from the plan old to the "
    "plan new (n, m), for every T that has the marginal which the half-step sets; then pass it"
)
def kl_drop(answer: Any) -> str:
    """Given ``(old, new) -> number``: right when it is ``KL(new | old) / n``, the generalised divergence."""
    cost = 2 * torch.rand(6, 4, generator=(generator := fresh()), dtype=torch.float64)
    target = solve(2 * torch.rand(6, 4, generator=generator, dtype=torch.float64), epsilon=0.5)
    plans = [solve(cost, epsilon=0.3, steps=steps) for steps in range(4)]
    wanted = torch.stack([kl(target.matrix, plans[k]) - kl(target.matrix, plans[k + 1]) for k in range(3)])
    found = numbers([_one(call(answer, old=plans[k].matrix, new=plans[k + 1].matrix)) for k in range(3)])
    if same(found, wanted):
        return "KL(new | old) / n, never negative: so no exact half-step can raise KL(T | P) for such a T"
    if reason := first_match(found, _drop_mistakes(plans)):
        raise Wrong(reason)
    k = int((found - wanted).abs().nan_to_num(torch.inf).argmax())
    raise Wrong(
        f"for a T with both marginals right, half-step {k + 1} lowers KL(T | P) / n by {float(wanted[k]):.4f}; yours "
        f"says {float(found[k]):.4f}. Write log(T / old) - log(T / new): T itself drops out"
    )


def _one(value: Any) -> float:
    found = numbers(value)
    if found.numel() != 1:
        raise Wrong(f"one number is asked for, yours has shape {tuple(found.shape)}: sum over all pairs")
    return float(found)


def _drop_mistakes(plans: list[Plan]) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give for three half-steps, and what to say of them."""
    matrices = [plan.matrix for plan in plans]
    steps = list(itertools.pairwise(matrices))
    n = len(matrices[0])
    forth, back = _stack(_kl(new, old) for old, new in steps), _stack(_kl(old, new) for old, new in steps)
    bare = _stack((new * (new / old).log()).sum() for old, new in steps)
    yield forth, "n is missing: the loss is a mean over n rows"
    yield back / n, "this is KL(old | new): a divergence is not symmetric, the new plan stands first"
    yield back, "this is KL(old | new), and n is missing: the new plan stands first"
    mass = "the first half-step changes the mass, so the terms - new + old are needed: sum new log(new/old) - new + old"
    yield bare / n, mass
    yield bare, mass
    yield -forth / n, "the sign is turned round: how much it falls is asked for, not how much it changes"
    m = len(matrices[0][0])
    yield forth / m, f"the loss is a mean over the n = {n} rows: this was divided by the m = {m} columns"
    yield forth / (n * m), "the loss is a mean over n rows, not over the n m entries"
    yield (forth + back) / (2 * n), "this is the mean of KL(new | old) and KL(old | new): only the first falls"
    yield _stack((new - old).abs().sum() / 2 / n for old, new in steps), "this is the total variation between the plans"


def _kl(first: Tensor, second: Tensor) -> Tensor:
    return (first * (first / second).log() - first + second).sum()


def _stack(values: Iterator[Tensor]) -> Tensor:
    return torch.stack(list(values))


# When it does not ---------------------------------------------------------------------------------------------------


@exercise(
    "write target(cost, epsilon) that returns a T (n, n) >= 0 whose rows sum to 1 and for which the second half-step "
    "raises KL(T | P): KL(T | P_2) > KL(T | P_1); then pass it"
)
def rising_target(answer: Any) -> str:
    """Given ``(cost, epsilon) -> T``: right when its rows sum to 1 and the columns' turn raises KL(T | P)."""
    cost, epsilon = _with_hub(fresh(), 8, 8), 0.25
    found = numbers(call(answer, cost=cost, epsilon=epsilon), part="matrix")
    _check_target(found, cost)
    before, after = (float(kl(found, solve(cost, epsilon=epsilon, steps=steps))) for steps in (1, 2))
    columns = found.sum(0)
    if after > before + 1e-9:
        return (
            "KL(T | P) rises: the columns of T do not sum to 1, and the second half-step makes those of the plan do so"
        )
    says = f"KL(T | P) goes from {before:.4f} to {after:.4f}, down"
    if columns.sub(1).abs().max() < 1e-3:
        raise Wrong(f"{says}, as it must: all columns of your T sum to 1, and then it is a theorem. Break the columns")
    raise Wrong(f"{says}: T's columns are not 1 each: needed, but not enough. For which T is KL(T | P_1) = 0?")


def _check_target(found: Tensor, cost: Tensor) -> None:
    if found.shape != cost.shape:
        raise Wrong(f"T must have the cost's shape {tuple(cost.shape)}, yours has {tuple(found.shape)}")
    if not (found >= 0).all():
        raise Wrong(f"a target holds numbers >= 0 and no others, the least of yours is {float(found.min()):.3g}")
    rows = found.sum(1)
    if rows.sub(1).abs().max() > 1e-3:
        raise Wrong(
            f"the rows of T must sum to 1, yours sum to {float(rows.min()):.3g} up to {float(rows.max()):.3g}; "
            "only the columns may be off"
        )
