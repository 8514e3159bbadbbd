"""Where you stand: the corners of the family, by name.

Each row of the table is a region of the three knobs; the first that contains an ``Alignment`` names it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gca_playground.alignment.divergence import KL
from gca_playground.alignment.loss import Alignment
from gca_playground.alignment.named import LOSSES, name_of
from gca_playground.transport import EXACT, FREE, Constraint, Soft

_ANY = frozenset({"exact", "free", "soft", "bounded", "total"})
_STEPS = (0.0, math.inf)


@dataclass(frozen=True)
class Place:
    """A region of the family: kinds of the two sides, and the half-steps from least to most.

    ``name`` and ``meaning`` may hold ``{steps}``.
    """

    name: str
    meaning: str
    rows: frozenset[str] = _ANY
    cols: frozenset[str] = _ANY
    steps: tuple[float, float] = _STEPS

    def contains(self, alignment: Alignment) -> bool:
        """Whether this region holds that point."""
        steps = math.inf if alignment.steps is None else alignment.steps
        return (
            _kind(alignment.rows) in self.rows
            and _kind(alignment.cols) in self.cols
            and self.steps[0] <= steps <= self.steps[1]
        )


def _only(*kinds: str) -> frozenset[str]:
    return frozenset(kinds)


PLACES = (
    Place("IOT U(1), the joint loss", "only the total mass is fixed: one softmax over all pairs", rows=_only("total")),
    Place("the raw kernel", "no half-step yet: nothing is normalised", steps=(0, 0)),
    Place("the raw kernel", "both sides are free: pure attraction, nothing repels", _only("free"), _only("free")),
    Place("InfoNCE", "each row is a softmax", rows=_only("exact"), steps=(1, 1)),
    Place("InfoNCE", "each row is a softmax; the columns are free", _only("exact"), _only("free")),
    Place("the raw kernel", "the rows are free, and the columns' turn has not come", rows=_only("free"), steps=(1, 1)),
    Place("InfoNCE of the columns", "each column is a softmax; the rows are free", _only("free"), _only("exact")),
    Place(
        "inverse OT, U(a, b)",
        "rows and columns agree: the entropic transport plan",
        _only("exact"),
        _only("exact"),
        (math.inf, math.inf),
    ),
    Place("GCA-INCE after {steps} half-steps", "on the way to the transport plan", _only("exact"), _only("exact")),
    Place("between the raw kernel and InfoNCE", "the rows are pulled towards their mass", _only("soft"), steps=(1, 1)),
    Place("GCA-UOT, {steps}", "both marginals may give way, at a price", _only("soft"), _only("soft")),
    Place("between InfoNCE and GCA-INCE", "rows exact, columns pulled towards theirs", _only("exact"), _only("soft")),
    Place(
        "between the columns' InfoNCE and GCA-INCE",
        "columns exact, rows pulled towards theirs",
        _only("soft"),
        _only("exact"),
    ),
    Place(
        "between the raw kernel and InfoNCE",
        "the rows are pulled towards their mass; the columns are free",
        _only("soft"),
        _only("free"),
    ),
    Place(
        "between the raw kernel and the columns' InfoNCE",
        "the columns are pulled towards their mass; the rows are free",
        _only("free"),
        _only("soft"),
    ),
    Place("double-bounded, {steps}", "marginals between a lower and an upper bound"),
)
"""The family's map. Every point is in at least one region."""


def place(alignment: Alignment) -> tuple[str, str]:
    """The name of where an ``Alignment`` stands, and what it means, in words.

    The map is that of KL in one direction; anything else is called by its row in the table of named losses.
    """
    if alignment.divergence != KL() or (alignment.weight_rows, alignment.weight_cols) != (2.0, 0.0):
        name = name_of(alignment)
        return (name.upper(), LOSSES[name].description) if name else ("a mixture of your own", "no loss of this name")
    here = next(region for region in PLACES if region.contains(alignment))
    counted = "converged" if alignment.steps is None else f"{alignment.steps} half-step{'s' * (alignment.steps != 1)}"
    steps = str(alignment.steps) if "half-steps" in here.name else counted
    return here.name.format(steps=steps), here.meaning


def _kind(side: Constraint | None) -> str:
    if side is None:
        return "total"
    if isinstance(side, Soft):
        return {EXACT: "exact", FREE: "free"}.get(side, "soft")
    return "bounded"
