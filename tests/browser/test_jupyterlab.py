"""The coupling lab in a real JupyterLab and a real browser: what a user does, and what then is on the screen."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gca_playground.views.controls import log_stops
from gca_playground.views.figures import LINE_BINS
from gca_playground.views.labs.knobs import SIZES
from gca_playground.views.labs.presets import PRESETS
from gca_playground.views.matrix_view import DIVERGING_LIGHT, PLAN_DARK, PLAN_LIGHT
from gca_playground.views.theme import DARK, LIGHT
from tests.browser.canvas import comes_to_hold, comes_to_show, pixels
from tests.browser.jupyter import Server, open_notebook, run
from tests.oracles import picture

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HUBS = next(preset for preset in PRESETS if preset.name == "hubs")
START = {"data": HUBS.choice.to_dict(), "alignment": HUBS.alignment.to_dict()}
CELL = f"""
import gca_playground as gca
lab = gca.CouplingLab(state={START!r})
lab
"""


class LabOnScreen:
    """The one lab on the page of a notebook."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.root = page.locator(".gca-lab")
        self.canvas = self.root.locator(".gca-mv-data")
        self.cells = self.root.locator(".gca-mv-cells")
        self.caption = self.root.locator(".gca-mv-caption")
        self.error = self.root.get_by_role("alert")
        self.point_groups = self.root.locator(".gca-clouds .scatterlayer .trace:has(path.point)")

    @property
    def handle(self) -> Any:
        return self.root.element_handle()

    def button(self, name: str) -> Any:
        return self.root.get_by_role("button", name=name, exact=True)

    def slider(self, name: str) -> Any:
        return self.root.get_by_role("slider", name=name, exact=True)

    def shows(self, state: dict[str, Any], palette: bytes = PLAN_LIGHT) -> bool:
        return comes_to_show(self.canvas, picture.colours(picture.levels(picture.plan_of(state)), palette))


@pytest.fixture(scope="module")
def notebook(browser: Any, jupyter: Server) -> Iterator[LabOnScreen]:
    """A notebook with a lab, opened once; an uncaught JavaScript error fails the last test."""
    jupyter.write("lab.ipynb", CELL)
    context = browser.new_context(viewport={"width": 1240, "height": 900})
    context.set_default_timeout(10_000)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_notebook(page, jupyter, "lab.ipynb")
    lab = LabOnScreen(page)
    lab.canvas.wait_for(timeout=60_000)
    yield lab
    context.close()
    # anywidget gives a model two seconds to start, and plotly's five megabytes may take longer on a slow machine; it
    # then says so on the console, and the figure appears all the same, as the tests of the figures see.
    errors = [error for error in errors if "Failed to initialize model" not in error]
    assert not errors, errors


@pytest.fixture
def lab(notebook: LabOnScreen) -> LabOnScreen:
    """The lab as it was opened."""
    notebook.page.mouse.move(0, 0)
    notebook.button("hubs").click()
    assert notebook.shows(START)
    return notebook


def changed(part: str, **values: Any) -> dict[str, Any]:
    state = copy.deepcopy(START)
    state[part] |= values
    return state


def neighbour(stops: list[tuple[Any, str]], value: Any, by: int) -> Any:
    values = [stop for stop, _ in stops]
    return values[values.index(value) + by]


def test_the_lab_opens_on_its_plan(lab: LabOnScreen) -> None:
    assert f"{picture.loss_of(START):.3f}" in lab.root.locator(".gca-formula").inner_text()
    assert lab.root.locator(".gca-pill").inner_text() == "you are at InfoNCE"
    assert lab.error.count() == 0


MOVES = {
    "entropic regularisation ε": ("ArrowLeft", ("alignment", {"epsilon": neighbour(log_stops(1e-3, 10.0), 0.1, -1)})),
    "row marginal ρ": ("ArrowLeft", ("alignment", {"rows": 100.0})),
    "column marginal ρ": ("Home", ("alignment", {"cols": "free"})),
    "half-steps": ("ArrowRight", ("alignment", {"steps": 2})),
    "pairs": ("ArrowLeft", ("data", {"n": SIZES[SIZES.index(64) - 1]})),
    "mismatched pairs": ("ArrowRight", ("data", {"mismatched": 0.05})),
}


@pytest.mark.parametrize("name", MOVES)
def test_a_key_on_a_slider_paints_the_plan_of_that_state(lab: LabOnScreen, name: str) -> None:
    key, (part, values) = MOVES[name]
    lab.slider(name).focus()
    lab.page.keyboard.press(key)
    assert lab.shows(changed(part, **values))


