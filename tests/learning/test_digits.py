from typing import Any

import numpy as np
import pytest
import torch

from gca_playground.learning import digits as module
from gca_playground.learning.datasets import load
from gca_playground.learning.digits import augment_images
from gca_playground.learning.pairs import Pairs
from gca_playground.learning.split import for_training


def drawn(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows(x: torch.Tensor) -> set[bytes]:
    return {row.tobytes() for row in x.numpy()}


def test_all_images_are_scikit_learns_with_their_labels() -> None:
    from sklearn.datasets import load_digits

    data, source = load("digits"), load_digits()
    order = np.random.RandomState(0).permutation(1797)
    assert data.x.shape == (1797, 64)
    assert np.array_equal(data.x.numpy() * 16, source.data[order].astype(np.float32))
    assert np.array_equal(data.labels.numpy(), source.target[order])
    assert data.view1.min() >= 0
    assert data.view1.max() <= 1


def test_the_splits_are_disjoint_fixed_and_complete() -> None:
    train, test, every = (load("digits", split=split, seed=s) for split, s in (("train", 1), ("test", 2), (None, 3)))
    assert (len(train), len(test)) == (1297, 500)
    assert torch.cat([train.x, test.x]).equal(every.x)
    assert not rows(train.x) & rows(test.x)
    assert train.x.equal(load("digits", split="train", seed=9).x)


def test_n_is_a_seeded_choice_without_repetition() -> None:
    first, second = (load("digits", n=100, split="test", seed=s) for s in (0, 1))
    assert len(rows(first.x)) == 100
    assert rows(first.x) <= rows(load("digits", split="test").x)
    assert rows(first.x) != rows(second.x)
    assert load("digits", n=500, split="test").x.equal(load("digits", split="test").x)


def test_augmented_images_stay_images_and_keep_their_digit() -> None:
    data = load("digits", split="test")
    nearest = torch.cdist(data.view1, load("digits", split="train").x).argmin(dim=1)
    same_digit = load("digits", split="train").labels[nearest] == data.labels
    assert same_digit.float().mean() > 0.75
    assert 0.05 < (data.view1 - data.x).abs().mean() < 0.2


@pytest.mark.parametrize(
    "constants",
    [
        {"ROTATION": 0.5},
        {"LOG_SCALE": 0.5},
        {"SHIFT": 0.5},
        {"PIXEL_NOISE": 0.5},
        {"ERASE_CHANCE": 1.0},
    ],
)
def test_every_part_of_the_augmentation_does_something(
    monkeypatch: pytest.MonkeyPatch, constants: dict[str, Any]
) -> None:
    for name in ("ROTATION", "LOG_SCALE", "SHIFT", "PIXEL_NOISE", "ERASE_CHANCE"):
        monkeypatch.setattr(module, name, constants.get(name, 0.0))
    images = load("digits", n=50, noise=0.0).x
    changed = augment_images(images, drawn(), strength=1.0)
    assert (changed - images).abs().amax(dim=1).gt(0.02).float().mean() > 0.9


def test_no_part_of_the_augmentation_leaves_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROTATION", "LOG_SCALE", "SHIFT", "PIXEL_NOISE", "ERASE_CHANCE"):
        monkeypatch.setattr(module, name, 0.0)
    images = load("digits", n=50, noise=0.0).x
    assert (augment_images(images, drawn(), strength=1.0) - images).abs().max() < 1e-5


def test_shifting_by_a_pixel_moves_the_image_by_a_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROTATION", "LOG_SCALE", "PIXEL_NOISE", "ERASE_CHANCE"):
        monkeypatch.setattr(module, name, 0.0)
    monkeypatch.setattr(module, "SHIFT", 2 / 8)
    monkeypatch.setattr(torch, "randn", lambda *shape, generator: torch.ones(*shape))
    dot = torch.zeros(1, 8, 8)
    dot[0, 3, 3] = 1
    moved = augment_images(dot.flatten(1), drawn(), strength=1.0).view(8, 8)
    assert moved.argmax() == 2 * 8 + 2
    assert moved[2, 2] == pytest.approx(1, abs=1e-5)


def test_holes_are_three_by_three(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROTATION", "LOG_SCALE", "SHIFT", "PIXEL_NOISE"):
        monkeypatch.setattr(module, name, 0.0)
    white = torch.ones(200, 64)
    holes = (augment_images(white, drawn(), strength=1.0) < 0.5).sum(dim=1)
    assert set(holes.tolist()) == {0, 9}
    assert 0.1 < (holes > 0).float().mean() < 0.3


def angles(images: torch.Tensor) -> torch.Tensor:
    """The direction of the longest axis of each image, in degrees."""
    mass = images.view(-1, 8, 8) / images.sum(1)[:, None, None]
    place = torch.arange(8.0)
    down, right = (mass.sum(2) @ place)[:, None], (mass.sum(1) @ place)[:, None]
    x, y = (place - right)[:, None, :], (place - down)[:, :, None]
    xx, yy, xy = ((mass * moment).sum((1, 2)) for moment in (x * x, y * y, x * y))
    return torch.rad2deg(0.5 * torch.atan2(2 * xy, xx - yy))


def bars_in_the_middle(n: int = 2000) -> torch.Tensor:
    bars = torch.zeros(n, 8, 8)
    bars[:, 3:5, 1:7] = 1
    return bars


def test_shipped_views_are_turned_by_some_degrees_both_ways() -> None:
    bars = bars_in_the_middle()
    still = angles(bars.flatten(1))
    assert still.abs().max() < 1e-3
    turned = angles(augment_images(bars.flatten(1), drawn(), strength=1.0, erase=0.0, grain=0.0))
    assert 4 < turned.std() < 14
    assert 0.45 < (turned > 0).float().mean() < 0.55
    half = angles(augment_images(bars.flatten(1), drawn(), strength=0.5, erase=0.0, grain=0.0))
    assert half.std() / turned.std() == pytest.approx(0.5, abs=0.1)


def test_shipped_views_are_shifted_and_scaled_both_ways() -> None:
    bars = bars_in_the_middle().flatten(1)
    seen = augment_images(bars, drawn(), strength=1.0, erase=0.0, grain=0.0).view(-1, 8, 8)
    down = seen.sum(2) @ torch.arange(8.0) / seen.sum((1, 2))
    right = seen.sum(1) @ torch.arange(8.0) / seen.sum((1, 2))
    for place in (down, right):
        assert place.mean() == pytest.approx(3.5, abs=0.05)
        assert 0.15 < place.std() < 0.6  # pixels
    size = (seen.sum((1, 2)) / 12).log()
    assert size.mean() == pytest.approx(0, abs=0.03)
    assert 0.05 < size.std() < 0.2


def grain_of(data: Pairs) -> float:
    """The spread of the first views about the same views without noise in their pixels, far from black and white."""
    index = torch.arange(200)
    smooth, _ = load("digits", split="train", erase=0.0, grain=0.0).views(index, drawn())
    grey = (smooth > 0.45) & (smooth < 0.55)
    return float((data.views(index, drawn())[0] - smooth)[grey].std())


def holes_of(data: Pairs) -> float:
    """The share of first views whose whitest 3 x 3 pixels are black."""
    index = torch.arange(200)
    smooth, _ = load("digits", split="train", erase=0.0, grain=0.0).views(index, drawn())
    seen, _ = data.views(index, drawn())
    white = smooth > 0.7
    return float((white & (seen == 0)).any(1).float().mean())


def test_a_training_sees_more_grain_than_the_eye_and_no_holes() -> None:
    shown, learnt = load("digits", split="train"), for_training("digits")
    assert learnt.x.equal(shown.x)
    assert 0.03 < grain_of(load("digits", split="train", erase=0.0)) < 0.07
    assert 0.12 < grain_of(learnt) < 0.18
    assert holes_of(learnt) == 0
    assert holes_of(shown) > 0.1
    view1, view2 = learnt.views(torch.arange(200), drawn())
    assert (view1 - learnt.x[:200]).std() == pytest.approx(float((view2 - learnt.x[:200]).std()), rel=0.05)


def test_a_weak_augmentation_makes_few_holes() -> None:
    full, draw = torch.ones(2000, 64), torch.Generator().manual_seed(0)
    views = augment_images(full, draw, strength=0.1, erase=1.0).view(-1, 8, 8)
    holed = (views[:, 2:6, 2:6] == 0).flatten(1).any(1).double().mean().item()
    assert 0.07 < holed < 0.13  # a tenth of the chance, and every hole of 3 x 3 reaches the middle
