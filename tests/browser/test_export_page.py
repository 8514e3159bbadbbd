"""Saving and linking in a real browser, on a plain page: what lands in the files."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import plotly
import pytest

from gca_playground.views.controls import CopyButton
from gca_playground.views.export import ExportButton
from gca_playground.views.labs.pictures import CloudPicture
from gca_playground.views.labs.scene import Choice, cloud_of, make_scene
from gca_playground.views.labs.state import first_alignment
from gca_playground.views.labs.table import as_csv
from gca_playground.views.labs.words import exports
from gca_playground.views.matrix_view import PLAN_DARK, PLAN_LIGHT, MatrixView, plan_levels
from gca_playground.views.theme import DARK, LIGHT

pytestmark = pytest.mark.browser

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
LAB = """<main><div class="gca-lab"><div class="gca-matrix"></div>
<div class="gca-clouds" style="width: 500px"></div><div id="place"></div></div></main>"""
SVG = "{http://www.w3.org/2000/svg}"
EDGE = 8


@pytest.fixture
def lab(page: Any, widgets: Any) -> Any:
    """A page with the frame of a lab and the button."""
    lab = type(widgets)(page, LAB)
    lab.add(ExportButton(exports("plan"), on_csv=str, name="coupling-digits"), "save", "#place")
    return lab


def save(lab: Any, what: str) -> Any:
    """Choose and press; returns the download."""
    lab.page.get_by_label("what to save").select_option(what)
    with lab.page.expect_download() as download:
        lab.page.get_by_role("button", name="save").click()
    lab.page.get_by_role("status").get_by_text("saved", exact=True).wait_for()
    return download.value


def pixels(page: Any, file: bytes) -> np.ndarray:
    """A PNG (rows, columns, 4), decoded by the browser."""
    read = """async (bytes) => {
        const image = await createImageBitmap(new Blob([new Uint8Array(bytes)], { type: "image/png" }));
        const canvas = new OffscreenCanvas(image.width, image.height), pen = canvas.getContext("2d");
        pen.drawImage(image, 0, 0);
        const { data } = pen.getImageData(0, 0, image.width, image.height);
        let text = "";
        for (let k = 0; k < data.length; k += 4096) text += String.fromCharCode(...data.subarray(k, k + 4096));
        return [image.height, image.width, text];
    }"""
    assert file.startswith(b"\x89PNG\r\n\x1a\n")
    rows, cols, text = page.evaluate(read, list(file))
    return np.frombuffer(text.encode("latin-1"), np.uint8).reshape(rows, cols, 4)


def colour(text: str) -> list[int]:
    return [*bytes.fromhex(text[1:]), 255]


def go_dark(page: Any, dark: bool) -> None:
    page.evaluate("(light) => { document.body.dataset.jpThemeLight = light; }", "false" if dark else "true")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def plan(n: int) -> np.ndarray:
    plan = np.random.default_rng(0).random((n, n)) ** 6
    return plan / plan.sum(1, keepdims=True)


@pytest.mark.parametrize("dark", [False, True])
def test_the_matrix_is_saved_as_it_stands(lab: Any, dark: bool) -> None:
    drawn, n = plan(16), 16
    view = MatrixView(aria_text="a plan")
    view.show(drawn, row_ratio=drawn.sum(1), col_ratio=drawn.sum(0))
    lab.add(view, "plan", ".gca-matrix")
    go_dark(lab.page, dark)
    download = save(lab, "plan (PNG)")
    assert download.suggested_filename == "coupling-digits-plan.png"
    image = pixels(lab.page, Path(download.path()).read_bytes())
    boxes = [lab.page.locator(f".gca-mv-{part}").bounding_box() for part in ("cells", "rows", "cols")]
    width = boxes[1]["x"] + boxes[1]["width"] - boxes[0]["x"] + 2 * EDGE
    height = boxes[2]["y"] + boxes[2]["height"] - boxes[0]["y"] + 2 * EDGE
    assert image.shape[:2] == (round(2 * height), round(2 * width))
    assert image[0, 0].tolist() == image[-1, -1].tolist() == colour((DARK if dark else LIGHT)["page"])
    side = 2 * boxes[0]["width"] / n
    centres = (2 * EDGE + (np.arange(n) + 0.5) * side).astype(int)
    palette = np.frombuffer(PLAN_DARK if dark else PLAN_LIGHT, np.uint8).reshape(256, 3)
    cells = palette[plan_levels(drawn)]
    for off in (0, -int(0.45 * side), int(0.45 * side)):  # sharp to the edge
        assert np.array_equal(image[np.ix_(centres + off, centres + off)][..., :3], cells)
    bars = image[:, int(2 * (boxes[1]["x"] - boxes[0]["x"] + EDGE)) + 6]
    assert (bars == colour((DARK if dark else LIGHT)["rows"])).all(1).sum() > height


@pytest.fixture(scope="module")
def figure() -> Any:
    """The clouds of a lab as a plain figure."""
    choice = Choice(name="hubs", n=12)
    picture = CloudPicture(make_scene(cloud_of(choice), first_alignment(choice)))
    picture.widget.update_layout(title_text="two & <i>three</i>")
    return picture.widget


@pytest.fixture
def drawn(lab: Any, figure: Any) -> Any:
    """The lab's frame with the clouds in it."""
    lab.page.add_script_tag(path=PLOTLY)
    draw = "(json) => Plotly.newPlot(document.querySelector('.gca-clouds'), JSON.parse(json))"
    lab.page.evaluate(f"async (json) => {{ await ({draw})(json); }}", figure.to_json())
    return lab


