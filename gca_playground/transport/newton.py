"""When the loop is slow: Newton's method on the column potentials.

After a row step the rows are right, and the plan is a function of g alone. The columns miss their masses by

    b exp(-g / rho) - c,      c = P' 1                 (exact columns: b - c)

and the derivative of c in g / epsilon is the Schur complement ``diag(c) - kappa P' diag(1 / r) P``, which conjugate
gradients solve with two products by ``P = diag(u) K diag(v)`` an iteration, in single precision first: a direction
needs no more, and the dual says whether it helped. Where a side is exact the complement is singular along the ones,
which neither the plan nor the miss sees. Source: Brauer, Clason, Lorenz and Wirth 2017 (a Sinkhorn-Newton method).
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch

from gca_playground._shapes import Cols, Rows
from gca_playground.transport.conjugate import inner, solve_linear
from gca_playground.transport.constraint import Soft
from gca_playground.transport.kernel import DenseKernel, Factored
from gca_playground.transport.problem import Problem

_LONGEST = 3.0
"""The most a potential moves in one step, in units of epsilon."""
_HALVINGS = 12
_MOST_ITERATIONS = 200
"""Of conjugate gradients."""
_ROUNDING = {torch.float32: 1e-4, torch.float64: 0.0}
"""The relative residual below which products of this type have nothing to say."""


class Point(NamedTuple):
    """Potentials with optimal rows, the dual there, by how much, relatively, the columns miss, and the plan's sums."""

    f: Rows
    g: Cols
    dual: float
    miss: float
    row_sums: Rows
    col_sums: Cols


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
        new = _step(problem, kernel, point, tol=tol)
        if new is None:
            return point, steps
        point = new
    return point, most


def _step(problem: Problem, kernel: DenseKernel, point: Point, *, tol: float) -> Point | None:
    """A Newton step that helps, in the precision that it takes; None where there is none."""
    for dtype in dict.fromkeys((torch.float32, kernel.kept)):
        forcing = max(min(0.1, point.miss), 0.2 * tol / point.miss, _ROUNDING[dtype])
        direction = _direction(problem, point, kernel.factored(point.f, point.g, dtype), forcing=forcing)
        new = _search(problem, kernel, point, direction.clamp(-_LONGEST, _LONGEST))
        if new is not None:
            return new
    return None


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
    sums, row_sums = (g / problem.epsilon + lse_cols).exp(), (f / problem.epsilon + lse).exp()
    sides = ((problem.rows, f), (problem.cols, g))
    earned = sum(side.constraint.earned(potential, side.mass).sum() for side, potential in sides)
    miss = (sums / _asked(problem, g) - 1).abs().amax()
    dual, missed = torch.stack([earned - problem.epsilon * row_sums.sum(), miss]).tolist()
    return Point(f, g, dual, missed if math.isfinite(missed) else math.inf, row_sums, sums)


def _asked(problem: Problem, g: Cols) -> Cols:
    """The column sums that g is optimal for."""
    rho = problem.cols.price
    return problem.cols.mass if math.isinf(rho) else problem.cols.mass * torch.exp(-g / rho)


def _direction(problem: Problem, point: Point, plan: Factored, *, forcing: float) -> Cols:
    """The Newton step in units of epsilon, to the relative accuracy ``forcing``."""
    asked, price = _asked(problem, point.g), problem.cols.price
    kappa = float(problem.rows.constraint.damping(problem.epsilon))  # type: ignore[union-attr]
    diagonal = point.col_sums if math.isinf(price) else point.col_sums + asked * (problem.epsilon / price)
    blocks, dtype = plan.blocks, plan.dtype
    weights = (plan.u.square() * (kappa / point.row_sums)).to(dtype).split(blocks.sizes)
    passages = itertools.count()

    def complement(x: Cols) -> Cols:
        given, image = (plan.v * x).to(dtype), torch.zeros_like(x, dtype=dtype)
        for i, part, turned in blocks.passage(next(passages)):
            image.addmv_(turned, weights[i] * torch.mv(part, given))
        return x - plan.v * image / diagonal

    target = (asked - point.col_sums) / diagonal
    goal = inner(diagonal, target, target) * forcing**2
    return solve_linear(complement, target, metric=diagonal, goal=goal, most=_MOST_ITERATIONS)
