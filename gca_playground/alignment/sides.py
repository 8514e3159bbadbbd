"""A side of the plan as users and files write it."""

from __future__ import annotations

import math
from typing import Any

from gca_playground._boundary import is_number
from gca_playground.transport import EXACT, FREE, Bounded, Constraint, Soft, as_constraint


def as_price(value: object, side: str) -> Constraint:
    """``rho_rows`` or ``rho_cols`` as a constraint. Raises: TypeError for what is no number."""
    if not is_number(value):
        raise TypeError(f"rho_{side} must be a number in [0, inf], got {value!r}")
    return Soft(value)  # type: ignore[arg-type]


def side_to_json(side: Any) -> Any:
    """Either "exact", "free", a number rho, or {"lo": ..., "hi": ...}; None where there is no side."""
    if isinstance(side, Bounded):
        return {"lo": side.lo, "hi": None if math.isinf(side.hi) else side.hi}
    return {EXACT: "exact", FREE: "free"}.get(side, side.rho) if isinstance(side, Soft) else None


def side_from_json(value: Any, side: str) -> Constraint | None:
    """What ``side_to_json`` wrote. Raises: ValueError, TypeError that name the side and the value."""
    if value is None:
        return None
    if isinstance(value, dict):
        if set(value) != {"lo", "hi"}:
            raise ValueError(f"bounds of {side} must be {{'lo': ..., 'hi': ...}}, got {value!r}")
        return Bounded(value["lo"], math.inf if value["hi"] is None else value["hi"])
    return as_constraint(value, side=side)
