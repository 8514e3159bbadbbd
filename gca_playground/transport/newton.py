"""When the loop is slow: Newton's method on the column potentials.

After a row step the rows are right, and the plan is a function of g alone. The columns miss their masses by

    b exp(-g / rho) - c,      c = P' 1                 (exact columns: b - c)

and the derivative of c in g / epsilon is the Schur complement ``diag(c) - kappa P' diag(1 / r) P``, which conjugate
gradients solve with two products by P an iteration. Where a side is exact the complement is singular along the ones,
which neither the plan nor the miss sees. Source: Brauer, Clason, Lorenz and Wirth 2017 (a Sinkhorn-Newton method).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from gca_playground._shapes import Cols, Matrix, Rows
from gca_playground.transport.blocks import KeptBlocks
from gca_playground.transport.constraint import Soft
from gca_playground.transport.kernel import DenseKernel
from gca_playground.transport.problem import Problem

_LONGEST = 3.0
"""The most a potential moves in one step, in units of epsilon."""
_HALVINGS = 12
_MOST_ITERATIONS = 200
_LOOK_EVERY = 5
"""Iterations of conjugate gradients between two looks at the residual."""


class Point(NamedTuple):
    """Potentials with optimal rows, the value of the dual there, and by how much, relatively, the columns miss."""

    f: Rows
    g: Cols
    dual: float
    miss: float


def applies(problem: Problem) -> bool:
    """One problem with a kernel that is kept, whose sides both have a price, finite or not: both potentials move."""
    if problem.source.streamed or len(problem.shape) > 2:
        return False
    sides = (problem.rows, problem.cols)
    alive = all(side.dead is None for side in sides)
    return alive and all(isinstance(side.constraint, Soft) and side.constraint.rho > 0 for side in sides)


def ascend(problem: Problem, kernel: DenseKernel, g: Cols, *, tol: float, most: int) -> tuple[Point, int]:
    """Newton steps from g, each shortened until the dual rises, until the columns miss by no more than ``tol``.

    Returns the last point and the number of steps that helped.
    """
    point = _at(problem, kernel, g)
    for steps in range(most):
        if point.miss <= tol:
            return point, steps
        plan = kernel.centre(point.f, point.g)
        direction = _direction(problem, point, plan).clamp(-_LONGEST, _LONGEST)
        new = _search(problem, kernel, point, direction)
        if new is None:
            return point, steps
        point = new
    return point, most


def _search(problem: Problem, kernel: DenseKernel, point: Point, direction: Cols) -> Point | None:
    """The first of a full step, half of it, ... that helps: a higher dual, or where that drowns a smaller miss."""
    for halvings in range(_HALVINGS):
        new = _at(problem, kernel, point.g + direction * (problem.epsilon / 2**halvings))
        rise, rounding = new.dual - point.dual, 1e-13 * abs(point.dual)
        if rise > rounding or (rise >= -rounding and new.miss < point.miss):
            return new
    return None


def _at(problem: Problem, kernel: DenseKernel, g: Cols) -> Point:
    """The point with a row step taken from g."""
    lse = kernel.rows(g)
    if not kernel.trusted():
        lse = kernel.exact_rows(g)
    f = problem.rows.potential(lse)
    lse_cols = kernel.cols(f)
    if not kernel.trusted():
        lse_cols = kernel.exact_cols(f)
    sums, mass = (g / problem.epsilon + lse_cols).exp(), (f / problem.epsilon + lse).exp().sum()
    sides = ((problem.rows, f), (problem.cols, g))
    earned = sum(side.constraint.earned(potential, side.mass).sum() for side, potential in sides)
    miss = (sums / _asked(problem, g) - 1).abs().amax()
    dual, missed = torch.stack([earned - problem.epsilon * mass, miss]).tolist()
    return Point(f, g, dual, missed if math.isfinite(missed) else math.inf)


def _asked(problem: Problem, g: Cols) -> Cols:
    """The column sums that g is optimal for."""
    rho = problem.cols.price
    return problem.cols.mass if math.isinf(rho) else problem.cols.mass * torch.exp(-g / rho)


def _direction(problem: Problem, point: Point, plan: Matrix) -> Cols:
    """The Newton step in units of epsilon, to a relative accuracy of min(0.1, miss)."""
    asked, wide = _asked(problem, point.g), problem.wide
    sums, row_sums = plan.sum(-2, dtype=wide), plan.sum(-1, dtype=wide)
    kappa = float(problem.rows.constraint.damping(problem.epsilon))  # type: ignore[union-attr]
    price = problem.cols.price
    diagonal = sums if math.isinf(price) else sums + asked * (problem.epsilon / price)
    weight = kappa / row_sums

    parts = KeptBlocks(plan)  # each part serves both products while it is in the cache
    weights = weight.to(plan.dtype).split(parts.sizes)

    def complement(x: Cols) -> Cols:
        given, image = x.to(plan.dtype), torch.zeros_like(x, dtype=plan.dtype)
        for i, part, turned in parts.passage(0):
            image.addmv_(turned, weights[i] * torch.mv(part, given))
        return diagonal * x - image.to(wide)

    return _solve(complement, asked - sums, diagonal, forcing=min(0.1, point.miss))


def _solve(operator: object, target: Cols, diagonal: Cols, *, forcing: float) -> Cols:
    """Jacobi-preconditioned conjugate gradients."""
    x, residual = torch.zeros_like(target), target
    direction = scaled = residual / diagonal
    size = (residual * scaled).sum(-1, keepdim=True)
    goal = size * forcing**2
    for k in range(1, _MOST_ITERATIONS + 1):
        image = operator(direction)  # type: ignore[operator]
        stride = size / (direction * image).sum(-1, keepdim=True).clamp(min=1e-300)
        x, residual = x + stride * direction, residual - stride * image
        scaled = residual / diagonal
        new_size = (residual * scaled).sum(-1, keepdim=True)
        direction, size = scaled + (new_size / size.clamp(min=1e-300)) * direction, new_size
        if k % _LOOK_EVERY == 0 and bool((size <= goal).all()):
            break
    return x