def test_a_row_of_keys_ends_on_the_last(lab: LabOnScreen) -> None:
    lab.slider("half-steps").focus()
    for _ in range(12):
        lab.page.keyboard.press("ArrowRight")
    assert lab.shows(changed("alignment", steps=13))
    assert lab.slider("half-steps").get_attribute("aria-valuetext") == "13"


DRAWN = """([panel, expected]) => {
    const figure = document.querySelector(`${panel} .js-plotly-plot`);
    const lengths = figure.data.slice(0, expected.length).map((trace) => trace.x.length);
    return JSON.stringify(lengths) === JSON.stringify(expected);
}"""


def test_the_figures_follow_a_slider(lab: LabOnScreen) -> None:
    for _ in range(3):  # a page that still connects to its kernel may lose a key
        lab.button("reset").click()
        lab.slider("half-steps").press("ArrowRight")
        if lab.shows(changed("alignment", steps=2)):
            break
    here = "() => document.querySelector('.gca-curves .js-plotly-plot').data.at(-1).x[0] === 2"
    lab.page.wait_for_function(here, timeout=30_000)
    plan = picture.plan_of(changed("alignment", steps=2))
    heaviest = np.sort(plan, axis=None)[-3 * 64 :]
    edges = [least for least, _ in LINE_BINS] + [np.inf]
    heavy = [int(((heaviest >= low) & (heaviest < high)).sum()) for low, high in itertools.pairwise(edges)]
    lab.page.wait_for_function(DRAWN, arg=[".gca-clouds", [3 * count for count in heavy]])


def test_a_bad_seed_is_said_and_the_picture_stays(lab: LabOnScreen) -> None:
    before = pixels(lab.canvas)
    seed = lab.root.get_by_label("seed", exact=True)
    seed.fill("-3")
    seed.press("Enter")
    lab.error.get_by_text("seed must be >= 0, got -3").wait_for()
    assert np.array_equal(pixels(lab.canvas), before)
    seed.fill("4")
    seed.press("Enter")
    assert lab.shows(changed("data", seed=4))
    sync_api.expect(lab.error).to_have_count(0)


def test_play_takes_half_steps_until_pause(lab: LabOnScreen) -> None:
    steps = lab.slider("half-steps")
    lab.button("play").click()
    lab.page.wait_for_function("(range) => range.valueAsNumber >= 4", arg=steps.element_handle())
    lab.button("pause").click()
    lab.button("play").wait_for()
    lab.page.wait_for_timeout(500)
    stopped = int(steps.input_value())
    lab.page.wait_for_timeout(800)
    assert int(steps.input_value()) == stopped < int(steps.get_attribute("max"))
    assert lab.shows(changed("alignment", steps=stopped))


def test_the_buttons_do_what_they_say(lab: LabOnScreen) -> None:
    lab.button("½ step").click()
    assert lab.shows(changed("alignment", steps=2))
    lab.button("new seed").click()
    assert lab.shows({"data": START["data"] | {"seed": 1}, "alignment": START["alignment"] | {"steps": 2}})
    lab.button("reset").click()
    assert lab.shows(changed("data", seed=1))


def test_the_gradient_and_back(lab: LabOnScreen) -> None:
    lab.button("gradient").click()
    levels = picture.diverging_levels(picture.gradient_of(START))
    assert comes_to_show(lab.canvas, picture.colours(levels, DIVERGING_LIGHT))
    lab.button("plan").click()
    assert lab.shows(START)


def test_the_total_mass_takes_the_sides_away(lab: LabOnScreen) -> None:
    lab.root.get_by_label("total mass only").check()
    assert lab.shows(changed("alignment", total=True))
    for name in ("row marginal ρ", "half-steps"):
        sync_api.expect(lab.slider(name)).to_be_disabled()


def test_the_matrix_lights_its_points(lab: LabOnScreen) -> None:
    plan = picture.plan_of(START)
    box = lab.cells.bounding_box()
    lab.cells.hover(position={"x": (5 + 0.5) / 64 * box["width"], "y": (9 + 0.5) / 64 * box["height"]})
    lab.caption.get_by_text(re.compile(rf"row 9, class \d → column 5, class \d: P = {plan[9, 5]:.3f}")).wait_for()
    rings = lab.point_groups.nth(0).locator("path.point")
    sync_api.expect(rings).to_have_count(2)
    assert lab.point_groups.count() == 3
    lab.page.mouse.move(0, 0)
    lab.page.wait_for_function("(caption) => !caption.textContent.trim()", arg=lab.caption.element_handle())
    lab.page.wait_for_function("(lab) => lab.querySelectorAll('.gca-clouds path.point').length === 128", arg=lab.handle)


