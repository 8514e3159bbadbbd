"""Where the names of classes stand among points: near their own, on none of them, and on no other name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gca_playground.views.theme import palette
from gca_playground.views.traces import class_colours, kinds_of

SIDE = 320
"""Pixels that the longer side of the points has on a narrow page: there names are largest beside them."""
LETTER, LINE, POINT = 4.5, 7.0, 5.5
"""Half a letter's width, half a line's height, and a point's radius with some air, in pixels."""
PLACES = 32
"""Places that are tried along each side."""
ON_A_POINT, BESIDE_ANOTHER, ON_A_NAME = 2.0, 0.3, 4.0
"""What a place costs that covers a point, is nearest to another class, or covers a name, in sides."""


def class_names(
    ends: tuple[np.ndarray, np.ndarray],
    labels: tuple[Sequence[Any] | None, Sequence[Any] | None],
    *,
    dark: bool | None = None,
    most: int = 12,
) -> list[dict[str, Any]]:
    """The classes' names beside their points, as annotations: colour is never alone in telling.

    Given: points (n, 2) and (m, 2), a label each or None. With a halo in the page's colour, where that is known.
    """
    if labels[0] is None:
        return []
    colour, kinds = class_colours(labels), kinds_of(labels[0])
    if not 2 <= len(kinds) <= most:
        return []
    rank = {kind: k for k, kind in enumerate(kinds)}
    codes = np.array([rank[label] for label in labels[0]] + [-1] * len(ends[1]))
    halo = ", ".join(f"{x}px {y}px 2px {palette(dark)['page']}" for x in (-1, 0, 1) for y in (-1, 0, 1))
    places = free_places(np.concatenate(ends), codes, [str(kind) for kind in kinds])
    return [
        {
            "x": float(x),
            "y": float(y),
            "text": f"<b>{kind}</b>",
            "showarrow": False,
            "font": {"size": 14, "color": colour[kind], "shadow": "none" if dark is None else halo},
        }
        for kind, (x, y) in zip(kinds, places, strict=True)
    ]


def free_places(points: np.ndarray, codes: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Where each name's middle stands (k, 2). Given: points (N, 2), the class of each, -1 for none, and the names."""
    low, high = points.min(0), points.max(0)
    side = max(float((high - low).max()), 1e-6)
    tried = _grid(low - 0.02 * side, high + 0.02 * side)
    across, up = (np.abs(tried[:, None, k] - points[:, k]) for k in (0, 1))
    far = np.hypot(across, up)
    own = codes[np.where(codes < 0, np.inf, far).argmin(1)]
    sizes = [np.array([LETTER * len(name), LINE]) * side / SIDE for name in names]
    covered = {len(name): _covered(across, up, size, side) for name, size in zip(names, sizes, strict=True)}
    found: list[np.ndarray] = []
    for k, name in enumerate(names):
        cost = np.hypot(*(tried - np.median(points[codes == k], axis=0)).T) + far[:, codes == k].min(1)
        cost += side * (ON_A_POINT * covered[len(name)] + BESIDE_ANOTHER * (own != k))
        for size, taken in zip(sizes, found, strict=False):
            cost += side * ON_A_NAME * (np.abs(tried - taken) < sizes[k] + size).all(1)
        found.append(tried[cost.argmin()])
    return np.stack(found)


def _covered(across: np.ndarray, up: np.ndarray, size: np.ndarray, side: float) -> np.ndarray:
    """How much of a name of this half size the nearest point takes, from 0 to 1, at each place."""
    wide, tall = size + POINT * side / SIDE
    covered: np.ndarray = np.maximum(0, 1 - np.maximum(across / wide, up / tall).min(1))
    return covered


def _grid(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Places (PLACES^2, 2) in a box."""
    x, y = (np.linspace(a, b, PLACES) for a, b in zip(low, high, strict=True))
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
