from __future__ import annotations

import pytest

from gca_playground.views.labs import lab as lab_module
from gca_playground.views.labs.lab import Lab


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What the notebook says is running: the last of these."""
    said = [("", "")]
    monkeypatch.setattr(lab_module, "_OF_CELL", {})
    monkeypatch.setattr(lab_module, "_cell_and_run", lambda: said[-1])
    return said


def is_open(lab: Lab) -> bool:
    return lab.comm is not None


def test_a_cell_that_runs_again_closes_its_labs(runs):
    runs.append(("cell", "first run"))
    earlier = Lab(), Lab()
    assert all(map(is_open, earlier))
    runs.append(("cell", "second run"))
    lab = Lab()
    assert is_open(lab) and not any(map(is_open, earlier))


def test_other_cells_keep_theirs(runs):
    runs.append(("one cell", "a run"))
    kept = Lab()
    runs.append(("another cell", "a later run"))
    assert is_open(Lab()) and is_open(kept)


def test_outside_a_notebook_nothing_is_closed(runs):
    assert lab_module.get_ipython() is None
    labs = Lab(), Lab()
    assert all(map(is_open, labs))


def test_without_a_shell_there_is_no_cell():
    assert lab_module._cell_and_run() == ("", "")
