"""D: how far is the plan from the target?

One small record a divergence, with its parameters; called on a target and a plan it gives a value for each problem of
the batch, differentiable in whatever the plan depends on. Divergences add up: ``KL() + 0.02 * Uniformity()``.
All are divided by the number of rows.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from gca_playground._boundary import near
from gca_playground.alignment.divergence.base import Divergence, Sum
from gca_playground.alignment.divergence.dense import MMD, InnerProduct, Square, TotalVariation, Uniformity
from gca_playground.alignment.divergence.kl import KL, FenchelYoung, kl, kl_along
from gca_playground.alignment.divergence.pairwise import RINCE, Tempered

__all__ = [
    "DIVERGENCES",
    "KL",
    "MMD",
    "RINCE",
    "Divergence",
    "FenchelYoung",
    "InnerProduct",
    "Square",
    "Sum",
    "Tempered",
    "TotalVariation",
    "Uniformity",
    "as_divergence",
    "kl",
    "kl_along",
]

_KINDS = (KL, FenchelYoung, RINCE, TotalVariation, Square, InnerProduct, Tempered, Uniformity, MMD)
DIVERGENCES: dict[str, type[Divergence]] = {kind.name: kind for kind in _KINDS}
"""The divergences that ``Alignment(divergence=...)`` knows by name."""


def as_divergence(value: object) -> Divergence:
    """A divergence from what a user may write: a record, a name, a dict with parameters, or a list of weighted terms.

    Raises: ValueError with near names, TypeError for what is none of these.
    """
    if isinstance(value, Divergence):
        return value
    if isinstance(value, list | tuple):
        return Sum(tuple(_as_part(part) for part in value))
    knobs = {"name": value} if isinstance(value, str) else value
    if not isinstance(knobs, dict):
        raise TypeError(f"a divergence is a name, a record or a dict, got {value!r}")
    return _from_dict(knobs)


def _as_part(part: object) -> tuple[float, Divergence]:
    if not isinstance(part, dict):
        raise TypeError(f"a term of a sum is a dict with its name, weight and parameters, got {part!r}")
    return part.get("weight", 1.0), _from_dict({name: value for name, value in part.items() if name != "weight"})


def _from_dict(knobs: dict[str, Any]) -> Divergence:
    name = knobs.get("name")
    if not isinstance(name, str) or name not in DIVERGENCES:
        raise ValueError(near(name, DIVERGENCES, what="divergence"))
    kind, parameters = DIVERGENCES[name], {key: value for key, value in knobs.items() if key != "name"}
    known = [field.name for field in dataclasses.fields(kind)]
    unknown = [key for key in parameters if key not in known]
    if unknown:
        raise ValueError(near(unknown[0], known, what=f"parameter of {name!r}"))
    return kind(**parameters)
