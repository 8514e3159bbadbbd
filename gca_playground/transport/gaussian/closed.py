"""Two closed forms for the quadratic cost |u - v|^2 / 2, each on its own: nothing is shared with the fixed point.

With epsilon and rho in the units of that cost. (The literature mostly writes |u - v|^2: its epsilon and gamma are
twice ours.)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gca_playground._boundary import as_epsilon
from gca_playground.transport.gaussian.law import Gaussian, Normal
from gca_playground.transport.gaussian.matrices import eye_like, logdet, root


def entropic_cross_covariance(source: Normal, target: Normal, *, epsilon: float) -> Tensor:
    """``X = (1/2) A^1/2 (4 A^1/2 B A^1/2 + epsilon^2 I)^1/2 A^-1/2 - (epsilon/2) I`` of the balanced plan, (n, n).

    It solves ``epsilon A^-1 X = B - X' A^-1 X``. Source: Janati et al. 2020, Theorem 1; Mallasto et al. 2020.
    """
    eps = as_epsilon(epsilon)
    _check_equal_dimensions(source, target)
    half, inverse = root(source.cov), root(source.cov, -0.5)
    inner = root(4 * half @ target.cov @ half + eps**2 * eye_like(half))
    return 0.5 * half @ inner @ inverse - 0.5 * eps * eye_like(half)


def entropic_value(source: Normal, target: Normal, *, epsilon: float) -> float:
    """The least ``<|u - v|^2 / 2, P> + epsilon KL(P | source x target)`` between two probabilities.

    Source: Janati et al. 2020, Theorem 1, without the blur of the two covariances that cancels.
    """
    eps = as_epsilon(epsilon)
    _check_equal_dimensions(source, target)
    half, size = root(source.cov), len(source.mean)
    D = root(4 * half @ target.cov @ half + eps**2 * eye_like(half))
    gap = (source.mean - target.mean).square().sum()
    double = gap + source.cov.trace() + target.cov.trace() - D.trace()
    double = double + size * eps * (1 - math.log(2 * eps)) + eps * logdet(D + eps * eye_like(D))
    return 0.5 * double.item()


def equal_penalty_plan(source: Normal, target: Normal, *, epsilon: float, rho: float) -> Gaussian:
    """The unbalanced plan with the same price rho on both marginals, in closed form; the mass is in the law.

    Given: any means and masses; ``rho`` > 0 and finite. Source: Janati et al. 2020, Theorem 3 (unbalanced).
    Raises: ValueError for a rho outside (0, inf).
    """
    eps = as_epsilon(epsilon)
    if isinstance(rho, bool) or not isinstance(rho, int | float) or not 0 < rho < math.inf:
        raise ValueError(f"rho must be > 0 and finite, got {rho!r}")
    _check_equal_dimensions(source, target)
    A, B, eye = source.cov, target.cov, eye_like(source.cov)
    blur, damping = eps + rho, rho / (rho + eps)
    soft_A = rho * (eye - blur * torch.linalg.inv(A + blur * eye))
    soft_B = rho * (eye - blur * torch.linalg.inv(B + blur * eye))
    C = _root_of_product(soft_A, soft_B, damping, eps)
    X = torch.linalg.inv(A + B + blur * eye)
    gap = target.mean - source.mean
    cov_u = (eye + C / blur) @ (A - A @ X @ A)
    cov_v = (eye + C.mT / blur) @ (B - B @ X @ B)
    log_mass = _log_mass(source, target, soft_A, soft_B, C, X, eps, rho)
    return Gaussian(
        (cov_u + cov_u.mT) / 2,
        C + (eye + C / blur) @ A @ X @ B,
        (cov_v + cov_v.mT) / 2,
        source.mean + A @ X @ gap,
        target.mean - B @ X @ gap,
        math.exp(log_mass),
    )


def _root_of_product(soft_A: Tensor, soft_B: Tensor, damping: float, epsilon: float) -> Tensor:
    """``(A B / tau + epsilon^2 I / 4)^1/2 - (epsilon / 2) I``: the principal root of a non-symmetric matrix."""
    half, inverse, eye = root(soft_A), root(soft_A, -0.5), eye_like(soft_A)
    inner = root(half @ soft_B @ half / damping + epsilon**2 / 4 * eye)
    return half @ inner @ inverse - epsilon / 2 * eye


def _log_mass(
    source: Normal,
    target: Normal,
    soft_A: Tensor,
    soft_B: Tensor,
    C: Tensor,
    X: Tensor,
    epsilon: float,
    rho: float,
) -> float:
    damping, size = rho / (rho + epsilon), len(source.mean)
    gap = source.mean - target.mean
    logdet_C = torch.linalg.slogdet(C).logabsdet
    soft = logdet(soft_A) + logdet(soft_B)
    dets = logdet_C + 0.5 * (damping * soft - logdet(source.cov) - logdet(target.cov))
    inside = math.log(source.mass) + math.log(target.mass) + dets - 0.5 * gap @ X @ gap
    last = torch.linalg.slogdet(C - soft_A @ soft_B / rho).logabsdet
    start = size * epsilon / (2 * (2 * rho + epsilon)) * math.log(epsilon)
    return (start + inside / (damping + 1) - 0.5 * last).item()


def _check_equal_dimensions(source: Normal, target: Normal) -> None:
    if len(source.mean) != len(target.mean):
        raise ValueError(f"the squared distance needs equal dimensions, got {len(source.mean)} and {len(target.mean)}")
