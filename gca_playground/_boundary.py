"""Where the outside world comes in: conversions and their errors, in our own words.

Everything behind the public functions may rely on what passed here.
"""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def is_number(value: object) -> bool:
    """Whether this is a real number, Python's or numpy's; True and False are none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def as_float_tensor(value: object, *, name: str) -> Tensor:
    """A float32 or float64 tensor from a tensor, a numpy array or nested numbers.

    Integers and half precisions become float32. Gradients pass through.
    Raises: TypeError that names what came.
    """
    tensor = value if isinstance(value, Tensor) else _tensor_from(value, name=name)
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise TypeError(f"{name} must hold real numbers, got a tensor of {tensor.dtype}")
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.to(torch.float32)


def as_epsilon(value: object) -> float:
    """The entropic regularisation as a float. Raises: TypeError, ValueError that name the law and the value."""
    epsilon = _scalar_from(value, name="epsilon")
    if not (epsilon > 0 and math.isfinite(epsilon)):
        raise ValueError(f"epsilon must be > 0 and finite, got {value!r}")
    return epsilon


def as_count(value: object, *, name: str, least: int) -> int:
    """An integer that counts something. Raises: TypeError, ValueError that name the law and the value."""
    is_count = hasattr(value, "__index__") and not isinstance(value, bool)
    if not is_count and not (isinstance(value, float) and value.is_integer()):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if int(value) < least:  # type: ignore[call-overload]
        raise ValueError(f"{name} must be >= {least}, got {value!r}")
    return int(value)  # type: ignore[call-overload]


SYNONYMS = {
    "temperature": "epsilon",
    "tau": "epsilon",
    "reg": "epsilon",
    "lambda": "lam",
    "n_iter": "steps",
    "u|v": "infonce with weight_rows=0, weight_cols=2",
    "sinkhorn": "iot",
    "gca-ince": "sinkhorn with half_steps, on a batch",
    "gca-uot": "unbalanced with kappa = rho / (rho + epsilon), its plan brought to mass 1",
    "unbalanced": "gca-uot with rho = kappa epsilon / (1 - kappa), its plan at its own mass",
    "mmd-conditional": "conditional_mmd with bandwidth=1, where it is twice as large",
    "conditional_mmd": "mmd-conditional with kernel='gaussian', where it is half as large",
    "mmd-joint": "joint_mmd with bandwidth=1",
    "joint_mmd": "mmd-joint with kernel='gaussian'",
}
"""What others, and other parts of this package, call a knob or a loss that is known here; what differs follows it."""

CONDITIONAL = {
    "infonce": (0.0, 2.0),
    "v|u": (0.0, 2.0),
    "u|v": (2.0, 0.0),
    "clip": (1.0, 1.0),
    "two-sided": (1.0, 1.0),
    "conditional": (1.0, 1.0),
}
"""One loss, ``(w_u L(u|v) + w_v L(v|u)) / 2``, by the names of the literature, of two modalities and of the Gaussian
theory, with its (w_u, w_v): rows are u, so the row softmax is v|u."""


def near(name: object, known: Iterable[str], *, what: str) -> str:
    """The sentence for a name nobody knows: "unknown cost 'cosin': did you mean 'cosine'? ..."."""
    known = list(known)
    other, *difference = SYNONYMS.get(str(name), "").split(maxsplit=1) or [""]
    if other in known:
        return f"unknown {what} {name!r}: it is called {' '.join([repr(other), *difference])} here"
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown {what} {name!r}: {hint}known are {', '.join(map(repr, known))}"


def _tensor_from(value: object, *, name: str) -> Tensor:
    if isinstance(value, str | bytes | dict | set) or value is None:
        raise TypeError(f"{name} must be a tensor or an array of numbers, got {type(value).__name__} {value!r:.60}")
    try:
        return torch.as_tensor(_plain(value.__array__()) if hasattr(value, "__array__") else value)
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(value).__name__
        raise TypeError(f"{name} must be a tensor or an array of numbers, got {kind}: {error}") from error


def _plain(array: Any) -> Any:
    """A numpy array of any strides, width and byte order, such as tables give, as one that torch can take."""
    wide = array.dtype.kind == "f" and array.dtype.itemsize > 8
    array = array.astype("float64" if wide else array.dtype.newbyteorder("="), copy=False)
    # torch knows no strides below 0, and warns of memory that it may not write to
    return array if array.flags.writeable and min(array.strides, default=0) >= 0 else array.copy()


def _scalar_from(value: object, *, name: str) -> float:
    if isinstance(value, bool | str) or value is None or getattr(value, "ndim", None) not in (0, None):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        return float(value.detach() if isinstance(value, Tensor) else value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be a number, got {type(value).__name__}") from error
