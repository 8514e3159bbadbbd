"""Pictures of a training: where its points are, and the curves of what was measured on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gca_playground._boundary import as_float_tensor
from gca_playground.learning.history import History
from gca_playground.views.embedded import ROUND, SYMBOLS, marks, seen, unit_circle
from gca_playground.views.figures import CLASS_COLOURS, dress
from gca_playground.views.theme import palette
from gca_playground.views.traces import Segments, kinds_of, segments

AZIMUTH = 0.6
"""From where one looks at a sphere, in radians."""
CURVES = {
    "loss of a batch": ("losses",),
    "alignment": ("alignment",),
    "uniformity": ("uniformity",),
    "accuracy: probe, kNN ···": ("linear_probe", "knn"),
}


def embedding(
    z: object, w: object = None, labels: Sequence[Any] | None = None, *, dark: bool | None = None
) -> go.Figure:
    """Embedded points in the colour and shape of their class, on the circle or sphere where they have length 1.

    Given: ``z`` (n, d), d >= 2; ``w`` (n, d), their second views, each joined to its first by a thin line; ``labels``
    (n,). Beyond three dimensions the two main axes of ``z`` are drawn. Points behind a sphere are pale.
    Raises: ValueError for shapes that do not fit.
    """
    points = _points(z, "z")
    others = points if w is None else _points(w, "w")
    if others.shape != points.shape:
        raise ValueError(f"z and w must have one shape, got z {points.shape} and w {others.shape}")
    classes = [""] * len(points) if labels is None else [str(label) for label in labels]
    if len(classes) != len(points):
        raise ValueError(f"labels must be one a point, {len(points)}, got {len(classes)}")
    unit = points.shape[1] <= 3 and bool(np.allclose(np.linalg.norm(points, axis=1), 1, atol=1e-3))
    (flat, front), (ends, _) = (seen(each, AZIMUTH) for each in _in_sight(points, others))
    everyone = np.arange(len(points))
    lines = [segments(everyone, everyone, (flat, ends)), *([unit_circle()] if unit else [])]
    figure = go.Figure([_line(line, dark=dark) for line in lines] + _marked(flat, front, classes))
    figure.update_xaxes(visible=False).update_yaxes(visible=False, scaleanchor="x")
    if unit:
        figure.update_xaxes(range=[-ROUND, ROUND]).update_yaxes(range=[-ROUND, ROUND])
    return dress(figure, dark=dark).update_layout(showlegend=labels is not None, height=420)


def history(runs: object, *, dark: bool | None = None) -> go.Figure:
    """Loss, alignment, uniformity and accuracy against optimiser steps.

    Given: what ``gca.train`` returns, a ``TrainingSession`` or a ``History``; or several of them by name, to compare.
    Raises: TypeError for anything else.
    """
    named = dict(runs) if isinstance(runs, Mapping) else {"": runs}
    figure = make_subplots(rows=2, cols=2, subplot_titles=list(CURVES), horizontal_spacing=0.1, vertical_spacing=0.18)
    for k, (name, run) in enumerate(named.items()):
        told = getattr(run, "history", run)
        if not isinstance(told, History):
            raise TypeError(f"a training, a session or a History is needed, got {type(run).__name__}")
        colour = palette(dark)[("rows", "cols")[k]] if k < 2 else CLASS_COLOURS[k % len(CLASS_COLOURS)]
        for panel, curves in enumerate(CURVES.values()):
            for trace in _curves(told, curves, name=str(name), colour=colour, first=panel == 0):
                figure.add_trace(trace, panel // 2 + 1, panel % 2 + 1)
    figure.update_xaxes(title={"text": "steps", "standoff": 4}, row=2).update_yaxes(range=[0, 1.02], row=2, col=2)
    dress(figure, dark=dark, margin={"l": 44, "r": 12, "t": 40, "b": 40})
    figure.update_annotations(font={"size": 12, "color": palette(dark)["text"]})
    below = {"orientation": "h", "y": -0.12, "yanchor": "top"}
    return figure.update_layout(height=420, showlegend=len(named) > 1, legend=below)


def _points(value: object, name: str) -> np.ndarray:
    points = as_float_tensor(value, name=name).detach().cpu().double().numpy()
    if points.ndim != 2 or points.shape[1] < 2 or not len(points):
        raise ValueError(f"{name} must be (n, d) with n >= 1 and d >= 2, got shape {points.shape}")
    return np.asarray(points)


def _in_sight(*clouds: np.ndarray) -> list[np.ndarray]:
    """Each cloud as it is up to three dimensions; beyond, along the two main axes of the first."""
    if clouds[0].shape[1] <= 3:
        return list(clouds)
    middle = clouds[0].mean(0)
    axes = np.linalg.svd(clouds[0] - middle, full_matrices=False)[2]
    axes = np.pad(axes, ((0, max(0, 2 - len(axes))), (0, 0)))[:2]
    return [(cloud - middle) @ axes.T for cloud in clouds]


def _marked(points: np.ndarray, front: np.ndarray, classes: list[str]) -> list[go.Scatter]:
    """A trace for each class in front, and one for each behind."""
    traces = []
    for k, kind in enumerate(kinds_of(classes)):
        own = np.array([each == kind for each in classes])
        for where, opacity in ((front, 0.9), (~front, 0.22)):
            trace = marks(k % len(SYMBOLS), opacity, points[own & where])
            traces.append(trace.update(name=kind, text=f"class {kind}", showlegend=opacity > 0.5))
    return traces


def _line(line: Segments, *, dark: bool | None) -> go.Scatter:
    style = {"width": 1, "color": palette(dark)["hairline"]}
    return go.Scatter(x=line.x, y=line.y, mode="lines", line=style, hoverinfo="skip", showlegend=False)


def _curves(told: History, names: Sequence[str], *, name: str, colour: str, first: bool) -> list[go.Scatter]:
    traces = []
    for k, curve in enumerate(names):
        if curve != "losses" and curve not in told.names:
            continue
        steps, values = (
            (range(1, len(told.losses) + 1), told.losses) if curve == "losses" else (told["step"], told[curve])
        )
        line = {"color": colour, "width": 1.6, "dash": "dot" if k else "solid"}
        traces.append(go.Scatter(x=list(steps), y=list(values), mode="lines", line=line, name=name, showlegend=first))
    return traces
