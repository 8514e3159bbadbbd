"""The pictures of the labs that the README and the docs show, taken in a real JupyterLab.

    python -m tests.browser.screenshots

Light, dark and 390 px wide, on digits and on hubs; written to docs/, in 256 colours.
"""

from __future__ import annotations

import base64
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from playwright.sync_api import sync_playwright

from gca_playground.doctor import find_chromium
from tests.browser.canvas import READ
from tests.browser.conftest import QUIET
from tests.browser.jupyter import ROOT, Server, jupyterlab, open_notebook, run

DOCS = ROOT / "docs"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
DECODE = """async (text) => {
    const image = await createImageBitmap(new Blob([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))]));
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
    canvas.getContext("2d").drawImage(image, 0, 0);
    return ("""
DECODE += READ + ")(canvas)}"


class Shot(NamedTuple):
    """One picture: its name, the state of the lab, the theme, and how wide the page is."""

    name: str
    state: str
    dark: bool = False
    width: int = 1280
    lab: str = "CouplingLab"
    steps: int = 0


DIGITS = "{}"
GCA = '{"alignment": {"epsilon": 0.1, "steps": 8}}'
HUBS = '{"data": {"name": "hubs", "n": 64}, "alignment": {"epsilon": 0.1, "steps": 1}}'
GRADIENT = '{"data": {"name": "hubs", "n": 64}, "alignment": {"epsilon": 0.1, "steps": 1}, "view": "gradient"}'
RING = "gca.TrainingLab.presets[0].state.to_dict()"
RESCUED = "gca.TrainingLab.presets[3].state.to_dict()"
SHOTS = (
    Shot("coupling-light", DIGITS),
    Shot("coupling-dark", GCA, dark=True),
    Shot("coupling-hubs", HUBS),
    Shot("coupling-hubs-gradient-dark", GRADIENT, dark=True),
    Shot("coupling-phone", DIGITS, width=390),
    Shot("training-light", RING, lab="TrainingLab", steps=100),
    Shot("training-compare-dark", RESCUED, dark=True, lab="TrainingLab", steps=240),
    Shot("training-phone", RESCUED, width=390, lab="TrainingLab", steps=60),
    Shot("target-light", DIGITS, lab="TargetLab", steps=100),
    Shot("target-phone", DIGITS, dark=True, width=390, lab="TargetLab", steps=60),
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
    learn = f"lab.step({shot.steps})\n" if shot.steps else ""
    code = f"import gca_playground as gca\nlab = gca.{shot.lab}(state={shot.state})\n{learn}lab"
    name = server.write(f"{shot.name}.ipynb", code)
    open_notebook(page, server, name)
    theme = "JupyterLab Dark" if shot.dark else "JupyterLab Light"
    run(page, "apputils:change-theme", theme=theme)
    page.locator(".gca-lab canvas").first.wait_for()
    if shot.width != 1280:  # JupyterLab hides what tells that it is ready where the page is narrow
        page.set_viewport_size({"width": shot.width, "height": 3200})
    page.mouse.move(0, 0)
    page.wait_for_timeout(2500)
    path = DOCS / f"{shot.name}.png"
    path.write_bytes(shrink(browser, page.locator(".gca-lab").screenshot()))
    page.close()
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def shrink(browser: Any, png: bytes) -> bytes:
    """The picture with a palette: its 256 most frequent colours, and for the others the nearest of them."""
    page = browser.new_page()
    rows, cols, data = page.evaluate(DECODE, base64.b64encode(png).decode())
    page.close()
    pixels = np.frombuffer(base64.b64decode(data), np.uint8).reshape(rows * cols, 4)[:, :3].astype(int)
    keys, index, counts = np.unique(pixels @ (1 << 16, 1 << 8, 1), return_inverse=True, return_counts=True)
    colours = np.stack([keys >> 16, keys >> 8 & 255, keys & 255], 1)
    palette = colours[np.argsort(-counts)[:256]]
    near = [int(np.abs(palette - colour).sum(1).argmin()) for colour in colours]
    index = np.array(near)[index]
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), index.reshape(rows, cols).astype(np.uint8)], axis=1)
    head = struct.pack(">IIBBBBB", cols, rows, 8, 3, 0, 0, 0)
    table, body = palette.astype(np.uint8).tobytes(), zlib.compress(lines.tobytes(), 9)
    parts = ((b"IHDR", head), (b"PLTE", table), (b"IDAT", body), (b"IEND", b""))
    return SIGNATURE + b"".join(chunk(*part) for part in parts)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


if __name__ == "__main__":
    main()
