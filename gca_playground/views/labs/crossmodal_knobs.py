"""The controls of a crossmodal lab, as a table: how each is read off a state, and how a move changes the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from gca_playground.views.controls import Slider
from gca_playground.views.labs.crossmodal_state import CLASSES, IMAGES, LOSSES, PATHS, TABS, State
from gca_playground.views.labs.knobs import NOTHING, Knob

STOPS = [(k / 4, f"{k / 4:g}") for k in range(9)]
"""Of a weight."""
TILTED = [("squared distance, L2", "squared_euclidean"), ("inner product", "dot"), ("cosine", "cosine")]
HALF_STEP = "half-step first"


def tab_knob() -> dict[str, Knob]:
    """Which data."""
    return {"tab": Knob(widgets.ToggleButtons(options=list(TABS)), _field("tab"), _writes("tab"))}


def digit_knobs() -> dict[str, Knob]:
    """The loss and its weights, what is asked, and the two half-steps."""
    digits = [(str(k), k) for k in range(CLASSES)]
    places = [(k, str(k)) for k in range(IMAGES)]
    return {
        "loss": Knob(
            widgets.Dropdown(options=[(told, name) for name, told in LOSSES.items()], description="loss"),
            _field("loss"),
            _to_loss,
        ),
        "lambda_u": Knob(
            Slider(label="λᵤ, of image | label", stops=STOPS, description="the weight of the loss u|v; it trains"),
            lambda state: NOTHING if state.loss == "sinkhorn" else state.weights[0],
            lambda state, value: state.weigh((value, state.weights[1])),
        ),
        "lambda_v": Knob(
            Slider(
                label="λᵥ, of label | image",
                stops=STOPS,
                colour="cols",
                description="the weight of the loss v|u; it trains",
            ),
            lambda state: NOTHING if state.loss == "sinkhorn" else state.weights[1],
            lambda state, value: state.weigh((state.weights[0], value)),
        ),
        "label": Knob(widgets.ToggleButtons(options=digits), _field("label"), _writes("label")),
        "image": Knob(
            Slider(label="test image", stops=places, colour="neutral"),
            _field("image"),
            lambda state, value: state.change(image=value, drawing=""),
        ),
        "half_u": _half_step("u|v", "add the function of the image that the loss left open"),
        "half_v": _half_step("v|u", "add the function of the label that the loss left open"),
    }


def drifter_knobs() -> dict[str, Knob]:
    """The score, how much is seen, which path, and the prior."""
    return {
        "tilting": Knob(widgets.Dropdown(options=TILTED, description="score"), _field("tilting"), _writes("tilting")),
        "tracers": Knob(
            Slider(label="drifters", stops=[(1, "1"), (3, "3")], colour="neutral"),
            _field("tracers"),
            _writes("tracers"),
        ),
        "path": Knob(
            Slider(label="held-out path", stops=[(k, str(k)) for k in range(PATHS)], colour="neutral"),
            _field("path"),
            _writes("path"),
        ),
        "prior": Knob(
            widgets.Checkbox(
                description="add the prior of flows", indent=False, tooltip="rank by s + log density of the flow: MAP"
            ),
            _field("prior"),
            _writes("prior"),
        ),
    }


def _half_step(direction: str, tip: str) -> Knob:
    return Knob(
        widgets.Checkbox(description=HALF_STEP, indent=False, tooltip=tip),
        lambda state: direction in state.half_steps,
        lambda state, on: state.switch(direction, on),
    )


def _to_loss(state: State, loss: str) -> State:
    """ "weighted" starts half way to label | image; the others have their weights."""
    return state.weigh((0.5, 1.5)) if loss == "weighted" else state.with_loss(loss)


def _field(name: str) -> Callable[[Any], Any]:
    return lambda state: getattr(state, name)


def _writes(name: str) -> Callable[[Any, Any], Any]:
    return lambda state, value: state.change(**{name: value})
