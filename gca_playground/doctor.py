"""What is installed, whether a GPU is usable, what is missing, and which command mends it.

Nothing heavy is imported before it is needed, so that the doctor can speak where something is broken.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gca_playground import __version__

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DISTRIBUTION = "gca-playground"
START = "notebooks/00_start.ipynb"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER_ON_MACOS = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


def find_course() -> Path | None:
    """The folder that holds the notebooks: beside the package, or the current one; None where neither does."""
    places = (Path(__file__).resolve().parents[1], Path.cwd())
    return next((place for place in places if (place / START).is_file()), None)


def find_chromium() -> str | None:
    """The path of a Chromium or Chrome on this machine, or None."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or (BROWSER_ON_MACOS if os.path.exists(BROWSER_ON_MACOS) else None)


def doctor() -> int:
    """Print what is here and what is not, in words. Returns 0, or 1 where something needed is missing."""
    print(f"GCA Playground {__version__}: is everything here?\n")
    findings = [finding for look in LOOKS for finding in look()]
    for finding in findings:
        print(f"  {finding.state:8} {finding.text}")
        if finding.mend:
            print(f"  {'':8}   mend: {finding.mend}")
    missing = any(finding.state == "missing" for finding in findings)
    print("\nWhat is marked `missing` is needed." if missing else "\nEverything needed is here.")
    return 1 if missing else 0


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    ``state``: "ok"; "note", what one can do without; "missing", what one cannot. ``mend``: the command that helps.
    """

    state: Literal["ok", "note", "missing"]
    text: str
    mend: str = ""


def _look_at_python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    fine = sys.version_info >= (3, 11)
    yield Finding("ok" if fine else "missing", f"Python {version} at {sys.executable} (3.11 or newer is needed)")


def _look_at_packages() -> Iterator[Finding]:
    try:
        declared = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding(
            "missing", "the package itself is not installed here", "python -m pip install -e . -c constraints.txt"
        )
        return
    try:
        from packaging.requirements import Requirement
    except ImportError:
        yield Finding("missing", "packaging: not installed", "python -m pip install packaging")
        return
    requirements = [Requirement(line) for line in declared]
    for requirement in requirements:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _package(requirement)
    for extra in importlib.metadata.metadata(DISTRIBUTION).get_all("Provides-Extra", []):
        yield _extra(extra, requirements)


def _package(requirement: Requirement) -> Finding:
    lack = _lack(requirement)
    if not lack:
        version = importlib.metadata.version(requirement.name)
        return Finding("ok", f"{requirement.name} {version} ({requirement.specifier})")
    return Finding("missing", lack, f'python -m pip install "{requirement.name}{requirement.specifier}"')


def _extra(extra: str, requirements: Sequence[Requirement]) -> Finding:
    """One line for an optional group of packages."""
    wanted = [
        requirement
        for requirement in requirements
        if requirement.marker and requirement.marker.evaluate({"extra": extra}) and requirement.name != DISTRIBUTION
        if not requirement.marker.evaluate({"extra": ""})
    ]
    lacks = [(requirement, lack) for requirement in wanted if (lack := _lack(requirement))]
    if not lacks:
        return Finding("ok", f"optional, {extra}: {', '.join(requirement.name for requirement in wanted)}")
    install = " ".join(f'"{requirement.name}{requirement.specifier}"' for requirement, _ in lacks)
    words = "; ".join(lack for _, lack in lacks)
    return Finding("note", f"optional, {extra}: {words}", f"python -m pip install {install}")


def _lack(requirement: Requirement) -> str:
    """What is wrong with an installed package, in words; empty where nothing is."""
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{requirement.name} is not installed"
    if requirement.specifier.contains(version, prereleases=True):
        return ""
    return f"{requirement.name} is {version}, {requirement.specifier} is needed"


def _look_at_processors() -> Iterator[Finding]:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processors = f"{count} processor" + "s" * (count > 1)
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding("missing", f"torch cannot be imported: {error}", "python -m pip install --force-reinstall torch")
        return
    threads = torch.get_num_threads()
    if threads > count:
        yield Finding("note", f"{processors}, but torch uses {threads} threads", f"export OMP_NUM_THREADS={count}")
    else:
        yield Finding("ok", f"{processors}, torch uses {threads} thread" + "s" * (threads > 1))
    yield _gpu()


def _gpu() -> Finding:
    import torch

    for device, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())):
        if not there:
            continue
        name = torch.cuda.get_device_name() if device == "cuda" else "Apple GPU"
        try:
            (torch.ones(2, 2, device=device) @ torch.ones(2, 2, device=device)).sum().item()
        except RuntimeError as error:
            return Finding("note", f"GPU: {name} is there but cannot be used: {str(error).splitlines()[0]}")
        return Finding("ok", f'GPU: {name}, usable as device="{device}"')
    return Finding("note", "GPU: none that torch can use; everything also runs on the CPU")


def _look_at_memory() -> Iterator[Finding]:
    limit = _memory_limit()
    if limit is None:
        yield Finding("note", "memory: this system does not say how much there is")
    elif limit < 2**30:
        yield Finding("note", f"memory: {limit / 2**30:.1f} GiB; JupyterLab and one notebook want about 1 GiB")
    else:
        yield Finding("ok", f"memory: {limit / 2**30:.1f} GiB")


def _memory_limit() -> int | None:
    """Bytes that this process may use: the machine's, or its container's where that is less."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = Path(path).read_text().strip() if os.access(path, os.R_OK) else ""
        if text.isdigit():
            limits.append(int(text))
    return min(limits)


