"""The packages of the Binder image, derived from pyproject.toml and constraints.txt.

    python binder/pins.py            writes binder/requirements.txt

They are what the library and its apps depend on, with all that those bring along, in the versions of constraints.txt:
no test tool, and the CPU build of torch. Run it where the project is installed, for packages know what they need.
"""

from __future__ import annotations

import importlib.metadata
import tomllib
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "binder" / "requirements.txt"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
EXTRAS = ("app",)
# What a condition of a dependency is judged by: the image, not this machine.
IMAGE = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.0",
    "python_version": "3.11",
    "sys_platform": "linux",
}


def text() -> str:
    """What binder/requirements.txt must hold."""
    pins = pinned()
    direct = {canonicalize_name(requirement.name) for requirement in declared()}
    brought = brought_along(declared()) - direct
    return "\n".join(
        [
            "# Written by `python binder/pins.py`, from pyproject.toml and constraints.txt.",
            f"--extra-index-url {CPU_INDEX}",
            "",
            *(pins[name] + "+cpu" * (name == "torch") for name in sorted(direct)),
            "",
            "# brought along",
            # constraints.txt says what belongs to the environment; the GPU libraries of another torch do not.
            *(pins[name] for name in sorted(brought & pins.keys())),
            "",
        ]
    )


def pinned() -> dict[str, str]:
    """The lines of constraints.txt, by the canonical name of the package."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(line.split("==")[0]): line for line in lines if "==" in line}


def declared() -> list[Requirement]:
    """What pyproject.toml asks for: the library's dependencies and those of the apps."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in EXTRAS)]
    return [Requirement(line) for group in groups for line in group]


def brought_along(requirements: Iterable[Requirement]) -> set[str]:
    """The canonical names of these packages and of all that they need in the image.

    Raises: importlib.metadata.PackageNotFoundError for one that is pinned but not installed here.
    """
    pins, seen, todo = pinned(), set(), list(requirements)
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if (name, *sorted(requirement.extras)) in seen or name not in pins:
            continue
        seen.add((name, *sorted(requirement.extras)))
        needs = map(Requirement, importlib.metadata.requires(name) or [])
        todo += [need for need in needs if _applies(need, ("", *requirement.extras))]
    return {name for name, *_ in seen}


def _applies(need: Requirement, extras: Iterable[str]) -> bool:
    return need.marker is None or any(need.marker.evaluate({**IMAGE, "extra": extra}) for extra in extras)


if __name__ == "__main__":
    REQUIREMENTS.write_text(text(), encoding="utf-8")
    print(f"written: {REQUIREMENTS.relative_to(ROOT)}")
