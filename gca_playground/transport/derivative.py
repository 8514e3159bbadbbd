"""How what a plan gives depends on the cost and on epsilon: one node of autograd each.

What the potentials give (``Logs``) passes its gradient back through the making of the plan; the whole of log P
(``LogPlan``) adds what the cost does directly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from gca_playground._shapes import Cols, Matrix, Rows
from gca_playground.transport import adjoint, stream
from gca_playground.transport.adjoint import Slopes
from gca_playground.transport.kernel import log_plan
from gca_playground.transport.once import once
from gca_playground.transport.problem import Problem
from gca_playground.transport.scaling import Potentials, Scalings
from gca_playground.transport.sinkhorn import HalfStep
from gca_playground.transport.way_back import back


class Made(NamedTuple):
    """How a plan came about. A node keeps this and not the plan, whose cached results keep the node in turn.

    ``path`` as in ``Plan``; ``grad`` as in ``solve``.
    """

    problem: Problem
    last: Potentials
    path: Scalings | list[HalfStep] | None
    grad: str

    def log_scalings(self) -> tuple[Tensor, Tensor]:
        """``f / epsilon`` and ``g / epsilon``."""
        last, epsilon = self.last, self.problem.epsilon
        if isinstance(last, Scalings):
            return last.log_scalings()
        return last.f / epsilon, last.g / epsilon

    def slopes(self, fbar: Rows, gbar: Cols) -> Slopes:
        """What dL/dlog u and dL/dlog v are to the inputs and to epsilon."""
        problem, last = self.problem, self.last
        if isinstance(self.path, Scalings) and self.grad == "exact":
            return back(self.path, fbar, gbar)
        if self.grad == "envelope":
            start = (fbar * _finite(last.f)).sum() + (gbar * _finite(last.g)).sum()
            return Slopes(tuple(None for _ in problem.source.inputs), -start / problem.epsilon**2)
        # Where an element stays empty its potential is -inf, whatever the cost.
        fbar, gbar = (torch.where(x.isfinite(), bar, 0.0) for x, bar in ((last.f, fbar), (last.g, gbar)))
        by = stream if problem.source.streamed else adjoint
        if problem.total is not None:
            return by.of_total_mass(fbar, problem, last)
        if self.path is None or self.grad == "implicit":
            return adjoint.at_convergence(fbar, gbar, problem, last)
        return by.through_steps(fbar, gbar, problem, states_of(self.path))


def states_of(path: Scalings | list[HalfStep]) -> list[HalfStep]:
    """The start and the half-steps from it."""
    return path.states if isinstance(path, Scalings) else path


class Logs(torch.autograd.Function):
    """log u, log v and, of a square plan, the diagonal of log P, as functions of the cost.

    Their derivative is the adjoint of how the plan was made, and what the diagonal of the cost does directly.
    """

    @staticmethod
    def forward(ctx: Any, made: Made, temperature: Any, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """(..., n), (..., m) and (..., n), in the precision of the potentials."""
        ctx.set_materialize_grads(False)
        problem, (log_u, log_v) = made.problem, made.log_scalings()
        ctx.made, ctx.own, ctx.given = made, None, (temperature, *inputs)
        if problem.shape[-1] != problem.shape[-2]:
            return log_u, log_v, None
        ctx.own = problem.source.diagonal()
        return log_u, log_v, log_u + log_v - ctx.own / problem.epsilon

    @staticmethod
    @once
    def backward(ctx: Any, fbar: Any, gbar: Any, bar: Tensor | None) -> tuple[Tensor | None, ...]:
        """By the adjoint that belongs to the making."""
        problem = ctx.made.problem
        slopes = ctx.made.slopes(_sum(fbar, bar, problem.rows.mass), _sum(gbar, bar, problem.cols.mass))
        if bar is not None:
            slopes = _with_diagonal(slopes, problem, bar, ctx.own)
        return None, _as_temperature(slopes.epsilon, problem), *slopes.inputs


def _sum(x: Tensor | None, y: Tensor | None, like: Tensor) -> Tensor:
    """``x + y``, where None is 0."""
    if x is None:
        return torch.zeros_like(like) if y is None else y
    return x if y is None else x + y


def _with_diagonal(slopes: Slopes, problem: Problem, bar: Tensor, own: Tensor) -> Slopes:
    """What the diagonal of ``- C / epsilon``, worth ``bar``, adds to the slopes; C is ``own`` there."""
    pairs = zip(problem.source.inputs, slopes.inputs, strict=True)
    inputs = [torch.zeros_like(x) if slope is None else slope for x, slope in pairs]
    problem.source.add_diagonal(inputs, (bar / -problem.epsilon).to(problem.dtype))
    if problem.temperature is None:
        return Slopes(tuple(inputs), None)
    return Slopes(tuple(inputs), slopes.epsilon + (bar * own).sum() / problem.epsilon**2)  # type: ignore[operator]


class LogPlan(torch.autograd.Function):
    """``log u_i + log v_j - C_ij / epsilon``, computed in the precision of the potentials, kept in that of the cost."""

    @staticmethod
    def forward(ctx: Any, log_u: Tensor, log_v: Tensor, cost: Tensor, temperature: Tensor | None, made: Made) -> Tensor:
        """(..., n, m)."""
        ctx.made, ctx.cost = made, cost
        return log_plan(made.last.f, made.last.g, cost, made.problem.epsilon).to(cost.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Matrix) -> tuple[Tensor, Tensor, Tensor, Tensor | None, None]:
        """To the potentials, and to the whole cost. Can be differentiated again."""
        problem, cost = ctx.made.problem, ctx.cost
        eps, wide = problem.epsilon, problem.wide
        if torch.is_grad_enabled() and problem.temperature is not None:
            eps = problem.temperature
        # log P is -inf where a pair can hold no mass, whatever the cost there.
        allowed = cost.isfinite()
        if not allowed.all():
            grad = grad.masked_fill(~allowed, 0.0)
        slope = None
        if ctx.needs_input_grad[3]:
            slope = torch.where(allowed, grad * cost, 0.0).sum(dtype=wide) / eps**2
        to_log_u, to_log_v = grad.sum(-1, dtype=wide), grad.sum(-2, dtype=wide)
        return to_log_u, to_log_v, -grad / eps, _as_temperature(slope, problem), None


def _as_temperature(slope: Tensor | None, problem: Problem) -> Tensor | None:
    """A gradient in the type of the epsilon that asked for it."""
    temperature = problem.temperature
    return None if temperature is None else slope.to(temperature).reshape(temperature.shape)  # type: ignore[union-attr]


def _finite(x: Tensor) -> Tensor:
    return torch.where(x.isfinite(), x, 0.0)
