"""The widgets' JavaScript in a real browser, on a plain page."""

from __future__ import annotations

import base64
import itertools
import math
from typing import Any

import numpy as np
import pytest

from gca_playground.views.controls import CopyButton, Player, Slider, log_stops, relaxation_stops, step_stops
from gca_playground.views.export import ExportButton
from gca_playground.views.labs.words import exports
from gca_playground.views.matrix_view import (
    DIVERGING_LIGHT,
    PLAN_DARK,
    PLAN_LIGHT,
    MatrixView,
    diverging_levels,
    plan_levels,
)
from gca_playground.views.theme import DARK, LIGHT, Theme

pytestmark = pytest.mark.browser


def rho_slider(**traits: Any) -> Slider:
    return Slider(label="row marginal", stops=relaxation_stops(), value=0.2, **traits)


def random_plan(n: int, m: int, seed: int = 0) -> np.ndarray:
    plan = np.random.default_rng(seed).random((n, m)) ** 6
    return plan / plan.sum(1, keepdims=True)


def shown(plan: np.ndarray) -> MatrixView:
    view = MatrixView(aria_text="a plan", caption="row 3")
    view.show(plan, row_ratio=plan.sum(1), col_ratio=plan.sum(0) * plan.shape[1] / plan.shape[0])
    return view


def table(palette: bytes) -> np.ndarray:
    return np.frombuffer(palette, np.uint8).reshape(256, 3)


def canvas_pixels(page: Any, selector: str = ".gca-mv-data") -> np.ndarray:
    read = """(selector) => {
        const canvas = document.querySelector(selector);
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let text = "";
        for (let k = 0; k < data.length; k += 4096) text += String.fromCharCode(...data.subarray(k, k + 4096));
        return [canvas.height, canvas.width, btoa(text)];
    }"""
    rows, cols, data = page.evaluate(read, selector)
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(rows, cols, 4)


