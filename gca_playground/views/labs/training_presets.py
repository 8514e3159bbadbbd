"""Where to start a training, and what to look for there. One row a preset."""

from __future__ import annotations

from gca_playground.views.labs.common_state import Preset
from gca_playground.views.labs.training_state import Material, Side, State

RING = Preset(
    "ring",
    State(data=Material(name="circles"), sides=(Side.named("infonce", epsilon=0.2),)),
    "Every point wants to sit with its second view and away from all others: on a circle that is an even ring. Raise ε "
    "and the ring closes up into clumps; lower it and only the nearest neighbours still push.",
)

PRESETS = (
    RING,
    Preset(
        "collapse",
        State(data=Material(name="blobs"), sides=(Side.named("byol-view", epsilon=0.5),)),
        "Pure attraction: nothing repels, so all points run into one, alignment is perfect and the plan says nothing. "
        "Choose InfoNCE while it runs: rows that must sum to 1 push the points apart again.",
    ),
    Preset(
        "hubs",
        State(data=Material(name="hubs"), sides=(Side.named("infonce"), Side.named("gca-ince"))),
        "A few second views are near to everybody. Left, rows are exact and orange column sums are not; right, ten "
        "half-steps make both exact, so no column can be everyone's favourite.",
    ),
    Preset(
        "false positives",
        State(
            data=Material(name="blobs", mismatched=0.4, options={"n": 256, "classes": 4, "imbalance": 0.4}),
            sides=(Side.named("infonce"), Side.named("rince")),
        ),
        "Four pairs in ten are wrong. Left, InfoNCE must explain them all, and the rare classes are torn apart; right, "
        "RINCE lets go of pairs that are far: compare the linear probes after 250 steps.",
    ),
    Preset(
        "imbalance",
        State(
            data=Material(name="blobs", options={"n": 256, "classes": 4, "imbalance": 0.6}),
            sides=(Side.named("gca-ince"), Side.named("gca-uot")),
        ),
        "Classes of very different size. With exact marginals each takes its share of the circle; with soft ones a big "
        "class may keep some mass for itself. Slide both ρ to exact on the right: do the two sides become one?",
    ),
)
"""All presets, in the order of their buttons."""
