"""How the cost grows with n and with the half-steps K, and how far it is from what the machine can do.

    python benchmarks/growth.py [--write] [--quick]

Two tables and a picture. Against n: a half-step with its gradient where nothing n x n is kept, beside one passage of
products and exponentials, and beside the floor, the flops of the product over the measured rate of a large one.
Against K: forward, and forward with gradient, on a kernel that is kept, beside the floor of K passages over its bytes
at the measured rate of a matrix-vector product. The product of rank K at the end of the gradient is shown apart.
One thread, processor time, float32, d = 64.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

import machine
import torch
import work
from measure import Act, interleaved

import gca_playground as gca

TABLE = Path(__file__).parent / "tables" / "growth.md"
PICTURE = Path(__file__).parents[1] / "docs" / "growth.png"
SIZES = (1024, 2048, 4096, 8192, 16384)
COUNTS = (1, 2, 5, 10, 20, 50, 100)
KEPT = 2048
STREAMED_STEPS = 4
LARGE = 1024
D = 64


class Size(NamedTuple):
    """Seconds at one n: a streamed half-step with gradient, a passage of GEMM and exp, and the flops alone."""

    n: int
    step: float
    passage: float
    floor: float


class Count(NamedTuple):
    """Seconds for K half-steps at one n: forward, with gradient, the product of rank K, and the bytes alone."""

    k: int
    forward: float
    gradient: float
    product: float
    floor: float


def main() -> None:
    """Measure, print the tables; write them and draw the picture if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name} and, with a Chromium, {PICTURE.name}")
    parser.add_argument("--quick", action="store_true", help="tiny sizes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    quick = arguments.quick
    sizes = against_n((32, 64) if quick else SIZES, rounds=1 if quick else 99)
    n = 32 if quick else KEPT
    counts = against_k(n, COUNTS[:3] if quick else COUNTS, rounds=1 if quick else 9)
    text = table(sizes, counts, n)
    print(text)
    if arguments.write:
        TABLE.write_text(text, encoding="utf-8")
        draw(sizes, counts, n)


# ------------------------------------------------------------------------------------------ measuring


def against_n(sizes: tuple[int, ...], *, rounds: int) -> list[Size]:
    """A streamed half-step, of few with their gradient; all sizes in turn, since it is their ratio that is asked."""
    acts: dict[str, Act] = {"product": _large_product()}
    for n in sizes:
        z, w = work.views(n, D)
        acts[f"step {n}"] = lambda z=z, w=w: _streamed(z, w)
        acts[f"passage {n}"] = lambda z=z, w=w: work.block_pass(z, w)
    times = {name: spent.cpu for name, spent in interleaved(acts, rounds=rounds, most=12).items()}
    return [
        Size(n, times[f"step {n}"] / STREAMED_STEPS, times[f"passage {n}"], times["product"] * n**2 * D / LARGE**3)
        for n in sizes
    ]


def _streamed(z: torch.Tensor, w: torch.Tensor) -> None:
    work.forget(z, w)
    work.from_potentials(z, w, steps=STREAMED_STEPS, method="stream").backward()


def _large_product() -> Act:
    """A product of the highest rate that the machine reaches: its flops over its time."""
    x, y, out = torch.randn(LARGE, LARGE), torch.randn(LARGE, LARGE), torch.empty(LARGE, LARGE)
    return lambda: torch.mm(x, y, out=out)


def against_k(n: int, counts: tuple[int, ...], *, rounds: int) -> list[Count]:
    """K half-steps on a kernel that is kept."""
    z, w = work.views(n, D)
    acts: dict[str, Act] = {"gemv": _gemv(n)}
    for k in counts:
        acts[f"forward {k}"] = lambda k=k: gca.solve(gca.CosineCost(z.detach(), w.detach()), epsilon=0.1, steps=k)
        acts[f"gradient {k}"] = lambda k=k: _with_gradient(z, w, k)
        acts[f"product {k}"] = _product(n, k)
    times = {name: spent.cpu for name, spent in interleaved(acts, rounds=rounds).items()}
    return [
        Count(k, times[f"forward {k}"], times[f"gradient {k}"], times[f"product {k}"], k * times["gemv"])
        for k in counts
    ]


def _gemv(n: int) -> Act:
    """One product of an n x n matrix and a vector: the bytes of the matrix, once, and no more."""
    kernel, vector, out = torch.rand(n, n), torch.rand(n), torch.empty(n)
    return lambda: torch.mv(kernel, vector, out=out)


def _with_gradient(z: torch.Tensor, w: torch.Tensor, steps: int) -> None:
    work.forget(z, w)
    work.from_potentials(z, w, steps=steps).backward()


def _product(n: int, k: int) -> Act:
    """The one product of rank K that ends the gradient, and its elementwise product with the kernel."""
    left, right, kernel, out = torch.rand(k, n), torch.rand(k, n), torch.rand(n, n), torch.empty(n, n)
    return lambda: torch.mm(left.mT, right, out=out).mul_(kernel)


def slope(counts: list[Count], name: str, *, less_product: bool = False) -> float:
    """Seconds a half-step: the median over all pairs of K (Theil 1950), which a disturbed run does not move."""
    points = [(c.k, getattr(c, name) - (c.product if less_product else 0.0)) for c in counts]
    pairs = [(a, b) for i, a in enumerate(points) for b in points[i + 1 :]]
    return statistics.median((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs)


# ------------------------------------------------------------------------------------------ words


def table(sizes: list[Size], counts: list[Count], n: int) -> str:
    """The measurements as Markdown."""
    return "\n".join([*_head(), *_sizes(sizes), "", *_counts(counts, n)]) + "\n"


def _head() -> list[str]:
    return ["# Growth", "", f"{machine.described()}. Processor time in ms, float32, d = {D}.", ""]


def _sizes(sizes: list[Size]) -> list[str]:
    lines = [
        "## With n: nothing n x n is kept",
        "",
        f"A half-step (of {STREAMED_STEPS}) with the gradient; target: at most 4.3 times for twice n.",
        "",
        "| n | half-step | times the one before | one passage of GEMM and exp | half-step / passage | flops alone |",
        "|---" * 6 + "|",
    ]
    for before, size in zip([None, *sizes], sizes, strict=False):
        ratio = size.step / before.step if before else None
        grown = "" if ratio is None else f"{ratio:.2f} ({'yes' if ratio <= 4.3 else 'NO'})"
        cells = (f"{1e3 * size.step:.4g}", grown, f"{1e3 * size.passage:.4g}", f"{size.step / size.passage:.2f}")
        lines.append(f"| {size.n} | " + " | ".join(cells) + f" | {1e3 * size.floor:.4g} |")
    return lines


def _counts(counts: list[Count], n: int) -> list[str]:
    gemv = counts[0].floor / counts[0].k
    rate = 4 * n * n / gemv / 1e9
    ratios = [slope(counts, "forward") / gemv, slope(counts, "gradient", less_product=True) / gemv]
    kept = ["yes" if ratio <= 1.5 * products else "NO" for ratio, products in zip(ratios, (1, 2), strict=True)]
    return [
        f"## With the half-steps K: the kernel is kept, n = {n}",
        "",
        f"One product with a vector takes {1e3 * gemv:.3g} ms ({rate:.0f} GB/s). A half-step more takes",
        f"{ratios[0]:.2f} of them forward (target: at most 1.5: {kept[0]}), and with the gradient, less the product of",
        f"rank K, {ratios[1]:.2f} (target: at most 3: {kept[1]}).",
        "",
        "| K | forward | with gradient | of it the product of rank K | K passages over the bytes |",
        "|---" * 5 + "|",
        *(f"| {c.k} | " + " | ".join(f"{1e3 * x:.4g}" for x in c[1:]) + " |" for c in counts),
    ]


# ------------------------------------------------------------------------------------------ the picture


def draw(sizes: list[Size], counts: list[Count], n: int) -> None:
    """Both tables as lines, photographed from the browser that the tests use; nothing where there is none."""
    from gca_playground.doctor import find_chromium

    chromium = find_chromium()
    if chromium is None:
        return
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = Path(folder) / "growth.html"
        figure(sizes, counts, n).write_html(page_file, include_plotlyjs=True, config={"displayModeBar": False})
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 420})
        page.goto(page_file.as_uri())
        page.wait_for_selector(".main-svg")
        page.screenshot(path=PICTURE)
        browser.close()


