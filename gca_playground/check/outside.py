"""What a student's function takes from the notebook around it, instead of from its arguments."""

from __future__ import annotations

import dis
import types
from collections.abc import Iterator
from typing import Any


def taken_from_outside(answer: Any) -> str:
    """A sentence naming the numbers and arrays of the notebook that a function uses; empty where it uses none.

    Functions that it calls count, if they stand in the same notebook; constants, in capitals, are meant to be taken.
    """
    names = sorted(set(_values(answer, set())))
    if not names:
        return ""
    one = "it is" if len(names) == 1 else "they are"
    return (
        f". Mind that your function takes {' and '.join(names)} from the notebook, where {one} something else: "
        "inside, use only what the function is given"
    )


def _values(answer: Any, seen: set[types.CodeType]) -> Iterator[str]:
    """Names of the numbers and arrays that a function reads outside, and that the functions do which it calls."""
    if not isinstance(answer, types.FunctionType) or answer.__code__ in seen:
        return
    seen.add(answer.__code__)
    for name in _names(answer.__code__):
        value = answer.__globals__.get(name)
        if isinstance(value, types.FunctionType) and value.__globals__ is answer.__globals__:
            yield from _values(value, seen)
        elif _is_data(value) and not (name.isupper() and len(name) > 1):
            yield name


def _names(code: types.CodeType) -> Iterator[str]:
    """What a function looks up outside, in the functions within it too."""
    yield from (step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _names(inner)


def _is_data(value: Any) -> bool:
    """A number, or an array of them, or an array of numpy's or of torch's."""
    if isinstance(value, tuple | list):
        return any(map(_is_data, value))
    return isinstance(value, int | float) or hasattr(value, "__array__")
