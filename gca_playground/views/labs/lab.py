"""What all labs share: a theme, an error box, knobs that move a state, what can be copied, and a way to close."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets as widgets
from IPython import get_ipython

from gca_playground.views.controls import CopyButton
from gca_playground.views.guard import Guard
from gca_playground.views.labs.address import link, served_by_voila
from gca_playground.views.labs.knobs import Knob
from gca_playground.views.theme import Theme


class Lab(widgets.VBox):
    """The frame of a lab: a subclass fills it with ``self.fill(...)`` and says what its state is and how it is drawn.

    Every callback runs through ``self.guard``: errors appear in the lab, the last good picture stays. ``title_text``
    is the lab's name, ``about`` says in a few words what it shows; ``knobs`` are its controls by name.
    """

    title_text = ""
    about = ""
    knobs: dict[str, Knob]
    _quiet = False

    def __init__(self) -> None:
        super().__init__()
        self.add_class("gca-lab")
        self.theme = Theme()
        self.guard = Guard()
        self.theme.on_open(self.guard(self._show_again))
        close_earlier(self)

    def fill(self, *parts: widgets.Widget) -> None:
        """Set what the lab consists of, from top to bottom."""
        self.children = (self.theme, *parts)

    @property
    def state(self) -> dict[str, Any]:
        """Everything that decides the picture, as JSON; assigning moves the lab, or raises and leaves it as it is."""
        found: dict[str, Any] = self._now.to_dict()
        return found

    @state.setter
    def state(self, values: object) -> None:
        with self.guard.lock:
            self._go(self._read(values))

    def __repr__(self) -> str:
        """One line that says which lab it is; where no widget can be shown it stands in its place."""
        return f"{type(self).__name__}({', '.join(self._in_short() if self.children else ())})"

    def code(self) -> str:
        """A plain script that computes what is on show."""
        raise NotImplementedError

    def _in_short(self) -> tuple[str, ...]:
        """What tells the lab from another: data, loss, temperature."""
        return ()

    @property
    def _now(self) -> Any:
        """The state on show."""
        raise NotImplementedError

    def _read(self, values: object) -> Any:
        """A state from JSON. Raises: TypeError, ValueError that name what is wrong."""
        raise NotImplementedError

    def _go(self, state: Any) -> None:
        """To another state, or raise and leave all as it is."""
        raise NotImplementedError

    def _dress(self) -> None:
        """The colours of the page's theme."""
        raise NotImplementedError

    def _listen(self) -> None:
        """Let each knob move the state, and the theme the colours."""
        self._show_controls()
        for knob in self.knobs.values():
            knob.control.observe(self.guard(lambda change, knob=knob: self._turned(knob, change["new"])), "value")
        self.theme.observe(self.guard(lambda change: self._dress()), "dark")

    def _turned(self, knob: Knob, value: Any) -> None:
        if self._quiet:
            return
        try:
            self._go(knob.write(self._now, value))
        except Exception:
            self._show_controls()  # the knob goes back to what holds
            raise

    def _show_controls(self) -> None:
        """Set every control to the state without taking that for a user's move."""
        with self._silence():
            for knob in self.knobs.values():
                knob.show(self._now)

    def _make_copies(self, code: str, *, own: bool = False) -> None:
        """The buttons to copy: ``code`` says what the script does. No address carries a user's own data."""
        name = type(self).__name__
        self.copy_code = CopyButton(text_label="copy code", description=code)
        self.copy_state = CopyButton(text_label="copy state", description=f"the state as JSON, for {name}.from_state")
        self.copy_link: CopyButton | None = None
        if served_by_voila() and not own:
            self.copy_link = CopyButton(text_label="copy link", as_link=True, description="the address of this picture")
        self.copies = [button for button in (self.copy_code, self.copy_state, self.copy_link) if button]

    def _tell_copies(self) -> None:
        self.copy_code.text, self.copy_state.text = self.code(), json.dumps(self.state)
        if self.copy_link:
            self.copy_link.text = link(self.state)

    @contextmanager
    def _silence(self) -> Iterator[None]:
        """While controls are set by the lab itself, ``_quiet`` says that it is no user's move."""
        self._quiet, before = True, self._quiet
        try:
            yield
        finally:
            self._quiet = before

    def _show_again(self) -> None:
        """Send what is to be seen once more: a page that was busy while it opened the lab may have missed some."""
        for widget in _descendants(self):
            shown = getattr(widget, "shown", ("value",) if isinstance(widget, widgets.HTML) else ())
            if shown:
                widget.send_state(shown)

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
