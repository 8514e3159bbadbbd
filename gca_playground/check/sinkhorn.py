"""The exercises of notebook 02: a half-step in the log domain, and Sinkhorn's algorithm made of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator, Tensor

from gca_playground.check.answers import call, first_match, fresh, numbers, same
from gca_playground.check.verdict import Wrong, exercise
from gca_playground.transport import FREE, Plan, solve, squared_euclidean_cost

LARGE, SMALL = 0.3, 1e-3
"""An epsilon, and one at which exp(-C / epsilon) has long been zero."""

LEAVES_THE_LOG = (
    "exp((g_j - C_ij) / epsilon) is zero for a whole row there, and the logarithm of zero is -inf. Stay in the log "
    "domain: torch.logsumexp takes the largest exponent out of each row first"
)

HIDES_THE_ZEROS = (
    "a small number added, or a clamp, hides the zeros and does not bring back what was lost. Stay in the log domain: "
    "torch.logsumexp"
)


# One half-step ------------------------------------------------------------------------------------------------------


@exercise(
    "write half_step(cost, g, log_a, epsilon) that returns the potentials f (n,) of the rows after their half-step, "
    f"also at epsilon = {SMALL:g}, then pass it"
)
def half_step(answer: Any) -> str:
    """Given ``(cost, g, log_a, epsilon) -> f``: right when ``f_i = eps (log a_i - LSE_j((g_j - C_ij) / eps))``."""
    generator = fresh()
    problem = _half_step_problem(generator, 5, 7, epsilon=LARGE)
    found = _half_step_of(answer, problem, generator)
    if not same(found, _right_f(**problem)):
        raise Wrong(_half_step_mistake(found, problem))
    problem["epsilon"] = SMALL
    found = _half_step_of(answer, problem, generator)
    if not same(found, _right_f(**problem)):
        raise Wrong(_underflow(found, problem))
    return f"the rows have their mass after it, and epsilon = {SMALL:g} is no trouble"


def _half_step_problem(generator: Generator, n: int, m: int, *, epsilon: float) -> dict[str, Any]:
    """Costs of at least 2 that grow from row to row: at ``SMALL`` every exp underflows, each row by another amount."""
    level = torch.linspace(2, 5, n, dtype=torch.float64)[:, None]
    return {
        "cost": level + torch.rand(n, m, generator=generator, dtype=torch.float64),
        "g": 0.3 * torch.randn(m, generator=generator, dtype=torch.float64),
        "log_a": torch.rand(n, generator=generator, dtype=torch.float64) - 0.7,
        "epsilon": epsilon,
    }


def _right_f(cost: Tensor, g: Tensor, log_a: Tensor, epsilon: float) -> Tensor:
    start = torch.zeros_like(log_a), g
    return solve(cost, epsilon=epsilon, a=log_a.exp(), init=start, steps=1).f


def _half_step_of(answer: Any, problem: dict[str, Any], generator: Generator) -> Tensor:
    """What the function returns; where it raises, a square problem may show that rows and columns are mixed up."""
    try:
        found = numbers(call(answer, **problem), part="f")
    except Wrong as reason:
        square = _half_step_problem(generator, 6, 6, epsilon=problem["epsilon"])
        raise Wrong(_confused_sides(answer, square) or str(reason)) from reason
    n, m = problem["cost"].shape
    if found.shape == (m,):
        raise Wrong(f"f has one number a row, ({n},); yours has ({m},), one a column: sum over the columns, dim=1")
    if found.shape != (n,):
        raise Wrong(f"f must have shape (n,) = ({n},), yours has {tuple(found.shape)}")
    return found


def _confused_sides(answer: Any, problem: dict[str, Any]) -> str | None:
    try:
        found = numbers(call(answer, **problem))
    except Wrong:
        return None
    cost, g, log_a, epsilon = problem.values()
    scores = ((g - cost) / epsilon, (g[:, None] - cost) / epsilon)
    summed = [(scores[0], 0), (scores[1], 0), (scores[1], 1)]
    mixed_up = "rows and columns are mixed up: g_j stands under column j, and a row step sums over the columns, dim=1"
    return first_match(found, ((epsilon * (log_a - x.logsumexp(dim)), mixed_up) for x, dim in summed))


def _half_step_mistake(found: Tensor, problem: dict[str, Any]) -> str:
    epsilon = problem["epsilon"]
    if reason := first_match(found, _half_step_mistakes(**problem)):
        return reason
    if found.isnan().any():
        return f"NaN, already at epsilon = {epsilon}: log_a is a logarithm already, is there one more?"
    f = _right_f(**problem)
    i = int((found - f).abs().nan_to_num(torch.inf).argmax())
    plan = ((found[:, None] + problem["g"] - problem["cost"]) / epsilon).exp()
    return (
        f"with your f, row {i} of the plan has mass {float(plan[i].sum()):.3g}; it should have a_{i} = "
        f"{float(problem['log_a'][i].exp()):.3g}. There f_{i} must be {float(f[i]):.3f}, yours is {float(found[i]):.3f}"
    )


def _half_step_mistakes(cost: Tensor, g: Tensor, log_a: Tensor, epsilon: float) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    lse = ((g - cost) / epsilon).logsumexp(1)
    yield log_a - lse, "this is f / epsilon: a potential is in units of the cost, so multiply by epsilon"
    yield (log_a - lse).exp(), "this is the scaling u = exp(f / epsilon): f is epsilon times its logarithm"
    yield log_a - epsilon * lse, "epsilon multiplies both log_a and the log-sum-exp"
    yield epsilon * log_a - lse, "epsilon multiplies both log_a and the log-sum-exp"
    yield -epsilon * lse, "log_a is missing: your rows have mass 1 each, whatever they were asked to have"
    yield -epsilon * (lse + math.log(len(cost))), "log_a is missing: your rows have mass 1/n each"
    yield epsilon * (log_a.exp() - lse), "log_a is needed, not the mass exp(log_a)"
    yield epsilon * (lse - log_a), "the sign is turned round: f is large where the row holds too little mass"
    yield epsilon * (log_a + lse), "the log-sum-exp must be subtracted: f makes up for what the row holds"
    undivided = "inside the log-sum-exp both g_j and C_ij are divided by epsilon"
    yield epsilon * (log_a - (g - cost).logsumexp(1)), undivided
    yield epsilon * (log_a - (g - cost / epsilon).logsumexp(1)), undivided
    yield epsilon * (log_a - (g / epsilon - cost).logsumexp(1)), undivided
    turned = "inside the log-sum-exp stands (g_j - C_ij) / epsilon: a sign is turned round"
    for inside in (g + cost, cost - g, -g - cost):
        yield epsilon * (log_a - (inside / epsilon).logsumexp(1)), turned
    yield epsilon * (log_a - (-cost / epsilon).logsumexp(1)), "g is not used: the columns' potential moves every cost"


def _underflow(found: Tensor, problem: dict[str, Any]) -> str:
    f, lost = _right_f(**problem), ~found.isfinite()
    says = f"right at epsilon = {LARGE}, but at epsilon = {SMALL:g}"
    if lost.all():
        return f"{says} every f is NaN or infinite: {LEAVES_THE_LOG}"
    if lost.any():
        return (
            f"{says} {int(lost.sum())} of {len(f)} rows are NaN or infinite: the largest exponent must be taken out of "
            "each row by itself, not once out of the whole matrix"
        )
    if same(found, _right_f(**(problem | {"epsilon": LARGE}))):
        return f"{says} it gives what it would give at {LARGE}: epsilon is not used"
    i = int((found - f).abs().argmax())
    return f"{says} f_{i} should be {float(f[i]):.3f} and is {float(found[i]):.3f}: {HIDES_THE_ZEROS}"


# All of them --------------------------------------------------------------------------------------------------------


@exercise(
    "write sinkhorn(cost, epsilon, steps) that returns the potentials (f, g) after that many half-steps from "
    "f = g = 0, rows first, with masses 1 a row and n/m a column, then pass it"
)
def sinkhorn(answer: Any) -> str:
    """Given ``(cost, epsilon, steps) -> (f, g)``: right when its plan is ``solve``'s, at 0, 1, 2 and 5 half-steps."""
    generator = fresh()
    cost = squared_euclidean_cost(*(torch.randn(n, 2, generator=generator, dtype=torch.float64) for n in (6, 4)))
    asked = (0, 1, 2, 5)
    found = [_sums_of(answer, cost, 0.2, steps) for steps in asked]
    right = [_sums(cost, 0.2, steps) for steps in asked]
    if not all(map(same, found, right)):
        raise Wrong(_sinkhorn_mistake(found, right, cost, 0.2, asked))
    far = 1 + cost
    small = _sums_of(answer, far, SMALL, 20)
    if not same(small, _sums(far, SMALL, 20)):
        raise Wrong(f"right at epsilon = 0.2, but not at epsilon = {SMALL:g}: {_why_not(small, far)}")
    return f"the plan of gca.solve, half-step for half-step, and at epsilon = {SMALL:g} too"


