"""What is saved and linked, without a browser: the table, the message for it, the link."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gca_playground.views.controls import CopyButton
from gca_playground.views.export import ExportButton
from gca_playground.views.labs import table
from gca_playground.views.labs.address import link, state_of
from gca_playground.views.labs.coupling import CouplingLab
from gca_playground.views.labs.table import HEADS, as_csv

HUBS = {"data": {"name": "hubs", "n": 9}, "alignment": {"steps": 3}}
CSV = [("data (CSV)", "csv", "")]


def columns(text: str) -> dict[str, list[str]]:
    heads, *rows = csv.reader(io.StringIO(text))
    assert tuple(heads) == HEADS and all(len(row) == len(heads) for row in rows)
    return {head: [row[k] for row in rows] for k, head in enumerate(heads)}


def asked(button: ExportButton, content: Any = None) -> list[dict[str, Any]]:
    """What Python answers when the browser sends this message."""
    answers: list[dict[str, Any]] = []
    button.send = lambda content, buffers=None: answers.append(content)
    button._handle_custom_msg({"type": "csv"} if content is None else content, [])
    return answers


def own_lab(n: int, m: int) -> CouplingLab:
    draw = np.random.default_rng(0)
    return CouplingLab(draw.normal(size=(n, 3)), draw.normal(size=(m, 3)))


# the table


@pytest.mark.parametrize("knobs", [{"steps": 3}, {"steps": None, "rows": 0.5}, {"total": True}, {"steps": 0}])
def test_the_table_holds_the_numbers_of_the_scene(knobs: dict[str, Any]) -> None:
    scene = CouplingLab(state=HUBS | {"alignment": knobs}).scene
    held = columns(as_csv(scene))
    numbers = {
        "index": np.arange(9),
        "row_x": scene.cloud.ends[0][:, 0],
        "row_y": scene.cloud.ends[0][:, 1],
        "column_x": scene.cloud.ends[1][:, 0],
        "column_y": scene.cloud.ends[1][:, 1],
        "row_sum": scene.plan.row_sums.numpy(),
        "column_sum": scene.plan.col_sums.numpy(),
        "own_pair": scene.plan.matrix.diagonal().numpy(),
        "f": scene.plan.f.numpy(),
        "g": scene.plan.g.numpy(),
    }
    for name, expected in numbers.items():
        assert np.allclose(np.array(held[name], float), expected, rtol=1e-12, atol=1e-14), name
    assert held["row_class"] == [str(label) for label in scene.cloud.labels or []]
    assert held["column_class"] == [str(label) for label in scene.cloud.labels_w or []]
    assert {*numbers, "row_class", "column_class"} == set(HEADS)


@pytest.mark.parametrize(("n", "m"), [(5, 7), (7, 5)])
def test_what_a_side_does_not_have_is_blank(n: int, m: int) -> None:
    held = columns(as_csv(own_lab(n, m).scene))
    filled = {name: sum(map(bool, values)) for name, values in held.items()}
    assert {filled[name] for name in ("row_x", "row_y", "row_sum", "f")} == {n}
    assert {filled[name] for name in ("column_x", "column_y", "column_sum", "g")} == {m}
    assert {filled[name] for name in ("own_pair", "row_class", "column_class")} == {0}
    assert held["index"] == [str(k) for k in range(7)]


def test_labels_may_hold_anything() -> None:
    words = ['a, "b"', "c\nd", "é", "e"]
    lab = CouplingLab(np.eye(4), np.eye(4), labels=words)
    assert sorted(columns(as_csv(lab.scene))["row_class"]) == sorted(words)


# the message


def test_the_data_are_given_when_asked() -> None:
    button = ExportButton(CSV, on_csv=lambda: "a,b\n1,2\n")
    assert asked(button) == [{"type": "csv", "text": "a,b\n1,2\n"}]


@pytest.mark.parametrize("content", [{"type": "other"}, {}, "csv", None, 3])
def test_other_messages_are_left_alone(content: Any) -> None:
    button = ExportButton(CSV, on_csv=lambda: "text")
    assert asked(button, content if content is not None else []) == []


@pytest.mark.parametrize(
    ("choices", "on_csv", "words"),
    [
        ([], str, "at least one"),
        ([("a", "svg", ".x"), ("a", "png", ".x")], str, "a text of its own"),
        ([("", "svg", ".x")], str, "a text of its own"),
        (CSV, None, "needs on_csv"),
    ],
)
def test_choices_that_make_no_sense_are_refused(
    choices: list[tuple[str, str, str]], on_csv: Callable[[], str] | None, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        ExportButton(choices, on_csv=on_csv)


def test_the_lab_gives_what_is_on_show() -> None:
    lab = CouplingLab(state=HUBS)
    before = asked(lab.export)
    assert before == [{"type": "csv", "text": as_csv(lab.scene)}]
    lab.change(epsilon=0.5)
    assert asked(lab.export) == [{"type": "csv", "text": as_csv(lab.scene)}] != before


def test_an_error_is_seen_in_the_lab_and_beside_the_button(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = CouplingLab(state=HUBS)
    monkeypatch.setattr(table, "_columns", lambda scene: 1 / 0)
    assert asked(lab.export) == [{"type": "csv", "error": "division by zero"}]
    assert "ZeroDivisionError: division by zero" in lab.guard.box.value


def test_the_choices_and_the_file_names_follow_the_lab() -> None:
    lab = CouplingLab(state=HUBS)
    assert (lab.export.name, lab.export.choices[0][0]) == ("coupling-hubs", "plan (PNG)")
    kinds = [kind for _, kind, _ in lab.export.choices]
    lab.state = {"data": {"name": "moons", "n": 9}, "view": "gradient"}
    assert (lab.export.name, lab.export.choices[0][0]) == ("coupling-moons", "gradient (PNG)")
    assert kinds == [kind for _, kind, _ in lab.export.choices] == ["matrix-png", "png", "svg", "png", "svg", "csv"]
    assert own_lab(4, 4).export.name == "coupling-yours"


# the link


def links(lab: CouplingLab) -> list[CopyButton]:
    panel = lab.children[-1].children[-1]
    return [each for box in panel.children for each in getattr(box, "children", ()) if getattr(each, "as_link", False)]


def test_the_link_is_there_under_voila_and_follows_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.8")
    lab = CouplingLab(state=HUBS)
    (button,) = links(lab)
    for steps in (3, 5):
        lab.change(steps=steps)
        assert button.text == link(lab.state) and state_of(button.text) == json.loads(json.dumps(lab.state))
    assert links(own_lab(4, 4)) == []


def test_without_voila_there_is_no_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERVER_SOFTWARE", raising=False)
    assert links(CouplingLab(state=HUBS)) == []
