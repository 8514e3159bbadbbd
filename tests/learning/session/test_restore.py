"""Whose snapshot a session takes, and that it stays as it was where it takes none."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gca_playground as gca
from gca_playground.learning.session import TrainingSession
from tests.learning.session.small import small, taken, weights

NUMBERS = np.random.default_rng(0).normal(size=(40, 2))


def arrays(x: Any = NUMBERS, **options: Any) -> gca.datasets.Pairs:
    return gca.datasets.from_arrays(x, x + 0.1, **options)


def swapped(x: Any) -> Any:
    return np.concatenate([x[1:2], x[:1], x[2:]])


def squares(z: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return (z - w).square().sum()


def lengths(z: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return (z - w).norm()


def refused(session: TrainingSession, snapshot: Any, words: str, error: type[Exception] = ValueError) -> None:
    """An error in words, and the next steps are those of a session that was never asked."""
    untouched = copy.deepcopy(session)
    with pytest.raises(error, match=words):
        session.restore(snapshot)
    assert session.steps == untouched.steps
    assert session.loss_name == untouched.loss_name
    assert weights(session).equal(weights(untouched))
    assert taken(session, 2) == taken(untouched, 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"head": 4, "dim": 3}, "of another session: shape dim 3 there, None here"),
        ({"head": 4}, "shape head 4 there, None here"),
        ({"sphere": False}, "shape sphere False there, True here"),
        ({"data": gca.datasets.load("blobs", n=48), "loss": "gca-uot"}, "data name 'blobs' there, 'moons' here"),
        ({"data": gca.datasets.load("moons", n=48, seed=1)}, "data seed 1 there, 0 here"),
        ({"data": gca.datasets.load("moons", n=49)}, "data n 49 there, 48 here"),
        ({"test": gca.datasets.load("moons", n=30, seed=8)}, "test .* there, 'automatic' here"),
        ({"loss": "gca-ince"}, "loss alignment cols 'exact' there, 'free' here"),
        ({"epsilon": 0.3}, r"loss alignment epsilon 0\.3 there, 0\.2 here"),
        ({"encoder": "linear"}, "encoder 'linear' there, 'mlp' here"),
        ({"encoder": ("mlp", "mlp")}, r"encoder \['mlp', 'mlp'\] there, 'mlp' here"),
        ({"seed": 1}, "seed 1 there, 0 here"),
    ],
)
def test_the_snapshot_of_a_stranger_is_refused_and_changes_nothing(options: dict[str, Any], words: str) -> None:
    session, stranger = small(), small(**options)
    session.step(2)
    refused(session, stranger.snapshot(), words)


@pytest.mark.parametrize("x", [NUMBERS + 1e-6, swapped(NUMBERS)], ids=["another number", "another order"])
def test_ones_own_arrays_are_known_by_their_numbers(x: Any) -> None:
    session = small(arrays())
    refused(session, small(arrays(x)).snapshot(), "digest of the data '[0-9a-f]{16}' there, '[0-9a-f]{16}' here")
    refused(session, small(arrays(labels=np.arange(40) % 2)).snapshot(), "digest of the data")
    refused(session, small(arrays(domains=np.arange(40) % 2)).snapshot(), "digest of the data")
    tested = small(arrays(), test=arrays())
    refused(tested, small(arrays(), test=arrays(x)).snapshot(), "digest of the test")


def test_modules_are_known_by_their_shapes_and_functions_by_their_names() -> None:
    wide, narrow = (small(encoder=nn.Sequential(nn.Linear(2, k), nn.Linear(k, 2))) for k in (5, 3))
    refused(narrow, wide.snapshot(), r"networks first.*weight \[5, 2\] there, \[3, 2\] here")
    net = nn.Linear(2, 2)
    refused(small(encoder=net), small(encoder=(net, net)).snapshot(), "networks second.* there, None here")
    one, other = (TrainingSession(arrays(), loss=f, batch=16, measure_every=None) for f in (squares, lengths))
    refused(one, other.snapshot(), "loss_name 'lengths' there, 'squares' here")


@pytest.mark.parametrize("options", [{}, {"data": arrays()}, {"encoder": nn.Linear(2, 3)}, {"learn_epsilon": True}])
def test_the_snapshot_of_a_session_made_alike_is_as_good_as_its_own(options: dict[str, Any]) -> None:
    first, second = small(**options), small(**options)
    first.step(3)
    first.change(epsilon=0.4, lr=0.02)
    second.step(1)
    second.restore(first.snapshot())
    assert taken(second) == taken(first)


def test_what_is_no_whole_snapshot_is_refused() -> None:
    session = small()
    for nothing in ({}, None, session.state(), "snapshot"):
        refused(session, nothing, "restore takes what snapshot returned, got", TypeError)
    kept = session.snapshot()
    del kept["state"]["optimiser"], kept["state"]["views"]
    refused(session, kept, "the snapshot is not whole: it has no optimiser, views")


def test_a_loaded_session_measures_as_often(tmp_path: Path) -> None:
    for every in (3, None):
        session = small(measure_every=every)
        session.save(tmp_path / "run.pt")
        assert TrainingSession.load(tmp_path / "run.pt").measure_every == every
