"""Errors made visible.

An exception in a widget callback is seen by nobody: it goes to a log. So every callback of a lab runs through one
guard, which serialises callbacks (they may come from different threads), shows what went wrong in words, and leaves
the last good picture standing.
"""

from __future__ import annotations

import html
import threading
import traceback
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets


class Guard:
    """Runs callbacks one at a time and shows their errors in ``box``, an element with the role alert.

    ``lock`` is held by whoever moves the lab: a callback, or a cell that sets its state.
    """

    def __init__(self) -> None:
        self.box = widgets.HTML()
        self.box.add_class("gca-error")
        self.last_error: BaseException | None = None
        self.lock = threading.RLock()

    def __call__(self, callback: Callable[..., Any]) -> Callable[..., None]:
        """The callback, guarded. An error stays on show until the next good picture calls ``clear``."""

        def guarded(*args: Any, **kwargs: Any) -> None:
            with self.lock:
                try:
                    callback(*args, **kwargs)
                except Exception as error:  # whatever it is, it must be seen
                    self.show(error)

        return guarded

    def show(self, error: Exception) -> None:
        """Say what went wrong. A ValueError or TypeError speaks for itself; anything else brings its place along."""
        self.last_error = error
        words = str(error) or type(error).__name__
        if not isinstance(error, ValueError | TypeError):
            places = traceback.extract_tb(error.__traceback__)[-1:]
            words = f"{type(error).__name__}: {words}" + "".join(f" (in {at.name}, line {at.lineno})" for at in places)
        self.box.value = f'<div role="alert">{html.escape(words)}</div>'

    def clear(self) -> None:
        """Nothing is wrong any more."""
        self.last_error = None
        if self.box.value:
            self.box.value = ""
