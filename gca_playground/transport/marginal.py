"""One side of a problem: a constraint that knows its masses and epsilon."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gca_playground._shapes import Side
from gca_playground.transport.constraint import Constraint, Soft


@dataclass(frozen=True, eq=False)
class Marginal:
    """One side: its constraint, its masses and their sum (...), in the precision of the potentials.

    ``dead`` marks elements of mass zero that must stay empty; None when there are none.
    """

    constraint: Constraint
    mass: Side
    total: Tensor | float
    epsilon: float
    dead: Tensor | None

    @cached_property
    def log_mass(self) -> Side:
        """The logarithm of the masses."""
        return self.mass.log()

    def potential(self, lse: Side) -> Side:
        """The potential after a half-step of this side."""
        potential = self.constraint.potential(lse, self.log_mass, self.epsilon)
        return potential if self.dead is None else potential.masked_fill(self.dead, -torch.inf)

    def slope(self, lse: Side) -> Side:
        """``- d potential / d lse / epsilon``; 0 for an element that stays empty."""
        slope = self.constraint.slope(lse, self.log_mass, self.epsilon)
        return slope if self.dead is None else slope.masked_fill(self.dead, 0.0)

    def drift(self, lse: Side) -> Side:
        """``d (potential / epsilon) / d epsilon`` at this lse; 0 for an element that stays empty."""
        drift = self.constraint.drift(lse, self.log_mass, self.epsilon)
        return drift if self.dead is None else drift.masked_fill(self.dead, 0.0)

    @property
    def price(self) -> float:
        """``rho`` of a soft side; inf where the side charges nothing between its bounds or admits no excess."""
        return self.constraint.rho if isinstance(self.constraint, Soft) else math.inf

    def error(self, potential: Side, lse: Side) -> Side:
        """How far each element is from its own optimality (``constraint.error``); 0 where it stays empty."""
        error = self.constraint.error(potential, lse, self.log_mass, self.epsilon)
        return error if self.dead is None else error.masked_fill(self.dead, 0.0)

    def miss(self, potential: Side, lse: Side) -> Side:
        """``error`` as a tolerance sees it: a soft side's divided by rho where rho > 1.

        So it ends at what an exact side has, and rounding, which rho magnifies, does not keep a loop going.
        """
        rho = self.constraint.rho if isinstance(self.constraint, Soft) else 1.0
        return self.error(potential, lse) / (max(rho, 1.0) if math.isfinite(rho) else 1.0)
