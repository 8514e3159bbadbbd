"""Divergences that look at the whole matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gca_playground._boundary import as_float_tensor, is_number, near
from gca_playground._shapes import Matrix
from gca_playground.alignment.divergence.base import Divergence, check_exponent, matrix_of
from gca_playground.alignment.goal import Goal, as_goal
from gca_playground.transport import Plan


@dataclass(frozen=True)
class TotalVariation(Divergence):
    """``1/2 sum |T - P| / n``."""

    name = "total_variation"

    def __call__(self, target: Goal | Matrix, plan: Plan, *, offset: float = 1.0, data: Any = None) -> Tensor:
        """In [0, 1] for plans of the target's mass."""
        return _a_row((as_goal(target).matrix - matrix_of(plan)).abs()) / 2


@dataclass(frozen=True)
class Square(Divergence):
    """``sum (T - P)^2 / n``."""

    name = "square"

    def __call__(self, target: Goal | Matrix, plan: Plan, *, offset: float = 1.0, data: Any = None) -> Tensor:
        """The squared Frobenius distance, a row."""
        return _a_row((as_goal(target).matrix - matrix_of(plan, power=2)).square())


@dataclass(frozen=True)
class InnerProduct(Divergence):
    """``- <T, P> / n``."""

    name = "inner_product"

    def __call__(self, target: Goal | Matrix, plan: Plan, *, offset: float = 1.0, data: Any = None) -> Tensor:
        """Minus the mass that lies where the target has it."""
        return _a_row(-as_goal(target).matrix * matrix_of(plan))


@dataclass(frozen=True)
class Uniformity(Divergence):
    """``KL(Q | P) / n`` on the negatives, Q their mean: ``|N| A log(A / G) / n`` with their two means A and G.

    Negatives are the pairs that may hold mass and hold none in T. Source: Shi et al. 2023.
    """

    name = "uniformity"

    def __call__(self, target: Goal | Matrix, plan: Plan, *, offset: float = 1.0, data: Any = None) -> Tensor:
        """Zero where all negatives hold the same mass, and where the target leaves none (label smoothing)."""
        if plan.fixed_mass is None:
            check_exponent(plan.log, plan, "the mass of the plan", "make a side exact")
        log = plan.log.to(plan.problem.wide)
        negatives = (as_goal(target).matrix == 0) & log.isfinite()
        count = negatives.sum((-2, -1)).to(log)
        some = count.clamp(min=1)
        log_mean = log.masked_fill(~negatives, -torch.inf).logsumexp((-2, -1)) - some.log()
        mean_log = torch.where(negatives, log, 0.0).sum((-2, -1)) / some
        gap = torch.where(count > 0, log_mean - mean_log, 0.0)
        arithmetic = torch.where(count > 0, log_mean, 0.0).exp()
        return (count * arithmetic * gap / plan.problem.shape[-2]).to(plan.problem.dtype)


@dataclass(frozen=True)
class MMD(Divergence):
    """Maximum mean discrepancy between what the plan couples and the pairs, in the space of the DATA.

    Conditional (half the mean squared MMD between a row of the plan and its partner, up to a constant):
    ``1/2 mean diag(P Ky P') - mean diag(P Ky)``; joint: ``sum P (Kx P Ky) - 2 mean diag(Kx P Ky)`` with P of mass 1.
    ``kernel`` "gaussian", ``exp(-|x - x'|^2 / (2 bandwidth^2))``, or "linear". Source: Baptista et al. 2025, 3.11, B.1.
    """

    joint: bool = False
    kernel: str = "gaussian"
    bandwidth: float = 1.0
    name = "mmd"
    pairs_only = True

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.kernel not in ("gaussian", "linear"):
            raise ValueError(near(self.kernel, ("gaussian", "linear"), what="kernel of mmd"))
        if not is_number(self.bandwidth) or not 0 < self.bandwidth < math.inf:
            raise ValueError(f"bandwidth must be > 0 and finite, got {self.bandwidth!r}")

    def __call__(self, target: Goal | Matrix, plan: Plan, *, offset: float = 1.0, data: Any = None) -> Tensor:
        """Raises: ValueError where the data are missing."""
        if not isinstance(data, tuple | list) or len(data) != 2:
            raise ValueError("the MMD compares in the space of the data, not of the embeddings: pass data=(x, y)")
        n, m = plan.problem.shape[-2:]
        matrix_of_pairs = as_goal(target).matrix
        gram_rows, gram_cols = self._gram(data[0], n, plan), self._gram(data[1], m, plan)
        if self.joint:
            share = plan.log.flatten(-2).softmax(-1).view_as(plan.log)
            moved = gram_rows @ share @ gram_cols
            return (share * moved).sum((-2, -1)) - 2 * _a_row(matrix_of_pairs * moved)
        matrix = matrix_of(plan, power=2)
        seen = matrix @ gram_cols
        return _a_row(seen * matrix) / 2 - _a_row(matrix_of_pairs * seen)

    def _gram(self, points: object, size: int, plan: Plan) -> Tensor:
        x = as_float_tensor(points, name="data").detach().to(plan.cost)
        if x.ndim < 2 or x.shape[-2] != size:
            raise ValueError(f"data must hold one point a row, ({size}, d), got shape {tuple(x.shape)}")
        if not x.isfinite().all():
            raise ValueError(f"data must be finite, got {int((~x.isfinite()).sum())} NaN or inf entries")
        if self.kernel == "linear":
            return x @ x.mT
        return torch.exp(-torch.cdist(x, x).square() / (2 * self.bandwidth**2))


def _a_row(entries: Matrix) -> Tensor:
    return entries.sum((-2, -1)) / entries.shape[-2]
