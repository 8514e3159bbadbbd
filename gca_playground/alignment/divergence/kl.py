"""The generalised Kullback-Leibler divergence, and the gap that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gca_playground._shapes import Matrix
from gca_playground.alignment.divergence.base import Divergence, mass_of
from gca_playground.alignment.goal import Goal, as_goal
from gca_playground.transport import EXACT, Plan, Trajectory


@dataclass(frozen=True)
class KL(Divergence):
    """``sum (T log(T / P) - T + P) / n``, the generalised divergence in nats a row; without ``mass`` its first part.

    With exact rows and pairs it is the mean of ``- log P_ii``. Evaluated on the support of T, so that a forbidden pair
    costs nothing where T is 0.
    """

    mass: bool = True
    name = "kl"

    def __post_init__(self) -> None:
        """Check the switch."""
        if not isinstance(self.mass, bool):
            raise TypeError(f"mass must be True or False, got {self.mass!r}")

    def __call__(self, target: Goal | Matrix, plan: Plan, *, offset: float = 1.0, data: Any = None) -> Tensor:
        """From ``<T, log P>``, which needs no matrix where T is pairs."""
        goal = as_goal(target)
        own = goal.self_information(plan)
        if self.mass:
            mass = plan.fixed_mass
            own = own - goal.mass(plan) + (mass_of(plan) if mass is None else mass)
        return (own / plan.problem.shape[-2] - goal.seen(plan)).to(plan.problem.dtype)


@dataclass(frozen=True)
class FenchelYoung(Divergence):
    """The gap ``<C, T> + Omega(T) - F(C)``, in cost units a row; F is the optimum of the plan's own problem.

    Omega(T) is ``epsilon sum T (log T - 1)`` and what soft sides charge. Convex in the cost; at convergence its
    gradient is T - P under every constraint. Equal to ``epsilon KL`` for exact sides and a target that has their
    masses (the matching gap); with an exact side and a target that breaks it, it has no lower bound.
    """

    name = "fenchel_young"

    def __call__(self, target: Goal | Matrix, plan: Plan, *, offset: float = 1.0, data: Any = None) -> Tensor:
        """Primal value of T minus dual value of the potentials; before convergence an upper bound of the gap."""
        problem, epsilon = plan.problem, plan.temperature
        target = as_goal(target).matrix.to(problem.wide)
        cost = torch.where(target > 0, plan.cost, 0.0)
        entropy = epsilon * (torch.special.xlogy(target, target) - target).sum((-2, -1))
        sides = ((problem.rows, target.sum(-1), plan.log_u), (problem.cols, target.sum(-2), plan.log_v))
        paid = (target * cost).sum((-2, -1)) + entropy
        earned: Tensor | float = -epsilon * mass_of(plan)
        for side, sums, log_scale in sides:
            constraint = EXACT if problem.total is not None and side is problem.rows else side.constraint
            paid = paid + constraint.charge(sums.expand_as(side.mass), side.mass).sum(-1)
            earned = earned + constraint.earned(epsilon * log_scale, side.mass).sum(-1)
        return ((paid - earned) / target.shape[-2]).to(plan.problem.dtype)


def kl(target: Matrix, plan: Plan) -> Tensor:
    """``KL(T | P) / n = sum (T log(T / P) - T + P) / n`` (...); see ``KL``."""
    return KL()(target, plan)


def kl_along(target: Matrix, plan: Plan) -> Tensor:
    """``KL(T | P_k) / n`` of the plans after k = 0, 1, ... half-steps, (K + 1, ...).

    From the potentials alone: ``<T, log P_k> = (<T 1, f_k> + <T' 1, g_k> - <T, C>) / epsilon``.
    """
    path: Trajectory = plan.trajectory
    wide = target.to(path.f.dtype)
    cost = torch.where(wide > 0, plan.cost.detach(), 0.0)
    fitted = _weighted(wide.sum(-1), path.f) + _weighted(wide.sum(-2), path.g) - (wide * cost).sum((-2, -1))
    mass = path.log_row_sums.exp().sum(-1)
    own = torch.special.xlogy(wide, wide).sum((-2, -1)) - wide.sum((-2, -1))
    return (own - fitted / plan.epsilon + mass) / target.shape[-2]


def _weighted(weight: Tensor, potential: Tensor) -> Tensor:
    """``<weight, potential>``, where an element of weight 0 may have any potential."""
    return torch.where(weight > 0, weight * potential, 0.0).sum(-1)
