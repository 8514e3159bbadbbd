"""Conjugate gradients (Hestenes and Stiefel 1952), for an operator known by its products alone.

The Schur complements of the plan are singular along the ones where both sides are exact. So the iteration stands still
once it is there, or where rounding has left no curvature: a step from there would follow the ones to infinity.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gca_playground._shapes import Side

_BETWEEN_LOOKS = 5
"""Iterations between two looks at how far they are."""


def inner(metric: Side, x: Side, y: Side) -> Tensor:
    """``sum_i metric_i x_i y_i``, (..., 1)."""
    return (metric * x * y).sum(-1, keepdim=True)


def solve_linear(operator: Callable[[Side], Side], target: Side, *, metric: Side, goal: Tensor, most: int) -> Side:
    """``operator(x) = target`` from 0, until ``|target - operator(x)|^2 <= goal`` or ``most`` products.

    Given: an operator that is symmetric and >= 0 in the inner product of ``metric`` (..., n), so that ``S / diagonal``
    with the metric ``diagonal`` is the symmetric S preconditioned by its diagonal; ``goal`` (..., 1), in that inner
    product too. Each problem of a batch stops for itself.
    """
    x, residual = torch.zeros_like(target), target
    direction, size = residual, inner(metric, residual, residual)
    going, nothing = size > goal, torch.zeros_like(size)
    for k in range(most):
        if k % _BETWEEN_LOOKS == 0 and not bool(going.any()):
            break
        image = operator(direction)
        curvature = inner(metric, direction, image)
        going &= curvature > 0
        stride = torch.where(going, size / curvature, nothing)
        x, residual = x + stride * direction, residual - stride * image
        new_size = inner(metric, residual, residual)
        direction = residual + torch.where(going, new_size / size, nothing) * direction
        going &= new_size > goal
        size = new_size
    return x
