"""The exact gradient of a plan's potentials, without a tape.

After K half-steps (``through_steps``): a half-step spreads what it is given with weights that sum to one,

    row step   d log u_i = - kappa_i sum_j W_ij (d log v_j - dC_ij / epsilon),    W = the normalised rows of the kernel

and W is the last plan rescaled from both sides. So the backward pass needs only the potentials of the half-steps: one
matrix-vector product a step, and one product of rank K at the end.

At convergence (``at_convergence``): the optimality conditions are linear in small changes, and one conjugate-gradient
solve of their Schur complement replaces all steps (a factorisation where that is too close to singular).

Both take dL/dlog u and dL/dlog v, where log u = f / epsilon and log v = g / epsilon, and give dL/dC and dL/depsilon.
Derived for this project; checked against autograd through the unrolled loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gca_playground._shapes import Cols, Cost, Matrix, Rows, Side
from gca_playground.transport.conjugate import inner, solve_linear
from gca_playground.transport.kernel import log_plan
from gca_playground.transport.problem import Problem
from gca_playground.transport.scaling import Potentials
from gca_playground.transport.sinkhorn import HalfStep

_RANGE = {torch.float32: 40.0, torch.float64: 400.0}
"""Log units by which the last plan may be rescaled before entries it lost to underflow could count."""
_MOST_ITERATIONS = 300
"""Of conjugate gradients; a system that needs more is factorised."""


class Slopes(NamedTuple):
    """dL/d inputs of the source, and dL/depsilon as a tensor of one number; None is 0, or what nobody asked for."""

    inputs: tuple[Tensor | None, ...]
    epsilon: Tensor | None


def _slopes(problem: Problem, slope: Matrix, damping: Tensor | float) -> Slopes:
    """From dL/dC. Potentials in log units know C and epsilon as C / epsilon, and epsilon through the dampings."""
    pull, rows = problem.source.pulling(inner=True), slice(0, slope.shape[-2])
    pull.room(rows).copy_(slope)
    pull.take(rows)
    return Slopes(pull.result(), damping - pull.inner() / problem.epsilon)


def through_steps(fbar: Rows, gbar: Cols, problem: Problem, states: list[HalfStep]) -> Slopes:
    """What the half-steps ``states[1:]`` that started at ``states[0]`` pass back.

    Given: dL/dlog u (..., n) and dL/dlog v (..., m) after the last state.
    """
    eps, last = problem.epsilon, states[-1]
    log = log_plan(last.f, last.g, problem.cost.detach(), eps).to(problem.dtype)
    # A row step starts from the g before it, a column step from the f.
    row_steps = [(step.lse, before.g) for before, step in zip(states[0::2], states[1::2], strict=False)]
    col_steps = [(step.lse, before.f) for before, step in zip(states[1::2], states[2::2], strict=False)]
    by_rows = _Spreads(log, problem.cost, eps, row_steps, last.f, last.g)
    by_cols = _Spreads(log.mT, problem.cost.mT, eps, col_steps, last.g, last.f)
    damping: Tensor | float = 0.0
    for k in range(len(states) - 1, 0, -1):
        lse = states[k].lse
        if k % 2 == 1:
            damping = damping + (fbar * problem.rows.drift(lse)).sum()
            gbar = gbar - by_rows.pull(k // 2, problem.rows.slope(lse) * fbar)
            fbar = torch.zeros_like(fbar)
        else:
            damping = damping + (gbar * problem.cols.drift(lse)).sum()
            fbar = fbar - by_cols.pull(k // 2 - 1, problem.cols.slope(lse) * gbar)
            gbar = torch.zeros_like(gbar)
    # A start is fixed in cost units: in log units it shrinks as epsilon grows.
    start = (fbar * _finite(states[0].f)).sum() + (gbar * _finite(states[0].g)).sum()
    return _slopes(problem, (by_rows.total() + by_cols.total().mT) / eps, damping - start / eps**2)


class _Spreads:
    """The half-steps of one side: what they pass on, and what they leave in the gradient.

    ``W = exp((before_j - C_ij) / epsilon - lse_i)`` is the last plan rescaled, ``exp(own_i) P_ij exp(other_j)``.
    Where both factors are moderate, W is never built. Given: each step's log-sum-exp and the potential before it.
    """

    def __init__(
        self,
        log: Matrix,
        cost: Cost,
        epsilon: float,
        steps: Sequence[tuple[Rows, Cols]],
        last_own: Rows,
        last_other: Cols,
    ) -> None:
        self.cost, self.epsilon, self.steps = cost.detach(), epsilon, steps
        self.plan = log.exp()
        self.left: list[Rows] = []
        self.right: list[Cols] = []
        self.dense: Matrix | float = 0.0
        if not steps:
            return
        lse, before = (torch.stack(each) for each in zip(*steps, strict=True))
        # Where both potentials are -inf the plan is empty: no scale matters. Where x is 0, neither does its own.
        other = ((before - last_other) / epsilon).nan_to_num(0.0, torch.inf, -torch.inf)
        level = other.amax(-1, keepdim=True)
        self.own, self.other = _finite(-last_own / epsilon - lse) + level, other - level
        # One look at numbers for all steps.
        most, peak = _RANGE[log.dtype], log.amax().clamp(min=0.0)
        self.moderate = ((self.own.flatten(1).amax(1) + peak <= most) & (peak <= most)).tolist()

    def pull(self, k: int, x: Rows) -> Cols:
        """``W' x`` of step ``k``, remembering ``x_i W_ij`` for the gradient."""
        if not self.moderate[k]:
            return self._pull_dense(x, *self.steps[k])
        left, right = x * self.own[k].exp(), self.other[k].exp()
        self.left.append(left)
        self.right.append(right)
        return right * (self.plan.mT @ left.to(self.plan.dtype)[..., None]).squeeze(-1)

    def _pull_dense(self, x: Rows, lse: Rows, before: Cols) -> Cols:
        exponent = (before[..., None, :] - self.cost) / self.epsilon - _finite(lse)[..., :, None]
        part = exponent.exp_() * x[..., :, None]
        self.dense = self.dense + part
        return part.sum(-2)

    def total(self) -> Matrix:
        """The sum of all ``x_i W_ij``."""
        if not self.left:
            return (torch.zeros_like(self.plan) + self.dense).to(self.plan.dtype)
        left, right = torch.stack(self.left, -1), torch.stack(self.right, -1)
        low_rank = self.plan * (left.to(self.plan.dtype) @ right.to(self.plan.dtype).mT)
        return (low_rank + self.dense).to(self.plan.dtype)


