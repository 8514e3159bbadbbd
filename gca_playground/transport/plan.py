"""The plan: what a solver found, frozen, and everything that can be read off it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from gca_playground._boundary import as_count
from gca_playground._shapes import Matrix
from gca_playground.transport import adjoint, stream, unrolled
from gca_playground.transport.constraint import EXACT, FREE
from gca_playground.transport.kernel import DenseKernel, log_plan
from gca_playground.transport.problem import Problem
from gca_playground.transport.scaling import Scalings, back
from gca_playground.transport.sinkhorn import HalfStep, Trajectory, take, trajectory
from gca_playground.transport.source import MatrixSource
from gca_playground.transport.stream import KernelSums

KEPT_STEPS = 50
"""How many half-steps ``Plan.at`` reaches."""

GRADIENTS = ("exact", "implicit", "envelope", "autograd")
"""How a plan may be differentiated; see ``solve``."""


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """``P = exp((f_i + g_j - C_ij) / epsilon)``, the coupling that ``solve`` found.

    ``matrix``, ``log``, ``log_u`` and ``log_v`` are differentiable in the cost, and in epsilon where that was a tensor;
    the potentials f and g are detached. ``path`` holds the half-steps where the plan is the result of exactly these,
    None at convergence. Leading batch dimensions of the cost are leading dimensions of
    everything here.
    """

    problem: Problem
    steps: int
    converged: bool
    last: HalfStep
    path: Scalings | list[HalfStep] | None = None
    warm: bool = False
    grad: str = "exact"

    @cached_property
    def states(self) -> list[HalfStep] | None:
        """The start and the half-steps from it; None at convergence."""
        return self.path.states if isinstance(self.path, Scalings) else self.path

    @property
    def epsilon(self) -> float:
        """The entropic regularisation, in cost units."""
        return self.problem.epsilon

    @property
    def cost(self) -> Tensor:
        """The effective cost (..., n, m): the reference included, inf where a pair can hold no mass."""
        return self.problem.cost

    @property
    def like(self) -> Tensor:
        """Something of the plan's shape, type and device; the numbers do not matter, and no matrix is built."""
        return self.problem.source.like.detach().new_zeros(()).expand(self.problem.shape)

    @property
    def f(self) -> Tensor:
        """The potentials of the rows (..., n), in cost units, detached."""
        return self.last.f.to(self.problem.dtype)

    @property
    def g(self) -> Tensor:
        """The potentials of the columns (..., m), in cost units, detached."""
        return self.last.g.to(self.problem.dtype)

    @property
    def temperature(self) -> Tensor | float:
        """epsilon: the tensor that wants a gradient if there is one."""
        return self.epsilon if self.problem.temperature is None else self.problem.temperature

    @property
    def log_u(self) -> Tensor:
        """``f / epsilon`` (..., n), differentiable in the cost: the gradient goes through the half-steps."""
        return self._log_scalings[0]

    @property
    def log_v(self) -> Tensor:
        """``g / epsilon`` (..., m), differentiable in the cost."""
        return self._log_scalings[1]

    @cached_property
    def log(self) -> Tensor:
        """``log P`` (..., n, m); -inf where a pair is forbidden. Differentiable in the cost."""
        return _LogPlan.apply(self.log_u, self.log_v, self.cost, self.problem.temperature, self)

    @cached_property
    def _log_scalings(self) -> tuple[Tensor, Tensor]:
        if self.grad == "autograd":
            return unrolled.log_scalings(self.problem, self.states, self.steps)
        return _LogScalings.apply(self, self.problem.temperature, *self.problem.source.inputs)

    @cached_property
    def matrix(self) -> Tensor:
        """P (..., n, m), in the units of the masses. Differentiable in the cost."""
        return self.log.exp()

    def rows(self, start: int, stop: int) -> Tensor:
        """Rows ``start .. stop - 1`` of P, (..., stop - start, m), without building the others."""
        n = self.problem.shape[-2]
        start, stop = as_count(start, name="start", least=0), as_count(stop, name="stop", least=0)
        if not 0 <= start <= stop <= n:
            raise ValueError(f"rows must satisfy 0 <= start <= stop <= n = {n}, got {start} and {stop}")
        cost = self.problem.source.cost_rows(start, stop)
        block = log_plan(self.last.f[..., start:stop], self.last.g, cost, self.epsilon)
        return block.exp_().to(self.problem.dtype)

    @cached_property
    def row_sums(self) -> Tensor:
        """``P 1`` (..., n)."""
        return self.matrix.sum(-1)

    @cached_property
    def col_sums(self) -> Tensor:
        """``P' 1`` (..., m)."""
        return self.matrix.sum(-2)

    @property
    def row_mass(self) -> Tensor:
        """The mass a (..., n) that each row is asked to have."""
        return self.problem.rows.mass.to(self.problem.dtype)

    @property
    def col_mass(self) -> Tensor:
        """The mass b (..., m) that each column is asked to have."""
        return self.problem.cols.mass.to(self.problem.dtype)

    @cached_property
    def row_error(self) -> float:
        """How far the rows are from their own optimality, the largest over all rows.

        Exact: ``max |sum - mass| / mass``. Soft: ``max |f + rho log(sum / a)|`` in cost units. Free: 0. Bounded: the
        relative change that the projection would still make.
        """
        return self._error(self.problem.rows, self.last.f, -1)

    @cached_property
    def col_error(self) -> float:
        """How far the columns are from their own optimality, as ``row_error``."""
        return self._error(self.problem.cols, self.last.g, -2)

    @cached_property
    def mass(self) -> Tensor:
        """The total mass (...)."""
        return self.matrix.sum((-2, -1))

    @cached_property
    def fixed_mass(self) -> Tensor | None:
        """The mass (...) where an exact half-step has just set it, in the precision of the potentials; else None.

        A constant: what rounding leaves of it must not pull on anything. The envelope has no constant mass, since it
        looks at a plan whose potentials stay where they are.
        """
        if self.grad == "envelope":
            return None
        if self.problem.total is not None:
            return torch.as_tensor(self.problem.total, dtype=self.problem.wide)
        for side, is_set in ((self.problem.rows, self._rows_are_set), (self.problem.cols, self._cols_are_set)):
            if side.constraint == EXACT and is_set:
                return side.mass.sum(-1)
        return None

    @property
    def _rows_are_set(self) -> bool:
        """Whether the last step that changed anything was one of the rows."""
        return self.steps % 2 == 1 or (self.problem.cols.constraint == FREE and self.steps > 0)

    @property
    def _cols_are_set(self) -> bool:
        return self.steps % 2 == 0 and self.steps > 0

    def partner_cost(self, partner: Tensor) -> Tensor:
        """The cost of each row and its partner, ``C[i, partner_i]`` (..., n), differentiable, without the matrix."""
        return self.problem.source.partners(partner)

    @cached_property
    def log_kernel_sums(self) -> Tensor:
        """``log sum_j exp(-C_ij / epsilon) v_j`` (..., n), differentiable: what the next row step would divide by."""
        if self.grad == "autograd":
            return self.log.to(self.problem.wide).logsumexp(-1) - self.log_u
        problem = self.problem
        return KernelSums.apply(problem, self.last.g, problem.temperature, self.log_v, *problem.source.inputs)

    @cached_property
    def entropy(self) -> Tensor:
        """``- sum P log P`` (...), in nats, not normalised by the mass."""
        return torch.special.entr(self.matrix).sum((-2, -1))

    @cached_property
    def trajectory(self) -> Trajectory:
        """The plain half-steps from f = g = 0 that ``at`` shows, with the marginals of each plan on the way."""
        if self.problem.total is not None:
            raise ValueError("a plan with its total mass only has no half-steps")
        if self.states is None or self.warm:
            kernel = DenseKernel(self.cost, self.epsilon, wide=self.problem.wide)
            reach = KEPT_STEPS if self.states is None else min(self.steps, KEPT_STEPS)
            return trajectory(self.problem, take(self.problem, kernel, *self.problem.start(), reach))
        return trajectory(self.problem, self.states[: KEPT_STEPS + 1])

    def at(self, k: int) -> Plan:
        """The plan after ``k`` plain half-steps from f = g = 0, for k <= min(steps, 50).

        Raises: ValueError when k is out of reach. The result is not differentiable.
        """
        k, path = as_count(k, name="k", least=0), self.trajectory
        if k > len(path):
            raise ValueError(f"at(k) needs k <= min(steps, {KEPT_STEPS}) = {len(path)}, got {k}")
        problem = dataclasses.replace(self.problem, source=MatrixSource(self.cost.detach()), temperature=None)
        return Plan(problem, k, converged=False, last=HalfStep(path.f[k], path.g[k], path.f[k]))

    def __repr__(self) -> str:
        """Shape, temperature, constraints, steps and errors, on one line."""
        sides = (
            "total mass"
            if self.problem.total is not None
            else (f"rows={self.problem.rows.constraint!r}, cols={self.problem.cols.constraint!r}")
        )
        how = f"converged in {self.steps}" if self.converged else f"after {self.steps}"
        errors = f"row_error={self.row_error:.1e}, col_error={self.col_error:.1e}"
        return f"Plan({tuple(self.problem.shape)}, epsilon={self.epsilon:g}, {sides}, {how} half-steps, {errors})"

    def _error(self, side: Any, potential: Tensor, dim: int) -> float:
        if self.problem.total is not None:
            return (self.mass.detach() / self.problem.total - 1).abs().max().item()
        log_sums = self.log.detach().to(self.problem.wide).logsumexp(dim)
        finite = torch.where(potential.isfinite(), potential, 0.0)
        return side.error(potential, log_sums - finite / self.epsilon).max().item()


