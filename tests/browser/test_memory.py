"""A training lab that plays for long keeps neither the kernel's memory nor the browser's growing.

``GCA_FRAMES=2000 python -m pytest tests/browser/test_memory.py -s -n0`` plays longer and prints what it measured.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import pytest

from tests.browser.jupyter import PATIENCE, Server, open_notebook
from tests.browser.kernel import ask

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FRAMES = int(os.environ.get("GCA_FRAMES", "150"))
WARM_UP = 150
"""Frames after which all that is kept is there: the replay keeps 128."""
MEGABYTE = 2**20

STATE = {"data": {"name": "moons", "options": {"n": 96}}, "sides": [{"loss": "infonce"}, {"loss": "gca-uot"}]}
CELL = f"import gc, os, gca_playground as gca\nlab = gca.TrainingLab(state={STATE!r})\nlab"
RSS = "gc.collect() * 0 + int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE')"
COUNT = """() => {
    window.drawn = 0;
    new MutationObserver(() => window.drawn++)
        .observe(document.querySelector(".gca-where"), { childList: true, subtree: true, characterData: true });
}"""


class Size(NamedTuple):
    """Bytes in the kernel and in the page's JavaScript, and what the page consists of."""

    kernel: int
    heap: int
    nodes: int
    listeners: int

    def __str__(self) -> str:
        kernel, heap = self.kernel / MEGABYTE, self.heap / MEGABYTE
        return f"kernel {kernel:.1f} MB, heap {heap:.1f} MB, {self.nodes} nodes, {self.listeners} listeners"


def size(page: Any, tools: Any) -> Size:
    for _ in range(2):
        tools.send("HeapProfiler.collectGarbage")
    metrics = {each["name"]: each["value"] for each in tools.send("Performance.getMetrics")["metrics"]}
    names = ("JSHeapUsedSize", "Nodes", "JSEventListeners")
    return Size(int(ask(page, RSS)), *(int(metrics[name]) for name in names))


def play(page: Any, frames: int) -> None:
    """Let the lab play until so many pictures more are drawn."""
    end = page.evaluate("() => window.drawn") + frames
    page.get_by_role("button", name="play", exact=True).click()
    page.wait_for_function("(end) => window.drawn >= end", arg=end, timeout=1000 * (PATIENCE + frames))
    page.get_by_role("button", name="pause", exact=True).click()
    page.wait_for_function("() => !document.querySelector('.gca-pictures .gca-slider-range').disabled")


def test_playing_keeps_no_memory(browser: Any, jupyter: Server) -> None:
    context = browser.new_context(viewport={"width": 1240, "height": 1500})
    context.set_default_timeout(30_000)
    page = context.new_page()
    open_notebook(page, jupyter, jupyter.write("memory.ipynb", CELL))
    page.wait_for_function("() => document.querySelectorAll('.gca-embedding path.point').length > 100")
    page.evaluate(COUNT)
    tools = context.new_cdp_session(page)
    tools.send("Performance.enable")
    play(page, WARM_UP)
    before = size(page, tools)
    play(page, FRAMES)
    after, steps = size(page, tools), ask(page, "lab.run.steps")
    print(f"\nafter {WARM_UP} frames: {before}\nafter {FRAMES} more ({steps} steps): {after}")
    assert after.kernel - before.kernel < 16 * MEGABYTE
    assert after.heap - before.heap < 8 * MEGABYTE
    assert after.nodes - before.nodes < 1000
    assert after.listeners - before.listeners < 100
    context.close()
