"""The Binder image: what it installs, how it is built and started, and the badges that open it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from binder import badges, check, pins, visit

ROOT = Path(__file__).parents[1]
BINDER = ROOT / "binder"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SAMPLE = "https://github.com/an-owner/a-repository"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Binder's scripts are bash")


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    """A copy of what git holds."""
    folder = tmp_path_factory.mktemp("clean") / "repository"
    check.copy_repository(folder)
    return folder


# ------------------------------------------------------------------------------------------ what is installed


def names(*groups: str) -> set[str]:
    lines = [line for group in groups for line in PROJECT["optional-dependencies"][group]]
    return {canonicalize_name(Requirement(line).name) for line in lines} - {PROJECT["name"]}


@pytest.fixture
def installed() -> dict[str, str]:
    """The versions in binder/requirements.txt, each line of which is a comment, the index or one exact version."""
    lines = (BINDER / "requirements.txt").read_text().splitlines()
    found = [re.fullmatch(r"([a-z0-9-]+)==([0-9a-z.+]+)", line) for line in lines]
    others = [line for line, match in zip(lines, found, strict=True) if line and not match and line[0] != "#"]
    assert others == ["--extra-index-url https://download.pytorch.org/whl/cpu"]
    return {match[1]: match[2] for match in found if match}


def test_the_requirements_are_what_the_pins_say():
    assert (BINDER / "requirements.txt").read_text() == pins.text(), "run `python binder/pins.py`"


def test_the_requirements_hold_every_dependency_in_its_tested_version(installed):
    constraints = [line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    tested = dict(constraints) | {"torch": dict(constraints)["torch"] + "+cpu"}
    direct = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]} | names("app")
    assert direct <= installed.keys()
    assert installed.items() <= tested.items()


def test_the_requirements_hold_no_test_tool(installed):
    assert not installed.keys() & (names("test") - names("app"))
    assert not [name for name in installed if re.search("pytest|playwright|repo2docker|docker|coverage", name)]


def test_what_is_brought_along_is_followed_through_extras_and_conditions():
    assert {"jsonschema", "fqdn"} <= pins.brought_along([Requirement("jupyter-events")])  # jsonschema[format-nongpl]
    assert pins.brought_along([Requirement("tqdm")]) == {"tqdm"}  # colorama is for Windows
    assert "sympy" in pins.brought_along([Requirement("torch")])


def test_the_replay_without_the_index_keeps_every_version(installed):
    lines = (BINDER / "requirements.txt").read_text().splitlines()
    other = [Requirement(line) for line in check.without_index(lines) if line and line[0] != "#"]
    assert {requirement.name: str(requirement.specifier)[2:] for requirement in other} == {
        name: version.removesuffix("+cpu") for name, version in installed.items()
    }


# ------------------------------------------------------------------------------------------ how the image is built


@pytest.fixture(scope="module")
def dockerfile(clean) -> str:
    """The Dockerfile that Binder would build; no Docker is needed to write it."""
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."]
    done = subprocess.run(command, cwd=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "python=3.11" in done.stderr
    return done.stdout


def test_the_python_is_the_oldest_that_the_project_supports(dockerfile):
    assert (BINDER / "runtime.txt").read_text() == "python-3.11\n"
    assert PROJECT["requires-python"] == ">=3.11"
    assert re.search(r"^COPY .*environment\.py-3\.11-linux", unquoted(dockerfile), re.MULTILINE)


def unquoted(text: str) -> str:
    """Repo2docker writes a character of a path as - and its code."""
    return re.sub(r"-([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), text)


def test_the_steps_come_in_the_order_that_keeps_the_pins_cached(dockerfile):
    steps = [
        r"COPY .*src/binder/requirements\.txt \S+/binder/requirements\.txt",
        r"RUN \S+/bin/pip install --no-cache-dir -r \"binder/requirements\.txt\"",
        r"COPY .*src/ \$\{REPO_DIR\}/",
        r"RUN \./binder/postBuild",
        r"ENV R2D_ENTRYPOINT=\"\$\{REPO_DIR\}/binder/start\"",
        r"ENTRYPOINT ",
    ]
    places = [[match.start() for match in re.finditer(f"^{step}", dockerfile, re.MULTILINE)] for step in steps]
    assert all(len(place) == 1 for place in places), list(zip(steps, places, strict=True))
    assert places == sorted(places)
    assert dockerfile.count("pip install") == 1


def test_what_post_build_installs_is_the_whole_package(clean, tmp_path):
    line = next(line for line in (BINDER / "postBuild").read_text().splitlines() if "pip install" in line)
    assert line == "python -m pip install --no-cache-dir --no-deps --no-build-isolation ."
    assert "setuptools==" in (BINDER / "requirements.txt").read_text()
    command = [sys.executable, "-m", "pip", "wheel", *line.split()[4:], "--wheel-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {path.relative_to(clean).as_posix() for path in (clean / "gca_playground").rglob("*") if path.is_file()}
    assert packed == files


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_scripts_are_bash_and_executable(name):
    script = BINDER / name
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/usr/bin/env bash\n")
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_python_in_post_build_compiles():
    text = (BINDER / "postBuild").read_text()
    programs = re.findall(r'python -P -c "([^"]+)"', text) + re.findall(r"<<'END'\n(.*?)^END$", text, re.DOTALL | re.M)
    assert len(programs) == 2
    for program in programs:
        names = compile(program, "postBuild", "exec").co_names
        assert {"CouplingLab", "SETTINGS"} & set(names)


# ------------------------------------------------------------------------------------------ how it is started


def test_start_hands_over_to_the_server_with_one_thread():
    program = "import json, os, sys; print(json.dumps([os.getpid(), os.environ['OMP_NUM_THREADS'], sys.argv[1:]]))"
    command = [str(BINDER / "start"), sys.executable, "-c", program, "--ip=*", "two words", ""]
    many = os.environ | {"OMP_NUM_THREADS": "8"}
    with subprocess.Popen(command, env=many, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.read()
    assert said == f'[{process.pid}, "1", ["--ip=*", "two words", ""]]\n'


# ------------------------------------------------------------------------------------------ the visit's verdict


def test_the_visit_fails_where_a_notebook_fails_or_the_memory_does_not_suffice(capsys):
    fine = visit.Measured("00_start.ipynb", 5.0, 600_000_000, first_picture=2.0, processor=1.5)
    assert fine.fine
    assert not visit.Measured("01.ipynb", 5.0, 1_000_000_000).fine
    assert not visit.Measured("01.ipynb", 5.0, 600_000_000, failure="ValueError: epsilon").fine
    text = visit.table([fine, visit.Measured("01.ipynb", 5.0, 1_000_000_000, failure="ValueError: epsilon")])
    assert "| 00_start.ipynb | 2.0 | 1.5 | 5.0 | 600 |" in text
    assert "1000 MB, NOT BELOW the limit of 1000 MB" in text
    assert "FAILED 01.ipynb: ValueError: epsilon" in text


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_the_visit_reads_the_peak_and_not_the_present_memory():
    program = "block = bytearray(300_000_000); del block; print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert 300e6 < visit.peak(process.pid) < 400e6
        assert visit.spent(process.pid) >= 0.01
        process.communicate(b"\n")


# ------------------------------------------------------------------------------------------ the badges


def linked(page: str) -> list[str]:
    return re.findall(r"https://mybinder\.org/v2/[^)\s\"]*", page)


@pytest.mark.parametrize(
    ("repository", "place"),
    [
        (SAMPLE, "gh/an-owner/a-repository"),
        (SAMPLE + ".git", "gh/an-owner/a-repository"),
        (SAMPLE + "/", "gh/an-owner/a-repository"),
        ("https://gitlab.com/a-group/below/a-repository", "gl/a-group%2Fbelow%2Fa-repository"),
        ("https://git.example.org/a-repository.git", "git/https%3A%2F%2Fgit.example.org%2Fa-repository.git"),
    ],
)
def test_badges_follow_from_the_address(repository, place):
    assert linked("\n".join(badges.badges(repository))) == [
        f"https://mybinder.org/v2/{place}/HEAD?urlpath=lab%2Ftree%2Fnotebooks%2F00_start.ipynb",
        f"https://mybinder.org/v2/{place}/HEAD?urlpath=voila%2Frender%2Fnotebooks%2Fapp.ipynb",
    ]


@pytest.mark.parametrize(
    "repository", ["", "github.com/a/b", "http://github.com/a/b", "https://github.com/a", "https://"]
)
def test_what_is_no_address_gives_no_badge(repository):
    with pytest.raises(ValueError, match=r"^Repository must"):
        badges.badges(repository)


@pytest.mark.parametrize("page", badges.PAGES.values())
def test_badges_open_notebooks_that_exist(page):
    assert (ROOT / page.removeprefix("lab/tree/").removeprefix("voila/render/")).is_file()


def test_the_readme_has_the_badges_of_the_address_or_says_that_it_is_unset():
    readme, address = (ROOT / "README.md").read_text(), badges.address()
    if address is None:
        assert "still unset" in readme
        assert not linked(readme)
    else:
        assert "still unset" not in readme
        assert [line for line in readme.splitlines() if linked(line)] == badges.badges(address)


def test_the_command_prints_the_badges_or_says_what_to_set(tmp_path):
    (tmp_path / "binder").mkdir()
    for name, urls in {"unset": "", "set": f'Repository = "{SAMPLE}"'}.items():
        (tmp_path / "pyproject.toml").write_text(f"[project.urls]\n{urls}\n")
        (tmp_path / "binder" / "badges.py").write_text((BINDER / "badges.py").read_text())
        command = [sys.executable, str(tmp_path / "binder" / "badges.py")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if name == "set":
            assert done.stdout.splitlines() == badges.badges(SAMPLE)
        else:
            assert done.returncode == 1 and "set Repository under [project.urls]" in done.stderr
