"""Two labs that learn on one page: they play at once, one stops without the other, and an interrupt ends both."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.jupyter import Server, open_notebook
from tests.browser.kernel import ask

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELLS = (
    "import asyncio, gca_playground as gca\nstate = {'data': {'name': 'moons', 'options': {'n': 64}}, 'batch': 16}",
    "one = gca.TrainingLab(state=state)\none",
    "two = gca.TargetLab(state={'batch': 16})\ntwo",
)
STEPS = "() => [...document.querySelectorAll('.gca-where b')].map((step) => Number(step.textContent))"
TASKS = "[one.loop.running, two.loop.running, sum('Loop' in repr(task) for task in asyncio.all_tasks(one.loop._home))]"


def beyond(page: Any, least: list[int]) -> None:
    page.wait_for_function(f"(least) => ({STEPS})().every((step, k) => step > least[k])", arg=least)


def test_two_labs_play_at_once(browser: Any, jupyter: Server) -> None:
    context = browser.new_context(viewport={"width": 1240, "height": 2600})
    context.set_default_timeout(30_000)
    page = context.new_page()
    open_notebook(page, jupyter, jupyter.write("two.ipynb", *CELLS))
    plays = page.locator(".gca-player button")
    page.wait_for_function("() => document.querySelectorAll('.gca-embedding path.point').length > 30")
    for k in range(2):
        plays.nth(k).click()
    beyond(page, [3, 3])
    plays.nth(0).click()  # pause
    page.wait_for_function("() => document.querySelectorAll('.gca-pictures .gca-slider-range:disabled').length === 1")
    steps = page.evaluate(STEPS)
    beyond(page, [steps[0] - 1, steps[1] + 3])
    assert page.evaluate(STEPS)[0] == steps[0]
    plays.nth(0).click()
    beyond(page, page.evaluate(STEPS))
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:interrupt-kernel')")
    page.wait_for_function("() => document.querySelectorAll('.gca-lab [role=alert]').length === 2")
    assert ask(page, TASKS) == [False, False, 0]
    context.close()
