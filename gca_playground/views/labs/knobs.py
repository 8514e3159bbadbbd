"""The controls of a coupling lab, as a table: how each is read off a state, and how a move of it changes the state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import ipywidgets as widgets

from gca_playground.alignment.named import LOSSES, name_of
from gca_playground.learning import datasets
from gca_playground.transport import COSTS, Soft
from gca_playground.views.controls import Slider, log_stops, relaxation_stops, step_stops
from gca_playground.views.labs import effect
from gca_playground.views.labs.parameters import PARAMETERS, does_something
from gca_playground.views.labs.scene import MOST_POINTS, SHOWN_STEPS
from gca_playground.views.labs.state import VIEWS, rho

NOTHING: Any = object()
"""What a knob reads where the state has no value for it; the control then stays as it is."""

SIZES = (1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 160, 192, 224, MOST_POINTS)


def always(state: Any) -> bool:
    """In every state."""
    return True


def never(state: Any) -> bool:
    """In no state."""
    return False


def no_reason(state: Any) -> str:
    """A move does change something."""
    return ""


def only_the_total_mass(state: Any) -> bool:
    """Where there are no rows, no columns and no half-steps."""
    return bool(state.alignment.total)


class Knob(NamedTuple):
    """A control, how its value is read off the state of a lab, and how a new value changes that state.

    ``useful`` says whether it is for a state at all: where it is not, it is off the page. ``blocked`` says whether it
    stands still in a state, where another control has taken its place. ``idle`` says in words why a move changes
    nothing on show; such a control is dimmed, and can be moved all the same: it may be set for a later half-step.
    """

    control: Any
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], Any]
    useful: Callable[[Any], bool] = always
    blocked: Callable[[Any], bool] = never
    idle: Callable[[Any], str] = no_reason

    def show(self, state: Any) -> None:
        """Move the control to the state's value, or to the nearest that it can show."""
        self.control.layout.display = None if self.useful(state) else "none"
        self.control.disabled = self.blocked(state)
        if self.idle is not no_reason:
            self._say(self.idle(state))
        value = self.read(state)
        if isinstance(self.control, Slider) and isinstance(value, int | float):
            numbers = [stop for stop, _ in self.control.stops if stop is not None]
            value = min(max(value, min(numbers)), max(numbers))
        if value is not NOTHING and self.control.value != value:
            self.control.value = value

    def _say(self, why: str) -> None:
        """Why it is idle: on a slider in sight, else when one points at it."""
        if isinstance(self.control, Slider):
            self.control.idle = why
        else:
            self.control.tooltip = why or None


def data_knobs(only: str | None = None) -> dict[str, Knob]:
    """Which data, and which cost between them; ``only`` that name, or all there are, and how many pairs of them."""
    names = list(datasets.names()) if only is None else [only]
    return _source_knobs(names) | ({} if only else _sample_knobs())


def _source_knobs(names: list[str]) -> dict[str, Knob]:
    costs = [(name.replace("_", " "), name) for name in COSTS]
    return {
        "data": Knob(
            widgets.Dropdown(options=names, description="data"),
            lambda state: state.choice.name,
            lambda state, name: state.with_data(name),
        ),
        "cost": Knob(
            widgets.Dropdown(options=costs, description="cost"),
            lambda state: state.alignment.cost,
            lambda state, cost: state.align(cost=cost),
        ),
    }


def _sample_knobs() -> dict[str, Knob]:
    sizes = [(n, str(n)) for n in SIZES]
    shares = [(k / 20, f"{5 * k} %") for k in range(21)]
    return {
        "n": Knob(
            Slider(label="pairs", stops=sizes, colour="neutral"),
            lambda state: state.choice.n,
            lambda state, n: state.choose(n=n),
        ),
        "mismatched": Knob(
            Slider(label="mismatched pairs", stops=shares, colour="neutral"),
            lambda state: state.choice.mismatched,
            lambda state, share: state.choose(mismatched=share),
        ),
        "seed": Knob(
            widgets.IntText(description="seed"),
            lambda state: state.choice.seed,
            lambda state, seed: state.choose(seed=seed),
        ),
    }


