"""A real JupyterLab on this machine alone, and a notebook in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import nbformat

from gca_playground.cli import SETTINGS, free_port, lab_arguments

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90.0
"""Seconds that starting up may take on a machine that does other things."""


class Server(NamedTuple):
    """Where a running JupyterLab answers, and the folder that it serves."""

    url: str
    token: str
    folder: Path

    def address(self, notebook: str) -> str:
        """Of a notebook, alone on its page."""
        return f"{self.url}doc/tree/{notebook}?token={self.token}"

    def write(self, name: str, *cells: str) -> str:
        """Write a notebook of these code cells."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.folder / name)
        return name


@contextmanager
def jupyterlab(home: Path) -> Iterator[Server]:
    """JupyterLab with everything it keeps in ``home``; its log is ``home/log``."""
    folder, settings, runtime = (home / name for name in ("work", "settings", "runtime"))
    for place in (folder, settings, runtime):
        place.mkdir()
    (settings / "overrides.json").write_text(json.dumps(SETTINGS))
    more = (f"--ServerApp.root_dir={folder}", "--ServerApp.ip=127.0.0.1", "--LabApp.expose_app_in_browser=True")
    # JupyterLab's own port, the first free one, may go to another that starts at the same moment.
    arguments = lab_arguments(None, str(settings), browser=False, port=free_port(), more=more)
    command = [sys.executable, "-m", "jupyterlab", *arguments]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, env=_environment(home, runtime), stdout=log, stderr=log)
        try:
            yield _started(process, runtime, folder, home / "log")
        finally:
            process.terminate()  # it ends its kernels
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _environment(home: Path, runtime: Path) -> dict[str, str]:
    """Nothing of the user's own: settings, workspaces and start-up files are those of ``home``."""
    places = ("JUPYTER_CONFIG_DIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")
    own = {name: str(home / name.lower()) for name in places}
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return os.environ | own | {"JUPYTER_RUNTIME_DIR": str(runtime), "PYTHONPATH": path}


def _started(process: subprocess.Popen[bytes], runtime: Path, folder: Path, log: Path) -> Server:
    """Wait until the server that has written down where it is answers there."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        for file in runtime.glob("jpserver-*.json"):
            try:
                told = json.loads(file.read_text())
            except json.JSONDecodeError:
                continue  # not yet written to its end
            if _answers(f"{told['url']}api/status?token={told['token']}"):
                return Server(told["url"], told["token"], folder)
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE):
            return True
    except OSError:
        return False  # not yet, or it is another's


KERNEL_IS_IDLE = """() => {
    const shown = window.jupyterapp?.shell.currentWidget;
    return shown?.sessionContext?.session?.kernel?.status === "idle";
}"""
ERRORS = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
    .flatMap((cell) => cell.toJSON().outputs ?? [])
    .filter((output) => output.output_type === "error")
    .map(({ ename, evalue }) => `${ename}: ${evalue}`)"""
RUN = """([command, given, patience]) => Promise.race([
    window.jupyterapp.commands.execute(command, given),
    new Promise((_, fail) => setTimeout(() => fail(new Error(`${command} takes too long`)), 1000 * patience)),
])"""


def open_notebook(page: Any, server: Server, name: str) -> None:
    """Show a notebook, run all its cells and wait until they are done."""
    page.goto(server.address(name))
    # The indicator of a notebook says idle before there is a kernel; to run a cell then opens a dialog.
    page.wait_for_function(KERNEL_IS_IDLE, timeout=1000 * PATIENCE)
    run(page, "notebook:run-all-cells")
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=1000 * PATIENCE)
    errors = page.evaluate(ERRORS)
    if errors:
        raise RuntimeError("\n".join(errors))


@contextmanager
def notebook_page(browser: Any, server: Server, name: str, *cells: str, width: int, height: int) -> Iterator[Any]:
    """A notebook of these cells, run, on a page of this size that leaves no JavaScript error uncaught."""
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(60_000)
    page, errors = context.new_page(), list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_notebook(page, server, server.write(name, *cells))
    yield page
    context.close()
    assert not errors, errors


def run(page: Any, command: str, **arguments: Any) -> None:
    """One of JupyterLab's own commands, as its menus run them, to its end."""
    page.evaluate(RUN, [command, arguments, PATIENCE])
