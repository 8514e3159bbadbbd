"""Which knobs of an ``Alignment`` go together."""

from __future__ import annotations

import math
from typing import Any

from gca_playground._boundary import is_number
from gca_playground.alignment.divergence import Divergence
from gca_playground.alignment.target import Pairs
from gca_playground.transport import EXACT, Bounded


def check_weights(*weights: float) -> None:
    """Raises: ValueError for a weight that is none, or where no direction counts."""
    for name, weight in zip(("weight_rows", "weight_cols"), weights, strict=True):
        if not is_number(weight) or not 0 <= weight < math.inf:
            raise ValueError(f"{name} must be >= 0 and finite, got {weight!r}")
    if not any(weights):
        raise ValueError("weight_rows and weight_cols must not both be 0")


def check_together(alignment: Any) -> None:
    """Raises: ValueError for a divergence that this target, these sides or this gradient do not define."""
    divergence = alignment.divergence
    if not any(weight > 0 for weight, _ in divergence.terms()):
        names = ", ".join(f"{term.name}_weight" for _, term in divergence.terms())
        raise ValueError(f"one weight of a sum of divergences must be > 0, got 0 for {names}")
    if divergence.pairs_only and not isinstance(alignment.target, Pairs):
        raise ValueError(pairs_only(divergence))
    if not divergence.sees_potentials:
        return
    name = divergence.demanding("sees_potentials")
    if alignment.total:
        raise ValueError(f"{name} sees the potentials of rows and columns: total=True has none")
    fixed_mass = all(side == EXACT or isinstance(side, Bounded) for side in (alignment.rows, alignment.cols))
    if fixed_mass and (alignment.steps is None or alignment.grad == "implicit"):
        raise ValueError(
            f"{name} sees the potentials, which at convergence with both sides exact are known up to a "
            "constant only: give a finite number of steps and grad='exact', or soften a side"
        )


def pairs_only(divergence: Divergence) -> str:
    """The sentence for a target that is not pairs."""
    name = divergence.demanding("pairs_only")
    return f"{name} is defined for pairs only: another target needs another divergence, such as 'kl'"
