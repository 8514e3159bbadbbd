from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from gca_playground.learning.encoders import cnn, linear, make, mlp, pca


def points(n: int = 20, d: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("make_one", [mlp, linear])
def test_shapes_and_the_sphere(make_one: Any) -> None:
    x = points()
    assert make_one(5, 3)(x).shape == (20, 3)
    lengths = make_one(5, 3, sphere=True)(x).norm(dim=1)
    assert (lengths - 1).abs().max() < 1e-6
    assert (make_one(5, 3)(x).norm(dim=1) - 1).abs().max() > 0.1


@pytest.mark.parametrize("make_one", [mlp, linear])
def test_the_seed_alone_decides_the_weights(make_one: Any) -> None:
    state = torch.get_rng_state()
    x = points()
    assert make_one(5, 3, seed=1)(x).equal(make_one(5, 3, seed=1)(x))
    assert not make_one(5, 3, seed=1)(x).equal(make_one(5, 3, seed=2)(x))
    assert torch.get_rng_state().equal(state)


@pytest.mark.parametrize(
    ("hidden", "shapes"), [((), [(3, 5)]), ((7,), [(7, 5), (3, 7)]), ([7, 4], [(7, 5), (4, 7), (3, 4)])]
)
def test_hidden_widths(hidden: Any, shapes: list[tuple[int, int]]) -> None:
    layers = [layer for layer in mlp(5, 3, hidden=hidden) if isinstance(layer, nn.Linear)]
    assert [tuple(layer.weight.shape) for layer in layers] == shapes


def test_the_mlp_is_not_linear_and_its_last_word_is_not_a_relu() -> None:
    x, network = points(), mlp(5, 3)
    assert not torch.allclose(network(x) + network(-x), 2 * network(torch.zeros(1, 5)), atol=1e-3)
    assert network(x).min() < 0


def test_linear_is_one_matrix_and_a_bias_on_request() -> None:
    x = points()
    assert torch.allclose(linear(5, 3)(2 * x), 2 * linear(5, 3)(x), atol=1e-6)
    assert linear(5, 3)(torch.zeros(1, 5)).abs().max() == 0
    assert linear(5, 3, bias=True)(torch.zeros(1, 5)).abs().max() > 0


def test_weights_have_torchs_usual_size() -> None:
    weights = mlp(100, 2, hidden=(400,))[0].weight
    assert weights.abs().max() <= 0.1
    assert weights.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.05)


def test_the_cnn_sees_places_of_an_image() -> None:
    x = torch.rand(6, 64, generator=torch.Generator().manual_seed(0))
    network = cnn(64, 3, channels=4, hidden=8, sphere=True)
    assert network(x).shape == (6, 3)
    assert (network(x).norm(dim=1) - 1).abs().max() < 1e-6
    shapes = [tuple(layer.weight.shape) for layer in network if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert shapes == [(4, 1, 3, 3), (8, 4, 3, 3), (8, 32), (3, 8)]
    assert network(x).equal(cnn(64, 3, channels=4, hidden=8, sphere=True)(x))
    assert not network(x).equal(cnn(64, 3, channels=4, hidden=8, sphere=True, seed=1)(x))
    # a pixel moves what is near it alone, after the first convolution
    image = torch.zeros(1, 64)
    image[0, 9 * 3] = 1
    moved = (network[1](network[0](image)) - network[1](network[0](torch.zeros(1, 64)))).abs().sum(dim=1)[0]
    assert moved.nonzero().min(dim=0).values.tolist() == [2, 2]
    assert moved.nonzero().max(dim=0).values.tolist() == [4, 4]


def test_convolutions_have_torchs_usual_size() -> None:
    second = [layer for layer in cnn(64, 2) if isinstance(layer, nn.Conv2d)][1].weight
    bound = (16 * 9) ** -0.5
    assert second.abs().max() <= bound
    assert second.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)


@pytest.mark.parametrize("inputs", [63, 36, 2])
def test_a_cnn_wants_square_images_it_can_halve_twice(inputs: int) -> None:
    with pytest.raises(ValueError, match=rf"square whose side is a multiple of 4, got {inputs}"):
        cnn(inputs, 2)


def test_encoders_by_name() -> None:
    x = points()
    assert make("mlp", 5, 2, seed=3)(x).equal(mlp(5, 2, seed=3)(x))
    with pytest.raises(ValueError, match=r"unknown encoder 'liner': did you mean 'linear'\?"):
        make("liner", 5, 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"inputs": 0}, "inputs must be >= 1, got 0"),
        ({"outputs": -1}, "outputs must be >= 1, got -1"),
        ({"hidden": (8, 0)}, "each hidden width must be >= 1, got 0"),
        ({"hidden": 8}, "hidden"),
        ({"seed": -1}, "seed must be >= 0, got -1"),
    ],
)
def test_widths_that_are_none_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        mlp(**{"inputs": 5, "outputs": 2, **arguments})


@given(n=st.integers(2, 30), d=st.integers(1, 8), seed=st.integers(0, 1000))
def test_pca_keeps_distances_when_it_keeps_all_dimensions(n: int, d: int, seed: int) -> None:
    x = points(n, d, seed).double()
    if n > d:
        flat = pca(x, d)
        assert torch.allclose(torch.cdist(flat, flat), torch.cdist(x, x), atol=1e-6)
        assert flat.mean(dim=0).abs().max() < 1e-9
        assert (flat.var(dim=0).diff() <= 1e-9).all()


def test_pca_finds_the_long_axis_with_a_sign_of_its_own() -> None:
    x = points(200, 3) * torch.tensor([0.1, 5.0, 1.0])
    flat = pca(x)
    assert torch.corrcoef(torch.stack([flat[:, 0], x[:, 1]]))[0, 1] > 0.99
    assert torch.corrcoef(torch.stack([flat[:, 1], x[:, 2]]))[0, 1] > 0.99
    assert flat.shape == (200, 2)
    assert torch.allclose(pca(x.flip(0)), flat.flip(0), atol=1e-4)
    assert torch.allclose(pca(x + 100), flat, atol=1e-2)
    assert torch.allclose(pca(x.numpy()), flat)


@pytest.mark.parametrize(
    ("x", "dim", "words"),
    [
        (torch.ones(4, 3), 4, r"dim must be <= min\(n, d\) = 3, got 4"),
        (torch.ones(4, 3), 0, "dim must be >= 1, got 0"),
        (torch.ones(4), 1, r"x must have shape \(n, d\), got \(4,\)"),
        ("text", 1, "x must be a tensor or an array"),
    ],
)
def test_pca_refuses_in_words(x: object, dim: int, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        pca(x, dim)