def _why_not(found: Tensor, cost: Tensor) -> str:
    if same(found, _sums(cost, 0.2, 20)):
        return "it gives there what it gave at 0.2, so epsilon is not used"
    if found.isfinite().all():
        return HIDES_THE_ZEROS
    return LEAVES_THE_LOG


def _sums(cost: Tensor, epsilon: float, steps: int | None, **options: Any) -> Tensor:
    """``f_i + g_j``, which is all the plan sees of its potentials."""
    plan = solve(cost, epsilon=epsilon, steps=steps, **options)
    return plan.f[:, None] + plan.g


def _sums_of(answer: Any, cost: Tensor, epsilon: float, steps: int) -> Tensor:
    value = call(answer, cost=cost, epsilon=epsilon, steps=steps)
    n, m = cost.shape
    if isinstance(value, Plan):
        raise Wrong("two potentials are asked for, you returned a whole plan: return its .f and its .g")
    if not isinstance(value, tuple | list):
        matrix = numbers(value)
        plan = solve(cost, epsilon=epsilon, steps=steps).matrix
        right = "the plan is right, but " if same(matrix, plan) else ""
        raise Wrong(f"{right}two potentials are asked for: return f, g; yours returned a tensor {tuple(matrix.shape)}")
    if len(value) != 2:
        raise Wrong(f"two potentials are asked for: return f, g; yours returned {len(value)} things")
    f, g = map(numbers, value)
    if (f.shape, g.shape) == ((m,), (n,)):
        raise Wrong(f"f and g have changed places: f has one number a row, ({n},), g one a column, ({m},)")
    if (f.shape, g.shape) != ((n,), (m,)):
        raise Wrong(f"f must have shape ({n},) and g ({m},); yours have {tuple(f.shape)} and {tuple(g.shape)}")
    return f[:, None] + g


