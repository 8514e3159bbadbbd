"""What the states of all labs share: how they are written and read back in words, and where to start."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gca_playground._boundary import as_count, near

S = TypeVar("S")
Check = Callable[[Any], Any]
"""Takes a value of JSON and gives that of a field. Raises: TypeError, ValueError that name the field."""


@dataclass(frozen=True)
class Preset(Generic[S]):
    """A state of a lab and one sentence about it."""

    name: str
    state: S
    look_for: str


def parts_of(values: object, known: Iterable[str], *, lab: str) -> dict[str, Any]:
    """The parts of the state of a lab, without its name. Raises: TypeError, ValueError that name what is wrong."""
    if not isinstance(values, dict):
        raise TypeError(f"a state is a dict, got {type(values).__name__}")
    names = ("lab", *known)
    unknown = [name for name in values if name not in names]
    if unknown:
        raise ValueError(near(unknown[0], names, what="part of the state"))
    if values.get("lab", lab) != lab:
        raise ValueError(f"this is the state of the {values['lab']!r} lab, not of the {lab} lab")
    return {name: value for name, value in values.items() if name != "lab"}


def written(state: Any, *, lab: str) -> dict[str, Any]:
    """A flat state as JSON."""
    fields = dataclasses.asdict(state)
    return {"lab": lab} | {name: list(v) if isinstance(v, tuple) else v for name, v in fields.items()}


def checked(values: object, checks: dict[str, Check], *, lab: str) -> dict[str, Any]:
    """The fields of a flat state from JSON, each as its check gives it."""
    return {name: checks[name](value) for name, value in parts_of(values, checks, lab=lab).items()}


def named(names: Any, what: str) -> Check:
    """One of these names."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            raise ValueError(near(value, names, what=what))
        return value

    return check


def counted(name: str, least: int, most: float = math.inf) -> Check:
    """A whole number from ``least`` to ``most``."""

    def check(value: Any) -> int:
        count = as_count(value, name=name, least=least)
        if count > most:
            raise ValueError(f"{name} must be <= {most}, got {value!r}")
        return count

    return check


def flag(name: str) -> Check:
    """True or false."""

    def check(value: Any) -> bool:
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be true or false, got {value!r}")
        return value

    return check
