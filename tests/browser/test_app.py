"""All labs on the page of ``gca-playground app``: by click or address, without a mouse, on a phone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.axe import serious_findings
from tests.browser.jupyter import PATIENCE
from tests.browser.keyboard import move_every_slider, out_of_reach
from tests.browser.voila import DRAWN, App, open_lab

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DATA = {"name": "blobs", "options": {"n": 96}}
STATES = {
    "training": {"lab": "training", "data": DATA, "batch": 24, "sides": [{"loss": "infonce"}, {"loss": "gca-uot"}]},
    "target": {"lab": "target", "batch": 24},
    "gaussian": {"lab": "gaussian", "sigma": [0.8, 0.5]},
}
OPENED = [("training", "light"), ("target", "dark"), ("gaussian", "light")]

SLIDERS = """() => [...document.querySelectorAll(".gca-slider")].map((slider) => {
    const range = slider.querySelector("input");
    return [range.ariaLabel, range.ariaValueText, slider.querySelector(".gca-slider-text").textContent];
})"""
FITS = """() => {
    const lab = document.querySelector(".gca-lab");
    return lab.scrollWidth <= lab.clientWidth && document.documentElement.scrollWidth <= innerWidth;
}"""
WHOLE = """() => {
    const output = document.querySelector(".jp-OutputArea-child:has(.gca-lab)");
    const height = (element) => element.getBoundingClientRect().height;
    return height(output) >= height(output.querySelector(".gca-app"));
}"""
TITLE = ".gca-lab .gca-title"


@pytest.fixture(scope="module", params=OPENED, ids=["-".join(each) for each in OPENED])
def lab(request: pytest.FixtureRequest, browser: Any, app: App) -> Iterator[Any]:
    """The page of a linked lab; no uncaught JavaScript error."""
    name, theme = request.param
    context = browser.new_context(viewport={"width": 1240, "height": 900})
    context.set_default_timeout(20_000)
    page, errors = context.new_page(), list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_lab(page, app.address(STATES[name], theme=theme))
    yield page
    context.close()
    assert not [error for error in errors if "[anywidget] Failed to initialize model" not in error], errors


def test_axe_finds_nothing_serious(lab: Any) -> None:
    assert serious_findings(lab) == []
    assert serious_findings(lab, ".gca-chooser") == []


def test_every_slider_says_its_value(lab: Any) -> None:
    sliders = lab.evaluate(SLIDERS)
    assert len(sliders) > 5
    for label, said, seen in sliders:
        assert label and said == seen != ""


def test_the_keyboard_reaches_every_control(lab: Any) -> None:
    assert out_of_reach(lab) == []


def test_a_key_moves_every_slider(lab: Any) -> None:
    assert move_every_slider(lab, but={"replay step"}) > 3  # nothing was learnt yet: there is nothing to replay


def test_a_phone_is_wide_enough(lab: Any) -> None:
    lab.set_viewport_size({"width": 390, "height": 844})
    try:
        lab.wait_for_function(FITS)
        assert lab.locator(".gca-lab").bounding_box()["width"] <= 390
        assert serious_findings(lab) == []
    finally:
        lab.set_viewport_size({"width": 1240, "height": 900})


def test_a_phone_that_opens_a_lab_shows_all_of_it(browser: Any, app: App) -> None:
    """Also its end: on a narrow page JupyterLab's output is the row of a table, which may keep its first height."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    open_lab(page, app.address(STATES["gaussian"]))
    page.wait_for_function(WHOLE, timeout=20_000)
    page.close()


def test_a_click_chooses_the_lab_and_its_address(browser: Any, app: App) -> None:
    context = browser.new_context(
        viewport={"width": 1240, "height": 900}, permissions=["clipboard-read", "clipboard-write"]
    )
    context.set_default_timeout(1000 * PATIENCE)
    page = context.new_page()
    open_lab(page, app.address(STATES["gaussian"]))
    page.locator(TITLE).get_by_text("Gaussian").wait_for()
    for title, name in (("Training", "training"), ("Target", "target")):
        page.get_by_role("navigation", name="labs").get_by_role("button", name=title).click()
        page.locator(TITLE).get_by_text(title).wait_for()
        page.wait_for_function(DRAWN)
        asked = parse_qs(urlsplit(page.url).query)
        assert asked["lab"] == [name] and "state" not in asked
    assert page.locator(".gca-lab").count() == 1
    page.get_by_role("button", name="copy link").click()
    page.get_by_text("copied", exact=True).wait_for()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert json.loads(parse_qs(urlsplit(copied).query)["state"][0])["lab"] == "target"
    page.reload(timeout=1000 * PATIENCE)
    page.locator(TITLE).get_by_text("Target").wait_for()
    page.locator("[aria-current=page]").get_by_text("Target").wait_for()
    context.close()
