"""The plain figures: every mark stands where the numbers say."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

import gca_playground as gca
from gca_playground.alignment import kl_along
from gca_playground.views import figures
from gca_playground.views.figures import CLASS_COLOURS, LINE_BINS
from gca_playground.views.labs.scene import Choice, cloud_of
from gca_playground.views.theme import DARK, EITHER, LIGHT

ENDS = (np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]]), np.array([[5.0, 5.0], [6.0, 5.0]]))
SHARES = np.array([[0.97, 0.03], [0.3, 0.7], [0.99, 0.01]])


def some_plan(n: int = 6, m: int = 6, **knobs: Any) -> gca.solve:
    z, w = torch.randn(2, max(n, m), 3, generator=torch.Generator().manual_seed(1)).double()
    return gca.solve(gca.cosine_cost(z[:n], w[:m]), **{"epsilon": 0.3, "steps": 3, **knobs})


def spread(n: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(2)
    return random.normal(size=(n, 2)), random.normal(size=(n, 2))


def cells_of(lines: list[figures.Segments], ends: tuple[np.ndarray, np.ndarray]) -> list[set[tuple[int, int]]]:
    """Which (row, column) each bundle of lines joins."""
    found = []
    for x, y in lines:
        corners = np.stack([x, y], 1).reshape(-1, 3, 2)
        assert np.isnan(corners[:, 2]).all()
        places = [
            [int(np.flatnonzero((ends[side] == corner).all(1))[0]) for corner in corners[:, side]] for side in (0, 1)
        ]
        found.append(set(zip(*places, strict=True)))
    return found


# mass lines


def test_mass_lines_join_the_heavy_cells_by_weight() -> None:
    assert [least for least, _ in LINE_BINS] == [0.03, 0.1, 0.3, 0.6]
    assert cells_of(figures.mass_lines(SHARES, ENDS), ENDS) == [{(0, 1)}, set(), {(1, 0)}, {(0, 0), (1, 1), (2, 0)}]


def test_the_heaviest_lines_are_kept() -> None:
    assert cells_of(figures.mass_lines(SHARES, ENDS, most=2), ENDS) == [set(), set(), set(), {(0, 0), (2, 0)}]
    many = np.full((50, 50), 0.05)
    many[np.arange(50), np.arange(50)] = 0.5
    points = spread(50)
    lines = cells_of(figures.mass_lines(many, points), points)
    assert sum(map(len, lines)) == 150 and lines[2] == {(k, k) for k in range(50)}


def test_no_mass_no_lines() -> None:
    assert all(len(line.x) == 0 for line in figures.mass_lines(np.full((3, 2), 0.01), ENDS))


def test_heavier_lines_are_thicker_and_darker() -> None:
    traces = figures.line_traces(figures.mass_lines(SHARES, ENDS))
    for values in ([t.line.width for t in traces], [t.opacity for t in traces]):
        assert values == sorted(set(values))
    for dark, colours in ((None, EITHER), (False, LIGHT), (True, DARK)):
        lines = figures.line_traces(figures.mass_lines(SHARES, ENDS), dark=dark)
        assert {t.line.color for t in lines} == {colours["text"]}
    grey, known = (figures.line_traces(figures.mass_lines(SHARES, ENDS), dark=dark) for dark in (None, False))
    assert all(one.opacity > other.opacity for one, other in zip(grey, known, strict=True))


def luminance(colour: str) -> float:
    """Relative luminance as the accessibility guidelines (WCAG 2) define it."""
    parts = np.array([*bytes.fromhex(colour[1:])]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(("name", "least"), [("text", 4), ("muted", 4), ("neutral", 4), ("rows", 3), ("cols", 3)])
@pytest.mark.parametrize("page", ["#ffffff", "#111111", DARK["page"]])
def test_a_figure_that_does_not_know_its_page_can_be_read(name: str, least: float, page: str) -> None:
    one, other = sorted((luminance(EITHER[name]), luminance(page)))
    assert (other + 0.05) / (one + 0.05) >= least
    figure = figures.clouds(some_plan(), spread(6))
    assert figure.layout.font.color == EITHER["muted"] and figure.layout.paper_bgcolor == "rgba(0,0,0,0)"


# classes


def test_classes_have_one_colour_on_both_sides() -> None:
    rows, cols = figures.cloud_traces(ENDS, (["b", "c", "b"], ["a", "b"]))
    assert list(rows.marker.color) == [CLASS_COLOURS[k] for k in (1, 2, 1)]
    assert list(cols.marker.color) == [CLASS_COLOURS[k] for k in (0, 1)]
    assert list(rows.text) == ["row 0, class b", "row 1, class c", "row 2, class b"]
    assert list(cols.text) == ["column 0, class a", "column 1, class b"]
    assert rows.marker.symbol != cols.marker.symbol


def test_without_labels_the_points_are_grey() -> None:
    rows, cols = figures.cloud_traces(ENDS, (None, [1, 2]))
    assert rows.marker.color == CLASS_COLOURS[6] and list(rows.text) == ["row 0", "row 1", "row 2"]
    assert list(cols.marker.color) == list(CLASS_COLOURS[:2])


def test_class_names_stand_in_the_colour_of_their_points() -> None:
    labels = (["b", "c", "b"], ["a", "b"])
    names = figures.class_names(ENDS, labels)
    assert [name["text"] for name in names] == ["<b>b</b>", "<b>c</b>"]
    rows, _ = figures.cloud_traces(ENDS, labels)
    assert [name["font"]["color"] for name in names] == [rows.marker.color[0], rows.marker.color[1]]
    assert figures.class_names(ENDS, labels, dark=True)[0]["font"]["shadow"].endswith(DARK["page"])


def boxes(names: list[dict[str, Any]], side: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """The middle and the half size of each name of one letter, where the points' longer side has 320 pixels."""
    return [(np.array([name["x"], name["y"]]), np.array([4.5, 7.0]) * side / 320) for name in names]


