"""Alternate two projections: the one loop, and its stop rule.

Start at f = g = 0, rows first. A step here is a HALF-step: after an odd number the rows are right, after an even
number the columns. A free side's step changes nothing and still counts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from gca_playground._shapes import Cols, Matrix, Rows, Side
from gca_playground.transport import newton
from gca_playground.transport.constraint import Soft
from gca_playground.transport.kernel import DenseKernel, Kernel
from gca_playground.transport.marginal import Marginal
from gca_playground.transport.problem import Problem

AT_ONCE = 10
"""Half-steps between two looks at a number."""
WARM_UP = 20
"""Half-steps before Newton's method may take over."""
NEWTON_STEPS = 16
"""Newton steps between two rounds of the loop."""
PATIENCE = 15
"""Iterations that the loop may still need before it counts as slow."""


class HalfStep(NamedTuple):
    """The potentials after a half-step, and the log-sum-exp that the step was computed from."""

    f: Rows
    g: Cols
    lse: Side


class Converged(NamedTuple):
    """Where the loop stopped: potentials, half-steps taken, and whether both tolerances were met."""

    f: Rows
    g: Cols
    steps: int
    reached: bool


def half_steps(problem: Problem, kernel: Kernel, f: Rows, g: Cols) -> Iterator[HalfStep]:
    """The potentials after each half-step, rows first, for ever."""
    while True:
        lse = kernel.rows(g)
        f = problem.rows.potential(lse)
        yield HalfStep(f, g, lse)
        lse = kernel.cols(f)
        g = problem.cols.potential(lse)
        yield HalfStep(f, g, lse)


def take(problem: Problem, kernel: Kernel, f: Rows, g: Cols, steps: int) -> list[HalfStep]:
    """The start (its lse is unused) and the first ``steps`` half-steps."""
    states = [HalfStep(f, g, f)]
    while len(states) <= steps:
        count = min(AT_ONCE, steps + 1 - len(states))
        here = half_steps(problem, kernel, states[-1].f, states[-1].g)
        ahead = list(itertools.islice(here, count))
        if not kernel.trusted():
            with kernel.carefully():
                ahead = list(itertools.islice(half_steps(problem, kernel, states[-1].f, states[-1].g), count))
        states += ahead
    return states


class Iteration(NamedTuple):
    """Potentials after a row and a column step, how far they are from their limit, relatively, and where to go on."""

    f: Rows
    g: Cols
    miss: Tensor
    start: tuple[Rows, Cols]


def iterations(problem: Problem, kernel: Kernel, f: Rows, g: Cols) -> Iterator[Iteration]:
    """Full iterations, for ever; soft sides also get the mass right at once.

    The row error of an iteration comes free of charge: it is read off the log-sum-exp that the next one needs. An
    exact side's error is the move to come, so there the moves of the potentials add nothing; a soft side's is in the
    units of the cost, and only its moves, over epsilon, are not.
    """
    rows, cols = problem.rows, problem.cols
    lse = kernel.rows(g)
    while True:
        f_old, g_old = f, g
        f = rows.potential(lse)
        g = cols.potential(kernel.cols(f))
        lse = kernel.rows(g)
        change = torch.maximum(_change(rows, f, f_old), _change(cols, g, g_old)) / problem.epsilon
        miss, before = torch.maximum(change, rows.miss(f, lse).amax()), (f, g)
        shift = mass_shift(rows, cols, f, g)
        if shift is not None:
            f, g, lse = f + shift, g - shift, lse - shift / problem.epsilon
        yield Iteration(*before, miss, (f, g))


