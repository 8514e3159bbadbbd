"""CouplingLab: slide the regularisation, the marginals and the half-steps, and watch the plan."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import ipywidgets as widgets
import numpy as np
import plotly.graph_objects as go

from gca_playground._boundary import near
from gca_playground.alignment import Alignment
from gca_playground.learning import datasets
from gca_playground.transport import COSTS, EXACT, Bounded, Constraint, Soft
from gca_playground.views import figures
from gca_playground.views.controls import CopyButton, Player, Slider, log_stops, relaxation_stops, step_stops
from gca_playground.views.labs import words
from gca_playground.views.labs.lab import Lab, box, text
from gca_playground.views.labs.presets import PRESETS, START
from gca_playground.views.labs.scene import (
    MOST_POINTS,
    OWN,
    SHOWN_STEPS,
    Choice,
    Cloud,
    Scene,
    cloud_from,
    cloud_of,
    make_scene,
)
from gca_playground.views.matrix_view import NOWHERE, MatrixView

VIEWS = ("plan", "gradient")
BAR_TOP = 2.0
"""A bar is full at twice the mass."""


@dataclass(frozen=True)
class State:
    """All that decides a picture: the data, the record of knobs, which matrix is shown."""

    choice: Choice
    alignment: Alignment
    view: str = "plan"

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "lab": "coupling",
            "data": self.choice.to_dict(),
            "alignment": self.alignment.to_dict(),
            "view": self.view,
        }

    @classmethod
    def from_dict(cls, values: object) -> State:
        """Read back. Raises: TypeError, ValueError that name what is wrong."""
        if not isinstance(values, dict):
            raise TypeError(f"a state is a dict, got {type(values).__name__}")
        known = ("lab", "data", "alignment", "view")
        unknown = [key for key in values if key not in known]
        if unknown:
            raise ValueError(near(unknown[0], known, what="part of the state"))
        if values.get("lab", "coupling") != "coupling":
            raise ValueError(f"this is the state of the {values['lab']!r} lab, not of the coupling lab")
        view = values.get("view", "plan")
        if view not in VIEWS:
            raise ValueError(near(view, VIEWS, what="view"))
        choice = Choice.from_dict(values.get("data", {}))
        knobs = {"cost": choice.natural_cost, "steps": 1} | values.get("alignment", {})
        return cls(choice, Alignment.from_dict(knobs), view)


class Knob(NamedTuple):
    """A control, how its value is read off a state, and how a new value changes the state."""

    control: Any
    read: Callable[[State], Any]
    write: Callable[[State, Any], State]


class CouplingLab(Lab):
    """The coupling between two views, live.

    Given nothing, it opens on handwritten digits; given ``z`` (n, d) and ``w`` (m, d) (tensors or arrays), on your own
    embeddings, with one label a point if you have them (above 256 points on a seeded sample, and it says so).

        gca.CouplingLab()
        gca.CouplingLab(z, w, labels=y)
        gca.CouplingLab.from_state(lab.state)

    ``lab.state`` is a small dict that JSON can carry; setting it moves the lab. ``lab.code()`` is a script that
    computes the same picture. ``lab.scene`` holds the plan and the numbers that are on show.
    """

    def __init__(
        self,
        z: object = None,
        w: object = None,
        *,
        labels: Any = None,
        labels_w: Any = None,
        state: dict[str, Any] | None = None,
    ) -> None:
        if (z is None) != (w is None):
            raise TypeError("give both embeddings, z and w, or neither")
        self._own = None if z is None else (z, w, labels, labels_w)
        first = self._first_state(state)
        cloud = self._cloud(first.choice)
        scene = make_scene(cloud, first.alignment)
        super().__init__()
        self._state, self.scene = first, scene
        self._quiet = False
        self._build()
        self._draw_cloud()
        self._draw()

    @classmethod
    def from_state(
        cls, state: dict[str, Any], z: object = None, w: object = None, *, labels: Any = None, labels_w: Any = None
    ) -> CouplingLab:
        """The lab in a state that ``lab.state`` gave; with the embeddings again where it showed your own.

        Raises: TypeError, ValueError that name what is wrong with the state.
        """
        return cls(z, w, labels=labels, labels_w=labels_w, state=state)

    @property
    def state(self) -> dict[str, Any]:
        """The data, the knobs and the view as JSON; assigning one moves the lab, or raises and leaves it as it is."""
        return self._state.to_dict()

    @state.setter
    def state(self, values: dict[str, Any]) -> None:
        self._go(State.from_dict(values))

    def change(self, **knobs: Any) -> None:
        """Move some knobs of ``lab.scene.alignment``, as the sliders do. Raises: ValueError, with near names."""
        self._go(replace(self._state, alignment=self._state.alignment.change(**knobs)))

    def code(self) -> str:
        """A plain script that computes the same plan and draws it."""
        return _script(self._state)

    # What is in the lab ---------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.title = widgets.HTML("Coupling")
        self.title.add_class("gca-title")
        self.formula, self.pill = text("formula"), text("pill")
        self.matrix = MatrixView(bar_top=BAR_TOP)
        self.clouds, self.curves = _cloud_figure(), _curve_figure()
        self.look, self.numbers, self.told = text("hint"), text("numbers-table"), text("told")
        self.player = Player(interval_ms=350, description="take half-steps, one after the other")
        self.copy_code = CopyButton(text_label="copy code", description="a script that computes this picture")
        self.copy_state = CopyButton(text_label="copy state", description="the state as JSON, for CouplingLab.from_state")
        self.knobs = self._make_knobs()
        self.buttons = self._make_buttons()
        self._connect()
        self.fill(
            box("header", self.title, self.formula, self.pill),
            self.guard.box,
            box("body", self._control_panel(), self._matrix_panel(), self._cloud_panel()),
            box("foot", self._look_panel(), self._curve_panel(), self._number_panel()),
        )

    def _make_knobs(self) -> dict[str, Knob]:
        names = [OWN] if self._own else list(datasets.names())
        relaxed, steps = relaxation_stops(), step_stops(SHOWN_STEPS)
        return {
            "data": Knob(
                widgets.Dropdown(options=names, description="data"),
                lambda s: s.choice.name,
                lambda s, name: _with_data(s, name),
            ),
            "cost": Knob(
                widgets.Dropdown(options=[(name.replace("_", " "), name) for name in COSTS], description="cost"),
                lambda s: s.alignment.cost,
                lambda s, cost: _align(s, cost=cost),
            ),
            "n": Knob(
                Slider(label="pairs", stops=_point_stops(), colour="neutral"),
                lambda s: s.choice.n,
                lambda s, n: _choose(s, n=n),
            ),
            "mismatched": Knob(
                Slider(label="mismatched pairs", stops=_share_stops(), colour="neutral"),
                lambda s: s.choice.mismatched,
                lambda s, share: _choose(s, mismatched=share),
            ),
            "seed": Knob(
                widgets.IntText(description="seed"), lambda s: s.choice.seed, lambda s, seed: _choose(s, seed=seed)
            ),
            "epsilon": Knob(
                Slider(label="entropic regularisation ε", stops=log_stops(1e-3, 10.0, 10), colour="rows"),
                lambda s: s.alignment.epsilon,
                lambda s, epsilon: _align(s, epsilon=epsilon),
            ),
            "rows": Knob(
                Slider(label="row marginal ρ", stops=relaxed, colour="rows"),
                lambda s: _rho(s.alignment.rows),
                lambda s, rho: _align(s, rows=Soft(rho)),
            ),
            "cols": Knob(
                Slider(label="column marginal ρ", stops=relaxed, colour="cols"),
                lambda s: _rho(s.alignment.cols),
                lambda s, rho: _align(s, cols=Soft(rho)),
            ),
            "steps": Knob(
                Slider(label="half-steps", stops=steps, ends=("0", "50 · ∞"), colour="rows"),
                lambda s: s.alignment.steps,
                lambda s, count: _align(s, steps=count),
            ),
            "total": Knob(
                widgets.Checkbox(description="total mass only", indent=False),
                lambda s: s.alignment.total,
                lambda s, total: _with_total(s, total),
            ),
            "view": Knob(
                widgets.ToggleButtons(options=[("plan P", "plan"), ("gradient", "gradient")]),
                lambda s: s.view,
                lambda s, view: replace(s, view=view),
            ),
        }

    def _make_buttons(self) -> dict[str, widgets.Button]:
        titles = {"step": "½ step", "reset": "reset", "new seed": "new seed"}
        tips = {
            "step": "take one half-step",
            "reset": "back to the first state of these data, with the same seed",
            "new seed": "draw the data again",
        }
        buttons = {name: widgets.Button(description=title, tooltip=tips[name]) for name, title in titles.items()}
        return buttons | {
            preset.name: widgets.Button(description=preset.name, tooltip=preset.look_for) for preset in PRESETS
        }

    def _control_panel(self) -> widgets.Box:
        control = {name: knob.control for name, knob in self.knobs.items()}
        chosen = () if self._own else (control["n"], control["mismatched"], control["seed"])
        presets = () if self._own else (
            text("section", "presets"),
            box("buttons", *(self.buttons[preset.name] for preset in PRESETS)),
        )  # fmt: skip
        actions = [self.buttons[name] for name in ("step", "reset", *(() if self._own else ("new seed",)))]
        return box(
            "controls",
            text("section", "the family"),
            *(control[name] for name in ("epsilon", "rows", "cols", "steps", "total")),
            box("buttons", self.player, *actions),
            *presets,
            text("section", "data"),
            *(control[name] for name in ("data", "cost")),
            *chosen,
        )

    def _matrix_panel(self) -> widgets.Box:
        head = (
            'the plan P · <span class="gca-rows-word">row sums ▮</span> '
            '<span class="gca-cols-word">column sums ▮</span> (dashed: 1)'
        )
        self.matrix_head = text("section", head)
        return box("matrix", self.matrix_head, self.matrix, self.knobs["view"].control)

    def _cloud_panel(self) -> widgets.Box:
        return box("clouds", text("section", "the two clouds · ● view 1 · □ view 2"), self.clouds, self.told)

    def _look_panel(self) -> widgets.Box:
        return box("look", text("section", "what to look for"), self.look)

    def _curve_panel(self) -> widgets.Box:
        head = (
            'error at each half-step · <span class="gca-rows-word">rows</span> · '
            '<span class="gca-cols-word">columns</span> · KL left to fall'
        )
        return box("curves", text("section", head), self.curves)

    def _number_panel(self) -> widgets.Box:
        return box("numbers", text("section", "numbers"), self.numbers, box("buttons", self.copy_code, self.copy_state))

    def _connect(self) -> None:
        self._show_controls()
        for knob in self.knobs.values():
            knob.control.observe(self.guard(lambda change, knob=knob: self._turned(knob, change["new"])), "value")
        self.player.on_tick(self.guard(lambda tick: self._take_step()))
        self.buttons["step"].on_click(self.guard(lambda _: self._take_step()))
        self.buttons["reset"].on_click(self.guard(lambda _: self._reset()))
        self.buttons["new seed"].on_click(self.guard(lambda _: self._new_seed()))
        for preset in PRESETS:
            start = State(preset.choice, preset.alignment)
            self.buttons[preset.name].on_click(self.guard(lambda _, start=start: self._restart(start)))
        self.matrix.observe(self.guard(lambda change: self._point_at(*change["new"])), "hover")
        self.theme.observe(self.guard(lambda change: self._dress()), "dark")
        for trace, cell in zip(self.clouds.data[-2:], (lambda k: (k, -1), lambda k: (-1, k)), strict=True):
            trace.on_hover(self.guard(lambda _, points, __, cell=cell: self._light(*cell(points.point_inds[0]))))
            trace.on_unhover(self.guard(lambda *_: self._light(*NOWHERE)))

    # What a user does -----------------------------------------------------------------------------------------------

    def _turned(self, knob: Knob, value: Any) -> None:
        if not self._quiet:
            self._go(knob.write(self._state, value))

    def _take_step(self) -> None:
        """One half-step more; from the end (or the limit) back to the start."""
        alignment = self._state.alignment
        if alignment.total:
            self.player.playing = False
            raise ValueError("with the total mass only there are no half-steps to take")
        if alignment.steps == SHOWN_STEPS and self.player.playing:
            self.player.playing = False
            return
        steps = alignment.steps
        self.change(steps=0 if steps is None or steps >= SHOWN_STEPS else steps + 1)

    def _reset(self) -> None:
        """The data's first state, with the seed kept."""
        start = self._start_of(self._state.choice.name)
        self._restart(replace(start, choice=replace(start.choice, seed=self._state.choice.seed)))

    def _new_seed(self) -> None:
        self._go(_choose(self._state, seed=self._state.choice.seed + 1))

    def _restart(self, state: State) -> None:
        self.player.playing = False
        self._go(state)

    def _start_of(self, name: str) -> State:
        for preset in PRESETS:
            if preset.choice.name == name and preset.choice == replace(self._state.choice, seed=preset.choice.seed):
                return State(preset.choice, preset.alignment)
        choice = Choice(name=name)
        return State(choice, Alignment(cost=choice.natural_cost, epsilon=0.1, steps=1))

    # From a state to a picture --------------------------------------------------------------------------------------

    def _go(self, state: State) -> None:
        """Compute first, draw after: an error leaves everything as it was."""
        new_data = state.choice != self._state.choice
        cloud = self._cloud(state.choice) if new_data else self.scene.cloud
        scene = make_scene(cloud, state.alignment)
        if state.view == "gradient":
            scene.gradient  # noqa: B018  (what it raises must come before anything is drawn)
        self._state, self.scene = state, scene
        if new_data:
            self._draw_cloud()
        self._draw()

    def _first_state(self, values: dict[str, Any] | None) -> State:
        if values is not None:
            state = State.from_dict(values)
            if (state.choice.name == OWN) != (self._own is not None):
                raise ValueError(
                    "this state shows your own embeddings: give z and w again"
                    if self._own is None
                    else f"this state shows {state.choice.name!r}: leave out z and w"
                )
            return state
        choice = START.choice if self._own is None else Choice(name=OWN, n=len(self._own[0]))  # type: ignore[arg-type]
        return State(choice, START.alignment)

    def _cloud(self, choice: Choice) -> Cloud:
        if self._own is None:
            return cloud_of(choice)
        z, w, labels, labels_w = self._own
        return cloud_from(z, w, labels, labels_w, seed=choice.seed)

    def _draw(self) -> None:
        """The matrix first: it is what the eye follows."""
        scene = self.scene
        self._draw_matrix()
        self._draw_figures()
        self.formula.value = words.formula(scene.alignment, scene.loss)
        here, meaning = words.pill(scene.alignment)
        self.pill.value = f'<span title="{meaning}">{here}</span>'
        self.numbers.value = words.table(words.readouts(scene))
        self.look.value = self._look_for()
        self.copy_code.text, self.copy_state.text = self.code(), json.dumps(self.state)
        self._show_controls()
        self._point_at(*self.matrix.hover)

    def _draw_matrix(self) -> None:
        matrix, row_ratio, col_ratio = self.scene.sums
        if self._state.view == "gradient":
            shown, top = self.scene.gradient, max(1e-12, float(np.abs(self.scene.gradient).max()))
            self.matrix.show(shown, row_ratio=row_ratio, col_ratio=col_ratio, diverging=True, top=top)
        else:
            mass = self.scene.plan.row_mass.double().numpy()
            self.matrix.show(matrix / mass[:, None], row_ratio=row_ratio, col_ratio=col_ratio)
        here, _ = words.pill(self.scene.alignment)
        self.matrix.aria_text = f"the {self._state.view}, {matrix.shape[0]} by {matrix.shape[1]}; {here}"

    def _draw_figures(self) -> None:
        scene = self.scene
        lines = figures.mass_lines(figures.row_shares(scene.plan), scene.cloud.ends)
        curves = figures.convergence_curves(scene.path, scene.kl)
        with self.clouds.batch_update():
            for trace, line in zip(self.clouds.data, lines, strict=False):
                _set(trace, line)
        with self.curves.batch_update():
            for trace, curve in zip(self.curves.data, curves, strict=False):
                _set(trace, curve)
            steps = figures.CONVERGED_AT if scene.alignment.steps is None else scene.alignment.steps
            x = [] if scene.alignment.total else [steps, steps]
            _set(self.curves.data[-1], figures.Segments(np.array(x, float), np.array([1e-12, 1e3])[: len(x)]))

    def _draw_cloud(self) -> None:
        cloud = self.scene.cloud
        points = figures.cloud_traces(cloud.ends, (cloud.labels, cloud.labels_w))
        with self.clouds.batch_update():
            for trace, new in zip(self.clouds.data[-2:], points, strict=True):
                trace.update(x=new.x, y=new.y, text=new.text, marker={"color": new.marker.color})
            figures.frame(self.clouds, cloud.ends)
        self.told.value = f"embedding: {cloud.told}"
        pairs = np.arange(len(cloud.z)) if len(cloud.z) == len(cloud.w) else np.zeros(0, int)
        self.matrix.set_outline(np.stack([pairs, pairs], 1) if len(pairs) else None)

    def _dress(self) -> None:
        dark = self.theme.dark
        colours = figures.DARK if dark else figures.LIGHT
        for figure in (self.clouds, self.curves):
            with figure.batch_update():
                figures.dress(figure, dark=dark)
        with self.clouds.batch_update():
            for trace in self.clouds.data[: len(figures.LINE_BINS)]:
                trace.line.color = colours["text"]
            _mark_colours(self.clouds, colours)
        with self.curves.batch_update():
            for trace, (_, name, _, _) in zip(self.curves.data, figures._CURVES, strict=False):
                trace.line.color = colours[name]
            self.curves.data[-1].line.color = colours["text"]

    def _point_at(self, row: int, col: int) -> None:
        """What the pointer is on in the matrix, lit in the clouds and said in words."""
        n, m = self.scene.matrix.shape
        row, col = (row if row < n else -1), (col if col < m else -1)
        self.matrix.caption = words.about(self.scene, row, col) if (row, col) != NOWHERE else " "
        self._mark(row, col)

    def _light(self, row: int, col: int) -> None:
        """What the pointer is on in the clouds, lit in the matrix and said in words."""
        self.matrix.highlight = (row, col)
        self._point_at(row, col)

    def _mark(self, row: int, col: int) -> None:
        ends = self.scene.cloud.ends
        marked = [ends[side][k] for side, k in ((0, row), (1, col)) if k >= 0]
        lines = _rays(self.scene.matrix, ends, row, col)
        marks, rays = self.clouds.data[-3], self.clouds.data[-4]
        if not marked and not len(marks.x or ()):
            return
        with self.clouds.batch_update():
            marks.x, marks.y = [p[0] for p in marked], [p[1] for p in marked]
            _set(rays, lines)

    def _look_for(self) -> str:
        for preset in PRESETS:
            if preset.choice == replace(self._state.choice, seed=preset.choice.seed):
                return preset.look_for
        described = datasets.TABLE.get(self._state.choice.name)
        about = f"{described.description[0].upper()}{described.description[1:]}. " if described else ""
        return about + "Take one half-step after the other: blue bars are right after odd ones, orange after even ones."

    def _show_controls(self) -> None:
        """Set every control to the state without taking that for a user's move."""
        with self._silence():
            for knob in self.knobs.values():
                value = knob.read(self._state)
                if value is not None or knob is self.knobs["steps"]:
                    _put(knob.control, value)
            for name in ("rows", "cols", "steps"):
                self.knobs[name].control.disabled = self._state.alignment.total

    @contextmanager
    def _silence(self) -> Iterator[None]:
        self._quiet, before = True, self._quiet
        try:
            yield
        finally:
            self._quiet = before


