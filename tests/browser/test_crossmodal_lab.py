"""The crossmodal lab in a real JupyterLab: asked by keyboard, repaired by a half-step, drawn on, narrow, read aloud."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.axe import serious_findings
from tests.browser.jupyter import Server, notebook_page
from tests.browser.keyboard import move_every_slider, out_of_reach
from tests.browser.test_app import FITS
from tests.browser.voila import App, open_lab

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OVERFLOW = """() => {
    const lab = document.querySelector(".gca-lab").getBoundingClientRect();
    return [...document.querySelectorAll(".gca-lab *")].filter((part) => {
        const box = part.getBoundingClientRect();
        return box.width && box.right > lab.right + 1 && !part.closest("svg") && !part.closest(".js-plotly-plot");
    }).map((part) => part.className);
}"""


@pytest.fixture(scope="module")
def lab(browser: Any, jupyter: Server) -> Iterator[Any]:
    """The lab on its page; no uncaught JavaScript error."""
    code = "import gca_playground as gca\ngca.CrossmodalLab()"
    with notebook_page(browser, jupyter, "crossmodal.ipynb", code, width=1280, height=1400) as page:
        lab = page.locator(".gca-lab")
        lab.locator(".gca-clouds .js-plotly-plot .js-line").first.wait_for(state="attached")
        yield lab


def ess(lab: Any) -> float:
    """What the readout says: the weights are those of so many images."""
    return float(re.search(r"those of ([\d.]+) images", lab.locator(".gca-matrix .gca-told").inner_text())[1])


def says(lab: Any, words: str) -> None:
    lab.get_by_text(words).first.wait_for()


def bar(lab: Any) -> str:
    return str(lab.locator(".gca-clouds .js-line").first.get_attribute("d"))


def becomes_other(lab: Any, before: str) -> None:
    """Wait until the bars of the label probabilities are not those of before."""
    line = lab.locator(".gca-clouds .js-line").first.element_handle()
    lab.page.wait_for_function("([line, old]) => line.getAttribute('d') !== old", arg=[line, before])


def test_a_label_by_keyboard_and_the_half_step(lab: Any) -> None:
    collapsed = ess(lab)
    assert collapsed < 3
    stick = lab.locator(".gca-matrix .js-line").first
    before = stick.get_attribute("d")
    lab.get_by_role("button", name="7", exact=True).focus()
    lab.page.keyboard.press("Enter")
    says(lab, "images of a 7")
    assert ess(lab) != collapsed and stick.get_attribute("d") != before
    images = lab.get_by_role("group", name="the heaviest test images").get_by_role("button")
    assert images.count() == 10 and re.search(r"a 7, weight 0\.\d+", images.first.get_attribute("aria-label"))
    raw = ess(lab)
    lab.get_by_label("half-step first").first.focus()
    lab.page.keyboard.press("Space")
    lab.locator(".gca-pill").get_by_text("fit for both directions").wait_for()
    assert ess(lab) > 2 * raw


def test_a_refused_half_step_is_told_and_the_switch_goes_back(lab: Any) -> None:
    switch = lab.get_by_label("half-step first").nth(1)
    switch.press("Space")
    lab.get_by_role("alert").get_by_text("can be used as it is").wait_for()
    lab.page.wait_for_function("(box) => !box.checked", arg=switch.element_handle())
    assert ess(lab) > 20


def test_picking_an_image_and_drawing_with_the_keyboard_and_the_mouse(lab: Any) -> None:
    images = lab.get_by_role("group", name="the heaviest test images").get_by_role("button")
    images.first.focus()
    lab.page.keyboard.press("ArrowRight")
    lab.page.keyboard.press("Enter")
    says(lab, "a 7: says 7")
    lab.page.wait_for_function(
        "(made) => made.getAttribute('aria-pressed') === 'true'", arg=images.nth(1).element_handle()
    )
    lab.get_by_role("button", name="clear, and draw").click()
    says(lab, "your drawing: says")
    before, cells = bar(lab), lab.locator(".gca-mv-cells")
    cells.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "Enter"):
        lab.page.keyboard.press(key)
    becomes_other(lab, before)
    before, box = bar(lab), cells.bounding_box()
    lab.page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.2 * box["height"])
    lab.page.mouse.down()
    lab.page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.8 * box["height"], steps=8)
    lab.page.mouse.up()
    becomes_other(lab, before)


def test_training_says_that_it_goes_on_and_how_long_it_took(lab: Any) -> None:
    lab.get_by_label("loss").select_option(label="two-sided (CLIP)")
    lab.locator(".gca-controls").get_by_text("training, a few seconds").wait_for()
    lab.locator(".gca-pill").get_by_text("two-sided (CLIP): fit for both").wait_for()
    lab.locator(".gca-controls").get_by_text("trained in").wait_for()


def test_axe_finds_nothing_serious_with_the_digits(lab: Any) -> None:
    assert serious_findings(lab.page) == []


def test_the_drifters_and_their_path_by_keyboard(lab: Any) -> None:
    lab.get_by_role("button", name="drifters", exact=True).first.click()
    lab.locator(".gca-matrix .contourlayer path").first.wait_for()
    pill, slider = lab.locator(".gca-pill").inner_text(), lab.get_by_role("slider", name="held-out path")
    slider.focus()
    for _ in range(2):
        lab.page.keyboard.press("ArrowRight")
    lab.page.wait_for_function("([pill, old]) => pill.innerText !== old",
                               arg=[lab.locator(".gca-pill").element_handle(), pill])  # fmt: skip
    assert slider.get_attribute("aria-valuetext") == "2"
    assert serious_findings(lab.page) == []


@pytest.mark.parametrize("tab", ["digits", "drifters"])
def test_nothing_sticks_out_at_390_pixels(lab: Any, tab: str) -> None:
    lab.get_by_role("button", name=tab, exact=True).first.click()
    wide = lab.page.viewport_size
    for _ in range(3):
        over = lab.bounding_box()["width"] - 390
        lab.page.set_viewport_size({"width": round(lab.page.viewport_size["width"] - over), "height": 1400})
        lab.page.wait_for_timeout(500)
    assert lab.bounding_box()["width"] == pytest.approx(390, abs=2)
    assert lab.page.evaluate(OVERFLOW) == []
    lab.page.set_viewport_size(wide)


@pytest.fixture(scope="module", params=["digits", "drifters"])
def linked(request: pytest.FixtureRequest, browser: Any, app: App) -> Iterator[Any]:
    """The lab on a dark page of the app; no uncaught JavaScript error."""
    context = browser.new_context(viewport={"width": 1240, "height": 900})
    context.set_default_timeout(30_000)
    page, errors = context.new_page(), list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_lab(page, app.address({"lab": "crossmodal", "tab": request.param, "loss": "two-sided"}, theme="dark"))
    yield page
    context.close()
    assert not [error for error in errors if "[anywidget] Failed to initialize model" not in error], errors


def test_the_keyboard_reaches_every_control_of_the_app(linked: Any) -> None:
    assert out_of_reach(linked) == []


def test_a_key_moves_every_slider_of_the_app_and_back(linked: Any) -> None:
    assert move_every_slider(linked) > 1


def test_the_app_on_a_phone_and_for_axe(linked: Any) -> None:
    assert serious_findings(linked) == []
    linked.set_viewport_size({"width": 390, "height": 844})
    linked.wait_for_function(FITS)
    assert linked.locator(".gca-lab").bounding_box()["width"] <= 390
    assert serious_findings(linked) == []
