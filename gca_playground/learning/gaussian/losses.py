"""The losses by name: one row each, exact on a Gaussian truth and estimated on a batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gca_playground._boundary import CONDITIONAL, as_count, near
from gca_playground.learning.gaussian import population
from gca_playground.transport.gaussian import Gaussian, Score
from gca_playground.transport.gaussian.matrices import as_double, as_matrix, as_symmetric


@dataclass(frozen=True)
class Loss:
    """A row: the formula in words, the exact form, and the knobs with their defaults."""

    formula: str
    population: Callable[..., Tensor]
    knobs: Mapping[str, Any] = field(default_factory=dict)
    batch_knobs: Mapping[str, Any] = field(default_factory=dict)


ONE_SIDED = {"weights": (2.0, 0.0)}
LOSSES = {
    "conditional": Loss(
        "weighted KL of the two conditionals: InfoNCE, CLIP", population.conditional, {"weights": (1.0, 1.0)}
    ),
    "joint": Loss("KL of the joint law", population.joint, {}, {"negatives": "all"}),
    "sinkhorn": Loss(
        "KL from the entropic plan: inverse optimal transport", population.sinkhorn, {}, {"half_steps": None}
    ),
    "unbalanced": Loss("KL from a plan between these", population.corner, {"kappa": (0.5, 0.5)}, {"half_steps": None}),
    "wasserstein": Loss("mean squared W2 of the conditionals", population.wasserstein, ONE_SIDED),
    "conditional_mmd": Loss(
        "mean squared MMD of the conditionals", population.conditional_mmd, ONE_SIDED | {"bandwidth": None}
    ),
    "joint_mmd": Loss("squared MMD of the joint law", population.joint_mmd, {"bandwidth": None}),
    "spectral": Loss("square of the score off the pairs, minus twice on them", population.spectral),
    "tempered": Loss("alpha-divergence of the conditionals", population.tempered, ONE_SIDED | {"alpha": 1.0}),
}
"""Every loss of the theory."""
ALIASES = {"iot": "sinkhorn", "iot-total": "joint"}
"""What ``gca.loss`` calls a row; its value there is larger by log N. ``CONDITIONAL`` has the names of "conditional"."""


@dataclass(frozen=True, eq=False)
class PopulationLoss:
    """A loss in exact form on one truth: ``loss(A)``, or ``loss(A, B, D)`` for a score with self-terms.

    The score is ``u'Av - u'Bu/2 - v'Dv/2`` of the centred variables: A (n_u, n_v), B (n_u, n_u), D (n_v, n_v).
    Returns a scalar in nats (``wasserstein``, ``conditional_mmd``, ``joint_mmd`` and ``spectral``: in their own units),
    differentiable, +inf where an integral diverges.
    """

    truth: Gaussian
    name: str
    knobs: Mapping[str, Any]

    def __call__(self, A: object, B: object = None, D: object = None) -> Tensor:
        """The loss of a score."""
        shape = tuple(self.truth.cov_uv.shape)
        matrix = as_matrix(A, name="A", shape=(shape[0], shape[1]))
        self_u = torch.zeros_like(self.truth.cov_u) if B is None else as_symmetric(B, name="B", size=shape[0])
        self_v = torch.zeros_like(self.truth.cov_v) if D is None else as_symmetric(D, name="D", size=shape[1])
        return self.of(Score(matrix, self_u, self_v))

    def of(self, score: Score) -> Tensor:
        """The loss of a score that is known to fit."""
        canonical = self.truth.canonical
        white = score.in_coordinates(canonical.root_u, canonical.root_v)
        return self.of_whitened(white)

    def of_whitened(self, white: Score) -> Tensor:
        """The loss of a score given in whitened coordinates."""
        if self.name != "sinkhorn" and not self._is_integrable(white):
            return torch.full((), math.inf, dtype=torch.float64)
        return LOSSES[self.name].population(white, self.truth.canonical, **self.knobs)

    def _is_integrable(self, white: Score) -> bool:
        """Whether exp(s) has a mean in u for each v, and in v for each u."""
        sides = (torch.linalg.eigvalsh(side.detach())[0].item() for side in (white.B, white.D))
        return white.is_bilinear or all(1 + smallest > 0 for smallest in sides)


def population_loss(name: str, truth: Gaussian, **knobs: Any) -> PopulationLoss:
    """The exact loss ``name`` on a Gaussian truth; what ``gca.loss`` or ``gca.crossmodal`` calls it is welcome.

    Given: ``weights`` (w_u, w_v) >= 0 of the sides u|v and v|u; ``kappa`` in [0, 1] x [0, 1] of ``unbalanced``;
    ``bandwidth`` > 0 of a Gaussian kernel, None for the linear one; ``alpha`` >= -1, not 0, of ``tempered``.
    Raises: ValueError with near names; TypeError, ValueError for knobs outside their domain.

    >>> population_loss("joint", Gaussian(1.5, 1.0, 1.5))([[1 / 3]]).item()
    -0.18949...
    """
    name, knobs = in_our_words(name, knobs)
    return PopulationLoss(truth, name, knobs_of(name, knobs, batch=False))


def in_our_words(name: Any, knobs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The row that a name means, also one of ``gca.loss`` or ``gca.crossmodal``, and its knobs with what that fixes.

    Raises: TypeError for the weights of a loss that is called by its one side.
    """
    if not isinstance(name, str) or name in LOSSES:
        return name, knobs
    if name not in CONDITIONAL:
        return ALIASES.get(name, name), knobs
    if "|" in name and "weights" in knobs:
        raise TypeError(f"weights is no knob of {name!r}, which looks one way: 'conditional' has them")
    return "conditional", {"weights": CONDITIONAL[name]} | knobs


