"""Where to start in the crossmodal lab, and what to look for there. One row a preset."""

from __future__ import annotations

from gca_playground.views.labs.common_state import Preset
from gca_playground.views.labs.crossmodal_state import State

START = Preset(
    "collapse",
    State(),
    "A classifier, asked for images of a 2: nearly all the weight is on two of them, and the mean of 50 becomes the "
    "picture of two. Switch the half-step on, above the labels.",
)

PRESETS = (
    START,
    Preset(
        "one half-step",
        State(half_steps=("u|v",)),
        "The same model, not trained again. One half-step, and the weights are those of all the 2s: compare the two "
        "mean images. Now try the half-step at the right, too: there the loss was trained.",
    ),
    Preset(
        "the other side",
        State(loss="u|v", label=2, image=1),
        "Image given label: the images are many and right, but this 9 is taken for a 1, as are most. Each label has a "
        "number that the loss never saw. Switch the half-step on at the right.",
    ),
    Preset(
        "two-sided",
        State(loss="two-sided"),
        "Nothing is left open, and both directions can be read as they are. Turn λᵤ down: the images get fewer. At 0 "
        "it is a classifier alone, and they collapse.",
    ),
    Preset(
        "draw",
        State(
            loss="two-sided",
            drawing="05ggg5000055g5000005g500005gg50000055g5000005g500055g50005ggg500",
        ),
        "A 3 drawn by hand. Draw with the mouse, or with the arrow keys and Enter: how few pixels turn it into an 8, "
        "or a 9? The bars follow.",
    ),
    Preset(
        "drifters",
        State(tab="drifters"),
        "Three drifters were seen for a while. Which flow carried them? Of 500, the first answer is right seven times "
        "in ten. Try other paths; then let only one drifter be seen.",
    ),
    Preset(
        "without a prior",
        State(tab="drifters", tilting="dot", path=9),
        "The inner product grows without end, and finds the strongest flows, not the likeliest. Add the prior: R@1 "
        "nearly doubles. Then see what the prior does to the squared distance.",
    ),
)
"""All presets, in the order of their buttons."""
