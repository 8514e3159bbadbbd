"""A lab in a link: ``...?state={"lab": "coupling", ...}`` or ``...?lab=coupling``, as voila serves it."""

from __future__ import annotations

import os
from typing import Any

from gca_playground.views.labs.address import MOST, lab_of, link, served_by_voila, state_of
from gca_playground.views.labs.app import App
from gca_playground.views.labs.coupling import CouplingLab
from gca_playground.views.labs.crossmodal import CrossmodalLab
from gca_playground.views.labs.gaussian import GaussianLab
from gca_playground.views.labs.target import TargetLab
from gca_playground.views.labs.training import TrainingLab

__all__ = ["LABS", "MOST", "app", "link", "served_by_voila", "state_of"]

LABS: dict[str, Any] = {
    "coupling": CouplingLab,
    "training": TrainingLab,
    "target": TargetLab,
    "gaussian": GaussianLab,
    "crossmodal": CrossmodalLab,
}
"""The labs that a link can open, by what their states call them; without a name it is the first."""


def app(query: str | None = None) -> App:
    """All labs on one page, first the one that a link asks for; where it asks for nonsense, the lab says so.

    Given: the query part of the link; by default that of the page being served. ``app().lab`` is the lab on show.
    """
    query = os.environ.get("QUERY_STRING", "") if query is None else query
    first = next(iter(LABS))
    try:
        state = state_of(query)
        named = state.get("lab", first) if isinstance(state, dict) else lab_of(query) or first
        return App(LABS, str(named), state=state)
    except (TypeError, ValueError) as error:
        made = App(LABS, first)
        made.lab.guard.show(ValueError(f"the link could not be followed: {error}"))
        return made
