"""Where to start, and what to look for there. One row a preset."""

from __future__ import annotations

from dataclasses import dataclass

from gca_playground.alignment import Alignment
from gca_playground.views.labs.scene import Choice


@dataclass(frozen=True)
class Preset:
    """A state of the coupling lab and one sentence about it."""

    name: str
    choice: Choice
    alignment: Alignment
    look_for: str


START = Preset(
    "digits",
    Choice(),
    Alignment(epsilon=0.1, steps=1),
    "After one half-step every row sums to 1, the columns do not: some second views are everybody's favourite. Take "
    "the second and watch the orange bars.",
)

PRESETS = (
    START,
    Preset(
        "hubs",
        Choice(name="hubs", n=64),
        Alignment(epsilon=0.1, steps=1),
        "Three columns take two thirds of the mass, and the loss is large although every pair is right. One half-step "
        "more takes the hubs away: the columns' potential is the correction.",
    ),
    Preset(
        "outliers",
        Choice(name="outliers", n=64),
        Alignment(cost="squared_euclidean", epsilon=0.2),
        "Exact marginals force a few far points to be coupled at any price: long lines. Slide both marginals towards "
        "free and see which lines vanish first, and what happens to the mass.",
    ),
    Preset(
        "false positives",
        Choice(name="digits", n=96, mismatched=0.3),
        Alignment(epsilon=0.1, steps=1),
        "Three pairs in ten are wrong: their cells on the diagonal stay pale. Show the gradient: the wrong pairs "
        "pull hardest. Now take ten half-steps and soften both marginals.",
    ),
    Preset(
        "imbalance",
        Choice(name="blobs", n=96, options={"imbalance": 0.6}),
        Alignment(cost="squared_euclidean", epsilon=0.2, steps=2),
        "Classes of very different size: blocks on the diagonal. Within a block the mass is spread evenly; no class "
        "can borrow from another while both marginals are exact.",
    ),
    Preset(
        "collapse",
        Choice(name="blobs", n=64, options={"classes": 1, "spread": 0.0}),
        Alignment(cost="squared_euclidean", epsilon=0.2, steps=1),
        "All points in one spot: every row spreads evenly, and the loss is log n. More half-steps change nothing, and "
        "a smaller ε makes it worse: what told the pairs apart is lost.",
    ),
)
"""All presets, in the order of their buttons."""
