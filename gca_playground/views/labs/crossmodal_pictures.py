"""The plotly pictures of a crossmodal lab, alive, on axes that never move. They send only what changed."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import plotly.graph_objects as go

from gca_playground.views import crossmodal_figures, figures
from gca_playground.views.figures import Segments
from gca_playground.views.labs import crossmodal_flows as flows
from gca_playground.views.labs.crossmodal_scene import Scene, digits
from gca_playground.views.labs.crossmodal_state import CLASSES, IMAGES
from gca_playground.views.labs.pictures import Picture, move, moving_line

FLOOR = 1e-4
"""Weights below this one are not drawn."""
NOTHING = Segments(np.zeros(0), np.zeros(0))


class WeightPicture(Picture):
    """The weights of all 500 test images for one label, by their class: of that label, of others, and if all alike."""

    height = 170
    tints = ("rows", "cols", "muted")
    margin: ClassVar[dict[str, int]] = {**figures.CURVE_MARGIN, "l": 52}

    def __init__(self, scene: Scene) -> None:
        self._order = digits("test").labels.argsort(stable=True).numpy()
        labels = digits("test").labels.numpy()[self._order]
        figure = go.Figure([moving_line(1.6), moving_line(1.6), moving_line(1.2, "dash")])
        centres = [float(np.flatnonzero(labels == k).mean()) for k in range(CLASSES)]
        figure.update_xaxes(range=[-4, IMAGES + 3], tickvals=centres, ticktext=[str(k) for k in range(CLASSES)])
        title = {"text": "test images by class (dashed: all alike)", "standoff": 3}
        figure.update_xaxes(title=title, showgrid=False)
        ticks = {"tickvals": [1e-4, 1e-3, 1e-2, 1e-1, 1], "ticktext": ["10⁻⁴", ".001", ".01", ".1", "1"]}
        figure.update_yaxes(ticks, type="log", range=[np.log10(FLOOR), 0.05], title={"text": "weight", "standoff": 3})
        figure.update_xaxes(fixedrange=True).update_yaxes(fixedrange=True)
        super().__init__(figure, scene)

    def lines(self, scene: Scene) -> list[Segments]:
        """A stick an image; across, the weight of each if all images of the label had the same."""
        weights, member = scene.weights.numpy()[self._order], scene.members.numpy()[self._order]
        tall = weights > FLOOR
        places = [np.flatnonzero(tall & member), np.flatnonzero(tall & ~member)]
        alike = Segments(np.array([-4.0, IMAGES + 3.0]), np.full(2, 1 / member.sum()))
        return [*(_sticks(place.astype(float), weights[place], FLOOR) for place in places), alike]


class LabelPicture(Picture):
    """The probability of each label as a bar: the most probable one, and the others."""

    height = 250
    tints = ("rows", "neutral")
    margin: ClassVar[dict[str, int]] = {"l": 24, "r": 10, "t": 6, "b": 34}

    def __init__(self, scene: Scene) -> None:
        figure = go.Figure([moving_line(13), moving_line(13)])
        figure.update_xaxes(range=[0, 1], tickvals=[0, 0.5, 1], fixedrange=True)
        figure.update_xaxes(title={"text": "probability of the label", "standoff": 3})
        ticks = {"tickvals": list(range(CLASSES)), "ticktext": [str(k) for k in range(CLASSES)], "showgrid": False}
        figure.update_yaxes(ticks, range=[CLASSES - 0.4, -0.6], fixedrange=True)
        super().__init__(figure, scene)

    def lines(self, scene: Scene) -> list[Segments]:
        """A bar a label."""
        p, first = scene.probabilities.numpy(), np.arange(CLASSES) == scene.guess
        found = []
        for chosen in (first, ~first):
            bars = _sticks(np.flatnonzero(chosen).astype(float), p[chosen], 0.0)
            found.append(Segments(bars.y, bars.x))
        return found


class RecallPicture(Picture):
    """R@k against k, in both directions, and what chance would give."""

    height = 240
    tints = ("rows", "cols", "muted")
    margin: ClassVar[dict[str, int]] = {**figures.CURVE_MARGIN, "l": 52}

    def __init__(self, scene: flows.Scene) -> None:
        figure = go.Figure([moving_line(2.6), moving_line(2.6, "dash"), moving_line(1.2, "dot")])
        figure.update_xaxes(range=[0.5, flows.MOST_K + 0.5], tickvals=[1, 5, 10, 15, 20], fixedrange=True)
        figure.update_xaxes(title={"text": "k answers of 500", "standoff": 3})
        ticks = {"tickvals": [0, 0.25, 0.5, 0.75, 1], "title": {"text": "R@k: found", "standoff": 3}}
        figure.update_yaxes(ticks, range=[0, 1.02], fixedrange=True)
        super().__init__(figure, scene)

    def lines(self, scene: flows.Scene) -> list[Segments]:
        """Flows for a path, paths for a flow, chance."""
        k = np.arange(1.0, flows.MOST_K + 1)
        chance = k / len(scene.found.scores)
        return [*(Segments(k, np.array(curve)) for curve in scene.curves), Segments(k, chance)]


class FlowPicture(Picture):
    """The true flow, the weighted mean of the library and the best answers, with the path that was seen."""

    height = 390

    def __init__(self, scene: flows.Scene) -> None:
        titles = self._titles(scene)
        figure = crossmodal_figures.flow_panels(scene.flows, titles, scene.path)
        figure.layout.width, figure.layout.meta = None, {"no_taller_than_wide": True}
        super().__init__(figure, scene)

    def show(self, scene: flows.Scene) -> None:
        """Other flows, another path."""
        path, first = crossmodal_figures.wrapped(scene.path), crossmodal_figures.starts(scene.path)
        with self.widget.batch_update():
            for k, flow in enumerate(scene.flows):
                if not np.array_equal(self.widget.data[3 * k].z, flow):
                    self.widget.data[3 * k].z = flow
            for note, title in zip(self.widget.layout.annotations, self._titles(scene), strict=True):
                if note.text != title:
                    note.text = title
        panels = range(len(scene.flows))
        move(self.widget, {3 * k + 1: path for k in panels} | {3 * k + 2: first for k in panels})

    def dress(self, *, dark: bool) -> None:
        """The colours of a theme."""
        with self.widget.batch_update():
            crossmodal_figures.dress_flows(self.widget, dark=dark)

    def _titles(self, scene: flows.Scene) -> list[str]:
        ranked = [f"{place}.{' ✓' if k == scene.state.path else ''}" for place, k in enumerate(scene.answers, 1)]
        told = [f"{name} error {error:.2f}" for name, error in zip(["mean,", *ranked], scene.errors, strict=True)]
        return ["<b>the true flow</b>", *told]


def _sticks(x: np.ndarray, y: np.ndarray, low: float) -> Segments:
    """A vertical line from ``low`` to each y."""
    points = np.full((len(x), 3, 2), np.nan)
    points[:, :2, 0] = x[:, None]
    points[:, 0, 1], points[:, 1, 1] = low, y
    return Segments(points[..., 0].ravel(), points[..., 1].ravel())
