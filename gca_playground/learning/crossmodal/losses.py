"""The losses between two modalities by the names of the field: each is one ``Alignment``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gca_playground._boundary import near
from gca_playground.alignment import LOSSES as NAMED
from gca_playground.alignment import Alignment, Loss
from gca_playground.alignment import loss as named_loss
from gca_playground.alignment.named import ALIASES, name_of, row_name
from gca_playground.transport import EXACT, FREE

TILTINGS = {"cosine": 0.1, "dot": 1.0, "squared_euclidean": 1.0}
"""The scores, by the name of their cost, and the usual temperature of each."""
SHORT = {"l2": "squared_euclidean"}
HALF_STEPS = 20
"""Of the Sinkhorn loss: K half-steps of the solver and their exact gradient."""

ONE_WAY: dict[str, Any] = {"rows": EXACT, "cols": FREE, "steps": 1}
LOSSES: dict[str, dict[str, Any]] = {
    "u|v": ONE_WAY | {"weight_rows": 0.0, "weight_cols": 2.0},
    "v|u": ONE_WAY | {"weight_rows": 2.0, "weight_cols": 0.0},
    "two-sided": ONE_WAY | {"weight_rows": 1.0, "weight_cols": 1.0},
    "joint": {"total": True},
    "sinkhorn": {"steps": HALF_STEPS},
}
"""Knobs of each: rows of a plan are u, so its row softmax is v|u and its column softmax u|v."""
BOTH_WAYS = ("weight_rows", "weight_cols")


def alignment_for(
    name: str,
    *,
    weights: Sequence[float] | None = None,
    tilting: str = "cosine",
    epsilon: float | None = None,
    half_steps: int | None = None,
    **knobs: Any,
) -> Alignment:
    """The record of a loss between modalities; ``(lambda_u L(u|v) + lambda_v L(v|u)) / 2`` for the two-sided one.

    Given:
        name: one of ``LOSSES`` here, or of ``gca.losses()``; "conditional", as in ``gca.gaussian``, is two-sided.
        weights: (lambda_u, lambda_v) of a loss that looks both ways; None: the loss's own.
        tilting: "cosine", "dot" or "squared_euclidean" ("l2"). epsilon: None: 0.1 for the cosine, else 1.
        half_steps: of "sinkhorn" (None: 20) and of the named losses that count them.
        knobs: of a named loss.

    Raises: TypeError, ValueError that name the law and the value.
    """
    cost = tilting_named(tilting)
    common: dict[str, Any] = {"cost": cost, "epsilon": TILTINGS[cost] if epsilon is None else epsilon}
    if half_steps is not None:
        knobs["steps"] = _half_steps(name, half_steps)
    if weights is not None:
        knobs |= _weights(name, weights)
    if name not in LOSSES:
        return named_loss(_known(name), **common, **knobs).alignment
    for knob in knobs:
        if knob not in _open_knobs(name):
            raise ValueError(f"{knob} is no knob of the loss {name!r}")
    return Alignment(**LOSSES[name] | common | knobs)


def as_loss(given: object, knobs: dict[str, Any]) -> Any:
    """What a training takes for a loss: a module made of a name and its knobs, or what was given.

    Raises: ValueError for knobs that a loss of that kind does not have.
    """
    if isinstance(given, str):
        record = alignment_for(given, **knobs)
        return Loss(record, name=name_of(record))
    own = () if isinstance(given, Alignment | Loss) else ("tilting", "epsilon")
    fixed = [knob for knob in knobs if knob not in own]
    if fixed:
        raise ValueError(f"{', '.join(fixed)}: knobs of a named loss, but the loss is given as {given!r:.60}")
    return given


def record_of(loss: object) -> Alignment | None:
    """The record behind a loss; None for a function."""
    return loss if isinstance(loss, Alignment) else loss.alignment if isinstance(loss, Loss) else None


def tilting_named(name: object) -> str:
    """The cost behind a tilting. Raises: ValueError with near names."""
    meant = SHORT.get(name.lower(), name) if isinstance(name, str) else name
    if not isinstance(meant, str) or meant not in TILTINGS:
        raise ValueError(near(name, (*TILTINGS, *SHORT), what="tilting"))
    return meant


def _open_knobs(name: str) -> tuple[str, ...]:
    if name not in LOSSES:
        return NAMED[_known(name)].knobs
    return {"two-sided": BOTH_WAYS, "sinkhorn": ("steps",)}.get(name, ())


def _half_steps(name: str, count: int) -> int:
    if "steps" not in _open_knobs(name):
        counted = ", ".join(repr(one) for one in (*LOSSES, *NAMED) if "steps" in _open_knobs(one))
        raise ValueError(f"half_steps is no knob of the loss {name!r}: those that count them are {counted}")
    return count


def _weights(name: str, weights: object) -> dict[str, Any]:
    if not isinstance(weights, tuple | list) or len(weights) != 2:
        raise ValueError(f"weights must be (lambda_u, lambda_v), two numbers >= 0, got {weights!r}")
    if not set(BOTH_WAYS) <= set(_open_knobs(name)):
        raise ValueError(f"weights belong to a loss that looks both ways, such as 'two-sided', not to {name!r}")
    return {"weight_rows": weights[1], "weight_cols": weights[0]}


def _known(name: object) -> str:
    try:
        return row_name(name)
    except ValueError:
        raise ValueError(near(name, dict.fromkeys((*LOSSES, *NAMED, *ALIASES)), what="loss")) from None
