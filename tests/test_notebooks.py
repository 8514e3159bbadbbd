"""The notebooks are tests only as long as a changed number makes them fail."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
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
    notebook.cells = [cell for cell in notebook.cells[: kept[0] + 1] if "CouplingLab" not in cell.source]
    notebook.cells = [cell for cell in notebook.cells if "lab.scene" not in cell.source]
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
