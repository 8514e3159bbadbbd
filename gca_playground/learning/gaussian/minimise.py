"""Two ways down, in double precision: L-BFGS for exact losses, Adam for sampled ones.

Both treat a loss that is not finite as a wall. The joint loss of an inner product has one, where the log-partition
function diverges: a step through it is taken back and shortened.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

MEMORY = 40
HALVINGS = 30
PATIENCE = 10
NOISE = 64 * torch.finfo(torch.float64).eps
"""How far the last digits of a loss of order 1 can be trusted."""
ENOUGH = 1e-4
"""The share of the promised decrease that a step must deliver (Armijo)."""


class Descent(NamedTuple):
    """Where it ended, the loss after each step (the start first), and whether the gradient has vanished."""

    x: Tensor
    history: list[float]
    converged: bool


def lbfgs(f: Callable[[Tensor], Tensor], x: Tensor, *, steps: int, tolerance: float) -> Descent:
    """Minimise ``f`` from ``x`` (k,) until the largest entry of the gradient is <= ``tolerance``.

    It ends earlier, not converged, where ``PATIENCE`` steps in a row improve neither the loss nor the gradient.
    Source: Nocedal and Wright, Numerical Optimization, Algorithms 7.4 (two loops) and 3.1 (backtracking).
    """
    value, gradient = _evaluate(f, x)
    history, pairs = [value], deque[tuple[Tensor, Tensor]](maxlen=MEMORY)
    least, flattest, idle = value, gradient.abs().max().item(), 0
    while len(history) <= steps and flattest > tolerance and idle < PATIENCE:
        direction = _direction(gradient, pairs)
        first = 1.0 if pairs else 0.1 / gradient.norm().item()
        step = _backtrack(f, x, value, gradient, direction, first=first)
        if step is None:
            # Perhaps only the remembered curvature is wrong; down the gradient there is no excuse.
            idle = idle + 1 if pairs else PATIENCE
            pairs.clear()
            continue
        new, new_value, new_gradient = step
        _remember(pairs, new - x, new_gradient - gradient)
        x, value, gradient = new, new_value, new_gradient
        history.append(value)
        slope = gradient.abs().max().item()
        idle = 0 if value < least - NOISE * abs(least) or slope < 0.9 * flattest else idle + 1
        least, flattest = min(value, least), min(slope, flattest)
    return Descent(x, history, gradient.abs().max().item() <= tolerance)


def adam(f: Callable[[Tensor], Tensor], x: Tensor, *, steps: int, lr: float) -> Descent:
    """``steps`` steps of Adam with the rate falling from ``lr`` to 0 along a cosine; ``f`` may be random.

    ``converged`` stays False: a rate that ends at 0 proves nothing.
    """
    x = x.clone().requires_grad_()
    optimizer = torch.optim.Adam([x], lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(steps, 1))
    history, safe = [], x.detach().clone()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = f(x)
        while not math.isfinite(loss.item()):
            _halve_back(x, safe)
            loss = f(x)
        loss.backward()
        history.append(loss.item())
        safe = x.detach().clone()
        optimizer.step()
        schedule.step()
    if not math.isfinite(f(x.detach()).item()):
        return Descent(safe, history, False)
    return Descent(x.detach(), history, False)


def _evaluate(f: Callable[[Tensor], Tensor], x: Tensor) -> tuple[float, Tensor]:
    x = x.detach().requires_grad_()
    value = f(x)
    if not math.isfinite(value.item()):
        return math.inf, torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(value, x)
    return value.item(), gradient


def _direction(gradient: Tensor, pairs: deque[tuple[Tensor, Tensor]]) -> Tensor:
    """Minus the inverse Hessian that the remembered pairs tell of, applied to the gradient."""
    q, shares = gradient.clone(), []
    for s, y in reversed(pairs):
        share = (s @ q) / (s @ y)
        shares.append(share)
        q -= share * y
    if pairs:
        s, y = pairs[-1]
        q *= (s @ y) / (y @ y)
    for (s, y), share in zip(pairs, reversed(shares), strict=True):
        q += (share - (y @ q) / (s @ y)) * s
    return -q


def _backtrack(
    f: Callable[[Tensor], Tensor], x: Tensor, value: float, gradient: Tensor, direction: Tensor, *, first: float
) -> tuple[Tensor, float, Tensor] | None:
    """The first of ``first``, half of it, ... that goes down enough; None where none does."""
    slope, step = (gradient @ direction).item(), first
    for _ in range(HALVINGS if slope < 0 else 0):
        new = x + step * direction
        new_value, new_gradient = _evaluate(f, new)
        if _is_lower(value, slope, step, new_value, (new_gradient @ direction).item()):
            return new, new_value, new_gradient
        step /= 2
    return None


def _is_lower(value: float, slope: float, step: float, new_value: float, new_slope: float) -> bool:
    """Armijo's test; near the end, where the loss stands still in its last digits, by the slopes instead.

    Source of the second: Hager and Zhang 2005, equation (4.1), the approximate Wolfe condition.
    """
    if new_value <= value + ENOUGH * step * slope:
        return True
    stands_still = new_value <= value + NOISE * (1 + abs(value))
    return stands_still and new_slope <= (2 * ENOUGH - 1) * slope


def _remember(pairs: deque[tuple[Tensor, Tensor]], s: Tensor, y: Tensor) -> None:
    """Only positive curvature: what the two loops then build stays positive definite."""
    if (s @ y).item() > 1e-10 * s.norm().item() * y.norm().item():
        pairs.append((s, y))


@torch.no_grad()
def _halve_back(x: Tensor, safe: Tensor) -> None:
    x.copy_((x + safe) / 2)