def figure(sizes: list[Size], counts: list[Count], n: int):  # type: ignore[no-untyped-def]
    """Two panels on logarithmic axes, the floors dashed."""
    from plotly.subplots import make_subplots

    titles = ("a streamed half-step with gradient, by n", f"a kernel that is kept, n = {n}, by half-steps")
    fig = make_subplots(1, 2, subplot_titles=titles, horizontal_spacing=0.08)
    at, ks = [size.n for size in sizes], [count.k for count in counts]
    _line(fig, 1, at, [s.step for s in sizes], "half-step with gradient", "#0072B2")
    _line(fig, 1, at, [s.passage for s in sizes], "GEMM and exp, once", "#555555", dash="dot")
    _line(fig, 1, at, [s.floor for s in sizes], "floor: flops at the rate of a GEMM", "#999999", dash="dash")
    _line(fig, 2, ks, [c.forward for c in counts], "forward", "#009E73")
    _line(fig, 2, ks, [c.gradient for c in counts], "forward and gradient", "#D55E00")
    _line(fig, 2, ks, [c.product for c in counts], "of it the product of rank K", "#CC79A7", dash="dot")
    _line(fig, 2, ks, [c.floor for c in counts], "floor: bytes at the rate of a GEMV", "#999999", dash="dash")
    fig.update_xaxes(type="log", tickvals=at, ticktext=[str(x) for x in at], title="n", col=1)
    fig.update_xaxes(type="log", tickvals=ks, title="half-steps K", col=2)
    fig.update_yaxes(type="log", title="ms of one thread", col=1)
    fig.update_yaxes(type="log", col=2)
    fig.update_layout(template="plotly_white", width=1000, height=420, margin={"l": 60, "r": 10, "t": 40, "b": 90})
    return fig.update_layout(legend={"orientation": "h", "y": -0.2})


def _line(fig, column: int, x: list[int], seconds: list[float], name: str, colour: str, *, dash: str = "solid") -> None:  # type: ignore[no-untyped-def]
    milliseconds = [1e3 * value for value in seconds]
    style = {"color": colour, "dash": dash}
    fig.add_scatter(x=x, y=milliseconds, name=name, mode="lines+markers", line=style, row=1, col=column)


if __name__ == "__main__":
    main()
