"""The pictures of the README's gallery, drawn by the library's own figures.

    python docs/gallery.py            (what `make gallery` runs; needs a Chromium)

Each is drawn twice, for light and for dark pages, and stands in docs/gallery as NAME-light.png and NAME-dark.png.
"""

import json
from collections.abc import Callable
from pathlib import Path

import plotly.graph_objects as go
import plotly.offline
import torch
from playwright.sync_api import sync_playwright

import gca_playground as gca
from gca_playground.alignment.divergence import kl_along
from gca_playground.doctor import find_chromium

HERE = Path(__file__).parent
HOME = HERE / "gallery"
TABLES = HERE.parent / "notebooks" / "tables"
WIDTH, HEIGHT = 640, 340

Draw = Callable[[bool], go.Figure]


def matching(dark: bool) -> go.Figure:
    """Two moons and the converged plan between their views."""
    data = gca.datasets.load("moons", n=48, seed=0)
    plan = gca.solve(gca.squared_euclidean_cost(data.view1, data.view2), epsilon=0.05)
    return gca.figures.clouds(plan, (data.view1, data.view2), data.labels, dark=dark)


def sawtooth(dark: bool) -> go.Figure:
    """Each half-step makes one side right; both errors fall geometrically."""
    data = gca.datasets.load("digits", n=128, seed=0)
    cost = gca.cosine_cost(data.view1.double(), data.view2.double())
    plan = gca.solve(cost, epsilon=0.1, steps=30)
    return gca.figures.convergence(plan, kl_along(gca.targets.pairs(128).to(cost), plan), dark=dark)


def gradient(dark: bool) -> go.Figure:
    """Target, plan after one half-step, and their difference, which is the gradient of InfoNCE."""
    data = gca.datasets.load("hubs", n=24, seed=0)
    plan = gca.solve(gca.cosine_cost(data.view1, data.view2), epsilon=0.2, steps=1)
    target = torch.eye(24)
    titles = ["target T", "plan P, one half-step", "P − T"]
    figure = gca.figures.signed([target, plan.matrix, plan.matrix - target], titles, dark=dark)
    for k, (axis, title) in enumerate(zip(("x", "x2", "x3"), figure.layout.annotations, strict=True)):
        figure.update_xaxes(domain=[k / 3, (k + 0.96) / 3], col=k + 1)  # here three fill the page
        figure.update_yaxes(scaleanchor=axis, constrain="domain", constraintoward="top", col=k + 1)
        title.x = (k + 0.48) / 3
    return figure.update_xaxes(constrain="domain")


def falling(dark: bool) -> go.Figure:
    """KL(T | P) after each half-step, at four temperatures."""
    data = gca.datasets.load("hubs", n=64, seed=0)
    cost = gca.cosine_cost(data.view1, data.view2)
    curves = {
        f"ε = {epsilon}": [float(gca.Alignment(epsilon=epsilon, steps=k).of_cost(cost)) for k in range(1, 13)]
        for epsilon in (0.05, 0.1, 0.2, 0.5)
    }
    return gca.figures.over_steps(curves, start=1, dark=dark)


def robust(dark: bool) -> go.Figure:
    """Accuracy against the share of wrong pairs, from the committed table."""
    titles = ("share of wrong pairs", "accuracy of a linear probe")
    names = {name: name.upper().replace("INFONCE", "InfoNCE") for name in gca.losses()}
    return gca.figures.means(
        TABLES / "noise.csv", x="rate", y="linear_probe", by="loss", names=names, titles=titles, dark=dark
    )


def gaussians(dark: bool) -> go.Figure:
    """What three losses learn of a pair of correlated numbers, in closed form."""
    truth = gca.gaussian.plane_example()
    names = {"InfoNCE": "conditional", "joint": "joint", "Sinkhorn": "sinkhorn"}
    models = {name: gca.gaussian.closed_form(loss, truth) for name, loss in names.items()}
    return gca.figures.laws(truth, models, dark=dark)


PICTURES: dict[str, Draw] = {draw.__name__: draw for draw in (matching, sawtooth, gradient, falling, robust, gaussians)}


def main() -> None:
    """Draw all of them."""
    chromium = find_chromium()
    if chromium is None:
        raise SystemExit("no Chromium on this machine: `gca-playground doctor` says how to get one")
    HOME.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1.5)
        page.set_content('<body style="margin:0;background:transparent"><div id="figure"></div></body>')
        page.add_script_tag(content=plotly.offline.get_plotlyjs())
        for name, draw in PICTURES.items():
            for dark in (False, True):
                figure = sized(draw(dark))
                page.evaluate(
                    "figure => Plotly.newPlot('figure', figure.data, figure.layout, {displayModeBar: false})",
                    json.loads(figure.to_json()),
                )
                path = HOME / f"{name}-{'dark' if dark else 'light'}.png"
                page.screenshot(path=path, omit_background=True)
                print(path.relative_to(HERE.parent), path.stat().st_size // 1000, "kB")
        browser.close()


def sized(figure: go.Figure) -> go.Figure:
    """The figure at the gallery's size, on whatever the page has behind it."""
    clear = "rgba(0,0,0,0)"
    return figure.update_layout(width=WIDTH, height=HEIGHT, paper_bgcolor=clear, plot_bgcolor=clear)


if __name__ == "__main__":
    main()
