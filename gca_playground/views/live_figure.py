"""Plotly's live figure, ready at once, and fast where only lines move."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly import basewidget

from gca_playground.views.figures import Segments
from gca_playground.views.theme import static_text

__all__ = ["LiveFigure"]

_BUNDLE = Path(basewidget.__file__).parent / "package_data" / "widgetbundle.js"


class LiveFigure(go.FigureWidget):
    """A FigureWidget that loses no change while plotly starts in the browser, and moves lines without plotly's detours.

    The browser does not tell Python plotly's defaults; what a user zooms and points at it does tell.
    """

    _esm = f"const bundle = {json.dumps(_BUNDLE.read_text(encoding='utf-8'))};\n{static_text('common.js', 'figure.js')}"

    def move(self, lines: Mapping[int, Segments]) -> None:
        """Other coordinates for these traces: one message of 32-bit floats with what differs from what is there."""
        new = {trace: line for trace, line in lines.items() if not self._stands_at(trace, line)}
        for trace, line in new.items():
            for data in (self._data, self._widget_data):  # what Python reads, and what a page that is loaded anew does
                data[trace].update(line._asdict())
        if new:
            buffers = [np.ascontiguousarray(axis, "<f4").data for line in new.values() for axis in line]
            self.send({"traces": list(new)}, buffers)

    def _stands_at(self, trace: int, line: Segments) -> bool:
        there = (self._data[trace].get(axis, ()) for axis in Segments._fields)
        return all(np.array_equal(np.asarray(a, float), b, equal_nan=True) for a, b in zip(there, line, strict=True))
