"""Labs in a notebook come and go: two on one page, one closed, one made anew by its cell; and what they save."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gca_playground.views.labs.scene import Choice
from gca_playground.views.labs.state import first_alignment
from gca_playground.views.matrix_view import PLAN_LIGHT
from tests.browser.canvas import comes_to_show
from tests.browser.jupyter import Server, open_notebook, run
from tests.browser.saving import check_saves
from tests.oracles import picture

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHOICE = Choice(name="hubs", n=16)
START = {"data": CHOICE.to_dict(), "alignment": first_alignment(CHOICE).to_dict()}
LATER = START | {"alignment": START["alignment"] | {"steps": 2}}
CELLS = (
    f"import gca_playground as gca\nstate, earlier = {START!r}, globals().get('one')",
    "one = gca.CouplingLab(state=state)\none",
    "two = gca.CouplingLab(state=state)\ntwo",
    "print('the earlier lab is', 'none' if earlier is None else 'open' if earlier.comm else 'closed')",
)
EXECUTE = """async (code) => {
    const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
    await kernel.requestExecute({ code }).done;
}"""


@pytest.fixture(scope="module")
def page(browser: Any, jupyter: Server) -> Iterator[Any]:
    """A notebook with two labs, opened once."""
    jupyter.write("lives.ipynb", *CELLS)
    context = browser.new_context(viewport={"width": 1240, "height": 2400})
    context.set_default_timeout(20_000)
    page = context.new_page()
    open_notebook(page, jupyter, "lives.ipynb")
    yield page
    context.close()


def shows(page: Any, k: int, state: dict[str, Any]) -> bool:
    canvas = page.locator(".gca-lab").nth(k).locator(".gca-mv-data")
    return comes_to_show(canvas, picture.colours(picture.levels(picture.plan_of(state)), PLAN_LIGHT))


def test_two_labs_on_one_page_are_independent(page: Any) -> None:
    assert shows(page, 0, START) and shows(page, 1, START)
    page.locator(".gca-lab").nth(0).get_by_role("slider", name="half-steps").press("ArrowRight")
    assert shows(page, 0, LATER) and shows(page, 1, START)


WHERE = """(lab) => {
    const curves = lab.querySelector(".gca-curves");
    const corner = curves.getBoundingClientRect(); // the page may scroll
    return [...curves.querySelectorAll(".trace:has(.point) :is(.point, .lines)")].map((drawn) => {
        const { left, top, width, height } = drawn.getBoundingClientRect();
        return [left - corner.left, top - corner.top, width, height];
    });
}"""
TOLD = """(lab) => {
    lab.querySelector(".gca-curves .js-plotly-plot").once("plotly_afterplot", () => { window.told = true; });
}"""

SEGMENTS = """(lab) => {
    const plot = lab.querySelector(".gca-clouds .js-plotly-plot");
    return [0, 1, 2, 3].map((k) => {
        const paths = [...plot.querySelectorAll(`.trace${plot.data[k].uid} .js-line`)];
        return [paths.map((path) => path.getAttribute("d")).join("").split("M").length - 1, plot.data[k].x.length / 3];
    });
}"""


def settled(lab: Any, script: str, *, unlike: Any = None) -> Any:
    """What the script reads of the lab once it stays the same for a while, and differs from what it was."""
    last = None
    for _ in range(60):
        now = lab.evaluate(script)
        if now and now == last and now != unlike:
            return now
        last = now
        lab.page.wait_for_timeout(400)
    raise AssertionError(f"the lab does not settle on anything new: {last!r:.300}")


def test_a_moved_line_leaves_nothing_behind(page: Any) -> None:
    lab = page.locator(".gca-lab").first
    before = settled(lab, SEGMENTS)
    lab.get_by_role("slider", name="entropic regularisation ε").press("PageUp")
    after = settled(lab, SEGMENTS, unlike=before)
    assert sum(drawn for drawn, _ in after) > 16
    assert all(drawn == told for drawn, told in after)


def test_plotly_draws_a_moved_curve_where_it_was_put(page: Any) -> None:
    lab = page.locator(".gca-lab").first
    before = settled(lab, WHERE)
    lab.get_by_role("slider", name="column marginal ρ").press("PageDown")
    put = settled(lab, WHERE, unlike=before)
    lab.evaluate(TOLD)
    lab.locator(".gca-curves .js-plotly-plot").hover()
    page.wait_for_function("() => window.told")
    drawn = lab.evaluate(WHERE)
    assert len(put) == len(drawn) > 20
    np.testing.assert_allclose(put, drawn, atol=0.5)
    page.mouse.move(0, 0)


def test_every_kind_of_file_is_saved(page: Any) -> None:
    lab = page.locator(".gca-lab").first
    lab.locator(".gca-clouds path.point").first.wait_for()
    lab.locator(".gca-curves path.js-line").first.wait_for()
    check_saves(lab, "hubs", 16)


def test_a_cell_that_runs_again_closes_its_earlier_lab(page: Any) -> None:
    page.get_by_text("the earlier lab is none").wait_for()
    run(page, "notebook:run-all-cells")
    page.get_by_text("the earlier lab is closed").wait_for()
    assert shows(page, 0, START) and shows(page, 1, START)


def test_close_takes_the_lab_off_the_page(page: Any) -> None:
    page.evaluate(EXECUTE, "one.close()")
    sync_api.expect(page.locator(".gca-lab")).to_have_count(1)
    page.get_by_role("slider", name="half-steps").press("ArrowRight")
    assert shows(page, 0, LATER)
