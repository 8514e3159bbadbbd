"""Entropic plans between Gaussians: balanced in closed form, unbalanced by the fixed point of their half-steps.

    minimise  <c, P> + epsilon KL(P | source x target) + rho_u KL(P_u | source) + rho_v KL(P_v | target)

over measures P on pairs. Nothing here knows the solver of this floor: the two are compared in the tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gca_playground._boundary import as_epsilon, near
from gca_playground.transport.gaussian.law import Gaussian, Normal
from gca_playground.transport.gaussian.matrices import as_matrix, eye_like, logdet, root
from gca_playground.transport.gaussian.potentials import Potentials, Score, fixed_point, precision

COSTS = ("squared_euclidean", "dot")


@dataclass(frozen=True, eq=False)
class GaussianPlan:
    """A plan between two Gaussians: its ``law`` (with its mass) and the ``value`` of the problem it solves.

    ``value`` is the least cost + epsilon KL(P | source x target) + the price of the marginals, in cost units.
    """

    law: Gaussian
    value: float
    epsilon: float


def entropic_plan(
    source: Normal,
    target: Normal,
    *,
    epsilon: float,
    cost: object = "squared_euclidean",
    rows: float = math.inf,
    cols: float = math.inf,
) -> GaussianPlan:
    """The entropic plan between two Gaussians, balanced or unbalanced.

    Given:
        source, target: the laws of u and of v.
        epsilon: > 0, in cost units; the reference is the product of the two laws.
        cost: "squared_euclidean" (|u - v|^2 / 2), "dot" (- u'v), or a matrix Gamma (n_u, n_v) for - u'Gamma v.
        rows, cols: the price rho in [0, inf] of moving the first and the second marginal; inf keeps it.

    Raises: TypeError, ValueError; also where the plan would have no finite mass.

    Source: Janati et al. 2020, Mallasto et al. 2020, Bojilov and Galichon 2016 (bilinear) where both sides are exact;
    otherwise the fixed point of Gaussian half-steps, in closed form for a bilinear cost.
    """
    eps = as_epsilon(epsilon)
    prices = as_price(rows, name="rows"), as_price(cols, name="cols")
    score = _score(cost, len(source.mean), len(target.mean), eps)
    law = tilted_law(score, source, target, kappa=(damping(prices[0], eps), damping(prices[1], eps)))
    return GaussianPlan(law, objective(law, source, target, score, epsilon=eps, prices=prices), eps)


def tilted_law(score: Score, source: Normal, target: Normal, *, kappa: tuple[float, float]) -> Gaussian:
    """``exp(s(u, v) + phi(u) + psi(v)) source(du) target(dv)`` with the potentials that kappa asks for.

    Given: ``kappa`` = rho / (rho + epsilon) of the two sides, in [0, 1], at temperature 1. (0, 0): no potentials, the
    tilted joint, unnormalised; (0, 1): the half-step that keeps the law of v; (1, 0) that of u; (1, 1): Sinkhorn.
    Returns the law with its mass. Raises: ValueError where that is infinite, or where kappa = (1, 1) and the masses of
    the two sides differ.
    """
    root_u, root_v = root(source.cov), root(target.cov)
    white = score.in_coordinates(root_u, root_v)
    potentials = fixed_point(white, kappa)
    Lambda = precision(white, potentials)
    if logdet(Lambda).isneginf():
        smallest = torch.linalg.eigvalsh(Lambda)[0].item()
        raise ValueError(
            "the plan has infinite mass: its precision must be positive definite, "
            f"got smallest eigenvalue {smallest:.6g}"
        )
    slopes = _slopes(score, source, target, root_u, root_v)
    linear = _linear(white, potentials, slopes, kappa)
    cov = torch.linalg.inv(Lambda)
    shift = cov @ linear
    split = len(root_u)
    mass = _mass(score, source, target, white, potentials, linear, Lambda, kappa)
    return Gaussian(
        _symmetric(root_u @ cov[:split, :split] @ root_u),
        root_u @ cov[:split, split:] @ root_v,
        _symmetric(root_v @ cov[split:, split:] @ root_v),
        source.mean + root_u @ shift[:split],
        target.mean + root_v @ shift[split:],
        mass,
    )


def objective(
    law: Gaussian,
    source: Normal,
    target: Normal,
    score: Score,
    *,
    epsilon: float,
    prices: tuple[float, float],
) -> float:
    """What a plan costs: ``<c, P> + epsilon KL(P | source x target) + the price of its marginals``, c = - epsilon s."""
    product = Gaussian(
        source.cov,
        torch.zeros_like(score.A),
        target.cov,
        source.mean,
        target.mean,
        source.mass * target.mass,
    )
    value = -epsilon * law.mass * _mean_score(score, law) + epsilon * law.kl(product)
    for price, mine, given in ((prices[0], law.u, source), (prices[1], law.v, target)):
        value += price * mine.kl(given) if 0 < price < math.inf else 0.0
    return value


def damping(price: float, epsilon: float) -> float:
    """``kappa = rho / (rho + epsilon)``, from 0 (free) to 1 (exact)."""
    return 1.0 if math.isinf(price) else price / (price + epsilon)


def as_price(value: object, *, name: str) -> float:
    """A price rho in [0, inf]. Raises: TypeError, ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number rho in [0, inf], got {value!r}")
    if math.isnan(value) or value < 0:
        raise ValueError(f"{name} must be a number rho in [0, inf], got {value!r}")
    return float(value)


def _score(cost: object, n_u: int, n_v: int, epsilon: float) -> Score:
    if not isinstance(cost, str):
        return Score.bilinear(as_matrix(cost, name="cost", shape=(n_u, n_v)) / epsilon)
    if cost not in COSTS:
        raise ValueError(near(cost, COSTS, what="cost"))
    if n_u != n_v:
        raise ValueError(f"the cost {cost!r} needs equal dimensions, got {n_u} and {n_v}: give a matrix instead")
    eye = torch.eye(n_u, dtype=torch.float64) / epsilon
    return Score(eye, eye, eye) if cost == "squared_euclidean" else Score.bilinear(eye)


def _slopes(score: Score, source: Normal, target: Normal, root_u: Tensor, root_v: Tensor) -> tuple[Tensor, Tensor]:
    """The slopes of the score at the two means, in whitened coordinates."""
    at_u = score.A @ target.mean - score.B @ source.mean
    at_v = score.A.mT @ source.mean - score.D @ target.mean
    return root_u @ at_u, root_v @ at_v


def _linear(white: Score, potentials: Potentials, slopes: tuple[Tensor, Tensor], kappa: tuple[float, float]) -> Tensor:
    """The slopes of score and potentials together: the fixed point of the half-steps' linear parts."""
    p, q = slopes
    to_u = kappa[0] * white.A @ torch.linalg.inv(eye_like(white.D) + white.D + potentials.G)
    to_v = kappa[1] * white.A.mT @ torch.linalg.inv(eye_like(white.B) + white.B + potentials.F)
    top = torch.cat([eye_like(white.B), to_u], 1)
    bottom = torch.cat([to_v, eye_like(white.D)], 1)
    # With l = p + f: f = - kappa (p + W l_v) is l_u + kappa W l_v = (1 - kappa) p.
    return torch.linalg.solve(torch.cat([top, bottom]), torch.cat([(1 - kappa[0]) * p, (1 - kappa[1]) * q]))


def _mass(
    score: Score,
    source: Normal,
    target: Normal,
    white: Score,
    potentials: Potentials,
    linear: Tensor,
    Lambda: Tensor,
    kappa: tuple[float, float],
) -> float:
    """The total mass, from the constant parts of the half-steps."""
    if kappa == (1.0, 1.0):
        if abs(source.mass - target.mass) > 1e-12 * source.mass:
            raise ValueError(
                f"with both marginals exact the masses must agree, got {source.mass:g} and {target.mass:g}"
            )
        return source.mass
    split, (kappa_u, kappa_v) = len(white.B), kappa
    level = _score_at(score, source.mean, target.mean)
    inner_v = eye_like(white.D) + white.D + potentials.G
    inner_u = eye_like(white.B) + white.B + potentials.F
    rest_u = -kappa_u * (level + math.log(target.mass) + _log_integral(inner_v, linear[split:]))
    rest_v = -kappa_v * (level + math.log(source.mass) + _log_integral(inner_u, linear[:split]))
    # f0 + kappa_u g0 = rest_u and kappa_v f0 + g0 = rest_v
    f0 = (rest_u - kappa_u * rest_v) / (1 - kappa_u * kappa_v)
    g0 = rest_v - kappa_v * f0
    return source.mass * target.mass * math.exp(level + f0 + g0 + _log_integral(Lambda, linear))


def _log_integral(inner: Tensor, slope: Tensor) -> float:
    """``log E exp(slope'x - x'(inner - I)x / 2)`` for a standard normal x."""
    return 0.5 * (slope @ torch.linalg.solve(inner, slope) - logdet(inner)).item()


def _score_at(score: Score, u: Tensor, v: Tensor) -> float:
    return (u @ score.A @ v - 0.5 * u @ score.B @ u - 0.5 * v @ score.D @ v).item()


def _mean_score(score: Score, law: Gaussian) -> float:
    spread = (score.A * law.cov_uv).sum() - 0.5 * (score.B * law.cov_u).sum() - 0.5 * (score.D * law.cov_v).sum()
    return _score_at(score, law.mean_u, law.mean_v) + spread.item()


def _symmetric(matrix: Tensor) -> Tensor:
    return (matrix + matrix.mT) / 2
