"""A lab in a link: ``...?state={"lab": "coupling", ...}``, as voila serves it."""

from __future__ import annotations

import os
from typing import Any

from gca_playground.views.labs.address import MOST, link, served_by_voila, state_of
from gca_playground.views.labs.coupling import CouplingLab
from gca_playground.views.labs.gaussian import GaussianLab
from gca_playground.views.labs.lab import Lab
from gca_playground.views.labs.target import TargetLab
from gca_playground.views.labs.training import TrainingLab

__all__ = ["LABS", "MOST", "app", "link", "served_by_voila", "state_of"]

LABS: dict[str, Any] = {
    "coupling": CouplingLab,
    "training": TrainingLab,
    "target": TargetLab,
    "gaussian": GaussianLab,
}
"""The labs that a link can open, by what their states call them; without a name it is the first."""


def app(query: str | None = None) -> Lab:
    """The lab that a link asks for; where it asks for nonsense, the lab as it opens first, saying what was wrong.

    Given: the query part of the link; by default that of the page being served.
    """
    query = os.environ.get("QUERY_STRING", "") if query is None else query
    try:
        state = state_of(query)
        name = state.get("lab", "coupling") if isinstance(state, dict) else "coupling"
        lab: Lab = LABS.get(str(name), CouplingLab)(state=state)
    except (TypeError, ValueError) as error:
        lab = CouplingLab()
        lab.guard.show(ValueError(f"the link could not be followed: {error}"))
    return lab
