"""The cost at epsilon, able to apply itself.

The loop asks a kernel two questions only:

    rows(g)_i = log sum_j exp((g_j - C_ij) / epsilon)
    cols(f)_j = log sum_i exp((f_i - C_ij) / epsilon)

A dense kernel answers by one matrix-vector product with ``K = exp((f0_i + g0_j - C_ij) / epsilon)``, centred at
reference potentials (f0, g0) so that no entry exceeds 1 and every row, or every column, holds a 1. As long as the
question stays near the reference the product is exact to rounding; when it has left that range the half-steps are
taken again, each by a log-sum-exp in full, which leaves the reference where they end. So small epsilon is safe and
large epsilon is fast. Potentials are in cost units and double precision; the matrix keeps the precision of the cost
(its rounding acts like a change of the cost in its last digit) until the loop asks for more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from gca_playground._shapes import Cols, Cost, Matrix, Rows
from gca_playground.transport.blocks import KeptBlocks

METHODS = ("auto", "scaling", "log", "newton", "stream")

REACH = {torch.float32: 30.0, torch.float64: 300.0}
"""How far, in log units, a scaling or a sum may be from 1 before the terms lost to underflow could count."""

SMALL = 2**18
"""Entries of a kernel that is kept in double precision whatever the cost's."""


NEAR = 20.0
"""How far, in log units, a plan may be from the centre of the kernel that it is written with."""


class Factored(NamedTuple):
    """``P = diag(u) K diag(v)``; products with K are in ``dtype``."""

    u: Rows
    blocks: KeptBlocks
    v: Cols
    dtype: torch.dtype


class Kernel:
    """What the loop asks for."""

    method: str

    def rows(self, g: Cols) -> Rows:
        """``log sum_j exp((g_j - C_ij) / epsilon)``, (..., n)."""
        raise NotImplementedError

    def cols(self, f: Rows) -> Cols:
        """``log sum_i exp((f_i - C_ij) / epsilon)``, (..., m)."""
        raise NotImplementedError

    def trusted(self) -> bool:
        """Whether nothing that counts was lost since the last time this was asked."""
        return True

    def widen(self) -> bool:
        """Be as precise as it can from here on. Returns: whether that is a change."""
        return False

    @contextmanager
    def carefully(self) -> Iterator[None]:
        """A log-sum-exp in full at every half-step; a kernel's centre is then where the last of them was."""
        method, self.method = self.method, "log"
        try:
            yield
        finally:
            self.method = method


