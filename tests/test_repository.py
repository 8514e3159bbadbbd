"""What the files around the package promise each other."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gca_playground

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


# ------------------------------------------------------------------------------------------ versions


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pinned}


def declared() -> list[Requirement]:
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    requirements = [Requirement(line) for group in groups for line in group]
    return [requirement for requirement in requirements if requirement.name != PROJECT["name"]]


@pytest.mark.parametrize("requirement", declared(), ids=lambda requirement: requirement.name)
def test_every_dependency_is_pinned_within_its_bounds(requirement):
    version = pins().get(canonicalize_name(requirement.name))
    assert version is not None, f"constraints.txt does not pin {requirement.name}"
    assert requirement.specifier.contains(version)


def test_the_version_is_one():
    version = gca_playground.__version__
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert re.search(rf"^## (\[)?{re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


# ------------------------------------------------------------------------------------------ words that must be true


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_commands_in_the_pages_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / page).read_text(), re.MULTILINE))
    assert named
    assert named <= targets


def test_the_two_commands_stand_at_the_top_of_the_readme():
    top = (ROOT / "README.md").read_text().splitlines()[:25]
    assert any(line.startswith("make lab") for line in top)
    assert any(line.startswith("make test") for line in top)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_files_that_the_pages_point_to_exist(page):
    text = (ROOT / page).read_text()
    targets = re.findall(r"\]\(([^)#]+)\)|(?:src|srcset)=\"([^\"]+)\"", text)
    local = {target for pair in targets for target in pair if target and "://" not in target}
    assert not [target for target in local if not (ROOT / target).exists()]


def test_the_python_in_the_readme_runs():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    printed = []
    for block in blocks:
        with redirect_stdout(io.StringIO()) as out:
            exec(compile(block, "README.md", "exec"), {})
        printed.append(out.getvalue())
    (margin,) = re.findall(r"([+-][\d.]+) by training", "".join(printed))
    assert float(margin) > 0.02


# ------------------------------------------------------------------------------------------ floors


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", program, "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_closed_forms_may_use_nothing_of_the_solver():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (oracle,) = [contract for contract in contracts if contract["id"] == "oracle"]
    solver = {path.stem for path in (ROOT / "gca_playground" / "transport").glob("*.py")} - {"__init__"}
    assert {f"gca_playground.transport.{name}" for name in solver} <= set(oracle["forbidden_modules"])


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("transport/__init__.py", "import gca_playground.views", "Each floor imports only from below"),
        ("learning/__init__.py", "import gca_playground.cli", "Each floor imports only from below"),
        ("alignment/__init__.py", "import plotly", "Only the views draw"),
        ("transport/__init__.py", "import numpy", "Transport is torch alone"),
        ("views/__init__.py", "import ot", "POT is what we compare with"),
        ("stray.py", "", "Each floor imports only from below"),
    ],
)
def test_a_broken_arrow_is_caught(tmp_path, module, line, contract):
    shutil.copytree(ROOT / "gca_playground", tmp_path / "gca_playground")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "gca_playground" / module).open("a") as file:
        file.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert re.search(rf"^{contract}.*BROKEN", done.stdout, re.MULTILINE)


def test_importing_the_package_is_light():
    program = (
        "import sys, torch, numpy; before = set(sys.modules); import gca_playground as gca;"
        "gca.solve, gca.Alignment, gca.datasets;"
        "heavy = {'plotly', 'ipywidgets', 'anywidget', 'ot', 'sklearn', 'scipy', 'pandas', 'dask', 'jupyterlab'};"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there():
    assert sorted(gca_playground.__all__) == dir(gca_playground)
    for name in gca_playground.__all__:
        assert getattr(gca_playground, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'solv'"):
        gca_playground.solv  # noqa: B018  the access is the test


# ------------------------------------------------------------------------------------------ pictures


def test_pictures_are_small():
    heavy = {path.name: path.stat().st_size for path in (ROOT / "docs").rglob("*.png") if path.stat().st_size > 200_000}
    assert not heavy


def test_the_gallery_leads_to_the_notebooks():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    gallery = text[text.index("## Gallery") : text.index("## Without make")]
    notebooks = re.findall(r'href="(notebooks/\d\d_\w+\.ipynb)"', gallery)
    pictures = re.findall(r'(?:srcset|src)="(docs/gallery/[\w-]+\.png)"', gallery)
    assert len(set(notebooks)) == 6 and len(set(pictures)) == 12
    assert all((ROOT / name).is_file() for name in (*notebooks, *pictures))
