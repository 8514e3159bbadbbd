"""The same losses on a batch: functions of the N x N matrix of scores, rows u, columns v, pairs on the diagonal.

The losses by likelihood are the solver's own: the plan of the cost ``- s`` at epsilon = 1 between masses 1/N, under the
constraints that kappa names; where that plan is one softmax it is written as one. They estimate the formulas of
``population``, up to their bias at finite N.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gca_playground.transport.solve import solve

Pair = tuple[float, float]


def corner(s: Tensor, *, kappa: Pair, half_steps: int | None) -> Tensor:
    """``- mean log (N^2 P_ii / mass)``, the batch's estimate of KL(truth | plan) - mutual information."""
    masses = torch.full((len(s),), 1 / len(s), dtype=torch.float64)
    rows, cols = (math.inf if side == 1 else side / (1 - side) for side in kappa)
    # Where a side is free, or both are, the second half-step is the last that moves anything.
    count = 2 if 0 in kappa else half_steps
    plan = solve(-s, epsilon=1.0, rows=rows, cols=cols, a=masses, b=masses, reference="product", steps=count, tol=1e-9)
    return plan.mass.log() - plan.log.diagonal().mean() - 2 * math.log(len(s))


def conditional(s: Tensor, *, weights: Pair) -> Tensor:
    """``(w_u / 2) L(u|v) + (w_v / 2) L(v|u)``: column and row softmax; CLIP's loss less log N at (1, 1)."""
    pulls = 0.5 * sum(weights) * s.diagonal().mean()
    pushes = (0.5 * weight * s.logsumexp(dim).mean() for dim, weight in enumerate(weights))
    return sum(pushes) - pulls - 0.5 * sum(weights) * math.log(len(s))


def joint(s: Tensor, *, negatives: str) -> Tensor:
    """``- mean s_ii + log mean exp(s_ij)`` over all pairs, or with ``negatives="others"`` over i != j."""
    count = len(s) ** 2
    if negatives == "others":
        s_others = s.masked_fill(torch.eye(len(s), dtype=torch.bool), -torch.inf)
        return s_others.flatten().logsumexp(0) - math.log(count - len(s)) - s.diagonal().mean()
    return s.flatten().logsumexp(0) - math.log(count) - s.diagonal().mean()


def sinkhorn(s: Tensor, *, half_steps: int | None) -> Tensor:
    """``- mean (s_ii + f_i + h_i)`` after that many half-steps, rows first, or at convergence."""
    return corner(s, kappa=(1.0, 1.0), half_steps=half_steps)


def conditional_mmd(s: Tensor, gram_u: Tensor, gram_v: Tensor, *, weights: Pair) -> Tensor:
    """``(w_u / 2) mean_j (W' K W - 2 K W)_jj``, W the column softmax, K the Gram matrix of u; + the same for v."""
    sides = ((weights[0], s, gram_u), (weights[1], s.mT, gram_v))
    return torch.stack([0.5 * weight * _mmd_u(score, gram) for weight, score, gram in sides if weight > 0]).sum()


def joint_mmd(s: Tensor, gram_u: Tensor, gram_v: Tensor) -> Tensor:
    """``sum P (K_u P K_v) - 2 mean diag(K_u P K_v)``, P the softmax over all pairs."""
    P = s.flatten().softmax(0).view_as(s)
    spread = gram_u @ P @ gram_v
    return (P * spread).sum() - 2 * spread.diagonal().mean()


def spectral(s: Tensor) -> Tensor:
    """``mean_(i != j) s_ij^2 - 2 mean s_ii``."""
    n = len(s)
    others = s.square().sum() - s.diagonal().square().sum()
    return others / (n * (n - 1)) - 2 * s.diagonal().mean()


def tempered(s: Tensor, *, weights: Pair, alpha: float) -> Tensor:
    """``(w_u / 2) mean_j ((N W_jj)^-alpha - 1) / alpha``, W the column softmax; + the same for the rows."""
    sides = ((weights[0], s), (weights[1], s.mT))
    return torch.stack([0.5 * weight * _tempered_u(score, alpha) for weight, score in sides if weight > 0]).sum()


def gram(x: Tensor, bandwidth: float | None) -> Tensor:
    """``<x_i, x_j>`` of the centred rows, or ``exp(-|x_i - x_j|^2 / (2 bandwidth^2))``."""
    if bandwidth is None:
        centred = x - x.mean(0)
        return centred @ centred.mT
    return torch.exp(-torch.cdist(x, x).square() / (2 * bandwidth**2))


def _mmd_u(s: Tensor, K: Tensor) -> Tensor:
    W = s.softmax(0)
    KW = K @ W
    return (W * KW).sum(0).mean() - 2 * KW.diagonal().mean()


def _tempered_u(s: Tensor, alpha: float) -> Tensor:
    log_share = s.log_softmax(0).diagonal() + math.log(len(s))
    return torch.expm1(-alpha * log_share).mean() / alpha
