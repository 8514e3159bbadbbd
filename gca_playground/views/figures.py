"""Plan -> figure. Draws, computes nothing but where to put ink.

Plain plotly figures, for notebooks and scripts; the labs take the same traces into their FigureWidgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import plotly.graph_objects as go
from plotly.basedatatypes import BaseFigure
from plotly.subplots import make_subplots

from gca_playground._boundary import as_float_tensor
from gca_playground.learning.embedding import as_labels
from gca_playground.transport import Plan
from gca_playground.views.theme import DARK, LIGHT

AnyFigure = TypeVar("AnyFigure", bound=BaseFigure)
"""A plain figure or a live one."""

CLASS_COLOURS = (
    "#4477AA", "#EE6677", "#228833", "#B8A82E", "#44B4D8",
    "#AA3377", "#808890", "#C27A00", "#7A5CC8", "#2F9E8F",
)  # fmt: skip
"""Ten colours that stay apart on white and on black and for every kind of colour vision (after Paul Tol's schemes)."""

LINE_BINS = ((0.03, 0.10), (0.1, 0.22), (0.3, 0.45), (0.6, 0.8))
"""Mass lines: from which share of a row's mass on, and how opaque. Fixed, so that nothing jumps under a slider."""

ERROR_RANGE = (-9.0, 2.0)
"""The log10 range of the convergence curves."""

ERROR_AXIS = {
    "type": "log",
    "range": list(ERROR_RANGE),
    "tickvals": [1e-8, 1e-6, 1e-4, 1e-2, 1.0, 100.0],
    "ticktext": ["1e-8", "1e-6", "1e-4", "0.01", "1", "100"],
}
"""Their axis; it never moves."""

CONVERGED_AT = 55
"""Where the convergence axis puts its infinity."""

MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}
CURVE_MARGIN = {"l": 44, "r": 12, "t": 8, "b": 34}

BAR_TOP = 2.0
"""A bar is full at twice the mass."""

AXIS_OFF = {"visible": False, "fixedrange": False}


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


def class_names(
    ends: tuple[np.ndarray, np.ndarray],
    labels: tuple[Sequence[Any] | None, Sequence[Any] | None],
    *,
    dark: bool = False,
    most: int = 12,
) -> list[dict[str, Any]]:
    """The classes' names at the centres of their points, as annotations: colour is never alone in telling."""
    if labels[0] is None:
        return []
    colour, kinds = class_colours(labels), kinds_of(labels[0])
    page = (DARK if dark else LIGHT)["page"]
    halo = ", ".join(f"{x}px {y}px 1px {page}" for x in (-1, 0, 1) for y in (-1, 0, 1))
    if not 2 <= len(kinds) <= most:
        return []
    return [
        {
            "x": float(centre[0]),
            "y": float(centre[1]),
            "text": f"<b>{kind}</b>",
            "showarrow": False,
            "font": {"size": 14, "color": colour[kind], "shadow": halo},
            "yshift": 15,
        }
        for kind in kinds
        for centre in [np.median(ends[0][[label == kind for label in labels[0]]], axis=0)]
    ]


def line_traces(lines: list[Segments], *, dark: bool = False) -> list[go.Scatter]:
    """Mass lines in the text colour, the heavier the darker."""
    colour = (DARK if dark else LIGHT)["text"]
    return [
        go.Scatter(
            x=line.x,
            y=line.y,
            mode="lines",
            line={"color": colour, "width": 0.8 + 0.4 * level},
            opacity=opacity,
            hoverinfo="skip",
            showlegend=False,
        )
        for level, (line, (_, opacity)) in enumerate(zip(lines, LINE_BINS, strict=True))
    ]


def clouds(
    plan: object, ends: Sequence[Any], labels: Any = None, *, labels_w: Any = None, dark: bool = False
) -> go.Figure:
    """The two views as points and the plan between them as lines.

    Given: a plan or its matrix (n, m); points to draw, (n, 2) and (m, 2); ``labels`` of the rows, and of the columns
    (``labels_w``; the rows' unless given, where n = m).
    """
    shares = row_shares(plan)
    points = _points(ends[0]), _points(ends[1])
    if (len(points[0]), len(points[1])) != shares.shape:
        raise ValueError(f"there must be a point a row and one a column of {shares.shape}, got {[*map(len, points)]}")
    sides = both_labels(labels, labels_w, shares.shape)
    figure = go.Figure([*line_traces(mass_lines(shares, points), dark=dark), *cloud_traces(points, sides)])
    figure.update_layout(annotations=class_names(points, sides, dark=dark))
    return dress(frame(figure, points), dark=dark)


