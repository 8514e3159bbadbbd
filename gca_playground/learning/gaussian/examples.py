"""Two Gaussian pairs of the paper's: one to draw, one with many dimensions."""

from __future__ import annotations

import math

import torch

from gca_playground._boundary import as_count
from gca_playground.learning.gaussian.losses import as_positive
from gca_playground.transport.gaussian import Gaussian


def plane_example() -> Gaussian:
    """One dimension each, covariance [[1.5, 1], [1, 1.5]]: correlation 2/3, which h shrinks to 1/2 (section 5.4)."""
    return Gaussian(1.5, 1.0, 1.5)


def process_example(points: int = 12, modes: int = 5, *, noise: float = 0.05) -> Gaussian:
    """A smooth random function seen at ``points`` of [0, 1] with noise (u), and its first coefficients (v).

    The function is ``sum_j sqrt(lambda_j) xi_j cos(j pi x)`` over 1000 modes, ``lambda_j = (j^2 pi^2 + 9)^-2``, and
    v = (xi_1, ..., xi_modes) (section 6.1, with points from 0 to 1). Raises: TypeError, ValueError.
    """
    count, kept = as_count(points, name="points", least=1), as_count(modes, name="modes", least=1)
    if kept > 1000:
        raise ValueError(f"modes must be <= 1000, got {modes!r}")
    order = torch.arange(1, 1001, dtype=torch.float64)
    weights = 1 / ((order * math.pi) ** 2 + 9)
    shapes = torch.cos(math.pi * torch.linspace(0, 1, count, dtype=torch.float64)[:, None] * order) * weights
    cov_u = shapes @ shapes.mT + as_positive(noise, name="noise") ** 2 * torch.eye(count)
    return Gaussian(cov_u, shapes[:, :kept], torch.eye(kept))
