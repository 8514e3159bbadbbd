"""The three plotly pictures of a Gaussian lab, alive, on axes that never move. They send only what changed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gca_playground.views.figures import Segments
from gca_playground.views.gaussian_figures import LEARNED, MODEL, NOTHING, density, ellipse, mean_lines
from gca_playground.views.labs.gaussian_scene import Scene, conditionals, corner_kl, joint_of
from gca_playground.views.labs.gaussian_state import MOST_BATCH, Pair
from gca_playground.views.labs.pictures import Picture, moving_line

REACH = 3.0
"""The ellipses' axes end here, in the units of the data: every model of the lab fits in."""

GIVEN = 1.0
"""The value that the conditional laws are shown for, as in the paper."""

TOP = 0.85
"""The highest density that a closed form of the lab has."""

STOPS = tuple(k / 10 for k in range(11))
"""Where one can stand on each side of the square."""

_GRID = np.array([(kappa_u, kappa_v) for kappa_v in STOPS for kappa_u in STOPS])
_X = np.linspace(-3.6, 3.6, 181)


def _points(size: float, **options: Any) -> go.Scatter:
    return go.Scatter(mode="markers", marker={"size": size, **options}, hoverinfo="skip", x=[], y=[])


class EllipsePicture(Picture):
    """Truth, best model and learned model as ellipses of one standard deviation, with the conditional means."""

    height = 430
    margin: ClassVar[dict[str, int]] = {"l": 34, "r": 8, "t": 8, "b": 34}

    def __init__(self, scene: Scene) -> None:
        means = [moving_line(1.4, dash) for dash in ("dot", "dot", "solid", "solid")]
        figure = go.Figure([moving_line(7, opacity=0.35), *means, moving_line(2.6), moving_line(2, "dash")])
        figure.update_layout(meta={"no_taller_than_wide": True})
        ticks = {"tickvals": [-3, -2, -1, 0, 1, 2, 3], "range": [-REACH, REACH], "fixedrange": True}
        figure.update_xaxes(ticks, title={"text": "u", "standoff": 2}, constrain="domain")
        figure.update_yaxes(ticks, title={"text": "v", "standoff": 2}, constrain="domain", scaleanchor="x")
        super().__init__(figure, scene)

    def lines(self, scene: Scene) -> list[Segments]:
        """Truth, its means, the model's means, the model, the learned."""
        pair = scene.state.pair
        means = [mean_lines(*conditionals(law), REACH, pair) for law in (scene.truth, scene.best)]
        laws = (joint_of(scene.best), None if scene.learned is None else joint_of(scene.learned))
        model, learned = (NOTHING if law is None else ellipse(law, pair) for law in laws)
        return [ellipse(scene.truth, pair), *means[0], *means[1], model, learned]

    def colours(self, palette: dict[str, str]) -> list[str]:
        """Grey is the truth; blue is u given v, orange v given u."""
        return [palette["neutral"], *[palette["rows"], palette["cols"]] * 2, MODEL, LEARNED]


class SidePicture(Picture):
    """The two conditional laws at 1, and what batches of each size have learned."""

    height = 430
    margin: ClassVar[dict[str, int]] = {"l": 34, "r": 10, "t": 24, "b": 40}

    def __init__(self, scene: Scene) -> None:
        specs = [[{}, {}], [{"colspan": 2}, None]]
        titles = ["density of u given v = 1", "density of v given u = 1", "slope of E[u|v], by batch size"]
        figure = make_subplots(2, 2, specs=specs, subplot_titles=titles, vertical_spacing=0.19, horizontal_spacing=0.08)
        for col in (1, 2):
            for line in (moving_line(7, opacity=0.35), moving_line(2.6), moving_line(2, "dash")):
                figure.add_trace(line, 1, col)
        for line in (moving_line(7, opacity=0.35), moving_line(2.6), _points(8, opacity=0.8)):
            figure.add_trace(line, 2, 1)
        figure.update_xaxes(range=[_X[0], _X[-1]], tickvals=[-2, 0, 2], fixedrange=True, row=1)
        figure.update_yaxes(range=[0, TOP], tickvals=[0, 0.4, 0.8], fixedrange=True, row=1)
        sizes = [4, 8, 16, 32, 64, 128, 256]
        batches = {"type": "log", "range": [math.log10(3), math.log10(1.25 * MOST_BATCH)], "tickvals": sizes}
        texts = [str(size) for size in sizes]
        figure.update_xaxes(batches, ticktext=texts, title={"text": "pairs in a batch", "standoff": 3}, row=2)
        figure.update_yaxes(range=[0, 1.3], tickvals=[0, 0.5, 1], fixedrange=True, row=2)
        figure.update_xaxes(fixedrange=True).update_annotations(font={"size": 12})
        super().__init__(figure, scene)

    def lines(self, scene: Scene) -> list[Segments]:
        """For each side truth, model, learned; then the two slopes as lines and the learned ones as points."""
        pair = scene.state.pair
        laws = [conditionals(law) for law in (scene.truth, scene.best)]
        learned = None if scene.learned is None else conditionals(scene.learned)
        found = []
        for side in (0, 1):
            drawn = [density(law[side], _X, given=GIVEN, pair=pair) for law in laws]
            last = NOTHING if learned is None else density(learned[side], _X, given=GIVEN, pair=pair)
            found += [*drawn, last]
        ends = np.array([3.0, 1.25 * MOST_BATCH])
        slopes = [Segments(ends, np.full(2, law[0].slope[pair - 1, pair - 1].item())) for law in laws]
        dots = np.array([(run.batch, run.slopes[pair - 1]) for run in scene.runs]).reshape(-1, 2)
        return [*found, *slopes, Segments(dots[:, 0], dots[:, 1])]

    def colours(self, palette: dict[str, str]) -> list[str]:
        """As the ellipses."""
        return [palette["neutral"], MODEL, LEARNED] * 3