def _with_data(state: State, name: str) -> State:
    """Other data come with their natural cost; the other knobs stay."""
    choice = Choice(name=name, seed=state.choice.seed, n=state.choice.n, mismatched=state.choice.mismatched)
    return replace(_align(state, cost=choice.natural_cost), choice=choice)


def _with_total(state: State, total: bool) -> State:
    knobs = {"rows": None, "cols": None, "steps": None} if total else {"rows": EXACT, "cols": EXACT, "steps": 1}
    return _align(state, total=total, **knobs)


def _choose(state: State, **changes: Any) -> State:
    return replace(state, choice=replace(state.choice, **changes))


def _align(state: State, **knobs: Any) -> State:
    return replace(state, alignment=state.alignment.change(**knobs))


def _rho(side: Constraint | None) -> float | None:
    return None if side is None or isinstance(side, Bounded) else side.rho


def _point_stops() -> list[tuple[int, str]]:
    return [(n, str(n)) for n in (1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 160, 192, 224, MOST_POINTS)]


def _share_stops() -> list[tuple[float, str]]:
    return [(k / 20, f"{5 * k} %") for k in range(21)]


def _put(control: Any, value: Any) -> None:
    """Move a control to a value, or to the nearest it can show."""
    if isinstance(control, Slider):
        low, high = (f([stop for stop, _ in control.stops if stop is not None]) for f in (min, max))
        value = value if value is None else min(max(value, low), high)
    if control.value != value:
        control.value = value