NO_NAME = "another point of the family"
"""What the list of losses shows where no row of the table has the knobs that are set."""

LOSSES_HERE = [name for name, row in LOSSES.items() if row.alignment.layout == "two_views" and "mmd" not in name]
"""Those of two views; a stacked batch, or a loss that compares the data behind the points, has no place here."""


def loss_knobs() -> dict[str, Knob]:
    """Where to start, by name, and which matching is wanted."""
    return {
        "loss": Knob(
            widgets.Dropdown(options=[*LOSSES_HERE, NO_NAME], description="loss"),
            lambda state: name_of(state.alignment) or NO_NAME,
            lambda state, name: state if name == NO_NAME else state.with_loss(name),
        ),
        "target": Knob(
            widgets.Dropdown(options=["pairs", "smoothed", "classes", "domains"], description="target"),
            lambda state: NOTHING if state.alignment.target.name == "given" else state.alignment.target.name,
            lambda state, name: state.align(target=name),
            blocked=lambda state: bool(effect.of_target(state.alignment)),
            idle=lambda state: effect.of_target(state.alignment),
        ),
    }


def family_knobs() -> dict[str, Knob]:
    """The three sliders of the family, rows and columns apart, and its third constraint."""
    prices = relaxation_stops()
    return {
        "epsilon": Knob(
            Slider(label="entropic regularisation ε", stops=log_stops(1e-3, 10.0, 10)),
            lambda state: state.alignment.epsilon,
            lambda state, epsilon: state.align(epsilon=epsilon),
        ),
        "rows": Knob(
            Slider(label="row marginal ρ", stops=prices),
            lambda state: _price(state.alignment.rows),
            lambda state, price: state.align(rows=Soft(price)),
            blocked=only_the_total_mass,
            idle=lambda state: effect.of_rows(state.alignment),
        ),
        "cols": Knob(
            Slider(label="column marginal ρ", stops=prices, colour="cols"),
            lambda state: _price(state.alignment.cols),
            lambda state, price: state.align(cols=Soft(price)),
            blocked=only_the_total_mass,
            idle=lambda state: effect.of_cols(state.alignment),
        ),
        "steps": Knob(
            Slider(label="half-steps", stops=step_stops(SHOWN_STEPS), ends=("0", f"{SHOWN_STEPS} · ∞")),
            lambda state: NOTHING if state.alignment.total else state.alignment.steps,
            lambda state, steps: state.align(steps=steps),
            blocked=only_the_total_mass,
            idle=lambda state: effect.of_steps(state.alignment),
        ),
        "total": Knob(
            widgets.Checkbox(description="total mass only", indent=False),
            lambda state: state.alignment.total,
            lambda state, total: state.with_total(total),
            blocked=lambda state: bool(effect.of_total(state.alignment)),
            idle=lambda state: effect.of_total(state.alignment),
        ),
    }


def parameter_knobs(*, of_pairs: bool = True) -> dict[str, Knob]:
    """The parameters of the divergences, on the page where the loss has them; ``of_pairs``: also of those for pairs."""
    return {name: _parameter(name) for name, row in PARAMETERS.items() if of_pairs or not row.pairs_only}


def _parameter(name: str) -> Knob:
    row = PARAMETERS[name]
    return Knob(
        Slider(label=row.label, stops=row.stops, description=row.told),
        lambda state: state.alignment.divergence.knobs().get(name, NOTHING),
        lambda state, value: state.align(**{name: value}),
        lambda state: does_something(state.alignment, name),
    )


def view_knob() -> dict[str, Knob]:
    """Which matrix is shown."""
    return {
        "view": Knob(
            widgets.ToggleButtons(options=list(VIEWS)),
            lambda state: state.view,
            lambda state, view: replace(state, view=view),
        )
    }


def _price(side: Any) -> Any:
    price = rho(side)
    return NOTHING if price is None else price
