"""The controls of the target lab, as a table over its state; see ``knobs.Knob``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from gca_playground.alignment.fit import CURES
from gca_playground.views.controls import Slider
from gca_playground.views.labs.knobs import NOTHING, Knob
from gca_playground.views.labs.target_state import (
    DATA,
    PAINTED_LOSSES,
    RELATIONS,
    Kinds,
    Relation,
    blocks,
    painted,
    with_data,
)
from gca_playground.views.labs.training_knobs import side_knobs
from gca_playground.views.labs.training_state import State

SHARES = [(k / 20, f"{k / 20:g}") for k in range(21)]


def target_data_knobs(own: bool) -> dict[str, Knob]:
    """Which data, of those whose kinds are known."""
    if own:
        return {}
    control = widgets.Dropdown(options=list(DATA), description="data")
    return {"data": Knob(control, lambda state: state.data.name, with_data)}


def target_side_knobs() -> dict[str, Knob]:
    """The loss, of those that take any target, and its family."""
    knobs = side_knobs(0, of_pairs=False)
    knobs["left loss"].control.options = list(PAINTED_LOSSES)
    return knobs


def table_knobs(kinds: Callable[[State], Kinds]) -> dict[str, Knob]:
    """The mass of the own pair, of each relation, the smoothing, and what is done where no plan gets there."""
    cure = Knob(
        widgets.Dropdown(options=list(CURES), description="out of reach"),
        lambda state: state.sides[0].alignment.infeasible,
        lambda state, value: state.with_side(0, state.sides[0].align(infeasible=value)),
    )
    plain = {"pair": "own pair", "smoothing": "smoothing"}
    made = {name: _plain(name, label) for name, label in plain.items()}
    return made | {name: _of_relation(relation, kinds) for name, relation in RELATIONS.items()} | {"infeasible": cure}


def brush() -> Slider:
    """The mass that a stroke paints."""
    return Slider(label="brush", stops=SHARES, value=0.25, colour="neutral")


def _plain(name: str, label: str) -> Knob:
    return Knob(
        Slider(label=label, stops=SHARES, colour="neutral"),
        lambda state: getattr(blocks(state), name),
        lambda state, value: painted(state, **{name: value}),
    )


def _of_relation(relation: Relation, kinds: Callable[[State], Kinds]) -> Knob:
    """The mass that a row shares among all of a relation; it reads nothing where cells of it differ."""

    def read(state: State) -> Any:
        cells, table = kinds(state).cells(relation.relation), blocks(state).masses
        values = {table[i][j] for i, j in cells}
        return values.pop() * len(cells) / len(table) if len(values) == 1 else NOTHING

    def write(state: State, share: float) -> State:
        cells, table = kinds(state).cells(relation.relation), [list(row) for row in blocks(state).masses]
        for i, j in cells:
            table[i][j] = share / (len(cells) / len(table))
        return painted(state, masses=table)

    return Knob(Slider(label=relation.label, stops=SHARES, colour="neutral"), read, write)
