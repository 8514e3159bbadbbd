"""What is remembered of the exercises, and what is done where nothing can be remembered."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import gca_playground as gca
from gca_playground.check.progress import COURSE, LOOKS
from gca_playground.learning import cache

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def answers():
    """A wrong and a right answer to one exercise."""
    return (lambda x, y: x @ y.mT), (lambda x, y: (x[:, None] - y[None]).square().sum(-1) / 2)


def test_nothing_is_done_at_first():
    found = gca.check.progress()
    assert found.done == 0 and set(found.states.values()) == {"not attempted"}


def test_the_best_verdict_is_kept():
    wrong, good = answers()
    gca.check.cost_matrix(wrong)
    assert gca.check.progress().states["cost_matrix"] == "wrong"
    assert gca.check.cost_matrix(good).state == "right"
    gca.check.cost_matrix(wrong)
    gca.check.cost_matrix(...)
    found = gca.check.progress()
    assert found.states["cost_matrix"] == "right" and found.done == 1


def test_forget():
    gca.check.cost_matrix(answers()[1])
    assert gca.check.progress(forget=True).done == 0 == gca.check.progress().done


def test_it_reads_the_same_aloud_as_it_looks():
    gca.check.cost_matrix(answers()[1])
    found = gca.check.progress()
    total = sum(map(len, COURSE.values()))
    for text in (repr(found), re.sub("<[^>]*>", "", found._repr_html_())):
        assert f"1 of {total} exercises right" in text
        assert "✓ cost_matrix (right)" in text and "○ blur (not attempted)" in text
    assert found._repr_html_().count("<tr>") == len(COURSE) and "aria-hidden" in found._repr_html_()


@pytest.mark.parametrize("text", ["", "{", "[1]", json.dumps({"cost_matrix": "splendid"})])
def test_a_file_that_is_not_ours_counts_as_nothing(text):
    cache.folder().mkdir(parents=True)
    (cache.folder() / "progress.json").write_text(text)
    assert gca.check.progress().done == 0
    gca.check.cost_matrix(answers()[1])
    assert gca.check.progress().done == 1


def test_a_check_answers_where_nothing_can_be_kept(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert gca.check.cost_matrix(answers()[1]).state == "right"
    assert gca.check.progress().done == 0


def test_the_course_is_what_the_notebooks_ask():
    asked = {}
    for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        names = re.findall(r"gca\.check\.(\w+)\(", code)
        asked[path.name[:2]] = tuple(name for name in dict.fromkeys(names) if name != "progress")
    assert {title[:2]: names for title, names in COURSE.items()} == asked


def test_every_exercise_is_in_the_course():
    exercises = {name for name in gca.check.__all__ if name not in ("Progress", "Verdict", "progress")}
    assert exercises == {name for names in COURSE.values() for name in names}


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    parts = [part / 255 for part in bytes.fromhex(colour[1:])]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
@pytest.mark.parametrize("state", [*LOOKS])
def test_a_state_can_be_seen_on_light_and_on_dark_pages(state, page):
    low, high = sorted((luminance(LOOKS[state][1]), luminance(page)))
    assert (high + 0.05) / (low + 0.05) >= 3
