"""K half-steps as matrix-vector products on one kernel: the fast path. Its gradient is in ``way_back``.

    rows   den = K v,   u = (a / den)^kappa           cols   den = K' u,   v = (b / den)^kappa

The kernel ``K = exp((level - C) / epsilon)`` is built once, every half-step is one product with it into vectors that
are already there, and nothing looks at a number on the way. At the end one look decides: if any sum or scaling left
the range in which nothing that counts is lost, the answer is None and the careful path (``kernel``, ``sinkhorn``)
takes over.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gca_playground._shapes import Cols, Matrix, Rows
from gca_playground.transport.blocks import Blocks
from gca_playground.transport.constraint import EXACT, FREE, Bounded, Soft
from gca_playground.transport.kernel import REACH
from gca_playground.transport.marginal import Marginal
from gca_playground.transport.problem import Problem
from gca_playground.transport.sinkhorn import HalfStep


@dataclass(frozen=True, eq=False)
class Scalings:
    """What the fast path leaves: the kernel and, stacked, the scalings and the sums they were computed from.

    ``u`` (R, ..., n) and ``den_rows`` of the R row steps, ``v`` (S + 1, ..., m) with the start, and ``den_cols`` of the
    S column steps. Rows carry the level: ``f / epsilon = log u + level / epsilon``. ``warm``: the start was not 0.
    """

    problem: Problem
    blocks: Blocks
    level: Tensor | float
    u: Tensor
    v: Tensor
    den_rows: Tensor
    den_cols: Tensor
    warm: bool

    @property
    def steps(self) -> int:
        """The half-steps taken."""
        return len(self.u) + len(self.v) - 1

    def log_scalings(self) -> tuple[Rows, Cols]:
        """``f / epsilon`` and ``g / epsilon`` after the last half-step, in the precision of the potentials."""
        return self._log_rows(self.u[-1]), self.v[-1].to(self.problem.wide).log()

    @cached_property
    def f(self) -> Rows:
        """The last potentials of the rows."""
        return self.log_scalings()[0] * self.problem.epsilon

    @cached_property
    def g(self) -> Cols:
        """The last potentials of the columns."""
        return self.log_scalings()[1] * self.problem.epsilon

    @cached_property
    def states(self) -> list[HalfStep]:
        """The start and every half-step, as the careful path gives them."""
        epsilon, shift = self.problem.epsilon, self.level / self.problem.epsilon
        f, g = self._log_rows(self.u) * epsilon, self.v.to(self.problem.wide).log() * epsilon
        lse_rows, lse_cols = self.den_rows.to(f).log() - shift, self.den_cols.to(f).log()
        zero = torch.zeros_like(f[0])
        states = [HalfStep(zero, g[0], zero)]
        for k in range(1, self.steps + 1):
            f_now = f[(k - 1) // 2]
            lse = lse_rows[(k - 1) // 2] if k % 2 else lse_cols[k // 2 - 1]
            states.append(HalfStep(f_now, g[k // 2], lse))
        return states

    def _log_rows(self, u: Tensor) -> Tensor:
        """``f / epsilon`` of row scalings; of a free side no rounding is left."""
        if self.problem.rows.constraint == FREE:
            return torch.zeros_like(u, dtype=self.problem.wide)
        return u.to(self.problem.wide).log().add_(self.level / self.problem.epsilon)


Potentials = HalfStep | Scalings
"""Where a plan ended: what has ``f`` (..., n) and ``g`` (..., m) in cost units, detached."""


def run(problem: Problem, g: Cols | None, steps: int) -> Scalings | None:
    """``steps`` >= 1 half-steps from g (None: 0) and any f, which the first row step forgets; None out of range."""
    epsilon, (*batch, n, m) = problem.epsilon, problem.shape
    blocks, level = problem.source.kernel(epsilon)
    like, count_rows, count_cols = problem.source.like, (steps + 1) // 2, steps // 2
    u, den_rows = like.new_empty(2, count_rows, *batch, n)
    v, den_cols = like.new_empty(count_cols + 1, *batch, m), like.new_zeros(count_cols, *batch, m)
    rows = _Step(problem.rows, epsilon, like, level)
    cols = _Step(problem.cols, epsilon, like, None) if count_cols else None
    masses, vs, col_sums = cut(rows.mass, blocks.sizes), v.unbind(0), den_cols.unbind(0)
    times, add_times = products(problem.shape)
    if g is None:
        vs[0].fill_(1.0)
    else:
        vs[0].copy_((g / epsilon).exp())
    for k, (dens, us) in enumerate(zip(*(in_parts(x, blocks.sizes) for x in (den_rows, u)), strict=True)):
        for i, block, turned in blocks.passage(k):
            times(block, vs[k], out=dens[i])
            rows.scale(masses[i], dens[i], out=us[i])
            if k < count_cols:
                add_times(col_sums[k], turned, us[i])
        if cols is not None and k < count_cols:
            cols.scale(cols.mass, col_sums[k], out=vs[k + 1])
    seen = (u, v) if count_cols or g is not None else (u,)
    if not _in_range(seen, (den_rows, den_cols), REACH[like.dtype]):
        return None
    return Scalings(problem, blocks, level, u, v, den_rows, den_cols, g is not None)


def in_parts(x: Tensor, sizes: list[int]) -> list[tuple[Tensor, ...]]:
    """For each k, the parts of ``x[k]``: views made all at once, since each costs as much as a small product."""
    return list(zip(*(part.unbind(0) for part in cut(x, sizes)), strict=True))


def cut(x: Tensor, sizes: list[int]) -> tuple[Tensor, ...]:
    """``x`` at the ends of the blocks."""
    return (x,) if len(sizes) == 1 else x.split(sizes, -1)


def _in_range(scalings: tuple[Tensor, ...], sums: tuple[Tensor, ...], reach: float) -> bool:
    """Whether no scaling is larger than ``exp(reach)`` and no sum further from 1; NaN is in no range."""
    ends = [end for side in sums if len(side) for end in side.aminmax()]
    found = torch.stack([*ends, *(scaling.amax() for scaling in scalings)]).tolist()
    return all(x <= math.exp(reach) for x in found) and all(x >= math.exp(-reach) for x in found[: len(ends) : 2])


def products(shape: torch.Size) -> tuple[Callable[..., object], Callable[..., object]]:
    """``times(block, scaling, out=out)`` and ``add_times(out, block, scaling)``, for one kernel or a batch of them."""
    return (torch.mv, Tensor.addmv_) if len(shape) == 2 else (_times, _add_times)


# A row of numbers from the left is two to five times faster than a column from the right.
def _times(block: Matrix, scaling: Tensor, *, out: Tensor) -> None:
    torch.matmul(scaling[..., None, :], block.mT, out=out[..., None, :])


def _add_times(out: Tensor, block: Matrix, scaling: Tensor) -> None:
    out.add_(torch.matmul(scaling[..., None, :], block.mT)[..., 0, :])


class _Step:
    """What one side makes of its sums, without looking at them: ``scale(mass, den, out=...)``.

    ``mass`` there is the part of this side's that belongs to ``den``.
    """

    scale: Callable[..., object]

    def __init__(self, side: Marginal, epsilon: float, like: Tensor, level: Tensor | float | None) -> None:
        constraint = side.constraint
        self.mass = side.mass.to(like.dtype)
        self.shift: Tensor | None = None
        if level is not None and constraint != EXACT:
            self.shift = torch.as_tensor(level / epsilon, dtype=like.dtype, device=like.device).exp()
            self.mass = self.mass * self.shift
        if isinstance(constraint, Bounded):
            self.bounds = constraint.lo, constraint.hi
            self.scale = self._between
        else:
            self.damping = float(constraint.damping(epsilon))
            ends: dict[Soft, Callable[..., object]] = {EXACT: torch.div, FREE: self._ones}
            self.scale = ends.get(constraint, self._damped)

    def _ones(self, mass: Tensor, den: Tensor, *, out: Tensor) -> None:
        self._shifted(out.fill_(1.0))

    def _damped(self, mass: Tensor, den: Tensor, *, out: Tensor) -> None:
        self._shifted(torch.div(mass, den, out=out).pow_(self.damping))

    def _between(self, mass: Tensor, den: Tensor, *, out: Tensor) -> None:
        lo, hi = self.bounds
        self._shifted(torch.clamp(den, lo * mass, hi * mass, out=out).div_(den))

    def _shifted(self, scaling: Tensor) -> None:
        if self.shift is not None:
            scaling.div_(self.shift)