def settle(page: Any) -> None:
    """Wait until two frames have been painted."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


# slider


def test_arrow_keys_move_the_slider_and_send_its_index(widgets: Any) -> None:
    slider = rho_slider()
    range_ = widgets.add(slider, "rho").locator("input")
    range_.focus()
    widgets.page.keyboard.press("ArrowRight")
    widgets.page.keyboard.press("ArrowRight")
    widgets.page.keyboard.press("ArrowLeft")
    assert widgets.sent("rho") == [{"index": slider.index + step} for step in (1, 2, 1)]


def test_home_end_and_pages(widgets: Any) -> None:
    slider = Slider(label="half-steps", stops=step_stops(50))
    range_ = widgets.add(slider, "steps").locator("input")
    range_.focus()
    for key in ("PageUp", "PageUp", "PageDown", "End", "PageUp", "Home"):
        widgets.page.keyboard.press(key)
    assert [message["index"] for message in widgets.sent("steps")] == [5, 10, 5, 51, 51, 0]


def test_the_slider_says_its_name_and_its_value(widgets: Any) -> None:
    slider = rho_slider(description="how firmly the rows sum to their mass")
    range_ = widgets.add(slider, "rho").locator("input")
    said = [range_.get_attribute(name) for name in ("aria-label", "aria-valuetext", "aria-description")]
    assert said == ["row marginal", "0.2", "how firmly the rows sum to their mass"]
    range_.focus()
    for key, text in (("Home", "free"), ("End", "exact"), ("ArrowLeft", "100")):
        widgets.page.keyboard.press(key)
        assert range_.get_attribute("aria-valuetext") == text
        assert widgets.page.locator(".gca-slider-text").inner_text() == text
    assert widgets.page.locator(".gca-slider-ends").inner_text().split() == ["free", "exact"]


def test_python_moves_the_slider_and_it_keeps_its_focus(widgets: Any) -> None:
    range_ = widgets.add(rho_slider(), "rho").locator("input")
    range_.focus()
    widgets.receive("rho", index=0)
    widgets.receive("rho", texts=["a", "b", "c"], index=2, ends=["a", "c"], label="new")
    assert range_.evaluate("(range) => [document.activeElement === range, range.value, range.max]") == [True, "2", "2"]
    assert range_.get_attribute("aria-valuetext") == "c"
    assert widgets.sent("rho") == []


def test_dragging_sends_every_stop_and_ends_on_the_last(widgets: Any) -> None:
    range_ = widgets.add(Slider(label="epsilon", stops=log_stops(0.001, 10)), "epsilon").locator("input")
    box = range_.bounding_box()
    mouse = widgets.page.mouse
    mouse.move(box["x"] + 7, box["y"] + box["height"] / 2)
    mouse.down()
    mouse.move(box["x"] + box["width"] + 20, box["y"], steps=30)
    mouse.up()
    sent = [message["index"] for message in widgets.sent("epsilon")]
    assert len(sent) > 10 and sent == sorted(set(sent)) and sent[-1] == 40


def test_a_disabled_slider_stays(widgets: Any) -> None:
    range_ = widgets.add(rho_slider(disabled=True), "rho").locator("input")
    assert range_.is_disabled()
    widgets.receive("rho", disabled=False)
    assert range_.is_enabled()


def test_an_idle_slider_says_why_and_moves_all_the_same(widgets: Any) -> None:
    """Dimmed but for its words, at the same height as before; its ends come back."""
    slider = rho_slider(description="how firmly the rows sum to their mass")
    range_ = widgets.add(slider, "rho").locator("input")
    head, ends = (widgets.page.locator(f".gca-slider-{part}") for part in ("head", "ends"))
    before, first = widgets.page.locator(".gca-slider").bounding_box(), ends.inner_text()
    why = "no effect before half-step 1"
    widgets.receive("rho", idle=why)
    opacity = "(element) => getComputedStyle(element).opacity"
    assert [part.evaluate(opacity) for part in (head, range_, ends)] == ["0.5", "0.5", "1"]
    assert ends.inner_text() == why and range_.get_attribute("aria-description").startswith(f"{why}; how firmly")
    assert widgets.page.locator(".gca-slider").bounding_box() == before
    range_.press("ArrowRight")
    assert widgets.sent("rho")[-1]["index"] == slider.index + 1
    widgets.receive("rho", idle="")
    assert head.evaluate(opacity) == "1" and ends.inner_text() == first


def test_nothing_moves_when_the_text_changes_its_width(widgets: Any) -> None:
    widgets.add(rho_slider(), "rho")
    before = widgets.page.locator(".gca-slider-text").bounding_box()
    widgets.receive("rho", index=0)
    assert widgets.page.locator(".gca-slider-text").bounding_box() == before


# player


@pytest.fixture
def clock(widgets: Any) -> Any:
    """The page's clock, at rest: time passes only by ``run_for``."""
    widgets.page.clock.install(time=0)
    widgets.page.clock.pause_at(1000)
    return widgets.page.clock


def test_the_player_waits_for_python(widgets: Any, clock: Any) -> None:
    button = widgets.add(Player(interval_ms=10), "player").get_by_role("button")
    assert (button.inner_text(), button.get_attribute("aria-pressed")) == ("▶ play", "false")
    button.click()
    assert (button.inner_text(), button.get_attribute("aria-pressed")) == ("❚❚ pause", "true")
    clock.run_for(1000)
    assert widgets.sent("player") == [{"playing": True}, {"tick": 1}]
    widgets.receive("player", acknowledged=1)
    clock.run_for(1000)
    assert widgets.sent("player")[2:] == [{"tick": 2}]


def test_python_stops_the_player(widgets: Any, clock: Any) -> None:
    button = widgets.add(Player(interval_ms=10, playing=True), "player").get_by_role("button")
    clock.run_for(10)
    widgets.receive("player", playing=False, acknowledged=1)
    clock.run_for(1000)
    assert widgets.sent("player") == [{"tick": 1}]
    assert button.get_attribute("aria-pressed") == "false"


SECOND_VIEW = """() => window.gca.modules.player.render(
    { model: window.gca.models.player, el: document.createElement("div") })"""


# Plays Python: acknowledges each tick 20 ms after it.
ANSWER = """() => {
    const model = window.gca.models.player;
    window.ticks = [];
    model.on("change:tick", () => {
        window.ticks.push(performance.now());
        setTimeout(() => model.receive({ acknowledged: model.get("tick") }), 20);
    });
}"""


