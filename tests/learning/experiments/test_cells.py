import builtins
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import gca_playground as gca
from gca_playground.learning.experiments.cells import grid, run, summary


class Counted:
    """A cell that says how often it was asked, and may be interrupted."""

    def __init__(self, stop: int | None = None) -> None:
        self.asked: list[Any] = []
        self.stop = stop

    def __call__(self, *, loss: str, seed: int) -> dict[str, float]:
        if len(self.asked) == self.stop:
            raise KeyboardInterrupt
        self.asked.append((loss, seed))
        return {"length": float(len(loss) + seed)}


CELLS = grid(loss=("a", "bcd"), seed=range(3))


def test_a_grid_is_every_combination_the_last_axis_fastest() -> None:
    assert [tuple(cell.values()) for cell in CELLS] == [
        ("a", 0),
        ("a", 1),
        ("a", 2),
        ("bcd", 0),
        ("bcd", 1),
        ("bcd", 2),
    ]
    assert grid() == [{}]


def test_an_axis_is_a_sequence_of_values() -> None:
    assert grid(loss=(name for name in "ab"), seed=[1]) == [{"loss": "a", "seed": 1}, {"loss": "b", "seed": 1}]
    for alone in (0.4, "infonce", None):
        words = f"the axis 'rate' must be a sequence of values, such as ({alone!r},), got {alone!r}"
        with pytest.raises(TypeError, match=re.escape(words)):
            grid(rate=alone, seed=range(3))
    with pytest.raises(ValueError, match=re.escape("the axis 'loss' must have at least one value, got ()")):
        grid(loss=(), seed=range(3))


@pytest.mark.parametrize(
    ("table", "axis", "knob"),
    [
        ("noise", "rate", "rates"),
        ("noise", "loss", "losses"),
        ("prior", "difference", "differences"),
        ("relaxation", "epsilon", "epsilons"),
        ("relaxation", "half_steps", "half_steps"),
        ("digits", "dim", "dims"),
        ("digits", "loss", "losses"),
        ("crossmodal_digits", "loss", "losses"),
        ("drifters", "tracers", "tracers"),
        ("drifters", "tilting", "tiltings"),
        ("drifters", "loss", "losses"),
    ],
)
def test_every_experiment_says_which_of_its_axes_is_none(table: str, axis: str, knob: str) -> None:
    quick: dict[str, Any] = {"seeds": 1, "steps": 1, "progress": False}
    with pytest.raises(ValueError, match=f"the axis '{axis}' must have at least one value"):
        getattr(gca.experiments, table)(**quick, **{knob: ()})
    if axis in ("loss", "tilting"):
        with pytest.raises(TypeError, match=f"the axis '{axis}' must be a sequence of values, such as"):
            getattr(gca.experiments, table)(**quick, **{knob: "dot"})


def test_a_table_has_a_row_a_cell_with_its_knobs() -> None:
    table = run("lengths", Counted(), CELLS, progress=False)
    assert list(table.columns) == ["loss", "seed", "length"]
    assert table["length"].tolist() == [1, 2, 3, 3, 4, 5]


def test_finished_cells_are_not_computed_again(tmp_path: Path) -> None:
    first, again = Counted(), Counted()
    table = run("lengths", first, CELLS, folder=tmp_path, progress=False)
    assert run("lengths", again, CELLS, folder=tmp_path, progress=False).equals(table)
    assert (len(first.asked), len(again.asked)) == (6, 0)
    run("others", again, CELLS, folder=tmp_path, progress=False)
    assert len(again.asked) == 6
    run("lengths", again, grid(loss=("a",), seed=(7,)), folder=tmp_path, progress=False)
    assert again.asked[-1] == ("a", 7)


def test_an_interrupt_loses_the_cell_under_way_and_no_other(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run("lengths", Counted(stop=4), CELLS, folder=tmp_path, progress=False)
    rest = Counted()
    table = run("lengths", rest, CELLS, folder=tmp_path, progress=False)
    assert rest.asked == [("bcd", 1), ("bcd", 2)]
    assert len(table) == 6


@pytest.mark.parametrize("content", ["", "{", "[]", '{"knobs": {"loss": "other"}, "found": {}}'])
def test_a_spoilt_cell_is_computed_anew(tmp_path: Path, content: str) -> None:
    run("lengths", Counted(), CELLS, folder=tmp_path, progress=False)
    for path in tmp_path.iterdir():
        path.write_text(content)
    again = Counted()
    run("lengths", again, CELLS, folder=tmp_path, progress=False)
    assert len(again.asked) == 6
    assert not list(tmp_path.glob("*.part"))


def test_a_summary_gives_mean_deviation_and_count() -> None:
    table = summary(run("lengths", Counted(), CELLS, progress=False), ("loss",), ("length",))
    assert table.to_dict("records") == [
        {"loss": "a", "length": 2.0, "length_sd": 1.0, "seeds": 3},
        {"loss": "bcd", "length": 4.0, "length_sd": 1.0, "seeds": 3},
    ]
    one = summary(run("lengths", Counted(), CELLS[:1], progress=False), ("loss",), ("length",))
    assert one["length_sd"].isna().all()


def test_a_summary_hides_no_seed_that_failed() -> None:
    table = pd.DataFrame({"loss": ["a", "a", "b", "b"], "length": [1.0, math.nan, 1.0, 3.0]})
    failed, fine = summary(table, ("loss",), ("length",)).to_dict("records")
    assert math.isnan(failed["length"]) and math.isnan(failed["length_sd"]) and failed["seeds"] == 2
    assert (fine["length"], fine["length_sd"]) == (2.0, math.sqrt(2))


def test_the_bar_counts_cells(capsys: pytest.CaptureFixture[str]) -> None:
    run("lengths", Counted(), CELLS)
    assert "lengths: 100%" in capsys.readouterr().err


def test_without_pandas_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def poor(name: str, *rest: Any) -> Any:
        if name == "pandas":
            raise ImportError("No module named 'pandas'")
        return real_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", poor)
    with pytest.raises(ImportError, match="a table needs pandas: python -m pip install pandas"):
        gca.experiments.noise(seeds=1, steps=1, losses=("infonce",), rates=(0.0,), progress=False)
