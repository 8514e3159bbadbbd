"""Where a kernel comes from: a cost matrix, or the embeddings behind it.

A source yields ``K = exp((level - C) / epsilon)`` in blocks of rows, kept or made anew at every passage, reads single
costs without building all, and carries a gradient in C back to what the user gave. ``level`` keeps the largest entries
of K near 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gca_playground._shapes import Cost, Matrix
from gca_playground.transport.blocks import Blocks, KeptBlocks, StreamedBlocks, block_rows, exp_
from gca_playground.transport.cost import LazyCost

_EASY = 20.0
"""Scores of the cosine cost up to this many epsilon need no shift before the exponential."""
MOST_KEPT = 2**29
"""Bytes of a kernel that is kept; a larger one is streamed where that is possible."""


@dataclass(frozen=True, eq=False)
class MatrixSource:
    """A cost matrix (..., n, m), inf where a pair is forbidden."""

    matrix: Cost
    streamed = False

    @property
    def shape(self) -> torch.Size:
        """(..., n, m)."""
        return self.matrix.shape

    @property
    def like(self) -> Tensor:
        """A tensor of the source's type and device."""
        return self.matrix

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What a gradient is wanted in."""
        return (self.matrix,)

    def kernel(self, epsilon: float) -> tuple[Blocks, Tensor | float]:
        """K in blocks, and its level (..., 1)."""
        cost = self.matrix.detach()
        level = cost.amin((-2, -1), keepdim=True)
        return KeptBlocks(exp_(torch.sub(level, cost).div_(epsilon))), level[..., 0]

    def cost_rows(self, start: int, stop: int) -> Cost:
        """The costs of rows ``start .. stop - 1``, detached."""
        return self.matrix.detach()[..., start:stop, :]

    def cost_blocks(self) -> Iterator[tuple[slice, Cost]]:
        """All rows of the cost at once."""
        yield slice(0, self.shape[-2]), self.matrix.detach()

    def partners(self, index: Tensor) -> Tensor:
        """``C[i, index_i]`` (..., n), differentiable."""
        return self.matrix.gather(-1, index[..., None].expand(*self.shape[:-1], 1)).squeeze(-1)

    def diagonal(self) -> Tensor:
        """``C_ii`` (..., n), differentiable."""
        return self.matrix.diagonal(dim1=-2, dim2=-1)

    def add_diagonal(self, slopes: Sequence[Tensor], weight: Tensor) -> None:
        """Add to dL/d inputs what is due to a dL/dC that is ``weight`` on the diagonal."""
        slopes[0].diagonal(dim1=-2, dim2=-1).add_(weight)

    def pulling(self, *, inner: bool) -> MatrixPull:
        """Something that takes dL/dC block by block, and knows in the end its ``inner`` product with C if asked."""
        return MatrixPull(self)


class MatrixPull:
    """Keeps dL/dC as it comes."""

    def __init__(self, source: MatrixSource) -> None:
        self.cost = source.matrix.detach()
        self.slope = torch.empty_like(self.cost, memory_format=torch.contiguous_format)

    def room(self, rows: slice) -> Matrix:
        """Where dL/dC of these rows is to be written."""
        return self.slope[..., rows, :]

    def take(self, rows: slice) -> None:
        """The rows are written."""

    def result(self) -> tuple[Tensor, ...]:
        """dL/d inputs."""
        return (self.slope,)

    def inner(self) -> Tensor:
        """``<dL/dC, C>``, where a forbidden pair counts nothing."""
        return torch.where(self.cost.isfinite(), self.slope * self.cost, 0.0).sum()


@dataclass(frozen=True, eq=False)
class FactorSource:
    """Two views whose cost is ``const - p q'``: p (n, k) and q (m, k) are differentiable, C need not exist.

    ``least``: a bound below all costs, None where the cost has none.
    ``streamed``: not even the kernel is kept; each block is made when it is needed and forgotten after.
    """

    p: Tensor
    q: Tensor
    const: float
    least: float | None
    streamed: bool = False

    @cached_property
    def plain(self) -> tuple[Tensor, Tensor]:
        """p and q, detached."""
        return self.p.detach(), self.q.detach()

    @cached_property
    def shape(self) -> torch.Size:
        """(n, m)."""
        return torch.Size((self.p.shape[0], self.q.shape[0]))

    @property
    def like(self) -> Tensor:
        """A tensor of the source's type and device."""
        return self.p

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What a gradient is wanted in."""
        return (self.p, self.q)

    @cached_property
    def matrix(self) -> Cost:
        """C (n, m), for those who need it."""
        return finite_cost(self.const - self.p @ self.q.mT)

    def kernel(self, epsilon: float) -> tuple[Blocks, Tensor | float]:
        """K in blocks, and its level."""
        p, q = self.plain
        level = self._level(p, q, epsilon)
        moderate = level is None and self.const == 1.0  # cosines: nothing is small
        if level is not None:  # one more coordinate takes the shift along
            shift = (level - self.const).expand(len(p), 1)
            p, q = torch.cat([p, shift], -1), torch.cat([q, torch.ones_like(q[:, :1])], -1)
        found = self.const if level is None else level
        if self.streamed:
            return StreamedBlocks(p, q, epsilon, moderate=moderate), found
        exponent = torch.addmm(p.new_zeros(()), p, q.mT, beta=0, alpha=1 / epsilon)
        return KeptBlocks(exponent.exp_() if moderate else exp_(exponent)), found

    def _level(self, p: Tensor, q: Tensor, epsilon: float) -> Tensor | None:
        """What the kernel is to be shifted by; None where its entries stay moderate without."""
        if self.least is None:
            sizes = [torch.linalg.vector_norm(x, dim=-1).amax() for x in (p, q)]
            return self.const - (sizes[0] * sizes[1])[None]
        if self.const - self.least <= _EASY * epsilon:
            return None
        return p.new_full((1,), self.least)

    def cost_rows(self, start: int, stop: int) -> Cost:
        """The costs of rows ``start .. stop - 1``, detached; the others are not made."""
        p, q = self.plain
        return finite_cost(self.const - p[start:stop] @ q.mT)

    def cost_blocks(self) -> Iterator[tuple[slice, Cost]]:
        """Rows and their costs, block by block."""
        size = block_rows(len(self.q), 2 * self.p.element_size())
        for start in range(0, len(self.p), size):
            rows = slice(start, min(start + size, len(self.p)))
            yield rows, self.cost_rows(rows.start, rows.stop)

    def partners(self, index: Tensor) -> Tensor:
        """``C[i, index_i]`` (n,), differentiable."""
        return self.const - (self.p * self.q.index_select(0, index)).sum(-1)

    def diagonal(self) -> Tensor:
        """``C_ii`` (n,), differentiable."""
        return self.const - (self.p * self.q).sum(-1)

    def add_diagonal(self, slopes: Sequence[Tensor], weight: Tensor) -> None:
        """Add to dL/d inputs what is due to a dL/dC that is ``weight`` on the diagonal."""
        p, q = self.plain
        for slope, other in zip(slopes, (q, p), strict=True):
            slope.addcmul_(other, weight[:, None], value=-1)

    def pulling(self, *, inner: bool) -> FactorPull:
        """Something that takes dL/dC block by block, and knows in the end its ``inner`` product with C if asked."""
        return FactorPull(self, inner=inner)


class FactorPull:
    """Carries dL/dC on to dL/dp and dL/dq, a block at a time."""

    def __init__(self, source: FactorSource, *, inner: bool) -> None:
        (self.p, self.q), self.const = source.plain, source.const
        self.to_p, self.to_q = torch.empty_like(self.p), torch.zeros_like(self.q)
        self.buffer: Tensor | None = None
        self.total = self.p.new_zeros(()) if inner and self.const else None

    def room(self, rows: slice) -> Matrix:
        """Where dL/dC of these rows is to be written."""
        count = rows.stop - rows.start
        if self.buffer is None or len(self.buffer) < count:
            self.buffer = self.p.new_empty(count, self.q.shape[0])
        self.written = self.buffer if len(self.buffer) == count else self.buffer[:count]
        return self.written

    def take(self, rows: slice) -> None:
        """The rows are written."""
        p, to_p = (self.p, self.to_p) if len(self.written) == len(self.p) else (self.p[rows], self.to_p[rows])
        to_p.addmm_(self.written, self.q, beta=0, alpha=-1)
        self.to_q.addmm_(self.written.mT, p, alpha=-1)
        if self.total is not None:
            self.total += self.written.sum()

    def result(self) -> tuple[Tensor, ...]:
        """dL/dp and dL/dq."""
        return self.to_p, self.to_q

    def inner(self) -> Tensor:
        """``<dL/dC, C>``."""
        own = (self.p * self.to_p).sum()
        return own if self.total is None else own + self.const * self.total


def finite_cost(matrix: Cost) -> Cost:
    """The cost itself. Raises: ValueError where it holds NaN or inf."""
    # One quick passage; where it says no, large numbers may have done that.
    if math.isfinite(matrix.detach().sum().item()):
        return matrix
    bad = ~torch.isfinite(matrix.detach())
    if bad.any():
        where = tuple(bad.nonzero()[0].tolist())
        raise ValueError(
            f"cost must be finite, got {matrix[where].item()} at {where} ({int(bad.sum())} such) "
            f"in shape {tuple(matrix.shape)}; forbid a pair with forbidden=, not with a cost of inf"
        )
    return matrix


Source = MatrixSource | FactorSource
Pull = MatrixPull | FactorPull


def factors(cost: LazyCost, *, streamed: bool | None = None) -> FactorSource | None:
    """The source of two plain views; None for batches of them, whose matrices are small.

    ``streamed`` None: where the kernel would be larger than ``MOST_KEPT``.
    """
    if cost.z.ndim != 2 or cost.w.ndim != 2:
        return None
    if streamed is None:
        streamed = cost.shape.numel() * cost.z.element_size() > MOST_KEPT
    return FactorSource(*cost.factors(), cost.least, streamed)