@pytest.mark.parametrize("views", [1, 2])
def test_ticks_keep_their_interval_however_many_views_there_are(widgets: Any, clock: Any, views: int) -> None:
    widgets.add(Player(interval_ms=60), "player")
    if views == 2:
        widgets.page.evaluate(SECOND_VIEW)
    widgets.page.evaluate(ANSWER)
    widgets.receive("player", playing=True)
    clock.run_for(200)
    assert np.diff(widgets.page.evaluate("() => window.ticks")).tolist() == [60, 60, 60]


# copy button


def test_copy_puts_the_text_on_the_clipboard(widgets: Any) -> None:
    widgets.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copy = widgets.add(CopyButton(text_label="copy code", text="loss = 1\n# ε"), "copy")
    copy.get_by_role("button", name="copy code").click()
    status = copy.get_by_role("status")
    status.get_by_text("copied", exact=True).wait_for()
    assert widgets.page.evaluate("() => navigator.clipboard.readText()") == "loss = 1\n# ε"
    assert not copy.locator("textarea").is_visible()
    status.get_by_text("copied").wait_for(state="detached", timeout=3000)


REFUSE = """() => {
    Object.defineProperty(navigator, "clipboard", { value: undefined });
    const real = document.execCommand.bind(document);
    document.execCommand = (name) => { window.asked = name; return window.allowed ? real(name) : false; };
}"""


def test_copy_falls_back_to_the_old_way(widgets: Any) -> None:
    widgets.page.evaluate(REFUSE)
    widgets.page.evaluate("() => { window.allowed = true; }")
    copy = widgets.add(CopyButton(text="abc"), "copy")
    copy.get_by_role("button").click()
    copy.get_by_text("copied", exact=True).wait_for()
    assert widgets.page.evaluate("() => window.asked") == "copy"


def test_copy_refused_shows_the_text_selected(widgets: Any) -> None:
    widgets.page.evaluate(REFUSE)
    copy = widgets.add(CopyButton(text="line one\nline two"), "copy")
    copy.get_by_role("button").click()
    box = copy.locator("textarea")
    box.wait_for(state="visible")
    selected = "(box) => box.value.slice(box.selectionStart, box.selectionEnd)"
    assert box.evaluate(selected) == "line one\nline two"
    assert box.evaluate("(box) => document.activeElement === box")


# matrix


@pytest.mark.parametrize(("n", "m"), [(5, 5), (7, 3), (96, 96), (256, 256), (40, 640)])
def test_the_canvas_shows_exactly_the_palette_of_the_levels(widgets: Any, n: int, m: int) -> None:
    plan = random_plan(n, m)
    widgets.add(shown(plan), "plan")
    settle(widgets.page)
    pixels = canvas_pixels(widgets.page)
    assert np.array_equal(pixels[..., :3], table(PLAN_LIGHT)[plan_levels(plan)])
    assert (pixels[..., 3] == 255).all()


def test_a_new_matrix_of_another_size_and_palette(widgets: Any) -> None:
    view = shown(random_plan(8, 8))
    widgets.add(view, "plan")
    gradient = np.random.default_rng(1).normal(size=(6, 9))
    view.show(gradient, diverging=True, top=2.0)
    names = ("shape", "pixels", "palette_light", "palette_dark", "row_bars", "col_bars")
    widgets.receive("plan", **{name: getattr(view, name) for name in names})
    settle(widgets.page)
    expected = table(DIVERGING_LIGHT)[diverging_levels(gradient, 2.0)]
    assert np.array_equal(canvas_pixels(widgets.page)[..., :3], expected)
    assert widgets.page.locator(".gca-mv-rows").is_hidden()


def test_highlight_outline_and_hover_leave_the_data_alone(widgets: Any) -> None:
    view = widgets.add(shown(random_plan(32, 32)), "plan")
    settle(widgets.page)
    data, over = canvas_pixels(widgets.page), canvas_pixels(widgets.page, ".gca-mv-over")
    drawn = [over]
    widgets.receive("plan", outline=np.stack([np.arange(32)] * 2, 1).astype("<u2").tobytes())
    settle(widgets.page)
    drawn.append(canvas_pixels(widgets.page, ".gca-mv-over"))
    widgets.receive("plan", highlight=[4, 9])
    settle(widgets.page)
    drawn.append(canvas_pixels(widgets.page, ".gca-mv-over"))
    view.locator(".gca-mv-cells").hover(position={"x": 200, "y": 100})
    settle(widgets.page)
    drawn.append(canvas_pixels(widgets.page, ".gca-mv-over"))
    assert not over.any()
    assert all(not np.array_equal(a, b) for a, b in itertools.pairwise(drawn))
    assert np.array_equal(canvas_pixels(widgets.page), data)


