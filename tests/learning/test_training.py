import math
import subprocess
import sys
from typing import Any

import pytest
import torch

import gca_playground as gca
from gca_playground.learning.history import History

SMALL: dict[str, Any] = {"batch": 16, "epsilon": 0.2, "measure_every": 4, "progress": False}


def test_training_in_one_call_is_a_session_stepped_to_the_end() -> None:
    data = gca.datasets.load("moons", n=48)
    run = gca.train(data, steps=10, **SMALL)
    session = gca.TrainingSession(data, batch=16, epsilon=0.2, measure_every=4)
    session.step(10)
    assert run.history.losses == session.history.losses
    assert run.history["step"] == [0, 4, 8, 10]  # a last row, though 10 is no multiple of 4
    assert run.embed(data.x).equal(session.embed(data.x))
    assert not run.interrupted
    assert gca.train(data, steps=0, **SMALL).steps == 0
    with pytest.raises(ValueError, match="steps must be >= 0, got -1"):
        gca.train(data, steps=-1)


def test_history_has_a_number_for_every_curve_at_every_measurement() -> None:
    run = gca.train(gca.datasets.load("domains", n=48), loss="gca-ince", steps=8, **SMALL)
    curves = {"loss", "alignment", "uniformity", "knn", "linear_probe", "domain_probe", "effective_rank"}
    assert set(run.history.names) == curves | {"step", "row_error", "col_error", "entropy", "mass"}
    assert all(len(run.history[name]) == 3 for name in run.history.names)
    assert all(math.isfinite(value) for name in run.history.names for value in run.history[name])
    assert run.history.last["step"] == 8
    assert run.history.last["mass"] == pytest.approx(1)
    assert run.history.last["col_error"] < 1e-4 < run.history["row_error"][0]
    assert len(run.history.to_frame()) == 3
    assert repr(run.history).startswith("History(8 steps, measured 3 times: step, loss")
    with pytest.raises(KeyError, match="did you mean 'uniformity'"):
        run.history["uniformty"]


def test_a_row_measured_twice_is_kept_once() -> None:
    history = History()
    history.record(0, {"loss": 1.0})
    history.record(0, {"loss": 2.0})
    history.record(3, {"loss": 3.0, "new": 4.0})
    assert history["loss"] == [2.0, 3.0]
    assert math.isnan(history["new"][0])
    copy = History.from_state(history.state())
    copy.record(5, {"loss": 0.0, "new": 0.0})
    assert len(history) == 2


def test_an_interrupt_keeps_what_was_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    data = gca.datasets.load("moons", n=48)
    draws = iter(range(1000))

    def tired(z: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        if next(draws) == 6:
            raise KeyboardInterrupt
        return (z - w).square().sum()

    options = SMALL | {"epsilon": None}
    del options["epsilon"]
    with pytest.warns(RuntimeWarning, match="interrupted after 5 of 100 steps"):  # the first draw measures
        run = gca.train(data, loss=tired, steps=100, **(options | {"measure_every": 50}))
    assert run.interrupted
    assert run.steps == len(run.history.losses) == 5
    assert run.step(2) >= 0  # and it goes on


def test_the_bar_counts_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    gca.train(gca.datasets.load("moons", n=48), steps=5, **(SMALL | {"progress": True}))
    told = capsys.readouterr()
    assert "infonce: 100%" in told.err
    assert "5/5" in told.err
    assert told.out == ""
    gca.train(gca.datasets.load("moons", n=48), steps=5, **SMALL)
    assert capsys.readouterr().err == ""


def test_stepping_without_measuring_imports_nothing_heavy() -> None:
    code = (
        "import sys, gca_playground as gca;"
        "gca.TrainingSession(gca.datasets.load('moons', n=8), measure_every=None).step();"
        "print([name for name in ('sklearn', 'pandas', 'plotly') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
