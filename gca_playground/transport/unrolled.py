"""The same plan with a tape through every half-step: the oracle of the exact gradient, and its price.

Plain log-sum-exp half-steps in torch, differentiated by autograd. Memory grows with the number of half-steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gca_playground._shapes import Cols, Matrix, Rows
from gca_playground.transport.marginal import Marginal
from gca_playground.transport.problem import Problem
from gca_playground.transport.sinkhorn import HalfStep

TOLERANCE = 1e-13
"""Of the gradient of a limit: as many half-steps are unrolled as the plain loop needs to stand still."""
MOST_STEPS = 20_000


def log_scalings(problem: Problem, states: list[HalfStep] | None, steps: int) -> tuple[Rows, Cols]:
    """log u and log v after ``steps`` half-steps from ``states[0]``; after enough of them where there are no states."""
    if problem.total is not None:
        return _of_total_mass(problem)
    scores, epsilon = _scores(problem), _epsilon(problem)
    f, g = (states[0].f, states[0].g) if states else problem.start()
    if states is None:
        with torch.no_grad():
            steps = _steps_to_the_limit(problem, scores.detach(), f, g)
    for k in range(steps):
        f, g = _half_step(problem, scores, epsilon, f, g, k)
    return f / epsilon, g / epsilon


def _half_step(
    problem: Problem, scores: Matrix, epsilon: Tensor | float, f: Rows, g: Cols, k: int
) -> tuple[Rows, Cols]:
    if k % 2 == 0:
        return _potential(problem.rows, (scores + (g / epsilon)[..., None, :]).logsumexp(-1), epsilon), g
    return f, _potential(problem.cols, (scores + (f / epsilon)[..., :, None]).logsumexp(-2), epsilon)


def _potential(side: Marginal, lse: Tensor, epsilon: Tensor | float) -> Tensor:
    potential = side.constraint.potential(lse, side.log_mass, epsilon)
    return potential if side.dead is None else potential.masked_fill(side.dead, -torch.inf)


def _steps_to_the_limit(problem: Problem, scores: Matrix, f: Rows, g: Cols) -> int:
    for steps in range(0, MOST_STEPS, 2):
        f_old, g_old = f, g
        for k in (0, 1):
            f, g = _half_step(problem, scores, problem.epsilon, f, g, k)
        moved = torch.maximum((f - f_old).nan_to_num(0.0).abs().amax(), (g - g_old).nan_to_num(0.0).abs().amax())
        if moved <= TOLERANCE * problem.epsilon:
            return steps + 2
    return MOST_STEPS


def _of_total_mass(problem: Problem) -> tuple[Rows, Cols]:
    level = torch.log(problem.total) - _scores(problem).logsumexp((-2, -1))  # type: ignore[arg-type]
    return level[..., None].expand_as(problem.rows.mass), torch.zeros_like(problem.cols.mass)


def _scores(problem: Problem) -> Matrix:
    """``- C / epsilon`` in the precision of the potentials, on the tape; -inf where a pair is forbidden."""
    forbidden = problem.cost.isposinf()
    cost = problem.cost.masked_fill(forbidden, 0.0).to(problem.wide)
    return (-cost / _epsilon(problem)).masked_fill(forbidden, -torch.inf)


def _epsilon(problem: Problem) -> Tensor | float:
    return problem.epsilon if problem.temperature is None else problem.temperature.to(problem.wide)