def test_the_highlight_surrounds_its_row(widgets: Any) -> None:
    widgets.add(shown(random_plan(16, 16)), "plan")
    widgets.receive("plan", highlight=[5, -1])
    settle(widgets.page)
    inked = np.flatnonzero(canvas_pixels(widgets.page, ".gca-mv-over")[:, 200, 3])
    assert inked.size and 5 * 30 - 4 <= inked.min() <= 5 * 30 and 6 * 30 - 1 <= inked.max() <= 6 * 30 + 4


def test_the_pointer_sends_its_cell_once(widgets: Any) -> None:
    cells = widgets.add(shown(random_plan(10, 20)), "plan").locator(".gca-mv-cells")
    box = cells.bounding_box()
    for part in (0.01, 0.04):
        cells.hover(position={"x": 17.5 / 20 * box["width"], "y": (0.3 + part) * box["height"]})
        settle(widgets.page)
    widgets.page.mouse.move(box["x"] + 3, box["y"] + box["height"] + 150)
    settle(widgets.page)
    assert widgets.sent("plan") == [{"hover": [3, 17]}, {"hover": [-1, -1]}]


def test_many_moves_within_a_frame_are_one_message(widgets: Any) -> None:
    widgets.add(shown(random_plan(10, 10)), "plan")
    move = """() => {
        const cells = document.querySelector(".gca-mv-cells"), box = cells.getBoundingClientRect();
        for (let k = 0; k < 5; k++) {
            const place = { clientX: box.left + (k + 0.5) * box.width / 10, clientY: box.top + 5 };
            cells.dispatchEvent(new PointerEvent("pointermove", place));
        }
    }"""
    widgets.page.evaluate(move)
    settle(widgets.page)
    assert widgets.sent("plan") == [{"hover": [0, 4]}]


def test_what_is_drawn_over_the_data_follows_the_size(widgets: Any) -> None:
    widgets.add(shown(random_plan(10, 10)), "plan")
    widgets.receive("plan", highlight=[9, -1])
    for width in (500, 300):
        widgets.page.set_viewport_size({"width": width, "height": 600})
        settle(widgets.page)
        side = round(widgets.page.locator(".gca-mv-cells").bounding_box()["width"])
        over = canvas_pixels(widgets.page, ".gca-mv-over")
        assert over.shape[:2] == (side, side) and over[-side // 10 :, :, 3].any()
        assert len(canvas_pixels(widgets.page, ".gca-mv-rows canvas")) == side


def test_arrow_keys_walk_over_the_cells(widgets: Any) -> None:
    cells = widgets.add(shown(random_plan(30, 30)), "plan").locator(".gca-mv-cells")
    cells.focus()
    seen = []
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp", "ArrowUp", "End", "PageDown", "Escape"):
        widgets.page.keyboard.press(key)
        settle(widgets.page)
        seen.append(widgets.sent("plan")[-1]["hover"])
    assert seen == [[0, 0], [1, 0], [1, 1], [0, 1], [0, 1], [0, 29], [10, 29], [-1, -1]]


@pytest.mark.parametrize("paintable", [True, False])
def test_a_stroke_paints_each_cell_once(widgets: Any, paintable: bool) -> None:
    view = shown(random_plan(10, 10))
    view.paintable = paintable
    cells = widgets.add(view, "plan").locator(".gca-mv-cells")
    box = cells.bounding_box()
    mouse, keyboard = widgets.page.mouse, widgets.page.keyboard
    mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.15 * box["height"])
    mouse.down()
    mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 0.15 * box["height"], steps=8)
    mouse.up()
    mouse.move(box["x"] + 0.65 * box["width"], box["y"] + 0.15 * box["height"], steps=4)
    cells.focus()
    keyboard.press("Escape")
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    keyboard.press(" ")
    settle(widgets.page)
    strokes = [(*told["cell"], told["first"]) for told in widgets.sent("plan") if told.get("type") == "paint"]
    painted = [(1, 2, True), (1, 3, False), (1, 4, False), (0, 0, True), (0, 0, True)]
    assert strokes == (painted if paintable else [])