@pytest.mark.parametrize("name", ["moons", "circles", "spirals", "blobs", "digits", "hubs", "outliers"])
def test_class_names_cover_no_point_and_no_name(name: str) -> None:
    cloud = cloud_of(Choice(name=name, n=64))
    points, names = np.concatenate(cloud.ends), figures.class_names(cloud.ends, (cloud.labels, cloud.labels_w))
    assert len(names) in (0, len(set(cloud.labels)))
    found = boxes(names, float((points.max(0) - points.min(0)).max()))
    for k, (middle, half) in enumerate(found):
        assert not (np.abs(points - middle) < half).all(1).any()
        assert not any((np.abs(middle - other) < 2 * half).all() for other, _ in found[:k])


def test_a_class_name_is_nearest_to_its_own_points() -> None:
    turns = torch.linspace(0, 2 * np.pi, 41)[:-1]
    ring = torch.stack([turns.cos(), turns.sin()], 1).numpy()
    rings = np.concatenate([ring, 0.5 * ring])  # one inside of the other: both have their middle at 0
    names = figures.class_names((rings, rings), (["a"] * 40 + ["b"] * 40, None))
    nearest = [np.hypot(*(rings - (name["x"], name["y"])).T).argmin() // 40 for name in names]
    assert nearest == [0, 1]


@pytest.mark.parametrize("labels", [None, [1, 1, 1], list(range(13))])
def test_one_class_or_too_many_have_no_names(labels: list[int] | None) -> None:
    assert figures.class_names((np.zeros((13, 2)), np.zeros((13, 2))), (labels, None)) == []


def test_kinds_are_in_order_whatever_they_are() -> None:
    assert figures.kinds_of([10, 9, 2, 10]) == [2, 9, 10]
    assert figures.kinds_of(["b", None, 2, "a", 1]) == [None, 1, 2, "a", "b"]


def test_labels_of_rows_serve_the_columns_of_a_square() -> None:
    assert figures.both_labels(torch.tensor([1, 2]), None, (2, 2)) == ([1, 2], [1, 2])
    assert figures.both_labels(np.array(["a", "b"]), None, (2, 3)) == (["a", "b"], None)
    with pytest.raises(ValueError, match="labels_w must hold one label a point, 3, got 2"):
        figures.both_labels(None, [1, 2], (3, 3))


# whole figures


@pytest.mark.parametrize("given", ["plan", "numpy", "tensor"])
def test_clouds_draw_lines_below_points(given: str) -> None:
    plan, ends = some_plan(), spread(6)
    matrix = plan.matrix if given == "tensor" else plan.matrix.numpy()
    figure = figures.clouds(plan if given == "plan" else matrix, ends, list("aabbcc"))
    lines, points = figure.data[:4], figure.data[4:]
    expected = figures.mass_lines(plan.matrix.numpy(), ends)
    for trace, line in zip(lines, expected, strict=True):
        assert np.array_equal(trace.x, line.x, equal_nan=True) and trace.hoverinfo == "skip"
    assert [trace.name for trace in points] == ["view 1", "view 2"]
    assert [note.text for note in figure.layout.annotations] == ["<b>a</b>", "<b>b</b>", "<b>c</b>"]


def test_a_unit_is_as_long_in_x_as_in_y_and_every_point_is_inside() -> None:
    figure = figures.frame(go.Figure(), ENDS)
    assert figure.layout.yaxis.scaleanchor == "x"
    assert figure.layout.xaxis.range[0] < 0 and figure.layout.xaxis.range[1] > 6
    assert figure.layout.yaxis.range[0] < 0 and figure.layout.yaxis.range[1] > 5
    spot = figures.frame(go.Figure(), (np.ones((2, 2)), np.ones((2, 2)))).layout.xaxis.range
    assert spot[0] < 1 < spot[1]


@pytest.mark.parametrize("dark", [True, False])
def test_figures_wear_the_theme(dark: bool) -> None:
    colours, plan = DARK if dark else LIGHT, some_plan()
    for figure in (
        figures.clouds(plan, spread(6), dark=dark),
        figures.convergence(plan, dark=dark),
        figures.coupling(plan, spread(6), dark=dark),
    ):
        assert figure.layout.font.color == colours["muted"]
        assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
        assert figure.to_json()


def test_convergence_draws_each_error_where_it_is_not_exact() -> None:
    plan = some_plan(steps=4)
    kl = kl_along(gca.targets.pairs(6, dtype=torch.float64), plan)
    figure = figures.convergence(plan, kl)
    rows, cols, above, below = figure.data
    plans = [plan.at(k).matrix.numpy() for k in range(5)]
    assert list(rows.x) == [0, 2, 4] and list(cols.x) == [0, 1, 3]
    assert np.allclose(rows.y, [abs(plans[k].sum(1) - 1).max() for k in (0, 2, 4)])
    assert np.allclose(cols.y, [abs(plans[k].sum(0) - 1).max() for k in (0, 1, 3)])
    gap = np.nan_to_num(np.asarray(above.y)) - np.nan_to_num(np.asarray(below.y))
    assert np.allclose(gap, (kl - kl[-1]).numpy())
    assert (figure.layout.yaxis.type, list(figure.layout.yaxis.range)) == ("log", [-9.0, 2.0])


def test_convergence_without_a_kl_and_without_a_half_step() -> None:
    figure = figures.convergence(some_plan(steps=0))
    assert [len(trace.x) for trace in figure.data[:2]] == [1, 1]
    assert np.isnan(np.asarray(figure.data[2].y, float)).all()


def test_without_a_path_there_are_no_curves() -> None:
    assert [len(curve.x) for curve in figures.convergence_curves(None, None)] == [0, 0, 0, 0]


def test_the_coupling_is_matrix_sums_and_clouds() -> None:
    plan, ends = some_plan(rows=0.5, cols=0.5), spread(6)
    figure = figures.coupling(plan, ends, list("aabbcc"))
    heat, rows, cols, *cloud = figure.data
    assert np.allclose(heat.customdata, plan.matrix) and np.allclose(heat.z, plan.matrix**0.4)
    assert np.allclose(rows.x, plan.row_sums) and np.allclose(cols.y, plan.col_sums)
    assert len(cloud) == 6 and {trace.xaxis for trace in cloud} == {"x3"}
    assert figure.layout.yaxis3.scaleanchor == "x3"
    assert figure.layout.yaxis.autorange == "reversed"


def test_the_coupling_alone_and_with_more_rows_than_columns() -> None:
    assert len(figures.coupling(some_plan()).data) == 3
    figure = figures.coupling(some_plan(6, 4), (spread(6)[0], spread(6)[1][:4]), list("aabbcc"), labels_w=list("abcd"))
    assert np.allclose(figure.data[1].x, 1) and len(figure.data[2].y) == 4


def test_numbers_are_ratios_to_the_mass() -> None:
    mass = torch.tensor([1.0, 2.0, 3.0, 0.0], dtype=torch.float64)
    plan = some_plan(4, 4, a=mass, b=torch.full((4,), 1.5, dtype=torch.float64), steps=1)
    matrix, rows, cols = figures.numbers(plan)
    assert np.allclose(rows, [1, 1, 1, 0]) and np.allclose(cols, matrix.sum(0) / 1.5)
    assert np.allclose(figures.row_shares(plan).sum(1), [1, 1, 1, 0])


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((np.zeros((6, 3)), np.zeros((6, 3))), r"points to draw must have shape \(n, 2\), got \(6, 3\)"),
        ((np.zeros((5, 2)), np.zeros((6, 2))), r"a point a row and one a column of \(6, 6\), got \[5, 6\]"),
        (("no", "points"), "ends must be a tensor or an array"),
    ],
)
def test_wrong_points_are_refused(ends: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        figures.clouds(some_plan(), ends)


@pytest.mark.parametrize("matrix", [np.ones(3), np.ones((2, 2, 2)), "plan"])
def test_what_is_no_plan_is_refused(matrix: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="plan must be"):
        figures.clouds(matrix, spread(3))
