"""The Gaussian lab in a real JupyterLab: the keyboard walks in the square, a click does, an error is seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.jupyter import Server, notebook_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STATE = '{"loss": "square", "kappa": [0.5, 0.5]}'


@pytest.fixture(scope="module")
def lab(browser: Any, jupyter: Server) -> Iterator[Any]:
    """The lab on its page; no uncaught JavaScript error."""
    code = f"import gca_playground as gca\ngca.GaussianLab(state={STATE})"
    with notebook_page(browser, jupyter, "gaussian.ipynb", code, width=1280, height=1400) as page:
        lab = page.locator(".gca-lab")
        lab.locator(".gca-curves .js-plotly-plot .points > .point").first.wait_for()
        yield lab


def formula_says(lab: Any, words: str) -> None:
    lab.locator(".gca-formula").get_by_text(words).first.wait_for()


def test_the_keyboard_walks_and_the_pictures_follow(lab: Any) -> None:
    ellipse = lab.locator(".gca-matrix .js-line").nth(5)
    before = ellipse.get_attribute("d")
    slider = lab.get_by_role("slider", name="potential of u, κᵤ", exact=True)
    slider.focus()
    lab.page.keyboard.press("End")
    formula_says(lab, "κ=1")
    assert slider.get_attribute("aria-valuetext") == "1"
    assert ellipse.get_attribute("d") != before
    lab.page.keyboard.press("ArrowLeft")
    formula_says(lab, "κ=0.9")


def test_a_click_in_the_square_goes_there(lab: Any) -> None:
    box = lab.locator(".gca-curves .points").last.bounding_box()
    lab.page.mouse.move(box["x"] + 30, box["y"] + 30)
    lab.page.wait_for_timeout(300)
    lab.page.mouse.click(box["x"] + 4, box["y"] + 4)  # the corner of u given v
    lab.locator(".gca-pill").get_by_text("u|v, one half-step").wait_for()


def test_learning_leaves_a_dot_and_an_error_is_seen(lab: Any) -> None:
    lab.get_by_role("button", name="learn").click()
    lab.locator(".gca-told").get_by_text("seed 0").wait_for()
    lab.get_by_label("loss").select_option(label="Wasserstein, u given v")
    formula_says(lab, "E W²")
    lab.get_by_role("button", name="learn").click()
    lab.get_by_role("alert").get_by_text("compares laws").wait_for()
    assert "E W²" in lab.locator(".gca-formula").inner_text()
