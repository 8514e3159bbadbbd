"""Plans side by side: each panel holds its own plan, its own sums, and the same points."""

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

import gca_playground as gca
from gca_playground.views.course_figures import beside
from gca_playground.views.figures import BAR_TOP


def cost(n=6, m=4):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, m, generator=generator, dtype=torch.float64)


def of_kind(figure, kind):
    return [trace for trace in figure.data if isinstance(trace, kind)]


def test_every_plan_has_its_matrix_and_its_sums():
    plans = [gca.solve(cost(), epsilon=0.1, steps=steps) for steps in (0, 1, 2)]
    figure = beside(plans, ["start", "rows", "columns"])
    matrices, bars = of_kind(figure, go.Heatmap), of_kind(figure, go.Bar)
    assert len(matrices) == 3 and len(bars) == 6
    for plan, matrix, rows, cols in zip(plans, matrices, bars[::2], bars[1::2], strict=True):
        np.testing.assert_allclose(matrix.customdata, plan.matrix)
        np.testing.assert_allclose(np.power(matrix.z, 2.5), plan.matrix, atol=1e-12)
        np.testing.assert_allclose(rows.x, plan.row_sums)
        np.testing.assert_allclose(cols.y, plan.col_sums / 1.5)
    assert [note.text for note in figure.layout.annotations] == ["start", "rows", "columns"]


def test_a_plain_matrix_is_measured_by_unit_rows():
    figure = beside([np.full((6, 4), 0.25)], ["even"])
    rows, cols = of_kind(figure, go.Bar)
    np.testing.assert_allclose(rows.x, 1.0)
    np.testing.assert_allclose(cols.y, 1.0)


def test_rows_run_downwards_and_bars_to_twice_the_mass():
    figure = beside([gca.solve(cost())], ["one"])
    matrix, rows, cols = figure.data
    assert figure.layout[matrix.yaxis.replace("y", "yaxis")].autorange == "reversed"
    assert figure.layout[rows.yaxis.replace("y", "yaxis")].autorange == "reversed"
    assert figure.layout[rows.xaxis.replace("x", "xaxis")].range == (0, BAR_TOP)
    assert figure.layout[cols.yaxis.replace("y", "yaxis")].range == (BAR_TOP, 0)


def test_the_clouds_stand_above_their_own_matrix():
    ends = (torch.rand(6, 2), torch.rand(4, 2))
    plans = [gca.solve(cost(), epsilon=epsilon) for epsilon in (0.01, 1.0)]
    figure = beside(plans, ["sharp", "blurred"], ends, labels=[0, 0, 0, 1, 1, 1], labels_w=[0, 0, 1, 1])
    matrices = of_kind(figure, go.Heatmap)
    points = [trace for trace in of_kind(figure, go.Scatter) if trace.name == "view 1"]
    assert len(points) == len(matrices) == 2
    for cloud, matrix in zip(points, matrices, strict=True):
        np.testing.assert_allclose(cloud.x, ends[0][:, 0])
        above, below = (figure.layout[trace.yaxis.replace("y", "yaxis")].domain for trace in (cloud, matrix))
        left, own = (figure.layout[trace.xaxis.replace("x", "xaxis")].domain[0] for trace in (cloud, matrix))
        assert above[0] > below[1]
        assert left == pytest.approx(own)
        assert figure.layout[cloud.yaxis.replace("y", "yaxis")].scaleanchor == cloud.xaxis


@pytest.mark.parametrize("count", [1, 2, 4, 5, 8])
def test_it_is_as_wide_as_its_page_and_the_panels_stay_apart(count):
    figure = beside([gca.solve(cost())] * count, ["same"] * count)
    assert figure.layout.width is None
    drawn = of_kind(figure, go.Heatmap), of_kind(figure, go.Bar)[::2]
    matrices, bars = ([figure.layout[trace.xaxis.replace("x", "xaxis")].domain for trace in kind] for kind in drawn)
    for matrix, bar, after in zip(matrices, bars, [*matrices[1:], (1.02, 1.02)], strict=True):
        assert matrix[1] < bar[0] and bar[1] + 0.01 < after[0]


def test_few_panels_do_not_fill_the_page():
    widths = [np.ptp(beside([gca.solve(cost())] * count, ["same"] * count).layout.xaxis.domain) for count in (1, 3, 4)]
    np.testing.assert_allclose(widths, widths[0], rtol=0.06)
    assert widths[0] < 0.25


@pytest.mark.parametrize(
    ("plans", "titles", "reason"),
    [
        ([], [], "0 plans and 0 titles"),
        ([torch.eye(3)], ["a", "b"], "1 plans and 2 titles"),
        ([torch.ones(3)], ["a"], "shape"),
    ],
)
def test_what_cannot_be_shown_is_said(plans, titles, reason):
    with pytest.raises(ValueError, match=reason):
        beside(plans, titles)


def test_dark_and_light_differ():
    plan = gca.solve(cost())
    light, dark = (beside([plan], ["one"], dark=dark).data for dark in (False, True))
    assert light[1].marker.color != dark[1].marker.color
    assert light[0].colorscale != dark[0].colorscale
