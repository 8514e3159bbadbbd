"""How far a plan is from its constraints after each half-step: the curves of figures and labs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from gca_playground.transport import Plan
from gca_playground.views.theme import palette
from gca_playground.views.traces import Segments

ERROR_RANGE = (-9.0, 2.0)
"""The log10 range of the convergence curves."""

ERROR_AXIS = {
    "type": "log",
    "range": list(ERROR_RANGE),
    "tickvals": [1e-8, 1e-6, 1e-4, 1e-2, 1.0, 100.0],
    "ticktext": ["1e-8", "1e-6", "1e-4", "0.01", "1", "100"],
}
"""Their axis; it never moves."""

CONVERGED_AT = 55
"""Where the convergence axis puts its infinity."""


class Curve(NamedTuple):
    """What a convergence curve is called and how it is drawn."""

    name: str
    colour: str
    mode: str
    dash: str


CURVES = (
    Curve("rows' error", "rows", "lines+markers", "solid"),
    Curve("columns' error", "cols", "lines+markers", "solid"),
    Curve("KL left to fall", "neutral", "lines", "solid"),
    Curve("KL below its last value", "neutral", "lines", "dot"),
)
"""Rows' error where the columns were just set, columns' error where the rows were, and the KL left to fall."""


def curve_traces(curves: list[Segments], *, dark: bool | None = None) -> list[go.Scatter]:
    """The curves of ``convergence_curves`` as ``CURVES`` says."""
    colours = palette(dark)
    return [
        go.Scatter(
            x=x,
            y=y,
            name=curve.name,
            mode=curve.mode,
            line={"color": colours[curve.colour], "dash": curve.dash, "width": 1.6},
            marker={"size": 4},
            hovertemplate="%{y:.2g} after %{x} half-steps<extra>" + curve.name + "</extra>",
        )
        for (x, y), curve in zip(curves, CURVES, strict=True)
    ]


def convergence_curves(plan: Plan | None, kl: np.ndarray | None) -> list[Segments]:
    """The four ``CURVES`` as numbers; what is too small to show is a gap. Without a plan, nothing."""
    if plan is None:
        nothing = Segments(np.zeros(0), np.zeros(0))
        return [nothing] * len(CURVES)
    path = plan.trajectory
    k = np.arange(len(path) + 1)
    rows, cols = path.row_error.numpy(), path.col_error.numpy()
    gap = np.full(len(k), np.nan) if kl is None else kl - kl[-1]
    return [
        _visible(k[k % 2 == 0], rows[k % 2 == 0]),
        _visible(np.r_[0, k[k % 2 == 1]], np.r_[cols[:1], cols[k % 2 == 1]]),
        _visible(k, gap),
        _visible(k, -gap),
    ]


def _visible(x: np.ndarray, y: np.ndarray) -> Segments:
    return Segments(x, np.where(y > 10 ** ERROR_RANGE[0], y, np.nan))
