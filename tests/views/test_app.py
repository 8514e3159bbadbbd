from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from gca_playground.views.labs import CouplingLab, GaussianLab, TrainingLab
from gca_playground.views.labs import lab as lab_module
from gca_playground.views.labs.app import App
from gca_playground.views.labs.link import LABS, app

HUBS = {"data": {"name": "hubs", "n": 16}}
GAUSSIAN = {"lab": "gaussian", "loss": "joint", "batch": 32}


def message(made: App) -> str:
    return made.lab.guard.box.value


def asked(state: object) -> str:
    return "?state=" + quote(json.dumps(state))


def test_every_lab_says_what_it_is():
    for kind in LABS.values():
        assert kind.title_text and kind.about
    assert len({kind.title_text for kind in LABS.values()}) == len(LABS)


@pytest.mark.parametrize(
    ("query", "kind"),
    [("", CouplingLab), ("?lab=gaussian", GaussianLab), (asked(GAUSSIAN), GaussianLab), (asked(HUBS), CouplingLab)],
)
def test_an_address_opens_its_lab(query, kind):
    made = app(query)
    assert type(made.lab) is kind and message(made) == ""
    assert made.children == (made.chooser, made.lab) and LABS[made.chooser.chosen] is kind
    made.close()


@pytest.mark.parametrize(
    ("query", "said"),
    [("?lab=gausian", "gaussian"), (asked({"lab": "nothing"}), "nothing"), (asked([1]), "state"), ("?state={", "JSON")],
)
def test_an_address_of_nothing_opens_the_first_lab_and_says_so(query, said):
    made = app(query)
    assert type(made.lab) is CouplingLab
    assert "could not be followed" in message(made) and said in message(made)
    made.close()


def test_a_lab_is_built_when_it_is_chosen_and_closed_when_it_is_left():
    built = []

    class Training(TrainingLab):
        def __init__(self, **given):
            built.append(self)
            super().__init__(**given)

    made = App({"gaussian": GaussianLab, "training": Training}, "gaussian", state=GAUSSIAN)
    first = made.lab
    assert not built
    made.choose("training")
    assert [made.lab] == built and made.children[1] is made.lab
    assert first.comm is None
    training = made.lab
    made.choose("gaussian")
    assert training.comm is None and not training.loop.running
    assert made.lab.state == GaussianLab.from_state(GAUSSIAN).state  # as it was left
    made.close()
    assert made.comm is made.lab.comm is made.chooser.comm is None


def test_there_is_no_other_lab():
    made = App(LABS, "gaussian")
    with pytest.raises(ValueError, match="training"):
        made.choose("trainin")
    assert made.chooser.chosen == "gaussian"
    with pytest.raises(ValueError, match="gaussian"):
        App(LABS, "gausian")
    made.close()


def test_a_lab_that_cannot_be_built_leaves_the_one_that_is_there(monkeypatch):
    def broken(*, state):
        raise ValueError("no data today")

    broken.title_text, broken.about = "Broken", "never opens"
    made = App({"gaussian": GaussianLab, "broken": broken}, "gaussian")
    first = made.lab
    made.chooser.chosen = "broken"
    assert made.lab is first and first.comm is not None
    assert "no data today" in message(made)
    assert made.chooser.chosen == "gaussian"
    made.close()


def test_a_cell_that_runs_again_closes_the_whole_app(monkeypatch):
    run = iter(("one", "one", "two", "two"))
    monkeypatch.setattr(lab_module, "_OF_CELL", {})
    monkeypatch.setattr(lab_module, "_cell_and_run", lambda: ("cell", next(run)))
    first = App(LABS, "gaussian")
    monkeypatch.setattr(lab_module, "_cell_and_run", lambda: ("", ""))  # a click is no cell
    first.choose("training")
    monkeypatch.setattr(lab_module, "_cell_and_run", lambda: ("cell", next(run)))
    second = App(LABS, "gaussian")
    assert first.comm is None and first.lab.comm is None and not first.lab.loop.running
    assert second.comm is not None and second.lab.comm is not None
    second.close()
