"""Figures of tables: they show the means and deviations they read, one line a loss, and refuse what they cannot."""

import math

import numpy as np
import pandas as pd
import pytest

from gca_playground.views.table_figures import means, read

TABLE = [
    {"loss": loss, "rate": rate, "acc": start - rate, "acc_sd": rate / 10, "knn": start, "knn_sd": 0.0}
    for rate in (0.0, 0.2, 0.4)
    for loss, start in (("infonce", 0.9), ("rince", 1.0))
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "table.csv"
    pd.DataFrame(TABLE).to_csv(path, index=False)
    return path


def test_a_file_a_frame_and_rows_are_one_table(file):
    assert read(file) == read(str(file)) == read(pd.DataFrame(TABLE)) == read(TABLE) == TABLE


def test_words_stay_words_and_an_empty_place_is_not_a_number(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("loss,acc,kl\npca,0.5,\n")
    (row,) = read(path)
    assert (row["loss"], row["acc"]) == ("pca", 0.5)
    assert math.isnan(row["kl"])


def test_each_loss_is_a_line_of_its_own_with_its_own_bars(file):
    figure = means(file, x="rate", y="acc", by="loss", names={"rince": "RINCE"})
    assert [line.name for line in figure.data] == ["infonce", "RINCE"]
    for line, start in zip(figure.data, (0.9, 1.0), strict=True):
        np.testing.assert_allclose(line.y, start - np.array([0.0, 0.2, 0.4]))
        np.testing.assert_allclose(line.error_y.array, [0.0, 0.02, 0.04])
        np.testing.assert_allclose([true for true, _ in line.customdata], [0.0, 0.2, 0.4])


def test_lines_differ_in_more_than_colour_and_stand_beside_each_other():
    first, second = means(TABLE, x="rate", y="acc", by="loss").data
    assert first.line.color != second.line.color
    assert first.line.dash != second.line.dash
    assert first.marker.symbol != second.marker.symbol
    assert 0 < second.x[0] - first.x[0] < 0.01
    np.testing.assert_allclose(np.add(first.x, second.x) / 2, [0.0, 0.2, 0.4])


def test_several_columns_are_a_line_each():
    infonce = [row for row in TABLE if row["loss"] == "infonce"]
    figure = means(infonce, x="rate", y=("acc", "knn"), levels={"chance": 0.25})
    assert [line.name for line in figure.data] == ["acc", "knn"]
    assert [*figure.data[1].y] == [0.9] * 3
    assert figure.layout.shapes[0].y0 == 0.25
    assert figure.layout.annotations[0].text == "chance"
    low, high = figure.layout.yaxis.autorangeoptions.include
    assert low < 0.25 < high


def test_on_a_logarithmic_axis_and_among_words_nothing_is_moved():
    steps = [row | {"rate": row["rate"] + 1} for row in TABLE]
    logarithmic = means(steps, x="rate", y="acc", by="loss", log=True)
    assert logarithmic.layout.xaxis.type == "log"
    assert [*logarithmic.data[0].x] == [1.0, 1.2, 1.4]
    assert [*logarithmic.layout.xaxis.ticktext] == ["1", "1.2", "1.4"]
    assert [*means(TABLE[:2], x="loss", y="acc").data[0].x] == ["infonce", "rince"]


def test_the_titles_and_the_theme():
    light, dark, either = (
        means(TABLE, x="rate", y="acc", by="loss", titles=("here", "there"), dark=ground)
        for ground in (False, True, None)
    )
    assert (light.layout.xaxis.title.text, light.layout.yaxis.title.text) == ("here", "there")
    assert len({figure.layout.font.color for figure in (light, dark, either)}) == 3
    assert light.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert means(TABLE[:1], x="rate", y="acc").layout.yaxis.title.text == "acc"


@pytest.mark.parametrize(
    ("table", "knobs", "kind", "reason"),
    [
        ([], {"y": "acc"}, ValueError, "needs rows"),
        (TABLE, {"y": "ac"}, ValueError, "did you mean 'acc'"),
        (TABLE, {"y": "acc", "by": "los"}, ValueError, "did you mean 'loss'"),
        (TABLE, {"y": ("acc", "knn"), "by": "loss"}, ValueError, "one line for each value of 'loss'"),
        ([{"rate": 1.0, "acc": 1.0}], {"y": "acc"}, ValueError, "acc_sd"),
        (3, {"y": "acc"}, TypeError, "a file, a DataFrame or a list of dicts"),
    ],
)
def test_what_is_no_table_of_means_is_said(table, knobs, kind, reason):
    with pytest.raises(kind, match=reason):
        means(table, x="rate", **knobs)