def test_a_finger_taps_a_cell_and_it_stays(browser: Any, widgets: Any) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, device_scale_factor=2)
    phone = type(widgets)(context.new_page())
    cells = phone.add(shown(random_plan(10, 10)), "plan").locator(".gca-mv-cells")
    box = cells.bounding_box()
    phone.page.touchscreen.tap(box["x"] + 0.75 * box["width"], box["y"] + 0.25 * box["height"])
    settle(phone.page)
    assert phone.sent("plan")[-1] == {"hover": [2, 7]}
    phone.page.touchscreen.tap(20, box["y"] + box["height"] + 250)
    settle(phone.page)
    assert phone.sent("plan")[-1] == {"hover": [-1, -1]}
    context.close()


def test_bars_are_as_long_as_their_ratio(widgets: Any) -> None:
    plan = np.full((4, 4), 0.25)
    view = MatrixView()
    view.show(plan, row_ratio=[0.5, 1.0, 2.0, 3.0], col_ratio=[1, 1, 1, math.inf], bar_top=2.0)
    widgets.add(view, "plan")
    settle(widgets.page)
    rows, cols = (canvas_pixels(widgets.page, f".gca-mv-{side} canvas") for side in ("rows", "cols"))
    blue, orange = (tuple(bytes.fromhex(LIGHT[name][1:])) for name in ("rows", "cols"))
    lengths = [(rows[60 + 120 * k] == (*blue, 255)).all(-1).sum() for k in range(4)]
    heights = [(cols[:, 60 + 120 * k] == (*orange, 255)).all(-1).sum() for k in range(4)]
    width, height = rows.shape[1], cols.shape[0]
    assert np.allclose(lengths, [width / 4, width / 2, width, width - 2], atol=1.5)
    assert np.allclose(heights, [height / 2] * 3 + [height - 2], atol=1.5)


def test_the_matrix_speaks(widgets: Any) -> None:
    view = widgets.add(shown(random_plan(5, 5)), "plan")
    assert view.get_by_role("application", name="a plan").count() == 1
    widgets.receive("plan", caption="row 37, a 3", aria_text="another plan")
    view.get_by_text("row 37, a 3").wait_for()
    assert view.get_by_role("application", name="another plan").count() == 1


# theme


def themes(widgets: Any) -> list[dict[str, Any]]:
    """What the widget has told of the page's theme."""
    return [told for told in widgets.sent("theme") if "dark" in told]


def test_the_first_view_says_that_the_lab_is_open(widgets: Any) -> None:
    widgets.add(Theme(), "theme")
    assert widgets.sent("theme").count({"open": True}) == 1
    widgets.page.evaluate(SECOND_VIEW.replace("player", "theme"))
    assert widgets.sent("theme").count({"open": True}) == 1


def test_everything_follows_the_theme_of_the_page(widgets: Any) -> None:
    plan = random_plan(12, 12)
    page = widgets.page
    widgets.add(Theme(), "theme")
    widgets.add(shown(plan), "plan")
    page.evaluate("() => { document.body.dataset.jpThemeLight = 'false'; }")
    settle(page)
    assert np.array_equal(canvas_pixels(page)[..., :3], table(PLAN_DARK)[plan_levels(plan)])
    blue = tuple(bytes.fromhex(DARK["rows"][1:]))
    assert (canvas_pixels(page, ".gca-mv-rows canvas")[..., :3] == blue).all(-1).any()
    page.evaluate("() => { document.body.dataset.jpThemeLight = 'true'; }")
    settle(page)
    assert np.array_equal(canvas_pixels(page)[..., :3], table(PLAN_LIGHT)[plan_levels(plan)])
    assert themes(widgets) == [{"dark": True}, {"dark": False}]


