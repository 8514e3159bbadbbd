"""The target lab in a real JupyterLab: one paints with the mouse, and the training goes there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.jupyter import Server, open_notebook
from tests.browser.kernel import ask, comes_to

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STATE = {"batch": 24, "seed": 1}
CELL = f"import gca_playground as gca\nlab = gca.TargetLab(state={STATE!r})\nlab"
TABLE = "lab.state['sides'][0]['alignment']['target']['masses']"
STEP = "() => Number(document.querySelector('.gca-where b').textContent)"
DRAWN = """() => [...document.querySelectorAll(".gca-lab .gca-embedding path.point")].map((point) =>
    point.getAttribute("transform"))"""
HEIGHTS = """() => [...document.querySelectorAll(".gca-stage > .gca-card")].map((card) => {
    const within = [...card.children].map((part) => part.getBoundingClientRect().bottom);
    return card.getBoundingClientRect().bottom - Math.max(...within);
})"""


@pytest.fixture(scope="module")
def page(browser: Any, jupyter: Server) -> Iterator[Any]:
    """A notebook with the lab, opened once; no uncaught JavaScript error."""
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    context.set_default_timeout(30_000)
    page, errors = context.new_page(), list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_notebook(page, jupyter, jupyter.write("target.ipynb", CELL))
    page.wait_for_function(f"() => ({DRAWN})().length >= 24")
    yield page
    context.close()
    assert not [error for error in errors if "[anywidget] Failed to initialize model" not in error], errors


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_a_stroke_paints_the_cells_that_it_comes_to(page: Any) -> None:
    before = ask(page, TABLE)
    cells = page.get_by_role("application").first if page.get_by_role("application").count() else None
    box = (cells or page.locator(".gca-stage .gca-mv-cells").first).bounding_box()
    n = len(before)
    assert n == 6 and before[0][5] == before[0][4] == 0
    at = lambda row, col: (box["x"] + (col + 0.5) * box["width"] / n, box["y"] + (row + 0.5) * box["height"] / n)  # noqa: E731
    page.mouse.move(*at(0, 5))
    page.mouse.down()
    page.mouse.move(*at(0, 4), steps=4)
    page.mouse.up()
    page.mouse.move(0, 0)
    painted = [list(row) for row in before]
    painted[0][5] = painted[0][4] = 0.25
    assert comes_to(page, TABLE, painted)
    press(page, "classes together")
    assert comes_to(page, TABLE, before)


def test_a_slider_fills_its_cells_and_says_so(page: Any) -> None:
    slider = page.get_by_role("slider", name="β · neither of them")
    slider.press("PageUp")
    said = slider.get_attribute("aria-valuetext")
    assert float(said) > 0
    assert comes_to(page, f"lab.knobs['beta'].control.text == {said!r}", True)
    table = ask(page, TABLE)
    assert table[0][3] == table[0][5] > 0  # another class, the other domain
    press(page, "classes together")
    assert comes_to(page, TABLE + "[0][3]", 0)


def test_it_plays_and_reset_gives_the_same_first_frames(page: Any) -> None:
    press(page, "play")
    page.wait_for_function(f"() => ({STEP})() > 3")
    slider = page.get_by_role("slider", name="entropic regularisation ε")
    slider.press("PageDown")
    epsilon = float(slider.get_attribute("aria-valuetext"))
    page.wait_for_function(f"() => document.querySelector('.gca-card .gca-formula').innerText.includes('{epsilon:g}')")
    press(page, "pause")
    page.wait_for_function("() => !document.querySelector('[aria-label=\"replay step\"]').disabled")
    seen = []
    for _ in range(2):
        press(page, "reset")
        page.wait_for_function(f"() => ({STEP})() === 0")
        press(page, "1 step")
        page.wait_for_function(f"() => ({STEP})() === 1")
        press(page, "1 step")
        page.wait_for_function(f"() => ({STEP})() === 2")
        drawn = ask(page, "[lab.shown.shots[0].z.tolist(), lab.shown.shots[0].loss]")
        seen.append(drawn)
    assert seen[0] == seen[1]


def test_the_cards_are_as_high_as_what_is_in_them(page: Any) -> None:
    page.wait_for_function(f"() => Math.min(...({HEIGHTS})()) < 40")
