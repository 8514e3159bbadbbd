"""The controls of a training lab, as a table over its state; see ``knobs.Knob``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from gca_playground.learning import datasets
from gca_playground.learning.networks import ENCODERS
from gca_playground.views.controls import Slider, log_stops
from gca_playground.views.labs.knobs import NOTHING, Knob, family_knobs, parameter_knobs
from gca_playground.views.labs.scene import OWN
from gca_playground.views.labs.training_state import PLAIN_LOSSES, SURFACES, Side, State, replaced

COLOURS = ("rows", "cols")
"""Left is blue and right is orange."""
BATCHES = (8, 16, 32, 48, 64, 96, 128, 192, 256)
FAMILY = ("epsilon", "rows", "cols", "steps")


def data_knobs(own: bool) -> dict[str, Knob]:
    """Which data; of one's own there is nothing to choose."""
    if own:
        return {}
    shares = [(k / 20, f"{5 * k} %") for k in range(13)]
    return {
        "data": Knob(
            widgets.Dropdown(options=[name for name in datasets.names() if name != OWN], description="data"),
            lambda state: state.data.name,
            lambda state, name: state.with_data(name),
        ),
        "mismatched": Knob(
            Slider(label="mismatched pairs", stops=shares, colour="neutral"),
            lambda state: state.data.mismatched,
            lambda state, share: state.choose(mismatched=share),
        ),
    }


def network_knobs() -> dict[str, Knob]:
    """Which network, and where it ends."""
    return {
        "encoder": Knob(widgets.Dropdown(options=list(ENCODERS), description="encoder"), *_plain("encoder")),
        "surface": Knob(widgets.Dropdown(options=list(SURFACES), description="onto"), *_plain("surface")),
    }


def pace_knobs() -> dict[str, Knob]:
    """How fast it learns, and from what start."""
    sizes = [(n, str(n)) for n in BATCHES]
    return {
        "lr": Knob(Slider(label="learning rate", stops=log_stops(1e-4, 0.1, 3), colour="neutral"), *_plain("lr")),
        "batch": Knob(Slider(label="batch", stops=sizes, colour="neutral"), *_plain("batch")),
        "seed": Knob(widgets.IntText(description="seed"), *_plain("seed")),
    }


def compare_knob() -> dict[str, Knob]:
    """One side or two."""
    control = widgets.Checkbox(description="compare two losses", indent=False)
    return {"compare": Knob(control, lambda state: len(state.sides) > 1, lambda state, both: state.compared(both))}


def side_knobs(k: int, *, of_pairs: bool = True) -> dict[str, Knob]:
    """The loss of a side and the sliders of its family, each under a name such as "left epsilon".

    ``of_pairs``: with the parameters of the losses that are for pairs only.
    """
    which = ("left", "right")[k]
    loss = Knob(
        widgets.Dropdown(options=list(PLAIN_LOSSES), description="loss"),
        lambda side: side.loss,
        lambda side, name: side.with_loss(name),
    )
    family = {name: knob for name, knob in family_knobs().items() if name in FAMILY}
    family |= parameter_knobs(of_pairs=of_pairs)
    for knob in family.values():
        knob.control.colour = COLOURS[k]
    return {f"{which} {name}": _of_side(knob, k) for name, knob in {"loss": loss, **family}.items()}


def _of_side(knob: Knob, k: int) -> Knob:
    def read(state: State) -> Any:
        return knob.read(state.sides[k]) if k < len(state.sides) else NOTHING

    def write(state: State, value: Any) -> State:
        side: Side = knob.write(state.sides[k], value)
        return state.with_side(k, side)

    def asks(law: Callable[[Any], Any], otherwise: Any) -> Callable[[State], Any]:
        return lambda state: law(state.sides[k]) if k < len(state.sides) else otherwise

    useful, blocked = asks(knob.useful, False), asks(knob.blocked, False)
    return Knob(knob.control, read, write, useful, blocked, asks(knob.idle, ""))


def _plain(name: str) -> Any:
    return (lambda state: getattr(state, name)), (lambda state, value: replaced(state, name, value))
