"""D: how far is the plan from the target?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gca_playground._boundary import near
from gca_playground._shapes import Matrix
from gca_playground.transport import Plan, Trajectory


def kl(target: Matrix, plan: Plan) -> Tensor:
    """``KL(T | P) / n = sum (T log(T / P) - T + P) / n``, the generalised divergence in nats a row.

    Given: ``target`` (..., n, m) >= 0. Returns (...,). Evaluated on the support of T, so that a forbidden pair costs
    nothing where T is 0. With exact rows and pairs it is the mean of ``- log P_ii``.
    """
    support = target > 0
    log_ratio = torch.where(support, torch.log(torch.where(support, target, 1.0)) - plan.log, 0.0)
    return (target * log_ratio - target + plan.matrix).sum((-2, -1)) / target.shape[-2]


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


DIVERGENCES: dict[str, Callable[[Tensor, Plan], Tensor]] = {"kl": kl}
"""The divergences that ``Alignment(divergence=...)`` knows by name."""


def divergence_named(name: object) -> Callable[[Tensor, Plan], Tensor]:
    """The divergence of that name. Raises: ValueError with near names."""
    if not isinstance(name, str) or name not in DIVERGENCES:
        raise ValueError(near(name, DIVERGENCES, what="divergence"))
    return DIVERGENCES[name]


def _weighted(weight: Tensor, potential: Tensor) -> Tensor:
    """``<weight, potential>``, where an element of weight 0 may have any potential."""
    return torch.where(weight > 0, weight * potential, 0.0).sum(-1)
