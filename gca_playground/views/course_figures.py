"""Figures that only the course needs: several plans of one problem, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gca_playground._boundary import as_float_tensor
from gca_playground.transport import Plan
from gca_playground.views import figures
from gca_playground.views.colour_scales import plan_scale
from gca_playground.views.theme import palette

WIDTH, BAR, GAP, TITLE = 1080, 38, 14, 30
"""Pixels: of a figure on a page of usual width, of the bars beside a matrix, between two panels, of the titles."""

MOST_SIDE, ABREAST = 220, 4
"""A matrix is this many pixels high at most; fewer panels than this leave a part of the page empty."""


def beside(
    plans: Sequence[Plan | Any],
    titles: Sequence[str],
    ends: tuple[Any, Any] | None = None,
    labels: Any = None,
    *,
    labels_w: Any = None,
    dark: bool | None = None,
) -> go.Figure:
    """Several plans side by side, each a matrix with its row sums at the right and its column sums below.

    Given: plans (n, m), or matrices whose rows should sum to 1; a title each; ``ends``, the points (n, 2) and (m, 2) to
    draw the same plans as lines above the matrices, and their ``labels``. A bar is full at twice the mass; the dashed
    line is the mass. The figure is as wide as its page. Raises: ValueError when there are not as many titles as plans,
    or a matrix is none.
    """
    if len(plans) == 0 or len(plans) != len(titles):
        raise ValueError(f"beside needs a title for each plan, got {len(plans)} plans and {len(titles)} titles")
    tall = 0 if ends is None else 1
    figure = _grid(len(plans), titles, tall)
    for k, plan in enumerate(plans):
        _add_matrix(figure, plan, tall + 1, 3 * k + 1, dark=dark)
        if ends is not None:
            drawn = figures.clouds(plan, ends, labels, labels_w=labels_w, dark=dark)
            figure.add_traces(list(drawn.data), rows=1, cols=3 * k + 1)
            _fit(figure, drawn, 3 * k + 1)
    return figures.dress(figure, dark=dark, margin={**figures.MARGIN, "t": TITLE})


def _grid(count: int, titles: Sequence[str], tall: int) -> go.Figure:
    side = min(MOST_SIDE, WIDTH // count - BAR - GAP)
    heights = [side + BAR] * tall + [side, BAR]
    panel, empty = [side, BAR, GAP], max(ABREAST - count, 0)
    above: list[list[Any]] = [[{"colspan": 2}, None, None] * count] * tall
    specs: list[list[Any]] = [*above, [{}, {}, None] * count, [{}, None, None] * count]
    figure = make_subplots(
        rows=len(heights),
        cols=3 * count + (empty > 0),
        column_widths=panel * count + [empty * sum(panel)] * (empty > 0),
        row_heights=heights,
        specs=[row + [None] * (empty > 0) for row in specs],
        horizontal_spacing=0.004,
        vertical_spacing=0.02,
    )
    for k, title in enumerate(titles):
        left = next(figure.select_xaxes(row=tall + 1, col=3 * k + 1)).domain[0]
        place = {"x": left, "y": 1, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
        figure.add_annotation(text=title, font={"size": 13}, showarrow=False, **place)
    figure.update_xaxes(visible=False).update_yaxes(visible=False)
    return figure.update_layout(bargap=0, height=sum(heights) + TITLE + figures.MARGIN["b"])


def _add_matrix(figure: go.Figure, plan: Plan | Any, row: int, col: int, *, dark: bool | None) -> None:
    colours = palette(dark)
    matrix, row_ratio, col_ratio = _numbers(plan)
    shown = go.Heatmap(
        z=matrix**0.4,
        customdata=matrix,
        colorscale=plan_scale(dark),
        showscale=False,
        zmin=0,
        zmax=1,
        hovertemplate="row %{y}, column %{x}: %{customdata:.3g}<extra></extra>",
    )
    sums = {"hovertemplate": "%{x:.3g}<extra>row %{y}</extra>"}, {"hovertemplate": "%{y:.3g}<extra>column %{x}</extra>"}
    figures.box(figure.add_trace(shown, row, col), row=row, col=col)
    figure.add_trace(go.Bar(x=row_ratio, orientation="h", marker_color=colours["rows"], **sums[0]), row, col + 1)
    figure.add_trace(go.Bar(y=col_ratio, marker_color=colours["cols"], **sums[1]), row + 1, col)
    one = {"dash": "dash", "width": 1, "color": colours["text"]}
    figure.add_vline(x=1, line=one, row=row, col=col + 1).add_hline(y=1, line=one, row=row + 1, col=col)
    figure.update_yaxes(autorange="reversed", row=row, col=col).update_yaxes(autorange="reversed", row=row, col=col + 1)
    figure.update_xaxes(range=[0, figures.BAR_TOP], row=row, col=col + 1).update_yaxes(
        range=[figures.BAR_TOP, 0], row=row + 1, col=col
    )


def _fit(figure: go.Figure, drawn: go.Figure, col: int) -> None:
    """The frame of the clouds: one unit as long in x as in y."""
    figure.update_xaxes(range=drawn.layout.xaxis.range, constrain="domain", row=1, col=col)
    anchor = next(figure.select_traces(row=1, col=col)).xaxis or "x"
    figure.update_yaxes(range=drawn.layout.yaxis.range, scaleanchor=anchor, constrain="domain", row=1, col=col)


def _numbers(plan: Plan | Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if isinstance(plan, Plan):
        return figures.numbers(plan)
    matrix = as_float_tensor(plan, name="plan").detach().cpu().double().numpy()
    if matrix.ndim != 2:
        raise ValueError(f"a plan to draw must have shape (n, m), got {matrix.shape}")
    n, m = matrix.shape
    return matrix, matrix.sum(1), matrix.sum(0) * m / n
