"""What each loss learns, in closed form: the table T1 to T9.

In every row the best encoders of rank r see the first r directions of one singular value decomposition,

    G = diag(p(s)) left_r',   H = diag(q(s)) right_r',

with ``s`` the r largest singular values, and the least loss is a sum over them. Canonical rows decompose the whitened
cross-covariance ``cov_u^-1/2 cov_uv cov_v^-1/2 = U diag(sigma) V'``: left = cov_u^-1/2 U, right = cov_v^-1/2 V.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gca_playground._boundary import as_count
from gca_playground.learning.gaussian.losses import in_our_words, knobs_of
from gca_playground.learning.gaussian.model import KAPPAS, Model
from gca_playground.learning.gaussian.population import wasserstein
from gca_playground.learning.gaussian.tilting import tilting_named
from gca_playground.transport.gaussian import Gaussian, Score, h, h_inverse

Pair = tuple[float, float]
ONE_SIDED_U, ONE_SIDED_V, TWO_SIDED = (2.0, 0.0), (0.0, 2.0), (1.0, 1.0)


class Decomposition(NamedTuple):
    """Directions ``left`` (n_u, k) and ``right`` (n_v, k) and their singular values ``s`` (k,), falling."""

    left: Tensor
    s: Tensor
    right: Tensor


def canonical(truth: Gaussian) -> Decomposition:
    """Canonical correlation analysis."""
    found = truth.canonical
    return Decomposition(found.unroot_u @ found.U, found.sigma, found.unroot_v @ found.V)


def regression_of_u(truth: Gaussian) -> Decomposition:
    """``cov_uv cov_v^-1/2``: reduced-rank regression of u on v, in the units of u."""
    unroot_v = truth.canonical.unroot_v
    U, s, Vh = torch.linalg.svd(truth.cov_uv @ unroot_v, full_matrices=False)
    return Decomposition(torch.linalg.solve(truth.cov_u, U), s, unroot_v @ Vh.mT)


def regression_of_v(truth: Gaussian) -> Decomposition:
    """The same with the roles of u and v exchanged."""
    unroot_u = truth.canonical.unroot_u
    U, s, Vh = torch.linalg.svd(unroot_u @ truth.cov_uv, full_matrices=False)
    return Decomposition(unroot_u @ U, s, torch.linalg.solve(truth.cov_v, Vh.mT))


Scales = tuple[tuple[Tensor, Tensor], ...]


@dataclass(frozen=True)
class Theorem:
    """One row.

    ``encoders`` gives (p, q) for each block of the tilting, as functions of the kept singular values; ``least`` what
    each adds to the least loss, ``offset`` what the loss has besides; ``weights`` the ratio of sides the row is about,
    None for any (or none); ``source`` the theorem, or "derived here".
    """

    key: str
    tilting: str
    loss: str
    encoders: Callable[[Tensor], Scales]
    least: Callable[[Tensor], Tensor]
    says: str
    source: str
    weights: Pair | None = None
    knobs: tuple[tuple[str, Any], ...] = ()
    decomposition: Callable[[Gaussian], Decomposition] = canonical
    offset: Callable[[Gaussian, Pair], float] = lambda truth, weights: 0.0

    def answers(self, tilting: str, loss: str, knobs: dict[str, Any]) -> bool:
        """Whether this row is about that problem."""
        same = (self.tilting, self.loss) == (tilting, loss)
        return same and self._fits(knobs.get("weights")) and all(knobs[name] == value for name, value in self.knobs)

    def _fits(self, weights: Pair | None) -> bool:
        """Whether the weights have this row's ratio."""
        if weights is None or self.weights is None:
            return True
        return abs(weights[0] * self.weights[1] - weights[1] * self.weights[0]) <= 1e-12 * sum(weights)


def _equal(a: Tensor) -> Scales:
    """Both encoders share the work: a = p q with p = q."""
    return ((a.sqrt(), a.sqrt()),)


def _rest(s: Tensor) -> Tensor:
    """``1 - s^2``."""
    return (1 - s) * (1 + s)


def _posterior_of_u(s: Tensor) -> Scales:
    return ((s / _rest(s).sqrt(), 1 / _rest(s).sqrt()),)


def _posterior_of_v(s: Tensor) -> Scales:
    ((p, q),) = _posterior_of_u(s)
    return ((q, p),)


