"""The plotly pictures of a training, alive: the embedding of the fixed batch, and the curves of all sides."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gca_playground.views import figures
from gca_playground.views.embedded import ROUND, SYMBOLS, marks, seen, unit_circle
from gca_playground.views.figures import CLASS_COLOURS, Segments
from gca_playground.views.labs.pictures import alive, move
from gca_playground.views.labs.training_run import Shot
from gca_playground.views.theme import DARK, LIGHT

SIGNS = ["●", "■", "◆", "▲", "✚", "✖", "★", "⬢", "▼", "⬟"]
"""The shapes of the classes as text."""

_NOTHING = Segments(np.zeros(0), np.zeros(0))
_KINDS = len(SYMBOLS)


def legend(kinds: Sequence[int], names: Callable[[int], str]) -> str:
    """The classes with their signs, as HTML."""
    signs = (
        f'<span style="white-space: nowrap"><span style="color: {CLASS_COLOURS[kind % _KINDS]}">{SIGNS[kind % _KINDS]}'
        f"</span>&nbsp;{names(kind)}</span>"
        for kind in sorted(set(kinds))
    )
    return " &ensp;".join(signs)


class EmbeddingPicture:
    """First views as points in the colour and shape of their class, and a thin line from each to its second view.

    Points behind a sphere are pale. The axes stand still for unit vectors; elsewhere they move only when they must.
    """

    def __init__(self) -> None:
        line = {"mode": "lines", "hoverinfo": "skip", "x": [], "y": []}
        ring = {"size": 15, "symbol": "circle-open", "line": {"width": 2.5}}
        traces = [go.Scatter(line={"width": 1}, **line), go.Scatter(line={"width": 0.7}, opacity=0.3, **line)]
        traces += [marks(k, opacity) for opacity in (0.22, 0.9) for k in range(_KINDS)]
        traces += [go.Scatter(mode="markers", marker=ring, hoverinfo="skip", x=[], y=[])]
        figure = go.Figure(traces)
        figure.update_layout(height=400, autosize=True, hovermode="closest", meta={"no_taller_than_wide": True})
        self.widget: Any = figure
        self._extent, self._at = 0.0, np.zeros((0, 2))
        self._colour, self._members = np.zeros(0, int), [np.zeros(0, int)] * (2 * _KINDS)
        self.dress(dark=False)
        self.frame_to(ROUND)
        self.widget = alive(figure, beside=True)

    def on_point(self, callback: Callable[[int], None]) -> None:
        """Call ``callback(row)`` for the point under the pointer, -1 for none."""

        def hears(trace: int, over: bool) -> Callable[[Any, Any, Any], None]:
            def told(_: Any, found: Any, __: Any) -> None:
                for k in found.point_inds[:1]:  # plotly tells every trace of every event: most find no point
                    rows = self._members[trace]
                    callback(int(rows[k]) if over and k < len(rows) else -1)

            return told

        for trace in range(2 * _KINDS):
            self.widget.data[2 + trace].on_hover(hears(trace, over=True))
            self.widget.data[2 + trace].on_unhover(hears(trace, over=False))

    def name(self, kinds: Sequence[int], names: Callable[[int], str]) -> None:
        """Points of other classes."""
        self._colour = np.array([kind % _KINDS for kind in kinds], int)
        said: dict[int, list[str]] = {}
        for kind in sorted(set(kinds)):
            said.setdefault(kind % _KINDS, []).append(names(kind))
        with self.widget.batch_update():
            for trace in range(2 * _KINDS):
                self.widget.data[2 + trace].text = " or ".join(said.get(trace % _KINDS, [""]))

    def show(self, shot: Shot, *, unit: bool, azimuth: float) -> None:
        """The points of one step; ``unit``: of length 1 in two or three dimensions; ``azimuth``: where one stands."""
        (z, front), (w, _) = (seen(points, azimuth) for points in (shot.z, shot.w))
        self.frame_to(ROUND if unit else self._room(np.concatenate([z, w])))
        self._at = z
        groups = [(self._colour == k) & (front == shown) for shown in (False, True) for k in range(_KINDS)]
        self._members = [np.flatnonzero(group) for group in groups]
        everyone = np.arange(len(z))
        lines = [unit_circle() if unit else _NOTHING, figures.segments(everyone, everyone, (z, w))]
        move(self.widget, dict(enumerate(lines)))
        move(self.widget, {2 + k: Segments(*z[rows].T) for k, rows in enumerate(self._members)})

    def point_at(self, row: int) -> None:
        """Ring a point."""
        ringed = self._at[[row]] if 0 <= row < len(self._at) else self._at[:0]
        move(self.widget, {2 + 2 * _KINDS: Segments(*ringed.T)})

    def dress(self, *, dark: bool) -> None:
        """The colours of a theme."""
        colours = DARK if dark else LIGHT
        with self.widget.batch_update():
            figures.dress(self.widget, dark=dark)
            outline, pairs, *_, ring = self.widget.data
            outline.line.color, pairs.line.color, ring.marker.color = (
                colours["control_border"], colours["text"], colours["cols"],
            )  # fmt: skip

    def frame_to(self, extent: float) -> None:
        """Axes from -extent to extent, if they are not there yet."""
        if extent == self._extent:
            return
        self._extent, room = extent, [-extent, extent]
        with self.widget.batch_update():
            self.widget.update_xaxes(visible=False, fixedrange=True, range=room, constrain="domain")
            self.widget.update_yaxes(visible=False, fixedrange=True, range=room, scaleanchor="x", constrain="domain")

    def _room(self, points: np.ndarray) -> float:
        """A round extent that holds the points; that of now, unless it is too small or three times too big."""
        far = 1.05 * max(float(np.abs(points).max()), 1e-6)
        if self._extent != ROUND and self._extent / 3 <= far <= self._extent:
            return self._extent
        return float(1.5 ** math.ceil(math.log(far, 1.5)))


class Curve:
    """A panel: which measures it shows, and how its axis begins."""

    def __init__(self, title: str, names: tuple[str, ...], start: tuple[float, float]) -> None:
        self.title, self.names, self.start = title, names, start


PANELS = (
    Curve("loss of a batch", ("losses",), (0.0, 0.5)),
    Curve("alignment", ("alignment",), (0.0, 0.1)),
    Curve("uniformity", ("uniformity",), (-1.0, 0.0)),
    Curve("accuracy: probe, kNN ···", ("linear_probe", "knn"), (0.0, 1.02)),
)
MOST_POINTS_OF_CURVE = 240
FIRST_STEPS = 60


class CurvePicture:
    """Loss, alignment, uniformity and accuracy against steps, left in blue and right in orange.

    The axes hold what there is and stretch in rare big leaps.
    """

    def __init__(self, panels: Sequence[Curve] = PANELS) -> None:
        self.panels = panels
        self._traces = [
            (panel, name, side) for panel in range(len(panels)) for side in (0, 1) for name in panels[panel].names
        ]
        figure = make_subplots(rows=2, cols=2, horizontal_spacing=0.12, vertical_spacing=0.2)
        line = {"mode": "lines", "x": [], "y": []}
        for panel, name, _ in self._traces:
            second = panels[panel].names.index(name) > 0
            style = {"width": 1.6, "dash": "dot" if second else "solid"}
            said = "%{y:.3g} at step %{x}<extra></extra>"
            figure.add_trace(go.Scatter(line=style, hovertemplate=said, **line), panel // 2 + 1, panel % 2 + 1)
        for panel in range(len(panels)):
            here = go.Scatter(line={"width": 1.2, "dash": "dash"}, hoverinfo="skip", **line)
            figure.add_trace(here, panel // 2 + 1, panel % 2 + 1)
            figure.add_annotation(_title(panel, panels[panel].title))
        figure.update_layout(height=314, autosize=True)
        figure.update_xaxes(fixedrange=True, nticks=5).update_yaxes(fixedrange=True, nticks=4)
        figure.update_xaxes(title={"text": "steps", "standoff": 3, "font": {"size": 11}}, row=2)
        self.widget: Any = figure
        self.restart()
        self.dress(dark=False)
        self.widget = alive(figure)

    def restart(self) -> None:
        """Axes as at the beginning."""
        self._reach, self._ranges = FIRST_STEPS, [panel.start for panel in self.panels]
        self._set_axes()

    def show(self, sides: Sequence[dict[str, tuple[Any, Any]]], *, at: int | None) -> None:
        """The curves of each side by name, (steps, values); ``at``: the step that is replayed, or None."""
        curves = []
        for _, name, side in self._traces:
            curve = sides[side].get(name) if side < len(sides) else None
            curves.append(_NOTHING if curve is None else thinned(*curve))
        self._stretch(curves)
        here = [_NOTHING if at is None else Segments(np.array([at, at], float), np.array(r)) for r in self._ranges]
        move(self.widget, dict(enumerate([*curves, *here])))

    def dress(self, *, dark: bool) -> None:
        """The colours of a theme."""
        colours = DARK if dark else LIGHT
        with self.widget.batch_update():
            figures.dress(self.widget, dark=dark, margin={"l": 40, "r": 10, "t": 22, "b": 36})
            for (_, _, side), trace in zip(self._traces, self.widget.data, strict=False):
                trace.line.color = colours[("rows", "cols")[side]]
            for trace in self.widget.data[len(self._traces) :]:
                trace.line.color = colours["muted"]

    def _stretch(self, curves: list[Segments]) -> None:
        reach = max([FIRST_STEPS, *(curve.x[-1] for curve in curves if len(curve.x))])
        new = self._reach
        while new < reach:
            new *= 2
        ranges = list(self._ranges)
        for (panel, _, _), curve in zip(self._traces, curves, strict=True):
            ranges[panel] = wide_enough(ranges[panel], curve.y)
        if new != self._reach or ranges != self._ranges:
            self._reach, self._ranges = new, ranges
            self._set_axes()

    def _set_axes(self) -> None:
        with self.widget.batch_update():
            self.widget.update_xaxes(range=[0, self._reach])
            for panel, room in enumerate(self._ranges):
                self.widget.update_yaxes(range=list(room), row=panel // 2 + 1, col=panel % 2 + 1)


def wide_enough(room: tuple[float, float], values: np.ndarray) -> tuple[float, float]:
    """An axis that holds these values: the same one if it does, else wider by a third of itself at a time."""
    finite = values[np.isfinite(values)]
    low, high = room
    if not len(finite):
        return room
    if finite.max() > high:
        high = finite.max() + (finite.max() - low) / 3
    if finite.min() < low:
        low = finite.min() - (high - finite.min()) / 3
    return float(low), float(high)


def thinned(steps: Any, values: Any, most: int = MOST_POINTS_OF_CURVE) -> Segments:
    """A curve of few enough points: means over as many steps each, and the newest value as it is."""
    x, y = np.asarray(steps, float), np.asarray(values, float)
    each = -(-len(x) // most)
    if each <= 1:
        return Segments(x, y)
    whole = len(x) // each * each
    means = [side[:whole].reshape(-1, each).mean(1) for side in (x, y)]
    return Segments(*(np.append(mean, side[-1]) for mean, side in zip(means, (x, y), strict=True)))


def _title(panel: int, text: str) -> dict[str, Any]:
    axis = "" if panel == 0 else str(panel + 1)
    place = {"xref": f"x{axis} domain", "yref": f"y{axis} domain", "x": 0, "y": 1.02}
    return {"text": text, "showarrow": False, "xanchor": "left", "yanchor": "bottom", "font": {"size": 11}, **place}
