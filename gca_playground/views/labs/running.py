"""What the labs share in which something learns: a run that plays, steps, resets and is replayed."""

from __future__ import annotations

from typing import Any

from gca_playground.learning.datasets import as_pairs, load
from gca_playground.learning.pairs import Pairs
from gca_playground.views.labs import training_words as say
from gca_playground.views.labs.lab import opened_at_the_end
from gca_playground.views.labs.loop import Loop
from gca_playground.views.labs.running_page import RunningPage
from gca_playground.views.labs.scene import OWN
from gca_playground.views.labs.training_run import Frame, Run
from gca_playground.views.labs.training_state import OWN_MATERIAL, SURFACES, State, replaced, script


class RunningLab(RunningPage):
    """A training on the page. Subclasses say how it begins, what can be turned, and what stands where.

    ``player`` plays; ``run`` holds the trainings, ``replay`` the frames that the scrubber goes through.
    """

    loop: Loop | None = None  # a lab that was refused its state has none, and is closed all the same

    def __init__(self, data: object = None, *, state: object = None) -> None:
        self._own = as_pairs(data) if isinstance(data, Pairs) or not isinstance(data, str | None) else None
        first = self._first_state(data, state)
        run = self._make_run(first)
        frame = run.frame()
        with opened_at_the_end():
            super().__init__()
            self._state, self.run, self.shown, self._quiet = first, run, frame, False
            self.replay = [frame]
            self.loop = self._loop = Loop(
                lambda: self.run.step(),
                self._draw_now,
                failed=self._failed,
                interrupted=self._interrupted,
                lock=self.guard.lock,
            )
            self._build()
            self._connect()
            self._arrange()
            self._name_points()
            self._show(frame)
            self._rest()

    # What a user asks ----------------------------------------------------------------------------------------------

    def step(self, k: int = 1) -> None:
        """Take k steps of the optimiser and show the last."""
        with self.guard.lock:
            for _ in range(k):
                self.run.step()
            self._draw_now()
            self._rest()

    def reset(self) -> None:
        """Back to the first weights: the same seed gives the same trajectory."""
        with self.guard.lock:
            self.player.playing = False
            self.run.reset()
            self.curves.restart()
            self._draw_now()
            self._rest()
            self.guard.clear()

    def code(self) -> str:
        """A plain script that trains as the lab did until now."""
        return script(self._state, self.run.steps, moved=self.run.moved)

    def _in_short(self) -> tuple[str, ...]:
        losses = [f"{side.loss}, epsilon={side.alignment.epsilon:g}" for side in self._state.sides]
        return self._state.data.name, " | ".join(losses), f"step {self.run.steps}"

    def close(self) -> None:
        """End the run, and take the lab off the page."""
        if self.loop is not None:
            self.loop.stop()
        super().close()

    # How it begins -------------------------------------------------------------------------------------------------

    def _first(self) -> State:
        return self.presets[0].state

    def _first_state(self, data: object, values: object) -> State:
        first = self._first()
        if isinstance(data, str):
            first = self._with_name(first, data)
        if self._own is not None:
            points = len(self._own) - max(1, len(self._own) // 4)
            first = replaced(first, "data", OWN_MATERIAL)
            first = replaced(first, "batch", max(2, min(first.batch, points)))
        return first if values is None else State.from_dict(values, first)

    def _with_name(self, first: State, name: str) -> State:
        return first.with_data(name)

    def _pairs(self, state: State) -> Pairs:
        if (state.data.name == OWN) != (self._own is not None):
            raise ValueError(
                "this state is one of your own data: give them again"
                if self._own is None
                else f"this state is one of {state.data.name!r}: leave out your own data"
            )
        if self._own is not None:
            return self._own
        return load(state.data.name, seed=state.seed, **state.data.arguments)

    def _make_run(self, state: State) -> Run:
        return Run(self._pairs(state), state)

    @property
    def _now(self) -> State:
        return self._state

    def _read(self, values: object) -> State:
        return State.from_dict(values, self._first())

    def _connect(self) -> None:
        self._listen()
        self.player.observe(self.guard(lambda change: self._play(change["new"])), "playing")
        self.scrubber.observe(self.guard(lambda change: self._scrub(change["new"])), "value")
        self.turner.observe(self.guard(lambda change: self._show(self.shown)), "value")
        self.buttons["step"].on_click(self.guard(lambda _: self._one_step()))
        self.buttons["reset"].on_click(self.guard(lambda _: self.reset()))
        self.buttons["new seed"].on_click(self.guard(lambda _: self._new_seed()))
        for preset in self.presets if self._own is None else ():
            self.buttons[preset.name].on_click(self.guard(lambda _, start=preset.state: self._restart(start)))

    # What a user does ----------------------------------------------------------------------------------------------

    def _play(self, playing: bool) -> None:
        if self._quiet:
            return
        if not playing:
            self._loop.stop()
            self._draw_now()
            self._rest()
            return
        self.guard.clear()
        self.scrubber.disabled = True
        try:
            self._loop.start()
        except RuntimeError:
            self.player.playing = False
            raise

    def _one_step(self) -> None:
        self.player.playing = False
        self.step()
        self.guard.clear()

    def _new_seed(self) -> None:
        self._go(replaced(self._state, "seed", self._state.seed + 1))

    def _restart(self, state: State) -> None:
        self.player.playing = False
        self._go(state, anew=True)

    def _scrub(self, step: int) -> None:
        if not self._quiet:
            self._show(next(frame for frame in self.replay if frame.step == step))

    # From a state to a picture -------------------------------------------------------------------------------------

    def _go(self, state: State, *, anew: bool = False) -> None:
        """Compute first, draw after: an error leaves everything as it was."""
        if anew or state.needs_a_new_start(self._state):
            self._change_run(state)
        else:
            self.run.follow(state)
            self._state = state
        self._show_controls()
        self._show(self.run.frame())
        self._rest()
        self.guard.clear()

    def _change_run(self, state: State) -> None:
        run = self._make_run(state)
        run.frame()
        self.run, self._state = run, state
        self._arrange()
        self._name_points()
        self.curves.restart()

    def _draw_now(self) -> None:
        self._show(self.run.frame())

    def _show(self, frame: Frame) -> None:
        """A frame: that of now, or one that is replayed."""
        self.shown = frame
        dim, sphere = SURFACES[self._state.surface]
        for card, side, shot in zip(self.cards, self._state.sides, frame.shots, strict=False):
            card.show(side, shot, unit=sphere and dim <= 3, azimuth=self.turner.value)
        replayed = frame.step if frame.step < self.run.steps else None
        self.curves.show([self._curves_of(session) for session in self.run.sessions], at=replayed)
        self.where.value = say.where(self._state, self.run, frame.step)

    def _curves_of(self, session: Any) -> dict[str, tuple[Any, Any]]:
        history = session.history
        curves = {name: (history["step"], history[name]) for name in history.names if name != "step"}
        return curves | {"losses": (range(1, len(history.losses) + 1), history.losses)}

    def _rest(self) -> None:
        """What need not follow every drawing: the scrubber, what can be copied, the hint."""
        self.look.value = self._look_for()
        self._tell_copies()
        self.export.name = f"{self._state.lab}-{self._state.data.name}"
        self.scrubber.disabled = self.player.playing
        if not self.player.playing:
            kept = self.run.frames.kept
            self.replay = kept if kept[-1].step == self.run.steps else [*kept, self.run.frame()]
            with self._silence():
                self.scrubber.set_stops([(frame.step, str(frame.step)) for frame in self.replay], value=self.run.steps)

    def _look_for(self) -> str:
        here = [preset for preset in self.presets if preset.state.data == self._state.data]
        exact = [preset for preset in here if preset.state.sides == self._state.sides]
        if exact or len(here) == 1:
            return (exact or here)[0].look_for
        return (
            "Points run to where their second views are (thin lines) and away from the others. Turn any knob while it "
            "learns: it holds from the next step on."
        )

    def _failed(self, error: Exception) -> None:
        """The loop has met an error: it stands in the box, the last good picture stays."""
        self._stop_quietly()
        self.guard.show(error)

    def _interrupted(self) -> None:
        self._stop_quietly()
        self.guard.show(ValueError(f"interrupted after {self.run.steps} steps: play goes on from there"))

    def _stop_quietly(self) -> None:
        """Without drawing: what is there may be what went wrong."""
        with self._silence():
            self.player.playing = False
        self.scrubber.disabled = False