def test_a_figure_is_saved_as_one_svg(drawn: Any) -> None:
    download = save(drawn, "clouds (SVG)")
    assert download.suggested_filename == "coupling-digits-clouds.svg"
    text = Path(download.path()).read_text(encoding="utf-8")
    svg = ElementTree.fromstring(text)
    assert svg.tag == f"{SVG}svg"
    assert (svg.get("width"), svg.get("height"), svg.get("viewBox")) == ("500", "440", "0 0 500 440")
    assert svg[0].tag == f"{SVG}rect" and svg[0].get("fill") == LIGHT["page"]
    points = [path for path in svg.iter(f"{SVG}path") if "point" in (path.get("class") or "").split()]
    assert len(points) == 24
    assert any("three" in "".join(each.itertext()) for each in svg.iter(f"{SVG}text"))
    assert "draglayer" not in text and "hoverlayer" not in text
    assert "url(#" in text and "url(" not in text.replace("url(#", "")


@pytest.mark.parametrize("dark", [False, True])
def test_a_figure_is_saved_as_png(drawn: Any, dark: bool) -> None:
    go_dark(drawn.page, dark)
    download = save(drawn, "clouds (PNG)")
    assert download.suggested_filename == "coupling-digits-clouds.png"
    image = pixels(drawn.page, Path(download.path()).read_bytes())
    assert image.shape == (880, 1000, 4)
    assert image[0, 0].tolist() == image[-1, -1].tolist() == colour((DARK if dark else LIGHT)["page"])
    assert len(np.unique(image.reshape(-1, 4), axis=0)) > 20


def test_the_data_are_asked_of_python(lab: Any) -> None:
    choice = Choice(name="hubs", n=5)
    text = as_csv(make_scene(cloud_of(choice), first_alignment(choice)))
    lab.page.get_by_label("what to save").select_option("data (CSV)")
    with lab.page.expect_download() as download:
        lab.page.get_by_role("button", name="save").click()
        assert lab.sent("save") == [{"type": "csv"}]
        lab.say("save", {"type": "other"})
        lab.say("save", {"type": "csv", "text": text})
        lab.say("save", {"type": "csv", "text": "nobody asked"})
    assert download.value.suggested_filename == "coupling-digits-data.csv"
    saved = Path(download.value.path()).read_text(encoding="utf-8")
    assert saved == text and len(list(csv.reader(io.StringIO(saved)))) == 6


def test_an_error_of_python_is_said_until_the_next_press(lab: Any) -> None:
    lab.page.get_by_label("what to save").select_option("data (CSV)")
    button, status = lab.page.get_by_role("button", name="save"), lab.page.get_by_role("status")
    button.click()
    lab.say("save", {"type": "csv", "error": "no plan"})
    status.get_by_text("not saved: no plan").wait_for()
    button.click()
    assert status.inner_text() == ""
    with lab.page.expect_download():
        lab.say("save", {"type": "csv", "text": "a\n"})


@pytest.mark.parametrize(
    ("what", "words"), [("plan (PNG)", "not drawn"), ("clouds (SVG)", "not drawn"), ("curves (PNG)", "no .gca-curves")]
)
def test_a_picture_that_is_not_there_is_said(lab: Any, what: str, words: str) -> None:
    lab.page.get_by_label("what to save").select_option(what)
    lab.page.get_by_role("button", name="save").click()
    lab.page.get_by_role("status").get_by_text(words).wait_for()


def test_by_keyboard_alone_and_the_choice_stays(lab: Any) -> None:
    keyboard, what = lab.page.keyboard, lab.page.get_by_label("what to save")
    keyboard.press("Tab")
    keyboard.type("data")
    lab.receive("save", choices=[list(choice) for choice in exports("gradient")])
    assert what.evaluate("(select) => [document.activeElement === select, select.value]") == [True, "data (CSV)"]
    assert what.locator("option").first.inner_text() == "gradient (PNG)"
    keyboard.press("Tab")
    keyboard.press("Enter")
    assert lab.sent("save") == [{"type": "csv"}]
    assert lab.remove("save") == 0


def test_a_link_is_copied_in_full(widgets: Any) -> None:
    widgets.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copy = widgets.add(CopyButton(text_label="copy link", text="?state=%7B%7D", as_link=True), "copy")
    copy.get_by_role("button", name="copy link").click()
    copy.get_by_text("copied", exact=True).wait_for()
    assert widgets.page.evaluate("() => navigator.clipboard.readText()") == "http://localhost/widgets?state=%7B%7D"
