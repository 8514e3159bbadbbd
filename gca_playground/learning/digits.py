"""Real images: scikit-learn's 1797 handwritten digits of 8 x 8 pixels, and how to augment them."""

import math
from functools import cache, partial

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample

from gca_playground.learning.laws import known, real
from gca_playground.learning.pairs import Source

SIDE = 8
TRAIN = 1297  # of 1797; the other 500 are the test split

# Standard deviations (or chances) at strength 1: strong enough to make a task, weak enough to stay readable.
ROTATION = math.radians(8)
LOG_SCALE = 0.05
SHIFT = 0.3 * 2 / SIDE  # 0.3 pixels, in units of affine_grid, where an image is 2 wide
PIXEL_NOISE = 0.05
ERASE_CHANCE, ERASE_SIDE = 0.2, 3


def digits(
    n: int | None,
    noise: float,
    generator: Generator,
    *,
    split: str | None = None,
    erase: float | None = None,
    grain: float | None = None,
) -> Source:
    """Digits in [0, 1] as rows of 64 pixels; two augmented views each, the label is the digit.

    ``split``: "train" is the first 1297 of a fixed permutation, "test" the other 500, None all of them. n:
    a random choice of so many, in the split's order; None all. ``noise`` is the strength of the
    augmentation: 1 normal, 0 none. ``erase``: the chance of a 3 x 3 hole in a view (None: 0.2), ``grain``: the
    standard deviation of the noise in a pixel (None: 0.05), both at strength 1.
    """
    images, labels = _images()
    chosen = _choose(_split(split), n, generator, split)
    erase = None if erase is None else real("erase", erase, high=1.0)
    grain = None if grain is None else real("grain", grain)
    augment = partial(augment_images, strength=noise, erase=erase, grain=grain)
    return Source(images[chosen], images[chosen], labels[chosen], (augment, augment))


def augment_images(
    images: Float32[Tensor, "n 64"],
    generator: Generator,
    *,
    strength: float,
    erase: float | None = None,
    grain: float | None = None,
) -> Float32[Tensor, "n 64"]:
    """Each image turned, scaled, shifted, with pixel noise and, now and then, a 3 x 3 hole; values stay in
    [0, 1].

    The random numbers drawn do not depend on ``strength``: the same generator gives the same change, more
    or less of it.
    """
    if strength == 0:  # exactly the same image: interpolating at the pixels' own places would round
        return images
    square = images.view(-1, 1, SIDE, SIDE)
    grid = affine_grid(_transforms(len(images), generator, strength), list(square.shape), align_corners=False)
    moved = grid_sample(square, grid, padding_mode="zeros", align_corners=False)[:, 0]
    grain = PIXEL_NOISE if grain is None else grain
    noisy = moved + strength * grain * torch.randn(moved.shape, generator=generator)
    erase = ERASE_CHANCE if erase is None else erase
    return noisy.masked_fill(_holes(len(images), generator, erase * strength), 0.0).clamp(0, 1).flatten(1)


def _transforms(n: int, generator: Generator, strength: float) -> Float32[Tensor, "n 2 3"]:
    angle, log_scale, *shift = strength * torch.randn(4, n, generator=generator)
    cos, sin = (ROTATION * angle).cos(), (ROTATION * angle).sin()
    scale = (LOG_SCALE * log_scale).exp()
    right, down = (SHIFT * s for s in shift)
    rows = [scale * cos, -scale * sin, right, scale * sin, scale * cos, down]
    return torch.stack(rows, dim=1).view(n, 2, 3)


def _holes(n: int, generator: Generator, chance: float) -> Bool[Tensor, "n 8 8"]:
    corner = torch.randint(SIDE - ERASE_SIDE + 1, (2, n, 1), generator=generator)
    inside = (torch.arange(SIDE) >= corner) & (torch.arange(SIDE) < corner + ERASE_SIDE)
    erased = torch.rand(n, generator=generator) < chance
    return inside[0][:, :, None] & inside[1][:, None, :] & erased[:, None, None]


@cache
def _images() -> tuple[Float32[Tensor, "n 64"], Int64[Tensor, " n"]]:
    from sklearn.datasets import load_digits  # slow to import, and few users of this package need it

    data = load_digits()
    return torch.tensor(data.data / 16, dtype=torch.float32), torch.tensor(data.target, dtype=torch.int64)


def _split(split: str | None) -> Int64[Tensor, " k"]:
    """Indices of a split. RandomState's streams are frozen by numpy (NEP 19), so the split never changes."""
    order = torch.tensor(np.random.RandomState(0).permutation(len(_images()[0])))
    if split is None:
        return order
    return {"train": order[:TRAIN], "test": order[TRAIN:]}[known("split", split, ("train", "test"))]


def _choose(pool: Int64[Tensor, " k"], n: int | None, generator: Generator, split: str | None) -> Int64[Tensor, " n"]:
    if n is None:
        return pool
    if n > len(pool):
        raise ValueError(f"n must be <= {len(pool)}, the images of digits (split {split!r}), got {n}")
    return pool[torch.randperm(len(pool), generator=generator)[:n].sort().values]
