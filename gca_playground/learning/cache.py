"""Trained weights kept on disk between sessions: a convenience that may fail without a word."""

import os
from pathlib import Path
from uuid import uuid4

import torch
from torch import Tensor

Weights = dict[str, Tensor]


def folder() -> Path:
    """The user's cache folder for this package: below XDG_CACHE_HOME if absolute, else ~/.cache."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "gca_playground"


def read(key: str) -> Weights | None:
    """The weights stored under ``key``; None where there are none, or nothing usable."""
    try:
        weights = torch.load(folder() / f"{key}.pt", map_location="cpu", weights_only=True)
    except Exception:  # whatever is wrong with a file in a cache, the answer is to make it anew
        return None
    return weights if _usable(weights) else None


def write(key: str, weights: Weights) -> None:
    """Store the weights under ``key`` if that is possible; a reader never sees half a file."""
    try:
        folder().mkdir(parents=True, exist_ok=True)
        _replace(folder() / f"{key}.pt", weights)
    except (OSError, RuntimeError):  # read-only, full, no home: then train again next time
        return


def _replace(path: Path, weights: Weights) -> None:
    part = path.with_suffix(f".{uuid4().hex}.part")
    try:
        torch.save(weights, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _usable(weights: object) -> bool:
    return isinstance(weights, dict) and all(
        isinstance(name, str) and isinstance(value, Tensor) and bool(value.isfinite().all())
        for name, value in weights.items()
    )
