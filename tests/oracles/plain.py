"""The half-steps written down plainly: log-sum-exp under autograd, one line a formula, no kernel, no adjoint.

Slow and tape-heavy on purpose. A constraint is read as data only: its rho, or its two bounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from gca_playground import Bounded, Soft

Constraint = Soft | Bounded


class Sides(NamedTuple):
    """Two constraints and two masses."""

    rows: Constraint
    cols: Constraint
    a: Tensor
    b: Tensor


def unit_masses(cost: Tensor) -> tuple[Tensor, Tensor]:
    n, m = cost.shape[-2:]
    a = torch.ones(*cost.shape[:-2], n, dtype=torch.float64)
    return a, torch.full((*cost.shape[:-2], m), n / m, dtype=torch.float64)


def project(lse: Tensor, mass: Tensor, constraint: Constraint, epsilon: float) -> Tensor:
    """The potential of one side from the log-sum-exp of its rows."""
    log_mass = mass.log()
    if isinstance(constraint, Bounded):
        lo, hi = (constraint.lo * mass).log(), (constraint.hi * mass).log()
        potential = epsilon * (torch.maximum(torch.minimum(lse, hi), lo) - lse)
    elif constraint.rho == 0:
        return torch.zeros_like(lse)
    elif math.isinf(constraint.rho):
        potential = epsilon * (log_mass - lse)
    else:
        potential = constraint.rho * epsilon / (constraint.rho + epsilon) * (log_mass - lse)
    return torch.where(mass == 0, -torch.inf, potential)


def potentials(
    cost: Tensor,
    epsilon: float,
    sides: Sides,
    *,
    start: tuple[Tensor, Tensor] | None = None,
    columns_first: bool = False,
) -> Iterator[tuple[Tensor, Tensor]]:
    """(f, g) at the start and after each half-step, for ever."""
    f, g = (torch.zeros_like(sides.a), torch.zeros_like(sides.b)) if start is None else start
    rows_turn = not columns_first
    while True:
        yield f, g
        if rows_turn:
            f = project(((g[..., None, :] - cost) / epsilon).logsumexp(-1), sides.a, sides.rows, epsilon)
        else:
            g = project(((f[..., :, None] - cost) / epsilon).logsumexp(-2), sides.b, sides.cols, epsilon)
        rows_turn = not rows_turn


def log_plan(cost: Tensor, epsilon: float, sides: Sides, steps: int, **start: object) -> Tensor:
    """log P after ``steps`` half-steps, with its tape."""
    walk = potentials(cost, epsilon, sides, **start)  # type: ignore[arg-type]
    f, g = next(pair for k, pair in enumerate(walk) if k == steps)
    return (f[..., :, None] + g[..., None, :] - cost) / epsilon


def log_plans(cost: Tensor, epsilon: float, sides: Sides, steps: int) -> list[Tensor]:
    """log P after 0, 1, ..., ``steps`` half-steps."""
    walk = potentials(cost, epsilon, sides)
    pairs = [next(walk) for _ in range(steps + 1)]
    return [(f[..., :, None] + g[..., None, :] - cost) / epsilon for f, g in pairs]


def kl(target: Tensor, plan: Tensor) -> Tensor:
    """The generalised divergence of two matrices, not divided by anything."""
    return (torch.xlogy(target, target) - torch.xlogy(target, plan) - target + plan).sum((-2, -1))


def objective(plan: Tensor, cost: Tensor, epsilon: float, sides: Sides, reference: str = "counting") -> Tensor:
    """What the plan minimises, straight from the sentence; exact and bounded sides charge nothing."""
    entropy = (plan * (plan.log() - 1)).sum((-2, -1))
    if reference == "product":
        entropy = kl(plan, sides.a[..., :, None] * sides.b[..., None, :])
    value = (cost * plan).sum((-2, -1)) + epsilon * entropy
    for constraint, mass, dim in ((sides.rows, sides.a, -1), (sides.cols, sides.b, -2)):
        if isinstance(constraint, Soft) and 0 < constraint.rho < math.inf:
            marginal = plan.sum(dim)
            value = value + constraint.rho * (marginal * (marginal / mass).log() - marginal + mass).sum(-1)
    return value
