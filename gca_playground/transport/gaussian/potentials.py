"""The potentials of a Gaussian plan, in whitened coordinates: two symmetric matrices F and G.

The plan of a score s between two standard normals is ``exp(s - x'Fx/2 - y'Gy/2) N(x) N(y)``. Half-steps damped by
kappa = rho / (rho + epsilon) (0: free, 1: exact) move F and G; here are their fixed points. A score
``s = x'Ay - x'Bx/2 - y'Dy/2`` has

    F = kappa_u (A (I + D + G)^-1 A' - B),   G = kappa_v (A' (I + B + F)^-1 A - D).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gca_playground.transport.gaussian.matrices import EPS, as_double, eye_like, logdet

MAX_STEPS = 100_000


def h(m: object) -> Tensor:
    """``h(m) = (sqrt(1 + 4 m^2) - 1) / (2 m)``, the correlation that Sinkhorn makes of the coupling m.

    The map of each singular value, in [0, inf) to [0, 1): the entropic plan of the score x'My between standard normals
    has cross-covariance U diag(h(m)) V'. Source: Baptista et al. 2025, Definition 5.5; here also as the Sinkhorn map.
    Raises: ValueError for m < 0.
    """
    value = as_double(m, name="m")
    if (value < 0).any():
        raise ValueError(f"the coupling m must be >= 0, got {value.min().item():g}")
    # The same number without the cancellation at small m; a large m would overflow m^2.
    return 2 * value / (1 + torch.hypot(torch.ones_like(value), 2 * value))


def h_inverse(c: object) -> Tensor:
    """``m = c / (1 - c^2)``, the coupling whose entropic plan has correlation c. Raises: ValueError outside [0, 1)."""
    value = as_double(c, name="c")
    if not ((value >= 0) & (value < 1)).all():
        raise ValueError(f"correlations must be in [0, 1), got {value.tolist()}")
    return value / ((1 - value) * (1 + value))


class Score(NamedTuple):
    """A quadratic score ``s(u, v) = u'Av - u'Bu/2 - v'Dv/2``; minus the cost at temperature 1.

    ``A`` (n_u, n_v), ``B`` (n_u, n_u) and ``D`` (n_v, n_v) symmetric. An inner product has B = D = 0, minus half a
    squared distance B, D >= 0.
    """

    A: Tensor
    B: Tensor
    D: Tensor

    @classmethod
    def bilinear(cls, A: Tensor) -> Score:
        """``u'Av`` alone."""
        n_u, n_v = A.shape
        return cls(A, A.new_zeros(n_u, n_u), A.new_zeros(n_v, n_v))

    def in_coordinates(self, root_u: Tensor, root_v: Tensor) -> Score:
        """The same function of x and y, where u = root_u x and v = root_v y."""
        return Score(root_u.mT @ self.A @ root_v, root_u.mT @ self.B @ root_u, root_v.mT @ self.D @ root_v)

    @property
    def is_bilinear(self) -> bool:
        """Whether there are no self-terms."""
        return not (self.B.any().item() or self.D.any().item())


class Potentials(NamedTuple):
    """``F`` (n_u, n_u) and ``G`` (n_v, n_v), symmetric."""

    F: Tensor
    G: Tensor


def precision(score: Score, potentials: Potentials) -> Tensor:
    """The inverse covariance of the plan, ``[[I + B + F, -A], [-A', I + D + G]]``, in whitened coordinates."""
    corner_u = eye_like(score.B) + score.B + potentials.F
    corner_v = eye_like(score.D) + score.D + potentials.G
    return torch.cat([torch.cat([corner_u, -score.A], 1), torch.cat([-score.A.mT, corner_v], 1)])


def scalar_potentials(square: Tensor, kappa: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """The fixed point for one singular value m of a bilinear score: ``F (1 + G) = kappa_u m^2`` and the same for G.

    Given ``square`` = m^2, any shape, differentiable at 0 too. Returns F and G.
    """
    kappa_u, kappa_v = kappa
    return _larger_root((kappa_v - kappa_u) * square, kappa_u * square), _larger_root(
        (kappa_u - kappa_v) * square, kappa_v * square
    )


def fixed_point(score: Score, kappa: tuple[float, float]) -> Potentials:
    """The potentials of any quadratic score, in whitened coordinates, by the formula that fits.

    Raises: ValueError where some half-step integrates to infinity.
    """
    if kappa == (1.0, 1.0) or score.is_bilinear:
        return _by_singular_values(score, kappa)
    return iterate(score, kappa)


def iterate(score: Score, kappa: tuple[float, float]) -> Potentials:
    """The half-steps from F = G = 0 until nothing moves; differentiable through all of them.

    Raises: ValueError where a half-step integrates to infinity or the steps do not settle.
    """
    F, G = torch.zeros_like(score.B), torch.zeros_like(score.D)
    last = torch.inf
    for _ in range(MAX_STEPS):
        new_F = _half_step(score.A, score.B, score.D, G, kappa[0])
        new_G = _half_step(score.A.mT, score.D, score.B, new_F, kappa[1])
        move = max((new_F - F).abs().max().item(), (new_G - G).abs().max().item())
        scale = 1 + max(new_F.abs().max().item(), new_G.abs().max().item())
        F, G = new_F, new_G
        # Below this only rounding moves: one step more would not be better.
        if move <= 2 * EPS * scale or (move <= 1e-13 * scale and move >= last):
            return Potentials(F, G)
        last = move
    raise ValueError(f"the half-steps did not settle in {MAX_STEPS} rounds at kappa = {kappa}: last change {last:.2g}")


def _half_step(A: Tensor, B: Tensor, D: Tensor, other: Tensor, kappa: float) -> Tensor:
    if kappa == 0:
        return torch.zeros_like(B)
    inner = eye_like(D) + D + other
    if logdet(inner.detach()).isneginf():
        raise ValueError("a half-step of this score integrates to infinity: its self-terms are too negative")
    new = kappa * (A @ torch.linalg.solve(inner, A.mT) - B)
    return (new + new.mT) / 2


def _larger_root(shift: Tensor, product: Tensor) -> Tensor:
    """The root F >= 0 of ``F^2 + (1 + shift) F = product``, without cancellation on either side."""
    middle = 1 + shift
    spread = torch.sqrt(middle**2 + 4 * product)
    positive = middle > 0
    return torch.where(positive, 2 * product / (torch.where(positive, middle, 1.0) + spread), (spread - middle) / 2)


def _by_singular_values(score: Score, kappa: tuple[float, float]) -> Potentials:
    U, m, Vh = torch.linalg.svd(score.A, full_matrices=False)
    F, G = scalar_potentials(m**2, kappa)
    # An exact side on both ends absorbs whatever the score says of u or of v alone.
    exact = kappa == (1.0, 1.0)
    self_u, self_v = (score.B, score.D) if exact else (0.0, 0.0)
    return Potentials((U * F) @ U.mT - self_u, (Vh.mT * G) @ Vh - self_v)
