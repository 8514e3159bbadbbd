"""Which points a training learns from, and which it is judged on."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from gca_playground.learning.datasets import TABLE, as_pairs, load
from gca_playground.learning.laws import generator
from gca_playground.learning.pairs import Pairs

LEAST = 2
"""Pairs to learn from: with one there is nothing to tell it from."""
HELD_OUT = 0.25
"""Share of one's own points that training does not see."""
MADE_ANEW = 512
"""Points of a made-up set to judge on: from the same law with another seed, all views whole and all pairs right."""
ANOTHER_SEED = 1_000_003
FOR_TRAINING: dict[str, dict[str, Any]] = {"digits": {"split": "train", "erase": 0.0, "grain": 0.15}}
"""What a data set's bare name means to a training: digits without holes and with more noise in each pixel, which make
better embeddings than the views that are nicer to look at."""


class Split(NamedTuple):
    """The rows of ``data`` to learn from, and the rows of ``test`` (perhaps the same set) to judge on."""

    data: Pairs
    rows: Int64[Tensor, " n"]
    test: Pairs
    test_rows: Int64[Tensor, " m"]


def for_training(data: object) -> Pairs:
    """A data set's name, or ``Pairs``, as what a training learns from. Raises: TypeError, ValueError."""
    if isinstance(data, str) and data in TABLE:
        return load(data, **FOR_TRAINING.get(data, {}))
    return as_pairs(data)


def split(data: Pairs, test: Pairs | None, *, seed: int) -> Split:
    """Which points to learn from and which to judge on.

    ``test`` if it is given; else the test split for the train split of digits, new points from the same law for other
    sets made by ``load``; else a seeded quarter of the points, which training then never sees.
    Raises: ValueError where fewer than two pairs are left to learn from, or the test is of another space.
    """
    test = _unseen(data) if test is None else test
    if test is not None:
        _same_space(data, test)
        return _enough(Split(data, torch.arange(len(data)), test, torch.arange(len(test))))
    order = torch.randperm(len(data), generator=generator(seed, "held out"))
    held = max(1, round(HELD_OUT * len(data)))
    return _enough(Split(data, order[held:].sort().values, data, order[:held].sort().values))


def _unseen(data: Pairs) -> Pairs | None:
    recipe = data.recipe
    if recipe is None:
        return None
    clean = recipe | dict.fromkeys(("mismatched", "swapped", "missing", "strays"), 0.0)
    if "split" in TABLE[recipe["name"]].options:
        return load(**clean | {"split": "test", "n": None}) if recipe.get("split") == "train" else None
    return load(**clean | {"n": MADE_ANEW, "seed": recipe["seed"] + ANOTHER_SEED})


def _enough(parts: Split) -> Split:
    if len(parts.rows) < LEAST:
        held = len(parts.data) - len(parts.rows)
        told = f"{len(parts.data)} in the data" + (f", {held} of them held out to judge on" if held else "")
        raise ValueError(f"there must be at least {LEAST} pairs to learn from, got {len(parts.rows)}: {told}")
    return parts


def _same_space(data: Pairs, test: Pairs) -> None:
    ours, theirs = ((one.view1.shape[1], one.view2.shape[1]) for one in (data, test))
    if ours != theirs:
        raise ValueError(f"test must have views of {ours} dimensions like the data, got {theirs}")
