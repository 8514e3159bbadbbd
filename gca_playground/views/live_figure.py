"""Plotly's live figure, ready at once."""

from __future__ import annotations

import json
from pathlib import Path

import plotly.graph_objects as go
from plotly import basewidget

from gca_playground.views.theme import static_text

__all__ = ["LiveFigure"]

_BUNDLE = Path(basewidget.__file__).parent / "package_data" / "widgetbundle.js"


class LiveFigure(go.FigureWidget):
    """A FigureWidget that loses no change while plotly starts in the browser; see ``static/figure.js``."""

    _esm = f"const bundle = {json.dumps(_BUNDLE.read_text(encoding='utf-8'))};\n{static_text('figure.js')}"
