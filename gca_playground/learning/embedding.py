"""Data -> two embedded views, and where to draw them."""

from __future__ import annotations

import torch
from torch import Tensor

from gca_playground._boundary import as_float_tensor
from gca_playground.learning.encoders import Embedded, embed_digits, pca
from gca_playground.learning.pairs import Pairs


def embed(data: Pairs) -> Embedded:
    """The two views of ``data`` as embeddings, and in words by what.

    Digits go through the small encoder that ``encoders.digits_encoder`` trains; every other set is shown as it is.
    Raises: ValueError where the two views do not live in one space.
    """
    if data.name == "digits":
        return embed_digits(data)
    if data.view1.shape[1] != data.view2.shape[1]:
        raise ValueError(
            "two views can only be compared in one space, "
            f"got {data.view1.shape[1]} and {data.view2.shape[1]} dimensions"
        )
    return Embedded(data.view1, data.view2, "the points themselves")


def flat(z: object, w: object, labels: object = None) -> tuple[Tensor, Tensor, str]:
    """Where to draw two sets of embeddings, and in words how.

    Points of the plane are drawn where they are. Of more dimensions, two are shown: with three classes or more those
    along which the class means of both views differ most, else those of the largest variance.

    Given: (n, d) and (m, d); labels (n,) of both views where n = m. Returns: (n, 2) and (m, 2), float64, and the words.
    """
    both = [as_float_tensor(x, name=name).detach().double() for x, name in ((z, "z"), (w, "w"))]
    points = torch.cat(both)
    points, told = _flat(points, None if labels is None or len(both[0]) != len(both[1]) else _classes(labels))
    return points[: len(both[0])], points[len(both[0]) :], told


def _flat(points: Tensor, classes: Tensor | None) -> tuple[Tensor, str]:
    dims = points.shape[1]
    if dims <= 2:
        return torch.nn.functional.pad(points, (0, 2 - dims)), "drawn where they are"
    if classes is not None and int(classes.max()) >= 2:
        twice = torch.cat([classes, classes])
        means = torch.stack([points[twice == k].mean(0) for k in range(int(classes.max()) + 1)])
        axes = torch.linalg.svd(means - means.mean(0), full_matrices=False).Vh[:2]
        axes = axes * axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
        return (points - points.mean(0)) @ axes.T, "drawn along the two axes that part the class means most"
    return torch.nn.functional.pad(pca(points, min(2, len(points))), (0, max(0, 2 - len(points)))), "drawn by PCA"


def _classes(labels: object) -> Tensor:
    """Labels of any kind as 0, 1, 2, ..."""
    values = labels.tolist() if hasattr(labels, "tolist") else list(labels)  # type: ignore[call-overload]
    kinds = {kind: k for k, kind in enumerate(dict.fromkeys(values))}
    return torch.tensor([kinds[value] for value in values])