def knobs_of(name: object, given: Mapping[str, Any], *, batch: bool) -> dict[str, Any]:
    """The knobs of a loss, defaults filled in and checked. Raises: TypeError, ValueError."""
    row = loss_named(name)
    known = dict(row.knobs) | (dict(row.batch_knobs) if batch else {})
    for knob in given:
        if knob not in known:
            what = f"knob of {name!r}"
            raise TypeError(near(knob, known, what=what) if known else f"unknown {what} {knob!r}: it takes none")
    return {knob: _CHECKS[knob](value) for knob, value in (known | dict(given)).items()}


def loss_named(name: object) -> Loss:
    """The row of that name. Raises: ValueError with near names."""
    if not isinstance(name, str) or name not in LOSSES:
        raise ValueError(near(name, dict.fromkeys((*LOSSES, *ALIASES, *CONDITIONAL)), what="loss"))
    return LOSSES[name]


def as_positive(value: object, *, name: str) -> float:
    """A number > 0. Raises: TypeError, ValueError."""
    number = as_double(value, name=name)
    if number.ndim != 0 or not number.item() > 0:
        raise ValueError(f"{name} must be a number > 0, got {value!r}")
    return float(number)


def _weights(value: object) -> tuple[float, float]:
    pair = _pair(value, name="weights")
    if min(pair) < 0 or max(pair) <= 0:
        raise ValueError(f"weights (w_u, w_v) must be >= 0 and not both 0, got {value!r}")
    return pair


def _kappa(value: object) -> tuple[float, float]:
    pair = _pair(value, name="kappa")
    if min(pair) < 0 or max(pair) > 1:
        raise ValueError(f"kappa (of u, of v) must be in [0, 1] x [0, 1], got {value!r}")
    return pair


def _alpha(value: object) -> float:
    alpha = as_double(value, name="alpha")
    if alpha.ndim != 0 or not alpha.item() >= -1 or alpha.item() == 0:
        raise ValueError(f"alpha must be a number >= -1 and not 0 (that limit is 'conditional'), got {value!r}")
    return float(alpha)


def _bandwidth(value: object) -> float | None:
    return None if value is None else as_positive(value, name="bandwidth (None for the linear kernel)")


def _negatives(value: object) -> str:
    if value not in ("all", "others"):
        raise ValueError(near(value, ("all", "others"), what="negatives"))
    return str(value)


def _half_steps(value: object) -> int | None:
    return None if value is None else as_count(value, name="half_steps", least=0)


def _pair(value: object, *, name: str) -> tuple[float, float]:
    pair = as_double(value, name=name)
    if tuple(pair.shape) != (2,):
        raise ValueError(f"{name} must be two numbers, got {value!r}")
    return float(pair[0]), float(pair[1])


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "weights": _weights,
    "kappa": _kappa,
    "alpha": _alpha,
    "bandwidth": _bandwidth,
    "negatives": _negatives,
    "half_steps": _half_steps,
}
