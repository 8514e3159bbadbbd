"""TargetLab: paint which points shall belong together, and watch the embedding follow."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets
import numpy as np
import torch

from gca_playground.alignment.fit import Fitted
from gca_playground.learning import metrics
from gca_playground.learning.pairs import Pairs
from gca_playground.views.labs.knobs import Knob
from gca_playground.views.labs.lab import box, text
from gca_playground.views.labs.running import RunningLab
from gca_playground.views.labs.target_knobs import brush, table_knobs, target_data_knobs, target_side_knobs
from gca_playground.views.labs.target_presets import TARGET_PRESETS
from gca_playground.views.labs.target_state import (
    FIRST,
    RELATIONS,
    Kinds,
    blocks,
    kinds_of,
    own_kinds,
    painted,
    start,
    with_data,
)
from gca_playground.views.labs.training_knobs import network_knobs, pace_knobs
from gca_playground.views.labs.training_pictures import PANELS, Curve
from gca_playground.views.labs.training_run import Run
from gca_playground.views.labs.training_state import OWN_MATERIAL, State, script
from gca_playground.views.matrix_view import NOWHERE, MatrixView


class TargetLab(RunningLab):
    """A target plan that one paints, and a training towards it.

    Each cell of a small table says how much mass a point of one kind shares with all points of another; sliders fill it
    by relation: same class or another, same domain or another. Given a data set's name or your own ``Pairs`` with
    labels 0, 1, ... (and maybe domains), it paints over these.

        gca.TargetLab()
        gca.TargetLab("digits")
        gca.TargetLab.from_state(lab.state)
    """

    title_text, about = "Target", "paint who belongs together"
    run: KindsRun
    presets = TARGET_PRESETS
    panels = (
        *PANELS[:3],
        Curve("class — domain ···", ("class_probe", "domain_probe"), (0.0, 1.02)),
    )

    @classmethod
    def from_state(cls, state: object, data: object = None) -> TargetLab:
        """The lab in a state that ``lab.state`` gave; with the data again where they were your own.

        Raises: TypeError, ValueError that name what is wrong with the state.
        """
        return cls(data, state=state)

    def paint(self, row: int, col: int, mass: float) -> None:
        """Let a row of kind ``row`` share so much mass among all points of kind ``col``."""
        with self.guard.lock:
            table = [list(line) for line in blocks(self._state).masses]
            if not (0 <= row < len(table) and 0 <= col < len(table)):
                raise ValueError(f"a cell lies in 0..{len(table) - 1}, got ({row}, {col})")
            table[row][col] = mass
            self._go(painted(self._state, masses=table))

    @property
    def fitted(self) -> Fitted:
        """The target of the fixed batch, and what was done where it breaks the marginals."""
        labels = self.run.sessions[0].probe.batch.labels
        return self._state.sides[0].alignment.fitted(torch.zeros(len(labels), len(labels)), labels=labels)

    def code(self) -> str:
        """A plain script that trains as the lab did until now."""
        domains = self._kinds.domains
        relabel = f"labels=data.labels * {domains} + data.domains, recipe=None"
        prepare = f"from dataclasses import replace\n\ndata = replace(data, {relabel})\n" if domains > 1 else ""
        return script(self._state, self.run.steps, moved=self.run.moved, prepare=prepare)

    # How it begins -------------------------------------------------------------------------------------------------

    def _first(self) -> State:
        return FIRST if self._own is None else start(own_kinds(self._own), OWN_MATERIAL)

    def _with_name(self, first: State, name: str) -> State:
        return with_data(first, name)

    @property
    def _kinds(self) -> Kinds:
        return kinds_of(self._state, self._own)

    def _pairs(self, state: State) -> Pairs:
        kinds, table = kinds_of(state, self._own), blocks(state).masses
        if len(table) != len(kinds):
            raise ValueError(f"the table has {len(table)} kinds, but {state.data.name!r} has {len(kinds)}")
        return kinds.of(super()._pairs(state))

    def _make_run(self, state: State) -> Run:
        return KindsRun(self._pairs(state), state, kinds_of(state, self._own))

    # What is in the lab --------------------------------------------------------------------------------------------

    def _make_knobs(self) -> dict[str, Knob]:
        knobs = target_data_knobs(self._own is not None) | network_knobs() | pace_knobs()
        return knobs | target_side_knobs() | table_knobs(lambda state: kinds_of(state, self._own))

    def _build(self) -> None:
        self.table, self.goal = MatrixView(paintable=True), MatrixView()
        self.reach = text("told")
        self.brush = brush()
        self._stroke = 0.0
        head = text("section", "the table · press to paint, drag to paint more")
        self.easel = box(
            "card",
            head,
            box("pair", box("matrix", self.table, self.brush), box("matrix", self.goal)),
            self.reach,
        )
        super()._build()
        self.table.on_paint(self.guard(self._press))
        self.table.observe(self.guard(lambda change: self._say_cell(*change["new"])), "hover")

    def _arrange(self) -> None:
        super()._arrange()
        self.stage.children = (self.easel, *self.stage.children)

    def _panel(self) -> list[widgets.Widget]:
        control = {name: knob.control for name, knob in self.knobs.items()}
        sliders = [control[name] for name in RELATIONS if self._kinds.cells(RELATIONS[name].relation)]
        made: list[widgets.Widget] = [text("section", "the target"), control["pair"], *sliders, control["smoothing"]]
        made += [control["infeasible"]]
        if self._own is None:
            presets = box("buttons", *(self.buttons[preset.name] for preset in self.presets))
            made += [text("section", "presets"), presets]
        made += [text("section", "the loss"), *(control[name] for name in control if name.startswith("left "))]
        made += [text("section", "data and encoder")]
        made += [control[name] for name in ("data", "encoder", "surface") if name in control]
        made += [self.turner] if self._state.surface == "sphere" else []
        return [*made, text("section", "pace"), *(control[name] for name in ("lr", "batch", "seed"))]

    # What a user does ----------------------------------------------------------------------------------------------

    def _press(self, row: int, col: int, first: bool) -> None:
        """The first cell of a stroke decides whether it paints or wipes."""
        if first:
            there = blocks(self._state).masses[row][col]
            self._stroke = 0.0 if there >= self.brush.value else self.brush.value
        self.paint(row, col, self._stroke)

    # From a state to a picture -------------------------------------------------------------------------------------

    def _rest(self) -> None:
        super()._rest()
        fitted = self.fitted
        table = np.array(blocks(self._state).masses)
        self.table.show(table)
        self.table.aria_text = f"the table of masses, {len(table)} by {len(table)}: Enter paints a cell"
        self._say_cell(*self.table.hover)
        shown = fitted.matrix.double().numpy()
        n = len(shown)
        self.goal.show(shown, row_ratio=shown.sum(1), col_ratio=shown.sum(0))
        self.goal.aria_text, self.goal.caption = f"the target of the fixed batch, {n} by {n}", "T of the fixed batch"
        self.reach.value = fitted.said or "every row and every column of T holds its mass: a plan can get there"

    def _say_cell(self, row: int, col: int) -> None:
        table = blocks(self._state).masses
        if (row, col) == NOWHERE or max(row, col) >= len(table):
            self.table.caption = "a row of the table: what its points share"
            return
        name = self._kinds.name
        self.table.caption = f"{name(row)} shares {table[row][col]:.3g} among {name(col)}"

    def _kind(self, kind: int) -> str:
        return self._kinds.name(kind)

    def _curves_of(self, session: Any) -> dict[str, tuple[Any, Any]]:
        return super()._curves_of(session) | {"class_probe": self.run.class_probe}


class KindsRun(Run):
    """A run on points that are labelled by kind, which also measures how well classes are told apart."""

    def __init__(self, data: Pairs, state: State, kinds: Kinds) -> None:
        self.kinds_table = kinds
        super().__init__(data, state)

    def _begin(self) -> None:
        self.class_probe: tuple[list[int], list[float]] = ([], [])
        self._measure()
        super()._begin()

    def step(self) -> None:
        """One step, and a measure where the session has made some."""
        super().step()
        if self.sessions[0].history["step"][-1] == self.steps:
            self._measure()

    @torch.no_grad()
    def _measure(self) -> None:
        points, encoder = self.sessions[0].probe, self.sessions[0].encoder
        classes = [labels // self.kinds_table.domains for labels in (points.fit_labels, points.test_labels)]
        accuracy = metrics.linear_probe(encoder(points.fit), classes[0], encoder(points.test), classes[1])
        self.class_probe[0].append(self.steps)
        self.class_probe[1].append(accuracy)
