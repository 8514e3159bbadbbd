"""The page of a lab in which something learns: which widgets there are, where they stand, what they wear."""

from __future__ import annotations

import math

import ipywidgets as widgets

from gca_playground.learning.pairs import Pairs
from gca_playground.views.controls import Player, Slider
from gca_playground.views.export import ExportButton
from gca_playground.views.labs import training_words as say
from gca_playground.views.labs.common_state import Preset
from gca_playground.views.labs.knobs import Knob
from gca_playground.views.labs.lab import Lab, box, text
from gca_playground.views.labs.training_card import Card
from gca_playground.views.labs.training_pictures import PANELS, CurvePicture
from gca_playground.views.labs.training_run import Run
from gca_playground.views.labs.training_state import State

ANGLES = [(math.radians(degrees), f"{degrees}°") for degrees in range(0, 361, 5)]


class RunningPage(Lab):
    """Cards, curves, buttons and knobs; ``RunningLab`` makes them answer."""

    presets: tuple[Preset[State], ...] = ()
    panels = PANELS
    run: Run
    _state: State
    _own: Pairs | None

    def _build(self) -> None:
        self.where, self.look = text("where"), text("hint")
        self.player = Player(interval_ms=1000, description="let it learn")
        self.scrubber = Slider(label="replay step", stops=[(0, "0")], colour="neutral")
        self.turner = Slider(label="turn the sphere", stops=ANGLES, value=ANGLES[6][0], colour="neutral")
        self.cards = [Card(0, self.guard)]
        self.curves = CurvePicture(self.panels)
        self._make_copies("a script that trains as this lab did", own=self._own is not None)
        self.export = ExportButton(
            say.exports(len(self._state.sides)),
            on_csv=lambda: say.as_csv(self._state, self.run.sessions),
            guard=self.guard,
            description="save a picture, or what was measured, as a file",
        )
        self.knobs = self._make_knobs()
        self.buttons = self._make_buttons()
        self.stage, self.panel = box("stage"), box("controls")
        title = text("title", self.title_text)
        actions = box("buttons", self.player, *(self.buttons[name] for name in ("step", "reset", "new seed")))
        self.fill(
            box("header", title, self.where, actions),
            box("says", self.look, self.guard.box),
            box(
                "running",
                self.panel,
                box("pictures", self.stage, box("curves", self.curves.widget), self.scrubber,
                    box("buttons", self.export, *self.copies)),
            ),
        )  # fmt: skip

    def _make_knobs(self) -> dict[str, Knob]:
        raise NotImplementedError

    def _panel(self) -> list[widgets.Widget]:
        """The controls from top to bottom, as the state asks for them."""
        raise NotImplementedError

    def _make_buttons(self) -> dict[str, widgets.Button]:
        actions = {
            "step": ("1 step", "one step of the optimiser"),
            "reset": ("reset", "back to the first weights, with the same seed"),
            "new seed": ("new seed", "other data, weights and views"),
        }
        tips = {name: (preset.name, preset.look_for) for preset in self.presets for name in [preset.name]}
        every = actions | (tips if self._own is None else {})
        return {name: widgets.Button(description=title, tooltip=tip) for name, (title, tip) in every.items()}

    def _arrange(self) -> None:
        """As many cards as there are sides, and the controls that go with them."""
        sides = len(self._state.sides)
        while len(self.cards) < sides:
            self.cards.append(Card(len(self.cards), self.guard))
            self.cards[-1].picture.dress(dark=self.theme.dark)
        self.stage.children = tuple(card.widget for card in self.cards[:sides])
        self.panel.children = tuple(self._panel())
        self.export.choices = say.exports(sides)

    def _name_points(self) -> None:
        for card in self.cards:
            card.name(self.run.kinds, self._kind)

    def _kind(self, kind: int) -> str:
        return str(kind) if self._state.data.name == "digits" else f"class {kind}"

    def _dress(self) -> None:
        for card in self.cards:
            card.picture.dress(dark=self.theme.dark)
        self.curves.dress(dark=self.theme.dark)
