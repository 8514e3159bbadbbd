"""Plan -> figure. Draws, computes nothing but where to put ink.

Plain plotly figures, for notebooks and scripts; the labs take the same traces into their FigureWidgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import plotly.graph_objects as go
from plotly.basedatatypes import BaseFigure
from plotly.subplots import make_subplots

from gca_playground._boundary import as_float_tensor
from gca_playground.learning.embedding import as_labels
from gca_playground.transport import Plan
from gca_playground.views.colour_scales import plan_scale
from gca_playground.views.curves import CONVERGED_AT as CONVERGED_AT
from gca_playground.views.curves import CURVES as CURVES
from gca_playground.views.curves import ERROR_AXIS as ERROR_AXIS
from gca_playground.views.curves import ERROR_RANGE as ERROR_RANGE
from gca_playground.views.curves import Curve as Curve
from gca_playground.views.curves import convergence_curves as convergence_curves
from gca_playground.views.curves import curve_traces as curve_traces
from gca_playground.views.names import class_names as class_names
from gca_playground.views.theme import palette
from gca_playground.views.traces import CLASS_COLOURS as CLASS_COLOURS
from gca_playground.views.traces import LINE_BINS as LINE_BINS
from gca_playground.views.traces import Segments as Segments
from gca_playground.views.traces import class_colours as class_colours
from gca_playground.views.traces import cloud_traces as cloud_traces
from gca_playground.views.traces import kinds_of as kinds_of
from gca_playground.views.traces import line_traces as line_traces
from gca_playground.views.traces import mass_lines as mass_lines
from gca_playground.views.traces import segments as segments

AnyFigure = TypeVar("AnyFigure", bound=BaseFigure)
"""A plain figure or a live one."""

MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}
CURVE_MARGIN = {"l": 44, "r": 12, "t": 8, "b": 34}

BAR_TOP = 2.0
"""A bar is full at twice the mass."""

AXIS_OFF = {"visible": False, "fixedrange": False}


def clouds(
    plan: object, ends: Sequence[Any], labels: Any = None, *, labels_w: Any = None, dark: bool | None = None
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


def convergence(plan: Plan, kl: Any = None, *, dark: bool | None = None) -> go.Figure:
    """How far each side is from its constraint after each half-step, on a log axis.

    Given: a plan of at least one half-step; ``kl``, KL(T | P_k) after each half-step (``alignment.kl_along``), drawn as
    what is left above its last value.
    """
    figure = go.Figure(curve_traces(convergence_curves(plan, None if kl is None else np.asarray(kl)), dark=dark))
    figure.update_xaxes(title={"text": "half-steps", "standoff": 4}, range=[-1, len(plan.trajectory) + 1])
    figure.update_yaxes(ERROR_AXIS)
    dress(figure, dark=dark, margin=CURVE_MARGIN)
    return figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1, "yanchor": "bottom"}, margin_t=30)


def coupling(
    plan: Plan, ends: Sequence[Any] | None = None, labels: Any = None, *, labels_w: Any = None, dark: bool | None = None
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
    colours = palette(dark)
    figure.add_trace(
        go.Heatmap(z=matrix**0.4, customdata=matrix, colorscale=plan_scale(dark), showscale=False, zmin=0, zmax=1,
                   hovertemplate="row %{y}, column %{x}: %{customdata:.3g}<extra></extra>"), 1, 1,
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
    figure.update_xaxes(visible=False).update_yaxes(visible=False).update_layout(bargap=0, height=480)
    return dress(box(figure, row=1, col=1), dark=dark)


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


def box(figure: AnyFigure, **where: int) -> AnyFigure:
    """A thin frame around a matrix, whose zeros may look like the page; ``where``: its ``row`` and ``col``."""
    line = {"visible": True, "showticklabels": False, "ticks": "", "showgrid": False, "showline": True, "mirror": True}
    return figure.update_xaxes(line, **where).update_yaxes(line, **where)


def dress(figure: AnyFigure, *, dark: bool | None, margin: dict[str, int] | None = None) -> AnyFigure:
    """The colours of a theme, a transparent ground, and margins that fit a lab."""
    colours = palette(dark)
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
