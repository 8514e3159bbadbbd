"""Figures of losses: they show the numbers they are given, tell signs and lines apart, and refuse what they cannot."""

import numpy as np
import pytest
import torch

from gca_playground.views.loss_figures import bars, over_steps, signed


def test_a_signed_matrix_keeps_its_numbers_and_its_sign():
    matrix = np.array([[-4.0, 0.0], [1.0, 2.0], [0.0, 0.5]])
    figure = signed([matrix, torch.tensor(10 * matrix)], ["one", "ten"])
    assert len(figure.data) == 2
    for trace, scale in zip(figure.data, (1, 10), strict=True):
        np.testing.assert_allclose(trace.customdata, scale * matrix)
        np.testing.assert_allclose(trace.z, np.sign(matrix) * np.sqrt(np.abs(matrix) / 4))
        assert (trace.zmin, trace.zmax) == (-1, 1)
    assert [note.text for note in figure.layout.annotations] == ["one", "ten"]
    assert figure.layout.yaxis.autorange == "reversed"


def test_purple_is_above_zero_and_green_below():
    ends = [signed([torch.eye(2)], ["one"], dark=dark).data[0].colorscale for dark in (False, True)]
    for scale in ends:
        low, high = ([int(x) for x in stop[1][4:-1].split(", ")] for stop in (scale[0], scale[-1]))
        assert low[1] == max(low)
        assert high[1] == min(high)
    assert ends[0] != ends[1]


def test_a_matrix_of_zeros_can_be_shown():
    assert not np.asarray(signed([torch.zeros(3, 2)], ["nothing"]).data[0].z).any()


@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_it_is_as_wide_as_its_page_and_few_matrices_do_not_fill_it(count):
    layout = signed([torch.eye(3)] * count, ["same"] * count).layout
    assert layout.width is None
    first, last = layout.xaxis.domain, layout["xaxis" if count == 1 else f"xaxis{count}"].domain
    assert np.ptp(first) == pytest.approx(np.ptp(last)) and np.ptp(first) < 0.25
    assert (last[1] == pytest.approx(1)) == (count >= 4)


@pytest.mark.parametrize(
    ("matrices", "titles", "reason"),
    [
        ([], [], "0 matrices, 0 titles"),
        ([torch.eye(2)], ["a", "b"], "1 matrices, 2 titles"),
        ([torch.ones(3)], ["a"], "shape"),
    ],
)
def test_what_is_no_matrix_is_said(matrices, titles, reason):
    with pytest.raises(ValueError, match=reason):
        signed(matrices, titles)


def test_curves_start_where_they_are_told_and_differ_in_dash():
    curves = {f"line {k}": [3.0, 2.0 + k, 1.0 + k] for k in range(4)}
    figure = over_steps(curves, start=1, quantity="how much")
    for trace, (name, values) in zip(figure.data, curves.items(), strict=True):
        assert trace.name == name
        np.testing.assert_allclose(trace.y, values)
        assert [*trace.x] == [1, 2, 3]
    assert len({trace.line.dash for trace in figure.data}) == 4
    assert len({trace.line.color for trace in figure.data}) == 4
    assert figure.layout.yaxis.title.text == "how much"
    assert figure.layout.showlegend
    assert figure.layout.yaxis.type == "linear"
    assert over_steps(curves, log=True).layout.yaxis.type == "log"


@pytest.mark.parametrize("curves", [{}, {"empty": []}])
def test_nothing_to_show_is_said(curves):
    with pytest.raises(ValueError, match="curves"):
        over_steps(curves)


def test_bars_hold_the_numbers_and_write_them_down():
    figure = bars({"error": {"a": 1e-16, "b": 0.5}, "kB": {"a": 1234.0, "b": 20.0}})
    first, second = figure.data
    assert [*first.y] == [*second.y] == ["a", "b"]
    assert [*first.x] == [1e-16, 0.5]
    assert [*first.text] == ["1e-16", "0.5"]
    assert [*second.text] == ["1234", "20"]
    assert figure.layout.xaxis.type == figure.layout.xaxis2.type == "log"
    for axis, trace in ((figure.layout.xaxis, first), (figure.layout.xaxis2, second)):
        assert axis.range[0] < np.log10(min(trace.x)) <= np.log10(max(trace.x)) < axis.range[1]


@pytest.mark.parametrize(
    ("panels", "reason"),
    [
        ({}, "the same names"),
        ({"one": {}}, "the same names"),
        ({"one": {"a": 1.0}, "two": {"b": 1.0}}, "the same names"),
        ({"one": {"a": 0.0}}, "must be > 0"),
        ({"one": {"a": float("nan")}}, "must be > 0"),
    ],
)
def test_bars_that_cannot_stand_are_refused(panels, reason):
    with pytest.raises(ValueError, match=reason):
        bars(panels)


@pytest.mark.parametrize(
    "draw",
    [
        lambda dark: signed([torch.eye(2)], ["one"], dark=dark),
        lambda dark: over_steps({"a": [1.0]}, dark=dark),
        lambda dark: bars({"one": {"a": 1.0}}, dark=dark),
    ],
)
def test_dark_and_light_differ(draw):
    light, dark = draw(False), draw(True)
    assert light.layout.font.color != dark.layout.font.color
