"""Plotly's live figure, ready at once, and fast where only lines move."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly import basewidget

from gca_playground.views.figures import Segments
from gca_playground.views.theme import static_text

__all__ = ["LiveFigure", "SecondFigure"]

_BUNDLE = Path(basewidget.__file__).parent / "package_data" / "widgetbundle.js"
_JS = static_text("late.js", "common.js", "figure.js")


class LiveFigure(go.FigureWidget):
    """A FigureWidget that loses no change while plotly starts in the browser, and moves lines without plotly's detours.

    The browser does not tell Python plotly's defaults; what a user zooms and points at it does tell.
    """

    _esm = f"const bundle = {json.dumps(_BUNDLE.read_text(encoding='utf-8'))};\n{_JS}"
    shown = ("_widget_data", "_widget_layout")
    """The traits that say what is to be seen."""

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """The whole of it is what it is now: plotly tells of each change once, to who is there to hear it.

        A browser asks for the whole when it opens the figure, loads its page anew, or has missed something.
        """
        whole = key is None or (not isinstance(key, str) and set(self.shown) <= set(key))
        if whole and hasattr(self, "_layout_obj"):
            for name, now in (("_widget_layout", self._layout_obj._props), ("_widget_data", self._data)):
                self._trait_values[name] = copy.deepcopy(now)  # quietly: this is being sent
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        return state

    def move(self, lines: Mapping[int, Segments]) -> None:
        """Other coordinates for these traces: one message of 32-bit floats with what differs from what is there."""
        moved = {trace: line for trace, line in lines.items() if not self._stands_at(trace, line)}
        new = {trace: Segments(*map(np.ascontiguousarray, line)) for trace, line in moved.items()}
        for trace, line in new.items():
            for data in (self._data, self._widget_data):  # what Python reads, and what a page that is loaded anew does
                data[trace].update(line._asdict())
        if new:
            buffers = [np.ascontiguousarray(axis, "<f4").data for line in new.values() for axis in line]
            self.send({"traces": list(new)}, buffers)

    def _stands_at(self, trace: int, line: Segments) -> bool:
        there = (self._data[trace].get(axis, ()) for axis in Segments._fields)
        return all(np.array_equal(np.asarray(a, float), b, equal_nan=True) for a, b in zip(there, line, strict=True))


class SecondFigure(LiveFigure):
    """A figure that stands beside another: it takes plotly from that one's page instead of bringing 5 MB of its own.

    Three of those at once take a browser longer than the two seconds that anywidget waits for each.
    """

    _esm = f"const bundle = null;\n{_JS}"