def convergence(plan: Plan, kl: Any = None, *, dark: bool = False) -> go.Figure:
    """How far each side is from its constraint after each half-step, on a log axis.

    Given: a plan of at least one half-step; ``kl``, KL(T | P_k) after each half-step (``alignment.kl_along``), drawn as
    what is left above its last value.
    """
    figure = go.Figure(curve_traces(convergence_curves(plan, None if kl is None else np.asarray(kl)), dark=dark))
    figure.update_xaxes(title={"text": "half-steps", "standoff": 4}, range=[-1, len(plan.trajectory) + 1])
    figure.update_yaxes(ERROR_AXIS)
    dress(figure, dark=dark, margin=CURVE_MARGIN)
    return figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1, "yanchor": "bottom"}, margin_t=30)


class Curve(NamedTuple):
    """What a convergence curve is called and how it is drawn."""

    name: str
    colour: str
    mode: str
    dash: str


CURVES = (
    Curve("rows' error", "rows", "lines+markers", "solid"),
    Curve("columns' error", "cols", "lines+markers", "solid"),
    Curve("KL left to fall", "neutral", "lines", "solid"),
    Curve("KL below its last value", "neutral", "lines", "dot"),
)
"""Rows' error where the columns were just set, columns' error where the rows were, and the KL left to fall."""


def curve_traces(curves: list[Segments], *, dark: bool = False) -> list[go.Scatter]:
    """The curves of ``convergence_curves`` as ``CURVES`` says."""
    colours = DARK if dark else LIGHT
    return [
        go.Scatter(
            x=x,
            y=y,
            name=curve.name,
            mode=curve.mode,
            line={"color": colours[curve.colour], "dash": curve.dash, "width": 1.6},
            marker={"size": 4},
            hovertemplate="%{y:.2g} after %{x} half-steps<extra>" + curve.name + "</extra>",
        )
        for (x, y), curve in zip(curves, CURVES, strict=True)
    ]


def convergence_curves(plan: Plan | None, kl: np.ndarray | None) -> list[Segments]:
    """The four ``CURVES`` as numbers; what is too small to show is a gap. Without a plan, nothing."""
    if plan is None:
        nothing = Segments(np.zeros(0), np.zeros(0))
        return [nothing] * len(CURVES)
    path = plan.trajectory
    k = np.arange(len(path) + 1)
    rows, cols = path.row_error.numpy(), path.col_error.numpy()
    gap = np.full(len(k), np.nan) if kl is None else kl - kl[-1]
    return [
        _visible(k[k % 2 == 0], rows[k % 2 == 0]),
        _visible(np.r_[0, k[k % 2 == 1]], np.r_[cols[:1], cols[k % 2 == 1]]),
        _visible(k, gap),
        _visible(k, -gap),
    ]


def _visible(x: np.ndarray, y: np.ndarray) -> Segments:
    return Segments(x, np.where(y > 10 ** ERROR_RANGE[0], y, np.nan))


