from typing import Any

import numpy as np
import pytest
import torch

from gca_playground.learning import digits as module
from gca_playground.learning.datasets import load
from gca_playground.learning.digits import augment_images


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
