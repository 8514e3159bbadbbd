"""The notebooks are tests only as long as a changed number makes them fail."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from gca_playground.views.labs import crossmodal_presets, gaussian_presets, presets, training_presets
from gca_playground.views.labs.target_presets import TARGET_PRESETS
from notebooks import course

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted(path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
CONFIG = ("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), "-p", "no:cacheprovider", "-q")


def verdict_of(notebook: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *CONFIG,
            f"--nbval-sanitize-with={ROOT / 'tests/sanitize.cfg'}",
            str(notebook),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


@pytest.mark.slow
def test_one_changed_number_makes_a_notebook_fail(tmp_path):
    notebook = nbformat.read(ROOT / "notebooks/00_start.ipynb", as_version=4)
    kept = [k for k, cell in enumerate(notebook.cells) if "InfoNCE by hand" in cell.source]
    notebook.cells = [cell for cell in notebook.cells[: kept[0] + 1] if "Lab" not in cell.source]
    notebook.cells = [cell for cell in notebook.cells if not any(use in cell.source for use in (".scene", ".run."))]
    notebook.cells.insert(0, nbformat.v4.new_code_cell("import gca_playground as gca"))
    same, changed = tmp_path / "same.ipynb", tmp_path / "changed.ipynb"
    nbformat.write(notebook, same)
    number = next(output for output in notebook.cells[-1].outputs if "4.2261" in output.text)
    number.text = number.text.replace("4.2261", "4.2262")
    nbformat.write(notebook, changed)
    assert verdict_of(same).returncode == 0
    failed = verdict_of(changed)
    assert failed.returncode == 1
    assert "4.2262" in failed.stdout


@pytest.mark.parametrize("path", course.course(), ids=lambda path: path.stem)
def test_a_notebook_has_the_form_of_the_course(path):
    form = course.form(path)
    assert len(form.exercises) >= 2
    assert form.typical <= 8 and form.largest <= 25 and form.classes == 0
    assert form.words >= form.code_words
    solved = course.form(ROOT / "notebooks/solutions" / path.name)
    assert solved.exercises == form.exercises


def test_nothing_heavy_is_kept_in_a_notebook():
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        assert "widgets" not in notebook.metadata, path.name
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
        kinds = {kind for output in outputs for kind in output.get("data", {})}
        assert kinds <= {"text/plain", "text/html"}, path.name


def test_links_lead_somewhere():
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", text):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_every_notebook_leads_to_the_next():
    paths = course.course()
    for path, after in itertools.pairwise(paths):
        assert f"]({after.name})" in nbformat.read(path, as_version=4).cells[-1].source, path.name
        assert f"]({path.name})" in nbformat.read(after, as_version=4).cells[-1].source, after.name


def test_the_teacher_s_page_names_presets_that_there_are():
    text = (ROOT / "notebooks/TEACHING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"preset\s+\*([^*]+)\*", text))
    labs = (
        presets.PRESETS,
        training_presets.PRESETS,
        TARGET_PRESETS,
        gaussian_presets.PRESETS,
        crossmodal_presets.PRESETS,
    )
    there = {preset.name for lab in labs for preset in lab}
    assert {"ring", "hubs", "four corners", "the other side"} <= named <= there
