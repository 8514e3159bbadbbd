"""Gaussian measures, and what can be read off them.

``Normal`` is one variable's measure, ``Gaussian`` the joint one of a pair (u, v): the data of a contrastive problem, a
model of it, or a transport plan. Both carry a mass, 1 for a probability.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gca_playground._boundary import as_count
from gca_playground.transport.gaussian.matrices import (
    as_covariance,
    as_double,
    as_matrix,
    as_vector,
    check_positive,
    logdet,
    root,
)


@dataclass(frozen=True, eq=False, init=False)
class Normal:
    """``mass * N(mean, cov)`` on R^n.

    Given: ``cov`` (n, n), or a number for n = 1; ``mean`` (n,), default 0; ``mass`` > 0. Held in float64.
    Raises: TypeError, ValueError that name the law, the value and the shape.
    """

    cov: Tensor
    mean: Tensor
    mass: float

    def __init__(self, cov: object, mean: object = None, mass: object = 1.0) -> None:
        matrix = as_covariance(cov, name="cov")
        object.__setattr__(self, "cov", matrix)
        object.__setattr__(self, "mean", as_vector(mean, name="mean", size=len(matrix)))
        object.__setattr__(self, "mass", _mass(mass))

    def kl(self, other: Normal) -> float:
        """The generalised divergence ``KL(self | other)`` in nats, masses included."""
        return _kl(self, other)

    def sample(self, n: int, *, seed: int = 0) -> Tensor:
        """``n`` independent points of the normalised measure, (n, dim)."""
        count, noise = as_count(n, name="n", least=1), torch.Generator().manual_seed(seed)
        factor = torch.linalg.cholesky(self.cov)
        return self.mean + torch.randn(count, len(self.cov), generator=noise, dtype=torch.float64) @ factor.mT


@dataclass(frozen=True, eq=False)
class Conditional:
    """The law of one variable given the other: ``N(mean + slope (y - given), cov)``.

    ``slope`` (n, k), ``cov`` (n, n), ``mean`` (n,) and ``given`` (k,), the mean of what is conditioned on.
    """

    slope: Tensor
    cov: Tensor
    mean: Tensor
    given: Tensor

    def __call__(self, y: object) -> Tensor:
        """The conditional mean at one value ``y`` (k,) or at each row of (N, k)."""
        value = as_double(y, name="y")
        value = value.reshape(1) if value.ndim == 0 else value
        if value.shape[-1] != len(self.given):
            raise ValueError(f"y must have {len(self.given)} coordinates, got shape {tuple(value.shape)}")
        return self.mean + (value - self.given) @ self.slope.mT


@dataclass(frozen=True, eq=False)
class Canonical:
    """The canonical correlations of a pair: ``cov_u^-1/2 cov_uv cov_v^-1/2 = U diag(sigma) V'``.

    ``U`` (n_u, k), ``sigma`` (k,) falling, ``V`` (n_v, k), k = min(n_u, n_v); the roots of the two covariances and
    their inverses. In the whitened coordinates ``x = root_u^-1 u`` and ``y = root_v^-1 v`` both covariances are 1.
    """

    U: Tensor
    sigma: Tensor
    V: Tensor
    root_u: Tensor
    root_v: Tensor
    unroot_u: Tensor
    unroot_v: Tensor

    @property
    def R(self) -> Tensor:
        """The whitened cross-covariance ``U diag(sigma) V'`` (n_u, n_v)."""
        return (self.U * self.sigma) @ self.V.mT


