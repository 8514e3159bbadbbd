from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from gca_playground.views.figures import Segments
from gca_playground.views.live_figure import LiveFigure

LINE = Segments(np.array([0.0, 1.0, np.nan]), np.array([2.0, 3.0, np.nan]))


@pytest.fixture
def figure() -> LiveFigure:
    return LiveFigure(go.Figure([go.Scatter(x=[], y=[]), go.Scatter(x=[1, 2], y=[3, 4])]))


@pytest.fixture
def sent(figure: LiveFigure, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, list[np.ndarray]]]:
    """The figure's messages of its own, oldest first."""
    messages: list[tuple[Any, list[np.ndarray]]] = []

    def send(content: Any, buffers: Any) -> None:
        messages.append((content, [np.frombuffer(buffer, "<f4") for buffer in buffers]))

    monkeypatch.setattr(figure, "send", send)
    return messages


def test_a_move_is_one_message_of_floats(figure, sent):
    figure.move({0: LINE, 1: Segments(np.array([5.0]), np.array([1e-9]))})
    ((content, buffers),) = sent
    assert content == {"traces": [0, 1]}
    for told, meant in zip(buffers, (*LINE, [5.0], [1e-9]), strict=True):
        np.testing.assert_allclose(told, meant, rtol=1e-7)


def test_a_move_changes_the_figure_in_full_precision(figure, sent):
    figure.move({1: Segments(np.array([0.1]), np.array([0.2]))})
    assert (figure.data[1].x, figure.data[1].y) == (np.array([0.1]), np.array([0.2]))
    told = figure.get_state("_widget_data")["_widget_data"][1]["y"]
    assert np.frombuffer(told["buffer"], told["dtype"]).tolist() == [0.2]


def test_what_stays_is_not_sent(figure, sent):
    figure.move({0: LINE, 1: Segments(np.array([1, 2]), np.array([3, 4]))})
    figure.move({0: Segments(LINE.x.copy(), LINE.y.copy())})
    assert [content for content, _ in sent] == [{"traces": [0]}]


def test_a_line_may_become_shorter_or_vanish(figure, sent):
    figure.move({0: LINE})
    figure.move({0: Segments(np.zeros(0), np.zeros(0))})
    assert [len(axis) for axis in sent[-1][1]] == [0, 0]
    assert len(figure.data[0].x) == 0


def test_the_whole_state_is_that_of_now(figure, sent):
    figure.update_layout(height=321)
    figure.data[1].marker.size = 9
    figure.move({0: LINE})
    state = figure.get_state()
    assert state["_widget_layout"]["height"] == 321
    assert state["_widget_data"][1]["marker"]["size"] == 9
    told = state["_widget_data"][0]["x"]
    np.testing.assert_array_equal(np.frombuffer(told["buffer"], told["dtype"]), LINE.x)
