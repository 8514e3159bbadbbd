"""Figures of a training: the points are where they are said to be, the curves are the history's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import gca_playground as gca
from gca_playground.views.theme import DARK, LIGHT


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def on_sphere(n: int, d: int) -> torch.Tensor:
    return torch.nn.functional.normalize(randn(n, d), dim=1)


def drawn_points(figure):
    """All points with the class they are drawn as."""
    marks = [trace for trace in figure.data if trace.mode == "markers"]
    return {(x, y): trace.name for trace in marks for x, y in zip(trace.x, trace.y, strict=True)}


def test_points_of_the_plane_stand_where_they_are_in_their_class() -> None:
    z, labels = randn(12, 2), list("abcabcabcabc")
    figure = gca.figures.embedding(z, labels=labels)
    expected = {tuple(point): label for point, label in zip(z.double().tolist(), labels, strict=True)}
    assert drawn_points(figure) == expected
    symbols = {trace.name: trace.marker.symbol for trace in figure.data if trace.mode == "markers"}
    assert len(set(symbols.values())) == 3
    assert figure.layout.showlegend and not gca.figures.embedding(z).layout.showlegend


def test_pairs_are_joined_and_the_circle_is_there_for_unit_vectors_alone() -> None:
    z, w = on_sphere(5, 2), on_sphere(5, 2).flip(0)
    joined, circle = (trace for trace in gca.figures.embedding(z, w).data if trace.mode == "lines")
    ends = np.stack([joined.x, joined.y], 1).reshape(5, 3, 2)
    assert np.allclose(ends[:, 0], z) and np.allclose(ends[:, 1], w) and np.isnan(ends[:, 2].astype(float)).all()
    assert np.allclose(np.hypot(circle.x, circle.y), 1)
    assert sum(trace.mode == "lines" for trace in gca.figures.embedding(2 * z).data) == 1


def test_a_sphere_keeps_distances_to_the_eye_and_pales_its_back() -> None:
    z = on_sphere(40, 3)
    figure = gca.figures.embedding(z)
    marks = [trace for trace in figure.data if trace.mode == "markers"]
    assert [trace.marker.opacity for trace in marks] == [0.9, 0.22] and all(len(trace.x) > 5 for trace in marks)
    assert sum(len(trace.x) for trace in marks) == 40
    assert all(np.hypot(x, y) <= 1 + 1e-6 for x, y in drawn_points(figure))


def test_many_dimensions_are_seen_along_their_main_axes() -> None:
    z = randn(200, 6) * torch.tensor([5.0, 3.0, 0.1, 0.1, 0.1, 0.1])
    flat = np.array(list(drawn_points(gca.figures.embedding(z))))
    middle = (z - z.mean(0)).double().numpy()
    assert flat.var(0).sum() == pytest.approx(middle[:, :2].var(0).sum(), rel=0.01)


def test_the_curves_are_the_history() -> None:
    run = gca.train(gca.datasets.load("moons", n=48), steps=8, batch=16, measure_every=4, progress=False)
    figure = gca.figures.history(run)
    first = figure.data[0]
    assert list(first.x) == list(range(1, 9)) and list(first.y) == run.history.losses
    for trace, name in zip(figure.data[1:], ("alignment", "uniformity", "linear_probe", "knn"), strict=True):
        assert list(trace.x) == run.history["step"] and list(trace.y) == run.history[name]
    assert figure.layout.annotations[0].text == "loss of a batch"
    both = gca.figures.history({"one": run, "two": run.history})
    assert len(both.data) == 2 * len(figure.data) and both.layout.showlegend
    assert both.data[0].line.color != both.data[len(figure.data)].line.color


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_a_known_page_has_its_colours(colours) -> None:
    dark = colours is DARK
    run = gca.train(gca.datasets.load("moons", n=48), steps=2, batch=16, measure_every=None, progress=False)
    assert gca.figures.history(run, dark=dark).data[0].line.color == colours["rows"]
    assert gca.figures.embedding(randn(4, 2), dark=dark).layout.font.color == colours["muted"]


@pytest.mark.parametrize(
    ("draw", "error", "words"),
    [
        (lambda: gca.figures.embedding(randn(4, 1)), ValueError, r"z must be \(n, d\) with n >= 1 and d >= 2"),
        (
            lambda: gca.figures.embedding(randn(4, 2), randn(4, 3)),
            ValueError,
            r"one shape, got z \(4, 2\) and w \(4, 3\)",
        ),
        (lambda: gca.figures.embedding(randn(4, 2), labels=[1, 2]), ValueError, "labels must be one a point, 4, got 2"),
        (lambda: gca.figures.embedding("points"), TypeError, "z"),
        (lambda: gca.figures.history(3), TypeError, "a History is needed, got int"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_words(draw, error, words) -> None:
    with pytest.raises(error, match=words):
        draw()


def test_figures_lists_figures() -> None:
    assert "embedding" in dir(gca.figures) and "np" not in dir(gca.figures)
    assert all(callable(getattr(gca.figures, name)) for name in dir(gca.figures))
