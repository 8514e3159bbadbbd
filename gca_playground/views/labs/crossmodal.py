"""CrossmodalLab: two modalities. From a label to images and back, from a path to the flow that made it."""

from __future__ import annotations

from typing import Any

from gca_playground.views.labs import crossmodal_flows as flows
from gca_playground.views.labs import crossmodal_scene as digits
from gca_playground.views.labs import crossmodal_words as words
from gca_playground.views.labs.crossmodal_page import DigitPage, DrifterPage, Frame, Page
from gca_playground.views.labs.crossmodal_presets import PRESETS, START
from gca_playground.views.labs.crossmodal_state import BLANK, State, inked, is_ink, to_drawing
from gca_playground.views.labs.lab import Lab, opened_at_the_end

Scene = digits.Scene | flows.Scene


class CrossmodalLab(Lab):
    """Two modalities in one space, live: images and their labels; paths of drifters and the flows that made them.

        gca.CrossmodalLab()
        gca.CrossmodalLab(state={"loss": "two-sided", "label": 7})
        gca.CrossmodalLab.from_state(lab.state)

    ``lab.state`` is a small dict that JSON can carry; setting it moves the lab. ``lab.code()`` is a script that
    computes the same numbers. ``lab.scene`` holds what is on show.
    """

    title_text, about = "Crossmodal", "images and labels, paths and flows"

    def __init__(self, *, state: object = None) -> None:
        first = START.state if state is None else State.from_dict(state)
        scene = _scene(first)
        with opened_at_the_end():
            super().__init__()
            self.scene, self._quiet, self._erasing = scene, False, False
            self._make_copies("a script that computes these numbers")
            self.frame = Frame(self.guard, lambda: words.as_csv(self.scene), self.copies)
            self.digit_page = DigitPage(scene if isinstance(scene, digits.Scene) else None)
            self.drifter_page = DrifterPage(scene if isinstance(scene, flows.Scene) else None)
            self.knobs = self.frame.knobs | self.digit_page.knobs | self.drifter_page.knobs
            self._connect()
            self.fill(self.frame.header, self.frame.says, self.frame.body)
            self._draw()

    @classmethod
    def from_state(cls, state: object) -> CrossmodalLab:
        """The lab in a state that ``lab.state`` gave. Raises: TypeError, ValueError that name what is wrong with it."""
        return cls(state=state)

    def change(self, **knobs: Any) -> None:
        """Move some fields of the state, as the controls do; another loss takes its weights and no half-step along.

        Raises: TypeError, ValueError, with near names.
        """
        with self.guard.lock:
            values = self.scene.state.to_dict()
            if {"loss", "weights"} & knobs.keys():
                values |= {"loss": "weighted", "half_steps": []}
            if knobs.get("loss", "weighted") != "weighted":
                del values["weights"]
            self._go(State.from_dict(values | ({"drawing": ""} if "image" in knobs else {}) | knobs))

    def paint(self, row: int, col: int, *, erase: bool = False) -> None:
        """Ink a pixel of the image on show as a pen would, or empty it: from then on it is a drawing."""
        with self.guard.lock:
            if not (0 <= row < 8 and 0 <= col < 8):
                raise ValueError(f"a pixel lies in 0..7, got ({row}, {col})")
            self._go(self.scene.state.change(drawing=inked(self._drawing(), row, col, erase=erase)))

    def code(self) -> str:
        """A plain script that computes what is on show and draws it."""
        return words.script(self.scene.state)

    def _in_short(self) -> tuple[str, ...]:
        state = self.scene.state
        if state.tab == "digits":
            return state.tab, state.loss, f"weights=({state.weights[0]:g}, {state.weights[1]:g})", f"seed={state.seed}"
        return state.tab, state.tilting, f"tracers={state.tracers}", f"seed={state.seed}"

    # What a user does -----------------------------------------------------------------------------------------------

    @property
    def _now(self) -> State:
        return self.scene.state

    def _read(self, values: object) -> State:
        return State.from_dict(values)

    def _connect(self) -> None:
        self._listen()
        click = {preset.name: preset.state for preset in PRESETS} | {"reset": START.state}
        for name, state in click.items():
            self.frame.buttons[name].on_click(self.guard(lambda _, state=state: self._go(state)))
        self.frame.buttons["new seed"].on_click(self.guard(lambda _: self._move(seed=self.scene.state.seed + 1)))
        self.digit_page.clear.on_click(self.guard(lambda _: self._move(drawing=BLANK)))
        self.digit_page.heaviest.on_pick(self.guard(self._pick))
        self.digit_page.sketch.on_paint(self.guard(self._stroke))

    def _move(self, **changes: Any) -> None:
        self._go(self.scene.state.change(**changes))

    def _pick(self, place: int) -> None:
        self._move(image=self.digit_scene.heaviest[place], drawing="")

    def _stroke(self, row: int, col: int, first: bool) -> None:
        """A stroke that begins on ink erases."""
        if first:
            self._erasing = is_ink(self._drawing(), row, col)
        self.paint(row, col, erase=self._erasing)

    def _drawing(self) -> str:
        return self.scene.state.drawing or to_drawing(self.digit_scene.pixels.tolist())

    # From a state to a picture --------------------------------------------------------------------------------------

    @property
    def digit_scene(self) -> digits.Scene:
        """The digits on show. Raises: ValueError where it is the drifters that are."""
        if not isinstance(self.scene, digits.Scene):
            raise ValueError("the drifters are on show; choose the tab 'digits' first")
        return self.scene

    def _go(self, state: State) -> None:
        """Compute first, draw after: an error leaves everything as it was."""
        self.frame.busy.value = words.BUSY
        try:
            self.scene = _scene(state)
        finally:
            self.frame.tell_training(self.scene)
        self._draw()
        self.guard.clear()

    def _draw(self) -> None:
        scene = self.scene
        page: Page = self.digit_page if isinstance(scene, digits.Scene) else self.drifter_page
        page.show(scene, dark=self.theme.dark)
        self.frame.show(page, scene)
        hint = words.hint(scene) if isinstance(scene, digits.Scene) else words.flow_hint(scene)
        self.frame.look.value = next((p.look_for for p in PRESETS if p.state == scene.state), hint)
        self._tell_copies()
        self._show_controls()

    def _dress(self) -> None:
        for page in (self.digit_page, self.drifter_page):
            page.dress(dark=self.theme.dark)


def _scene(state: State) -> Scene:
    return digits.make_scene(state) if state.tab == "digits" else flows.make_scene(state)