def of_total_mass(fbar: Rows, problem: Problem, last: HalfStep) -> Slopes:
    """What the global softmax passes back."""
    plan = log_plan(last.f, last.g, problem.cost.detach(), problem.epsilon).exp_()
    share = plan / plan.sum((-2, -1), keepdim=True)
    slope = share * fbar.sum(-1)[..., None, None] / problem.epsilon
    return _slopes(problem, slope.to(problem.dtype), 0.0)


def at_convergence(fbar: Rows, gbar: Cols, problem: Problem, last: Potentials) -> Slopes:
    """What the limit passes back, by implicit differentiation.

    Solves ``[diag(r / kappa_r), P; P', diag(c / kappa_c)] [al; be] = [fbar; gbar]`` (a side with kappa 0 drops out);
    dL/dC is ``P o (al (+) be) / epsilon``. With both sides exact the system is singular along (1, -1), which the
    plan does not see: there it has a solution only where fbar and gbar have the same sum, as for every function of P.
    """
    eps = problem.epsilon
    log = log_plan(last.f, last.g, problem.cost.detach(), eps)
    plan = log.exp()
    log_rows, log_cols = _log_sums(log, plan, -1), _log_sums(log, plan, -2)
    log_u, log_v = _finite(last.f) / eps, _finite(last.g) / eps
    kappa_rows, kappa_cols = problem.rows.slope(log_rows - log_u), problem.cols.slope(log_cols - log_v)
    weight_rows, weight_cols = _divide(kappa_rows, log_rows.exp()), _divide(kappa_cols, log_cols.exp())

    def without_rows(be: Side) -> Side:
        return be - weight_cols * _times(plan.mT, weight_rows * _times(plan, be))

    target = weight_cols * (gbar - _times(plan.mT, weight_rows * fbar))
    terms = weight_cols * (gbar.abs() + _times(plan.mT, weight_rows * fbar.abs()))
    metric = _divide(torch.ones_like(weight_cols), weight_cols)
    be = _solved(without_rows, target, metric=metric, terms=terms)
    if be is None:
        al, be = _least_squares(fbar, gbar, log, log_rows, log_cols, kappa_rows, kappa_cols)
    else:
        al = weight_rows * (fbar - _times(plan, be))
    slope = (al[..., :, None] + be[..., None, :]).mul_(plan).div_(eps)
    damping = _priced(al, problem.rows.price, log_rows, log_u) + _priced(be, problem.cols.price, log_cols, log_v)
    return _slopes(problem, slope.to(problem.dtype), -damping)


