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


def flat(z: object, w: object) -> tuple[Tensor, Tensor]:
    """Where to draw two sets of embeddings: themselves in the plane, else their common principal coordinates.

    Given: (n, d) and (m, d). Returns: (n, 2) and (m, 2), float64.
    """
    both = [as_float_tensor(x, name=name).detach().double() for x, name in ((z, "z"), (w, "w"))]
    points = torch.cat(both)
    if points.shape[1] < 2:
        points = torch.cat([points, torch.zeros_like(points)], 1)
    elif points.shape[1] > 2:
        points = pca(points, min(2, len(points)))
    return points[: len(both[0])], points[len(both[0]) :]