MIDDLES = """(points) => points.map((point) => {
    const box = point.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
})"""


@pytest.mark.parametrize(("side", "words"), [(0, "row {}, class .: P = "), (1, "column {}, class . receives ")])
def test_a_point_lights_its_row_or_its_column(lab: LabOnScreen, side: int, words: str) -> None:
    over = lab.root.locator(".gca-mv-over")
    before = pixels(over)
    middles = np.array(lab.point_groups.locator("path.point").evaluate_all(MIDDLES))
    gaps = np.linalg.norm(middles[:, None] - middles[None], axis=-1) + 1e3 * np.eye(128)
    alone = int(gaps.min(1)[64 * side : 64 * side + 64].argmax())
    x, y = middles[64 * side + alone]
    lab.page.mouse.move(x - 1, y - 1)
    lab.page.mouse.move(x, y)
    lab.caption.get_by_text(re.compile(words.format(alone))).wait_for()
    assert not np.array_equal(pixels(over), before)
    lab.page.mouse.move(0, 0)
    lab.page.wait_for_function("(caption) => !caption.textContent.trim()", arg=lab.caption.element_handle())


def test_the_dark_theme_changes_everything(lab: LabOnScreen) -> None:
    try:
        run(lab.page, "apputils:change-theme", theme="JupyterLab Dark")
        assert lab.shows(START, PLAN_DARK)
        lab.page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
        assert background(lab) == DARK["page"]
        for side in ("rows", "cols"):
            assert comes_to_hold(lab.root.locator(f".gca-mv-{side} canvas"), DARK[side])
        wait_for_colour(lab.page, ".gca-curves .xtick text", "fill", DARK["muted"])
        wait_for_colour(lab.page, ".gca-clouds .scatterlayer path.js-line", "stroke", DARK["text"])
    finally:
        run(lab.page, "apputils:change-theme", theme="JupyterLab Light")
    assert lab.shows(START, PLAN_LIGHT)
    assert background(lab) == LIGHT["page"]
    assert comes_to_hold(lab.root.locator(".gca-mv-rows canvas"), LIGHT["rows"])


def background(lab: LabOnScreen) -> str:
    return as_hex(lab.root.evaluate("(lab) => getComputedStyle(lab).backgroundColor"))


def as_hex(colour: str) -> str:
    return "#" + bytes(int(part) for part in re.findall(r"\d+", colour)[:3]).hex()


def wait_for_colour(page: Any, selector: str, name: str, colour: str) -> None:
    told = ", ".join(str(part) for part in bytes.fromhex(colour[1:]))
    page.wait_for_function(
        "([selector, name, colour]) => getComputedStyle(document.querySelector(selector))[name] === colour",
        arg=[selector, name, f"rgb({told})"],
    )


STICKS_OUT = """(lab) => {
    const room = lab.getBoundingClientRect();
    return [...lab.querySelectorAll("*")].filter((element) => {
        const box = element.getBoundingClientRect();
        const hidden = element.closest(".gca-copy-hidden, .hoverlayer, .infolayer, defs, .modebar");
        return !hidden && box.width && (box.right > room.right + 1 || box.left < room.left - 1);
    }).map((element) => element.className.baseVal ?? element.className ?? element.tagName);
}"""


@pytest.mark.parametrize("width", [1240, 800, 390])
def test_everything_fits_at_any_width(lab: LabOnScreen, width: int) -> None:
    try:
        lab.page.set_viewport_size({"width": width, "height": 844})
        for name in ("clouds", "curves"):
            fits = """(panel) => {
                const plot = panel.querySelector(".main-svg");
                return Math.abs(plot.getBoundingClientRect().width - panel.clientWidth) <= 1;
            }"""
            panel = lab.root.locator(f".gca-{name}").element_handle()
            lab.page.wait_for_function(fits, arg=panel)
        assert lab.root.evaluate("(lab) => lab.scrollWidth <= lab.clientWidth")
        assert lab.root.evaluate(STICKS_OUT) == []
        assert lab.slider("half-steps").bounding_box()["width"] > 100
    finally:
        lab.page.set_viewport_size({"width": 1240, "height": 900})
