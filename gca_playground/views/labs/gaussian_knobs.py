"""The controls of a Gaussian lab, as a table: how each is read off a state, and how a move of it changes the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from gca_playground.views.controls import Slider
from gca_playground.views.labs.gaussian_pictures import STOPS
from gca_playground.views.labs.gaussian_state import LOSSES, MOST_BATCH, MOST_SIGMA
from gca_playground.views.labs.knobs import Knob

_CORRELATIONS = [(k / 20, f"{k / 20:g}") for k in range(round(20 * MOST_SIGMA) + 1)]
SIGMAS = sorted([*_CORRELATIONS, (2 / 3, "2/3")])
"""The correlations one can choose, the paper's among them."""

BATCHES = [(size, str(size)) for size in (4, 8, 16, 32, 64, 128, MOST_BATCH)]
SCORES = [("inner product", "dot"), ("squared distance", "squared_euclidean"), ("signed distances", "signed")]


def problem_knobs() -> dict[str, Knob]:
    """The data, the encoders, and the loss."""
    seconds = [(None, "none"), *SIGMAS]
    return {
        "sigma_1": Knob(
            Slider(label="correlation σ₁", stops=SIGMAS, colour="neutral"),
            lambda state: state.sigma[0],
            lambda state, value: state.change(sigma=(value, *state.sigma[1:])),
        ),
        "sigma_2": Knob(
            Slider(label="correlation σ₂", stops=seconds, colour="neutral", description="none: one dimension"),
            lambda state: (*state.sigma, None)[1],
            lambda state, value: state.with_second(value),
        ),
        "rank": Knob(
            Slider(label="rank of the encoders", stops=[(1, "1"), (2, "2")], colour="neutral"),
            _field("rank"),
            _writes("rank"),
            blocked=_one_dimension,
            idle=lambda state: "no effect: the data have one dimension" if _one_dimension(state) else "",
        ),
        "tilting": Knob(widgets.Dropdown(options=SCORES, description="score"), _field("tilting"), _writes("tilting")),
        "loss": Knob(
            widgets.Dropdown(options=[(row.title, name) for name, row in LOSSES.items()], description="loss"),
            _field("loss"),
            _writes("loss"),
        ),
    }


def square_knobs() -> dict[str, Knob]:
    """The two sides of the square."""
    stops = [(stop, f"{stop:g}") for stop in STOPS]
    ends = ("0 · no potential", "1 · exact")
    return {
        "kappa_u": Knob(
            Slider(label="potential of u, κᵤ", stops=stops, ends=ends),
            lambda state: state.kappa[0],
            lambda state, value: state.walk((value, state.kappa[1])),
        ),
        "kappa_v": Knob(
            Slider(label="potential of v, κᵥ", stops=stops, ends=ends, colour="cols"),
            lambda state: state.kappa[1],
            lambda state, value: state.walk((state.kappa[0], value)),
        ),
    }


def learning_knobs() -> dict[str, Knob]:
    """How large a batch, and which coordinates are shown."""
    return {
        "batch": Knob(
            Slider(label="pairs in a batch", stops=BATCHES, colour="neutral"), _field("batch"), _writes("batch")
        ),
        "pair": Knob(
            widgets.ToggleButtons(options=[("pair 1", 1), ("pair 2", 2)]),
            _field("pair"),
            _writes("pair"),
            blocked=_one_dimension,
        ),
    }


def _one_dimension(state: Any) -> bool:
    return len(state.sigma) == 1


def _field(name: str) -> Callable[[Any], Any]:
    return lambda state: getattr(state, name)


def _writes(name: str) -> Callable[[Any, Any], Any]:
    return lambda state, value: state.change(**{name: value})
