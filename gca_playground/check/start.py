"""The exercises of notebook 00."""

from __future__ import annotations

import math
from typing import Any

import torch

from gca_playground._boundary import as_count
from gca_playground.check.verdict import Wrong, exercise
from gca_playground.views.labs.presets import PRESETS
from gca_playground.views.labs.scene import Scene, cloud_of, make_scene
from gca_playground.views.labs.state import State

TOLERANCE = 0.1
"""How far a sum may be from its mass and still count as balanced."""


@exercise("move the lab until every row of the plan spreads its mass evenly, then pass lab.state")
def find_the_collapse(answer: Any) -> str:
    """Given ``lab.state`` (or the lab): right when the plan tells no pair from another, at n >= 16."""
    state = State.from_dict(getattr(answer, "state", answer))
    scene = make_scene(cloud_of(state.choice), state.alignment)
    n = len(scene.matrix)
    if n < 16:
        raise Wrong(f"with {n} pairs there is hardly anything to tell apart: take at least 16")
    shares = torch.as_tensor(scene.matrix) / scene.plan.row_sums[:, None].clamp_min(1e-300)
    entropy, most = float(torch.special.entr(shares).sum(1).mean()), math.log(n)
    if entropy < 0.99 * most:
        raise Wrong(
            f"the rows still choose: their entropy is {entropy:.2f} on average, evenly spread it would be log {n} = "
            f"{most:.2f}. Which slider makes all costs look alike? Or: which data?"
        )
    loss = "" if scene.loss is None else f", and the loss is {scene.loss:.2f}"
    return f"the rows' entropy is {entropy:.2f}, log {n} is {most:.2f}{loss}: the plan knows nothing about the pairs"


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