def _sinkhorn_mistake(
    found: list[Tensor], right: list[Tensor], cost: Tensor, epsilon: float, asked: tuple[int, ...]
) -> str:
    if reason := first_match(torch.stack(found), _sinkhorn_mistakes(torch.stack(right), cost, epsilon, asked)):
        return reason
    if not same(found[0], right[0]):
        return "after 0 half-steps nothing has happened: both potentials are 0"
    k = next(k for k in range(len(asked)) if not same(found[k], right[k]))
    plan = ((found[k] - cost) / epsilon).exp()
    side, dim, mass = ("rows", 1, 1.0) if asked[k] % 2 else ("columns", 0, len(cost) / cost.shape[1])
    sums = plan.sum(dim)
    return (
        f"after {asked[k]} half-step{'s' * (asked[k] != 1)} the {side} must sum to {mass:.3g}; yours sum to "
        f"{float(sums.min()):.3g} up to {float(sums.max()):.3g}"
        + ("" if sums.sub(mass).abs().max() > 1e-3 else ": that is so, but the plan is another one")
    )


def _sinkhorn_mistakes(
    right: Tensor, cost: Tensor, epsilon: float, asked: tuple[int, ...]
) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give for all the numbers of half-steps, and what to say of them."""

    def after(count: Any, **options: Any) -> Tensor:
        return torch.stack([_sums(cost, epsilon, count(steps), **options) for steps in asked])

    (n, m), counts = cost.shape, torch.tensor(asked)[:, None, None]
    begun = epsilon * (counts > 0)
    even = begun * (counts % 2 == 0)
    yield after(lambda k: 2 * k), "twice as many as asked: steps counts half-steps, one side a turn, rows or columns"
    yield after(lambda k: k + 1), "one half-step too many: does your count start at 1?"
    yield after(lambda k: max(k - 1, 0)), "one half-step too few: does your count stop early?"
    yield _columns_first(cost, epsilon, asked), "the columns had the first turn: start with the rows"
    yield _at_once(cost, epsilon, asked), "both sides moved at once, from old potentials: take turns"
    yield after(lambda k: k, cols=FREE), "only the rows had turns: every second half-step belongs to the columns"
    yield right / epsilon, "these are f / epsilon and g / epsilon: potentials are in units of the cost"
    unit = f"your columns sum to 1: {n} rows of mass 1 bring {n} in all, so each of {m} columns gets n/m = {n / m:.3g}"
    yield right + even * math.log(m / n), unit
    small = "your rows sum to 1/n, as in POT: here a row has mass 1, so that it reads as probabilities"
    yield right - begun * math.log(n), small
    yield right - begun * math.log(n) + even * math.log(m / n), small
    yield after(lambda k: 100), "steps is not used: the plan is the same however many are asked for"


def _columns_first(cost: Tensor, epsilon: float, asked: tuple[int, ...]) -> Tensor:
    n, m = cost.shape
    options = {"a": cost.new_full((m,), n / m), "b": cost.new_ones(n)}
    return torch.stack([_sums(cost.mT, epsilon, steps, **options).mT for steps in asked])


def _at_once(cost: Tensor, epsilon: float, asked: tuple[int, ...]) -> Tensor:
    n, m = cost.shape
    f, g, path = cost.new_zeros(n), cost.new_zeros(m), []
    for _ in range(max(asked) + 1):
        path.append(f[:, None] + g)
        f, g = (
            -epsilon * ((g - cost) / epsilon).logsumexp(1),
            epsilon * (math.log(n / m) - ((f[:, None] - cost) / epsilon).logsumexp(0)),
        )
    return torch.stack([path[steps] for steps in asked])