@pytest.mark.parametrize(
    ("prepare", "dark"),
    [
        ("() => {}", False),
        ("() => { document.body.dataset.jpThemeLight = 'false'; }", True),
        ("() => { document.body.style.background = '#111'; }", True),
        ("() => { document.body.style.background = '#fff'; }", False),
        ("() => { document.body.dataset.vscodeThemeKind = 'vscode-dark'; }", True),
        ("() => { document.body.dataset.vscodeThemeKind = 'vscode-high-contrast-light'; }", False),
    ],
)
def test_the_theme_is_found(widgets: Any, prepare: str, dark: bool) -> None:
    widgets.page.evaluate(prepare)
    widgets.add(Theme(), "theme")
    assert themes(widgets) == ([{"dark": True}] if dark else [])
    page_says = widgets.page.evaluate("() => document.documentElement.dataset.gcaTheme")
    assert page_says == ("dark" if dark else "light")  # what the style sheets go by


def test_without_a_word_of_the_page_the_system_decides(widgets: Any) -> None:
    widgets.page.emulate_media(color_scheme="dark")
    widgets.add(Theme(), "theme")
    widgets.page.emulate_media(color_scheme="light")
    settle(widgets.page)
    assert themes(widgets) == [{"dark": True}, {"dark": False}]


# keys


@pytest.mark.parametrize("keys", ["ArrowUp", "Enter", "a", "Shift+ArrowUp"])
def test_the_notebook_keeps_out_of_the_keys_of_a_focused_control(widgets: Any, keys: str) -> None:
    assert marked_at(widgets, keys) is True


@pytest.mark.parametrize("keys", ["Control+s", "Shift+Enter"])
def test_the_notebook_keeps_the_keys_that_save_and_run(widgets: Any, keys: str) -> None:
    assert marked_at(widgets, keys) is False


def marked_at(widgets: Any, keys: str) -> bool:
    """Whether a notebook's key handler, which runs early on the document, finds the control marked as busy."""
    page = widgets.page
    widgets.add(rho_slider(), "rho").locator("input").focus()
    look = """() => document.addEventListener("keydown", ({ target }) => {
        window.marked = target.hasAttribute("data-lm-suppress-shortcuts");
    }, true)"""
    page.evaluate(look)
    page.keyboard.press(keys)
    return bool(page.evaluate("() => window.marked"))


def test_the_theme_keeps_the_keys_of_every_control_in_its_lab(lab: Any) -> None:
    button = lab.page.get_by_role("button", name="reset")
    button.focus()
    lab.page.keyboard.press("Enter")
    assert button.get_attribute("data-lm-suppress-shortcuts") == ""


# all of them


def every_widget() -> dict[str, Any]:
    return {
        "theme": Theme(),
        "epsilon": Slider(label="entropic regularisation ε", stops=log_stops(0.001, 10), value=0.1),
        "rho": rho_slider(),
        "cols": Slider(label="column marginal", stops=relaxation_stops(), value=math.inf, colour="cols"),
        "steps": Slider(label="half-steps", stops=step_stops(50), value=8, ends=("0", "50 · ∞"), colour="neutral"),
        "player": Player(),
        "copy": CopyButton(text_label="copy code", text="x"),
        "save": ExportButton(exports("plan"), on_csv=str),
        "plan": shown(random_plan(96, 96)),
    }


def test_nothing_stays_behind(widgets: Any) -> None:
    for name, widget in every_widget().items():
        widgets.add(widget, name)
    assert {name: widgets.remove(name) for name in every_widget()} == dict.fromkeys(every_widget(), 0)
    widgets.page.evaluate("() => { document.body.dataset.jpThemeLight = 'false'; }")
    settle(widgets.page)
    assert themes(widgets) == []


