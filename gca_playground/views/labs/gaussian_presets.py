"""Where to start in the Gaussian lab, and what to look for there. One row a preset."""

from __future__ import annotations

from gca_playground.views.labs.common_state import Preset
from gca_playground.views.labs.gaussian_state import State

START = Preset(
    "the paper's example",
    State(),
    "InfoNCE gets both conditional means right (the solid lines lie on the dotted ones) and both spreads wrong: the "
    "purple ellipse is too long. Change the loss to joint: the means shrink, the covariance becomes exact.",
)

PRESETS = (
    START,
    Preset(
        "posterior",
        State(tilting="squared_euclidean", loss="u|v"),
        "The law of u given v is exact, spread included. Now look at v given u, which nobody asked for: too narrow.",
    ),
    Preset(
        "four corners",
        State(loss="square", kappa=(0.5, 0.5)),
        "Walk from joint to Sinkhorn along the diagonal: the KL falls all the way to 0, and the purple ellipse "
        "draws in to the grey one. Then go along an edge: which of its sides comes right, width or height?",
    ),
    Preset(
        "rank",
        State(sigma=(0.8, 0.4), rank=1, loss="sinkhorn"),
        "One embedding dimension for two correlations: pair 1 is exact, pair 2 is as if nothing were paired. Give it "
        "rank 2.",
    ),
    Preset(
        "small batches",
        State(sigma=(0.9,), batch=8, learned=True),
        "The learned slope lies above the closed form. Learn a few times at 8, then at 64 and 256: the dots come down. "
        "Now the joint loss: they come from below.",
    ),
)
"""All presets, in the order of their buttons."""
