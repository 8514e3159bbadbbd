"""The colours of heat maps in figures: of plans, of what has a sign, of flows.

On a page that is known to be light or dark they are those of the labs. A figure that a notebook keeps does not know
its page, and cannot ask for it. There zero is transparent, so it is the page itself, and the strongest colour is of
middle luminance: what stands out on white stands out on black.
"""

from __future__ import annotations

import numpy as np

from gca_playground.views.matrix_view import DIVERGING_DARK, DIVERGING_LIGHT, PLAN_DARK, PLAN_LIGHT
from gca_playground.views.theme import EITHER

__all__ = ["EITHER_NEGATIVE", "EITHER_POSITIVE", "flow_scale", "plan_scale", "signed_scale"]

EITHER_POSITIVE, EITHER_NEGATIVE = "#9a5bd0", "#258b47"
"""Purple above zero and green below, in the middle between white and black."""

_RISE = ((0.0, 0.0), (0.3, 0.4), (1.0, 1.0))
"""Share of the largest value -> opacity: a little more for what is small, which is hard to see on black."""

_FLOW_LIGHT = ((0.0, "#3f8a4b"), (0.5, "#f7f7f9"), (1.0, "#8a5aa5"))
_FLOW_DARK = ((0.0, "#5aae61"), (0.5, "#14161f"), (1.0, "#b48ad0"))

Scale = list[tuple[float, str]]


def plan_scale(dark: bool | None) -> Scale:
    """From no mass to all of a row's, for a dark page, a light one, or (None) either."""
    if dark is None:
        return [(share, _veil(EITHER["rows"], opacity)) for share, opacity in _RISE]
    return _sampled(PLAN_DARK if dark else PLAN_LIGHT)


def signed_scale(dark: bool | None) -> Scale:
    """Green below zero, purple above it, for a dark page, a light one, or (None) either."""
    if dark is None:
        below = [(0.5 - share / 2, _veil(EITHER_NEGATIVE, opacity)) for share, opacity in reversed(_RISE)]
        return below + [(0.5 + share / 2, _veil(EITHER_POSITIVE, opacity)) for share, opacity in _RISE]
    return _sampled(DIVERGING_DARK if dark else DIVERGING_LIGHT)


def flow_scale(dark: bool | None) -> Scale:
    """As ``signed_scale`` but softer on a page that is known: lines are drawn over it."""
    return signed_scale(None) if dark is None else list(_FLOW_DARK if dark else _FLOW_LIGHT)


def _veil(colour: str, opacity: float) -> str:
    return "rgba({}, {}, {}, {})".format(*bytes.fromhex(colour[1:]), opacity)


def _sampled(palette: bytes) -> Scale:
    """A palette of the matrix view, as plotly wants it."""
    colours = np.frombuffer(palette, np.uint8).reshape(256, 3)
    return [(k / 16, "rgb({}, {}, {})".format(*colours[min(16 * k, 255)])) for k in range(17)]