def _look_at_cache() -> Iterator[Finding]:
    try:
        from gca_playground.learning.cache import folder
    except (ImportError, OSError):
        return  # torch is broken, and that is said already
    try:
        place = folder()
    except RuntimeError as error:
        yield Finding("note", f"cache: nowhere to keep trained encoders: {error}", "export XDG_CACHE_HOME=/some/folder")
        return
    nearest = next(path for path in (place, *place.parents) if path.exists())
    if os.access(nearest, os.W_OK):
        yield Finding("ok", f"cache: {place}")
    else:
        yield Finding(
            "note",
            f"cache: {place} cannot be written, so encoders are trained anew each time",
            "export XDG_CACHE_HOME=/some/folder",
        )


def _look_at_notebooks() -> Iterator[Finding]:
    course = find_course()
    if course is None:
        yield Finding("note", f"notebooks: {START} is neither beside the package nor in the current folder")
    else:
        folder = course / Path(START).parent
        yield Finding("ok", f"notebooks: {len(list(folder.glob('[0-9]*.ipynb')))} in {folder}")
    yield _kernel()


def _kernel() -> Finding:
    """Whether the kernel that notebooks ask for is this very Python."""
    mend = "python -m ipykernel install --sys-prefix"
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ImportError as error:
        return Finding("missing", f"kernel: {error}", "python -m pip install jupyterlab")
    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        return Finding("missing", "kernel: there is no kernel named python3", mend)
    program = Path(spec.argv[0])
    if program.is_absolute() and program.parent.resolve() != Path(sys.executable).parent.resolve():
        return Finding("missing", f"kernel: python3 starts {program}, which is not this Python", mend)
    return Finding("ok", f"kernel: python3 in {spec.resource_dir}")


def _look_at_browser() -> Iterator[Finding]:
    path = find_chromium()
    if path:
        yield Finding("ok", f"Chromium for the browser tests: {path}")
    else:
        yield Finding("note", "Chromium: none; only the browser tests need it", "apt-get install chromium")


LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _look_at_python,
    _look_at_packages,
    _look_at_processors,
    _look_at_memory,
    _look_at_cache,
    _look_at_notebooks,
    _look_at_browser,
)
