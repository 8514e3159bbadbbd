"""Where a kernel comes from: a cost matrix, or the embeddings behind it.

A source builds ``K = exp((level - C) / epsilon)`` in one buffer, reads single costs without building all, and carries a
gradient in C back to what the user gave. ``level`` keeps the largest entries of K near 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gca_playground._shapes import Cost, Matrix
from gca_playground.transport.cost import LazyCost

_EASY = 20.0
"""Scores of the cosine cost up to this many epsilon need no shift before the exponential."""


@dataclass(frozen=True, eq=False)
class MatrixSource:
    """A cost matrix (..., n, m), inf where a pair is forbidden."""

    matrix: Cost

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

    def kernel(self, epsilon: float) -> tuple[Matrix, Tensor]:
        """K (..., n, m) and its level (..., 1)."""
        cost = self.matrix.detach()
        level = cost.flatten(-2).amin(-1)[..., None, None]
        return torch.sub(level, cost).div_(epsilon).exp_(), level[..., 0]

    def partners(self, index: Tensor) -> Tensor:
        """``C[i, index_i]`` (..., n), differentiable."""
        return self.matrix.gather(-1, index[:, None].expand(*self.shape[:-1], 1)).squeeze(-1)

    def pull(self, slope: Matrix) -> tuple[Tensor, ...]:
        """dL/d inputs of dL/dC."""
        return (slope,)

    def inner(self, slope: Matrix, pulled: tuple[Tensor, ...]) -> Tensor:
        """``<dL/dC, C>``, where a forbidden pair counts nothing."""
        cost = self.matrix.detach()
        return torch.where(cost.isfinite(), slope * cost, 0.0).sum(dtype=torch.promote_types(cost.dtype, torch.float32))


@dataclass(frozen=True, eq=False)
class FactorSource:
    """Two views whose cost is ``const - p q'``: nothing n x m is kept, p (n, k) and q (m, k) are differentiable."""

    p: Tensor
    q: Tensor
    const: float

    @property
    def shape(self) -> torch.Size:
        """(n, m)."""
        return torch.Size((len(self.p), len(self.q)))

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

    def kernel(self, epsilon: float) -> tuple[Matrix, Tensor]:
        """K (n, m) in the buffer of the product, and its level (1,)."""
        p, q = self.p.detach(), self.q.detach()
        exponent = (p / epsilon) @ q.mT
        if self.const == 1.0 and epsilon * _EASY >= 1:  # cosines: at most exp(1 / epsilon)
            level = exponent.new_ones(1)
        else:
            most = exponent.amax()
            exponent.sub_(most)
            level = (self.const - most * epsilon)[None]
        return exponent.exp_(), level

    def partners(self, index: Tensor) -> Tensor:
        """``C[i, index_i]`` (n,), differentiable."""
        return self.const - (self.p * self.q[index]).sum(-1)

    def pull(self, slope: Matrix) -> tuple[Tensor, ...]:
        """dL/dp and dL/dq of dL/dC."""
        return -(slope @ self.q.detach()), -(slope.mT @ self.p.detach())

    def inner(self, slope: Matrix, pulled: tuple[Tensor, ...]) -> Tensor:
        """``<dL/dC, C>``."""
        return self.const * slope.sum() + (self.p.detach() * pulled[0]).sum()


def finite_cost(matrix: Cost) -> Cost:
    """The cost itself. Raises: ValueError where it holds NaN or inf."""
    bad = ~torch.isfinite(matrix.detach())
    if bad.any():
        where = tuple(bad.nonzero()[0].tolist())
        raise ValueError(
            f"cost must be finite, got {matrix[where].item()} at {where} ({int(bad.sum())} such) "
            f"in shape {tuple(matrix.shape)}; forbid a pair with forbidden=, not with a cost of inf"
        )
    return matrix


Source = MatrixSource | FactorSource


def factors(cost: LazyCost) -> FactorSource | None:
    """The source of two plain views; None for batches of them, whose matrices are small."""
    if cost.z.ndim != 2 or cost.w.ndim != 2:
        return None
    return FactorSource(*cost.factors())
