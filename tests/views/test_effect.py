"""Every knob of a loss: one that is open and not dimmed changes something, one that is dimmed changes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from gca_playground.alignment import LOSSES, Alignment, Blocks
from gca_playground.views.controls import Slider
from gca_playground.views.labs import effect
from gca_playground.views.labs.coupling import CouplingLab
from gca_playground.views.labs.knobs import LOSSES_HERE, NOTHING, Knob, family_knobs, loss_knobs, parameter_knobs
from gca_playground.views.labs.scene import patience
from gca_playground.views.labs.training_knobs import FAMILY, side_knobs
from gca_playground.views.labs.training_state import PLAIN_LOSSES, Side
from gca_playground.views.labs.training_state import State as Training
from tests.views.hands import message, turn

LABELS = torch.tensor([0, 0, 0, 1, 1, 1])
FEW = 10
"""Half-steps for a converged plan: enough to see whether it is another one."""
COUPLING = {name: knob for name, knob in (loss_knobs() | family_knobs() | parameter_knobs()).items() if name != "loss"}
TRAINING = {name: knob for name, knob in side_knobs(0).items() if name != "left loss"}
PLACES: list[dict[str, Any]] = [
    {},
    {"steps": 0},
    {"steps": 1},
    {"steps": 2},
    {"rows": "exact", "cols": "exact", "steps": 10},
    {"rows": "exact", "cols": "free", "steps": 10},
    {"rows": "free", "cols": "exact", "steps": 1},
    {"rows": "free", "cols": "free", "steps": 0},
    {"rows": "free", "cols": "free", "steps": 2},
    {"rows": 0.2, "cols": 1.0, "steps": None},
    {"target": "classes"},
    {"target": "smoothed", "steps": 1},
    {"rows": None, "cols": None, "steps": None, "total": True},
]
"""Where knobs are tried, as changes of a named loss; a loss that refuses one of them is not tried there."""


@cache
def seen(alignment: Alignment) -> np.ndarray:
    """All that a lab shows of it: plan, loss and gradient on six pairs."""
    z, w = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0)).double()
    z.requires_grad_()
    options = {"max_steps": FEW} if alignment.steps is None and not alignment.total else {}
    with patience():
        data = {"data": (z.detach(), w)} if alignment.divergence.name == "mmd" else {}
        loss = alignment(z, w, labels=LABELS, **data, **options)
        plan = alignment.plan(z, w, labels=LABELS, **options).matrix
    (slope,) = torch.autograd.grad(loss, z)
    return torch.cat([plan.flatten(), loss[None], slope.flatten()]).detach().numpy()


class Standing:
    """A state that is a loss and nothing else, for the knobs that only turn one."""

    def __init__(self, alignment: Alignment) -> None:
        self.alignment = alignment

    def align(self, **knobs: Any) -> Standing:
        nothing = dict.fromkeys(("rows", "cols", "steps")) if knobs.get("total") else {}
        return Standing(self.alignment.change(**nothing | knobs))

    def with_total(self, total: bool) -> Standing:
        return self.align(total=True) if total else self.align(total=False, steps=1)


def some_values(knob: Knob, now: Any) -> list[Any]:
    """Both ends of a slider and some stops between them; all options of anything else, but a box that is ticked."""
    control = knob.control
    if isinstance(control, Slider):
        stops = [value for value, _ in control.stops]
        return [*stops[:3], stops[len(stops) // 2], stops[-1]]
    return [not now] if isinstance(control.value, bool) else list(control.options)


def changes_something(knob: Knob, state: Any, alignment_of: Any) -> bool | None:
    """Whether some value of a knob changes what is seen; None where all are refused."""
    before, works = seen(alignment_of(state)), None
    for value in some_values(knob, knob.read(state)):
        with contextlib.suppress(ValueError):
            now = seen(alignment_of(knob.write(state, value)))
            works = not np.allclose(now, before, rtol=1e-9, atol=1e-12)
        if works:
            return True
    return works


def says_so(knob: Knob, state: Any, alignment_of: Any) -> str:
    """What is wrong with what a knob says of itself; nothing where all is right."""
    works, idle, blocked = changes_something(knob, state, alignment_of), knob.idle(state), knob.blocked(state)
    if not knob.useful(state):
        return "hidden, and works" if works and knob.read(state) is not NOTHING else ""
    if idle or blocked:
        return "dimmed, and works" if works else "" if idle else "blocked without a word"
    return "" if works else "refused" if works is None else "no effect"


def standing(names: Any, start: Any, places: list[dict[str, Any]] = PLACES) -> Iterator[tuple[str, Any]]:
    """Each loss at each of the places."""
    for name in names:
        for place in places:
            with contextlib.suppress(ValueError):
                yield f"{name} at {place}", start(name, place)


def coupling_states() -> list[tuple[str, Any]]:
    return list(standing(LOSSES_HERE, lambda name, place: Standing(LOSSES[name].alignment.change(**place))))


def training_states() -> list[tuple[str, Any]]:
    def start(name: str, place: dict[str, Any]) -> Training:
        side = Side.named(name)
        return Training(sides=(Side(name, side.alignment.change(**place)),))

    return list(standing(PLAIN_LOSSES, start, PLACES[:6]))


@pytest.mark.parametrize("name", COUPLING)
def test_each_knob_of_a_coupling_has_an_effect_or_says_that_it_has_none(name: str) -> None:
    states = coupling_states()
    wrong = {where: says_so(COUPLING[name], state, lambda s: s.alignment) for where, state in states}
    assert len(states) > 100 and {where: what for where, what in wrong.items() if what} == {}


@pytest.mark.parametrize("name", TRAINING)
def test_each_knob_of_a_training_has_an_effect_or_says_that_it_has_none(name: str) -> None:
    states = training_states()
    wrong = {where: says_so(TRAINING[name], state, lambda s: s.sides[0].alignment) for where, state in states}
    assert len(states) > 70 and {where: what for where, what in wrong.items() if what} == {}


@pytest.mark.parametrize("cure", ["masses", "project", "keep"])
@pytest.mark.parametrize("divergence", ["kl", "fenchel_young"])
def test_a_side_that_bends_the_target_has_an_effect_before_its_turn(cure: str, divergence: str) -> None:
    """A target that breaks the marginals may be moved towards them: then a side counts without any half-step."""
    table = Blocks(masses=((0.6, 0.3), (0.9, 0.1)))
    first = Alignment(target=table, infeasible=cure, divergence=divergence)
    for name in ("rows", "cols"):
        for steps in (0, 1, 2):
            state, knob = Standing(first.change(steps=steps)), family_knobs()[name]
            works = changes_something(knob, state, lambda s: s.alignment)
            assert works or knob.idle(state) or (cure, divergence) == ("keep", "kl")
            assert not (works and knob.idle(state))


def test_the_words() -> None:
    rince, mixture = Alignment(steps=10, divergence="rince"), Alignment(rows=0.2, divergence="tempered")
    assert effect.of_rows(Alignment(steps=0)) == "no effect before half-step 1"
    assert effect.of_cols(Alignment(steps=1)) == "no effect before half-step 2"
    assert effect.of_steps(Alignment(rows="free", cols="free")) == "no effect: both marginals are free"
    assert effect.of_rows(Alignment(total=True)) == "no effect: only the total mass is held"
    assert effect.of_total(rince) == "RINCE needs rows and columns" and effect.of_total(mixture) == ""
    assert effect.of_target(mixture) == "TEMPERED is defined for pairs only" and effect.of_target(Alignment()) == ""


def test_a_slider_is_dimmed_as_long_as_it_does_nothing() -> None:
    lab = CouplingLab(state={"data": {"name": "hubs", "n": 8}})
    found = []
    for steps in (0, 1, 2, None):
        turn(lab, "steps", steps)
        found.append([bool(lab.knobs[name].control.idle) for name in ("rows", "cols")])
    assert found == [[True, True], [False, True], [False, False], [False, False]]
    turn(lab, "steps", 0)
    turn(lab, "cols", 0.1)  # set for later, and kept
    assert message(lab) == "" and not lab.knobs["cols"].control.disabled
    turn(lab, "steps", 2)
    assert lab.scene.alignment == Alignment(cost="cosine", epsilon=0.1, cols=lab.scene.alignment.cols, steps=2)
    assert lab.state["alignment"]["cols"] == 0.1
    lab.close()


def test_a_chooser_that_is_no_choice_says_why() -> None:
    lab = CouplingLab(state={"data": {"name": "hubs", "n": 8}})
    for loss, told in (("rince", "RINCE is defined for pairs only"), ("infonce", None)):
        turn(lab, "loss", loss)
        assert (lab.knobs["target"].control.disabled, lab.knobs["target"].control.tooltip) == (bool(told), told)
        assert lab.knobs["total"].control.disabled == bool(told)
    lab.close()


def test_every_slider_of_the_family_is_tried() -> None:
    assert {"target", "total", *FAMILY} <= set(COUPLING) and {f"left {name}" for name in FAMILY} <= set(TRAINING)
