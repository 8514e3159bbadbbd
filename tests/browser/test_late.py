"""A machine so busy that no widget starts in the two seconds that anywidget allows: the lab hears Python still."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gca_playground.views.labs.scene import Choice
from gca_playground.views.labs.state import first_alignment
from gca_playground.views.matrix_view import PLAN_DARK, PLAN_LIGHT
from gca_playground.views.theme import DARK
from tests.browser.canvas import comes_to_show
from tests.browser.jupyter import PATIENCE, Server, open_notebook, run
from tests.browser.kernel import ask
from tests.oracles import picture

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHOICE = Choice(name="hubs", n=16)
START = {"data": CHOICE.to_dict(), "alignment": first_alignment(CHOICE).to_dict()}
LATER = START | {"alignment": START["alignment"] | {"steps": 2}}
CELLS = ("import gca_playground as gca", f"lab = gca.CouplingLab(state={START!r})\nlab")

# The two seconds are over at once; a module needs longer than that to load.
NO_TIME = """
const ordinary = AbortSignal.timeout.bind(AbortSignal);
AbortSignal.timeout = (ms) => ordinary(ms === 2000 ? 0 : ms);
"""
TOO_LATE = "[anywidget] Failed to initialize model"
COLOURS = """() => [...document.querySelectorAll(".gca-lab .js-plotly-plot")].map((el) => el.layout?.font?.color)"""
LINES = """() => {
    const plot = document.querySelector(".gca-lab .gca-clouds .js-plotly-plot");
    return [...(plot?.querySelectorAll(".js-line") ?? [])].map((line) => line.getAttribute("d")).join();
}"""


@pytest.fixture(scope="module")
def page(browser: Any, jupyter: Server) -> Iterator[Any]:
    """A notebook with a lab, all of whose widgets start too late."""
    jupyter.write("late.ipynb", *CELLS)
    context = browser.new_context(viewport={"width": 1240, "height": 1200})
    context.set_default_timeout(30_000)
    context.add_init_script(NO_TIME)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_notebook(page, jupyter, "late.ipynb")
    page.wait_for_function(f"() => ({LINES})().length > 100", timeout=1000 * PATIENCE)
    assert any(TOO_LATE in error for error in errors)
    yield page
    context.close()
    assert not [error for error in errors if TOO_LATE not in error]


def shows(page: Any, state: dict[str, Any], palette: bytes) -> bool:
    canvas = page.locator(".gca-lab .gca-mv-data")
    return comes_to_show(canvas, picture.colours(picture.levels(picture.plan_of(state)), palette))


def test_the_matrix_and_the_lines_follow_a_slider(page: Any) -> None:
    assert shows(page, START, PLAN_LIGHT)
    before = page.evaluate(LINES)
    slider = page.get_by_role("slider", name="half-steps")
    first = slider.get_attribute("aria-valuetext")
    page.get_by_role("button", name="½ step").click()  # so that the slider, too, has to hear Python
    assert shows(page, LATER, PLAN_LIGHT)
    page.wait_for_function(f"(before) => ({LINES})() !== before", arg=before)
    sync_api.expect(slider).not_to_have_attribute("aria-valuetext", first)
    slider.press("ArrowLeft")
    assert shows(page, START, PLAN_LIGHT)


def test_the_figures_follow_the_theme(page: Any) -> None:
    run(page, "apputils:change-theme", theme="JupyterLab Dark")
    try:
        page.wait_for_function(f"(dark) => ({COLOURS})().every((colour) => colour === dark)", arg=DARK["muted"])
        assert shows(page, START, PLAN_DARK)
    finally:
        run(page, "apputils:change-theme", theme="JupyterLab Light")


LOSING = """import comm
import gca_playground as gca
lab = gca.TrainingLab(state={"data": {"name": "moons", "options": {"n": 96}}, "sides": [{"loss": "infonce"}]})
said = comm.base_comm.BaseComm.send
comm.base_comm.BaseComm.send = lambda *args, **more: None
lab.step(12)
comm.base_comm.BaseComm.send = said
lab"""
SEEN = """() => {
    const plot = document.querySelector(".gca-lab .gca-curves .js-plotly-plot");
    const cells = document.querySelector(".gca-lab .gca-mv-data");
    return [
        document.querySelector(".gca-lab .gca-where b")?.textContent,
        document.querySelector(".gca-lab .gca-card-numbers")?.innerText.includes("kNN"),
        plot?._fullLayout?.xaxis.range[1], plot?._fullLayout?.yaxis.range[1],
        plot?.querySelectorAll(".xtick").length > 3, plot?.data?.[0].x.length, cells?.width > 1,
    ];
}"""


def test_what_is_lost_while_a_page_opens_a_lab_is_said_again(browser: Any, jupyter: Server) -> None:
    """As where JupyterLab connects while cells run: the lab was announced at step 0, the next 12 were not heard."""
    jupyter.write("lost.ipynb", LOSING)
    context = browser.new_context(viewport={"width": 1240, "height": 1200})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_notebook(page, jupyter, "lost.ipynb")
    curves = "lab.curves.widget"
    ends = ask(page, f"[{curves}.layout.xaxis.range[1], {curves}.layout.yaxis.range[1]]")
    right = ["12", True, *ends, True, 12, True]
    page.wait_for_function(f"(right) => JSON.stringify(({SEEN})()) === JSON.stringify(right)", arg=right)
    context.close()
    assert not errors
