"""What all labs share: a column of widgets with a theme, an error box, and a way to close."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets as widgets
from IPython import get_ipython

from gca_playground.views.guard import Guard
from gca_playground.views.theme import Theme


class Lab(widgets.VBox):
    """The frame of a lab. Subclasses fill it with ``self.fill(...)``.

    Every callback runs through ``self.guard``: errors appear in the lab, the last good picture stays. ``title_text``
    is the lab's name, ``about`` says in a few words what it shows.
    """

    title_text = ""
    about = ""
    state: Any
    _quiet = False

    def __init__(self) -> None:
        super().__init__()
        self.add_class("gca-lab")
        self.theme = Theme()
        self.guard = Guard()
        close_earlier(self)

    def fill(self, *parts: widgets.Widget) -> None:
        """Set what the lab consists of, from top to bottom."""
        self.children = (self.theme, *parts)

    @contextmanager
    def _silence(self) -> Iterator[None]:
        """While controls are set by the lab itself, ``_quiet`` says that it is no user's move."""
        self._quiet, before = True, self._quiet
        try:
            yield
        finally:
            self._quiet = before

    def close(self) -> None:
        """Take the lab off the page and let go of everything it holds."""
        for widget in _descendants(self):
            _let_go(widget)
            widget.close()
        _let_go(self)
        super().close()


_OF_CELL: dict[str, tuple[str, list[widgets.Widget]]] = {}
"""For each notebook cell its last run, and the labs of that run."""


def close_earlier(lab: widgets.Widget) -> None:
    """Close the labs that an earlier run of the same cell has made: nobody sees them any more."""
    cell, run = _cell_and_run()
    if not cell:
        return
    last, labs = _OF_CELL.get(cell, (run, []))
    for old in labs if last != run else ():
        old.close()
    _OF_CELL[cell] = run, [*(labs if last == run else ()), lab]


def _cell_and_run() -> tuple[str, str]:
    """Which cell runs, and a name of this run; empty where no notebook says so."""
    request: dict[str, Any] = getattr(get_ipython(), "get_parent", dict)()
    return request.get("metadata", {}).get("cellId", ""), request.get("header", {}).get("msg_id", "")


@contextmanager
def opened_at_the_end() -> Iterator[None]:
    """Build widgets in here, and the browser hears of each once, as it is when all is built.

    A widget ordinarily announces itself empty and sends every change after. While a kernel is starting JupyterLab may
    miss such changes, and the lab would stand there half drawn.
    """
    held: list[widgets.Widget] = []
    ordinary = widgets.Widget.open
    widgets.Widget.open = lambda widget: held.append(widget)
    try:
        yield
    finally:
        widgets.Widget.open = ordinary
    for widget in held:
        _open(widget)


def _open(widget: widgets.Widget) -> None:
    """Announce a widget after those it refers to."""
    if widget.comm is not None:
        return
    for value in widget._trait_values.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, widgets.Widget):
                _open(part)
    widget.open()


def box(name: str, *children: widgets.Widget) -> widgets.Box:
    """A box of the style sheet's class ``gca-<name>``."""
    made = widgets.Box(children)
    made.add_class(f"gca-{name}")
    return made


def text(name: str, value: str = "") -> widgets.HTML:
    """HTML of the style sheet's class ``gca-<name>``."""
    made = widgets.HTML(value)
    made.add_class(f"gca-{name}")
    return made


def _let_go(widget: widgets.Widget) -> None:
    """Close what ipywidgets keeps beside a widget: widgets, too."""
    for part in ("layout", "style"):
        if widget.has_trait(part):
            getattr(widget, part).close()


def _descendants(widget: widgets.Widget) -> list[widgets.Widget]:
    children = getattr(widget, "children", ())
    return [inner for child in children for inner in (*_descendants(child), child)]
