"""``gca-playground app`` as a user starts it, on this machine alone, and the lab on its page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from gca_playground.views.labs.link import link
from tests.browser.jupyter import PATIENCE, ROOT

DRAWN = """() => {
    const plots = [...document.querySelectorAll(".gca-lab .js-plotly-plot")];
    const canvases = [...document.querySelectorAll(".gca-lab .gca-mv-data")];
    const drawn = (plot) => plot.querySelector("path.js-line, path.point");
    return plots.length > 1 && plots.every(drawn) && canvases.every((canvas) => canvas.width > 1);
}"""


class App(NamedTuple):
    """Where a running app answers, and its token."""

    url: str
    token: str

    def address(self, state: dict[str, Any] | None = None, **query: str) -> str:
        """Of the lab in a state (None: as it opens first), with more in the query, and the token."""
        parts = [f"{name}={value}" for name, value in {**query, "token": self.token}.items()]
        return f"{self.url}{link(state) + '&' if state is not None else '?'}{'&'.join(parts)}"


@contextmanager
def voila(home: Path) -> Iterator[App]:
    """The app on a free port, with everything it keeps in ``home``; its log is ``home/log``."""
    command = [sys.executable, "-m", "gca_playground", "app", "--no-browser", "--port=0"]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=home, env=_environment(home), stdout=log, stderr=log)
        try:
            yield _started(process, home / "log")
        finally:
            process.send_signal(signal.SIGINT)  # as Ctrl-C does; it ends its kernels
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def open_lab(page: Any, address: str) -> None:
    """Show the page and wait until the lab on it is drawn."""
    page.goto(address, timeout=1000 * PATIENCE)
    page.wait_for_function(DRAWN, timeout=1000 * PATIENCE)


def _environment(home: Path) -> dict[str, str]:
    """Nothing of the user's own."""
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return os.environ | {name: str(home / name.lower()) for name in names} | {"PYTHONPATH": path}


def _started(process: subprocess.Popen[bytes], log: Path) -> App:
    """Wait until the server has printed its address."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r"http://127\.0\.0\.1\S+(?=\s)", log.read_text())
        if found:
            parts = urlsplit(found[0])
            return App(f"http://{parts.netloc}/", parse_qs(parts.query)["token"][0])
        time.sleep(0.1)
    raise RuntimeError(f"the app did not start:\n{log.read_text()}")
