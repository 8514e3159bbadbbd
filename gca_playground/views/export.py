"""A button that saves what a lab shows: the matrix, the figures, the data.

The browser makes the pictures from what is on the page; the data are asked of Python when they are wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import anywidget
import traitlets as t

from gca_playground.views.theme import colour_rules, static_text

__all__ = ["KINDS", "ExportButton"]

KINDS = ("matrix-png", "png", "svg", "csv")
"""What can be saved: a MatrixView as PNG, a plotly figure as PNG or SVG, the data as CSV."""

Choice = tuple[str, str, str]


class ExportButton(anywidget.AnyWidget):
    """A menu of what to save, and the button that saves it.

    Given: `choices`, triples (text, kind, selector), the selector naming the element of the lab that holds the
    picture ("" for csv); `on_csv`, which gives the text of the data; `guard`, what wraps the answer to the browser,
    as a lab's guard does; `name`, what files are called: "plan (PNG)" goes to `<name>-plan.png`.
    An error is said beside the button, and raised into the guard.
    """

    _esm = static_text("keys.js", "late.js", "common.js", "export.js")
    _css = colour_rules() + static_text("controls.css")

    choices = t.List(t.Tuple(t.Unicode(), t.Enum(KINDS), t.Unicode())).tag(sync=True)
    name = t.Unicode("gca").tag(sync=True)
    description = t.Unicode().tag(sync=True)
    disabled = t.Bool(False).tag(sync=True)

    def __init__(
        self,
        choices: Iterable[Choice],
        *,
        on_csv: Callable[[], str] | None = None,
        guard: Callable[[Callable[..., Any]], Callable[..., None]] | None = None,
        **traits: Any,
    ) -> None:
        self._on_csv = on_csv
        super().__init__(choices=list(choices), **traits)
        self.on_msg(self._hear if guard is None else guard(self._hear))

    @t.validate("choices")
    def _sensible(self, proposal: Any) -> list[Choice]:
        choices: list[Choice] = proposal["value"]
        texts = [text for text, _, _ in choices]
        if not all(texts) or len(set(texts)) < len(texts) or not texts:
            raise ValueError(f"choices must be at least one, each with a text of its own, got {texts}")
        if self._on_csv is None and any(kind == "csv" for _, kind, _ in choices):
            raise ValueError("a choice of the kind csv needs on_csv, which gives the text")
        return choices

    def _hear(self, _: Any, content: Any, __: Any) -> None:
        if not isinstance(content, dict) or content.get("type") != "csv" or self._on_csv is None:
            return
        try:
            text = self._on_csv()
        except Exception as error:
            self.send({"type": "csv", "error": str(error) or type(error).__name__})
            raise
        self.send({"type": "csv", "text": text})
