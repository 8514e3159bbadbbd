"""Figures of Gaussian laws, which compute nothing but where to put ink: ellipses, conditional laws, curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gca_playground.learning.gaussian import Conditional, Gaussian, Model
from gca_playground.views import figures
from gca_playground.views.figures import Segments
from gca_playground.views.theme import palette

MODEL, LEARNED = figures.CLASS_COLOURS[5], figures.CLASS_COLOURS[2]
"""The colours of a model in closed form and of a learned one; the truth is grey."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
"""Curves are told apart by dash and label, not by colour alone."""

PANEL, TITLE = 230, 40
"""Pixels: of one panel of ellipses, of the two lines above it."""

NOTHING = Segments(np.zeros(0), np.zeros(0))
_TURN = np.linspace(0.0, 2 * math.pi, 121)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)])


def ellipse(law: Gaussian, pair: int = 1) -> Segments:
    """Where coordinate ``pair`` of u (horizontal) and of v lies within one standard deviation of ``law``."""
    k = pair - 1
    cross, mean = law.cov_uv[k, k].item(), (law.mean_u[k].item(), law.mean_v[k].item())
    cov = np.array([[law.cov_u[k, k].item(), cross], [cross, law.cov_v[k, k].item()]])
    x, y = np.linalg.cholesky(cov) @ _CIRCLE
    return Segments(mean[0] + x, mean[1] + y)


def mean_lines(u_given_v: Conditional, v_given_u: Conditional, reach: float, pair: int = 1) -> list[Segments]:
    """The conditional means ``E[u|v]`` and ``E[v|u]`` of one coordinate as lines in the plane of u and v."""
    k, given = pair - 1, np.array([-reach, reach])
    mean_u, mean_v = (_mean(law, k, given) for law in (u_given_v, v_given_u))
    return [Segments(mean_u, given), Segments(given, mean_v)]


def density(law: Conditional, x: np.ndarray, *, given: float, pair: int = 1) -> Segments:
    """The density of one coordinate at ``x`` where the other variable's is ``given``."""
    k = pair - 1
    mean, var = float(_mean(law, k, np.array([given]))[0]), law.cov[k, k].item()
    return Segments(x, np.exp(-0.5 * (x - mean) ** 2 / var) / math.sqrt(2 * math.pi * var))


def laws(
    truth: Gaussian,
    models: Mapping[str, Model | Gaussian],
    *,
    pair: int = 1,
    reach: float = 2.2,
    dark: bool | None = None,
) -> go.Figure:
    """The truth (grey) beside each model: ellipses of one standard deviation, and the two conditional means.

    Given: title -> model; which canonical ``pair`` of coordinates; how far the axes reach, in the units of the data.
    Raises: ValueError without models.
    """
    if not models:
        raise ValueError("laws needs at least one model to draw")
    columns = min(len(models), 4)
    rows = -(-len(models) // columns)
    titles = [f"<b>{name}</b><br>KL(truth ∥ model) {_kl(truth, model):.4f}" for name, model in models.items()]
    figure = make_subplots(rows, columns, subplot_titles=titles, horizontal_spacing=0.02, vertical_spacing=0.16 / rows)
    for place, model in enumerate(models.values()):
        row, col = divmod(place, columns)
        for trace in _panel(truth, model, pair, reach, dark=dark):
            figure.add_trace(trace, row + 1, col + 1)
        anchor = figure.data[-1].xaxis or "x"
        figure.update_yaxes(scaleanchor=anchor, row=row + 1, col=col + 1)
    bare = {"showticklabels": False, "ticks": "", "showgrid": False, "range": [-reach, reach], "constrain": "domain"}
    figure.update_xaxes(bare).update_yaxes(bare, constraintoward="top")
    figure.update_xaxes(title={"text": "u", "standoff": 0}, row=rows)
    for row in range(1, rows + 1):  # an axis title would stand upright: a v that reads as >
        beside = {"x": -0.02, "y": 0.5, "xref": "x domain", "yref": "y domain", "xanchor": "right"}
        figure.add_annotation(beside, text="v", showarrow=False, row=row, col=1)
    figure.update_layout(height=rows * (PANEL + TITLE) + 24)
    figures.dress(figure, dark=dark, margin={"l": 24, "r": 8, "t": TITLE, "b": 24})
    return figure.update_annotations(font={"size": 12})


def against(
    curves: Mapping[str, Sequence[float] | Any],
    x: Sequence[float],
    *,
    name: str,
    quantity: str,
    log: bool = False,
    dark: bool | None = None,
) -> go.Figure:
    """A number against another, one line a name, all at the same ``x``.

    Given: name -> values; what stands at the two axes; ``log``: a logarithmic horizontal axis with a mark at each x.
    Raises: ValueError for no curves, or a curve that has not one value for each x.
    """
    if not curves or any(len(values) != len(x) for values in curves.values()):
        raise ValueError(f"against needs curves with a value for each of the {len(x)} x")
    figure = go.Figure()
    for k, (told, values) in enumerate(curves.items()):
        style = {"color": figures.CLASS_COLOURS[k % len(figures.CLASS_COLOURS)], "dash": DASHES[k % len(DASHES)]}
        hover = f"%{{y:.4g}} at {name} %{{x}}<extra>{told}</extra>"
        figure.add_trace(go.Scatter(x=list(x), y=np.asarray(values), name=told, line=style, hovertemplate=hover))
    figures.dress(figure, dark=dark, margin={**figures.CURVE_MARGIN, "l": 60})
    figure.update_xaxes(title={"text": name, "standoff": 4}, type="log" if log else "linear")
    figure.update_xaxes(tickvals=list(x), ticktext=[f"{value:g}" for value in x])
    figure.update_yaxes(title={"text": quantity, "standoff": 4})
    figure.update_traces(mode="lines+markers", marker={"size": 5})
    return figure.update_layout(height=340, showlegend=True, legend={"font": {"size": 13}})


def _panel(truth: Gaussian, model: Model | Gaussian, pair: int, reach: float, *, dark: bool | None) -> list[go.Scatter]:
    colours = palette(dark)
    joint = model.joint if isinstance(model, Model) else model
    lines = mean_lines(model.u_given_v, model.v_given_u, reach, pair)
    styles = (
        (ellipse(truth, pair), {"color": colours["neutral"], "width": 6}, 0.7 if dark is None else 0.35, "truth"),
        (lines[0], {"color": colours["rows"], "width": 1.5}, 1, "E[u|v]"),
        (lines[1], {"color": colours["cols"], "width": 1.5}, 1, "E[v|u]"),
        (ellipse(joint, pair), {"color": MODEL, "width": 2.5}, 1, "model"),
    )
    return [
        go.Scatter(
            x=line.x,
            y=line.y,
            mode="lines",
            line=style | {"simplify": False},
            opacity=opacity,
            name=name,
            hoverinfo="name",
        )
        for line, style, opacity, name in styles
    ]


def _kl(truth: Gaussian, model: Model | Gaussian) -> float:
    return abs(model.kl if isinstance(model, Model) else truth.kl(model))


def _mean(law: Conditional, k: int, given: np.ndarray) -> np.ndarray:
    """The mean of coordinate k where coordinate k of what is conditioned on is ``given``, the others at their mean."""
    moved: np.ndarray = law.mean[k].item() + law.slope[k, k].item() * (given - law.given[k].item())
    return moved
