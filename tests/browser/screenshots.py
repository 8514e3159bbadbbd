"""The pictures of the labs that the README and the docs show, taken in a real JupyterLab.

    python -m tests.browser.screenshots

Light, dark and 390 px wide, on digits and on hubs; written to docs/.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import sync_playwright

from gca_playground.cli import find_chromium
from tests.browser.conftest import QUIET
from tests.browser.jupyter import ROOT, Server, jupyterlab, open_notebook, run

DOCS = ROOT / "docs"


class Shot(NamedTuple):
    """One picture: its name, the state of the lab, the theme, and how wide the page is."""

    name: str
    state: str
    dark: bool = False
    width: int = 1280


DIGITS = "{}"
GCA = '{"alignment": {"epsilon": 0.1, "steps": 8}}'
HUBS = '{"data": {"name": "hubs", "n": 64}, "alignment": {"epsilon": 0.1, "steps": 1}}'
GRADIENT = '{"data": {"name": "hubs", "n": 64}, "alignment": {"epsilon": 0.1, "steps": 1}, "view": "gradient"}'
SHOTS = (
    Shot("coupling-light", DIGITS),
    Shot("coupling-dark", GCA, dark=True),
    Shot("coupling-hubs", HUBS),
    Shot("coupling-hubs-gradient-dark", GRADIENT, dark=True),
    Shot("coupling-phone", DIGITS, width=390),
)


def main() -> None:
    """Take them all."""
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, jupyterlab(Path(home)) as server, sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=find_chromium(), args=QUIET)
        for shot in SHOTS:
            take(browser, server, shot)
        browser.close()


def take(browser: Any, server: Server, shot: Shot) -> None:
    """Open a lab in its state and keep what it looks like."""
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    name = server.write(f"{shot.name}.ipynb", f"import gca_playground as gca\ngca.CouplingLab(state={shot.state})")
    open_notebook(page, server, name)
    theme = "JupyterLab Dark" if shot.dark else "JupyterLab Light"
    run(page, "apputils:change-theme", theme=theme)
    page.locator(".gca-lab canvas").first.wait_for()
    if shot.width != 1280:  # JupyterLab hides what tells that it is ready where the page is narrow
        page.set_viewport_size({"width": shot.width, "height": 3200})
    page.mouse.move(0, 0)
    page.wait_for_timeout(2500)
    path = DOCS / f"{shot.name}.png"
    page.locator(".gca-lab").screenshot(path=path)
    page.close()
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
