"""Images as two modalities: with their label, or as a left and a right half."""

from __future__ import annotations

import torch
from jaxtyping import Float32, Int64
from torch import Tensor
from torch.nn.functional import one_hot

from gca_playground.learning.digits import digits
from gca_playground.learning.laws import generator, known
from gca_playground.learning.pairs import Pairs, keep

KINDS = ("label", "halves")
"""What the second modality of an image may be."""


def digit_pairs(kind: str = "label", *, split: str | None = None) -> Pairs:
    """scikit-learn's 8 x 8 digits as two modalities: ``view1`` is u, ``view2`` is v, ``labels`` the digit.

    ``kind``: "label": the image (n, 64) and its label, one-hot (n, 10); "halves": the left and the right half of the
    image, (n, 32) each. ``split``: "train" 1297, "test" 500, None all 1797. Raises: ValueError with near names.
    """
    source = digits(None, 0.0, generator(0, "points"), split=split)
    return two_modalities(f"digits, {kind}", source.x.view(-1, 1, 8, 8), source.labels, kind=kind, classes=10)


def two_modalities(
    name: str, images: Float32[Tensor, "n c h w"], labels: Int64[Tensor, " n"], *, kind: str, classes: int
) -> Pairs:
    """Images (n, channels, height, width) as ``Pairs`` of two modalities; rows are flat, channel by channel."""
    if known("kind of pair", kind, KINDS) == "label":
        return _as_they_are(name, images.flatten(1), one_hot(labels, classes).float(), labels)
    middle = images.shape[-1] // 2
    return _as_they_are(name, images[..., :middle].flatten(1), images[..., middle:].flatten(1), labels)


def _as_they_are(name: str, u: Tensor, v: Tensor, labels: Tensor) -> Pairs:
    """Pairs without augmentation, on the tensors themselves: large sets are not copied."""
    n = len(u)
    return Pairs(
        name=name,
        x=u,
        view1=u,
        view2=v,
        labels=labels,
        domains=None,
        mismatched=torch.zeros(n, dtype=torch.bool),
        partner=torch.arange(n),
        second=v,
        augment=(keep, keep),
    )
