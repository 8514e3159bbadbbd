"""From a key on a slider to new pixels, in a real browser.

    python benchmarks/slider_browser.py [--write] [--presses 16]

The coupling lab in JupyterLab and in voila, n = 128 and 256 handwritten digits, the three sliders. A key is pressed
again and again, there and back; inside the page every frame in which something was drawn compares the matrix (its
pixels) and the other views (clouds, curves, numbers, formula) with what they were. Times run from the key event to the
end of the frame with the last change. A row of keys, as fast as a held one repeats, then shows whether the axes of the
plots stay where they are.
Targets: the matrix under 40 ms, everything under 100 ms (medians).
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import machine

sys.path.append(str(Path(__file__).resolve().parents[1]))  # the tests know how to start the servers

from playwright.sync_api import sync_playwright

from gca_playground.doctor import find_chromium
from tests.browser.conftest import QUIET
from tests.browser.jupyter import jupyterlab, open_notebook
from tests.browser.voila import DRAWN, open_lab, voila

TABLE = Path(__file__).parent / "tables" / "slider_browser.md"
MATRIX, EVERYTHING = 40, 100
SIZES = (128, 256)
SLIDERS = {
    "entropic regularisation ε": "epsilon",
    "column marginal ρ": "column marginal",
    "half-steps": "half-steps",
}
WARM_UP = 2
REPEAT_MS = 30
HELD = 12


class Press(NamedTuple):
    """What one key did: milliseconds until the matrix and until all views stood still, and what it sent."""

    matrix: float | None
    everything: float | None
    received: int
    sent: int


class Row(NamedTuple):
    """A line of the table."""

    place: str
    n: int
    slider: str
    presses: list[Press]
    still: bool


def main() -> None:
    """Measure, print the table, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    parser.add_argument("--presses", type=int, default=16)
    arguments = parser.parse_args()
    lines = []
    for line in table(measured(arguments.presses)):
        print(line, flush=True)
        lines.append(line)
    if arguments.write:
        TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def state(n: int) -> dict[str, Any]:
    """Where every slider has room to both sides and every move of one changes the plan."""
    knobs = {"cost": "cosine", "epsilon": 0.1, "rows": "exact", "cols": 1.0, "steps": 10}
    return {"data": {"name": "digits", "n": n}, "alignment": knobs}


def measured(presses: int) -> Iterator[Row]:
    """A row for each place, size and slider."""
    with tempfile.TemporaryDirectory() as home, sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=find_chromium(), args=QUIET)
        homes = {name: Path(home) / name for name in ("lab", "app")}
        for place in homes.values():
            place.mkdir()
        with jupyterlab(homes["lab"]) as server:
            for n in SIZES:
                code = f"import gca_playground as gca\ngca.CouplingLab(state={state(n)!r})"
                page = new_page(browser)
                open_notebook(page, server, server.write(f"n{n}.ipynb", code))
                page.wait_for_function(DRAWN)
                yield from of_lab(page, "JupyterLab", n, presses)
        with voila(homes["app"]) as app:
            for n in SIZES:
                page = new_page(browser)
                open_lab(page, app.address(state(n)))
                yield from of_lab(page, "voila", n, presses)
        browser.close()


def new_page(browser: Any) -> Any:
    """A page that counts what goes through its WebSockets."""
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    page.add_init_script(COUNT_BYTES)
    return page


