"""How a self-check calls a student's function and reads what comes back, with its failures in words."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable
from secrets import randbits
from typing import Any

import torch
from torch import Generator, Tensor

from gca_playground._boundary import as_float_tensor
from gca_playground.check.verdict import Wrong

RELATIVE, ABSOLUTE = 1e-4, 1e-5
"""Equal enough for an answer, also one computed in single precision."""

TIGHT = 1e-4
"""The part of both that an answer in double precision keeps to, and in which two mistakes do not meet by chance."""


def fresh() -> Generator:
    """A new stream of random numbers; the global one stays where it is."""
    return Generator().manual_seed(randbits(63))


def call(answer: Any, *, hint: str = "", **arguments: Any) -> Any:
    """What the student's function returns for these arguments, given in this order; by name where it wants names.

    Raises: Wrong when it is no function, or when it raises; ``hint`` is added where sizes did not fit.
    """
    if not callable(answer):
        raise Wrong(f"give the function itself, without calling it; this is {kind(answer)}")
    given = {name: value.clone() if isinstance(value, Tensor) else value for name, value in arguments.items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _called(answer, given)
    except Exception as error:  # whatever it is, the student must read it
        sizes = any(word in str(error) for word in ("size", "shape", "dimension", "Dimension"))
        said = " ".join(str(error).split()).rstrip(".")
        raise Wrong(
            f"your function raised {type(error).__name__}: {said}. It was called with "
            + told(arguments)
            + (f". {hint}" if hint and sizes else "")
        ) from error


def _called(answer: Callable[..., Any], given: dict[str, Any]) -> Any:
    """Call a function with these values in their order; what it wants by name it gets by that name, else in order."""
    wanted = _names_wanted(answer)
    sources = wanted if set(wanted) <= set(given) else list(given)[-len(wanted) :]
    placed = [value for name, value in given.items() if name not in sources]
    return answer(*placed, **{name: given[source] for name, source in zip(wanted, sources, strict=False)})


def _names_wanted(answer: Callable[..., Any]) -> list[str]:
    """The parameters that a function takes by name alone, and has no value for."""
    try:
        parameters = inspect.signature(answer).parameters.values()
    except (TypeError, ValueError):  # a builtin may have no signature
        return []
    return [one.name for one in parameters if one.kind is one.KEYWORD_ONLY and one.default is one.empty]


def kind(value: Any) -> str:
    """What a value is: "a Tensor", "an int", "a tuple of 2"."""
    name = type(value).__name__
    article = "an" if name[0].lower() in "aeiou" else "a"
    return f"{article} {name}" + (f" of {len(value)}" if isinstance(value, tuple | list) else "")


def told(arguments: dict[str, Any]) -> str:
    """The arguments in words: "z (5, 3), w (7, 3), epsilon 0.1"."""
    return ", ".join(
        f"{name} {tuple(value.shape) if isinstance(value, Tensor) else value}" for name, value in arguments.items()
    )


def numbers(value: Any, *, part: str | None = None) -> Tensor:
    """What a function returned, as a float64 tensor; True and False are 1 and 0, as in a mask.

    ``part``: where to find what is asked for in an object that may come back whole. Raises: Wrong when it is none.
    """
    if value is None:
        raise Wrong("your function returned None: does it end with `return`?")
    if value is ...:
        raise Wrong("your function still returns the dots: write it first")
    if str(getattr(value, "dtype", None)).endswith("bool"):
        value = torch.as_tensor(value).double()
    try:
        return as_float_tensor(value, name="it").detach().cpu().double()
    except TypeError as error:
        hint = f": return its .{part}" if part is not None and hasattr(value, part) else ""
        raise Wrong(f"your function must return a tensor of numbers, it returned {kind(value)}{hint}") from error


def two(value: Any, names: str) -> list[Any]:
    """Two things that a function returned, in a tuple, a list or an array. Raises: Wrong, with their ``names``."""
    listed = isinstance(value, tuple | list) or len(getattr(value, "shape", ())) == 1
    if not listed or len(value) != 2:
        if value is None or value is ...:
            numbers(value)
        raise Wrong(f"two numbers are asked for: return {names}")
    return list(value)


def number(value: Any) -> float:
    """What a function returned, as one number. Raises: Wrong when it is none."""
    found = numbers(value)
    if found.numel() != 1:
        raise Wrong(f"your function must return one number, it returned a tensor of shape {tuple(found.shape)}")
    return float(found)


def first_match(found: Tensor, mistakes: Iterable[tuple[Tensor, str]]) -> str | None:
    """What is said of the first known mistake that gives the same numbers, if there is one.

    A mistake that gives them closely goes before one that is merely near: two mistakes can come near by chance.
    """
    known = list(mistakes)
    for part in (TIGHT, 1.0):
        for wrong, reason in known:
            if same(found, wrong, part=part):
                return reason
    return None


def same(found: Tensor, wanted: Tensor, *, part: float = 1.0) -> bool:
    """Whether two tensors are of one shape and equal enough: within this part of what is allowed. NaN equals none."""
    return found.shape == wanted.shape and torch.allclose(
        found, wanted.to(found), rtol=part * RELATIVE, atol=part * ABSOLUTE
    )
