"""The pictures of the labs that the README and the docs show, taken in a real JupyterLab.

    python -m tests.browser.screenshots [part of a name ...]

Every lab light, dark and 390 px wide; written to docs/, in 256 colours.
"""

from __future__ import annotations

import base64
import struct
import sys
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from playwright.sync_api import sync_playwright

from gca_playground.doctor import find_chromium
from tests.browser.canvas import READ
from tests.browser.conftest import QUIET
from tests.browser.jupyter import PATIENCE, ROOT, Server, jupyterlab, open_notebook, run

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
PHONE = 390
HUBS = '{"data": {"name": "hubs", "n": 64}, "alignment": {"epsilon": 0.1, "steps": 1}}'
GRADIENT = '{"data": {"name": "hubs", "n": 64}, "alignment": {"epsilon": 0.1, "steps": 1}, "view": "gradient"}'
RING = "gca.TrainingLab.presets[0].state.to_dict()"
RESCUED = "gca.TrainingLab.presets[3].state.to_dict()"
SQUARE = '{"sigma": [0.8, 0.5], "loss": "square", "kappa": [0.5, 0.5]}'
LEARNED = '{"sigma": [0.8, 0.5], "loss": "joint", "batch": 16, "learned": True}'
SHOTS = (
    Shot("coupling-light", DIGITS),
    Shot("coupling-dark", GCA, dark=True),
    Shot("coupling-hubs", HUBS),
    Shot("coupling-hubs-gradient-dark", GRADIENT, dark=True),
    Shot("coupling-phone", DIGITS, width=PHONE),
    Shot("training-light", RING, lab="TrainingLab", steps=100),
    Shot("training-dark", RESCUED, dark=True, lab="TrainingLab", steps=240),
    Shot("training-phone", RESCUED, width=PHONE, lab="TrainingLab", steps=60),
    Shot("target-light", DIGITS, lab="TargetLab", steps=100),
    Shot("target-dark", DIGITS, dark=True, lab="TargetLab", steps=100),
    Shot("target-phone", DIGITS, dark=True, width=PHONE, lab="TargetLab", steps=60),
    Shot("gaussian-light", SQUARE, lab="GaussianLab"),
    Shot("gaussian-dark", LEARNED, dark=True, lab="GaussianLab"),
    Shot("gaussian-phone", SQUARE, width=PHONE, lab="GaussianLab"),
    Shot("crossmodal-light", DIGITS, lab="CrossmodalLab"),
    Shot("crossmodal-dark", '{"half_steps": ["u|v"]}', dark=True, lab="CrossmodalLab"),
    Shot("crossmodal-phone", DIGITS, width=PHONE, lab="CrossmodalLab"),
    Shot("crossmodal-drifters", '{"tab": "drifters"}', lab="CrossmodalLab"),
)
DRAWN = """() => {
    const lab = document.querySelector(".gca-lab");
    const plots = [...(lab?.querySelectorAll(".js-plotly-plot") ?? [])];
    return plots.length > 1 && plots.every((plot) => plot.querySelector(".js-line, path.point"));
}"""
BARE = """#jp-bottom-panel, #jp-main-statusbar, .jp-InputPrompt, .jp-OutputPrompt, .jp-Cell-inputWrapper,
    .jp-cell-toolbar, .jp-Notebook-footer { display: none !important; }"""
ABOVE_PAGE = 200
"""Pixels of a page that JupyterLab has for itself."""


def main(parts: Sequence[str]) -> None:
    """Take them all, or those whose names have one of these parts."""
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, jupyterlab(Path(home)) as server, sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=find_chromium(), args=QUIET)
        for shot in SHOTS:
            if not parts or any(part in shot.name for part in parts):
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
    page.wait_for_function(DRAWN, timeout=1000 * PATIENCE)
    page.add_style_tag(content=BARE)
    fit(page, shot.width)
    page.mouse.move(0, 0)
    page.wait_for_timeout(2500)
    path = DOCS / f"{shot.name}.png"
    path.write_bytes(shrink(browser, page.locator(".gca-lab").screenshot()))
    page.close()
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def fit(page: Any, width: int) -> None:
    """A page so wide that the lab on it is ``width`` wide, and so high that all of the lab is seen."""
    lab = page.locator(".gca-lab")
    size = page.viewport_size
    for _ in range(3):  # what is narrower is higher
        page.wait_for_timeout(700)
        box = lab.bounding_box()
        size = {
            "width": size["width"] + width - round(box["width"]),
            "height": round(box["height"]) + ABOVE_PAGE,
        }
        page.set_viewport_size(size)


def shrink(browser: Any, png: bytes) -> bytes:
    """The picture with a palette of 256 colours."""
    page = browser.new_page()
    rows, cols, data = page.evaluate(DECODE, base64.b64encode(png).decode())
    page.close()
    pixels = np.frombuffer(base64.b64decode(data), np.uint8).reshape(rows * cols, 4)[:, :3].astype(int)
    keys, index, counts = np.unique(pixels @ (1 << 16, 1 << 8, 1), return_inverse=True, return_counts=True)
    palette, nearest = reduced(np.stack([keys >> 16, keys >> 8 & 255, keys & 255], 1), counts)
    index = nearest[index]
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), index.reshape(rows, cols).astype(np.uint8)], axis=1)
    head = struct.pack(">IIBBBBB", cols, rows, 8, 3, 0, 0, 0)
    table, body = palette.astype(np.uint8).tobytes(), zlib.compress(lines.tobytes(), 9)
    parts = ((b"IHDR", head), (b"PLTE", table), (b"IDAT", body), (b"IEND", b""))
    return SIGNATURE + b"".join(chunk(*part) for part in parts)


def reduced(colours: np.ndarray, counts: np.ndarray, most: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """At most so many of the colours (k, 3), and for each colour which of them is nearest.

    One after the other, each the colour that is seen much and is far from those before: also a rare one has its place.
    """
    far, nearest = np.full(len(colours), np.inf), np.zeros(len(colours), int)
    chosen = [int(counts.argmax())]
    while True:
        distance = ((colours - colours[chosen[-1]]) ** 2).sum(1)
        nearest[distance < far] = len(chosen) - 1
        far = np.minimum(far, distance)
        worst = int((far * np.sqrt(counts)).argmax())
        if len(chosen) == most or not far[worst]:
            return colours[chosen], nearest
        chosen.append(worst)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


if __name__ == "__main__":
    main(sys.argv[1:])
