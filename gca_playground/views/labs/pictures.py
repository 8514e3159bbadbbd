"""The two plotly pictures of a coupling lab, alive: they know their traces, and send only what changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import plotly.graph_objects as go

from gca_playground.views import figures
from gca_playground.views.labs.scene import Cloud, Scene
from gca_playground.views.live_figure import LiveFigure, SecondFigure
from gca_playground.views.matrix_view import NOWHERE
from gca_playground.views.theme import DARK, LIGHT

MOST_RAYS = 5
"""A point that is pointed at shows this many of its heaviest pairs."""

NO_STEPS = "one scaling gives the plan its total mass:<br>no half-steps to take, no errors to follow"
"""What stands where the curves are, when there are none."""

_NOTHING = figures.Segments(np.zeros(0), np.zeros(0))


class Picture:
    """A figure whose traces move on axes that do not; ``widget`` is a plain figure while it is made."""

    height = 300
    margin: ClassVar[dict[str, int]] = figures.CURVE_MARGIN
    tints: ClassVar[tuple[str, ...]] = ()
    """The names of the colours of all traces."""

    def __init__(self, figure: go.Figure, scene: Any) -> None:
        self.widget: Any = figure.update_layout(height=self.height, autosize=True, hovermode="closest")
        self.show(scene)
        self.dress(dark=False)
        self.widget = alive(figure)

    def lines(self, scene: Any) -> list[figures.Segments]:
        """The coordinates of all traces that move, in their order."""
        raise NotImplementedError

    def colours(self, palette: dict[str, str]) -> list[str]:
        """The colours of all traces, in their order."""
        return [palette[tint] for tint in self.tints]

    def show(self, scene: Any) -> None:
        """Another scene on the same axes."""
        move(self.widget, dict(enumerate(self.lines(scene))))

    def dress(self, *, dark: bool) -> None:
        """The colours of a theme."""
        palette = DARK if dark else LIGHT
        with self.widget.batch_update():
            figures.dress(self.widget, dark=dark, margin=self.margin)
            for trace, colour in zip(self.widget.data, self.colours(palette), strict=True):
                if "lines" in trace.mode:
                    trace.line.color = colour
                else:
                    trace.marker.color = colour


def moving_line(width: float, dash: str = "solid", **options: Any) -> go.Scatter:
    """A line without points, to be moved."""
    style = {"width": width, "dash": dash, "simplify": False}
    return go.Scatter(mode="lines", line=style, hoverinfo="skip", x=[], y=[], **options)


class CloudPicture:
    """The two views as points, the plan between them as lines, and what is pointed at."""

    def __init__(self, scene: Scene) -> None:
        empty = (np.zeros((0, 2)), np.zeros((0, 2)))
        rays = go.Scatter(mode="lines", line={"width": 2}, hoverinfo="skip", x=[], y=[])
        ring = {"size": 15, "symbol": "circle-open", "line": {"width": 2.5}}
        marks = go.Scatter(mode="markers", marker=ring, hoverinfo="skip", x=[], y=[])
        lines = figures.line_traces([_NOTHING] * len(figures.LINE_BINS), dark=False)
        self._hold(go.Figure([*lines, rays, marks, *figures.cloud_traces(empty, ([], []))]))
        self.widget.update_layout(height=440, autosize=True, hovermode="closest", meta={"no_taller_than_wide": True})
        self.show_cloud(scene.cloud, dark=False)
        self.show_plan(scene)
        self.dress(scene.cloud, dark=False)
        self._hold(alive(self.widget))

    def _hold(self, figure: Any) -> None:
        """Work on this figure: a plain one while it is made, the widget from then on."""
        count = len(figures.LINE_BINS)
        self.widget, self.lines = figure, figure.data[:count]
        self.rays, self.marks, *self.points = figure.data[count:]

    def on_point(self, callback: Callable[[int, int], None]) -> None:
        """Call ``callback(row, column)`` for what the pointer is on, -1 for none."""

        def hears(what: Callable[[int], tuple[int, int]]) -> Callable[[Any, Any, Any], None]:
            def told(_: Any, found: Any, __: Any) -> None:
                for k in found.point_inds[:1]:  # plotly tells every trace of every event: most find no point
                    callback(*what(k))

            return told

        rows, cols = self.points
        rows.on_hover(hears(lambda k: (k, -1)))
        cols.on_hover(hears(lambda k: (-1, k)))
        for trace in self.points:
            trace.on_unhover(hears(lambda _: NOWHERE))

    def show_cloud(self, cloud: Cloud, *, dark: bool) -> None:
        """Other points."""
        new = figures.cloud_traces(cloud.ends, (cloud.labels, cloud.labels_w))
        with self.widget.batch_update():
            for trace, fresh in zip(self.points, new, strict=True):
                trace.update(x=fresh.x, y=fresh.y, text=fresh.text, marker={"color": fresh.marker.color})
            figures.frame(self.widget, cloud.ends)
            self._name_classes(cloud, dark)

    def show_plan(self, scene: Scene) -> None:
        """Another plan between the same points."""
        lines = figures.mass_lines(figures.row_shares(scene.plan), scene.cloud.ends)
        move(self.widget, dict(enumerate(lines)))

    def point_at(self, scene: Scene, row: int, col: int) -> None:
        """Ring what is pointed at, and draw rays to where its mass goes."""
        ends = scene.cloud.ends
        marked = [ends[side][k] for side, k in ((0, row), (1, col)) if k >= 0]
        points = np.array(marked).reshape(-1, 2)
        rays = figures.segments(*_heaviest(scene.matrix, row, col), ends)
        first = len(self.lines)
        move(self.widget, {first: rays, first + 1: figures.Segments(points[:, 0], points[:, 1])})

    def dress(self, cloud: Cloud, *, dark: bool) -> None:
        """The colours of a theme."""
        colours = DARK if dark else LIGHT
        with self.widget.batch_update():
            figures.dress(self.widget, dark=dark)
            for trace in self.lines:
                trace.line.color = colours["text"]
            self.rays.line.color = self.marks.marker.color = colours["cols"]
            self._name_classes(cloud, dark)

    def _name_classes(self, cloud: Cloud, dark: bool) -> None:
        self.widget.layout.annotations = figures.class_names(cloud.ends, (cloud.labels, cloud.labels_w), dark=dark)


class CurvePicture:
    """The convergence curves and a dashed line at the half-step on show, on axes that never move."""

    def __init__(self, scene: Scene) -> None:
        here = go.Scatter(mode="lines", line={"dash": "dash", "width": 1.5}, hoverinfo="skip", x=[], y=[])
        self._hold(go.Figure([*figures.curve_traces([_NOTHING] * len(figures.CURVES)), here]))
        self.widget.update_layout(height=230, autosize=True)
        self.widget.update_xaxes(
            range=[-1, figures.CONVERGED_AT + 2],
            tickvals=[0, 10, 20, 30, 40, 50, figures.CONVERGED_AT],
            ticktext=["0", "10", "20", "30", "40", "50", "∞"],
            fixedrange=True,
            title={"text": "half-steps", "standoff": 4, "font": {"size": 11}},
        )
        self.widget.update_yaxes(figures.ERROR_AXIS, fixedrange=True)
        middle = {"xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
        self.widget.add_annotation(text=NO_STEPS, font={"size": 13}, showarrow=False, visible=False, **middle)
        self.show(scene)
        self.dress(dark=False)
        self._hold(alive(self.widget))

    def _hold(self, figure: Any) -> None:
        """Work on this figure: a plain one while it is made, the widget from then on."""
        self.widget = figure
        *self.curves, self.here = figure.data

    def show(self, scene: Scene) -> None:
        """Another path, or another place on it."""
        steps = figures.CONVERGED_AT if scene.alignment.steps is None else scene.alignment.steps
        here = [] if scene.path is None else [steps, steps]
        top = np.array([1e-12, 1e3])[: len(here)]
        curves = figures.convergence_curves(scene.path, scene.kl)
        move(self.widget, dict(enumerate([*curves, figures.Segments(np.array(here, float), top)])))
        (note,) = self.widget.layout.annotations
        if note.visible != (scene.path is None):
            note.visible = scene.path is None

    def dress(self, *, dark: bool) -> None:
        """The colours of a theme."""
        colours = DARK if dark else LIGHT
        with self.widget.batch_update():
            figures.dress(self.widget, dark=dark, margin=figures.CURVE_MARGIN)
            for trace, curve in zip(self.curves, figures.CURVES, strict=True):
                trace.line.color = trace.marker.color = colours[curve.colour]
            self.here.line.color = colours["text"]


def alive(figure: go.Figure, *, beside: bool = False) -> go.FigureWidget:
    """The figure as a widget, without a floating tool bar over the points; its width follows the page.

    ``beside``: there is another on the page, which brings plotly.
    """
    widget = SecondFigure(figure) if beside else LiveFigure(figure)
    widget._config = {**widget._config, "displayModeBar": False, "responsive": True}
    return widget


def move(figure: go.Figure | LiveFigure, lines: dict[int, figures.Segments]) -> None:
    """Other coordinates for these traces."""
    if isinstance(figure, LiveFigure):
        figure.move(lines)
        return
    for trace, line in lines.items():
        figure.data[trace].update(line._asdict())


def _heaviest(matrix: np.ndarray, row: int, col: int) -> tuple[np.ndarray, np.ndarray]:
    """The cell that is pointed at, or the heaviest cells of the row or the column: their rows and columns."""
    if row >= 0 and col >= 0:
        return np.array([row]), np.array([col])
    line = matrix[row] if row >= 0 else matrix[:, col] if col >= 0 else np.zeros(0)
    heavy = np.argsort(-line)[:MOST_RAYS]
    fixed = np.full(len(heavy), max(row, col))
    return (fixed, heavy) if row >= 0 else (heavy, fixed)
