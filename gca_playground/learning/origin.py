"""What a session was made of, in plain values: by this a state finds out whether a session is its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gca_playground.learning.pairs import Pairs

if TYPE_CHECKING:
    from gca_playground.learning.session import TrainingSession

AUTOMATIC = "automatic"
"""In place of a test set that the session chose."""


def origin_of(session: TrainingSession) -> dict[str, Any]:
    """Data, loss, networks and seed as they were at step 0.

    What has a name is written so that it can be made again; in place of a user's own arrays there is a digest, and of
    modules the shapes of what learns.
    """
    data, test = session.data, session.test
    return {
        "data": plain(data.recipe),
        "sizes": sizes(data),
        "digest of the data": digest(data),
        "test": AUTOMATIC if test is None else plain(test.recipe),
        "digest of the test": None if test is None else digest(test),
        "seed": session.seed,
        "loss": session.objective.to_dict(),
        "loss_name": session.loss_name,
        "encoder": session.encoder_name,
        "shape": plain(session.shape),
        "networks": _shapes(session.towers),
        "loss_module": _shapes(session.loss),
    }


def check(kept: Mapping[str, Any], session: TrainingSession, *, what: str, unasked: Iterable[str] = ()) -> None:
    """Whether ``kept``, with its "origin" and "state", can go on in this session; nothing is changed.

    Given: ``what`` it is, for the message; ``unasked``: names of the origin that may differ.
    Raises: ValueError for what is incomplete, and for another session, naming the first difference.
    """
    missing = session.state().keys() - kept["state"].keys()
    if missing:
        raise ValueError(f"the {what} is not whole: it has no {', '.join(sorted(missing))}")
    theirs, ours = ({k: v for k, v in one.items() if k not in unasked} for one in (kept["origin"], session.origin))
    found = _difference(theirs, ours, "")
    if found is not None:
        name, there, here = found
        raise ValueError(f"the {what} is of another session: {name} {there!r:.80} there, {here!r:.80} here")


def digest(data: Pairs) -> str | None:
    """A short name for the numbers of one's own arrays; None for data that ``load`` makes again.

    ``augment`` is no number: that it is the same is up to the caller.
    """
    if data.recipe is not None:
        return None
    summed = hashlib.blake2b(digest_size=8)
    for part in (data.x, data.second, data.partner, data.labels, data.domains):
        summed.update(b"none" if part is None else part.contiguous().numpy().data)
    return summed.hexdigest()


def sizes(data: Pairs) -> list[list[int]]:
    """The shapes of both views."""
    return [list(data.view1.shape), list(data.view2.shape)]


def plain(value: Any) -> Any:
    """Arrays and numpy's numbers as Python's own, which are all that a file may hold."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic | torch.Tensor) else value


def _shapes(module: torch.nn.Module) -> dict[str, list[int]]:
    """Of each parameter and buffer, once: encoders that share their weights differ here from encoders that do not."""
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: list(tensor.shape) for name, tensor in named}


def _difference(there: Any, here: Any, name: str) -> tuple[str, Any, Any] | None:
    """The first entry in which two nested dicts differ: its name, and both values; None where they are equal."""
    if not isinstance(there, dict) or not isinstance(here, dict):
        return None if there == here else (name, there, here)
    keys = dict.fromkeys([*here, *there])
    found = (_difference(there.get(key), here.get(key), f"{name} {key}".strip()) for key in keys)
    return next((one for one in found if one is not None), None)
