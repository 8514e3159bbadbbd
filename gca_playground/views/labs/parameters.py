"""The parameters of divergences that a lab can turn: what they are called, and where they do something."""

from __future__ import annotations

from typing import Any, NamedTuple

from gca_playground.alignment import Alignment
from gca_playground.views.controls import Stops, log_stops


class Parameter(NamedTuple):
    """Its sign in a formula, as HTML; its name on a slider; what it does and in which range, in a sentence; its stops.

    ``pairs_only``: its loss is for pairs only.
    """

    sign: str
    label: str
    told: str
    stops: Stops
    pairs_only: bool = True


_TWENTIETHS = [(k / 20, f"{k / 20:g}") for k in range(41)]

PARAMETERS = {
    "rince_weight": Parameter(
        "w<sub>rince</sub>",
        "weight of RINCE",
        "how much robust InfoNCE counts beside KL(T | P), a pure number >= 0; for pairs only",
        _TWENTIETHS,
    ),
    "q": Parameter(
        "q",
        "robustness q",
        "a pure number in (0, 1]: towards 0 RINCE is InfoNCE, at 1 a pair that is far pulls least",
        [(0.01, "0.01"), *_TWENTIETHS[1:21]],
    ),
    "lam": Parameter(
        "λ",
        "density weight λ",
        "a pure number in (0, 1]: how much the sum over all pairs counts against the own pair",
        log_stops(1e-4, 1.0, 3),
    ),
    "alpha": Parameter(
        "α",
        "order α of the mean",
        "a pure number from -1 on: at 1 the pairs that are worst off count most, at 0 it is InfoNCE, at -1 they are "
        "given up",
        [(k / 10, f"{k / 10:g}") for k in range(-10, 21)],
    ),
    "uniformity_weight": Parameter(
        "w<sub>uniformity</sub>",
        "weight of uniformity",
        "how much unequal masses of the negatives count beside KL(T | P), a pure number >= 0",
        [(0.0, "0"), *log_stops(1e-3, 10.0, 3)],
        pairs_only=False,
    ),
}
"""The parameters by the names that ``Alignment.change`` knows."""


def does_something(alignment: Alignment, name: str) -> bool:
    """Whether the loss depends on a parameter: one of a term that counts, or the weight of a term that could."""
    divergence, target = alignment.divergence, alignment.target
    if name == "rince_weight":
        return name in divergence.knobs() and target.name == "pairs" and not alignment.total
    if name == "uniformity_weight":
        return name in divergence.knobs() and _leaves_negatives(target)
    return any(name in term.knobs() for weight, term in divergence.terms() if weight > 0)


def _leaves_negatives(target: Any) -> bool:
    """Whether some pairs are to hold no mass."""
    shares = [share for row in getattr(target, "masses", ((0.0,),)) for share in row]
    return not getattr(target, "smoothing", 0) and 0 in shares


def numbers(alignment: Alignment) -> str:
    """The parameters that do something with their values, as HTML: ", q = 0.5, λ = 0.01"."""
    here, shown = alignment.divergence.knobs(), [name for name in PARAMETERS if does_something(alignment, name)]
    return "".join(f", {PARAMETERS[name].sign}&nbsp;=&nbsp;<b>{here[name]:g}</b>" for name in shown)
