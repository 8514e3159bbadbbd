"""All labs on one page: a row of buttons, and below it the lab that was chosen."""

from __future__ import annotations

from typing import Any

import anywidget
import ipywidgets as widgets
import traitlets as t

from gca_playground._boundary import near
from gca_playground.views.labs.address import served_by_voila
from gca_playground.views.labs.lab import Lab, close_earlier
from gca_playground.views.theme import colour_rules, static_text


class Chooser(anywidget.AnyWidget):
    """A button for each of ``labs``: what a state calls it, its title, what it shows in a few words.

    With ``in_address`` the page's address becomes the one that opens the ``chosen`` lab.
    """

    _esm = static_text("keys.js", "late.js", "common.js", "chooser.js")
    _css = colour_rules() + static_text("chooser.css")

    labs = t.List(t.Tuple(t.Unicode(), t.Unicode(), t.Unicode())).tag(sync=True)
    chosen = t.Unicode().tag(sync=True)
    in_address = t.Bool(False).tag(sync=True)


class App(widgets.VBox):
    """The labs of a table (name -> class), one at a time: each is built when it is chosen, and closed when it is left.

    A lab that is chosen again comes back in the state in which it was left.
    Given: the table, the ``name`` of the first lab, and its ``state``. Raises: what that lab does of its state;
    ValueError for a name that is not in the table.
    """

    def __init__(self, labs: dict[str, Any], name: str, *, state: object = None) -> None:
        if name not in labs:
            raise ValueError(near(name, labs, what="lab"))
        self._labs, self._name, self._left = labs, name, dict[str, object]()
        self.lab: Lab = labs[name](state=state)
        rows = [(key, kind.title_text, kind.about) for key, kind in labs.items()]
        self.chooser = Chooser(labs=rows, chosen=name, in_address=served_by_voila())
        super().__init__((self.chooser, self.lab))
        self.add_class("gca-app")
        self.chooser.observe(self._chosen, "chosen")
        close_earlier(self)

    def __repr__(self) -> str:
        """One line: the lab on show."""
        return f"{type(self).__name__}({self.lab!r})" if self.children else f"{type(self).__name__}()"

    def choose(self, name: str) -> None:
        """Another lab. Raises: ValueError for a name that is not in the table."""
        if name not in self._labs:
            raise ValueError(near(name, self._labs, what="lab"))
        self.chooser.chosen = name

    def close(self) -> None:
        """Take everything off the page."""
        for widget in (*self.children, self.layout):  # none, where the state was refused
            widget.close()
        super().close()

    def _chosen(self, change: Any) -> None:
        """Build first, close after: where the other lab cannot be built, this one stays and says why."""
        name, old = change["new"], self.lab
        if name == self._name:
            return
        with old.guard.lock:
            try:
                new = self._labs[name](state=self._left.get(name))
            except Exception as error:  # whatever it is, it must be seen
                self.chooser.chosen = self._name
                old.guard.show(error)
                return
            self._left[self._name] = old.state
            self._name, self.lab, self.children = name, new, (self.chooser, new)
        old.close()