@dataclass(frozen=True, eq=False, init=False)
class Gaussian:
    """``mass * N((mean_u, mean_v), [[cov_u, cov_uv], [cov_uv', cov_v]])``: a law of pairs (u, v).

    Given: ``cov_u`` (n_u, n_u), ``cov_uv`` (n_u, n_v), ``cov_v`` (n_v, n_v), numbers where a dimension is 1; the means,
    default 0; ``mass`` > 0. Held in float64.
    Raises: TypeError, ValueError; where the joint covariance is not positive definite, with its smallest eigenvalue.

    >>> truth = Gaussian(1.5, 1.0, 1.5)
    >>> truth.canonical.sigma
    tensor([0.6667], dtype=torch.float64)
    """

    cov_u: Tensor
    cov_uv: Tensor
    cov_v: Tensor
    mean_u: Tensor
    mean_v: Tensor
    mass: float

    def __init__(
        self,
        cov_u: object,
        cov_uv: object,
        cov_v: object,
        mean_u: object = None,
        mean_v: object = None,
        mass: object = 1.0,
    ) -> None:
        left, right = as_covariance(cov_u, name="cov_u"), as_covariance(cov_v, name="cov_v")
        fields = {
            "cov_u": left,
            "cov_uv": as_matrix(cov_uv, name="cov_uv", shape=(len(left), len(right))),
            "cov_v": right,
            "mean_u": as_vector(mean_u, name="mean_u", size=len(left)),
            "mean_v": as_vector(mean_v, name="mean_v", size=len(right)),
            "mass": _mass(mass),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        sigma = self.canonical.sigma[0].item()
        hint = f": the largest canonical correlation sigma must be < 1, it is {sigma:.6g}"
        check_positive(self.cov, name="the covariance of (u, v)", hint=hint)

    @classmethod
    def from_joint(cls, cov: object, *, n_u: int, mean: object = None) -> Gaussian:
        """From the covariance of the stacked pair (n_u + n_v, n_u + n_v), and its mean."""
        joint = as_matrix(cov, name="cov")
        size, total = as_count(n_u, name="n_u", least=1), len(joint)
        if joint.shape[1] != total or size >= total:
            raise ValueError(f"cov must be square and larger than n_u = {size}, got shape {tuple(joint.shape)}")
        centre = as_vector(mean, name="mean", size=total)
        off = (joint - joint.mT).abs().max().item()
        if off > 1e-8 * joint.abs().max().item():
            raise ValueError(f"cov must be symmetric, got entries that differ by {off:.3g} from their mirror image")
        blocks = joint[:size, :size], joint[:size, size:], joint[size:, size:]
        return cls(*blocks, mean_u=centre[:size], mean_v=centre[size:])

    @classmethod
    def from_correlations(
        cls, sigma: object, *, n_u: int | None = None, n_v: int | None = None, seed: int | None = None
    ) -> Gaussian:
        """A pair with these canonical correlations ``sigma`` (k,), each in [0, 1), in n_u and n_v dimensions.

        Without a ``seed`` both variables are white and coordinate i of u goes with coordinate i of v; a seed draws both
        covariances and all directions. Raises: ValueError for a correlation outside [0, 1) or too many of them.
        """
        values = as_double(sigma, name="sigma").reshape(-1)
        if not ((values >= 0) & (values < 1)).all():
            raise ValueError(f"canonical correlations sigma must be in [0, 1), got {values.tolist()}")
        size_u = len(values) if n_u is None else as_count(n_u, name="n_u", least=1)
        size_v = len(values) if n_v is None else as_count(n_v, name="n_v", least=1)
        if len(values) > min(size_u, size_v) or len(values) == 0:
            raise ValueError(f"1 to min(n_u, n_v) = {min(size_u, size_v)} correlations are possible, got {len(values)}")
        cross = torch.zeros(size_u, size_v, dtype=torch.float64)
        cross.diagonal()[: len(values)] = values
        if seed is None:
            return cls(torch.eye(size_u), cross, torch.eye(size_v))
        mix_u, mix_v = _mixing(size_u, size_v, seed)
        return cls(mix_u @ mix_u.mT, mix_u @ cross @ mix_v.mT, mix_v @ mix_v.mT)

    @classmethod
    def from_samples(cls, u: object, v: object) -> Gaussian:
        """The Gaussian with the sample means and covariances (divided by N) of ``u`` (N, n_u) and ``v`` (N, n_v)."""
        left, right = as_matrix(u, name="u"), as_matrix(v, name="v")
        if len(left) != len(right):
            raise ValueError(
                f"u and v must pair up row by row, got shapes {tuple(left.shape)} and {tuple(right.shape)}"
            )
        joint = torch.cat([left, right], 1)
        return cls.from_joint(torch.cov(joint.mT, correction=0), n_u=left.shape[1], mean=joint.mean(0))

    @property
    def cov(self) -> Tensor:
        """The covariance of the stacked pair (n_u + n_v, n_u + n_v)."""
        return torch.cat([torch.cat([self.cov_u, self.cov_uv], 1), torch.cat([self.cov_uv.mT, self.cov_v], 1)])

    @property
    def mean(self) -> Tensor:
        """The mean of the stacked pair (n_u + n_v,)."""
        return torch.cat([self.mean_u, self.mean_v])

    @property
    def u(self) -> Normal:
        """The first marginal."""
        return Normal(self.cov_u, self.mean_u, self.mass)

    @property
    def v(self) -> Normal:
        """The second marginal."""
        return Normal(self.cov_v, self.mean_v, self.mass)

    @property
    def u_given_v(self) -> Conditional:
        """``N(mean_u + cov_uv cov_v^-1 (v - mean_v), cov_u - cov_uv cov_v^-1 cov_vu)``."""
        return _conditional(self.cov_u, self.cov_uv, self.cov_v, self.mean_u, self.mean_v)

    @property
    def v_given_u(self) -> Conditional:
        """The same with the roles of u and v exchanged."""
        return _conditional(self.cov_v, self.cov_uv.mT, self.cov_u, self.mean_v, self.mean_u)

    @property
    def independent(self) -> Gaussian:
        """The product of the marginals."""
        return Gaussian(self.cov_u, torch.zeros_like(self.cov_uv), self.cov_v, self.mean_u, self.mean_v, self.mass)

    @cached_property
    def canonical(self) -> Canonical:
        """Whitening and the canonical correlations."""
        unroot_u, unroot_v = root(self.cov_u, -0.5), root(self.cov_v, -0.5)
        U, sigma, Vh = torch.linalg.svd(unroot_u @ self.cov_uv @ unroot_v, full_matrices=False)
        return Canonical(U, sigma, Vh.mT, root(self.cov_u), root(self.cov_v), unroot_u, unroot_v)

    @property
    def mutual_information(self) -> float:
        """``- 1/2 sum log(1 - sigma_i^2)``, in nats."""
        return -0.5 * torch.log1p(-(self.canonical.sigma**2)).sum().item()

    def kl(self, other: Gaussian) -> float:
        """The generalised divergence ``KL(self | other)`` in nats, masses included."""
        return _kl(self, other)

    def normalised(self) -> Gaussian:
        """The same law with mass 1."""
        return Gaussian(self.cov_u, self.cov_uv, self.cov_v, self.mean_u, self.mean_v)

    def sample(self, n: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
        """``n`` independent pairs of the normalised law: ``u`` (n, n_u) and ``v`` (n, n_v)."""
        pairs = Normal(self.cov, self.mean).sample(n, seed=seed)
        return pairs[:, : len(self.cov_u)], pairs[:, len(self.cov_u) :]


def _mass(value: object) -> float:
    mass = as_double(value, name="mass")
    if mass.ndim != 0 or not mass.item() > 0:
        raise ValueError(f"mass must be a number > 0, got {value!r}")
    return float(mass)


def _mixing(n_u: int, n_v: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two square matrices, well conditioned enough to leave digits to measure with."""
    noise = torch.Generator().manual_seed(as_count(seed, name="seed", least=0))
    mixes = []
    for size in (n_u, n_v):
        turn, _ = torch.linalg.qr(torch.randn(size, size, generator=noise, dtype=torch.float64))
        scale = (0.5 * torch.randn(size, generator=noise, dtype=torch.float64)).exp()
        other, _ = torch.linalg.qr(torch.randn(size, size, generator=noise, dtype=torch.float64))
        mixes.append((turn * scale) @ other)
    return mixes[0], mixes[1]


def _conditional(cov: Tensor, cross: Tensor, cov_given: Tensor, mean: Tensor, given: Tensor) -> Conditional:
    slope = torch.linalg.solve(cov_given, cross.mT).mT
    rest = cov - slope @ cross.mT
    return Conditional(slope, (rest + rest.mT) / 2, mean, given)


def _kl(one: Normal | Gaussian, two: Normal | Gaussian) -> float:
    if one.mean.shape != two.mean.shape:
        raise ValueError(f"the laws must have equal dimensions, got {len(one.mean)} and {len(two.mean)}")
    gap = two.mean - one.mean
    relative = torch.linalg.solve(two.cov, one.cov).trace() - len(one.mean)
    spread = relative + gap @ torch.linalg.solve(two.cov, gap) + logdet(two.cov) - logdet(one.cov)
    return one.mass * (math.log(one.mass / two.mass) + 0.5 * spread.item()) - one.mass + two.mass
