"""A target as a divergence sees it: a matrix, or pairs, which need none."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from gca_playground._shapes import Matrix
from gca_playground.transport import Plan


class Goal:
    """What a divergence asks of its target: ``matrix`` T (..., n, m); for pairs ``partner`` (n,), each row's column."""

    matrix: Matrix
    partner: Tensor

    def seen(self, plan: Plan) -> Tensor:
        """``<T, log P> / n`` (...), in the precision of the potentials."""
        raise NotImplementedError

    def self_information(self, plan: Plan) -> Tensor | float:
        """``sum T log T`` (...)."""
        raise NotImplementedError

    def mass(self, plan: Plan) -> Tensor | float:
        """``sum T`` (...)."""
        raise NotImplementedError


class Painted(Goal):
    """A matrix. A pair of no mass may be forbidden, and an element of no mass may have any potential."""

    def __init__(self, matrix: Matrix) -> None:
        self.matrix = matrix
        self.partner = matrix.argmax(-1)

    def seen(self, plan: Plan) -> Tensor:
        """From the potentials: ``<T 1, log u> + <T' 1, log v> - <T, C> / epsilon`` a row, on the support of T."""
        wide, cost = plan.problem.wide, torch.where(self.matrix > 0, plan.cost, 0.0)
        spent = (self.matrix * cost).sum((-2, -1), dtype=wide) / plan.temperature
        sides = ((self.matrix.sum(-1, dtype=wide), plan.log_u), (self.matrix.sum(-2, dtype=wide), plan.log_v))
        rows, cols = (torch.where(sums > 0, sums * scale, 0.0).sum(-1) for sums, scale in sides)
        return (rows + cols - spent) / self.matrix.shape[-2]

    def self_information(self, plan: Plan) -> Tensor:
        """With 0 log 0 = 0."""
        return torch.special.xlogy(self.matrix, self.matrix).sum((-2, -1), dtype=plan.problem.wide)

    def mass(self, plan: Plan) -> Tensor:
        """Of all entries."""
        return self.matrix.sum((-2, -1), dtype=plan.problem.wide)


class Pairing(Goal):
    """Row i belongs to column i + shift, counted round the end, each with mass 1: no matrix is needed."""

    def __init__(self, shift: int, like: Tensor) -> None:
        self.shift, self.like = shift, like

    @cached_property
    def partner(self) -> Tensor:  # type: ignore[override]
        """Each row's column."""
        return torch.arange(self.like.shape[-2], device=self.like.device).roll(-self.shift)

    @cached_property
    def matrix(self) -> Matrix:  # type: ignore[override]
        """The permutation as a matrix, for those who need it."""
        return torch.nn.functional.one_hot(self.partner).to(self.like)

    def seen(self, plan: Plan) -> Tensor:
        """At the pairs."""
        if self.shift == 0 and plan.log_diagonal is not None:
            return plan.log_diagonal.mean(-1)
        own = plan.partner_cost(self.partner).to(plan.problem.wide) / plan.temperature
        return plan.log_u.mean(-1) + plan.log_v.mean(-1) - own.mean(-1)

    def self_information(self, plan: Plan) -> float:
        """``1 log 1``."""
        return 0.0

    def mass(self, plan: Plan) -> float:
        """One a row."""
        return float(self.like.shape[-2])


def as_goal(target: Goal | Tensor) -> Goal:
    """A matrix as a goal; a goal as it is."""
    return target if isinstance(target, Goal) else Painted(target)
