"""One side of a training on the page: what it is called, its formula, its embedding and its plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gca_playground.views import figures
from gca_playground.views.labs import training_words as say
from gca_playground.views.labs.lab import box, text
from gca_playground.views.labs.training_pictures import EmbeddingPicture, legend
from gca_playground.views.labs.training_run import Shot
from gca_playground.views.labs.training_state import Side
from gca_playground.views.matrix_view import NOWHERE, MatrixView


class Card:
    """The pictures of one side. ``guard`` wraps what the pointer calls."""

    def __init__(self, k: int, guard: Callable[[Callable[..., Any]], Callable[..., None]]) -> None:
        self.title, self.pill, self.formula, self.numbers = (
            text(name) for name in ("card-title", "pill", "formula", "card-numbers")
        )
        self.picture, self.matrix = EmbeddingPicture(), MatrixView(bar_top=figures.BAR_TOP)
        self.classes = text("told")
        self.shot: Shot | None = None
        self._names: list[str] = []
        self.widget = box(
            "card",
            box("line", self.title, self.pill),
            self.formula,
            self.numbers,
            box("pair", box("embedding", self.picture.widget, self.classes), box("matrix", self.matrix)),
        )
        for name in (f"gca-card-{k}", *(["gca-right"] if k else [])):
            self.widget.add_class(name)
        self.matrix.observe(guard(lambda change: self.point_at(*change["new"])), "hover")
        self.picture.on_point(guard(self._light))

    def name(self, kinds: Sequence[int], names: Callable[[int], str]) -> None:
        """Points of other classes."""
        self._names = [names(kind) for kind in kinds]
        self.classes.value = legend(kinds, names)
        self.picture.name(kinds, names)

    def show(self, side: Side, shot: Shot, *, unit: bool, azimuth: float) -> None:
        """One step."""
        self.shot = shot
        self.matrix.show(shot.shares, row_ratio=shot.row_ratio, col_ratio=shot.col_ratio)
        self.picture.show(shot, unit=unit, azimuth=azimuth)
        self.formula.value, self.numbers.value = say.formula(side, shot.loss), say.numbers(shot)
        self._outline(len(shot.shares))
        here, meaning = say.pill(side)
        self.title.value, self.pill.value = side.loss, f'<span title="{meaning}">{here}</span>'
        rows, cols = shot.shares.shape
        self.matrix.aria_text = f"the plan of {side.loss}, {rows} by {cols}; {here}"
        self.point_at(*(self.matrix.highlight if self.matrix.hover == NOWHERE else self.matrix.hover))

    def point_at(self, row: int, col: int) -> None:
        """What the pointer is on in the plan, ringed in the embedding and said in words."""
        if self.shot is None:
            return
        rows, cols = self.shot.shares.shape
        row, col = (row if row < rows else -1), (col if col < cols else -1)
        self.matrix.caption = say.about(self.shot, self._names, row, col)
        at = row if row >= 0 else col
        self.picture.point_at(at % len(self._names) if at >= 0 else -1)

    def _outline(self, rows: int) -> None:
        """Where pairs are: on the diagonal, or as far off it as a stacked batch has pairs."""
        count = len(self._names)
        paired = np.arange(rows)
        self.matrix.set_outline(np.stack([paired, (paired + count) % rows if rows > count else paired], 1))

    def _light(self, row: int) -> None:
        self.matrix.highlight = (row, -1)
        self.point_at(row, -1)
