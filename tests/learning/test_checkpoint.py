from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import torch
from torch import nn

import gca_playground as gca
from gca_playground.learning.session import TrainingSession


def small(data: Any = None, **options: Any) -> TrainingSession:
    data = gca.datasets.load("moons", n=48, mismatched=0.25) if data is None else data
    return TrainingSession(data, **({"batch": 16, "measure_every": 2} | options))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"loss": "gca-uot", "epsilon": 0.3, "rho_rows": 0.4},
        {"loss": gca.Alignment(rows=0.3, cols=gca.Bounded(0.5, 2.0), steps=4)},
        {"learn_epsilon": True, "encoder": ("mlp", "linear"), "dim": 3, "head": 4, "sphere": False},
        {"seed": 3, "decay": 50, "lr": 0.02, "measure_every": None},
    ],
)
def test_what_is_read_goes_on_as_what_was_kept(tmp_path: Path, options: dict[str, Any]) -> None:
    session = small(**options)
    session.step(3)
    session.change(epsilon=0.25, lr=0.01)
    session.step(2)
    session.save(tmp_path / "run.pt")
    again = TrainingSession.load(tmp_path / "run.pt")
    assert again.steps == 5
    assert again.history.state() == session.history.state()
    session.step(4)
    again.step(4)
    assert again.history.losses == session.history.losses
    assert again.embed(session.data.x).equal(session.embed(session.data.x))
    session.reset()
    again.reset()
    session.step(3)
    again.step(3)
    assert again.history.losses == session.history.losses
    assert again.loss_name == session.loss_name
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def test_data_made_with_arrays_of_options_can_be_kept(tmp_path: Path) -> None:
    data = gca.datasets.load("gaussian", n=30, correlations=(np.float64(0.9), 0.5))
    small(data).save(tmp_path / "run.pt")
    assert TrainingSession.load(tmp_path / "run.pt").data.x.equal(data.x)


def test_what_has_no_name_must_be_given_again(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 2))
    parts = {
        "data": gca.datasets.from_arrays(x, x + 0.1),
        "loss": lambda z, w: (z - w).square().sum(),
        "encoder": nn.Linear(2, 2),
        "test": gca.datasets.from_arrays(x[:9], x[:9]),
    }
    session = small(**parts)
    session.step(3)
    session.save(tmp_path / "run.pt")
    again = TrainingSession.load(tmp_path / "run.pt", **parts)
    session.step(2)
    again.step(2)
    assert again.history.losses == session.history.losses
    for name in parts:
        rest = {key: part for key, part in parts.items() if key != name}
        with pytest.raises(ValueError, match=f"{name} is not in the file and must be given"):
            TrainingSession.load(tmp_path / "run.pt", **rest)
    with pytest.raises(ValueError, match=r"data with views of shape \[\[40, 2\], \[40, 2\]\], got \[\[9"):
        TrainingSession.load(tmp_path / "run.pt", **(parts | {"data": parts["test"]}))


def test_what_is_given_again_must_be_what_it_was(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 2))
    parts = {
        "data": gca.datasets.from_arrays(x, x + 0.1),
        "encoder": nn.Linear(2, 2),
        "test": gca.datasets.from_arrays(x[:9], x[:9]),
    }
    small(**parts).save(tmp_path / "run.pt")
    others = {
        "digest of the data": {"data": gca.datasets.from_arrays(x, x + 0.2)},
        "digest of the test": {"test": gca.datasets.from_arrays(x[:9], x[1:10])},
        r"networks .*bias \[2\] there, None here": {"encoder": nn.Linear(2, 2, bias=False)},
        r"networks .*weight \[2, 2\] there, \[3, 2\] here": {"encoder": nn.Linear(2, 3)},
    }
    for words, other in others.items():
        with pytest.raises(ValueError, match=f"the checkpoint is of another session: {words}"):
            TrainingSession.load(tmp_path / "run.pt", **(parts | other))
    assert TrainingSession.load(tmp_path / "run.pt", **parts).steps == 0


def test_what_the_file_has_is_not_given(tmp_path: Path) -> None:
    small().save(tmp_path / "run.pt")
    with pytest.raises(ValueError, match="loss is in the file: leave it out"):
        TrainingSession.load(tmp_path / "run.pt", loss="rince")
    with pytest.raises(ValueError, match=r"unknown part of a session 'los': did you mean 'loss'\?"):
        TrainingSession.load(tmp_path / "run.pt", los="rince")


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    torch.save({"format": 1, "state": Trap(tmp_path / "sprung")}, tmp_path / "trap.pt")
    with pytest.raises(ValueError, match=r"trap\.pt is no checkpoint"):
        TrainingSession.load(tmp_path / "trap.pt")
    assert not (tmp_path / "sprung").exists()


BROKEN = [b"", b"a", b"abc", b"words", b"a text\nof two lines\n", b"\0" * 99, b"\x80\x02}q.", b"PK\x03\x04 cut off"]


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_file_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"run\.pt is no checkpoint"):
        TrainingSession.load(tmp_path / "run.pt")


def test_a_file_that_is_cut_is_no_checkpoint(tmp_path: Path) -> None:
    small().save(tmp_path / "run.pt")
    whole = (tmp_path / "run.pt").read_bytes()
    ends = [1, 2, 3, 4, 30, 100, len(whole) // 3, len(whole) // 2, *(len(whole) - k for k in (5000, 200, 22, 10, 1))]
    for end in ends:
        (tmp_path / "run.pt").write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"run\.pt is no checkpoint"):
            TrainingSession.load(tmp_path / "run.pt")


def test_a_place_that_is_no_file_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"run\.pt cannot be written: there is no folder .*nowhere"):
        small().save(tmp_path / "nowhere" / "run.pt")
    with pytest.raises(IsADirectoryError):
        small().save(tmp_path)
    with pytest.raises(IsADirectoryError):
        TrainingSession.load(tmp_path)
    assert not [*tmp_path.iterdir(), *tmp_path.parent.glob(".*.part")]


def test_another_file_of_torchs_and_another_format_are_refused(tmp_path: Path) -> None:
    torch.save({"0.weight": torch.ones(2)}, tmp_path / "weights.pt")
    torch.save({"format": 99, "state": {}}, tmp_path / "later.pt")
    torch.save({"format": 2, "state": {}}, tmp_path / "half.pt")
    for name in ("weights.pt", "half.pt"):
        with pytest.raises(ValueError, match="no checkpoint of a training"):
            TrainingSession.load(tmp_path / name)
    with pytest.raises(ValueError, match="has format 99, this version reads format 2"):
        TrainingSession.load(tmp_path / "later.pt")
    with pytest.raises(FileNotFoundError):
        TrainingSession.load(tmp_path / "nothing.pt")


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = small()
    session.save(tmp_path / "run.pt")

    def full(written: object, file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", full)
    session.step()
    with pytest.raises(OSError, match="no space"):
        session.save(tmp_path / "run.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]
    assert TrainingSession.load(tmp_path / "run.pt").steps == 0
