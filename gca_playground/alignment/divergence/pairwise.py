"""Divergences from pairs that look at each row and its partner: robust InfoNCE and the tempered family."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gca_playground._boundary import is_number, near
from gca_playground._shapes import Matrix
from gca_playground.alignment.divergence.base import Divergence, check_exponent, log_ratio
from gca_playground.alignment.goal import Goal, as_goal
from gca_playground.transport import Plan


@dataclass(frozen=True)
class RINCE(Divergence):
    """``mean_i [ - (K_ii v_i)^q / q + (lam sum_j K_ij v_j)^q / q ]``, robust InfoNCE, for pairs.

    K = exp(score / epsilon) with v = exp(g / epsilon) as the half-steps leave it (1 where none was taken); with
    ``kernel`` "cost" K = exp(-C / epsilon), which is the value times exp(-q / epsilon) and stays of one size over all
    epsilon. ``q`` in (0, 1]: towards 0 InfoNCE + log lam, at 1 the most robust; ``lam`` in (0, 1].
    Source: Chuang et al. 2022 (v = 1); Chen et al. 2024 for GCA-RINCE.
    """

    q: float = 0.5
    lam: float = 0.01
    kernel: str = "score"
    name = "rince"
    pairs_only = True
    sees_potentials = True

    def __post_init__(self) -> None:
        """Check the parameters."""
        for name in ("q", "lam"):
            if not is_number(getattr(self, name)) or not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in (0, 1], got {getattr(self, name)!r}")
        if self.kernel not in ("score", "cost"):
            raise ValueError(near(self.kernel, ("score", "cost"), what="kernel of rince"))

    def __call__(self, target: Goal | Matrix, plan: Plan, *, offset: float = 1.0, data: Any = None) -> Tensor:
        """Raises: ValueError where the value is too large for its type (q / epsilon above 80 in float32)."""
        level = (offset if self.kernel == "score" else 0.0) / plan.temperature
        positive = self.q * (level + log_ratio(as_goal(target), plan))
        everything = self.q * (level + plan.log_kernel_sums + math.log(self.lam))
        check_exponent(torch.maximum(positive, everything), plan, f"the RINCE value at q = {self.q:g}", "lower q")
        return ((everything.expm1() - positive.expm1()) / self.q).mean(-1).to(plan.problem.dtype)


@dataclass(frozen=True)
class Tempered(Divergence):
    """``mean (((n P_ii)^-alpha - 1) / alpha)``, for pairs; the plan's rows should be exact.

    alpha -> 0: InfoNCE - log n; 1 covers the tails; towards -1 it seeks the mode. Source: Baptista et al. 2025.
    """

    alpha: float = 1.0
    name = "tempered"
    pairs_only = True

    def __post_init__(self) -> None:
        """Check the parameter."""
        if not is_number(self.alpha) or not -1 <= self.alpha < math.inf:
            raise ValueError(f"alpha must be >= -1 and finite, got {self.alpha!r}")

    def __call__(self, target: Goal | Matrix, plan: Plan, *, offset: float = 1.0, data: Any = None) -> Tensor:
        """Raises: ValueError where the value is too large for its type."""
        log_share = math.log(plan.problem.shape[-1]) + plan.log_u + log_ratio(as_goal(target), plan)
        exponent = -self.alpha * log_share
        check_exponent(exponent, plan, f"the tempered value at alpha = {self.alpha:g}", "lower alpha")
        value = exponent.expm1() / self.alpha if self.alpha else -log_share
        return value.mean(-1).to(plan.problem.dtype)
