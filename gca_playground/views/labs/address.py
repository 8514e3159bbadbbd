"""The state of a lab as the query part of an address, and back."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import parse_qs, quote

MOST = 10_000
"""Longer links are refused unread."""


def link(state: dict[str, Any]) -> str:
    """The query part of a link to a state."""
    return "?state=" + quote(json.dumps(state, separators=(",", ":")))


def state_of(query: str) -> dict[str, Any] | None:
    """The state in a query; None where there is none. Raises: ValueError for what is no state."""
    if len(query) > MOST:
        raise ValueError(f"a link's state has at most {MOST} characters, got {len(query)}")
    given = parse_qs(query.lstrip("?")).get("state")
    if not given:
        return None
    try:
        state: dict[str, Any] = json.loads(given[0])  # the lab checks what it is
    except json.JSONDecodeError as error:
        raise ValueError(f"state must be JSON, got {given[0]:.60}: {error}") from error
    return state


def lab_of(query: str) -> str | None:
    """The name of a lab in a query (``?lab=training``); None where there is none."""
    return parse_qs(query.lstrip("?")).get("lab", [None])[0]


def served_by_voila() -> bool:
    """Whether this kernel serves a page of voila's, whose address a link can extend."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila")
