"""What a marginal does to its potential.

A constraint never sees the plan. It sees, for each element of its side, the log-sum-exp that the kernel
computed (``lse``) and the log of the mass it should have, and answers with the potential of that side:
one Bregman projection.

    exact      f = epsilon (log a - lse)                       the marginal is a
    soft(rho)  f = kappa epsilon (log a - lse)                 kappa = rho / (rho + epsilon)
    free       f = 0                                           kappa = 0
    bounded    f = epsilon (clip(lse, log lo a, log hi a) - lse)

Exact and free are the two ends of soft. Sources: Chizat et al. 2018 (scaling algorithms, kappa), Benamou et
al. 2015 (projections); bounded sides: Shi et al. 2023 in its dual form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gca_playground._boundary import is_number, near
from gca_playground._shapes import Mass, Side


@dataclass(frozen=True, repr=False)
class Soft:
    """A marginal kept near its mass at the price ``rho KL(marginal | mass)``.

    Given: ``rho`` in [0, inf], in the units of the cost. 0 leaves the side free, inf makes it exact.
    Raises: ValueError for a negative or undefined ``rho``.
    """

    rho: float

    def __post_init__(self) -> None:
        """Refuse what is no price."""
        if not is_number(self.rho) or math.isnan(self.rho) or self.rho < 0:
            raise ValueError(f"rho must be in [0, inf], got {self.rho!r}")
        object.__setattr__(self, "rho", float(self.rho))

    def __repr__(self) -> str:
        """The word for the two ends, the number between them."""
        return {0.0: "FREE", math.inf: "EXACT"}.get(self.rho, f"Soft({self.rho:g})")

    def damping(self, epsilon: float | Tensor) -> float | Tensor:
        """``kappa = rho / (rho + epsilon)``, from 0 (free) to 1 (exact)."""
        return 1.0 if math.isinf(self.rho) else self.rho / (self.rho + epsilon)

    def potential(self, lse: Side, log_mass: Mass, epsilon: float | Tensor) -> Side:
        """The potential (cost units) after one half-step."""
        if self.rho == 0:
            return torch.zeros_like(lse)
        return (log_mass - lse) * (epsilon * self.damping(epsilon))

    def slope(self, lse: Side, log_mass: Mass, epsilon: float) -> Side:
        """``- d potential / d lse / epsilon``, what the adjoint multiplies with."""
        return torch.full_like(lse, float(self.damping(epsilon)))

    def drift(self, lse: Side, log_mass: Mass, epsilon: float) -> Side:
        """``d (potential / epsilon) / d epsilon``: the damping falls as epsilon grows."""
        if self.rho == 0 or math.isinf(self.rho):
            return torch.zeros_like(lse)
        return (lse - log_mass) * (self.rho / (self.rho + epsilon) ** 2)

    def earned(self, potential: Side, mass: Side) -> Side:
        """What each element adds to the dual: ``f a`` (exact), ``rho a (1 - exp(-f / rho))`` (soft), 0 (free)."""
        if math.isinf(self.rho):
            return torch.where(mass > 0, potential * mass, 0.0)
        if self.rho == 0:
            return torch.zeros_like(potential)
        return torch.where(mass > 0, -self.rho * mass * torch.expm1(-potential / self.rho), 0.0)

    def charge(self, marginal: Side, mass: Side) -> Side:
        """What each element pays in the primal: ``rho KL(marginal | mass)``; an exact or free side charges nothing."""
        if self.rho == 0 or math.isinf(self.rho):
            return torch.zeros_like(marginal)
        relative = torch.special.xlogy(marginal, marginal / torch.where(mass > 0, mass, 1.0))
        return self.rho * (relative - marginal + mass)

    def error(self, potential: Side, lse: Side, log_mass: Mass, epsilon: float) -> Side:
        """How far each element is from its own optimality.

        Exact: ``|marginal - mass| / mass``. Soft: ``|f + rho log(marginal / mass)|`` in cost units. Free: 0
        where the potential is 0.
        """
        log_ratio = potential / epsilon + lse - log_mass
        if math.isinf(self.rho):
            return log_ratio.expm1().abs()
        if self.rho == 0:
            return potential.abs()
        return (potential + self.rho * log_ratio).abs()


@dataclass(frozen=True)
class Bounded:
    """A marginal between ``lo`` and ``hi`` times its mass (double-bounded transport).

    Given: ``0 <= lo <= hi``, multiples of the mass; ``hi`` may be inf.
    Raises: ValueError when the bounds are out of order, negative or undefined.
    """

    lo: float
    hi: float

    def __post_init__(self) -> None:
        """Refuse bounds that contain nothing."""
        ordered = is_number(self.lo) and is_number(self.hi) and 0 <= self.lo <= self.hi
        if not ordered or math.isinf(self.lo) or self.hi == 0:
            raise ValueError(f"bounds must satisfy 0 <= lo <= hi, hi > 0, got lo={self.lo!r}, hi={self.hi!r}")
        object.__setattr__(self, "lo", float(self.lo))
        object.__setattr__(self, "hi", float(self.hi))

    def potential(self, lse: Side, log_mass: Mass, epsilon: float | Tensor) -> Side:
        """The potential (cost units) that moves the marginal to the nearest bound, or 0 inside."""
        lo, hi = log_mass + _log(self.lo), log_mass + _log(self.hi)
        return epsilon * (torch.minimum(torch.maximum(lse, lo), hi) - lse)

    def slope(self, lse: Side, log_mass: Mass, epsilon: float) -> Side:
        """1 where a bound holds, 0 inside."""
        clipped = (lse < log_mass + _log(self.lo)) | (lse > log_mass + _log(self.hi))
        return clipped.to(lse.dtype)

    def drift(self, lse: Side, log_mass: Mass, epsilon: float) -> Side:
        """``d (potential / epsilon) / d epsilon``: bounds do not know epsilon."""
        return torch.zeros_like(lse)

    def earned(self, potential: Side, mass: Side) -> Side:
        """What each element adds to the dual: the bound that its potential leans on."""
        upper = torch.where(potential < 0, potential * self.hi, 0.0) if math.isfinite(self.hi) else 0.0
        return mass * (self.lo * potential.clamp(min=0) + upper)

    def charge(self, marginal: Side, mass: Side) -> Side:
        """Between its bounds a side pays nothing."""
        return torch.zeros_like(marginal)

    def error(self, potential: Side, lse: Side, log_mass: Mass, epsilon: float) -> Side:
        """The relative change of the marginal that its own projection would still make."""
        return ((potential - self.potential(lse, log_mass, epsilon)) / epsilon).expm1().abs()


Constraint = Soft | Bounded

EXACT = Soft(math.inf)
"""The marginal equals its mass."""
FREE = Soft(0.0)
"""The marginal may be anything; its potential stays 0."""


def as_constraint(value: object, *, side: str) -> Constraint:
    """A constraint from what a user may write for one: itself, a number rho, or the words exact and free.

    Raises: TypeError that names the side and the value; ValueError with near names for an unknown word.
    """
    if isinstance(value, Soft | Bounded):
        return value
    if is_number(value):
        return Soft(value)  # type: ignore[arg-type]
    words = {"exact": EXACT, "free": FREE}
    if isinstance(value, str):
        if value.lower() not in words:
            raise ValueError(near(value, words, what=f"constraint of the {side}"))
        return words[value.lower()]
    raise TypeError(f"{side} must be EXACT, FREE, Soft(rho), Bounded(lo, hi) or a number rho, got {value!r}")


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf
