"""The plan as a picture: one canvas pixel a cell, its row and column sums beside it.

Python turns numbers into levels 0..255; the browser only looks the colours up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import numpy as np
import traitlets as t

from gca_playground.views.theme import colour_rules, static_text

__all__ = [
    "DIVERGING_DARK",
    "DIVERGING_LIGHT",
    "NOWHERE",
    "PLAN_DARK",
    "PLAN_LIGHT",
    "MatrixView",
    "diverging_levels",
    "plan_levels",
]

NOWHERE = (-1, -1)
_MOST_CELLS = 65_535


def _palette(*anchors: tuple[int, str]) -> bytes:
    """256 RGB colours through these (level, colour) anchors."""
    levels = [level for level, _ in anchors]
    colours = np.array([list(bytes.fromhex(colour[1:])) for _, colour in anchors])
    channels = [np.interp(np.arange(256), levels, colours[:, c]) for c in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8).tobytes()


# Lightness runs one way along each plan palette, so they read without colour; purple and green are told
# apart by every kind of colour vision, and leave blue and orange to mean rows and columns.
PLAN_LIGHT = _palette((0, "#f9fafd"), (70, "#c3d3ee"), (140, "#5c88c9"), (200, "#1f4d9c"), (255, "#0a1838"))
PLAN_DARK = _palette((0, "#0d1020"), (70, "#1d2e68"), (140, "#2f70b4"), (200, "#4cb6a6"), (255, "#e3f56c"))
DIVERGING_LIGHT = _palette((0, "#0b5126"), (64, "#5aae61"), (128, "#f7f7f9"), (192, "#9970ab"), (255, "#4a0f60"))
DIVERGING_DARK = _palette((0, "#a6f0a0"), (64, "#3f8a4b"), (128, "#14161f"), (192, "#8a5aa5"), (255, "#e9b8ff"))


def plan_levels(plan: np.ndarray) -> np.ndarray:
    """round(255 clip(P, 0, 1)^0.4) as uint8: one fixed law, so that colours never jump."""
    return np.rint(255.0 * np.clip(plan, 0.0, 1.0) ** 0.4).astype(np.uint8)


def diverging_levels(values: np.ndarray, top: float) -> np.ndarray:
    """round(127.5 + 127.5 sign(x) sqrt(|x| / top)) as uint8: 128 is zero, beyond +-top is full colour."""
    if not 0 < top < np.inf:
        raise ValueError(f"top must be > 0 and finite, got {top!r}")
    part = np.sqrt(np.minimum(np.abs(values) / top, 1.0))
    return np.rint(127.5 + 127.5 * np.sign(values) * part).astype(np.uint8)


class MatrixView(anywidget.AnyWidget):
    """A matrix as coloured cells, its row sums at the right and column sums below, both as parts of their mass.

    `show` draws; `highlight = (row, column)` lights a row, a column or both (-1 is none); the browser answers
    with `hover`, the cell under the pointer or the arrow keys. `caption` stands below the picture,
    `aria_text` is the sentence for those who do not see it. Where it is `paintable`, the pointer held
    down, Enter and the space bar paint cells: see `on_paint`.
    """

    _esm = static_text("keys.js", "late.js", "common.js", "dark.js", "matrix_view.js")
    _css = colour_rules() + static_text("matrix_view.css")

    shape = t.Tuple(t.Int(), t.Int(), default_value=(0, 0)).tag(sync=True)
    pixels = t.Bytes().tag(sync=True)
    palette_light = t.Bytes(PLAN_LIGHT).tag(sync=True)
    palette_dark = t.Bytes(PLAN_DARK).tag(sync=True)
    row_bars = t.Bytes().tag(sync=True)
    col_bars = t.Bytes().tag(sync=True)
    bar_top = t.Float(2.0).tag(sync=True)
    outline = t.Bytes().tag(sync=True)
    highlight = t.Tuple(t.Int(), t.Int(), default_value=NOWHERE).tag(sync=True)
    hover = t.Tuple(t.Int(), t.Int(), default_value=NOWHERE).tag(sync=True)
    caption = t.Unicode().tag(sync=True)
    aria_text = t.Unicode("matrix").tag(sync=True)
    shown = ("shape", "pixels", "row_bars", "col_bars", "bar_top", "outline", "caption", "aria_text")
    """The traits that say what is to be seen."""
    paintable = t.Bool(False, help="whether pressing on cells paints them").tag(sync=True)

    def on_paint(self, callback: Callable[[int, int, bool], object]) -> None:
        """Call ``callback(row, column, first)`` for a cell that is painted: the first of a stroke, or one after it."""

        def told(_: Any, content: Any, __: Any) -> None:
            if not isinstance(content, dict) or content.get("type") != "paint" or not self.paintable:
                return
            row, col = content["cell"]
            if 0 <= row < self.shape[0] and 0 <= col < self.shape[1]:
                callback(row, col, bool(content["first"]))

        self.on_msg(told)

    def show(
        self,
        values: Any,
        *,
        row_ratio: Any = None,
        col_ratio: Any = None,
        bar_top: float | None = None,
        diverging: bool = False,
        top: float = 1.0,
    ) -> None:
        """Draw a matrix (n, m) of numbers, in one message that holds only what changed.

        row_ratio (n,), col_ratio (m,): each sum over its mass, 1 is the dashed line; without them no bars.
        bar_top: the ratio that fills a bar; kept unless given. diverging: a signed picture, full colour at +-top.
        Raises: ValueError that names the law and the shape.
        """
        matrix = _array(values, name="values", dims=2)
        rows, cols = matrix.shape
        levels = diverging_levels(matrix, top) if diverging else plan_levels(matrix)
        new = {
            "bar_top": self.bar_top if bar_top is None else bar_top,
            "shape": (rows, cols),
            "pixels": levels.tobytes(),
            "palette_light": DIVERGING_LIGHT if diverging else PLAN_LIGHT,
            "palette_dark": DIVERGING_DARK if diverging else PLAN_DARK,
            "row_bars": _bars(row_ratio, rows, name="row_ratio"),
            "col_bars": _bars(col_ratio, cols, name="col_ratio"),
            "highlight": self.highlight if _inside(self.highlight, rows, cols) else NOWHERE,
        }
        with self.hold_sync():
            for name, value in new.items():
                setattr(self, name, value)

    def set_outline(self, cells: Any) -> None:
        """Outline these cells: a boolean matrix, or pairs (row, column) of shape (k, 2); None for no cell."""
        pairs = np.zeros((0, 2)) if cells is None else np.asarray(_to_numpy(cells))
        if pairs.dtype == bool:
            pairs = np.argwhere(pairs)
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise ValueError(f"cells must be a boolean matrix or pairs (k, 2), got shape {pairs.shape}")
        if pairs.size and not (pairs.min() >= 0 and pairs.max() <= _MOST_CELLS):
            raise ValueError(f"cells must lie in 0..{_MOST_CELLS}, got {pairs.min()}..{pairs.max()}")
        self.outline = pairs.astype("<u2").tobytes()

    @t.validate("bar_top")
    def _positive(self, proposal: Any) -> float:
        top = float(proposal["value"])
        if not 0 < top < np.inf:
            raise ValueError(f"bar_top must be > 0 and finite, got {top!r}")
        return top


def _to_numpy(values: Any) -> Any:
    if not hasattr(values, "detach"):
        return values
    tensor = values.detach().cpu()
    return tensor.double().numpy() if tensor.is_floating_point() else tensor.numpy()


def _array(values: Any, *, name: str, dims: int) -> np.ndarray:
    array = np.asarray(_to_numpy(values), dtype=np.float64)
    if array.ndim != dims or array.size == 0:
        raise ValueError(f"{name} must have {dims} dimensions and at least one cell, got shape {array.shape}")
    if np.isnan(array).any():
        raise ValueError(f"{name} must be numbers, got nan in an array of shape {array.shape}")
    return array


def _bars(ratio: Any, count: int, *, name: str) -> bytes:
    if ratio is None:
        return b""
    bars = _array(ratio, name=name, dims=1)
    if bars.shape != (count,) or (bars < 0).any():
        raise ValueError(f"{name} must be {count} numbers >= 0, got shape {bars.shape}, least {bars.min():g}")
    return bars.astype("<f4").tobytes()


def _inside(cell: tuple[int, int], rows: int, cols: int) -> bool:
    return cell[0] < rows and cell[1] < cols
