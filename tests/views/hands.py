"""What the tests of the labs do with a lab, and how they read what it says."""

from __future__ import annotations

import re
from typing import Any


def turn(lab: Any, name: str, value: Any) -> None:
    """Move a control as a user does."""
    lab.knobs[name].control.value = value


def plain(html: str) -> str:
    """HTML without its tags."""
    return re.sub("<.*?>", "", html)


def message(lab: Any) -> str:
    """What stands in the error box: nothing, or an alert."""
    assert lab.guard.box.value in ("", *re.findall(r'<div role="alert">.*</div>', lab.guard.box.value))
    return plain(lab.guard.box.value)


def cells(html: str) -> list[list[str]]:
    """A table of HTML as text."""
    rows = re.findall("<tr>(.*?)</tr>", html)
    return [[plain(cell) for cell in re.findall("<t[hd].*?>(.*?)</t[hd]>", row)] for row in rows]