def _cloud_figure() -> go.FigureWidget:
    """Mass lines, the rays and marks of what is pointed at, the two views on top."""
    nothing = (np.zeros((0, 2)), np.zeros((0, 2)))
    lines = figures.line_traces(figures.mass_lines(np.zeros((0, 0)), nothing, most=0))
    rays = go.Scatter(mode="lines", line={"width": 2}, hoverinfo="skip", x=[], y=[])
    marks = go.Scatter(mode="markers", marker={"size": 15, "symbol": "circle-open", "line": {"width": 2.5}},
                       hoverinfo="skip", x=[], y=[])  # fmt: skip
    figure = go.FigureWidget([*lines, rays, marks, *figures.cloud_traces(nothing, ([], []))])
    figure.update_layout(height=440, autosize=True, hovermode="closest")
    figures.dress(figure, dark=False)
    _mark_colours(figure, figures.LIGHT)
    return _plain(figure)


def _curve_figure() -> go.FigureWidget:
    """The convergence curves and a dashed line at the half-step on show, on axes that never move."""
    nothing = figures.Segments(np.zeros(0), np.zeros(0))
    traces = [go.Scatter(x=[], y=[], mode=mode, name=name, line={"dash": dash, "width": 1.6}, marker={"size": 4},
                         hovertemplate="%{y:.2g} after %{x} half-steps<extra>" + name + "</extra>")
              for name, _, mode, dash in figures._CURVES]  # fmt: skip
    here = go.Scatter(mode="lines", line={"dash": "dash", "width": 1.5}, hoverinfo="skip", x=nothing.x, y=nothing.y)
    figure = go.FigureWidget([*traces, here])
    figure.update_layout(height=230, autosize=True)
    figures.dress(figure, dark=False)
    figure.update_layout(margin={"l": 44, "r": 12, "t": 8, "b": 34})
    figure.update_xaxes(
        range=[-1, figures.CONVERGED_AT + 2],
        tickvals=[0, 1, 10, 20, 30, 40, 50, figures.CONVERGED_AT],
        ticktext=["0", "1", "10", "20", "30", "40", "50", "∞"],
        fixedrange=True,
        title={"text": "half-steps", "standoff": 4},
    )
    figure.update_yaxes(type="log", range=list(figures.ERROR_RANGE), dtick=2, exponentformat="power", fixedrange=True)
    return _plain(figure)


