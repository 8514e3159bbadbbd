"""Where two sets of embeddings are drawn, and by what data are embedded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import gca_playground as gca


def clouds(n: int, m: int, dims: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(n, dims, generator=draw).double(), torch.randn(m, dims, generator=draw).double()


# embed


@pytest.mark.parametrize("name", ["moons", "blobs", "gaussian", "hubs", "outliers"])
def test_toys_are_embedded_as_they_are(name: str) -> None:
    data = gca.datasets.load(name, n=20)
    z, w, told = gca.embed(data)
    assert z is data.view1 and w is data.view2 and told == "the points themselves"


def test_digits_go_through_the_encoder_that_is_named() -> None:
    data = gca.datasets.load("digits", n=20, split="test")
    z, w, told = gca.embed(data)
    assert z.shape == w.shape == (20, 8)
    assert torch.allclose(z.norm(dim=1), torch.ones(20)) and "InfoNCE" in told


def test_views_of_two_spaces_are_refused() -> None:
    data = gca.datasets.load("gaussian", n=20, dims=(2, 3))
    with pytest.raises(ValueError, match="in one space, got 2 and 3 dimensions"):
        gca.embed(data)


@pytest.mark.parametrize("data", ["hubs", None, np.ones((3, 2))])
def test_what_is_no_data_set_is_refused(data: Any) -> None:
    with pytest.raises(TypeError, match="data must be"):
        gca.embed(data)


# flat


@pytest.mark.parametrize("dims", [1, 2])
def test_points_of_the_plane_stay_where_they_are(dims: int) -> None:
    z, w = clouds(5, 7, dims)
    at, at_w, told = gca.flat(z, w, list("aabbc"), labels_w=list("aabbccc"))
    assert (at.shape, at_w.shape, told) == ((5, 2), (7, 2), "drawn where they are")
    assert torch.equal(at[:, :dims], z) and torch.equal(at_w[:, :dims], w)
    assert not at[:, dims:].any()


@pytest.mark.parametrize(("n", "m"), [(8, 8), (9, 4), (1, 1), (1, 6)])
@pytest.mark.parametrize("dims", [3, 50])
def test_without_labels_the_largest_variances_are_shown(n: int, m: int, dims: int) -> None:
    z, w = clouds(n, m, dims)
    at, at_w, told = gca.flat(z, w)
    points = torch.cat([z, w])
    assert told == "drawn by PCA" and (at.shape, at_w.shape) == ((n, 2), (m, 2))
    kept = torch.linalg.svdvals(points - points.mean(0))[:2].square().sum()
    assert torch.allclose(torch.cat([at, at_w]).square().sum(), kept)


def test_two_classes_have_one_axis_so_pca_is_shown() -> None:
    z, w = clouds(8, 8, 3)
    assert gca.flat(z, w, list("aaaabbbb"))[2] == "drawn by PCA"


def parted() -> tuple[Tensor, Tensor, Tensor]:
    """Three classes apart in the last two of five dimensions, and noise that is larger in the first three."""
    z, w = clouds(60, 60, 5)
    labels = torch.arange(60) % 3
    scale = torch.tensor([9.0, 8.0, 7.0, 0.1, 0.1], dtype=torch.float64)
    noise = torch.cat([z, w]) * scale
    noise -= noise.reshape(40, 3, 5).mean(0).repeat(40, 1)
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    noise[:, 3:] += corners[torch.cat([labels, labels])]
    return noise[:60], noise[60:], labels


@pytest.mark.parametrize("kind", ["tensor", "numbers", "words", "mixed"])
def test_three_classes_are_parted(kind: str) -> None:
    z, w, labels = parted()
    names = {"numbers": [5, 1, 3], "words": list("cab"), "mixed": [None, "a", 1]}
    given = labels if kind == "tensor" else [names[kind][k] for k in labels]
    at, at_w, told = gca.flat(z, w, given)
    assert "part the class means" in told
    drawn = torch.stack([torch.cat([at, at_w])[torch.cat([labels, labels]) == k].mean(0) for k in range(3)])
    true = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    assert torch.allclose(torch.cdist(drawn, drawn), torch.cdist(true, true), atol=1e-6)


def test_columns_may_have_labels_of_their_own() -> None:
    z, w, labels = parted()
    turned = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    right = gca.flat(z, w[turned], labels, labels_w=labels[turned])
    at, at_w, _ = gca.flat(z, w, labels)
    assert torch.allclose(right[0], at) and torch.allclose(right[1], at_w[turned])
    fewer = gca.flat(z, w[:30], labels, labels_w=labels[:30])
    assert "part the class means" in fewer[2]
    assert gca.flat(z, w[:30], labels)[2] == "drawn by PCA"


def test_the_picture_does_not_flip() -> None:
    z, w, labels = parted()
    for given in (labels, None):
        first, again = gca.flat(z, w, given), gca.flat(z.flip(0), w.flip(0), None if given is None else given.flip(0))
        assert torch.allclose(first[0], again[0].flip(0)) and torch.allclose(first[1], again[1].flip(0))


@pytest.mark.parametrize("convert", [Tensor.numpy, Tensor.tolist, Tensor.requires_grad_, Tensor.float])
def test_arrays_lists_and_gradients_are_taken(convert: Any) -> None:
    z, w = clouds(6, 6, 3)
    at, at_w, _ = gca.flat(convert(z.clone()), convert(w.clone()))
    right, right_w, _ = gca.flat(z, w)
    assert torch.allclose(at, right, atol=1e-5) and torch.allclose(at_w, right_w, atol=1e-5)
    assert at.dtype == torch.float64 and not at.requires_grad


def test_points_in_one_spot_are_drawn_in_one_spot() -> None:
    at, at_w, _ = gca.flat(np.ones((4, 3)), np.ones((4, 3)), list("abcd"))
    assert not at.any() and not at_w.any()


@pytest.mark.parametrize(
    ("z", "w", "more", "words"),
    [
        (np.ones(3), np.ones(3), {}, r"\(n, d\) and \(m, d\)"),
        (np.ones((3, 2)), np.ones((3, 4)), {}, r"got \(3, 2\) and \(3, 4\)"),
        (np.ones((0, 2)), np.ones((3, 2)), {}, r"got \(0, 2\)"),
        (np.ones((3, 2)), np.full((3, 2), np.nan), {}, "w must be finite, got 6"),
        (None, np.ones((3, 2)), {}, "z must be a tensor or an array"),
        (np.ones((3, 4)), np.ones((3, 4)), {"labels": [1, 2]}, "labels must hold one label a point, 3, got 2"),
        (np.ones((3, 4)), np.ones((2, 4)), {"labels": [1, 2, 3], "labels_w": [1]}, "labels_w must hold"),
        (
            np.ones((3, 4)),
            np.ones((2, 4)),
            {"labels": [1, 2]},
            "labels must hold one label a point, 3, got 2",
        ),
        (np.ones((3, 4)), np.ones((3, 4)), {"labels": np.ones((3, 2))}, "labels must be a list of numbers or words"),
        (np.ones((3, 4)), np.ones((3, 4)), {"labels": 3}, "labels must be a list of numbers or words, got 3"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(z: Any, w: Any, more: dict[str, Any], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        gca.flat(z, w, **more)
