"""The state of a crossmodal lab: what decides a picture, as JSON, and the moves a user can make in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gca_playground._boundary import is_number
from gca_playground.learning.crossmodal import DIRECTIONS
from gca_playground.learning.drifters import STARTS
from gca_playground.learning.experiments import lagrangian
from gca_playground.views.labs.common_state import Check, checked, counted, flag, named, written

TABS = ("digits", "drifters")
LOSSES = {
    "v|u": "label | image, v|u",
    "u|v": "image | label, u|v",
    "two-sided": "two-sided (CLIP)",
    "sinkhorn": "Sinkhorn (inverse OT)",
    "weighted": "weighted, λ below",
}
"""The losses one can choose between, and what the menu calls them; "weighted" is any other pair of weights."""
WEIGHTS = {"v|u": (0.0, 2.0), "u|v": (2.0, 0.0), "two-sided": (1.0, 1.0)}
"""The weights of the two sides, (lambda_u, lambda_v), that have a name."""
TILTINGS = lagrangian.TILTINGS
CLASSES, IMAGES, PATHS = 10, 500, lagrangian.TEST
SIDE, INK = 8, 16
"""Pixels along an image, and the levels of one above 0: as in the data."""
MOST_WEIGHT = 2.0

Pair = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class State:
    """All that decides a picture; ``half_steps`` are the directions that are read after a half-step.

    ``image`` is the place of a test image, unless there is a ``drawing``: 64 levels 0 .. 16 as letters 0 .. g.
    ``path`` is the place of a held-out path; ``prior``: whether retrieval adds the log density of the flows.
    """

    tab: str = "digits"
    loss: str = "v|u"
    weights: Pair = (0.0, 2.0)
    label: int = 2
    image: int = 0
    drawing: str = ""
    half_steps: tuple[str, ...] = ()
    tilting: str = "squared_euclidean"
    tracers: int = 3
    path: int = 0
    prior: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """A loss with a name has its weights; weights that have a name bear it."""
        named = next((name for name, pair in WEIGHTS.items() if self.weights == pair), None)
        if self.loss == "weighted" and named:
            object.__setattr__(self, "loss", named)
        elif self.loss != "weighted":
            object.__setattr__(self, "weights", WEIGHTS.get(self.loss, (1.0, 1.0)))
        object.__setattr__(self, "half_steps", tuple(way for way in DIRECTIONS if way in self.half_steps))

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return written(self, lab="crossmodal")

    @classmethod
    def from_dict(cls, values: object) -> State:
        """Read back; what is left out takes its first value. Raises: TypeError, ValueError that name what is wrong."""
        given = checked(values, _CHECKS, lab="crossmodal")
        state = cls(**given)
        if "weights" in given and state.weights != given["weights"]:
            told = f"weights belong to the loss 'weighted'; {state.loss!r} has {state.weights}"
            raise ValueError(f"{told}, got {given['weights']}")
        return state

    def change(self, **changes: Any) -> State:
        """Another state."""
        return dataclasses.replace(self, **changes)

    def with_loss(self, loss: str) -> State:
        """Another loss leaves other directions open: no half-step yet."""
        return self.change(loss=loss, half_steps=())

    def weigh(self, weights: Pair) -> State:
        """Other weights of the two sides. Raises: ValueError where both are 0."""
        return self.change(loss="weighted", weights=_weights(weights), half_steps=())

    def switch(self, direction: str, on: bool) -> State:
        """Read a direction after a half-step, or as it is."""
        others = tuple(way for way in self.half_steps if way != direction)
        return self.change(half_steps=(*others, direction) if on else others)

    @property
    def library_loss(self) -> dict[str, Any]:
        """The loss as ``gca.crossmodal.fit`` takes it."""
        return {"loss": "two-sided", "weights": self.weights} if self.loss == "weighted" else {"loss": self.loss}


def to_drawing(pixels: Sequence[float]) -> str:
    """64 numbers in [0, 1] as levels."""
    return "".join(_DIGITS[round(INK * value)] for value in pixels)


def from_drawing(drawing: str) -> list[float]:
    """The 64 numbers of a drawing."""
    return [int(level, INK + 1) / INK for level in drawing]


def inked(drawing: str, row: int, col: int, *, erase: bool) -> str:
    """A drawing with one pixel full and its four neighbours a third full, as a pen leaves them; or one pixel empty."""
    levels = [int(level, INK + 1) for level in drawing]
    if erase:
        levels[SIDE * row + col] = 0
        return "".join(_DIGITS[level] for level in levels)
    for i, j, ink in ((row, col, INK), *((row + a, col + b, INK // 3) for a, b in _AROUND)):
        if 0 <= i < SIDE and 0 <= j < SIDE:
            levels[SIDE * i + j] = max(levels[SIDE * i + j], ink)
    return "".join(_DIGITS[level] for level in levels)


def is_ink(drawing: str, row: int, col: int) -> bool:
    """Whether a pixel is more than half full."""
    return 2 * int(drawing[SIDE * row + col], INK + 1) > INK


_DIGITS = "0123456789abcdefg"
_AROUND = ((-1, 0), (1, 0), (0, -1), (0, 1))
BLANK = "0" * SIDE**2
"""A drawing of nothing."""


def _weights(value: Any) -> Pair:
    listed = value if isinstance(value, list | tuple) else [value]
    if len(listed) != 2 or not all(is_number(x) and 0 <= x <= MOST_WEIGHT for x in listed):
        raise ValueError(f"weights must be (lambda_u, lambda_v), two numbers in [0, {MOST_WEIGHT:g}], got {value!r}")
    if not any(listed):
        raise ValueError("weights must not both be 0: there would be no loss")
    return float(listed[0]), float(listed[1])


def _half_steps(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"half_steps must be a list of directions, got {value!r}")
    return tuple(named(DIRECTIONS, "direction")(way) for way in value)


def _drawing(value: Any) -> str:
    if not isinstance(value, str) or len(value) not in (0, SIDE**2) or not set(value) <= set(_DIGITS):
        raise ValueError(f"drawing must be empty or {SIDE**2} letters of {_DIGITS}, got {value!r:.90}")
    return value


def _tracers(value: Any) -> int:
    if value not in (1, len(STARTS)) or isinstance(value, bool):
        raise ValueError(f"tracers must be 1 or {len(STARTS)}, got {value!r}")
    return int(value)


_CHECKS: dict[str, Check] = {
    "tab": named(TABS, "tab"),
    "loss": named(LOSSES, "loss"),
    "weights": _weights,
    "label": counted("label", 0, CLASSES - 1),
    "image": counted("image", 0, IMAGES - 1),
    "drawing": _drawing,
    "half_steps": _half_steps,
    "tilting": named(TILTINGS, "tilting"),
    "tracers": _tracers,
    "path": counted("path", 0, PATHS - 1),
    "prior": flag("prior"),
    "seed": counted("seed", 0),
}
