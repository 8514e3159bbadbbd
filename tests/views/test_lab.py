from __future__ import annotations

from typing import Any

import pytest

from gca_playground.views.labs import lab as lab_module
from gca_playground.views.labs.app import App
from gca_playground.views.labs.coupling import CouplingLab
from gca_playground.views.labs.gaussian import GaussianLab
from gca_playground.views.labs.lab import Lab
from gca_playground.views.labs.target import TargetLab
from gca_playground.views.labs.training import TrainingLab
from tests.views.hands import turn


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


# what a lab is called


@pytest.mark.parametrize(
    ("kind", "state", "told"),
    [
        (CouplingLab, {"data": {"name": "hubs", "n": 8}}, "CouplingLab(hubs, gca-ince, epsilon=0.1, steps=1)"),
        (
            CouplingLab,
            {"data": {"name": "hubs", "n": 8}, "alignment": {"total": True, "epsilon": 0.5}},
            "CouplingLab(hubs, joint, epsilon=0.5)",
        ),
        (
            CouplingLab,
            {"data": {"name": "hubs", "n": 8}, "alignment": {"steps": None, "divergence": "square"}},
            "CouplingLab(hubs, a loss of your own, epsilon=0.1, converged)",
        ),
        (
            TrainingLab,
            {"data": {"name": "moons"}, "sides": [{"loss": "infonce"}]},
            "TrainingLab(moons, infonce, epsilon=0.2, step 0)",
        ),
        (
            TrainingLab,
            {"data": {"name": "moons"}, "sides": [{"loss": "rince"}, {"loss": "gca-uot"}]},
            "TrainingLab(moons, rince, epsilon=0.2 | gca-uot, epsilon=0.2, step 0)",
        ),
        (TargetLab, None, "TargetLab(domains, gca-ince, epsilon=0.2, step 0)"),
        (
            GaussianLab,
            {"sigma": [0.8, 0.5], "loss": "joint"},
            "GaussianLab(sigma=[0.8, 0.5], joint, dot, rank=1)",
        ),
        (
            GaussianLab,
            {"sigma": [0.8], "loss": "square", "kappa": [0.5, 1.0]},
            "GaussianLab(sigma=[0.8], square, kappa=(0.5, 1), dot, rank=1)",
        ),
    ],
)
def test_a_lab_says_in_one_line_which_it_is(kind: Any, state: Any, told: str) -> None:
    lab = kind(state=state)
    assert repr(lab) == str(lab) == told and len(told) <= 110
    shown = lab._repr_mimebundle_()
    assert shown["text/plain"] == told and "application/vnd.jupyter.widget-view+json" in shown
    lab.close()
    assert told in repr([lab])


def test_the_line_follows_the_lab() -> None:
    lab = TrainingLab(state={"data": {"name": "moons", "options": {"n": 48}}, "batch": 24})
    lab.step(2)
    turn(lab, "left epsilon", 0.5)
    assert repr(lab) == "TrainingLab(moons, infonce, epsilon=0.5, step 2)"
    lab.close()


def test_a_lab_that_was_not_built_has_a_name_all_the_same() -> None:
    assert repr(Lab()) == "Lab()"


def test_the_page_of_all_labs_names_the_one_on_show() -> None:
    page = App({"coupling": CouplingLab}, "coupling", state={"data": {"name": "hubs", "n": 8}})
    assert repr(page) == "App(CouplingLab(hubs, gca-ince, epsilon=0.1, steps=1))"
    page.close()
