"""Small pictures in rows, each with a line below it; one may be picked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import numpy as np
import traitlets as t

from gca_playground.views.matrix_view import PLAN_DARK, PLAN_LIGHT
from gca_playground.views.theme import colour_rules, static_text

__all__ = ["Gallery"]


class Gallery(anywidget.AnyWidget):
    """Pictures of one size with values in [0, 1], each with a ``caption`` below it and a ``name`` for who cannot see.

    Given: `label`, what they are together; `columns` of them in a row; whether they are `pickable`, then `on_pick`
    hears which one was clicked and `chosen` (-1: none) is marked.
    """

    _esm = static_text("keys.js", "late.js", "common.js", "dark.js", "gallery.js")
    _css = colour_rules() + static_text("controls.css", "gallery.css")

    label = t.Unicode().tag(sync=True)
    columns = t.Int(5, min=1).tag(sync=True)
    pickable = t.Bool(False).tag(sync=True)
    pixels = t.Bytes().tag(sync=True)
    shape = t.Tuple(t.Int(), t.Int(), default_value=(0, 0)).tag(sync=True)
    captions = t.List(t.Unicode()).tag(sync=True)
    names = t.List(t.Unicode()).tag(sync=True)
    chosen = t.Int(-1).tag(sync=True)
    shown = ("shape", "pixels", "captions", "names")
    """The traits that say what is to be seen."""
    palette_light = t.Bytes(PLAN_LIGHT).tag(sync=True)
    palette_dark = t.Bytes(PLAN_DARK).tag(sync=True)

    def show(self, pictures: Any, captions: Sequence[str], names: Sequence[str], *, chosen: int = -1) -> None:
        """Draw pictures (n, rows, cols) in one message. Raises: ValueError that names the law and the shape."""
        values = np.asarray(pictures, dtype=np.float64)
        if values.ndim != 3 or not len(values) == len(captions) == len(names):
            told = f"{values.shape}, {len(captions)} captions and {len(names)} names"
            raise ValueError(f"pictures must have shape (n, rows, cols), with a caption and a name each, got {told}")
        if not (values >= 0).all() or values.max(initial=0) > 1 + 1e-9:
            raise ValueError(f"pictures must lie in [0, 1], got {values.min()} to {values.max()}")
        with self.hold_sync():
            self.pixels = np.rint(255 * values.clip(0, 1)).astype(np.uint8).tobytes()
            self.shape = values.shape[1:]
            self.captions, self.names, self.chosen = list(captions), list(names), chosen

    def on_pick(self, callback: Callable[[int], object]) -> None:
        """Call ``callback(index)`` for a picture that is clicked."""

        def told(_: Any, content: Any, __: Any) -> None:
            if not isinstance(content, dict) or content.get("type") != "pick" or not self.pickable:
                return
            if 0 <= content.get("index", -1) < len(self.captions):
                callback(int(content["index"]))

        self.on_msg(told)
