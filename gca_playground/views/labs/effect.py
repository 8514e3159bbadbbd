"""Where a control of the family changes nothing, and why, in a few words; "" where it does change something."""

from __future__ import annotations

from gca_playground.alignment import Alignment
from gca_playground.transport import FREE

ONLY_TOTAL = "no effect: only the total mass is held"


def of_rows(alignment: Alignment) -> str:
    """Of the row marginal's price: rows come first."""
    return _of_side(alignment, turn=1)


def of_cols(alignment: Alignment) -> str:
    """Of the column marginal's price: columns come second."""
    return _of_side(alignment, turn=2)


def _of_side(alignment: Alignment, *, turn: int) -> str:
    if alignment.total:
        return ONLY_TOTAL
    fits_the_target = alignment.target.name != "pairs" and alignment.infeasible != "masses"
    early = alignment.steps is not None and alignment.steps < turn
    return f"no effect before half-step {turn}" if early and not fits_the_target else ""


def of_steps(alignment: Alignment) -> str:
    """Of the half-steps."""
    if alignment.total:
        return ONLY_TOTAL
    return "no effect: both marginals are free" if alignment.rows == alignment.cols == FREE else ""


def of_total(alignment: Alignment) -> str:
    """Of holding the total mass alone, which some losses cannot be asked."""
    name = alignment.divergence.demanding("sees_potentials") if alignment.divergence.sees_potentials else ""
    return f"{name.upper()} needs rows and columns" if name else ""


def of_target(alignment: Alignment) -> str:
    """Of another target, which some losses cannot have."""
    name = alignment.divergence.demanding("pairs_only") if alignment.divergence.pairs_only else ""
    return f"{name.upper()} is defined for pairs only" if name else ""
