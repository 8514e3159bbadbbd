"""Without the matrix: log-sum-exp half-steps and gradients that make every block of the cost anew.

For problems whose kernel does not fit, or leaves the range of the fast path. Nothing n x m is kept; a block of rows is
made, used and forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gca_playground._shapes import Cols, Matrix, Rows
from gca_playground.transport.adjoint import Slopes
from gca_playground.transport.kernel import Kernel
from gca_playground.transport.once import once
from gca_playground.transport.problem import Problem
from gca_playground.transport.sinkhorn import HalfStep
from gca_playground.transport.source import Source


class StreamedKernel(Kernel):
    """What ``DenseKernel`` answers, by a log-sum-exp over blocks at every half-step; it can always be trusted."""

    method = "log"

    def __init__(self, source: Source, epsilon: float, *, wide: torch.dtype) -> None:
        self.source, self.epsilon, self.wide = source, epsilon, wide

    def rows(self, g: Cols) -> Rows:
        """``log sum_j exp((g_j - C_ij) / epsilon)``, (..., n)."""
        return torch.cat([part.logsumexp(-1) for part in self._exponents(g)], -1)

    def cols(self, f: Rows) -> Cols:
        """``log sum_i exp((f_i - C_ij) / epsilon)``, (..., m)."""
        sums = f.new_full((*f.shape[:-1], self.source.shape[-1]), -torch.inf)
        for rows, cost in self.source.cost_blocks():
            sums = torch.logaddexp(sums, ((f[..., rows, None] - cost) / self.epsilon).logsumexp(-2))
        return sums

    def _exponents(self, g: Cols) -> Iterator[Matrix]:
        for _, cost in self.source.cost_blocks():
            yield (g[..., None, :] - cost) / self.epsilon


def plan_blocks(problem: Problem, f: Rows, g: Cols) -> Iterator[tuple[slice, Matrix]]:
    """Rows and their part of ``exp((f_i + g_j - C_ij) / epsilon)``, in the precision of the potentials."""
    for rows, cost in problem.source.cost_blocks():
        yield rows, ((f[..., rows, None] - cost) + g[..., None, :]).div_(problem.epsilon).exp_()


def through_steps(fbar: Rows, gbar: Cols, problem: Problem, states: list[HalfStep]) -> Slopes:
    """``adjoint.through_steps``: the potentials' way back first, then one passage that gathers dL/dC."""
    eps, damping = problem.epsilon, torch.zeros((), dtype=problem.wide, device=fbar.device)
    spreads: list[tuple[Tensor, Tensor, Tensor, bool]] = []
    for k in range(len(states) - 1, 0, -1):
        before, step = states[k - 1], states[k]
        if k % 2 == 1:
            damping = damping + (fbar * problem.rows.drift(step.lse)).sum()
            x = problem.rows.slope(step.lse) * fbar
            spreads.append((x, -eps * step.lse, before.g, True))
            blocks = plan_blocks(problem, -eps * step.lse, before.g)
            gbar = gbar - sum((part.mT @ x[rows] for rows, part in blocks), torch.zeros_like(gbar))
            fbar = torch.zeros_like(fbar)
        else:
            damping = damping + (gbar * problem.cols.drift(step.lse)).sum()
            y = problem.cols.slope(step.lse) * gbar
            spreads.append((y, before.f, -eps * step.lse, False))
            blocks = plan_blocks(problem, before.f, -eps * step.lse)
            fbar = fbar - torch.cat([part @ y for _, part in blocks])
            gbar = torch.zeros_like(gbar)
    start = (fbar * states[0].f).sum() + (gbar * states[0].g).sum()
    pull = problem.source.pulling(inner=True)
    for rows, cost in problem.source.cost_blocks():
        slope = torch.zeros_like(cost, dtype=problem.wide)
        for weight, f, g, of_rows in spreads:
            part = ((f[rows, None] - cost) + g[None, :]).div_(eps).exp_()
            slope += part * (weight[rows, None] if of_rows else weight[None, :])
        pull.room(rows).copy_(slope / eps)
        pull.take(rows)
    return Slopes(pull.result(), damping - start / eps**2 - pull.inner() / eps)


def of_total_mass(fbar: Rows, problem: Problem, last: HalfStep) -> Slopes:
    """``adjoint.of_total_mass``, by blocks."""
    pull, share = problem.source.pulling(inner=True), fbar.sum(-1) / problem.total / problem.epsilon  # type: ignore[operator]
    for rows, part in plan_blocks(problem, last.f, last.g):
        pull.room(rows).copy_(part * share)
        pull.take(rows)
    return Slopes(pull.result(), -pull.inner() / problem.epsilon)


class KernelSums(torch.autograd.Function):
    """``log sum_j exp(log v_j - C_ij / epsilon)`` for each row, and its gradient, by blocks."""

    @staticmethod
    def forward(ctx, problem: Problem, g: Cols, temperature, log_v: Cols, *inputs: Tensor) -> Rows:  # type: ignore[no-untyped-def]
        """The sums (..., n), in the precision of the potentials."""
        ctx.problem, ctx.g, ctx.given = problem, g, (temperature, log_v, *inputs)
        ctx.sums = StreamedKernel(problem.source, problem.epsilon, wide=problem.wide).rows(g)
        return ctx.sums

    @staticmethod
    @once
    def backward(ctx, bar: Rows):  # type: ignore[no-untyped-def]
        """To log v, to the inputs of the source, and to epsilon."""
        problem, eps = ctx.problem, ctx.problem.epsilon
        pull, to_log_v = problem.source.pulling(inner=True), torch.zeros_like(ctx.g)
        for rows, share in plan_blocks(problem, -eps * ctx.sums, ctx.g):
            part = share.mul_(bar[..., rows, None])
            to_log_v += part.sum(-2)
            pull.room(rows).copy_(part.div_(-eps))
            pull.take(rows)
        slope = None
        if problem.temperature is not None:
            slope = (-pull.inner() / eps).to(problem.temperature).reshape(problem.temperature.shape)
        return None, None, slope, to_log_v, *pull.result()