def converge(problem: Problem, kernel: Kernel, f: Rows, g: Cols, *, tol: float, max_steps: int) -> Converged:
    """Iterate until the rows (the columns were just set) and the potentials move by no more than ``tol``.

    A few iterations are taken between two looks at how far they are. Where they get on slowly Newton's method takes
    over, as long as it helps. Both the end and Newton's method ask for a kernel in double precision: in single its
    rounding is of the size of the smallest ``tol``.
    """
    steps, misses = 0, [math.inf]
    eager = kernel.method == "newton"
    wait, annealed = (AT_ONCE if eager else WARM_UP), False
    while True:
        count = min(AT_ONCE // 2, max(1, (max_steps - steps) // 2))
        ahead = _ahead(problem, kernel, f, g, count)
        found = _until(tol, torch.stack([step.miss for step in ahead]).tolist())
        misses, steps, last = misses + found, steps + 2 * len(found), ahead[len(found) - 1]
        within = misses[-1] <= tol
        if steps + 2 > max_steps or (within and not kernel.widen()):
            return Converged(last.f, last.g, steps, within)
        f, g = last.start
        if (
            isinstance(kernel, DenseKernel)
            and newton.applies(problem)
            and not within
            and steps >= wait
            and (eager or _slow(misses, tol))
        ):
            kernel.widen()
            most = min(NEWTON_STEPS, (max_steps - steps) // 2)
            point, taken = newton.ascend(problem, kernel, g, tol=tol / 2, most=most)
            f, g = point.f, point.g
            steps += 2 * taken
            if taken == NEWTON_STEPS and not annealed and _is_cold(problem):
                warmer, annealed = _from_warmer(problem, kernel.method, f, g, most=max_steps - steps), True
                f, g, steps = warmer.f, warmer.g, steps + warmer.steps
            wait = steps + (WARM_UP if taken == most else 2 * wait)


def _is_cold(problem: Problem) -> bool:
    """Whether more regularisation would make it easier: epsilon is below the spread of the costs."""
    costs = problem.cost[problem.cost.isfinite()]
    return problem.epsilon < (costs.amax() - costs.amin()).item()


def _from_warmer(problem: Problem, method: str, f: Rows, g: Cols, *, most: int) -> Converged:
    """A better start: roughly the limit at four times the regularisation (which may itself start from a warmer one)."""
    epsilon = 4 * problem.epsilon
    sides = {"rows": replace(problem.rows, epsilon=epsilon), "cols": replace(problem.cols, epsilon=epsilon)}
    warmer = replace(problem, epsilon=epsilon, **sides)  # type: ignore[arg-type]
    kernel = DenseKernel(problem.cost, epsilon, wide=problem.wide, method=method)
    return converge(warmer, kernel, f, g, tol=1e-2, max_steps=max(most, 2))


def _ahead(problem: Problem, kernel: Kernel, f: Rows, g: Cols, count: int) -> list[Iteration]:
    """The next iterations, taken again carefully where the kernel was left."""
    ahead = list(itertools.islice(iterations(problem, kernel, f, g), count))
    if kernel.trusted():
        return ahead
    with kernel.carefully():
        return list(itertools.islice(iterations(problem, kernel, f, g), count))


def _until(tol: float, misses: list[float]) -> list[float]:
    """Up to the first that is within ``tol``."""
    first = next((k for k, miss in enumerate(misses) if miss <= tol), len(misses))
    return misses[: first + 1]


def _slow(misses: list[float], tol: float) -> bool:
    """Whether the loop, at its present rate, needs many more iterations."""
    now, before = misses[-1], misses[-1 - AT_ONCE // 2]
    if not (0 < now < math.inf and before > 0):
        return True
    rate = min(now / before, 1.0) ** (2 / AT_ONCE)
    return rate >= 1 or math.log(tol / now) / math.log(rate) > PATIENCE


def mass_shift(rows: Marginal, cols: Marginal, f: Rows, g: Cols) -> Tensor | None:
    """How much to move from g to f so that the mass of the plan is optimal at once, (..., 1).

    None where the mass is fixed or a side is free or bounded. Source: Sejourne, Vialard and Peyre 2022
    (translation-invariant Sinkhorn). It is a shortcut to the limit, never a part of the K-step plan.
    """
    if not (isinstance(rows.constraint, Soft) and isinstance(cols.constraint, Soft)):
        return None
    rho_rows, rho_cols = rows.constraint.rho, cols.constraint.rho
    if 0 in (rho_rows, rho_cols) or (math.isinf(rho_rows) and math.isinf(rho_cols)):
        return None
    weight = 1 / (1 / rho_rows + 1 / rho_cols)
    return weight * (_log_dual_mass(rows, f) - _log_dual_mass(cols, g))


def _log_dual_mass(side: Marginal, potential: Side) -> Tensor:
    """``log <mass, exp(-potential / rho)>``, (..., 1); at rho = inf the log of the total mass."""
    rho = side.constraint.rho  # type: ignore[union-attr]
    exponent = side.log_mass if math.isinf(rho) else side.log_mass - potential / rho
    if side.dead is not None:
        exponent = exponent.masked_fill(side.dead, -torch.inf)
    return exponent.logsumexp(-1, keepdim=True)


def _change(side: Marginal, new: Side, old: Side) -> Tensor:
    """The largest move of a potential; elements that stay empty do not move."""
    if side.dead is None:
        return torch.linalg.vector_norm(new - old, torch.inf)
    return torch.where(new == old, 0.0, new - old).abs().amax()


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The first K half-steps as stacked tensors, state 0 being the start.

    ``f`` (K + 1, ..., n), ``g`` (K + 1, ..., m) in cost units; ``log_row_sums`` and ``log_col_sums`` likewise: the
    marginals of each plan on the way, which the half-steps give away without ever building a plan. ``row_error`` and
    ``col_error`` (K + 1,) are the errors that ``Plan`` defines, of each plan.
    """

    f: Tensor
    g: Tensor
    log_row_sums: Tensor
    log_col_sums: Tensor
    row_error: Tensor
    col_error: Tensor

    def __len__(self) -> int:
        """The number of half-steps K."""
        return len(self.f) - 1


def trajectory(problem: Problem, states: list[HalfStep]) -> Trajectory:
    """``states`` (the start and K half-steps from it) with the marginals of each plan on the way.

    The side that a step has just computed from is known from that step, the other from the next one; only the two
    ends have to look at the cost.
    """
    start, end, steps = states[0], states[-1], len(states) - 1
    lse_rows = [state.lse for state in states[1::2]]
    scores = -problem.cost.detach()
    lse_cols = [_log_col_sums(scores, start.f, problem.epsilon), *(state.lse for state in states[2::2])]
    if steps % 2 == 0:
        lse_rows.append(_log_col_sums(scores.mT, end.g, problem.epsilon))
    else:
        lse_cols.append(_log_col_sums(scores, end.f, problem.epsilon))
    f, g = torch.stack([state.f for state in states]), torch.stack([state.g for state in states])
    seen_rows = torch.stack([lse_rows[k // 2] for k in range(steps + 1)])
    seen_cols = torch.stack([lse_cols[(k + 1) // 2] for k in range(steps + 1)])
    return Trajectory(
        f,
        g,
        f / problem.epsilon + seen_rows,
        g / problem.epsilon + seen_cols,
        problem.rows.error(f, seen_rows).flatten(1).amax(1),
        problem.cols.error(g, seen_cols).flatten(1).amax(1),
    )


def _log_col_sums(scores: Matrix, f: Rows, epsilon: float) -> Cols:
    """``log sum_i exp((f_i + s_ij) / epsilon)``."""
    return ((f[..., :, None] + scores) / epsilon).logsumexp(-2)
