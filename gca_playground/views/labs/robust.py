"""The parameters of robust InfoNCE that a lab can turn: what they are called, and where they do something."""

from __future__ import annotations

from typing import NamedTuple

from gca_playground.alignment import Alignment


class Parameter(NamedTuple):
    """Its sign in a formula, as HTML; its name on a slider; what it does and in which range, in a sentence."""

    sign: str
    label: str
    told: str


PARAMETERS = {
    "rince_weight": Parameter(
        "w<sub>rince</sub>",
        "weight of RINCE",
        "how much robust InfoNCE counts beside KL(T | P), a pure number >= 0; for pairs only",
    ),
    "q": Parameter(
        "q",
        "robustness q",
        "a pure number in (0, 1]: towards 0 RINCE is InfoNCE, at 1 a pair that is far pulls least",
    ),
    "lam": Parameter(
        "λ",
        "density weight λ",
        "a pure number in (0, 1]: how much the sum over all pairs counts against the own pair",
    ),
}
"""The parameters by the names that ``Alignment.change`` knows."""


def does_something(alignment: Alignment, name: str) -> bool:
    """Whether the loss depends on a parameter: one of a term that counts, or the weight of a term that could."""
    divergence = alignment.divergence
    if name == "rince_weight":
        return name in divergence.knobs() and alignment.target.name == "pairs"
    return any(name in term.knobs() for weight, term in divergence.terms() if weight > 0)


def numbers(alignment: Alignment) -> str:
    """The parameters that do something with their values, as HTML: ", q = 0.5, λ = 0.01"."""
    here, shown = alignment.divergence.knobs(), [name for name in PARAMETERS if does_something(alignment, name)]
    return "".join(f", {PARAMETERS[name].sign}&nbsp;=&nbsp;<b>{here[name]:g}</b>" for name in shown)
