"""A lab in a link: ``...?state={"data": ..., "alignment": ...}``, as voila serves it."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import parse_qs, quote

from gca_playground.views.labs.coupling import CouplingLab

MOST = 10_000
"""Longer links are refused unread."""


def app(query: str | None = None) -> CouplingLab:
    """The lab that a link asks for; where it asks for nonsense, the lab as it opens first, saying what was wrong.

    Given: the query part of the link; by default that of the page being served.
    """
    query = os.environ.get("QUERY_STRING", "") if query is None else query
    try:
        return CouplingLab(state=state_of(query))
    except (TypeError, ValueError) as error:
        lab = CouplingLab()
        lab.guard.show(ValueError(f"the link could not be followed: {error}"))
        return lab


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
        return json.loads(given[0])  # type: ignore[no-any-return]  # the lab checks what it is
    except json.JSONDecodeError as error:
        raise ValueError(f"state must be JSON, got {given[0]:.60}: {error}") from error


def served_by_voila() -> bool:
    """Whether this kernel serves a page of voila's, whose address a link can extend."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila")