class DenseKernel(Kernel):
    """``exp(-C / epsilon)`` as a centred matrix.

    Given: ``cost`` (..., n, m), finite or +inf where a pair is forbidden; ``epsilon`` > 0; ``method``: "auto" trusts
    the matrix until ``trusted`` says otherwise, "log" centres it anew at every half-step, "scaling" never (and says so
    when that fails).

    Nothing here looks at a number while half-steps are taken: what was lost is noted, and ``trusted`` looks once.
    """

    def __init__(self, cost: Cost, epsilon: float, *, wide: torch.dtype, method: str = "auto") -> None:
        self.cost = cost.detach()
        self.epsilon = epsilon
        self.method = method
        self.wide = wide
        self.noted: list[tuple[Tensor, Tensor]] = []
        # Where it costs nothing, rounding is kept out of the way of convergence.
        self._keep(wide if cost.numel() <= SMALL else cost.dtype)

    def _keep(self, dtype: torch.dtype) -> None:
        """From here on a matrix in this precision; the next question makes it."""
        self.kept, self.reach = dtype, REACH[dtype]
        self.matrix: Matrix | None = None
        self.rounded: dict[torch.dtype, KeptBlocks] = {}

    def widen(self) -> bool:
        """Keep the matrix in double precision from here on. Returns: whether it was not already."""
        narrow = self.kept != self.wide
        if narrow:
            self._keep(self.wide)
        return narrow

    def rows(self, g: Cols) -> Rows:
        """``log sum_j exp((g_j - C_ij) / epsilon)``, (..., n)."""
        if self.matrix is None or self.method == "log":
            return self.exact_rows(g)
        log_scale = (g - self.g0).div_(self.epsilon)
        sums = self._times(self.matrix, log_scale)
        self._note(log_scale, sums)
        return sums.log_().sub_(self.log_u0)

    def cols(self, f: Rows) -> Cols:
        """``log sum_i exp((f_i - C_ij) / epsilon)``, (..., m)."""
        if self.matrix is None or self.method == "log":
            return self.exact_cols(f)
        log_scale = (f - self.f0).div_(self.epsilon)
        sums = self._times(self.matrix.mT, log_scale)
        self._note(log_scale, sums)
        return sums.log_().sub_(self.log_v0)

    def exact_rows(self, g: Cols) -> Rows:
        """``rows`` by a log-sum-exp in full, which moves the centre to g."""
        sums = self._times(self._centre_on_cols(g), torch.where(g.isneginf(), g, 0.0))
        return sums.log_().sub_(self.log_u0)

    def exact_cols(self, f: Rows) -> Cols:
        """``cols`` by a log-sum-exp in full, which moves the centre to f."""
        sums = self._times(self._centre_on_rows(f).mT, torch.where(f.isneginf(), f, 0.0))
        return sums.log_().sub_(self.log_v0)

    def trusted(self) -> bool:
        """Whether nothing that counts was lost since the last time this was asked."""
        noted, self.noted = self.noted, []
        if not noted:
            return True
        scales, sums = (torch.stack(each) for each in zip(*noted, strict=True))
        most, least = torch.stack((scales.amax(), sums.amin())).tolist()
        if most <= self.reach and least >= math.exp(-self.reach):
            return True
        if self.method == "scaling":
            raise ValueError(
                f"method='scaling' left its range at epsilon = {self.epsilon:g}: "
                "use method='auto', which moves the centre of the kernel"
            )
        return False

    def factored(self, f: Rows, g: Cols, dtype: torch.dtype) -> Factored:
        """The plan of these potentials by its factors, products with it in ``dtype``; moves a centre that is far."""
        log_u, log_v = (f - self.f0) / self.epsilon, (g - self.g0) / self.epsilon
        if self.matrix is None or not torch.maximum(log_u.abs().amax(), log_v.abs().amax()) <= NEAR:
            self._centre(f, g)
            log_u, log_v = torch.zeros_like(log_u), torch.zeros_like(log_v)
        if dtype not in self.rounded:
            least = 1e-30 if dtype != self.kept else 0.0  # products with subnormal numbers are slow
            self.rounded[dtype] = KeptBlocks(torch.threshold(self.matrix.to(dtype), least, 0.0))  # type: ignore
        return Factored(log_u.exp(), self.rounded[dtype], log_v.exp(), dtype)

    def _times(self, matrix: Matrix, log_scale: Tensor) -> Tensor:
        scale = log_scale.exp().to(matrix.dtype)
        if matrix.ndim == 2:
            return torch.mv(matrix, scale).to(self.wide)
        return torch.matmul(scale[..., None, :], matrix.mT)[..., 0, :].to(self.wide)

    def _note(self, log_scale: Tensor, sums: Tensor) -> None:
        """Note what says whether something that counts was lost. NaN counts as lost."""
        self.noted.append((log_scale.amax(), sums.amin()))

    def _centre_on_cols(self, g: Cols) -> Matrix:
        """Centre at (min_j (C - g), g): every row then holds an entry 1."""
        f0 = _least(self.cost - g.to(self.wide)[..., None, :], -1)
        return self._centre(f0, torch.where(g.isneginf(), _least(self.cost - f0[..., :, None], -2), g))

    def _centre_on_rows(self, f: Rows) -> Matrix:
        """Centre at (f, min_i (C - f)): every column then holds an entry 1."""
        g0 = _least(self.cost - f.to(self.wide)[..., :, None], -2)
        return self._centre(torch.where(f.isneginf(), _least(self.cost - g0[..., None, :], -1), f), g0)

    def _centre(self, f0: Rows, g0: Cols) -> Matrix:
        self.f0, self.g0 = f0, g0
        self.log_u0, self.log_v0 = f0 / self.epsilon, g0 / self.epsilon
        exponent = log_plan(f0, g0, self.cost, self.epsilon)
        self.matrix, self.rounded = exponent.exp_().to(self.kept), {}
        return self.matrix


def log_plan(f: Rows, g: Cols, cost: Cost, epsilon: float) -> Matrix:
    """``(f_i + g_j - C_ij) / epsilon`` in the precision of the potentials."""
    return (f[..., :, None] - cost).add_(g[..., None, :]).div_(epsilon)


def _least(x: Tensor, dim: int) -> Tensor:
    """The minimum along ``dim``; 0 for an element with nothing allowed, which no mass ever reaches."""
    least = x.amin(dim)
    return torch.where(least.isposinf(), 0.0, least)