# The boxes of ipywidgets with the class names of a lab: what the style sheet lays out.
LAB = """
<main><div class="gca-lab widget-box" style="margin: 0">
  <div class="gca-header widget-box">
    <div class="gca-title widget-html"><div class="widget-html-content">Coupling</div></div>
    <div class="gca-formula widget-html"><div class="widget-html-content">
      loss = KL(<b>I</b> ‖ P), P = exp(−C/<b>0.10</b>) after <b>8</b> half-steps, rows and columns
      <b>exact</b> = <b>1.019</b></div></div>
    <div class="gca-pill widget-html"><div class="widget-html-content">
      you are at GCA-INCE after 8 half-steps</div></div>
  </div>
  <div class="gca-error widget-html" role="alert"><div class="widget-html-content"></div></div>
  <div class="gca-hint widget-html"><div class="widget-html-content">Rows already sum to 1, columns do not: some second
    views are everybody's favourite. Take the second half-step and watch the orange bars.</div></div>
  <div class="gca-body widget-box">
    <div class="gca-controls widget-box">
      <div class="gca-section">data</div>
      <div class="widget-dropdown widget-inline-hbox"><select aria-label="data" style="flex: 1">
        <option>digits · two augmented views</option></select></div>
      <div class="gca-section">the family</div>
      <div id="sliders"></div>
      <div class="gca-buttons widget-box" id="run">
        <button class="jupyter-button">½ step</button><button class="jupyter-button">reset</button>
        <button class="jupyter-button">new seed</button></div>
      <div class="gca-section">presets</div>
      <div class="gca-buttons widget-box"><button class="jupyter-button">hubs</button>
        <button class="jupyter-button">outliers</button><button class="jupyter-button">false positives</button>
        <button class="jupyter-button">collapse</button></div>
    </div>
    <div class="gca-matrix widget-box"><div class="gca-section">the plan P · <span class="gca-rows-word">row
      sums</span> <span class="gca-cols-word">column sums</span> (dashed: 1)</div><div id="matrix"></div></div>
    <div class="gca-clouds widget-box"><div class="gca-section">the two clouds</div>
      <div style="height: 420px; border: 1px dashed var(--gca-hairline)"></div></div>
    <div class="gca-curves widget-box"><div class="gca-section">marginal error at each half-step</div>
      <div style="height: 150px; border: 1px dashed var(--gca-hairline)"></div></div>
    <div class="gca-numbers widget-box"><div class="gca-section">numbers</div><table>
      <tr><td>loss KL(I ‖ P)</td><td>1.0502</td></tr><tr><td>row error</td><td>4.4e-16</td></tr></table>
      <div class="gca-buttons widget-box" id="export"><button class="jupyter-button">gradient P − I</button></div></div>
  </div>
</div></main>
"""
PLACES = {"plan": "#matrix", "player": "#run", "copy": "#export", "save": "#export", "theme": ".gca-lab"}


@pytest.fixture
def lab(page: Any, widgets: Any) -> Any:
    """A whole lab, as the style sheet lays it out."""
    lab = type(widgets)(page, LAB)
    for name, widget in every_widget().items():
        lab.add(widget, name, PLACES.get(name, "#sliders"))
    return lab


def cut_off(page: Any) -> list[str]:
    """What sticks out of the page or out of its own box."""
    find = """() => [...document.querySelectorAll("main *")].filter((element) => {
        const box = element.getBoundingClientRect();
        const clips = getComputedStyle(element).overflowX !== "visible";
        const tooWide = element.scrollWidth > element.clientWidth + 1;
        return box.right > innerWidth + 0.5 || box.left < -0.5 || (clips && tooWide);
    }).map((element) => element.className || element.tagName)"""
    return list(page.evaluate(find))


@pytest.mark.parametrize(("width", "columns"), [(1240, 3), (900, 2), (660, 1), (390, 1), (320, 1)])
def test_nothing_is_cut_at_any_width(lab: Any, width: int, columns: int) -> None:
    lab.page.set_viewport_size({"width": width, "height": 844})
    settle(lab.page)
    tracks = lab.page.locator(".gca-body").evaluate("(body) => getComputedStyle(body).gridTemplateColumns")
    assert len(tracks.split()) == columns
    assert cut_off(lab.page) == []
    slider = lab.page.locator("#rho input").bounding_box()
    assert slider["width"] >= 200
    cells = lab.page.locator(".gca-mv-cells").bounding_box()
    assert cells["width"] == pytest.approx(cells["height"], abs=1) and cells["width"] > 200


@pytest.mark.parametrize("dark", ["true", "false"])
def test_axe_finds_nothing(lab: Any, dark: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    lab.page.evaluate("(light) => { document.body.dataset.jpThemeLight = light; }", dark)
    settle(lab.page)
    rules = {"region": {"enabled": False}, "page-has-heading-one": {"enabled": False}}
    found = axe.run(lab.page, options={"rules": rules}).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