def _plain(figure: go.FigureWidget) -> go.FigureWidget:
    """No floating tool bar over the points; the width follows the page."""
    figure._config = {**figure._config, "displayModeBar": False, "responsive": True}
    return figure


def _mark_colours(figure: go.FigureWidget, colours: dict[str, str]) -> None:
    figure.data[-4].line.color = colours["cols"]
    figure.data[-3].marker.color = colours["cols"]


def _set(trace: Any, line: figures.Segments) -> None:
    """New coordinates, sent only where they differ."""
    for axis, values in (("x", line.x), ("y", line.y)):
        old = getattr(trace, axis)
        if old is None or not np.array_equal(np.asarray(old, float), values, equal_nan=True):
            setattr(trace, axis, values)


def _rays(
    matrix: np.ndarray, ends: tuple[np.ndarray, np.ndarray], row: int, col: int
) -> figures.Segments:
    """From the point that is pointed at to where most of its mass is; one ray for a cell."""
    if row >= 0 and col >= 0:
        chosen = np.array([[row, col]])
    elif row >= 0:
        chosen = np.array([[row, j] for j in np.argsort(-matrix[row])[:5]])
    elif col >= 0:
        chosen = np.array([[i, col] for i in np.argsort(-matrix[:, col])[:5]])
    else:
        chosen = np.zeros((0, 2), int)
    points = np.full((len(chosen), 3, 2), np.nan)
    if len(chosen):
        points[:, 0], points[:, 1] = ends[0][chosen[:, 0]], ends[1][chosen[:, 1]]
    return figures.Segments(points[..., 0].ravel(), points[..., 1].ravel())


def _script(state: State) -> str:
    alignment, choice = state.alignment, state.choice
    knobs = {name: value for name, value in alignment.to_dict().items() if value is not None}
    if choice.name == OWN:
        data = "z, w, labels = ...  # your embeddings (n, d) and (m, d), and one label a point or None\n"
    else:
        arguments = {"n": choice.n, "mismatched": choice.mismatched, "seed": choice.seed, **choice.options}
        listed = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        data = (
            f"data = gca.datasets.load({choice.name!r}, {listed})\n"
            "z, w, told = gca.embed(data)\n"
            "labels = data.labels\n"
        )
    return (
        "import gca_playground as gca\n"
        "\n"
        f"{data}"
        f"alignment = gca.Alignment.from_dict({knobs!r})\n"
        "plan = alignment.plan(z.double(), w.double())\n"
        'print(f"loss {alignment.value(plan):.6f}")\n'
        "gca.figures.coupling(plan, gca.flat(z, w), labels).show()\n"
    )
