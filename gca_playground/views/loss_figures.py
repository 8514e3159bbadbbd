"""Figures of losses, which compute nothing: signed matrices, curves over half-steps, bars to compare."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gca_playground._boundary import as_float_tensor
from gca_playground.views import figures
from gca_playground.views.colour_scales import signed_scale
from gca_playground.views.theme import palette

WIDTH, SIDE, GAP, TITLE, ABREAST = 1080, 240, 24, 30, 4
"""Pixels: of a figure on a page of usual width, of a matrix's height at most, between two panels, of the titles; and
how many matrices fill the page: fewer leave a part of it empty."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
"""Lines are told apart by dash and label, not by colour alone."""


def signed(matrices: Sequence[Any], titles: Sequence[str], *, dark: bool | None = None) -> go.Figure:
    """Signed matrices side by side: purple above zero, green below, each as strong as its own largest entry.

    Given: matrices (n, m) and a title each. Raises: ValueError when there are not as many titles, or a matrix is none.
    """
    if len(matrices) == 0 or len(matrices) != len(titles):
        raise ValueError(f"signed needs a title for each matrix, got {len(matrices)} matrices, {len(titles)} titles")
    side = min(SIDE, WIDTH // len(matrices) - GAP)
    empty = max(ABREAST - len(matrices), 0)
    figure = make_subplots(
        cols=len(matrices) + (empty > 0),
        column_widths=[1] * len(matrices) + [empty] * (empty > 0),
        specs=[[{}] * len(matrices) + [None] * (empty > 0)],
        subplot_titles=list(titles),
        horizontal_spacing=GAP / WIDTH,
    )
    for k, matrix in enumerate(matrices, start=1):
        figure.add_trace(_signed_trace(_matrix(matrix), dark=dark), 1, k)
    figures.box(figure).update_yaxes(autorange="reversed")
    figure.update_layout(height=side + TITLE + figures.MARGIN["b"])
    return _titled(figures.dress(figure, dark=dark, margin={**figures.MARGIN, "t": TITLE}))


def over_steps(
    curves: Mapping[str, Sequence[float] | Any],
    *,
    start: int = 0,
    quantity: str = "KL(T ∥ P)",
    log: bool = False,
    dark: bool | None = None,
) -> go.Figure:
    """A number after each half-step, one line a name.

    Given: name -> values after ``start``, ``start + 1``, ... half-steps; what is counted; ``log``: a logarithmic axis.
    Raises: ValueError for no curves, or a curve without values.
    """
    if not curves or any(len(values) == 0 for values in curves.values()):
        raise ValueError("over_steps needs curves, and values in each of them")
    figure = go.Figure()
    for k, (name, values) in enumerate(curves.items()):
        style = {"color": figures.CLASS_COLOURS[k % len(figures.CLASS_COLOURS)], "dash": DASHES[k % len(DASHES)]}
        x = np.arange(start, start + len(values))
        hover = "%{y:.4g} after %{x} half-steps<extra>" + name + "</extra>"
        figure.add_trace(go.Scatter(x=x, y=np.asarray(values), name=name, line=style, hovertemplate=hover))
    figures.dress(figure, dark=dark, margin={**figures.CURVE_MARGIN, "l": 60})
    figure.update_xaxes(title={"text": "half-steps", "standoff": 4})
    figure.update_yaxes(title={"text": quantity, "standoff": 4}, type="log" if log else "linear")
    figure.update_traces(mode="lines+markers", marker={"size": 4})
    return figure.update_layout(height=340, showlegend=True, legend={"font": {"size": 13}})


def bars(panels: Mapping[str, Mapping[str, float]], *, dark: bool | None = None) -> go.Figure:
    """Panels of horizontal bars on logarithmic axes, the same names in each, the value written at the bar's end.

    Given: title -> name -> number > 0. Raises: ValueError where the names differ or a number is not > 0.
    """
    names = [*next(iter(panels.values()), {})]
    if not names or any([*panel] != names for panel in panels.values()):
        raise ValueError("bars needs panels with the same names in each")
    if any(not value > 0 for panel in panels.values() for value in panel.values()):
        raise ValueError("bars stand on logarithmic axes: every number must be > 0")
    figure = make_subplots(cols=len(panels), subplot_titles=list(panels), shared_yaxes=True, horizontal_spacing=0.04)
    for k, panel in enumerate(panels.values(), start=1):
        figure.add_trace(_bar_trace(panel, dark=dark), 1, k)
        low, high = (math.log10(limit(panel.values())) for limit in (min, max))
        room = 0.1 + 0.5 * (high - low)
        figure.update_xaxes(type="log", range=[low - 0.5 * room - 0.3, high + room + 0.3], visible=False, row=1, col=k)
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(bargap=0.35, height=TITLE + 44 * len(names))
    figures.dress(figure, dark=dark, margin={**figures.MARGIN, "l": 110, "t": TITLE})
    return _titled(figure.update_yaxes(showgrid=False))


def _bar_trace(panel: Mapping[str, float], *, dark: bool | None) -> go.Bar:
    colours = palette(dark)
    return go.Bar(
        x=[*panel.values()],
        y=[*panel],
        orientation="h",
        marker_color=colours["rows"],
        text=[f"{value:.0f}" if value >= 10 else f"{value:.2g}" for value in panel.values()],
        textposition="outside",
        textfont={"color": colours["muted"]},
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.3g}<extra></extra>",
    )


def _signed_trace(matrix: np.ndarray, *, dark: bool | None) -> go.Heatmap:
    top = max(float(np.abs(matrix).max()), 1e-300)
    return go.Heatmap(
        z=np.sign(matrix) * np.abs(matrix / top) ** 0.5,
        customdata=matrix,
        zmin=-1,
        zmax=1,
        colorscale=signed_scale(dark),
        showscale=False,
        hovertemplate="row %{y}, column %{x}: %{customdata:.3g}<extra></extra>",
    )


def _titled(figure: go.Figure) -> go.Figure:
    return figure.update_annotations(font={"size": 13})


def _matrix(value: Any) -> np.ndarray:
    matrix = as_float_tensor(value, name="matrix").detach().cpu().double().numpy()
    if matrix.ndim != 2:
        raise ValueError(f"a matrix to draw must have shape (n, m), got {matrix.shape}")
    return matrix
