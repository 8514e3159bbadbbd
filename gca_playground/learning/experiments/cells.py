"""A table made cell by cell: finished cells stay in a folder, so that an interrupted sweep goes on where it stopped."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tqdm.auto import tqdm

if TYPE_CHECKING:
    import pandas as pd

Knobs = dict[str, Any]
Cell = Callable[..., dict[str, float]]
FORMAT = 1
"""Of a finished cell: count up when what a cell computes has changed."""


def grid(**axes: object) -> list[Knobs]:
    """Every combination: ``grid(loss=("infonce", "rince"), seed=range(3))`` is six dicts, the last axis fastest.

    Raises: TypeError for an axis that is no sequence of values, ValueError for an empty one.
    """
    values = [_axis(name, given) for name, given in axes.items()]
    return [dict(zip(axes, cell, strict=True)) for cell in itertools.product(*values)]


def run(
    name: str, cell: Cell, cells: Sequence[Knobs], *, folder: str | Path | None = None, progress: bool = True
) -> pd.DataFrame:
    """Compute every cell and return a table: its knobs, then the numbers that ``cell(**knobs)`` found.

    Given: ``name`` and ``folder``: where a finished cell is kept (``folder/name-....json``) and looked for; None: it is
    not kept. ``progress``: a bar with the time left. An interrupt loses the cell under way and no other.
    Raises: ImportError with what to install where pandas is not there.
    """
    frame = _pandas().DataFrame
    place, rows = None if folder is None else Path(folder), []
    with tqdm(total=len(cells), desc=name, unit="cell", disable=not progress) as bar:
        for knobs in cells:
            rows.append(knobs | _computed(name, cell, knobs, place))
            bar.update()
    return frame(rows)


def summary(table: pd.DataFrame, by: Sequence[str], values: Sequence[str]) -> pd.DataFrame:
    """Mean and standard deviation (over n - 1) of some columns for each combination of ``by``, and how many there are.

    One NaN among the seeds makes NaN of both: a mean of fewer seeds would not say so.
    Columns: ``by``, then ``value`` and ``value_sd`` for each of the values, then ``seeds``.
    """
    rows = []
    for key, group in table.groupby(list(by), sort=False, dropna=False):
        row = dict(zip(by, key, strict=True))
        for value in values:
            found = group[value]
            row |= {value: float(found.mean(skipna=False)), f"{value}_sd": float(found.std(ddof=1, skipna=False))}
        rows.append(row | {"seeds": len(group)})
    return _pandas().DataFrame(rows)


def _axis(name: str, values: object) -> tuple[Any, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"the axis {name!r} must be a sequence of values, such as ({values!r},), got {values!r}")
    found = tuple(values)
    if not found:
        raise ValueError(f"the axis {name!r} must have at least one value, got {values!r}")
    return found


def _computed(name: str, cell: Cell, knobs: Knobs, folder: Path | None) -> dict[str, float]:
    path = None if folder is None else folder / f"{name}-{_key(knobs)}.json"
    found = _read(path, knobs)
    if found is None:
        found = cell(**knobs)
        _write(path, knobs, found)
    return found


def _key(knobs: Knobs) -> str:
    text = json.dumps({"format": FORMAT, **knobs}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(path: Path | None, knobs: Knobs) -> dict[str, float] | None:
    """A finished cell; None where there is none, or only something that cannot be read."""
    try:
        written = json.loads(path.read_text()) if path is not None else None
        return written["found"] if written and written["knobs"] == json.loads(json.dumps(knobs)) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path | None, knobs: Knobs, found: dict[str, float]) -> None:
    """Keep a finished cell; a reader never sees half of it."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{uuid4().hex}.part")
    try:
        part.write_text(json.dumps({"knobs": knobs, "found": found}))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise ImportError("a table needs pandas: python -m pip install pandas") from error
    return pandas
