"""Figures of two modalities, which compute nothing: strips of weighted images, and flows with the paths in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots

from gca_playground._boundary import as_float_tensor
from gca_playground.learning.drifters import Flow, random_flow, scales
from gca_playground.views import figures
from gca_playground.views.colour_scales import flow_scale, plan_scale
from gca_playground.views.figures import Segments
from gca_playground.views.theme import palette

PSI = 0.5
"""Streamfunctions are drawn between - and + this: two and a half standard deviations."""
LEVEL = 0.1
AT, GRID = 0.5, 41
"""The time at which a flow is shown, half way, and the points along a side."""
CELL, NAME, CAPTION = 62, 150, 20
"""Pixels, where there is room: an image of a strip, the names at its left, the line below it."""
PANEL = 204
"""Pixels: a flow."""


def strips(
    rows: Mapping[str, tuple[Any, Sequence[str]]], *, size: tuple[int, int] = (8, 8), dark: bool | None = None
) -> go.Figure:
    """Rows of small images, a name at the left of each row and a caption below each image.

    Given: name -> (images (k, pixels) with values in [0, 1], k captions); the ``size`` of an image.
    Raises: ValueError for no rows, or not a caption for each image.
    """
    if not rows:
        raise ValueError("strips needs at least one row of images")
    count = max(len(captions) for _, captions in rows.values())
    figure = go.Figure()
    for k, (name, (images, captions)) in enumerate(rows.items()):
        pixels = as_float_tensor(images, name="images").detach().numpy()
        if pixels.shape != (len(captions), size[0] * size[1]):
            raise ValueError(
                f"images must have shape ({len(captions)}, {size[0] * size[1]}), a caption each, got {pixels.shape}"
            )
        for j, (picture, caption) in enumerate(zip(pixels.reshape(-1, *size), captions, strict=True)):
            figure.add_trace(_image(picture, j, k, dark=dark))
            figure.add_annotation(_below(caption, j, k))
        figure.add_annotation(_beside(name, k))
    still = {"visible": False, "fixedrange": True, "constrain": "domain"}
    figure.update_xaxes(still, range=[-NAME / CELL, count], constraintoward="left")
    figure.update_yaxes(still, range=[len(rows) * (1 + CAPTION / CELL), 0], scaleanchor="x", constraintoward="top")
    figure.update_layout(height=len(rows) * (CELL + CAPTION) + 16)
    return figures.dress(figure, dark=dark)


def flow_panels(
    flows: Sequence[Any], titles: Sequence[str], path: Any = None, *, columns: int = 3, dark: bool | None = None
) -> go.Figure:
    """Streamfunctions on the torus as coloured level lines, with a path in each.

    Given: grids of values (k, k), rows are y; a title each; a path (tracers, records, 2), not wrapped, or None.
    Raises: ValueError when there are not as many titles as flows.
    """
    if len(flows) == 0 or len(flows) != len(titles):
        raise ValueError(f"flow_panels needs a title for each flow, got {len(flows)} flows and {len(titles)} titles")
    rows = -(-len(flows) // columns)
    figure = make_subplots(rows, columns, subplot_titles=titles, horizontal_spacing=0.03, vertical_spacing=0.09)
    for k, flow in enumerate(flows):
        for trace in _flow_traces(np.asarray(flow, float), path):
            figure.add_trace(trace, k // columns + 1, k % columns + 1)
    for k in range(len(flows)):
        place = {"row": k // columns + 1, "col": k % columns + 1}
        anchor = figure.data[3 * k].xaxis or "x"
        figure.update_yaxes(scaleanchor=anchor, range=[0, 1], **place)
    figure.update_xaxes(visible=False, range=[0, 1], constrain="domain", fixedrange=True)
    figure.update_yaxes(visible=False, constrain="domain", constraintoward="top", fixedrange=True)
    figure.update_layout(width=columns * PANEL, height=rows * (PANEL + 15))
    return dress_flows(figure, dark=dark)


def streamfunctions(coefficients: torch.Tensor) -> list[np.ndarray]:
    """Flows (n, 12), in units of their standard deviations, on a grid at time 1/2: each (41, 41), rows are y."""
    world = random_flow(1)
    flow = Flow(coefficients.double() * scales(), world.omega, world.waves)
    ticks = torch.linspace(0, 1, GRID, dtype=torch.float64)
    points = torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), -1).reshape(1, -1, 2)
    psi = flow.streamfunction(points.expand(len(coefficients), -1, -1), AT)
    return list(psi.reshape(-1, GRID, GRID).numpy())


def dress_flows(figure: figures.AnyFigure, *, dark: bool | None) -> figures.AnyFigure:
    """The colours of a theme on panels of flows."""
    colours = palette(dark)
    for k, trace in enumerate(figure.data):
        if k % 3 == 0:
            trace.colorscale, trace.line.color = flow_scale(dark), "rgba(128, 128, 140, 0.55)"
        elif k % 3 == 1:
            trace.line.color = colours["cols"]
        else:
            trace.marker.color, trace.marker.line.color = colours["cols"], colours["text"]
    figures.dress(figure, dark=dark, margin={**figures.MARGIN, "t": 26})
    return figure.update_annotations(font={"size": 12})


def wrapped(path: Any) -> Segments:
    """Paths (tracers, records, 2) on the torus as one line, with a gap where one leaves the square and comes in again.

    Each piece that crosses an edge is drawn to its end outside of the square, and once more from there.
    """
    xs, ys = [], []
    for one in np.asarray(path, float):
        place = np.floor(one)
        inside = one - place
        for k in range(len(one)):
            if k and (place[k] != place[k - 1]).any():
                beyond, before = one[k] - place[k - 1], one[k - 1] - place[k]
                xs += [beyond[0], np.nan, before[0]]
                ys += [beyond[1], np.nan, before[1]]
            xs.append(inside[k, 0])
            ys.append(inside[k, 1])
        xs.append(np.nan)
        ys.append(np.nan)
    return Segments(np.array(xs), np.array(ys))


def starts(path: Any) -> Segments:
    """Where the paths begin."""
    first = np.asarray(path, float)[:, 0] % 1
    return Segments(first[:, 0], first[:, 1])


def _flow_traces(flow: np.ndarray, path: Any) -> list[Any]:
    ticks = np.linspace(0, 1, len(flow))
    none = np.zeros((0, 1, 2)) if path is None else path
    line, first = wrapped(none), starts(none) if path is not None else Segments(np.zeros(0), np.zeros(0))
    levels = {"start": -PSI, "end": PSI, "size": LEVEL, "coloring": "heatmap"}
    contour = go.Contour(
        z=flow, x=ticks, y=ticks, zmin=-PSI, zmax=PSI, contours=levels, line={"width": 0.8}, showscale=False,
        hovertemplate="ψ = %{z:.2f} at (%{x:.2f}, %{y:.2f})<extra></extra>",
    )  # fmt: skip
    thick = {"width": 2.2, "simplify": False}
    drawn = go.Scatter(x=line.x, y=line.y, mode="lines", line=thick, hoverinfo="skip")
    dots = {"size": 9, "line": {"width": 1.5}}
    return [contour, drawn, go.Scatter(x=first.x, y=first.y, mode="markers", marker=dots, hoverinfo="skip")]


def _image(picture: np.ndarray, j: int, k: int, *, dark: bool | None) -> go.Heatmap:
    rows, cols = picture.shape
    top, left = k * (1 + CAPTION / CELL), j + 0.03
    ticks = np.arange(cols + 1) / cols * 0.94 + left, np.arange(rows + 1) / rows * 0.94 + top
    return go.Heatmap(
        z=picture, x=ticks[0], y=ticks[1], zmin=0, zmax=1, colorscale=plan_scale(dark), showscale=False,
        hoverinfo="skip",
    )  # fmt: skip


def _below(caption: str, j: int, k: int) -> dict[str, Any]:
    place = {"x": j + 0.5, "y": k * (1 + CAPTION / CELL) + 0.96, "xanchor": "center", "yanchor": "top"}
    return {"text": caption, "showarrow": False, "font": {"size": 12}, "borderpad": 0, **place}


def _beside(name: str, k: int) -> dict[str, Any]:
    place = {"x": -0.12, "y": k * (1 + CAPTION / CELL) + 0.47, "xanchor": "right", "yanchor": "middle"}
    return {"text": name, "showarrow": False, "font": {"size": 13}, "align": "right", **place}