def _priced(multiplier: Side, rho: float, log_sums: Side, log_scale: Side) -> Tensor | float:
    """How a soft side's optimality, ``epsilon log u + rho log(r / a) = 0``, moves with epsilon."""
    if rho == 0 or math.isinf(rho):
        return 0.0
    return (multiplier * log_sums.exp() * log_scale).sum() / rho


def _solved(operator: Callable[[Side], Side], target: Side, *, metric: Side, terms: Side) -> Side | None:
    """``operator(x) = target``. None where rounding keeps it from a solution.

    The target is a difference whose terms are as large as ``terms``, and rounding is theirs: of KL(T | P), where T has
    the marginals of P, nothing else is left.
    """
    goal, most = inner(metric, terms, terms) * 1e-30, min(10 * target.shape[-1], _MOST_ITERATIONS)
    x = solve_linear(operator, target, metric=metric, goal=goal, most=most)
    missed = target - operator(x)
    return x if (inner(metric, missed, missed) <= goal * 1e8).all() else None


def _least_squares(
    fbar: Rows, gbar: Cols, log: Matrix, log_rows: Rows, log_cols: Cols, kappa_rows: Rows, kappa_cols: Cols
) -> tuple[Rows, Cols]:
    """The smallest (al, be) where the system is singular to rounding: a plan that nearly falls into blocks."""
    half_rows, half_cols = _finite(log_rows) / 2, _finite(log_cols) / 2
    scale_rows, scale_cols = kappa_rows.sqrt() * (-half_rows).exp(), kappa_cols.sqrt() * (-half_cols).exp()
    between = (log - half_rows[..., :, None] - half_cols[..., None, :]).exp()
    between = between * kappa_rows.sqrt()[..., :, None] * kappa_cols.sqrt()[..., None, :]
    system = torch.eye(between.shape[-1]).to(between) - between.mT @ between
    to_rows, to_cols = scale_rows * fbar, scale_cols * gbar
    be = _times(torch.linalg.pinv(system, hermitian=True, rtol=1e-13), to_cols - _times(between.mT, to_rows))
    return scale_rows * (to_rows - _times(between, be)), scale_cols * be


def _log_sums(log: Matrix, plan: Matrix, dim: int) -> Side:
    """``log.logsumexp(dim)``, read off ``plan = exp(log)`` where no sum is so small that it lost anything."""
    sums = plan.sum(dim)
    safe = torch.finfo(sums.dtype).tiny ** 0.5
    return sums.log() if bool((sums > safe).all()) else log.logsumexp(dim)


def _divide(x: Tensor, y: Tensor) -> Tensor:
    """``x / y``, and 0 where y is 0."""
    return torch.where(y == 0, 0.0, x / torch.where(y == 0, 1.0, y))


def _finite(x: Tensor) -> Tensor:
    return torch.where(x.isfinite(), x, 0.0)


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None]).squeeze(-1)