class _LogScalings(torch.autograd.Function):
    """log u and log v as functions of the cost; their derivative is the adjoint of how the plan was made."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, temperature: Tensor | None, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        # A twin without the cached results: those hold this node, and the two would never be freed.
        ctx.plan = dataclasses.replace(plan)
        return plan.last.f / plan.epsilon, plan.last.g / plan.epsilon

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, fbar: Tensor, gbar: Tensor) -> tuple[Tensor | None, ...]:
        plan, problem = ctx.plan, ctx.plan.problem
        if plan.grad == "envelope":
            start = (fbar * _finite(plan.last.f)).sum() + (gbar * _finite(plan.last.g)).sum()
            return None, _as_temperature(-start / plan.epsilon**2, plan), *(None for _ in problem.source.inputs)
        slopes = _slopes(plan, fbar, gbar)
        return None, _as_temperature(slopes.epsilon, plan), *slopes.inputs


def _slopes(plan: Plan, fbar: Tensor, gbar: Tensor) -> adjoint.Slopes:
    """What the plan's making passes back."""
    if isinstance(plan.path, Scalings) and plan.grad == "exact":
        return back(plan.path, fbar, gbar)
    # Where an element stays empty its potential is -inf, whatever the cost.
    fbar, gbar = (torch.where(x.isfinite(), bar, 0.0) for x, bar in ((plan.last.f, fbar), (plan.last.g, gbar)))
    by = stream if plan.problem.source.streamed else adjoint
    if plan.problem.total is not None:
        return by.of_total_mass(fbar, plan.problem, plan.last)
    if plan.states is None or plan.grad == "implicit":
        return adjoint.at_convergence(fbar, gbar, plan.problem, plan.last)
    return by.through_steps(fbar, gbar, plan.problem, plan.states)


