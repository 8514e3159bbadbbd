"""K half-steps as matrix-vector products on one kernel, and their exact gradient: the fast path.

    rows   den = K v,   u = (a / den)^kappa           cols   den = K' u,   v = (b / den)^kappa

The kernel ``K = exp((level - C) / epsilon)`` is built once, every half-step is one product with it into vectors that
are already there, and nothing looks at a number on the way. At the end one look decides: if any sum or scaling left
the range in which nothing that counts is lost, the answer is None and the careful path (``kernel``, ``sinkhorn``)
takes over.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gca_playground._shapes import Cols, Matrix, Rows
from gca_playground.transport.adjoint import Slopes
from gca_playground.transport.blocks import Blocks
from gca_playground.transport.constraint import EXACT, FREE, Bounded, Soft
from gca_playground.transport.kernel import REACH
from gca_playground.transport.problem import Marginal, Problem
from gca_playground.transport.sinkhorn import HalfStep
from gca_playground.transport.source import Pull


@dataclass(frozen=True, eq=False)
class Scalings:
    """What the fast path leaves: the kernel and, stacked, the scalings and the sums they were computed from.

    ``u`` (R, ..., n) and ``den_rows`` of the R row steps, ``v`` (S + 1, ..., m) with the start, and ``den_cols`` of the
    S column steps. Rows carry the level: ``f / epsilon = log u + level / epsilon``.
    """

    problem: Problem
    blocks: Blocks
    level: Tensor
    u: Tensor
    v: Tensor
    den_rows: Tensor
    den_cols: Tensor

    @property
    def steps(self) -> int:
        """The half-steps taken."""
        return len(self.u) + len(self.v) - 1

    @cached_property
    def last(self) -> HalfStep:
        """The last potentials."""
        f = self._f(self.u[-1])
        return HalfStep(f, self._g(self.v[-1]), f)

    @cached_property
    def states(self) -> list[HalfStep]:
        """The start and every half-step, as the careful path gives them."""
        shift = self.level / self.problem.epsilon
        f, g = self._f(self.u), self._g(self.v)
        lse_rows, lse_cols = self.den_rows.to(f).log() - shift, self.den_cols.to(f).log()
        zero = torch.zeros_like(f[0])
        states = [HalfStep(zero, g[0], zero)]
        for k in range(1, self.steps + 1):
            f_now = f[(k - 1) // 2]
            lse = lse_rows[(k - 1) // 2] if k % 2 else lse_cols[k // 2 - 1]
            states.append(HalfStep(f_now, g[k // 2], lse))
        return states

    def _f(self, u: Tensor) -> Tensor:
        if self.problem.rows.constraint == FREE:
            return torch.zeros_like(u, dtype=self.problem.wide)
        return self.problem.epsilon * u.to(self.problem.wide).log() + self.level

    def _g(self, v: Tensor) -> Tensor:
        return self.problem.epsilon * v.to(self.problem.wide).log()


def run(problem: Problem, g: Cols, steps: int) -> Scalings | None:
    """``steps`` >= 1 half-steps from g (and any f, which the first row step forgets), or None out of range."""
    blocks, level = problem.source.kernel(problem.epsilon)
    count_rows, count_cols = (steps + 1) // 2, steps // 2
    like, (*batch, n, m) = problem.source.like.detach(), problem.shape
    u, den_rows = like.new_empty(2, count_rows, *batch, n)
    v, den_cols = like.new_empty(count_cols + 1, *batch, m), like.new_zeros(count_cols, *batch, m)
    v[0] = (g / problem.epsilon).exp()
    rows, cols = _Step(problem.rows, problem.epsilon, like, level), _Step(problem.cols, problem.epsilon, like, None)
    masses, scales_cols, sums_cols = _cut(rows.mass, blocks.sizes), v.unbind(0), den_cols.unbind(0)
    for k, (dens, scales) in enumerate(zip(*(_in_parts(x, blocks.sizes) for x in (den_rows, u)), strict=True)):
        given, sums = scales_cols[k], sums_cols[k] if k < count_cols else None
        for i, block, turned in blocks.passage(k):
            times(block, given, out=dens[i])
            rows.scale(dens[i], masses[i], out=scales[i])
            if sums is not None:
                add_times(turned, scales[i], out=sums)
        if sums is not None:
            cols.scale(sums, cols.mass, out=scales_cols[k + 1])
    if not _in_range((u, v), (den_rows, den_cols), REACH[like.dtype]):
        return None
    return Scalings(problem, blocks, level, u, v, den_rows, den_cols)


def _in_parts(x: Tensor, sizes: list[int]) -> list[tuple[Tensor, ...]]:
    """For each k, the parts of ``x[k]``: views made all at once, since each costs as much as a small product."""
    return list(zip(*(part.unbind(0) for part in _cut(x, sizes)), strict=True))


def _cut(x: Tensor, sizes: list[int]) -> tuple[Tensor, ...]:
    """``x`` at the ends of the blocks."""
    return (x,) if len(sizes) == 1 else x.split(sizes, -1)


def _in_range(scalings: tuple[Tensor, ...], sums: tuple[Tensor, ...], reach: float) -> bool:
    most, least = math.exp(reach), math.exp(-reach)
    good = [scaling.amax() <= most for scaling in scalings]
    good += [side.amin() >= least for side in sums if len(side)]
    good += [side.amax() <= most for side in sums if len(side)]
    return bool(torch.stack(good).all())


def times(block: Matrix, scaling: Tensor, *, out: Tensor) -> None:
    """``block @ scaling`` into ``out``."""
    if block.ndim == 2:
        torch.mv(block, scaling, out=out)
    else:
        # A row of numbers from the left is two to five times faster than a column from the right.
        torch.matmul(scaling[..., None, :], block.mT, out=out[..., None, :])


def add_times(block: Matrix, scaling: Tensor, *, out: Tensor) -> None:
    """``out + block @ scaling`` into ``out``."""
    if block.ndim == 2:
        out.addmv_(block, scaling)
    else:
        out.add_(torch.matmul(scaling[..., None, :], block.mT)[..., 0, :])


class _Step:
    """What one side makes of its sums, without looking at them: ``scale(den, mass, out=...)``.

    ``mass`` there is the part of this side's that belongs to ``den``.
    """

    scale: Callable[..., object]

    def __init__(self, side: Marginal, epsilon: float, like: Tensor, level: Tensor | None) -> None:
        constraint = side.constraint
        self.mass = side.mass.to(like.dtype)
        self.shift: Tensor | None = None
        self.damping = 1.0 if isinstance(constraint, Bounded) else float(constraint.damping(epsilon))
        if level is not None and constraint != EXACT:
            self.shift = (level / epsilon).to(like.dtype).exp()
            self.mass = self.mass * self.shift
        if isinstance(constraint, Bounded):
            self.bounds = constraint.lo, constraint.hi
            self.scale = self._between
        else:
            self.scale = {EXACT: _fill, FREE: self._ones}.get(constraint, self._damped)

    def _ones(self, den: Tensor, mass: Tensor, *, out: Tensor) -> None:
        self._shifted(out.fill_(1.0))

    def _damped(self, den: Tensor, mass: Tensor, *, out: Tensor) -> None:
        self._shifted(torch.div(mass, den, out=out).pow_(self.damping))

    def _between(self, den: Tensor, mass: Tensor, *, out: Tensor) -> None:
        lo, hi = self.bounds
        self._shifted(torch.clamp(den, lo * mass, hi * mass, out=out).div_(den))

    def _shifted(self, scaling: Tensor) -> None:
        if self.shift is not None:
            scaling.div_(self.shift)


def _fill(den: Tensor, mass: Tensor, *, out: Tensor) -> None:
    """The scaling of an exact side: ``mass / den``."""
    torch.div(mass, den, out=out)


def back(found: Scalings, fbar: Rows, gbar: Cols) -> Slopes:
    """What the half-steps pass back, as ``adjoint.through_steps``: one product a half-step, then one of rank K.

        column step   y = kappa gbar / den,   fbar = fbar - u K y
        row step      x = kappa fbar / den,   gbar = gbar - v K' x

    Given: dL/dlog u (..., n) and dL/dlog v (..., m) after the last half-step.
    """
    problem, v = found.problem, found.v
    # The way back is linear: at unit size no product on it leaves its type.
    size = torch.maximum(fbar.abs().amax(), gbar.abs().amax())
    size = torch.where(size > 0, size, 1.0)
    way = _WayBack(found, (fbar / size).to(v.dtype), (gbar / size).to(v.dtype))
    for k in range(way.count_rows - 1, -1, -1):
        way.iteration(k)
    start = problem.epsilon * v[0].to(problem.wide).log()
    left_over = torch.where(start == 0, 0.0, way.gbar * start).sum() / problem.epsilon**2
    way.pull.scale((size / problem.epsilon).to(v.dtype))
    return Slopes(way.pull.result(), size * (way.damping - left_over) - way.pull.inner() / problem.epsilon)


class _WayBack:
    """The iterations in reverse, each with one passage over the kernel, and what they leave.

    What a step has used up is gone: an iteration starts from what came back from the one after it, the last one from
    what was given. ``left`` and ``right`` are the factors of the gradient, which the last passage gathers.
    """

    def __init__(self, found: Scalings, fbar: Tensor, gbar: Tensor) -> None:
        problem, u, v, self.blocks, sizes = found.problem, found.u, found.v, found.blocks, found.blocks.sizes
        self.rows, self.cols = _Slope(problem.rows, found.level), _Slope(problem.cols, None)
        self.fbar, self.gbar, self.damping = fbar, gbar, torch.zeros((), dtype=problem.wide, device=u.device)
        self.count_rows, self.count_cols = len(u), len(v) - 1
        self.no_gbar, self.pulled = torch.zeros_like(gbar), torch.empty_like(gbar)
        left = u.new_empty(len(u) + self.count_cols, *u.shape[1:])
        self.right = v.new_empty(len(left), *v.shape[1:])
        left[len(u) :], self.right[: len(u)] = u[: self.count_cols], v[: len(u)]
        self.left, self.stops, self.pull = (
            _cut(left, sizes),
            list(itertools.accumulate(sizes)),
            problem.source.pulling(),
        )
        self.to_cols, self.minus_v = self.right[len(u) :].unbind(0), v.neg().unbind(0)
        self.den_rows, self.den_cols = found.den_rows.unbind(0), found.den_cols.unbind(0)
        by_k = (_in_parts(x, sizes) for x in (-u, found.den_rows, left[: len(u)]))
        self.by_k = list(zip(*by_k, strict=True))
        by_rows = (fbar, torch.zeros_like(fbar), torch.empty_like(fbar), self.rows.log_mass)
        self.by_rows = list(zip(*(_cut(x, sizes) for x in by_rows), strict=True))

    def iteration(self, k: int) -> None:
        """Its column step, if it had one, and its row step."""
        minus_u, dens, given = self.by_k[k]
        last, y = k == self.count_rows - 1, None
        if k < self.count_cols:
            y = self.to_cols[k]
            self.damping += self.cols.drift(self.gbar, self.den_cols[k])
            self.cols.spread(self.gbar, self.den_cols[k], self.cols.log_mass, out=y)
        self.pulled.zero_()
        for i, block, turned in self.blocks.passage(k):
            own, nothing, seen, mass = self.by_rows[i]
            if y is not None:
                times(block, y, out=seen)
                torch.addcmul(own if last else nothing, seen, minus_u[i], out=own)
            self.rows.spread(own, dens[i], mass, out=given[i])
            add_times(turned, given[i], out=self.pulled)
            if k == 0:  # all that the gradient of these rows needs is there, and so are the rows
                _gather(block, self.left[i], self.right, pull=self.pull, stop=self.stops[i])
        self.damping += self.rows.drift(self.fbar, self.den_rows[k])
        torch.addcmul(self.gbar if y is None else self.no_gbar, self.pulled, self.minus_v[k], out=self.gbar)


def _gather(block: Matrix, left: Tensor, right: Tensor, *, pull: Pull, stop: int) -> None:
    """``dL/dC = K o (sum_k left_k right_k')`` of the block of rows that ends at ``stop``, for the source."""
    rows = slice(stop - block.shape[-2], stop)
    _of_rank(left, right, out=pull.room(rows)).mul_(block)
    pull.take(rows)


def _of_rank(left: Tensor, right: Tensor, *, out: Matrix) -> Matrix:
    """``sum_k left_k right_k'`` (..., rows, m)."""
    if left.ndim == 2:
        return torch.mm(left.mT, right, out=out)
    return torch.matmul(left.movedim(0, -1), right.movedim(0, -2), out=out)


class _Slope:
    """What one side passes back through its half-steps."""

    def __init__(self, side: Marginal, level: Tensor | None) -> None:
        self.side = side
        self.level = level
        self.log_mass = side.log_mass
        constraint = side.constraint
        self.damping = None if isinstance(constraint, Bounded) else float(constraint.damping(side.epsilon))
        self.drifts = isinstance(constraint, Soft) and 0 < constraint.rho < math.inf

    def spread(self, bar: Tensor, den: Tensor, log_mass: Tensor, *, out: Tensor) -> None:
        """``kappa bar / den``, of a part of the side that has this mass."""
        torch.div(bar, den, out=out)
        if self.damping is None:
            out.mul_(self.side.constraint.slope(self._lse(den), log_mass, self.side.epsilon).to(out.dtype))
        elif self.damping != 1.0:
            out.mul_(self.damping)

    def drift(self, bar: Tensor, den: Tensor) -> Tensor | float:
        """What comes through the damping."""
        return (bar * self.side.drift(self._lse(den))).sum() if self.drifts else 0.0

    def _lse(self, den: Tensor) -> Tensor:
        log = den.to(self.side.mass.dtype).log()
        return log if self.level is None else log - self.level / self.side.epsilon
