"""CouplingLab: slide the regularisation, the marginals and the half-steps, and watch the plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ipywidgets as widgets
import numpy as np

from gca_playground.learning import datasets
from gca_playground.views import figures
from gca_playground.views.controls import CopyButton, Player
from gca_playground.views.export import ExportButton
from gca_playground.views.labs import words
from gca_playground.views.labs.address import link, served_by_voila
from gca_playground.views.labs.knobs import Knob, data_knobs, family_knobs, loss_knobs, view_knob
from gca_playground.views.labs.lab import Lab, box, opened_at_the_end, text
from gca_playground.views.labs.pictures import CloudPicture, CurvePicture
from gca_playground.views.labs.presets import PRESETS, START
from gca_playground.views.labs.scene import (
    MOST_POINTS,
    OWN,
    SHOWN_STEPS,
    Choice,
    Cloud,
    cloud_from,
    cloud_of,
    make_scene,
)
from gca_playground.views.labs.state import State, first_alignment, script
from gca_playground.views.labs.table import as_csv
from gca_playground.views.matrix_view import NOWHERE, MatrixView


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

    title_text, about = "Coupling", "one plan, and what each knob does to it"

    def __init__(
        self,
        z: object = None,
        w: object = None,
        *,
        labels: Any = None,
        labels_w: Any = None,
        state: object = None,
    ) -> None:
        if (z is None) != (w is None):
            raise TypeError("give both embeddings, z and w, or neither")
        if z is None and not (labels is None and labels_w is None):
            raise TypeError("labels belong to your own embeddings: give z and w with them")
        self._own: tuple[Any, Any, Any, Any] | None = None if z is None else (z, w, labels, labels_w)
        self._presets = () if self._own else PRESETS
        first = self._first_state(state)
        cloud = self._cloud(first.choice)
        scene = make_scene(cloud, first.alignment)
        with opened_at_the_end():
            super().__init__()
            self._state, self.scene = first, scene
            self._quiet = False
            self._build()
            self._draw_cloud()
            self._draw()

    @classmethod
    def from_state(
        cls, state: object, z: object = None, w: object = None, *, labels: Any = None, labels_w: Any = None
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
    def state(self, values: object) -> None:
        with self.guard.lock:
            self._go(State.from_dict(values))

    def change(self, **knobs: Any) -> None:
        """Move some knobs of ``lab.scene.alignment``, as the sliders do. Raises: ValueError, with near names."""
        with self.guard.lock:
            self._go(self._state.align(**knobs))

    def code(self) -> str:
        """A plain script that computes the same plan and draws it."""
        return script(self._state)

    # What is in the lab ---------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.title = text("title", self.title_text)
        self.formula, self.pill = text("formula"), text("pill")
        self.matrix = MatrixView(bar_top=figures.BAR_TOP)
        self.clouds, self.curves = CloudPicture(self.scene), CurvePicture(self.scene)
        self.look, self.numbers, self.told = text("hint"), text("numbers-table"), text("told")
        self.player = Player(interval_ms=350, description="take half-steps, one after the other")
        self.copy_code = CopyButton(text_label="copy code", description="a script that computes this picture")
        self.copy_state = CopyButton(
            text_label="copy state", description="the state as JSON, for CouplingLab.from_state"
        )
        self.copy_link = self._make_link()
        self.export = ExportButton(
            words.exports(self._state.view),
            on_csv=lambda: as_csv(self.scene),
            guard=self.guard,
            description="save this picture, or the data, as a file",
        )
        self.knobs = data_knobs(OWN if self._own else None) | loss_knobs() | family_knobs() | view_knob()
        self.buttons = self._make_buttons()
        self._connect()
        self.fill(
            box("header", self.title, self.formula, self.pill),
            box("says", self.look, self.guard.box),
            box(
                "body",
                self._control_panel(),
                self._matrix_panel(),
                self._cloud_panel(),
                self._curve_panel(),
                self._number_panel(),
            ),
        )

    def _make_link(self) -> CopyButton | None:
        """Where an address opens a lab; no address carries your own embeddings."""
        if self._own or not served_by_voila():
            return None
        return CopyButton(text_label="copy link", as_link=True, description="the address of this picture")

    def _make_buttons(self) -> dict[str, widgets.Button]:
        titles = {"step": "½ step", "reset": "reset", "new seed": "new seed"}
        tips = {
            "step": "take one half-step",
            "reset": "back to the first state of these data, with the same seed",
            "new seed": "draw the data again",
        }
        if self._own and max(map(len, self._own[:2])) <= MOST_POINTS:
            del titles["new seed"]  # all of them are shown: there is nothing to draw again
        buttons = {name: widgets.Button(description=title, tooltip=tips[name]) for name, title in titles.items()}
        return buttons | {
            preset.name: widgets.Button(description=preset.name, tooltip=preset.look_for) for preset in self._presets
        }

    def _control_panel(self) -> widgets.Box:
        control = {name: knob.control for name, knob in self.knobs.items()}
        chosen = () if self._own else (control["n"], control["mismatched"], control["seed"])
        presets = () if self._own else (
            text("section", "presets"),
            box("buttons", *(self.buttons[preset.name] for preset in self._presets)),
        )  # fmt: skip
        actions = [self.buttons[name] for name in ("step", "reset", "new seed") if name in self.buttons]
        return box(
            "controls",
            text("section", "the family"),
            *(control[name] for name in ("loss", "epsilon", "rows", "cols", "steps", "total", "target")),
            box("buttons", self.player, *actions),
            *presets,
            text("section", "data"),
            *(control[name] for name in ("data", "cost")),
            *chosen,
        )

    def _matrix_panel(self) -> widgets.Box:
        self.matrix_head = text("section")
        return box("matrix", box("line", self.matrix_head, self.knobs["view"].control), self.matrix)

    def _cloud_panel(self) -> widgets.Box:
        return box("clouds", text("section", "the two clouds · ● view 1 · □ view 2"), self.clouds.widget, self.told)

    def _curve_panel(self) -> widgets.Box:
        head = (
            'error at each half-step · <span class="gca-rows-word">rows</span> · '
            '<span class="gca-cols-word">columns</span> · KL left to fall'
        )
        return box("curves", text("section", head), self.curves.widget)

    def _number_panel(self) -> widgets.Box:
        copies = box("buttons", self.copy_code, self.copy_state, *([self.copy_link] if self.copy_link else []))
        return box("numbers", text("section", "numbers"), self.numbers, copies, self.export)

    def _connect(self) -> None:
        self._show_controls()
        for knob in self.knobs.values():
            knob.control.observe(self.guard(lambda change, knob=knob: self._turned(knob, change["new"])), "value")
        self.player.on_tick(self.guard(lambda tick: self._take_step()))
        self.buttons["step"].on_click(self.guard(lambda _: self._take_step()))
        self.buttons["reset"].on_click(self.guard(lambda _: self._reset()))
        if "new seed" in self.buttons:
            self.buttons["new seed"].on_click(self.guard(lambda _: self._new_seed()))
        for preset in self._presets:
            start = State(preset.choice, preset.alignment)
            self.buttons[preset.name].on_click(self.guard(lambda _, start=start: self._restart(start)))
        self.matrix.observe(self.guard(lambda change: self._point_at(*change["new"])), "hover")
        self.theme.observe(self.guard(lambda change: self._dress()), "dark")
        self.clouds.on_point(self.guard(self._light))

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
        steps = 0 if alignment.steps is None or alignment.steps >= SHOWN_STEPS else alignment.steps + 1
        self.change(steps=steps)
        if steps == SHOWN_STEPS:
            self.player.playing = False

    def _reset(self) -> None:
        """The data's first state, with the seed kept."""
        start = self._start_of(self._state.choice.name)
        self._restart(replace(start, choice=replace(start.choice, seed=self._state.choice.seed)))

    def _new_seed(self) -> None:
        self._go(self._state.choose(seed=self._state.choice.seed + 1))

    def _restart(self, state: State) -> None:
        self.player.playing = False
        self._go(state)

    def _start_of(self, name: str) -> State:
        for preset in PRESETS:
            if preset.choice.name == name and preset.choice == replace(self._state.choice, seed=preset.choice.seed):
                return State(preset.choice, preset.alignment)
        choice = replace(self._state.choice) if self._own else Choice(name=name)
        return State(choice, first_alignment(choice))

    # From a state to a picture --------------------------------------------------------------------------------------

    def _go(self, state: State) -> None:
        """Compute first, draw after: an error leaves everything as it was."""
        new_data = state.choice != self._state.choice
        cloud = self._cloud(state.choice) if new_data else self.scene.cloud
        scene = make_scene(cloud, state.alignment, self.scene)
        if state.view == "gradient":
            scene.gradient  # noqa: B018  (what it raises must come before anything is drawn)
        self._state, self.scene = state, scene
        if new_data:
            self._draw_cloud()
        self._draw()
        self.guard.clear()

    def _first_state(self, values: object) -> State:
        if values is not None:
            return State.from_dict(values)
        choice = START.choice if self._own is None else Choice(name=OWN, n=len(self._own[0]))
        return State(choice, START.alignment)

    def _cloud(self, choice: Choice) -> Cloud:
        if (choice.name == OWN) != (self._own is not None):
            raise ValueError(
                "this state shows your own embeddings: give z and w again"
                if self._own is None
                else f"this state shows {choice.name!r}: leave out z and w"
            )
        if self._own is None:
            return cloud_of(choice)
        z, w, labels, labels_w = self._own
        return cloud_from(z, w, labels, labels_w, seed=choice.seed)

    def _draw(self) -> None:
        """The matrix first: it is what the eye follows."""
        scene = self.scene
        self._draw_matrix()
        self._outline_target()
        self.clouds.show_plan(scene)
        self.curves.show(scene)
        self.formula.value = words.formula(scene.alignment, scene.loss)
        here, meaning = words.pill(scene.alignment)
        self.pill.value = f'<span title="{meaning}">{here}</span>'
        self.numbers.value = words.table(words.readouts(scene))
        self.look.value = self._look_for()
        self.copy_code.text, self.copy_state.text = self.code(), json.dumps(self.state)
        if self.copy_link:
            self.copy_link.text = link(self.state)
        self.export.name = f"coupling-{self._state.choice.name}"
        self.export.choices = words.exports(self._state.view)
        self._show_controls()
        self._point_at(*(self.matrix.highlight if self.matrix.hover == NOWHERE else self.matrix.hover))

    def _draw_matrix(self) -> None:
        matrix, row_ratio, col_ratio = self.scene.sums
        if self._state.view == "gradient":
            shown, top = self.scene.gradient, max(1e-12, float(np.abs(self.scene.gradient).max()))
            self.matrix.show(shown, row_ratio=row_ratio, col_ratio=col_ratio, diverging=True, top=top)
        else:
            mass = self.scene.plan.row_mass.double().numpy()
            self.matrix.show(matrix / mass[:, None], row_ratio=row_ratio, col_ratio=col_ratio)
        self.matrix_head.value = words.MATRIX_HEADS[self._state.view]
        here, _ = words.pill(self.scene.alignment)
        self.matrix.aria_text = f"the {self._state.view}, {matrix.shape[0]} by {matrix.shape[1]}; {here}"

    def _draw_cloud(self) -> None:
        cloud = self.scene.cloud
        self.clouds.show_cloud(cloud, dark=self.theme.dark)
        self.told.value = f"embedding: {cloud.told}"

    def _outline_target(self) -> None:
        """The cells that a row wants most; not where they are blocks, which an outline would cover."""
        target = self.scene.target if self.scene.paired else np.zeros((0, 1))
        wanted = np.argwhere((target > 0) & (target >= target.max(1, keepdims=True)))
        self.matrix.set_outline(wanted if len(wanted) <= len(target) else wanted[:0])

    def _dress(self) -> None:
        self.clouds.dress(self.scene.cloud, dark=self.theme.dark)
        self.curves.dress(dark=self.theme.dark)

    def _point_at(self, row: int, col: int) -> None:
        """What the pointer is on in the matrix, lit in the clouds and said in words."""
        n, m = self.scene.matrix.shape
        row, col = (row if row < n else -1), (col if col < m else -1)
        self.matrix.caption = words.about(self.scene, row, col) if (row, col) != NOWHERE else " "
        self.clouds.point_at(self.scene, row, col)

    def _light(self, row: int, col: int) -> None:
        """What the pointer is on in the clouds, lit in the matrix and said in words."""
        self.matrix.highlight = (row, col)
        self._point_at(row, col)

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
                knob.show(self._state)
            for name in ("rows", "cols", "steps"):
                self.knobs[name].control.disabled = self._state.alignment.total

    @contextmanager
    def _silence(self) -> Iterator[None]:
        self._quiet, before = True, self._quiet
        try:
            yield
        finally:
            self._quiet = before
