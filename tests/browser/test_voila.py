"""``gca-playground app`` in a real browser: who may open it, what a link opens, and how well it can be used."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from gca_playground.views.labs.presets import PRESETS
from gca_playground.views.matrix_view import PLAN_DARK, PLAN_LIGHT
from tests.browser.axe import serious_findings
from tests.browser.canvas import comes_to_show, pixels
from tests.browser.saving import check_saves
from tests.browser.voila import App, open_lab
from tests.oracles import picture

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HUBS = next(preset for preset in PRESETS if preset.name == "hubs")
LINKED = {
    "data": HUBS.choice.to_dict(),
    "alignment": HUBS.alignment.to_dict() | {"epsilon": 0.2, "rows": "exact", "cols": 1.0, "steps": 3},
}
FIRST = {"data": PRESETS[0].choice.to_dict(), "alignment": PRESETS[0].alignment.to_dict()}
NONSENSE = {"alignment": {"epsilon": -1}}


class LabOnPage:
    """The lab on a page of the app's."""

    def __init__(self, page: Any, palette: bytes = PLAN_LIGHT) -> None:
        self.page, self.palette = page, palette
        self.root = page.locator(".gca-lab")
        self.canvas = self.root.locator(".gca-mv-data")
        self.error = self.root.get_by_role("alert")

    def slider(self, name: str) -> Any:
        return self.root.get_by_role("slider", name=name, exact=True)

    def shows(self, state: dict[str, Any]) -> bool:
        return comes_to_show(self.canvas, picture.colours(picture.levels(picture.plan_of(state)), self.palette))


@pytest.fixture(scope="module")
def labs(browser: Any, app: App) -> Iterator[dict[str, LabOnPage]]:
    """The lab of a link, in light; of no link, and of a link to nonsense, in dark. No uncaught JavaScript error."""
    addresses = {
        "linked": (app.address(LINKED), PLAN_LIGHT),
        "first": (app.address(theme="dark"), PLAN_DARK),
        "nonsense": (app.address(NONSENSE, theme="dark"), PLAN_DARK),
    }
    errors: list[str] = []
    said: list[str] = []
    asked: set[str] = set()
    with ExitStack() as stack:
        labs = {}
        for name, (address, palette) in addresses.items():
            context = stack.enter_context(browser.new_context(viewport={"width": 1240, "height": 900}))
            context.set_default_timeout(10_000)
            page = context.new_page()
            page.on("pageerror", lambda error, name=name: errors.append(f"{name}: {error}"))
            page.on("request", lambda request: asked.add(str(urlsplit(request.url).hostname)))
            page.on("console", lambda told: said.append(told.text) if told.type == "error" else None)
            open_lab(page, address)
            labs[name] = LabOnPage(page, palette)
        yield labs
    # Nothing comes from elsewhere: a page that waits for a server that does not answer is a white page.
    assert asked <= {"127.0.0.1", "None"}, asked
    # anywidget gives a model two seconds, which a busy machine may exceed; what each lab then shows is tested above.
    assert not [error for error in errors if "[anywidget] Failed to initialize model" not in error], (errors, said)


def test_nobody_without_the_token(app: App) -> None:
    for query in ("", "?token=wrong"):
        try:
            with urllib.request.urlopen(app.url + query, timeout=10) as answer:
                refused = "/login" in answer.url
        except urllib.error.HTTPError as error:
            refused = error.code == 403
        assert refused


def test_the_lab_opens(labs: dict[str, LabOnPage]) -> None:
    lab = labs["first"]
    assert lab.shows(FIRST)
    assert lab.root.count() == 1 and lab.error.count() == 0


def test_a_link_opens_its_state(labs: dict[str, LabOnPage]) -> None:
    lab = labs["linked"]
    assert lab.shows(LINKED)
    shown = {
        name: lab.slider(name).get_attribute("aria-valuetext")
        for name in ("entropic regularisation ε", "row marginal ρ", "column marginal ρ", "half-steps", "pairs")
    }
    assert shown == {
        "entropic regularisation ε": "0.2",
        "row marginal ρ": "exact",
        "column marginal ρ": "1",
        "half-steps": "3",
        "pairs": "64",
    }
    formula = lab.root.locator(".gca-formula").inner_text()
    assert "exp(−C/0.2) after 3 half-steps" in formula and f"{picture.loss_of(LINKED):.3f}" in formula
    assert lab.error.count() == 0


def test_a_link_to_nonsense_says_so_and_the_lab_works(labs: dict[str, LabOnPage]) -> None:
    lab = labs["nonsense"]
    assert lab.shows(FIRST)
    words = lab.error.inner_text()
    assert "the link could not be followed" in words and "epsilon" in words and "-1" in words
    assert serious_findings(lab.page) == []  # while the error is on show
    lab.slider("half-steps").focus()
    lab.page.keyboard.press("ArrowRight")
    assert lab.shows(FIRST | {"alignment": FIRST["alignment"] | {"steps": 2}})
    sync_api.expect(lab.error).to_have_count(0)


def test_a_key_on_a_slider_changes_the_matrix(labs: dict[str, LabOnPage]) -> None:
    lab = labs["linked"]
    before = pixels(lab.canvas)
    lab.slider("half-steps").focus()
    lab.page.keyboard.press("ArrowRight")
    assert lab.shows(LINKED | {"alignment": LINKED["alignment"] | {"steps": 4}})
    assert not np.array_equal(pixels(lab.canvas), before)
    lab.page.keyboard.press("ArrowLeft")
    assert lab.shows(LINKED)


def test_every_kind_of_file_is_saved(labs: dict[str, LabOnPage]) -> None:
    check_saves(labs["linked"].root, "hubs", 64)


def test_the_copied_link_opens_the_picture(labs: dict[str, LabOnPage], app: App) -> None:
    lab = labs["linked"]
    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    lab.root.get_by_role("button", name="copy link").click()
    lab.root.get_by_text("copied", exact=True).wait_for()
    copied = lab.page.evaluate("() => navigator.clipboard.readText()")
    asked = json.loads(parse_qs(urlsplit(copied).query)["state"][0])
    assert copied.startswith(app.url)
    assert {part: asked[part] for part in LINKED} == LINKED


@pytest.mark.parametrize(("name", "light"), [("linked", "true"), ("first", "false")])
def test_axe_finds_nothing_serious(labs: dict[str, LabOnPage], name: str, light: str) -> None:
    lab = labs[name]
    assert lab.page.evaluate("() => document.body.dataset.jpThemeLight") == light
    assert serious_findings(lab.page) == []


def test_a_phone_is_wide_enough(labs: dict[str, LabOnPage]) -> None:
    lab = labs["linked"]
    lab.page.set_viewport_size({"width": 390, "height": 844})
    try:
        fits = "(lab) => lab.scrollWidth <= lab.clientWidth && document.documentElement.scrollWidth <= innerWidth"
        lab.page.wait_for_function(fits, arg=lab.root.element_handle())
        assert lab.root.bounding_box()["width"] <= 390
        assert lab.shows(LINKED)
        assert serious_findings(lab.page) == []
    finally:
        lab.page.set_viewport_size({"width": 1240, "height": 900})
