"""What all labs share: a column of widgets with a theme, an error box, and a way to close."""

from __future__ import annotations

import ipywidgets as widgets

from gca_playground.views.guard import Guard
from gca_playground.views.theme import Theme


class Lab(widgets.VBox):
    """The frame of a lab. Subclasses fill it with ``self.fill(...)``.

    Every callback runs through ``self.guard``: errors appear in the lab, the last good picture stays.
    """

    def __init__(self) -> None:
        super().__init__()
        self.add_class("gca-lab")
        self.theme = Theme()
        self.guard = Guard()

    def fill(self, *parts: widgets.Widget) -> None:
        """Set what the lab consists of, from top to bottom."""
        self.children = (self.theme, *parts)

    def close(self) -> None:
        """Take the lab off the page and let go of everything it holds."""
        for widget in _descendants(self):
            _let_go(widget)
            widget.close()
        _let_go(self)
        super().close()


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
