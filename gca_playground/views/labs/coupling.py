"""CouplingLab: slide the regularisation, the marginals and the half-steps, and watch the plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gca_playground.alignment.named import name_of
from gca_playground.learning import datasets
from gca_playground.learning.pairs import Pairs
from gca_playground.views.labs import words
from gca_playground.views.labs.coupling_page import CouplingPage
from gca_playground.views.labs.lab import opened_at_the_end
from gca_playground.views.labs.presets import PRESETS, START
from gca_playground.views.labs.scene import (
    OWN,
    SHOWN_STEPS,
    Choice,
    Cloud,
    cloud_from,
    cloud_of,
    make_scene,
)
from gca_playground.views.labs.state import State, first_alignment, script
from gca_playground.views.matrix_view import NOWHERE


class CouplingLab(CouplingPage):
    """The coupling between two views, live.

    Given nothing, it opens on handwritten digits; given ``z`` (n, d) and ``w`` (m, d) (tensors or arrays), on your own
    embeddings, with one label a point if you have them (above 256 points on a seeded sample, and it says so).

        gca.CouplingLab()
        gca.CouplingLab("hubs")                  # a data set's name, or what gca.datasets gives
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
        state: object = None,
    ) -> None:
        name = z if isinstance(z, str) and w is None else None
        if name is not None:
            z = None
        elif isinstance(z, Pairs) and w is None:
            data = z
            z, w, labels = data.view1, data.view2, data.labels if labels is None else labels
        if (z is None) != (w is None):
            raise TypeError("give both embeddings, z and w, or neither")
        if z is None and not (labels is None and labels_w is None):
            raise TypeError("labels belong to your own embeddings: give z and w with them")
        self._own: tuple[Any, Any, Any, Any] | None = None if z is None else (z, w, labels, labels_w)
        self._presets = () if self._own else PRESETS
        first = self._first_state(state, name)
        cloud = self._cloud(first.choice)
        scene = make_scene(cloud, first.alignment)
        with opened_at_the_end():
            super().__init__()
            self._state, self.scene = first, scene
            self._quiet = False
            self._build()
            self._connect()
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

    def change(self, **knobs: Any) -> None:
        """Move some knobs of ``lab.scene.alignment``, as the sliders do. Raises: ValueError, with near names."""
        with self.guard.lock:
            self._go(self._state.align(**knobs))

    def code(self) -> str:
        """A plain script that computes the same plan and draws it."""
        return script(self._state)

    def _in_short(self) -> tuple[str, ...]:
        alignment = self._state.alignment
        loss, steps = name_of(alignment) or "a loss of your own", alignment.steps
        after = "converged" if steps is None else f"steps={steps}"
        return self._state.choice.name, loss, f"epsilon={alignment.epsilon:g}", *(() if alignment.total else (after,))

    @property
    def _now(self) -> State:
        return self._state

    def _read(self, values: object) -> State:
        return State.from_dict(values)

    def _connect(self) -> None:
        self._listen()
        self.player.on_tick(self.guard(lambda tick: self._take_step()))
        self.buttons["step"].on_click(self.guard(lambda _: self._take_step()))
        self.buttons["reset"].on_click(self.guard(lambda _: self._reset()))
        if "new seed" in self.buttons:
            self.buttons["new seed"].on_click(self.guard(lambda _: self._new_seed()))
        for preset in self._presets:
            start = State(preset.choice, preset.alignment)
            self.buttons[preset.name].on_click(self.guard(lambda _, start=start: self._restart(start)))
        self.matrix.observe(self.guard(lambda change: self._point_at(*change["new"])), "hover")
        self.clouds.on_point(self.guard(self._light))

    # What a user does -----------------------------------------------------------------------------------------------

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
        scene.loss  # noqa: B018  (what it raises must come before anything is drawn)
        if state.view == "gradient":
            scene.gradient  # noqa: B018  (as must this)
        self._state, self.scene = state, scene
        if new_data:
            self._draw_cloud()
        self._draw()
        self.guard.clear()

    def _first_state(self, values: object, name: str | None) -> State:
        if values is not None and name is not None:
            raise TypeError(f"a state says what it shows: leave out {name!r}")
        if values is not None:
            return State.from_dict(values)
        if name is not None:
            choice = Choice(name=name)
            return State(choice, first_alignment(choice))
        choice = START.choice if self._own is None else Choice(name=OWN)
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
        self._tell_copies()
        self.export.name = f"coupling-{self._state.choice.name}"
        self.export.choices = words.exports(self._state.view)
        self._show_controls()
        self._point_at(*(self.matrix.highlight if self.matrix.hover == NOWHERE else self.matrix.hover))

    def _look_for(self) -> str:
        for preset in PRESETS:
            if preset.choice == replace(self._state.choice, seed=preset.choice.seed):
                return preset.look_for
        described = datasets.TABLE.get(self._state.choice.name)
        about = f"{described.description[0].upper()}{described.description[1:]}. " if described else ""
        return about + "Take one half-step after the other: blue bars are right after odd ones, orange after even ones."
