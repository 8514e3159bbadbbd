"""A session in a file: tensors, numbers and words, read without running any code.

What has a name (a data set, an encoder, a loss of the family) is written down and made again; a user's own arrays,
modules and functions are not in the file, and are asked for by name when it is read.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import torch

from gca_playground.learning import datasets
from gca_playground.learning.objective import Objective

if TYPE_CHECKING:
    from gca_playground.learning.session import TrainingSession

FORMAT = 1
"""Of the file: count up when what is in it changes."""
AUTOMATIC = "automatic"


def save(session: TrainingSession, path: Path) -> None:
    """Write the session; a reader never sees half a file."""
    written = {"format": FORMAT, **_description(session), "state": session.state()}
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        torch.save(written, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read(path: Path) -> dict[str, Any]:
    """What ``save`` wrote. Raises: FileNotFoundError; ValueError for a file that is something else."""
    try:
        written = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} is no checkpoint of a training ({type(error).__name__})") from error
    if not isinstance(written, dict) or "state" not in written or "format" not in written:
        raise ValueError(f"{path} is no checkpoint of a training")
    if written["format"] != FORMAT:
        raise ValueError(f"{path} has format {written['format']!r}, this version reads format {FORMAT}")
    return written


def arguments(written: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What a session is made of: from the file, or ``given`` by the caller where the file cannot hold it.

    Raises: ValueError that names what is to be given, or what is given though the file has it.
    """
    kept = {name: written[name] for name in ("data", "loss", "encoder", "test")}
    for name, value in given.items():
        if (kept[name] is None) == (value is None):
            what = "is not in the file and must be given" if value is None else "is in the file: leave it out"
            raise ValueError(f"{name} {what}")
    made = {
        "data": given["data"] if kept["data"] is None else datasets.load(**kept["data"]),
        "loss": given["loss"] if kept["loss"] is None else Objective.from_dict(kept["loss"]),
        "encoder": given["encoder"] if kept["encoder"] is None else kept["encoder"],
        "test": given["test"] if kept["test"] is None else _test(kept["test"]),
    }
    _check_sizes(written["sizes"], made["data"])
    return made | written["shape"] | {"seed": written["seed"], "measure_every": written["measure_every"]}


def _description(session: TrainingSession) -> dict[str, Any]:
    data, test = session.data, session.split.test
    automatic = session.test is None
    return {
        "data": _plain(data.recipe),
        "sizes": _sizes(data),
        "test": AUTOMATIC if automatic else _plain(test.recipe),
        "loss": session.first_objective.to_dict(),
        "encoder": session.encoder_name,
        "shape": session.shape,
        "seed": session.seed,
        "measure_every": session.measure_every,
    }


def _test(written: Any) -> Any:
    return None if written == AUTOMATIC else datasets.load(**written)


def _sizes(data: datasets.Pairs) -> list[list[int]]:
    return [list(data.view1.shape), list(data.view2.shape)]


def _check_sizes(sizes: list[list[int]], data: object) -> None:
    found = _sizes(data) if isinstance(data, datasets.Pairs) else None
    if found != sizes:
        raise ValueError(f"the training had data with views of shape {sizes}, got {found or data!r:.60}")


def _plain(value: Any) -> Any:
    """Arrays and numpy's numbers as Python's own, which are all that the file may hold."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic | torch.Tensor) else value
