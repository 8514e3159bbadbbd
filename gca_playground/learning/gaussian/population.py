"""The losses of the family in exact form, for a Gaussian truth and a quadratic score; differentiable.

Each formula takes the score and the canonical decomposition in whitened coordinates, where both marginals are standard
normal and R is the cross-covariance. Constants that no encoder changes are dropped, except in ``wasserstein``.
Numbers of theorems and problems are those of Baptista, Stuart and Tran 2025.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gca_playground.learning.gaussian.corners import corners
from gca_playground.transport.gaussian import Canonical, Score
from gca_playground.transport.gaussian.matrices import eye_like, logdet, root
from gca_playground.transport.gaussian.potentials import Potentials, precision, scalar_potentials

Pair = tuple[float, float]
OneSide = Callable[[Score, Canonical], Tensor]
"""A loss of u given v."""


def corner(score: Score, truth: Canonical, *, kappa: Pair) -> Tensor:
    """``KL(truth | plan of the score under kappa, normalised) - mutual information``.

    Every loss by likelihood is this at a corner or a mean of two: (0, 0) joint (Problem 3.7), (0, 1) u given v and
    (1, 0) v given u (Problem 3.4), (1, 1) Sinkhorn, inverse optimal transport. +inf where the plan has infinite mass.
    """
    if score.is_bilinear or kappa == (1.0, 1.0):
        return _corner_of_bilinear(score.A, truth.R, kappa)
    Z = corners(score, kappa)
    return -(score.A * truth.R).sum() + 0.5 * (Z.trace() - len(Z)) - 0.5 * logdet(Z - _across(score.A))


def conditional(score: Score, truth: Canonical, *, weights: Pair) -> Tensor:
    """``(w_u / 2) L(u|v) + (w_v / 2) L(v|u)`` (Problem 3.13); (1, 1) is CLIP, (2, 0) and (0, 2) one-sided."""
    return _two_sided(score, truth, weights, lambda s, t: corner(s, t, kappa=(0.0, 1.0)))


def joint(score: Score, truth: Canonical) -> Tensor:
    """``- E s + log E_product exp(s)`` (Problem 3.7), the Donsker-Varadhan bound on - mutual information."""
    return corner(score, truth, kappa=(0.0, 0.0))


def sinkhorn(score: Score, truth: Canonical) -> Tensor:
    """``- E (s + phi + psi)`` with the potentials that make both marginals exact: inverse optimal transport."""
    return corner(score, truth, kappa=(1.0, 1.0))


def wasserstein(score: Score, truth: Canonical, *, weights: Pair) -> Tensor:
    """``(w_u / 2) E_v W2^2(truth u|v, model u|v)`` + the same for v, in squared units of the data; nothing dropped."""
    return _two_sided(score, truth, weights, _wasserstein_u)


def conditional_mmd(score: Score, truth: Canonical, *, weights: Pair, bandwidth: float | None) -> Tensor:
    """``(w_u / 2) E_v MMD^2(truth u|v, model u|v)`` + the same for v, less what the score does not change.

    The kernel is ``<u, u'>`` of the centred data, or ``exp(-|u - u'|^2 / (2 bandwidth^2))``. Source: Problem B.1.
    """
    return _two_sided(score, truth, weights, lambda s, t: _mmd_u(s, t, bandwidth))


def joint_mmd(score: Score, truth: Canonical, *, bandwidth: float | None) -> Tensor:
    """``MMD^2(truth, model joint)`` with the product kernel, less what the score does not change (Problem 3.11)."""
    Lambda = precision(score, Potentials(torch.zeros_like(score.B), torch.zeros_like(score.D)))
    if logdet(Lambda.detach()).isneginf():
        return torch.full((), torch.inf, dtype=Lambda.dtype)
    unwhiten = torch.block_diag(truth.root_u, truth.root_v)
    model = unwhiten @ torch.linalg.inv(Lambda) @ unwhiten
    split = len(truth.root_u)
    if bandwidth is None:
        mine, theirs = model[:split, split:], truth.root_u @ truth.R @ truth.root_v
        return (mine * mine).sum() - 2 * (mine * theirs).sum()
    data = unwhiten @ _joint_cov(truth.R) @ unwhiten
    return _mean_kernel(2 * model, bandwidth) - 2 * _mean_kernel(model + data, bandwidth)


def spectral(score: Score, truth: Canonical) -> Tensor:
    """``E_product s^2 - 2 E s``: the spectral contrastive loss, twice the conditional one for an inner product."""
    A, B, D = score
    traces = B.trace() + D.trace()
    square = (A * A).sum() + 0.5 * (B * B).sum() + 0.5 * (D * D).sum() + 0.25 * traces**2
    return square - 2 * (A * truth.R).sum() + traces


def tempered(score: Score, truth: Canonical, *, weights: Pair, alpha: float) -> Tensor:
    """``(w_u / 2) E (q^-alpha - 1) / alpha``, q the model's density of u given v over that of u, + the same for v.

    Tends to the conditional loss as alpha does to 0; +inf where the mean does not exist.
    """
    return _two_sided(score, truth, weights, lambda s, t: _tempered_u(s, t, alpha))


def _two_sided(score: Score, truth: Canonical, weights: Pair, one_side: OneSide) -> Tensor:
    """The weighted mean of a loss of u given v and of the same loss with the two variables exchanged."""
    sides = ((weights[0], score, truth), (weights[1], _swapped(score), _swapped_canonical(truth)))
    terms = [0.5 * weight * one_side(s, t) for weight, s, t in sides if weight > 0]
    return torch.stack(terms).sum()


def _swapped(score: Score) -> Score:
    return Score(score.A.mT, score.D, score.B)


def _swapped_canonical(truth: Canonical) -> Canonical:
    return Canonical(truth.V, truth.sigma, truth.U, truth.root_v, truth.root_u, truth.unroot_v, truth.unroot_u)


def _corner_of_bilinear(A: Tensor, R: Tensor, kappa: Pair) -> Tensor:
    """By the squared singular values of A, of which everything is a smooth function, at repeated zeros too."""
    square = torch.linalg.eigvalsh(A @ A.mT if A.shape[0] <= A.shape[1] else A.mT @ A)
    F, G = scalar_potentials(square, kappa)
    inner = (1 + F) * (1 + G) - square
    if not (inner > 0).all():
        return torch.full((), torch.inf, dtype=A.dtype)
    return -(A * R).sum() + 0.5 * (F + G - inner.log()).sum()


def _across(A: Tensor) -> Tensor:
    """``[[0, A], [A', 0]]``."""
    n_u, n_v = A.shape
    return torch.cat([torch.cat([A.new_zeros(n_u, n_u), A], 1), torch.cat([A.mT, A.new_zeros(n_v, n_v)], 1)])


def _model_u(score: Score) -> tuple[Tensor, Tensor]:
    """Slope and covariance of the model's u given v, whitened."""
    cov = torch.linalg.inv(eye_like(score.B) + score.B)
    return cov @ score.A, cov


def _wasserstein_u(score: Score, truth: Canonical) -> Tensor:
    slope, cov = _model_u(score)
    miss = truth.root_u @ (slope - truth.R)
    mine = truth.root_u @ cov @ truth.root_u
    theirs = truth.root_u @ (eye_like(cov) - truth.R @ truth.R.mT) @ truth.root_u
    half = root(theirs)
    overlap = torch.linalg.eigvalsh(half @ mine @ half).clamp_min(0.0).sqrt().sum()
    return (miss * miss).sum() + mine.trace() + theirs.trace() - 2 * overlap


def _mmd_u(score: Score, truth: Canonical, bandwidth: float | None) -> Tensor:
    slope, cov = _model_u(score)
    if bandwidth is None:
        mine, theirs = truth.root_u @ slope, truth.root_u @ truth.R
        return (mine * mine).sum() - 2 * (mine * theirs).sum()
    miss = slope - truth.R
    # u - u' is Gaussian: both draws of the model, or the truth's and the model's, given the same v.
    apart = eye_like(cov) - truth.R @ truth.R.mT + cov + miss @ miss.mT
    own, cross = (truth.root_u @ both @ truth.root_u for both in (2 * cov, apart))
    return _mean_kernel(own, bandwidth) - 2 * _mean_kernel(cross, bandwidth)


def _mean_kernel(cov: Tensor, bandwidth: float) -> Tensor:
    """``E exp(-|x|^2 / (2 bandwidth^2))`` for x ~ N(0, cov)."""
    return torch.exp(-0.5 * logdet(eye_like(cov) + cov / bandwidth**2))


def _tempered_u(score: Score, truth: Canonical, alpha: float) -> Tensor:
    inner = eye_like(score.B) + score.B
    G = score.A.mT @ torch.linalg.solve(inner, score.A)
    bend = torch.cat([torch.cat([-score.B, score.A], 1), torch.cat([score.A.mT, -G], 1)])
    data = torch.linalg.inv(_joint_cov(truth.R))
    log_mean = 0.5 * (logdet(data) - logdet(data + alpha * bend) - alpha * logdet(inner))
    return torch.expm1(log_mean) / alpha


def _joint_cov(R: Tensor) -> Tensor:
    return torch.eye(sum(R.shape), dtype=R.dtype) + _across(R)