class _LogPlan(torch.autograd.Function):
    """``log u_i + log v_j - C_ij / epsilon``, computed in the precision of the potentials, kept in that of the cost."""

    @staticmethod
    def forward(ctx: Any, log_u: Tensor, log_v: Tensor, cost: Tensor, temperature: Tensor | None, plan: Plan) -> Tensor:
        # A twin without the cached results: those hold this node, and the two would never be freed.
        ctx.plan = dataclasses.replace(plan)
        return log_plan(plan.last.f, plan.last.g, cost, plan.epsilon).to(cost.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Matrix) -> tuple[Tensor, Tensor, Tensor, Tensor | None, None]:
        plan = ctx.plan
        cost = plan.cost.detach()
        # log P is -inf where a pair can hold no mass, whatever the cost there.
        allowed = cost.isfinite()
        if not allowed.all():
            grad = grad.masked_fill(~allowed, 0.0)
        wide = plan.problem.wide
        slope = None
        if ctx.needs_input_grad[3]:
            seen = torch.where(allowed, grad * cost, 0.0).sum(dtype=wide)
            slope = _as_temperature(seen / plan.epsilon**2, plan)
        return grad.sum(-1, dtype=wide), grad.sum(-2, dtype=wide), -grad / plan.epsilon, slope, None


def _as_temperature(slope: Tensor, plan: Plan) -> Tensor | None:
    """A gradient in the type of the epsilon that asked for it."""
    temperature = plan.problem.temperature
    return None if temperature is None else slope.to(temperature).reshape(temperature.shape)


def _finite(x: Tensor) -> Tensor:
    return torch.where(x.isfinite(), x, 0.0)
