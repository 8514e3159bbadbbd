"""What a value of this floor must obey, said in words, and the seeded generators all of it draws from."""

import math
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from numbers import Real

import numpy as np
import torch

from gca_playground._boundary import as_count, as_float_tensor, near


def real(name: str, value: object, *, high: float = math.inf, open_end: bool = False) -> float:
    """``value`` as a finite float in [0, high], or [0, high) with ``open_end``; ValueError otherwise."""
    interval = "finite and >= 0" if high == math.inf else f"in [0, {high:g}{')' if open_end else ']'}"
    number = float(value) if not isinstance(value, bool) and isinstance(value, Real) else math.nan
    if not math.isfinite(number) or not 0 <= number <= high or (open_end and number == high):
        raise ValueError(f"{name} must be {interval}, got {value!r}")
    return number


def known(what: str, name: object, names: Iterable[str]) -> str:
    """``name`` if it is one of ``names``; otherwise a ValueError that offers the nearest, and all of them."""
    names = tuple(names)
    if isinstance(name, str) and name in names:
        return name
    raise ValueError(near(name, names, what=what) if names else f"unknown {what} {name!r}: it takes none")


def as_rows(value: object, *, name: str, width: int) -> torch.Tensor:
    """Finite points as a tensor (n, width).

    Raises: TypeError for what is no array; ValueError that names both shapes, or how many numbers are not finite.
    """
    points = as_float_tensor(value, name=name)
    if points.ndim != 2 or points.shape[1] != width:
        raise ValueError(f"{name} must have shape (n, {width}), got {tuple(points.shape)}")
    return finite(points, name=name)


def finite(tensor: torch.Tensor, *, name: str) -> torch.Tensor:
    """The tensor. Raises: ValueError where a number in it is NaN or infinite."""
    if not tensor.isfinite().all():
        raise ValueError(f"{name} must be finite, got {int((~tensor.isfinite()).sum())} NaN or infinite numbers")
    return tensor


def as_device(value: object) -> torch.device:
    """A device that this machine can compute on. Raises: TypeError, ValueError that names the value and the reason."""
    if not isinstance(value, str | int | torch.device) or isinstance(value, bool):
        raise TypeError(f"device must be a name such as 'cpu' or 'cuda', or a torch.device, got {value!r}")
    try:
        device = torch.device(value)
        torch.ones(1, device=device).item()  # only now torch says whether the device is there
    except (RuntimeError, AssertionError, ImportError) as error:
        told = f"{value!r}: {str(error).splitlines()[0]}"
        raise ValueError(f"device must be one that works on this machine, such as 'cpu', got {told}") from error
    return device


def generator(seed: object, stream: str) -> torch.Generator:
    """A CPU generator of its own for each (seed, stream): no global state is read or written.

    Streams are independent, so that one knob (the mismatched rate, say) does not redraw what another
    decides. Raises TypeError or ValueError where seed is no int >= 0.
    """
    entropy = np.random.SeedSequence((as_count(seed, name="seed", least=0), zlib.crc32(stream.encode())))
    return torch.Generator().manual_seed(int(entropy.generate_state(1)[0]))


@contextmanager
def own_chance(seed: int, stream: str, device: torch.device) -> Iterator[None]:
    """Within, torch's global streams start from (seed, stream), as in dropout; afterwards they are as they were."""
    number, gpus = generator(seed, stream).initial_seed(), [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(number)
        for gpu in gpus:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(number)
        yield
