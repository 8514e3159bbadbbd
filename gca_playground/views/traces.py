"""A plan as lines between points, and points as circles and squares: the traces of figures and labs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from gca_playground.views.theme import palette

CLASS_COLOURS = (
    "#4477AA", "#EE6677", "#228833", "#B8A82E", "#44B4D8",
    "#AA3377", "#808890", "#C27A00", "#7A5CC8", "#2F9E8F",
)  # fmt: skip
"""Ten colours that stay apart on white and on black and for every kind of colour vision (after Paul Tol's schemes)."""

LINE_BINS = ((0.03, 0.10), (0.1, 0.22), (0.3, 0.45), (0.6, 0.8))
"""Mass lines: from which share of a row's mass on, and how opaque. Fixed, so that nothing jumps under a slider."""


class Segments(NamedTuple):
    """Many line segments as one polyline with gaps."""

    x: np.ndarray
    y: np.ndarray


def mass_lines(plan: np.ndarray, ends: tuple[np.ndarray, np.ndarray], *, most: int | None = None) -> list[Segments]:
    """The heaviest pairs as lines from row to column, one polyline for each of ``LINE_BINS``.

    Given: ``plan`` (n, m) in shares of a row's mass; ``ends``, the points (n, 2) and (m, 2); ``most`` lines, 3 n
    unless given.
    """
    most = 3 * len(plan) if most is None else most
    flat = plan.ravel()
    heavy = np.flatnonzero(flat >= LINE_BINS[0][0])
    if len(heavy) > most:
        heavy = heavy[np.argpartition(-flat[heavy], most)[:most]]
    levels = np.searchsorted([least for least, _ in LINE_BINS], flat[heavy], side="right") - 1
    rows, cols = np.divmod(heavy, plan.shape[1])
    return [segments(rows[levels == level], cols[levels == level], ends) for level in range(len(LINE_BINS))]


def segments(rows: np.ndarray, cols: np.ndarray, ends: tuple[np.ndarray, np.ndarray]) -> Segments:
    """A line from each row's point to its column's."""
    points = np.full((len(rows), 3, 2), np.nan)
    points[:, 0], points[:, 1] = ends[0][rows], ends[1][cols]
    return Segments(points[..., 0].ravel(), points[..., 1].ravel())


def cloud_traces(
    ends: tuple[np.ndarray, np.ndarray], labels: tuple[Sequence[Any] | None, Sequence[Any] | None]
) -> list[go.Scatter]:
    """The two views as points: filled circles for the rows, open squares for the columns, coloured by class."""
    colour = class_colours(labels)
    styles = (("view 1", "circle", 7, 0.0, "row"), ("view 2", "square-open", 7, 1.6, "column"))
    traces = []
    for points, side, (name, symbol, size, width, what) in zip(ends, labels, styles, strict=True):
        kind = [""] * len(points) if side is None else [f", class {label}" for label in side]
        colours = CLASS_COLOURS[6] if side is None else [colour[label] for label in side]
        traces.append(
            go.Scatter(
                x=points[:, 0],
                y=points[:, 1],
                name=name,
                mode="markers",
                marker={"color": colours, "symbol": symbol, "size": size, "line": {"width": width}},
                text=[f"{what} {k}{kind[k]}" for k in range(len(points))],
                hoverinfo="text",
            )
        )
    return traces


def kinds_of(labels: Sequence[Any]) -> list[Any]:
    """The different labels in order; what cannot be compared stands by its type."""
    return sorted(set(labels), key=lambda label: (str(type(label)), label is not None and label))


def class_colours(labels: tuple[Sequence[Any] | None, Sequence[Any] | None]) -> dict[Any, str]:
    """A colour for each class of rows and columns."""
    kinds = kinds_of([label for side in labels if side is not None for label in side])
    return {kind: CLASS_COLOURS[k % len(CLASS_COLOURS)] for k, kind in enumerate(kinds)}


def line_traces(lines: list[Segments], *, dark: bool | None = None) -> list[go.Scatter]:
    """Mass lines in the text colour, the heavier the stronger."""
    colour = palette(dark)["text"]
    fade = 0.6 if dark is None else 1.0  # the grey that can be read on white and on black is paler than either's text
    return [
        go.Scatter(
            x=line.x,
            y=line.y,
            mode="lines",
            line={"color": colour, "width": 0.8 + 0.4 * level},
            opacity=opacity**fade,
            hoverinfo="skip",
            showlegend=False,
        )
        for level, (line, (_, opacity)) in enumerate(zip(lines, LINE_BINS, strict=True))
    ]
