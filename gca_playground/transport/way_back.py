"""The exact gradient of the fast path: one product with its kernel a half-step, then one of rank K.

A relative change of a scaling is ``- kappa / den`` times the change of its sum, and a sum is a product with the kernel.
So a row step whose log u is worth fbar passes on ``x = kappa fbar / den``, a column step ``y = kappa gbar / den``:

    gbar = - v o (K' x)   to the column step before          fbar = - u o (K y)   to the row step before

and each leaves ``x_i K_ij v_j``, or ``u_i K_ij y_j``, in the gradient.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from gca_playground._shapes import Cols, Matrix, Rows
from gca_playground.transport.adjoint import Slopes
from gca_playground.transport.constraint import Bounded, Soft
from gca_playground.transport.marginal import Marginal
from gca_playground.transport.scaling import Scalings, cut, in_parts, products


def back(found: Scalings, fbar: Rows, gbar: Cols) -> Slopes:
    """What the half-steps pass back, as ``adjoint.through_steps``.

    Given: dL/dlog u (..., n) and dL/dlog v (..., m) after the last half-step.
    """
    # The way back is linear: at unit size no product on it leaves its type.
    size = torch.linalg.vector_norm(fbar, 1) + torch.linalg.vector_norm(gbar, 1)
    size = size.clamp_(min=torch.finfo(size.dtype).tiny)
    way = _WayBack(found, fbar / size, gbar / size)
    way.iterations()
    return way.gather(size)


class _WayBack:
    """The iterations in reverse, each with one passage over the kernel; that of the first also gathers the gradient.

    ``x`` (R, ..., n) and ``y`` (S, ..., m) are what the row and the column steps pass on. The last of each side is
    given what its potential is worth; to the others comes what the step after them passes on.
    """

    def __init__(self, found: Scalings, fbar: Rows, gbar: Cols) -> None:
        self.found, self.gbar, self.sizes = found, gbar, found.blocks.sizes
        self.times, self.add_times = products(found.problem.shape)
        self.x, self.y = torch.zeros_like(found.u), torch.zeros_like(found.den_cols)
        self.xs, self.ys = in_parts(self.x, self.sizes), self.y.unbind(0)
        self.pulled = self.y.new_zeros(self.y.shape[1:])
        by_rows = _weights(found.problem.rows, found.den_rows, found.level)
        torch.mul(fbar, by_rows[-1], out=self.x[-1])
        if self.ys:
            by_cols = _weights(found.problem.cols, found.den_cols, 0.0)
            torch.mul(gbar, by_cols[-1], out=self.ys[-1])
            self.to_x, self.to_y = in_parts(by_rows.mul_(found.u), self.sizes), by_cols.mul_(found.v[1:]).unbind(0)
            self.seen = cut(torch.empty_like(found.u[0]), self.sizes)

    def iterations(self) -> None:
        """All but the first."""
        pulled = self.pulled
        for k in range(len(self.xs) - 1, 0, -1):
            xs = self.xs[k]
            for i, block, turned in self.found.blocks.passage(k):
                self._through_column_step(k, i, block)
                self.add_times(pulled, turned, xs[i])
            self.ys[k - 1].addcmul_(self.to_y[k - 1], pulled, value=-1)
            pulled.zero_()

    def gather(self, size: Tensor) -> Slopes:
        """Through the first, and ``size`` times what all of them left."""
        found, problem = self.found, self.found.problem
        wanted = problem.temperature is not None
        pull, stops = problem.source.pulling(inner=wanted), list(itertools.accumulate(self.sizes))
        lefts, right = self._factors(size / problem.epsilon)
        for i, block, turned in found.blocks.passage(0):
            self._through_column_step(0, i, block)
            rows = slice(stops[i] - self.sizes[i], stops[i])
            _of_rank([left[i] for left in lefts], right, out=pull.room(rows)).mul_(block)
            pull.take(rows)
            if wanted and found.warm:
                self.add_times(self.pulled, turned, self.xs[0][i])
        if not wanted:
            return Slopes(pull.result(), None)
        return Slopes(pull.result(), size * (self._damping() - self._start()) - pull.inner() / problem.epsilon)

    def _through_column_step(self, k: int, i: int, block: Matrix) -> None:
        """What the column step of this iteration, if it had one, passes on to its row step."""
        if k < len(self.ys):
            seen = self.seen[i]
            self.times(block, self.ys[k], out=seen)
            self.xs[k][i].addcmul_(self.to_x[k][i], seen, value=-1)

    def _factors(self, scale: Tensor) -> tuple[list[tuple[Tensor, ...]], Tensor]:
        """x above u in blocks, and v above y: the factors of what all steps left."""
        steps, v = len(self.ys), self.found.v[: len(self.xs)]
        lefts, right = [cut(self.x, self.sizes)], v
        if steps:
            lefts.append(cut(self.found.u[:steps], self.sizes))
            right = torch.cat((v, self.y))
        return lefts, right * scale

    def _damping(self) -> Tensor | float:
        """What comes through the dampings, which fall as epsilon grows."""
        found, problem = self.found, self.found.problem
        rows = _drift(problem.rows, self.x, found.den_rows, found.level)
        return rows + _drift(problem.cols, self.y, found.den_cols, 0.0)

    def _start(self) -> Tensor | float:
        """A start is fixed in cost units: in log units it shrinks as epsilon grows."""
        if not self.found.warm:
            return 0.0
        start, given = self.found.v[0].to(self.gbar), 0.0 if self.ys else self.gbar
        log = torch.where(start > 0, start.log(), 0.0)
        return ((given - start * self.pulled) * log).sum() / self.found.problem.epsilon


def _weights(side: Marginal, den: Tensor, level: Tensor | float) -> Tensor:
    """``kappa / den``, of all steps of a side."""
    if isinstance(side.constraint, Bounded):
        return side.slope(_lse(side, den, level)).to(den.dtype).div_(den)
    return den.reciprocal().mul_(float(side.constraint.damping(side.epsilon)))


def _drift(side: Marginal, given: Tensor, den: Tensor, level: Tensor | float) -> Tensor | float:
    constraint = side.constraint
    if not isinstance(constraint, Soft) or constraint.rho == 0 or math.isinf(constraint.rho):
        return 0.0
    bar = given * den / float(constraint.damping(side.epsilon))
    return (bar * side.drift(_lse(side, den, level))).sum()


def _lse(side: Marginal, den: Tensor, level: Tensor | float) -> Tensor:
    return den.to(side.mass.dtype).log() - level / side.epsilon


def _of_rank(lefts: list[Tensor], right: Tensor, *, out: Matrix) -> Matrix:
    """``sum_k left_k right_k'`` (..., rows, m), the left factors one above the other."""
    left = lefts[0] if len(lefts) == 1 else torch.cat(lefts)
    if left.ndim == 2:
        return torch.mm(left.mT, right, out=out)
    return torch.matmul(left.movedim(0, -1), right.movedim(0, -2), out=out)
