"""What a training was like: the loss of every step, and what was measured on the way."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

from gca_playground._boundary import near

if TYPE_CHECKING:
    import pandas as pd


class History:
    """Curves by name: ``history["linear_probe"]`` is a list, one number for each entry of ``history["step"]``.

    ``losses``: the loss of every step on its own batch. ``last``: the newest measures as a dict.
    """

    def __init__(self) -> None:
        self.losses: list[float] = []
        self._columns: dict[str, list[float]] = {"step": []}

    def __getitem__(self, name: str) -> list[float]:
        if name not in self._columns:
            raise KeyError(near(name, self._columns, what="curve"))
        return self._columns[name]

    def __len__(self) -> int:
        return len(self._columns["step"])

    def __repr__(self) -> str:
        return f"History({len(self.losses)} steps, measured {len(self)} times: {', '.join(self.names)})"

    @property
    def names(self) -> tuple[str, ...]:
        """The curves there are."""
        return tuple(self._columns)

    @property
    def last(self) -> dict[str, float]:
        """The newest measures; empty where nothing was measured yet."""
        return {name: values[-1] for name, values in self._columns.items() if values}

    def record(self, step: int, measures: dict[str, float]) -> None:
        """Add one row of measures; measured twice at one step, the newer row stays."""
        row = {"step": step, **measures}
        if self._columns["step"] and self._columns["step"][-1] == step:
            for values in self._columns.values():
                values.pop()
        before = len(self)
        for name, value in row.items():
            self._columns.setdefault(name, [math.nan] * before).append(value)

    def to_frame(self) -> pd.DataFrame:
        """The measures as a pandas DataFrame, one row a measurement."""
        import pandas as pd  # an extra of this package

        return pd.DataFrame(self._columns)

    def state(self) -> dict[str, Any]:
        """A copy as plain lists."""
        return copy.deepcopy({"losses": self.losses, "columns": self._columns})

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> History:
        """The history that ``state`` told."""
        history, state = cls(), copy.deepcopy(state)
        history.losses, history._columns = state["losses"], state["columns"]
        return history