def _between(s: Tensor) -> Tensor:
    """The conditional variance z of two-sided squared distances, ``z^2 + z = 2 (1 - s)``, without cancellation."""
    return 4 * (1 - s) / (1 + torch.sqrt(9 - 8 * s))


def _two_sided(s: Tensor) -> Scales:
    return _equal(_two_sided_coupling(s))


def _two_sided_coupling(s: Tensor) -> Tensor:
    return 1 / _between(s) - 1


def _two_sided_least(s: Tensor) -> Tensor:
    z, x = _between(s), _two_sided_coupling(s)
    return 0.5 * (2 * x * (1 - s) + z.log() - 1 + z)


def _signed(s: Tensor) -> Scales:
    near, far = (0.5 * s / (1 - s)).sqrt(), (0.5 * s / (1 + s)).sqrt()
    return (near, near), (far, -far)


def _information(s: Tensor) -> Tensor:
    """Minus the mutual information of a direction."""
    return 0.5 * torch.log1p(-(s**2))


def _wasserstein_at_zero(truth: Gaussian, weights: Pair) -> float:
    """The loss of the product of the marginals, a side."""
    score = Score.bilinear(torch.zeros_like(truth.cov_uv))
    return wasserstein(score, truth.canonical, weights=weights).item()


DERIVED = "derived here"
THEOREMS = (
    Theorem(
        "T1", "dot", "conditional", _equal, lambda s: -0.5 * s**2,
        "canonical correlations: both conditional means exact, conditional covariances those of the priors",
        "Baptista et al. 2025, Theorem 5.1 and Corollary 5.2",
    ),
    Theorem(
        "T2", "dot", "joint", lambda s: _equal(h(s)), lambda s: -h(s) * s - 0.5 * torch.log1p(-(h(s) ** 2)),
        "correlations shrunk by the map h: means too small, the cross-covariance exact",
        "Baptista et al. 2025, Theorem 5.6 and Corollary 5.7; the cross-covariance: derived here",
    ),
    Theorem(
        "T3", "squared_euclidean", "conditional", _posterior_of_u, _information,
        "the law of u given v is exact, covariance included, in the kept directions",
        "Baptista et al. 2025, Theorem 5.3; at any rank: derived here",
        weights=ONE_SIDED_U,
    ),
    Theorem(
        "T4", "squared_euclidean", "conditional", _posterior_of_v, _information,
        "the law of v given u is exact, covariance included, in the kept directions",
        "Baptista et al. 2025, Theorem 5.3; at any rank: derived here",
        weights=ONE_SIDED_V,
    ),
    Theorem(
        "T5", "squared_euclidean", "conditional", _two_sided, _two_sided_least,
        "neither mean nor covariance exact: slope 1 - z and variance z, z^2 + z = 2 (1 - sigma)",
        DERIVED,
        weights=TWO_SIDED,
    ),
    Theorem(
        "T6", "squared_euclidean", "joint", lambda s: _equal(0.5 * s / (1 - s)), lambda s: 0.5 * (s + torch.log1p(-s)),
        "the minor components of the pair: slope sigma / (2 - sigma), marginals too narrow",
        DERIVED,
    ),
    Theorem(
        "T7", "signed", "joint", _signed, _information,
        "the joint law exact in the kept directions, which no squared distance alone can reach",
        DERIVED,
    ),
    Theorem(
        "T8", "dot", "sinkhorn", lambda s: _equal(h_inverse(s)), _information,
        "the joint law exact in the kept directions: the potentials restore both marginals",
        DERIVED,
    ),
    Theorem(
        "T8", "squared_euclidean", "sinkhorn", lambda s: _equal(h_inverse(s)), _information,
        "as for the inner product: the potentials absorb the self-terms",
        DERIVED,
    ),
    Theorem(
        "T9", "dot", "wasserstein", _equal, lambda s: -(s**2),
        "reduced-rank regression of u on v in the units of u, not canonical correlations",
        DERIVED,
        weights=ONE_SIDED_U,
        decomposition=regression_of_u,
        offset=_wasserstein_at_zero,
    ),
    Theorem(
        "T9", "dot", "wasserstein", _equal, lambda s: -(s**2),
        "reduced-rank regression of v on u in the units of v",
        DERIVED,
        weights=ONE_SIDED_V,
        decomposition=regression_of_v,
        offset=_wasserstein_at_zero,
    ),
    Theorem(
        "T9", "dot", "conditional_mmd", _equal, lambda s: -(s**2),
        "with the linear kernel: reduced-rank regression of u on v",
        DERIVED,
        weights=ONE_SIDED_U,
        knobs=(("bandwidth", None),),
        decomposition=regression_of_u,
    ),
    Theorem(
        "T9", "dot", "conditional_mmd", _equal, lambda s: -(s**2),
        "with the linear kernel: reduced-rank regression of v on u",
        DERIVED,
        weights=ONE_SIDED_V,
        knobs=(("bandwidth", None),),
        decomposition=regression_of_v,
    ),
    Theorem(
        "T1", "dot", "spectral", _equal, lambda s: -(s**2),
        "canonical correlations: on Gaussians this is twice the conditional loss",
        DERIVED,
    ),
)  # fmt: skip
"""Which encoders minimise which population loss. ``gca.gaussian.fit`` finds the same by descent."""

