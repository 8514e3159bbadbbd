"""The page of a coupling lab: which widgets there are, where they stand, and how a scene is put on them."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets
import numpy as np

from gca_playground.views import figures
from gca_playground.views.controls import Player
from gca_playground.views.export import ExportButton
from gca_playground.views.labs import words
from gca_playground.views.labs.knobs import data_knobs, family_knobs, loss_knobs, parameter_knobs, view_knob
from gca_playground.views.labs.lab import Lab, box, text
from gca_playground.views.labs.parameters import PARAMETERS
from gca_playground.views.labs.pictures import CloudPicture, CurvePicture
from gca_playground.views.labs.presets import Preset
from gca_playground.views.labs.scene import MOST_POINTS, OWN, Scene
from gca_playground.views.labs.state import State
from gca_playground.views.labs.table import as_csv
from gca_playground.views.matrix_view import NOWHERE, MatrixView


class CouplingPage(Lab):
    """Matrix, clouds, curves, numbers and knobs; ``CouplingLab`` makes them answer."""

    title_text, about = "Coupling", "one plan, and what each knob does to it"
    scene: Scene
    _state: State
    _own: tuple[Any, Any, Any, Any] | None
    _presets: tuple[Preset, ...]

    def _build(self) -> None:
        self.title = text("title", self.title_text)
        self.formula, self.pill = text("formula"), text("pill")
        self.matrix = MatrixView(bar_top=figures.BAR_TOP)
        self.clouds, self.curves = CloudPicture(self.scene), CurvePicture(self.scene)
        self.look, self.numbers, self.told = text("hint"), text("numbers-table"), text("told")
        self.player = Player(interval_ms=350, description="take half-steps, one after the other")
        self._make_copies("a script that computes this picture", own=self._own is not None)
        self.export = ExportButton(
            words.exports(self._state.view),
            on_csv=lambda: as_csv(self.scene),
            guard=self.guard,
            description="save this picture, or the data, as a file",
        )
        self.knobs = (
            data_knobs(OWN if self._own else None) | loss_knobs() | family_knobs() | parameter_knobs() | view_knob()
        )
        self.buttons = self._make_buttons()
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
            *(control[name] for name in ("loss", "epsilon", "rows", "cols", "steps", "total", *PARAMETERS, "target")),
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
        return box("numbers", text("section", "numbers"), self.numbers, box("buttons", *self.copies), self.export)

    # A scene on the page ----------------------------------------------------------------------------------------------

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
