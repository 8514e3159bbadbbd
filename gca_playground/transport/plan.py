"""The plan: what a solver found, frozen, and everything that can be read off it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from gca_playground._boundary import as_count
from gca_playground.transport import unrolled
from gca_playground.transport.constraint import EXACT, FREE
from gca_playground.transport.derivative import LogPlan, Logs, Made, states_of
from gca_playground.transport.kernel import DenseKernel, log_plan
from gca_playground.transport.problem import Problem
from gca_playground.transport.scaling import Potentials, Scalings
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
    last: Potentials
    path: Scalings | list[HalfStep] | None = None
    warm: bool = False
    grad: str = "exact"

    @cached_property
    def states(self) -> list[HalfStep] | None:
        """The start and the half-steps from it; None at convergence."""
        return None if self.path is None else states_of(self.path)

    @property
    def made(self) -> Made:
        """How it came about: what a derivative needs to know."""
        return Made(self.problem, self.last, self.path, self.grad)

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
        return self.problem.like

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
        return self._logs[0]

    @property
    def log_v(self) -> Tensor:
        """``g / epsilon`` (..., m), differentiable in the cost."""
        return self._logs[1]

    @property
    def log_diagonal(self) -> Tensor | None:
        """``log P_ii`` (..., n) of a square plan, in the precision of the potentials; None of others."""
        return self._logs[2]

    @cached_property
    def log(self) -> Tensor:
        """``log P`` (..., n, m); -inf where a pair is forbidden. Differentiable in the cost."""
        return LogPlan.apply(self.log_u, self.log_v, self.cost, self.problem.temperature, self.made)

    @cached_property
    def _logs(self) -> tuple[Tensor, Tensor, Tensor | None]:
        problem = self.problem
        if self.grad != "autograd":
            return Logs.apply(self.made, problem.temperature, *problem.source.inputs)
        log_u, log_v = unrolled.log_scalings(problem, self.states, self.steps)
        if problem.shape[-1] != problem.shape[-2]:
            return log_u, log_v, None
        return log_u, log_v, log_u + log_v - problem.source.diagonal() / self.temperature

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
    def fixed_mass(self) -> Tensor | float | None:
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
                return side.total
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