class SquarePicture(Picture):
    """The square of the potentials with its four corners, and where in it you stand; a click goes there."""

    height = 400
    margin: ClassVar[dict[str, int]] = {"l": 40, "r": 16, "t": 44, "b": 72}

    def __init__(self, scene: Scene) -> None:
        frame = go.Scatter(x=[0, 1, 1, 0, 0], y=[0, 0, 1, 1, 0], mode="lines", line={"width": 1.5}, hoverinfo="skip")
        stops = go.Scatter(
            x=_GRID[:, 0],
            y=_GRID[:, 1],
            mode="markers",
            marker={"size": 7, "opacity": 0.35},
            hovertemplate="κ<sub>u</sub> = %{x}, κ<sub>v</sub> = %{y}<extra>click to go there</extra>",
        )
        you = _points(20, symbol="circle-open", line={"width": 4}).update(cliponaxis=False)
        figure = go.Figure([you, frame, stops])
        figure.update_layout(meta={"no_taller_than_wide": True})
        axis = {
            "range": [-0.05, 1.05],
            "showticklabels": False,
            "showgrid": False,
            "showline": False,
            "fixedrange": True,
            "constrain": "domain",
        }
        titles = [{"text": f"κ<sub>{side}</sub>: {side}'s marginal is repaired →"} for side in "uv"]
        figure.update_xaxes(axis, title=titles[0] | {"standoff": 44})
        figure.update_yaxes(axis, title=titles[1] | {"standoff": 4}, scaleanchor="x")
        self._corners: dict[Pair, float] = {}
        super().__init__(figure, scene)

    def lines(self, scene: Scene) -> list[Segments]:
        """Where you stand."""
        place = scene.state.place
        return [NOTHING if place is None else Segments(np.array(place[:1]), np.array(place[1:]))]

    def colours(self, palette: dict[str, str]) -> list[str]:
        """You, the frame, the stops."""
        return [MODEL, palette["muted"], palette["neutral"]]

    def show(self, scene: Scene) -> None:
        """Also the names of the corners, with what each can reach."""
        super().show(scene)
        corners = corner_kl(scene.state.sigma, scene.state.rank, scene.state.tilting)
        if corners != self._corners or not self.widget.layout.annotations:
            self._corners = corners
            self.widget.layout.annotations = [_corner(place, corners.get(place)) for place in NAMES]

    def on_walk(self, callback: Callable[[Pair], None]) -> None:
        """Call ``callback(kappa)`` when a place is clicked."""

        def told(_: Any, found: Any, __: Any) -> None:
            for k in found.point_inds[:1]:
                callback((float(_GRID[k, 0]), float(_GRID[k, 1])))

        self.widget.data[2].on_click(told)


NAMES: dict[Pair, str] = {(0.0, 0.0): "joint", (0.0, 1.0): "u|v", (1.0, 0.0): "v|u", (1.0, 1.0): "Sinkhorn"}
"""The corners."""


def _corner(place: Pair, kl: float | None) -> dict[str, Any]:
    told = "" if kl is None else f"<br>KL {abs(kl):.3f}"
    left, low = place[0] == 0, place[1] == 0
    return {
        "x": place[0],
        "y": place[1],
        "text": f"<b>{NAMES[place]}</b>{told}",
        "showarrow": False,
        "xanchor": "left" if left else "right",
        "yanchor": "top" if low else "bottom",
        "align": "left" if left else "right",
        "yshift": -12 if low else 10,
        "font": {"size": 12},
    }
