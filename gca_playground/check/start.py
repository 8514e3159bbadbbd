"""The exercises of notebook 00."""

from __future__ import annotations

import math
from typing import Any

import torch

from gca_playground._boundary import as_count
from gca_playground.check.verdict import Wrong, exercise
from gca_playground.learning import datasets
from gca_playground.learning.session import TrainingSession
from gca_playground.transport import Plan
from gca_playground.views.labs import training_state
from gca_playground.views.labs.presets import PRESETS
from gca_playground.views.labs.scene import Scene, cloud_of, make_scene
from gca_playground.views.labs.state import State
from gca_playground.views.labs.training_presets import RING

TOLERANCE = 0.1
"""How far a sum may be from its mass and still count as balanced."""
EVEN = 0.99
"""Entropy of a row, as a share of the most that it can be, from which on it counts as evenly spread."""
TRAINED = 150
"""Steps of the training that a training's state stands for."""


@exercise("turn the lab until every row of the plan spreads its mass evenly, then pass the lab, or lab.state")
def find_the_collapse(answer: Any) -> str:
    """Given a training or coupling lab, or its state: right when its plan tells no pair from another, at n >= 16.

    A training lab is looked at as it stands; of a training's state the left side is trained anew.
    """
    plan, loss, when = _looked_at(answer)
    n = len(plan.matrix)
    if n < 16:
        raise Wrong(f"with {n} pairs there is hardly anything to tell apart: take at least 16")
    shares = plan.matrix.double() / plan.row_sums.double()[:, None].clamp_min(1e-300)
    entropy, most = float(torch.special.entr(shares).sum(1).mean()), math.log(n)
    if entropy < EVEN * most:
        hint = "Which loss never pushes points apart? Or which slider" if when else "Which slider"
        raise Wrong(
            f"{when}the rows still choose: their entropy is {entropy:.2f} on average, evenly spread it would be "
            f"log {n} = {most:.2f}. {hint} makes all costs look alike? Or: which data?"
        )
    told = "" if loss is None else f", and the loss is {loss:.2f}"
    return (
        f"{when}the rows' entropy is {entropy:.2f}, log {n} is {most:.2f}{told}: the plan knows nothing about the pairs"
    )


def _looked_at(answer: Any) -> tuple[Plan, float | None, str]:
    """The plan that a lab or a state stands for, its loss, and after how many steps of a training that is."""
    run, state = getattr(answer, "run", None), getattr(answer, "state", answer)
    if run is None and not isinstance(state, dict):
        raise Wrong(f"pass the lab itself, or lab.state; a state is a dict, got {type(answer).__name__}")
    if run is None and state.get("lab", "coupling") not in ("coupling", "training"):
        raise Wrong(f"this is the {state['lab']} lab: a collapse shows in the training lab, or in the coupling lab")
    if run is None and "sides" not in state and state.get("lab") != "training":
        scene = make_scene(cloud_of((where := State.from_dict(state)).choice), where.alignment)
        return scene.plan, scene.loss, ""
    session = _trained(state) if run is None else run.sessions[0]
    plan = session.plan()
    if plan is None:
        raise Wrong("this loss has no plan to look at")
    when = f"after {session.steps} steps " if session.steps else "nothing is trained yet, and "
    return plan, session.measure()["loss"], when


def _trained(values: dict[str, Any]) -> TrainingSession:
    """The left side of a training lab's state, after so many steps."""
    state = training_state.State.from_dict(values, RING.state)
    data = datasets.load(state.data.name, seed=state.seed, **state.data.arguments)
    session = TrainingSession(data, measure_every=None, **training_state.arguments(state, state.sides[0]))
    session.step(TRAINED)
    return session


@exercise(f"count the half-steps until no row and no column of the preset 'hubs' is off by more than {TOLERANCE:.0%}")
def steps_to_balance(answer: Any) -> str:
    """Given a number of half-steps: right when it is the least after which both sides are within 10 %."""
    steps, path = as_count(answer, name="the number of half-steps", least=0), _hubs().path
    if path is None or steps > len(path.trajectory):
        raise Wrong(f"the curve of the lab ends at 50 half-steps, got {steps}: it happens before")
    rows, cols = path.trajectory.row_error, path.trajectory.col_error
    balanced = torch.maximum(rows, cols) <= TOLERANCE
    if not balanced[steps]:
        side, error = ("rows", rows[steps]) if rows[steps] > cols[steps] else ("columns", cols[steps])
        other = "columns" if side == "rows" else "rows"
        raise Wrong(
            f"after {steps} half-step{'s' * (steps != 1)} one of the {side} is still off by {float(error):.0%}"
            + (f"; only the {other} were just set right" if steps else "")
        )
    least = int(balanced.nonzero()[0])
    if steps > least:
        raise Wrong(f"after {steps} half-steps both sides are within {TOLERANCE:.0%}, but they were so before")
    return f"after {least} half-steps both sides are within {TOLERANCE:.0%}; after {least - 1} they are not"


def _hubs() -> Scene:
    preset = next(preset for preset in PRESETS if preset.name == "hubs")
    return make_scene(cloud_of(preset.choice), preset.alignment)
