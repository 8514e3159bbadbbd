"""The exercises of notebook 08: the exact gradient of K half-steps, and the gradient of the limit."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator, Tensor

from gca_playground.check.answers import call, first_match, fresh, numbers, same
from gca_playground.check.verdict import Wrong, exercise
from gca_playground.transport import solve

EPSILON = 0.25
"""No epsilon of the notebook: one that was written into an answer must show."""


# K half-steps -------------------------------------------------------------------------------------------------------


@exercise(
    "write adjoint(cost, slope, epsilon, steps) that returns dL/dC (n, m), given slope = dL/dlog P of the plan after "
    "that many half-steps, with masses 1 a row and n/m a column; then pass it"
)
def adjoint(answer: Any) -> str:
    """Given ``(cost, slope, epsilon, steps) -> dL/dC``: right at 0, 1, 2, 3 and 6 half-steps, for n != m."""
    generator, asked = fresh(), (0, 1, 2, 3, 6)
    cost = 2 * torch.rand(6, 4, generator=generator, dtype=torch.float64)
    slope = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    found = [_shaped(call(answer, cost=cost, slope=slope, epsilon=EPSILON, steps=k), cost) for k in asked]
    right = [gradient(cost, slope, EPSILON, steps) for steps in asked]
    if all(map(same, found, right)):
        return "the gradient of autograd through every half-step, without its tape"
    slips = ((torch.stack(wrong), reason) for wrong, reason in _adjoint_mistakes(cost, slope, asked))
    raise Wrong(first_match(torch.stack(found), slips) or _first_off(found, right, asked))


def gradient(cost: Tensor, slope: Tensor, epsilon: float, steps: int | None, **options: Any) -> Tensor:
    """``dL/dC`` where ``dL/dlog P = slope``, by the library."""
    with torch.enable_grad():
        cost = cost.detach().requires_grad_()
        log = solve(cost, epsilon=epsilon, steps=steps, **options).log
        return torch.autograd.grad((log * slope).sum(), cost)[0]


def _shaped(value: Any, like: Tensor) -> Tensor:
    found = numbers(value)
    if found.shape != like.shape:
        raise Wrong(f"dL/dC has the cost's shape {tuple(like.shape)}, yours has {tuple(found.shape)}")
    return found


def _first_off(found: list[Tensor], right: list[Tensor], asked: tuple[int, ...]) -> str:
    k = next(k for k in range(len(asked)) if not same(found[k], right[k]))
    error = float((found[k] - right[k]).norm() / right[k].norm())
    done = f"right up to {asked[k - 1]} half-steps, but " if k else ""
    hints = {
        0: "log P = -C / epsilon there, so dL/dC = -slope / epsilon",
        1: "with x = fbar / (K v), a row step taken back adds x_i K_ij v_j / epsilon to the cost's gradient",
        2: "take the column step back first, then the row step, which now gets what the column step passed on",
    }
    hint = hints.get(asked[k], "which u and v does each step see? Those that enter it")
    return f"{done}after {asked[k]} half-step{'s' * (asked[k] != 1)} the gradient is off by {error:.0%}: {hint}"


def _adjoint_mistakes(cost: Tensor, slope: Tensor, asked: tuple[int, ...]) -> Iterator[tuple[list[Tensor], str]]:
    """What typical slips give for all the numbers of half-steps, and what to say of them."""

    def by(**slip: Any) -> list[Tensor]:
        return [backward(cost, slope, EPSILON, steps, **slip) for steps in asked]

    right = by()
    yield [-wrong for wrong in right], "the sign is turned round: log P falls as the cost rises"
    yield [EPSILON * wrong for wrong in right], "epsilon is missing: log P = log u + log v - C / epsilon"
    direct = [-slope / EPSILON] * len(asked)
    yield direct, "only the direct part: the potentials depend on the cost too, through every half-step"
    limit = gradient(cost, slope, EPSILON, None)
    yield [limit] * len(asked), "this is the gradient of the converged plan, whatever `steps` says"
    yield [direct[0], *[limit] * (len(asked) - 1)], "this is the gradient of the converged plan, whatever `steps` says"
    yield by(entering=False), "every step saw the u and v of the end: a step sees those that enter it"
    yield by(reset=False), "after a row step fbar is used up, after a column step gbar: set it to 0, or it counts again"
    yield by(most=1), "only the last half-step was taken back: go on to the first"
    yield by(most=2), "only the last two half-steps were taken back: go on to the first"
    yield by(forward=True), "the half-steps must be taken back in reverse order, the last one first"
    yield by(passing=False), "what a step passes on to the other side is missing: gbar -= v * (K' x)"
    yield by(minus=1.0), "a sign: a step lowers what it passes on, gbar -= v * (K' x), as more mass makes u smaller"
    yield by(kept=-1.0), "a sign: the half-steps' part is + K o (A B') / epsilon, the direct part -slope / epsilon"


def backward(
    cost: Tensor,
    slope: Tensor,
    epsilon: float,
    steps: int,
    *,
    entering: bool = True,
    reset: bool = True,
    passing: bool = True,
    forward: bool = False,
    most: int | None = None,
    minus: float = -1.0,
    kept: float = 1.0,
) -> Tensor:
    """The recursion in scaling form, and typical ways to get it wrong."""
    kernel = (-cost / epsilon).exp()
    path = _scalings(kernel, steps)
    fbar, gbar, inner = slope.sum(1), slope.sum(0), torch.zeros_like(cost)
    order = range(1, steps + 1) if forward else range(steps, 0, -1)
    for k in itertools.islice(order, most):
        u, v = path[k - 1] if entering else path[-1]
        if k % 2:
            x = fbar / (kernel @ v)
            inner = inner + x[:, None] * v
            gbar = gbar + minus * passing * v * (kernel.mT @ x)
            fbar = fbar * (not reset)
        else:
            y = gbar / (kernel.mT @ u)
            inner = inner + u[:, None] * y
            fbar = fbar + minus * passing * u * (kernel @ y)
            gbar = gbar * (not reset)
    return (kept * kernel * inner - slope) / epsilon


def _scalings(kernel: Tensor, steps: int) -> list[tuple[Tensor, Tensor]]:
    """u and v at the start and after each half-step."""
    n, m = kernel.shape
    u, v = kernel.new_ones(n), kernel.new_ones(m)
    path = [(u, v)]
    for k in range(steps):
        u, v = (u, n / m / (kernel.mT @ u)) if k % 2 else (1 / (kernel @ v), v)
        path.append((u, v))
    return path


# The limit ----------------------------------------------------------------------------------------------------------


@exercise(
    "write implicit(P, slope, epsilon) that returns dL/dC (n, m), given the converged plan P with both marginals exact "
    "and slope = dL/dlog P; then pass it"
)
def implicit_gradient(answer: Any) -> str:
    """Given ``(P, slope, epsilon) -> dL/dC``: right when it is ``(P o (al (+) be) - slope) / epsilon``."""
    generator = fresh()
    for n, m in ((5, 7), (6, 6)):
        plan, slope = _limit(generator, n, m)
        found = _shaped(call(answer, P=plan, slope=slope, epsilon=EPSILON), plan)
        if not torch.allclose(found, wanted := _implicit(plan, slope), rtol=1e-3, atol=1e-4):
            raise Wrong(_implicit_mistake(found, wanted, plan, slope))
    return "one linear system instead of all half-steps; its rows and columns sum to 0, whatever the loss"


def _limit(generator: Generator, n: int, m: int) -> tuple[Tensor, Tensor]:
    cost = torch.rand(n, m, generator=generator, dtype=torch.float64)
    slope = torch.randn(n, m, generator=generator, dtype=torch.float64)
    return solve(cost, epsilon=EPSILON, tol=1e-12).matrix, slope


def _implicit(plan: Tensor, slope: Tensor, *, system: Tensor | None = None) -> Tensor:
    n = len(plan)
    right = torch.cat([slope.sum(1), slope.sum(0)])
    both = torch.linalg.pinv(_system(plan) if system is None else system) @ right
    return (plan * (both[:n, None] + both[n:]) - slope) / EPSILON


def _system(plan: Tensor) -> Tensor:
    """``[[diag(P 1), P], [P', diag(P' 1)]]``."""
    return torch.cat([torch.cat([plan.sum(1).diag(), plan], 1), torch.cat([plan.mT, plan.sum(0).diag()], 1)])


def _implicit_mistake(found: Tensor, wanted: Tensor, plan: Tensor, slope: Tensor) -> str:
    if not found.isfinite().all() or found.abs().max() > 1e3 * wanted.abs().max():
        return "the numbers blow up: the system is singular along (1, -1), so use torch.linalg.pinv or lstsq, not solve"
    if reason := first_match(found, _implicit_mistakes(wanted, plan, slope)):
        return reason
    rows, cols = (float(found.sum(side).abs().max()) for side in (1, 0))
    if max(rows, cols) > 1e-3 * float(wanted.abs().max()):
        return (
            f"its rows and columns must sum to 0, since the limit is blind to C + x_i + y_j; yours sum to as much as "
            f"{rows:.2g} (rows) and {cols:.2g} (columns). Which al and be make them 0?"
        )
    return f"rows and columns sum to 0; still it is off by {float((found - wanted).norm() / wanted.norm()):.0%}"


def _implicit_mistakes(wanted: Tensor, plan: Tensor, slope: Tensor) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    n = len(plan)
    rows, cols = slope.sum(1), slope.sum(0)
    yield -wanted, "the sign is turned round: dL/dC = (P o (al (+) be) - slope) / epsilon"
    yield EPSILON * wanted, "epsilon is missing: divide by it"
    yield -slope / EPSILON, "this is the direct part alone: the potentials move with the cost too"
    only = "only one side was corrected, as after a row softmax: both potentials move, and they move each other"
    yield (plan * (rows / plan.sum(1))[:, None] - slope) / EPSILON, only
    yield (plan * (cols / plan.sum(0)) - slope) / EPSILON, only
    both = plan * ((rows / plan.sum(1))[:, None] + cols / plan.sum(0))
    yield (both - slope) / EPSILON, "the sides were corrected apart: the blocks P and P' couple them"
    unit = _system(plan).fill_diagonal_(1.0)
    yield _implicit(plan, slope, system=unit), "the columns' block is diag(P' 1), their sums n/m, not the identity"
    flipped = _system(plan)
    flipped[:n, n:] *= -1
    flipped[n:, :n] *= -1
    yield _implicit(plan, slope, system=flipped), "the blocks P and P' stand in the system with a plus sign"
    yield -wanted - 2 * slope / EPSILON, "the correction has the wrong sign: it is + P o (al (+) be)"