CORNERS: dict[Pair, tuple[str, dict[str, Any]]] = {
    (0.0, 0.0): ("joint", {}),
    (0.0, 1.0): ("conditional", {"weights": ONE_SIDED_U}),
    (1.0, 0.0): ("conditional", {"weights": ONE_SIDED_V}),
    (1.0, 1.0): ("sinkhorn", {}),
}
"""What the corners of the two-knob family ``unbalanced`` are called; between them no closed form is known."""


def closed_form(loss: str, truth: Gaussian, *, rank: int | None = None, tilting: str = "dot", **knobs: Any) -> Model:
    """The best linear encoders of a loss on a Gaussian truth, and the model they make.

    Given:
        loss: "conditional" (with ``weights``), "joint", "sinkhorn", "wasserstein", "conditional_mmd", "spectral", or
            "unbalanced" at a corner of ``kappa``.
        rank: the dimension of the embeddings, 1 to min(n_u, n_v); None for the largest.
        tilting: "dot", "squared_euclidean" or "signed".
        knobs: of the loss, as ``population_loss`` takes them.

    Raises: ValueError for a rank out of range, and where no closed form is known; ``fit`` needs none.

    >>> best = closed_form("joint", Gaussian(1.5, 1.0, 1.5))
    >>> best.joint.cov_uv
    tensor([[1.0000]], dtype=torch.float64)
    """
    tilting_named(tilting)
    loss, knobs = in_our_words(loss, knobs)
    values = knobs_of(loss, knobs, batch=False)
    kappa = values.get("kappa", KAPPAS.get(loss, (0.0, 0.0)))
    loss, values = CORNERS.get(kappa, (loss, values)) if loss == "unbalanced" else (loss, values)
    row = next((theorem for theorem in THEOREMS if theorem.answers(tilting, loss, values)), None)
    if row is None:
        raise ValueError(_unknown(loss, tilting, values))
    kept = as_rank(rank, truth)
    left, s, right = (part[..., :kept] for part in row.decomposition(truth))
    scales = row.encoders(s)
    weights = values.get("weights", TWO_SIDED)
    share = sum(weights) / 2
    return Model(
        truth,
        tilting,
        torch.cat([p[:, None] * left.mT for p, _ in scales]),
        torch.cat([q[:, None] * right.mT for _, q in scales]),
        kappa,
        share * row.least(s).sum().item() + row.offset(truth, weights),
    )


def as_rank(rank: object, truth: Gaussian) -> int:
    """The rank as a number from 1 to min(n_u, n_v). Raises: TypeError, ValueError."""
    most = min(truth.cov_uv.shape)
    if rank is None:
        return most
    kept = as_count(rank, name="rank", least=1)
    if kept > most:
        raise ValueError(f"rank must be <= min(n_u, n_v) = {most}, got {rank!r}")
    return kept


def _unknown(loss: str, tilting: str, values: dict[str, Any]) -> str:
    knobs = ", ".join(f"{name} = {value}" for name, value in values.items())
    rows = sorted({f"{row.loss} with {row.tilting}" for row in THEOREMS})
    return (
        f"no closed form is known for {loss!r} with the tilting {tilting!r}{' and ' if knobs else ''}{knobs}: "
        f"fit it, or take one of {', '.join(rows)} (one-sided or equal weights for squared distances)"
    )
