"""Replay what Binder does with this repository, in a clean environment and without Docker.

    python binder/check.py           needs Python 3.11 or newer, Linux, and a few minutes

The steps of the image, each as its Dockerfile has it: a fresh Python environment, binder/requirements.txt, a copy of
the repository, binder/postBuild; then binder/visit.py runs every notebook in it, on one core, and prints seconds and
memory. Nothing remains afterwards. What is not replayed: Ubuntu, and the Jupyter that the image has before the pins.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Of this machine's settings, those that reach the image's processes: none that could lend them a package.
KEPT = ("LANG", "LC_ALL", "TERM")


def main() -> int:
    """Replay and print; the exit status is that of the visit, or 1 where a step before it failed."""
    if sys.platform != "linux":
        print("Binder runs Linux, and so does this: memory is read from /proc", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that ending it cleans up too
    wanted = (ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")
    here = ".".join(map(str, sys.version_info[:2]))
    note = "" if here == wanted else f" (Binder's is {wanted})"
    with tempfile.TemporaryDirectory(prefix="binder-check-") as folder:
        try:
            return replay(Path(folder), f"Python {here}{note}")
        except subprocess.CalledProcessError as error:
            print((error.stdout or "")[-4000:], file=sys.stderr)
            print(f"FAILED: {' '.join(map(str, error.cmd))}", file=sys.stderr)
            return 1


def replay(folder: Path, python: str) -> int:
    """All steps, below ``folder``."""
    environment, repository = folder / "environment", folder / "repository"
    with step(f"fresh environment, {python}"):
        venv.create(environment, with_pip=True)
    # -I: whatever PYTHONPATH and the user's own packages may be here.
    pip = [str(environment / "bin" / "python"), "-I", "-m", "pip", "--disable-pip-version-check"]
    requirements, words = installable(ROOT / "binder" / "requirements.txt", folder, pip)
    with step(f"binder/requirements.txt{words}"):
        run([*pip, "install", "--progress-bar=off", "-r", str(requirements)])
    with step("copy of the repository"):
        copy_repository(repository)
    inside = image(environment, folder / "home", repository)
    with step("binder/postBuild"):
        run(["binder/postBuild"], cwd=repository, env=inside)
    with step("no package lacks another"):
        run([*pip, "check"], env=inside)
    one_core()
    with subprocess.Popen(["python", "binder/visit.py"], cwd=repository, env=inside) as visit:
        try:
            return visit.wait()
        except BaseException:
            visit.terminate()  # and it ends the server, which ends its kernels
            raise


def installable(requirements: Path, folder: Path, pip: list[str]) -> tuple[Path, str]:
    """The requirements where PyTorch's index answers, else the same with the torch that pip finds; and words for it."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    index = next(line.split()[1] for line in lines if line.startswith("--extra-index-url"))
    asked = [*pip, "index", "versions", "torch", "--index-url", index, "--retries", "0", "--timeout", "10"]
    # That index alone, whatever else pip is set to look at here.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    alone["PIP_CONFIG_FILE"] = os.devnull
    if subprocess.run(asked, env=alone, capture_output=True, check=False).returncode == 0:
        return requirements, ""
    other = folder / "requirements.txt"
    other.write_text("\n".join(without_index(lines)) + "\n", encoding="utf-8")
    return other, f" (torch without its +cpu: {index} cannot be reached from here)"


def without_index(lines: list[str]) -> list[str]:
    """Requirements that need no other index: torch in the same version, in whatever build pip finds."""
    return [line.replace("+cpu", "") for line in lines if not line.startswith("--extra-index-url")]


def copy_repository(target: Path) -> None:
    """What git holds or would add, no ignored file."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():  # not one that was removed and not yet committed
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def image(environment: Path, home: Path, repository: Path) -> dict[str, str]:
    """The variables that processes of the image see."""
    home.mkdir()
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    path = os.pathsep.join([str(environment / "bin"), os.defpath])
    return {**kept, "PATH": path, "HOME": str(home), "REPO_DIR": str(repository), "PYTHONUNBUFFERED": "1"}


def run(command: list[str], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run; what it prints is shown only where it fails."""
    subprocess.run(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )


def one_core() -> None:
    """From here on, this process and those it starts share a single core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


@contextmanager
def step(words: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    print(f"{words} ... ", end="", flush=True)
    began = time.perf_counter()
    try:
        yield
    except BaseException:
        print("FAILED", flush=True)
        raise
    print(f"{time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
