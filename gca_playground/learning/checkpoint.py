"""A session in a file: tensors, numbers and words, read without running any code.

What has a name (a data set, an encoder, a loss of the family) is written down and made again; a user's own arrays,
modules and functions are not in the file, and are asked for by name when it is read.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import torch

from gca_playground.learning import datasets
from gca_playground.learning.objective import Objective
from gca_playground.learning.origin import AUTOMATIC, sizes

if TYPE_CHECKING:
    from gca_playground.learning.session import TrainingSession

FORMAT = 2
"""Of the file: count up when what is in it changes."""
PARTS = {"format", "origin", "measure_every", "state"}
GIVEN_AGAIN = ("loss", "loss_name")
"""What a reader need not compare: a loss with a name is made from the file, a function may be called anything."""


def save(session: TrainingSession, path: Path) -> None:
    """Write the session; a reader never sees half a file. Raises: OSError where there is no place for it."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {path.parent}")
    kept = {"format": FORMAT, "origin": session.origin, "measure_every": session.measure_every}
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        with part.open("wb") as file:
            torch.save(kept | {"state": session.state()}, file)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read(path: Path) -> dict[str, Any]:
    """What ``save`` wrote. Raises: OSError where nothing can be read; ValueError for a file that is something else."""
    content = io.BytesIO(path.read_bytes())
    try:
        written = torch.load(content, map_location="cpu", weights_only=True)
    except Exception as error:  # in memory only the content can be at fault, and torch names no law for what it raises
        raise ValueError(f"{path} is no checkpoint of a training ({type(error).__name__})") from error
    if isinstance(written, dict) and written.get("format", FORMAT) != FORMAT:
        raise ValueError(f"{path} has format {written['format']!r}, this version reads format {FORMAT}")
    if not isinstance(written, dict) or not written.keys() >= PARTS:
        raise ValueError(f"{path} is no checkpoint of a training")
    return written


def arguments(written: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What a session is made of: from the file, or ``given`` by the caller where the file cannot hold it.

    Raises: ValueError that names what is to be given, or what is given though the file has it.
    """
    origin = written["origin"]
    kept = {name: origin[name] for name in ("data", "loss", "encoder", "test")}
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
    _check_sizes(origin["sizes"], made["data"])
    return made | origin["shape"] | {"seed": origin["seed"], "measure_every": written["measure_every"]}


def _test(written: Any) -> Any:
    return None if written == AUTOMATIC else datasets.load(**written)


def _check_sizes(expected: list[list[int]], data: object) -> None:
    """Before a session is made of the data, which would complain of something else."""
    found = sizes(data) if isinstance(data, datasets.Pairs) else None
    if found != expected:
        raise ValueError(f"the training had data with views of shape {expected}, got {found or data!r:.60}")