def coupling(
    plan: Plan, ends: Sequence[Any] | None = None, labels: Any = None, *, labels_w: Any = None, dark: bool = False
) -> go.Figure:
    """The plan as a matrix with its row and column sums, and beside it the clouds if ``ends`` are given."""
    matrix, row_ratio, col_ratio = numbers(plan)
    figure = make_subplots(
        rows=2,
        cols=3,
        column_widths=[0.42, 0.08, 0.5],
        row_heights=[0.86, 0.14],
        specs=[[{}, {}, {"rowspan": 2}], [{}, None, None]],
        horizontal_spacing=0.02,
        vertical_spacing=0.03,
    )
    colours = DARK if dark else LIGHT
    figure.add_trace(
        go.Heatmap(z=matrix**0.4, customdata=matrix, colorscale="Blues", reversescale=dark, showscale=False, zmin=0,
                   zmax=1, hovertemplate="row %{y}, column %{x}: %{customdata:.3g}<extra></extra>"), 1, 1,
    )  # fmt: skip
    figure.add_trace(go.Bar(x=row_ratio, orientation="h", marker_color=colours["rows"], showlegend=False), 1, 2)
    figure.add_trace(go.Bar(y=col_ratio, marker_color=colours["cols"], showlegend=False), 2, 1)
    figure.add_vline(x=1, line={"dash": "dash", "width": 1, "color": colours["text"]}, row=1, col=2)
    figure.add_hline(y=1, line={"dash": "dash", "width": 1, "color": colours["text"]}, row=2, col=1)
    if ends is not None:
        beside = clouds(plan, ends, labels, labels_w=labels_w, dark=dark)
        figure.add_traces(list(beside.data), rows=1, cols=3)
        for name in beside.layout.annotations:
            figure.add_annotation(name, row=1, col=3)
    figure.update_yaxes(autorange="reversed", row=1)
    figure.update_yaxes(autorange=True, scaleanchor="x3", row=1, col=3)
    figure.update_xaxes(range=[0, BAR_TOP], row=1, col=2).update_yaxes(range=[BAR_TOP, 0], row=2, col=1)
    figure.update_xaxes(visible=False).update_yaxes(visible=False).update_layout(bargap=0, height=480, width=1000)
    return dress(figure, dark=dark)


def numbers(plan: Plan) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matrix (n, m), and each row and column sum as a multiple of its mass."""
    row_ratio, col_ratio = plan.row_sums / plan.row_mass, plan.col_sums / plan.col_mass
    matrix, rows, cols = (x.detach().cpu().double().numpy() for x in (plan.matrix, row_ratio, col_ratio))
    return matrix, np.nan_to_num(rows), np.nan_to_num(cols)


def row_shares(plan: object) -> np.ndarray:
    """The plan in shares of a row's mass; a matrix as it is."""
    if not isinstance(plan, Plan):
        shares = as_float_tensor(plan, name="plan").detach().cpu().double().numpy()
        if shares.ndim != 2:
            raise ValueError(f"plan must be a Plan or a matrix (n, m), got shape {shares.shape}")
        return shares
    mass = plan.row_mass.clamp_min(plan.row_mass.max() * 1e-12)
    return (plan.matrix / mass[..., None]).detach().cpu().double().numpy()


def both_labels(labels: Any, labels_w: Any, shape: tuple[int, int]) -> tuple[list[Any] | None, list[Any] | None]:
    """Labels of rows and columns as plain lists. Raises: ValueError that names the length it should have."""
    if labels_w is None and shape[0] == shape[1]:
        labels_w = labels
    return as_labels(labels, shape[0], name="labels"), as_labels(labels_w, shape[1], name="labels_w")


def frame(figure: AnyFigure, points: tuple[np.ndarray, np.ndarray]) -> AnyFigure:
    """Fix the axes to the points with a margin, one unit as long in x as in y."""
    both = np.concatenate(points)
    low, high = both.min(0), both.max(0)
    pad = 0.06 * max(*(high - low), 1e-6)
    figure.update_xaxes(AXIS_OFF, range=[low[0] - pad, high[0] + pad], constrain="domain")
    figure.update_yaxes(AXIS_OFF, range=[low[1] - pad, high[1] + pad], scaleanchor="x", constrain="domain")
    return figure


def dress(figure: AnyFigure, *, dark: bool, margin: dict[str, int] | None = None) -> AnyFigure:
    """The colours of a theme, a transparent ground, and margins that fit a lab."""
    colours = DARK if dark else LIGHT
    axis = {
        "gridcolor": colours["hairline"],
        "zeroline": False,
        "linecolor": colours["hairline"],
        "tickfont": {"size": 11},
        "tickangle": 0,
    }
    return figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": colours["muted"], "size": 11},
        margin=MARGIN if margin is None else margin,
        hoverlabel={"bgcolor": colours["page"], "font": {"color": colours["text"]}},
        showlegend=False,
    ).update_xaxes(axis).update_yaxes(axis)  # fmt: skip


def _points(value: Any) -> np.ndarray:
    points = as_float_tensor(value, name="ends").detach().cpu().double().numpy()
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points to draw must have shape (n, 2), got {points.shape}")
    return points
