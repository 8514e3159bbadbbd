"""A lab in a link: ``...?state={"data": ..., "alignment": ...}``, as voila serves it."""

from __future__ import annotations

import os

from gca_playground.views.labs.address import MOST, link, served_by_voila, state_of
from gca_playground.views.labs.coupling import CouplingLab

__all__ = ["MOST", "app", "link", "served_by_voila", "state_of"]


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
