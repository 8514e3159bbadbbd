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
from gca_playground.transport import adjoint
from gca_playground.transport.kernel import DenseKernel, log_plan
from gca_playground.transport.problem import Problem
from gca_playground.transport.sinkhorn import HalfStep, Trajectory, take, trajectory

KEPT_STEPS = 50
"""How many half-steps ``Plan.at`` reaches."""


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """``P = exp((f_i + g_j - C_ij) / epsilon)``, the coupling that ``solve`` found.

    ``matrix`` and ``log`` are differentiable in the cost; the potentials are detached. ``states`` holds the start and
    the half-steps from it when the plan is the result of exactly these, None at convergence. Leading batch dimensions
    of the cost are leading dimensions of everything here.
    """

    problem: Problem
    steps: int
    converged: bool
    last: HalfStep
    states: list[HalfStep] | None = None
    warm: bool = False

    @property
    def epsilon(self) -> float:
        """The entropic regularisation, in cost units."""
        return self.problem.epsilon

    @property
    def cost(self) -> Tensor:
        """The effective cost (..., n, m): the reference included, inf where a pair can hold no mass."""
        return self.problem.cost

    @property
    def f(self) -> Tensor:
        """The potentials of the rows (..., n), in cost units, detached."""
        return self.last.f.to(self.cost.dtype)

    @property
    def g(self) -> Tensor:
        """The potentials of the columns (..., m), in cost units, detached."""
        return self.last.g.to(self.cost.dtype)

    @cached_property
    def log(self) -> Tensor:
        """``log P`` (..., n, m); -inf where a pair is forbidden. Differentiable in the cost."""
        return _LogPlan.apply(self.cost, self)

    @cached_property
    def matrix(self) -> Tensor:
        """P (..., n, m), in the units of the masses. Differentiable in the cost."""
        return self.log.exp()

    def rows(self, start: int, stop: int) -> Tensor:
        """Rows ``start .. stop - 1`` of P, (..., stop - start, m), without building the others."""
        n = self.cost.shape[-2]
        start, stop = as_count(start, name="start", least=0), as_count(stop, name="stop", least=0)
        if not 0 <= start <= stop <= n:
            raise ValueError(f"rows must satisfy 0 <= start <= stop <= n = {n}, got {start} and {stop}")
        cost = self.cost.detach()[..., start:stop, :]
        block = log_plan(self.last.f[..., start:stop], self.last.g, cost, self.epsilon)
        return block.exp_().to(self.cost.dtype)

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
        return self.problem.rows.mass.to(self.cost.dtype)

    @property
    def col_mass(self) -> Tensor:
        """The mass b (..., m) that each column is asked to have."""
        return self.problem.cols.mass.to(self.cost.dtype)

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
        problem = dataclasses.replace(self.problem, cost=self.cost.detach())
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
        return f"Plan({tuple(self.cost.shape)}, epsilon={self.epsilon:g}, {sides}, {how} half-steps, {errors})"

    def _error(self, side: Any, potential: Tensor, dim: int) -> float:
        if self.problem.total is not None:
            return (self.mass.detach() / self.problem.total - 1).abs().max().item()
        log_sums = self.log.detach().to(self.problem.wide).logsumexp(dim)
        finite = torch.where(potential.isfinite(), potential, 0.0)
        return side.error(potential, log_sums - finite / self.epsilon).max().item()


class _LogPlan(torch.autograd.Function):
    """log P as a function of the cost; its derivative is the adjoint of how the plan was made."""

    @staticmethod
    def forward(ctx: Any, cost: Tensor, plan: Plan) -> Tensor:
        log = log_plan(plan.last.f, plan.last.g, cost, plan.epsilon).to(cost.dtype)
        ctx.plan = plan
        ctx.save_for_backward(log)
        return log

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_log: Matrix) -> tuple[Matrix, None]:
        (log,) = ctx.saved_tensors
        plan = ctx.plan
        # log P is -inf where a pair is forbidden, whatever the cost there.
        grad_log = grad_log.masked_fill(log.isneginf(), 0.0)
        if plan.problem.total is not None:
            return adjoint.of_total_mass(grad_log, log, plan.problem), None
        if plan.states is None:
            return adjoint.at_convergence(grad_log, log, plan.problem, plan.last), None
        return adjoint.through_steps(grad_log, log, plan.problem, plan.states), None
