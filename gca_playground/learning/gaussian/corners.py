"""The plan of a quadratic score under damped half-steps, by doubling: 2^k rounds of half-steps in k solves.

With X = I + B + F and Y = I + D + G, the corners of the plan's precision in whitened coordinates, the fixed point is

    X = Q_u + kappa_u A Y^-1 A',   Q_u = I + (1 - kappa_u) B,
    Y = Q_v + kappa_v A' X^-1 A,   Q_v = I + (1 - kappa_v) D,

one equation ``Z = Q + L' Z^-1 L`` for Z = diag(X, Y). It has one positive definite solution where Q > 0 (Ferrante and
Levy 1996); doubling composes the map with itself (Lin and Xu 2006; the signs are derived here).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gca_playground.transport.gaussian import Score
from gca_playground.transport.gaussian.matrices import EPS, eye_like

MOST_DOUBLINGS = 60


def corners(score: Score, kappa: tuple[float, float]) -> Tensor:
    """``diag(I + B + F, I + D + G)`` (n_u + n_v square), differentiable, of a score with I + B, I + D > 0.

    Raises: ValueError where the doublings do not settle.
    """
    Q = torch.block_diag(_own(score.B, kappa[0]), _own(score.D, kappa[1]))
    to_v, to_u = kappa[1] ** 0.5 * score.A, kappa[0] ** 0.5 * score.A.mT
    L = torch.cat([torch.cat([torch.zeros_like(score.B), to_v], 1), torch.cat([to_u, torch.zeros_like(score.D)], 1)])
    return _FixedPoint.apply(Q, L)


class _FixedPoint(torch.autograd.Function):
    """``Z = Q + L' Z^-1 L``; the gradient by the implicit function theorem, itself differentiable."""

    @staticmethod
    def forward(ctx: Any, Q: Tensor, L: Tensor) -> Tensor:
        Z = _settled(Q, L)
        ctx.save_for_backward(L, Z)
        return Z

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        L, Z = ctx.saved_tensors
        K = torch.linalg.solve(Z, L)
        weight = _alternating_sum((gradient + gradient.mT) / 2, K)
        return weight, 2 * K @ weight


def _settled(Q: Tensor, L: Tensor) -> Tensor:
    """Z -> Q + sign L' (Z + P)^-1 L, applied to itself until L is nothing: of the same form, then with sign -1."""
    P, sign = torch.zeros_like(Q), 1.0
    for _ in range(MOST_DOUBLINGS):
        right, left = torch.linalg.solve(Q + P, torch.cat([L, L.mT], 1)).chunk(2, 1)
        gain = L.mT @ right
        Q, P, L, sign = Q + sign * (gain + gain.mT) / 2, P + sign * L @ left, L @ right, -1.0
        if gain.abs().max().item() <= EPS * Q.abs().max().item():
            return Q
    raise ValueError("the doublings of the half-steps did not settle: a score this strong needs kappa further below 1")


def _alternating_sum(weight: Tensor, K: Tensor) -> Tensor:
    """``W - K W K' + K^2 W K'^2 - ...``, which solves ``V + K V K' = W``; doubling the number of terms each time."""
    total, K, sign = weight, K, -1.0
    for _ in range(MOST_DOUBLINGS):
        more = K @ total @ K.mT
        total, K, sign = total + sign * more, K @ K, 1.0
        if more.detach().abs().max().item() <= EPS * total.detach().abs().max().item():
            break
    return total


def _own(self_term: Tensor, kappa: float) -> Tensor:
    return eye_like(self_term) + (1 - kappa) * self_term
