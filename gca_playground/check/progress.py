"""What a student has done so far: the best verdict of each exercise, kept on disk from notebook to notebook."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

from gca_playground.learning import cache

State = Literal["right", "wrong", "not attempted"]

LOOKS = {
    "right": ("✓", "#1b7f3b", "right"),
    "wrong": ("✗", "#cf4038", "not yet"),
    "not attempted": ("○", "#6b7280", "not attempted"),
}
"""How a state looks everywhere: its sign, its colour, and the word for it."""

COURSE: dict[str, tuple[str, ...]] = {
    "00 start": ("find_the_collapse", "steps_to_balance"),
    "01 matching two clouds": ("cost_matrix", "blur"),
    "02 Sinkhorn, one half-step at a time": ("half_step", "sinkhorn"),
    "03 InfoNCE is half a Sinkhorn step": ("infonce", "infonce_gradient", "nt_xent"),
    "04 keep going": ("hub", "hub_bias", "kl_drop", "rising_target"),
    "05 three relaxations": ("three_plans", "alignment_uniformity", "outer_step"),
    "06 noisy views": ("rince", "kept_mass", "rising_rince"),
    "07 choose your matching": ("domain_prior", "reachable", "classes_apart"),
    "08 how gradients flow through a plan": ("adjoint", "implicit_gradient"),
    "09 the Gaussian case": ("recover_correlations", "joint_encoders", "two_sided_law"),
    "10 across modalities": ("repaired_weights", "effective_size", "repaired_labels"),
}
"""The notebooks, by number and title, and the exercises of each in their order."""


@dataclass(frozen=True)
class Progress:
    """The best state of every exercise of the course, by name. Reads the same aloud as it looks."""

    states: dict[str, State]

    @property
    def done(self) -> int:
        """How many are right."""
        return sum(state == "right" for state in self.states.values())

    def __repr__(self) -> str:
        """One line a notebook."""
        return "\n".join([self._head(), *(f"{title}: {', '.join(self._told(title))}" for title in COURSE)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left">{html.escape(title)}</th>'
            f'<td style="text-align:left">{", ".join(self._shown(name) for name in names)}</td></tr>'
            for title, names in COURSE.items()
        )
        return f"<table><caption>{self._head()}</caption>{rows}</table>"

    def _head(self) -> str:
        return f"{self.done} of {len(self.states)} exercises right"

    def _told(self, title: str) -> list[str]:
        return [f"{LOOKS[self.states[name]][0]} {name} ({LOOKS[self.states[name]][2]})" for name in COURSE[title]]

    def _shown(self, name: str) -> str:
        sign, colour, word = LOOKS[self.states[name]]
        return f'<span aria-hidden="true" style="color:{colour}">{sign}</span> <code>{name}</code> ({word})'


def progress(*, forget: bool = False) -> Progress:
    """What is done: for each exercise of the course whether it was right, wrong, or never tried on this machine.

    ``forget``: start anew first. An exercise that was right once stays right.
    """
    if forget:
        _write({})
    kept = _read()
    return Progress({name: kept.get(name, "not attempted") for names in COURSE.values() for name in names})


def note(name: str, state: State) -> None:
    """Remember a verdict, unless a better one is remembered already. Does nothing where nothing can be kept."""
    kept = _read()
    if state == "not attempted" or kept.get(name) in ("right", state):
        return
    _write(kept | {name: state})


def _read() -> dict[str, State]:
    try:
        kept = json.loads((cache.folder() / "progress.json").read_text(encoding="utf-8"))
        return {name: state for name, state in kept.items() if state in LOOKS}
    except Exception:  # no file, no home, or not ours: nothing is done yet
        return {}


def _write(kept: dict[str, State]) -> None:
    try:
        cache.folder().mkdir(parents=True, exist_ok=True)
        part = cache.folder() / f"progress.{uuid4().hex}.part"
        part.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        part.replace(cache.folder() / "progress.json")
    except (OSError, RuntimeError):  # read-only, full, no home: a self-check never fails for that
        return
