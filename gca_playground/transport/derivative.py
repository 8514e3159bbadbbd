"""How what a plan gives depends on the cost and on epsilon: one node of autograd each.

The potentials (``LogScalings``) pass their gradient back through the making of the plan; what is read off them on a
diagonal (``LogDiagonal``) or everywhere (``LogPlan``) adds what the cost does directly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from gca_playground._shapes import Cols, Matrix, Rows
from gca_playground.transport import adjoint, stream
from gca_playground.transport.adjoint import Slopes
from gca_playground.transport.kernel import log_plan
from gca_playground.transport.problem import Problem
from gca_playground.transport.scaling import Potentials, Scalings
from gca_playground.transport.sinkhorn import HalfStep
from gca_playground.transport.source import rolled
from gca_playground.transport.way_back import back


class Made(NamedTuple):
    """How a plan came about. A node keeps this and not the plan, whose cached results keep the node in turn.

    ``path`` as in ``Plan``; ``grad`` as in ``solve``.
    """

    problem: Problem
    last: Potentials
    path: Scalings | list[HalfStep] | None
    grad: str

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


class LogScalings(torch.autograd.Function):
    """log u and log v as functions of the cost; their derivative is the adjoint of how the plan was made."""

    @staticmethod
    def forward(ctx: Any, made: Made, temperature: Tensor | None, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """``f / epsilon`` and ``g / epsilon``."""
        ctx.made = made
        last, epsilon = made.last, made.problem.epsilon
        if isinstance(last, Scalings):
            return last.log_u.view_as(last.log_u), last.log_v.view_as(last.log_v)  # a cached result bears no node
        return last.f / epsilon, last.g / epsilon

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, fbar: Tensor, gbar: Tensor) -> tuple[Tensor | None, ...]:
        """By the adjoint that belongs to the making."""
        slopes = ctx.made.slopes(fbar, gbar)
        return None, _as_temperature(slopes.epsilon, ctx.made.problem), *slopes.inputs


class LogDiagonal(torch.autograd.Function):
    """``log u_i + log v_j - C_ij / epsilon`` at j = i + shift, counted round the end."""

    @staticmethod
    def forward(
        ctx: Any, log_u: Tensor, log_v: Tensor, problem: Problem, shift: int, temperature: Any, *inputs: Tensor
    ) -> Tensor:
        """(..., n), in the precision of the potentials."""
        own = problem.source.diagonal(shift) / problem.epsilon
        ctx.problem, ctx.shift, ctx.own = problem, shift, None if temperature is None else own
        return log_u + rolled(log_v, -shift) - own

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, bar: Tensor) -> tuple[Any, ...]:
        """To the potentials, and to the cost of the pairs."""
        problem, shift = ctx.problem, ctx.shift
        slope = None if ctx.own is None else (bar * ctx.own).sum() / problem.epsilon
        to_inputs = problem.source.from_diagonal(shift, (bar / -problem.epsilon).to(problem.dtype))
        return bar, rolled(bar, shift), None, None, _as_temperature(slope, problem), *to_inputs


class LogPlan(torch.autograd.Function):
    """``log u_i + log v_j - C_ij / epsilon``, computed in the precision of the potentials, kept in that of the cost."""

    @staticmethod
    def forward(ctx: Any, log_u: Tensor, log_v: Tensor, cost: Tensor, temperature: Tensor | None, made: Made) -> Tensor:
        """(..., n, m)."""
        ctx.made = made
        return log_plan(made.last.f, made.last.g, cost, made.problem.epsilon).to(cost.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Matrix) -> tuple[Tensor, Tensor, Tensor, Tensor | None, None]:
        """To the potentials, and to the whole cost."""
        problem = ctx.made.problem
        cost, eps, wide = problem.cost.detach(), problem.epsilon, problem.wide
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
