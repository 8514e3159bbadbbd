"""Gaussians on a grid: the trapezoid rule, which for a Gaussian converges faster than any power of the spacing."""

from __future__ import annotations

import torch
from torch import Tensor

from gca_playground import solve
from gca_playground.transport.gaussian import Normal, Score


def grid_of(law: Normal, *, points: int, reach: float) -> tuple[Tensor, Tensor]:
    """Nodes (points^n, n) and masses (points^n,) of a Gaussian in n dimensions, ``reach`` deviations wide."""
    line = torch.linspace(-reach, reach, points, dtype=torch.float64)
    white = torch.cartesian_prod(*[line] * len(law.mean)).reshape(-1, len(law.mean))
    mass = torch.exp(-0.5 * white.square().sum(1))
    return law.mean + white @ torch.linalg.cholesky(law.cov).mT, law.mass * mass / mass.sum()


def scores(score: Score, u: Tensor, v: Tensor) -> Tensor:
    """``u'Av - u'Bu/2 - v'Dv/2`` for every two rows."""
    self_u, self_v = ((u @ score.B) * u).sum(1), ((v @ score.D) * v).sum(1)
    return u @ score.A @ v.mT - 0.5 * self_u[:, None] - 0.5 * self_v


def moments(P: Tensor, u: Tensor, v: Tensor) -> tuple[float, Tensor, Tensor]:
    """Mass, mean and covariance of a measure on pairs of nodes."""
    mass = P.sum()
    rows, cols = P.sum(1) / mass, P.sum(0) / mass
    mean_u, mean_v = rows @ u, cols @ v
    x, y = u - mean_u, v - mean_v
    cross = x.mT @ (P / mass) @ y
    top = torch.cat([x.mT @ (rows[:, None] * x), cross], 1)
    bottom = torch.cat([cross.mT, y.mT @ (cols[:, None] * y)], 1)
    return mass.item(), torch.cat([mean_u, mean_v]), torch.cat([top, bottom])


def solved(
    source: Normal,
    target: Normal,
    score: Score,
    *,
    epsilon: float,
    rows: float,
    cols: float,
    points: int,
    reach: float = 10.0,
) -> tuple[float, Tensor, Tensor]:
    """The moments of the plan that ``solve`` finds between two gridded Gaussians at the cost ``- epsilon score``."""
    (u, a), (v, b) = (grid_of(law, points=points, reach=reach) for law in (source, target))
    cost = -epsilon * scores(score, u, v)
    plan = solve(cost, epsilon=epsilon, rows=rows, cols=cols, a=a, b=b, reference="product", tol=1e-11)
    return moments(plan.matrix, u, v)
