"""GaussianLab: where everything is known. What each loss learns, in closed form and from batches."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from gca_playground.views.export import ExportButton
from gca_playground.views.labs import gaussian_words as words
from gca_playground.views.labs.gaussian_knobs import learning_knobs, problem_knobs, square_knobs
from gca_playground.views.labs.gaussian_pictures import EllipsePicture, SidePicture, SquarePicture
from gca_playground.views.labs.gaussian_presets import PRESETS, START
from gca_playground.views.labs.gaussian_scene import make_scene
from gca_playground.views.labs.gaussian_state import Pair, State, script
from gca_playground.views.labs.lab import Lab, box, opened_at_the_end, text
from gca_playground.views.labs.pictures import Picture


class GaussianLab(Lab):
    """Gaussian pairs and linear encoders, live: the truth, the best model of a loss, and one learned from batches.

        gca.GaussianLab()
        gca.GaussianLab(state={"sigma": [0.9], "loss": "joint", "batch": 16, "learned": True})
        gca.GaussianLab.from_state(lab.state)

    ``lab.state`` is a small dict that JSON can carry; setting it moves the lab. ``lab.code()`` is a script that
    computes the same model. ``lab.scene`` holds the laws and the numbers that are on show.
    """

    title_text, about = "Gaussian", "where everything is known"

    def __init__(self, *, state: object = None) -> None:
        first = START.state if state is None else State.from_dict(state)
        scene = make_scene(first)
        with opened_at_the_end():
            super().__init__()
            self.scene, self._quiet = scene, False
            self._build()
            self._draw()

    @classmethod
    def from_state(cls, state: object) -> GaussianLab:
        """The lab in a state that ``lab.state`` gave. Raises: TypeError, ValueError that name what is wrong with it."""
        return cls(state=state)

    def change(self, **knobs: Any) -> None:
        """Move some fields of the state, as the controls do. Raises: TypeError, ValueError, with near names."""
        with self.guard.lock:
            self._go(State.from_dict(self._changed(knobs)))

    def _changed(self, knobs: dict[str, Any]) -> dict[str, Any]:
        """The state with these fields; a place in the square is one of the square's loss."""
        values = self.scene.state.change(learned=False).to_dict()
        if "loss" in knobs:
            del values["kappa"]
        return values | ({"loss": "square"} if "kappa" in knobs else {}) | knobs

    def learn(self) -> None:
        """Learn from fresh batches of the state's size; once more, from others."""
        with self.guard.lock:
            self._learn()

    def code(self) -> str:
        """A plain script that computes the same model and draws it."""
        return script(self.scene.state)

    def _in_short(self) -> tuple[str, ...]:
        state = self.scene.state
        sigma, kappa = (", ".join(f"{value:g}" for value in numbers) for numbers in (state.sigma, state.kappa))
        place = (f"kappa=({kappa})",) if state.loss == "square" else ()
        return f"sigma=[{sigma}]", state.loss, *place, state.tilting, f"rank={state.rank}"

    # What is in the lab ---------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.title, self.formula, self.pill = text("title", self.title_text), text("formula"), text("pill")
        self.look, self.laws, self.scores = text("hint"), text("numbers-table"), text("numbers-table")
        self.told, self.place_head = text("told"), text("section")
        self.ellipses, self.sides = EllipsePicture(self.scene), SidePicture(self.scene)
        self.square = SquarePicture(self.scene)
        self.knobs = problem_knobs() | square_knobs() | learning_knobs()
        self.buttons = self._make_buttons()
        self._make_copies("a script that computes this model")
        self.export = ExportButton(
            words.EXPORTS,
            on_csv=lambda: words.as_csv(self.scene),
            guard=self.guard,
            name="gaussian",
            description="save a picture, or the numbers, as a file",
        )
        self._connect()
        self.fill(
            box("header", self.title, self.formula, self.pill),
            box("says", self.look, self.guard.box),
            box("body", self._control_panel(), *self._picture_panels(), self._number_panel()),
        )

    def _make_buttons(self) -> dict[str, widgets.Button]:
        tips = {"learn": "learn from fresh batches of this size", "reset": "back to the paper's example"}
        tips |= {preset.name: preset.look_for for preset in PRESETS}
        return {name: widgets.Button(description=name, tooltip=tip) for name, tip in tips.items()}

    def _control_panel(self) -> widgets.Box:
        control = {name: knob.control for name, knob in self.knobs.items()}
        return box(
            "controls",
            text("section", "the model"),
            *(control[name] for name in ("loss", "tilting", "rank")),
            text("section", "the square"),
            *(control[name] for name in ("kappa_u", "kappa_v")),
            text("section", "the data"),
            *(control[name] for name in ("sigma_1", "sigma_2")),
            text("section", "learning"),
            control["batch"],
            box("buttons", self.buttons["learn"], self.buttons["reset"]),
            text("section", "presets"),
            box("buttons", *(self.buttons[preset.name] for preset in PRESETS)),
        )

    def _picture_panels(self) -> tuple[widgets.Box, ...]:
        ellipses = box(
            "matrix", box("line", text("section", words.HEAD), self.knobs["pair"].control), self.ellipses.widget
        )
        sides = box("clouds", text("section", "the conditionals, and the batch"), self.sides.widget, self.told)
        square = box("curves", self.place_head, self.square.widget, box("buttons", *self.copies), self.export)
        return ellipses, sides, square

    def _number_panel(self) -> widgets.Box:
        return box(
            "numbers",
            text("section", "what each law says"),
            self.laws,
            text("section", "KL(truth ∥ model), joint and conditional"),
            self.scores,
        )

    @property
    def _now(self) -> State:
        return self.scene.state

    def _read(self, values: object) -> State:
        return State.from_dict(values)

    def _connect(self) -> None:
        self._listen()
        self.buttons["learn"].on_click(self.guard(lambda _: self._learn()))
        self.buttons["reset"].on_click(self.guard(lambda _: self._go(START.state)))
        for preset in PRESETS:
            self.buttons[preset.name].on_click(self.guard(lambda _, state=preset.state: self._go(state)))
        self.square.on_walk(self.guard(self._walk))

    # What a user does -----------------------------------------------------------------------------------------------

    def _walk(self, kappa: Pair) -> None:
        self._go(self.scene.state.walk(kappa))

    def _learn(self) -> None:
        state = self.scene.state
        self._go(state.change(learned=True, seed=state.seed + state.learned))

    # From a state to a picture --------------------------------------------------------------------------------------

    def _go(self, state: State) -> None:
        """Compute first, draw after: an error leaves everything as it was."""
        self.scene = make_scene(state, self.scene)
        self._draw()
        self.guard.clear()

    @property
    def _pictures(self) -> tuple[Picture, ...]:
        return self.ellipses, self.sides, self.square

    def _draw(self) -> None:
        scene = self.scene
        for picture in self._pictures:
            picture.show(scene)
        self.formula.value = words.formula(scene)
        here, meaning = words.pill(scene)
        self.pill.value = f'<span title="{meaning}">{here}</span>'
        self.look.value = next((p.look_for for p in PRESETS if p.state == scene.state), words.hint(scene))
        self.laws.value, self.scores.value = words.laws_table(scene), words.scores_table(scene)
        self.told.value, self.place_head.value = words.learned_words(scene), words.place_words(scene.state)
        self._tell_copies()
        self._show_controls()

    def _dress(self) -> None:
        for picture in self._pictures:
            picture.dress(dark=self.theme.dark)