def of_lab(page: Any, place: str, n: int, presses: int) -> Iterator[Row]:
    """The three sliders of the lab on the page; the page is closed after."""
    page.evaluate(WATCH)
    page.wait_for_timeout(2000)  # whatever else starts up
    for name, short in SLIDERS.items():
        slider = page.locator(".gca-lab").get_by_role("slider", name=name, exact=True)
        slider.focus()
        keys = [key for key in ("ArrowRight", "ArrowLeft") for _ in range(presses // 2)]
        done = [press(page, key) for key in ["ArrowRight", "ArrowLeft"] * (WARM_UP // 2) + keys]
        yield Row(place, n, short, done[WARM_UP:], axes_stay(page))
    page.close()


def press(page: Any, key: str) -> Press:
    """Press a key and wait until the lab stands still."""
    page.evaluate("() => gcaWatch.expect()")
    page.keyboard.press(key)
    page.wait_for_function("() => gcaWatch.done()", polling=50, timeout=20_000)
    return Press(*page.evaluate("() => gcaWatch.told()"))


def axes_stay(page: Any) -> bool:
    """Whether the plots' axes are in every frame what they were, also while a key is held."""
    for key in ("ArrowRight", "ArrowLeft"):
        for _ in range(HELD):
            page.keyboard.press(key)
            page.wait_for_timeout(REPEAT_MS)
    page.wait_for_timeout(1000)
    return bool(page.evaluate("() => gcaWatch.still"))


COUNT_BYTES = """(() => {
    window.gcaBytes = { received: 0, sent: 0 };
    const size = (data) => typeof data === "string" ? new Blob([data]).size : data.byteLength ?? data.size ?? 0;
    window.WebSocket = class extends WebSocket {
        constructor(...given) {
            super(...given);
            this.addEventListener("message", (event) => { window.gcaBytes.received += size(event.data); });
        }
        send(data) {
            window.gcaBytes.sent += size(data);
            super.send(data);
        }
    };
})()"""

# What has changed since the last frame is noted with the time at which the frame that shows it is done. Reading takes
# time itself, so a view is read only in a frame in which something was drawn in it.
WATCH = """() => {
    const lab = document.querySelector(".gca-lab");
    const data = lab.querySelector(".gca-mv-data");
    const drawn = new Set();
    const put = CanvasRenderingContext2D.prototype.putImageData;
    CanvasRenderingContext2D.prototype.putImageData = function (...given) {
        if (this.canvas === data) drawn.add("matrix");
        return put.apply(this, given);
    };
    const sum = (canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let hash = 2166136261;
        for (const word of new Uint32Array(data.buffer)) hash = Math.imul(hash ^ word, 16777619);
        return hash;
    };
    const paths = (name) => {
        const found = [...lab.querySelectorAll(`${name} :is(path.js-line, .points > path)`)];
        return found.map((path) => path.getAttribute("d") + path.getAttribute("transform")).join();
    };
    const views = {
        matrix: [".gca-mv-data", () => sum(data)],
        clouds: [".gca-clouds", () => paths(".gca-clouds")],
        curves: [".gca-curves", () => paths(".gca-curves")],
        numbers: [".gca-numbers-table", () => lab.querySelector(".gca-numbers-table").textContent],
        formula: [".gca-formula", () => lab.querySelector(".gca-formula").textContent],
    };
    const what = { subtree: true, childList: true, characterData: true, attributeFilter: ["d", "transform"] };
    for (const [name, [selector]] of Object.entries(views)) {
        const part = lab.querySelector(selector);
        if (name !== "matrix") new MutationObserver(() => drawn.add(name)).observe(part, what);
    }
    const axes = () => JSON.stringify([...lab.querySelectorAll(".js-plotly-plot")].map(({ _fullLayout: layout }) =>
        [layout.xaxis, layout.yaxis].map((axis) => [axis.range, axis._offset, axis._length])));
    const last = Object.fromEntries(Object.entries(views).map(([name, [_, read]]) => [name, read()]));
    let [key, change, bytes] = [null, {}, null];
    const first = axes();
    const watch = (window.gcaWatch = { still: true });
    const quiet = () => performance.now() - Math.max(key, ...Object.values(change));
    watch.expect = () => { [key, change, bytes] = [null, {}, { ...window.gcaBytes }]; };
    watch.done = () => key !== null && (Object.keys(change).length ? quiet() > 400 : quiet() > 5000);
    watch.told = () => [
        change.matrix === undefined ? null : change.matrix - key,
        Object.keys(change).length ? Math.max(...Object.values(change)) - key : null,
        window.gcaBytes.received - bytes.received,
        window.gcaBytes.sent - bytes.sent,
    ];
    lab.addEventListener("keydown", (event) => { key = event.timeStamp; }, { capture: true });
    const changed = (name) => {
        const [before, now] = [last[name], views[name][1]()];
        last[name] = now;
        return now !== before;
    };
    const frame = () => {
        const names = [...drawn].filter(changed);
        drawn.clear();
        watch.still &&= axes() === first;
        if (names.length) {
            const { port1, port2 } = new MessageChannel();
            port1.onmessage = () => { for (const name of names) change[name] = performance.now(); };
            port2.postMessage(null);
        }
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
}"""


def table(rows: Iterator[Row]) -> Iterator[str]:
    """The measurements as Markdown, line by line as they come."""
    yield from (
        "# From a key on a slider to new pixels",
        "",
        f"Milliseconds, median (and 90th percentile), in headless Chromium without a GPU. {machine.described()};",
        f"load average at the start {os.getloadavg()[0]:.1f}.",
        f"Targets, for the medians: `matrix` < {MATRIX}, `everything` (the last view of the lab) < {EVERYTHING}.",
        "`kB`: what one key brings through the WebSocket, and what it sends (medians, uncompressed). `axes`: whether",
        "those of both plots stay where they are in every frame, also under a held key.",
        "Of the time to the matrix Python takes 3 ms; the rest is the browser's: a frame for the slider's own thumb",
        "(about 12 ms without a GPU), the page's handling of the message and of the kernel's state (3 to 6 ms),",
        "and the wait for the next frame.",
        "",
        "| in | n | slider | keys | matrix | everything | within the targets | kB in | kB out | axes |",
        "|---|---|---|---|---|---|---|---|---|---|",
    )
    yield from map(_line, rows)


def _line(row: Row) -> str:
    matrix = [press.matrix for press in row.presses if press.matrix is not None]
    everything = [press.everything for press in row.presses if press.everything is not None]
    good = bool(matrix) and statistics.median(matrix) < MATRIX and statistics.median(everything) < EVERYTHING
    cells = (
        row.place,
        row.n,
        row.slider,
        len(matrix),
        _typical(matrix),
        _typical(everything),
        "yes" if good else "NO",
        f"{statistics.median(press.received for press in row.presses) / 1000:.0f}",
        f"{statistics.median(press.sent for press in row.presses) / 1000:.1f}",
        "stay" if row.still else "JUMP",
    )
    return f"| {' | '.join(map(str, cells))} |"


def _typical(times: list[float]) -> str:
    if not times:
        return "no change"
    return f"{statistics.median(times):.0f} ({sorted(times)[int(0.9 * len(times))]:.0f})"


if __name__ == "__main__":
    main()
