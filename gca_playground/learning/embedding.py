"""Data -> two embedded views, and where to draw them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import torch
from torch import Tensor

from gca_playground._boundary import as_float_tensor
from gca_playground.learning.encoders import Embedded, embed_digits, pca
from gca_playground.learning.laws import finite
from gca_playground.learning.pairs import Pairs


def embed(data: object) -> Embedded:
    """The two views of ``data`` as embeddings, and in words by what.

    Digits go through the small encoder that ``encoders.digits_encoder`` trains; every other set is shown as it is.
    Raises: TypeError for what is no ``Pairs``, ValueError where the two views do not live in one space.
    """
    if not isinstance(data, Pairs):
        raise TypeError(f"data must be Pairs, as datasets.load gives them, got {type(data).__name__}")
    if data.name == "digits":
        return embed_digits(data)
    if data.view1.shape[1] != data.view2.shape[1]:
        raise ValueError(
            "two views can only be compared in one space, "
            f"got {data.view1.shape[1]} and {data.view2.shape[1]} dimensions"
        )
    return Embedded(data.view1, data.view2, "the points themselves")


def flat(z: object, w: object, labels: object = None, *, labels_w: object = None) -> tuple[Tensor, Tensor, str]:
    """Where to draw two sets of embeddings, and in words how.

    Points of the plane are drawn where they are. Of more dimensions, two are shown: with three classes or more those
    along which the class means of both views differ most, else those of the largest variance.

    Given: (n, d) and (m, d); ``labels`` (n,) of the rows, ``labels_w`` (m,) of the columns, the same unless given where
    n = m. Returns: (n, 2) and (m, 2), float64, and the words. Raises: TypeError, ValueError that name the shapes.
    """
    z, w = two_views(z, w)
    labels_w = labels if labels_w is None and len(z) == len(w) else labels_w
    sides = as_labels(labels, len(z), name="labels"), as_labels(labels_w, len(w), name="labels_w")
    classes = None if sides[0] is None or sides[1] is None else _classes(sides[0] + sides[1])
    points, told = _flat(torch.cat([z, w]), classes)
    return points[: len(z)], points[len(z) :], told


def two_views(z: object, w: object) -> tuple[Tensor, Tensor]:
    """Two sets of embeddings, (n, d) and (m, d), as detached float64 tensors on the CPU.

    Raises: TypeError for what is no array, ValueError for a wrong shape or numbers that are not finite.
    """
    z, w = (as_float_tensor(x, name=name).detach().cpu().double() for x, name in ((z, "z"), (w, "w")))
    if z.ndim != 2 or w.ndim != 2 or z.shape[1] != w.shape[1] or 0 in (*z.shape, *w.shape):
        raise ValueError(
            f"z and w must be (n, d) and (m, d), none of them 0, got {tuple(z.shape)} and {tuple(w.shape)}"
        )
    return finite(z, name="z"), finite(w, name="w")


def _flat(points: Tensor, classes: Tensor | None) -> tuple[Tensor, str]:
    dims = points.shape[1]
    if dims <= 2:
        return torch.nn.functional.pad(points, (0, 2 - dims)), "drawn where they are"
    if classes is not None and int(classes.max()) >= 2:
        means = torch.stack([points[classes == k].mean(0) for k in range(int(classes.max()) + 1)])
        axes = torch.linalg.svd(means - means.mean(0), full_matrices=False).Vh[:2]
        axes = axes * axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
        return (points - points.mean(0)) @ axes.T, "drawn along the two axes that part the class means most"
    return pca(points), "drawn by PCA"


def as_labels(labels: object, count: int, *, name: str) -> list[Any] | None:
    """One label a point as a plain list; None stays None. Raises: TypeError, ValueError that name what is needed."""
    if labels is None:
        return None
    values = labels.tolist() if hasattr(labels, "tolist") else labels
    values = list(values) if isinstance(values, Iterable) else [[]]
    if not all(isinstance(value, Hashable) for value in values):
        raise TypeError(f"{name} must be a list of numbers or words, got {labels!r:.60}")
    if len(values) != count:
        raise ValueError(f"{name} must hold one label a point, {count}, got {len(values)}")
    return values


def _classes(labels: list[Any]) -> Tensor:
    """Labels of any kind as 0, 1, 2, ..."""
    kinds = {kind: k for k, kind in enumerate(dict.fromkeys(labels))}
    return torch.tensor([kinds[label] for label in labels])
