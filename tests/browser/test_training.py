"""The training lab in a real JupyterLab: it plays, answers while it does, stops, is replayed and begins anew."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.browser.canvas import pixels
from tests.browser.jupyter import Server, notebook_page
from tests.browser.kernel import ask, comes_to, execute

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STATE = {"data": {"name": "moons", "options": {"n": 96}}, "sides": [{"loss": "infonce"}, {"loss": "gca-uot"}]}
CELLS = (
    "import asyncio, gca_playground as gca",
    f"lab = gca.TrainingLab(state={STATE!r})\nlab",
)
STEP = "() => Number(document.querySelector('.gca-where b').textContent)"
DRAWN = """() => [...document.querySelectorAll(".gca-lab .gca-embedding")].map((part) =>
    [...part.querySelectorAll("path.point")].map((point) => point.getAttribute("transform")))"""
COUNT = """() => {
    window.drawings = [];
    new MutationObserver(() => window.drawings.push(performance.now()))
        .observe(document.querySelector(".gca-where"), { childList: true, subtree: true, characterData: true });
}"""


@pytest.fixture(scope="module")
def page(browser: Any, jupyter: Server) -> Iterator[Any]:
    """A notebook with the lab, opened once; no uncaught JavaScript error."""
    with notebook_page(browser, jupyter, "training.ipynb", *CELLS, width=1240, height=1500) as page:
        page.wait_for_function(f"() => ({DRAWN})().length === 2 && ({DRAWN})().every((points) => points.length > 50)")
        yield page


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def pause(page: Any) -> None:
    """Pause, and wait until the scrubber can be used."""
    press(page, "pause")
    page.wait_for_function("() => !document.querySelector('.gca-pictures .gca-slider-range').disabled")


def test_it_plays_answers_and_stops(page: Any) -> None:
    page.evaluate(COUNT)
    start = time.perf_counter()
    press(page, "play")
    page.wait_for_function(f"() => ({STEP})() > 0")
    first = time.perf_counter() - start
    page.wait_for_timeout(1500)
    slider = page.get_by_role("slider", name="entropic regularisation ε").first
    slider.press("PageUp")
    epsilon = float(slider.get_attribute("aria-valuetext"))
    page.wait_for_function(
        f"() => document.querySelector('.gca-card-0 .gca-formula').innerText.includes('{epsilon:g}')"
    )
    page.wait_for_timeout(500)
    # It stops: from then on neither the number of steps nor a picture changes any more.
    press(page, "pause")
    assert comes_to(page, "lab.loop.running", False)
    steps = ask(page, "lab.run.steps")
    page.wait_for_function(f"(steps) => ({STEP})() === steps", arg=steps)
    page.wait_for_timeout(300)
    drawn = page.evaluate(DRAWN)
    page.wait_for_timeout(400)
    assert (ask(page, "lab.run.steps"), page.evaluate(STEP)) == (steps, steps) and steps > 5
    assert page.evaluate(DRAWN) == drawn
    assert ask(page, "lab.run.sessions[0].loss.alignment.epsilon") == epsilon
    gaps = np.diff(page.evaluate("() => window.drawings"))
    print(f"first drawing after {first:.2f} s, a drawing every {np.median(gaps):.0f} ms, {steps} steps")
    assert np.median(gaps) < 500


def test_a_loss_brings_its_own_sliders(page: Any) -> None:
    loss, robustness = page.get_by_label("loss").first, page.get_by_role("slider", name="robustness q")
    assert robustness.count() == 0
    press(page, "play")
    loss.select_option("rince")
    robustness.wait_for()
    assert page.get_by_role("slider", name="density weight λ").count() == robustness.count() == 1  # not at the right
    robustness.press("PageUp")
    said = robustness.get_attribute("aria-valuetext")
    page.locator(".gca-card-0 .gca-formula").get_by_text(f"q = {said}, λ = 0.01").wait_for()
    before = page.evaluate(STEP)
    page.wait_for_function(f"(before) => ({STEP})() > before", arg=before)
    assert float(said) == ask(page, "lab.run.sessions[0].loss.alignment.divergence.q") > 0.5
    loss.select_option("infonce")
    robustness.wait_for(state="hidden")
    pause(page)


def test_a_slider_is_dragged_while_it_plays(page: Any) -> None:
    slider = page.get_by_role("slider", name="learning rate")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    press(page, "play")
    before = page.evaluate(STEP)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for k in range(12):
        page.mouse.move(x - 6 * k, y)
    page.mouse.up()
    page.wait_for_function(f"(before) => ({STEP})() > before", arg=before)
    said = slider.get_attribute("aria-valuetext")
    assert comes_to(page, "f\"{lab.state['lr']:g}\"", said) and float(said) < 5e-3
    pause(page)


RECORD = """import time
taken = []
ordinary = lab.run.step
lab.run.step = lambda: (ordinary(), taken.append(time.time()))"""
CLICK = """() => {
    const button = [...document.querySelectorAll(".gca-player button")].find((one) => one.ariaLabel === "pause");
    button.click();
    return Date.now() / 1000;
}"""


def test_it_stops_at_once(page: Any) -> None:
    execute(page, RECORD)
    latencies = []
    for _ in range(5):
        before = page.evaluate(STEP)
        press(page, "play")
        page.wait_for_function(f"(before) => ({STEP})() > before + 3", arg=before)
        clicked = page.evaluate(CLICK)
        page.get_by_role("button", name="play", exact=True).wait_for()
        page.wait_for_function("() => !document.querySelector('.gca-pictures .gca-slider-range').disabled")
        latencies.append(ask(page, "taken[-1]") - clicked)
    execute(page, "del lab.run.step")
    print("the last step after the click on pause:", *(f"{latency:.3f} s" for latency in latencies))
    assert min(latencies) <= 0.3  # a busy machine may hold up one, not all


def test_the_scrubber_replays(page: Any) -> None:
    scrubber = page.get_by_role("slider", name="replay step")
    end, canvas = page.evaluate(DRAWN), page.locator(".gca-card-1 .gca-mv-data")
    matrix = pixels(canvas)
    scrubber.press("Home")
    page.wait_for_function(f"() => ({STEP})() === 0")
    page.wait_for_function(f"(end) => JSON.stringify(({DRAWN})()) !== JSON.stringify(end)", arg=end)
    left, right = page.evaluate(DRAWN)
    assert left == right  # from the same weights
    assert not np.array_equal(pixels(canvas), matrix)
    scrubber.press("End")
    page.wait_for_function(f"(end) => JSON.stringify(({DRAWN})()) === JSON.stringify(end)", arg=end)


def test_reset_gives_the_same_first_frames(page: Any) -> None:
    seen = []
    for _ in range(2):
        press(page, "reset")
        page.wait_for_function(f"() => ({STEP})() === 0")
        for step in (1, 2):
            press(page, "1 step")
            page.wait_for_function(f"() => ({STEP})() === {step}")
        page.wait_for_timeout(200)
        seen.append(page.evaluate(DRAWN))
    assert seen[0] == seen[1]


def test_an_interrupt_of_the_kernel_stops_it(page: Any) -> None:
    press(page, "play")
    page.wait_for_function(f"() => ({STEP})() > 3")
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:interrupt-kernel')")
    page.get_by_role("alert").get_by_text("interrupted after").wait_for()
    page.get_by_role("button", name="play", exact=True).wait_for()
    steps = ask(page, "lab.run.steps")
    page.wait_for_timeout(300)
    assert ask(page, "[lab.run.steps, lab.loop.running]") == [steps, False]


def test_a_cell_that_runs_again_leaves_no_task_behind(page: Any) -> None:
    press(page, "play")
    page.wait_for_function(f"() => ({STEP})() > 3")
    execute(page, "old = lab")
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(f"() => ({STEP})() === 0")
    assert comes_to(page, "[old is lab, old.loop.running, lab.loop.running]", [False, False, False])
