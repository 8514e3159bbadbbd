"""Embedded points as they are drawn: a shape for each class, the circle or sphere they lie on, and from where."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go

from gca_playground.views.figures import CLASS_COLOURS, Segments

SYMBOLS = (
    "circle", "square", "diamond", "triangle-up", "cross", "x", "star", "hexagon", "triangle-down", "pentagon",
)  # fmt: skip
"""A shape for each colour, which is never alone in telling the class."""
ELEVATION = 0.35
"""How far above its equator one looks at a sphere, in radians."""
ROUND = 1.12
"""Half the width of a picture of unit vectors."""


def seen(points: np.ndarray, azimuth: float) -> tuple[np.ndarray, np.ndarray]:
    """Points of the plane, or of space from where one stands: (n, 2), and which of them are in front."""
    if points.shape[1] == 2:
        return points, np.ones(len(points), bool)
    ahead = np.array([math.cos(azimuth), math.sin(azimuth), 0.0])
    right = np.array([-math.sin(azimuth), math.cos(azimuth), 0.0])
    to_eye = math.cos(ELEVATION) * ahead + math.sin(ELEVATION) * np.array([0.0, 0.0, 1.0])
    axes = np.stack([right, np.cross(to_eye, right)])
    return points @ axes.T, points @ to_eye >= 0


def unit_circle() -> Segments:
    """The circle, and the rim of the sphere."""
    angle = np.linspace(0, 2 * math.pi, 181)
    return Segments(np.cos(angle), np.sin(angle))


def marks(k: int, opacity: float, points: np.ndarray | None = None) -> go.Scatter:
    """The points of class ``k``, (n, 2)."""
    x, y = ([], []) if points is None else points.T
    marker = {"color": CLASS_COLOURS[k], "symbol": SYMBOLS[k], "size": 8, "opacity": opacity, "line": {"width": 0}}
    return go.Scatter(mode="markers", marker=marker, hoverinfo="text", x=x, y=y)
