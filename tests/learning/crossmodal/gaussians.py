"""One pair of Gaussians, correlation 0.8, a large sample of u, and the scores that each loss learns, in closed form."""

import torch
from torch import Tensor

import gca_playground as gca

SIGMA, Y, N = 0.8, 1.0, 20_000
TRUTH = gca.gaussian.Gaussian(1.0, SIGMA, 1.0)
U = torch.randn(N, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LOG_DENSITY = -0.5 * U[:, 0].square()
KINDS = {
    "dot": ("dot", (1.0, 1.0)),
    "one-sided": ("squared_euclidean", (2.0, 0.0)),
    "two-sided": ("squared_euclidean", (1.0, 1.0)),
}


def scores(kind: str) -> Tensor:
    """Of every u with v = 1, (N, 1)."""
    tilting, weights = KINDS[kind]
    A, B, D = gca.gaussian.closed_form("conditional", TRUTH, tilting=tilting, weights=weights).score
    return A * U * Y - 0.5 * B * U.square() - 0.5 * D * Y**2
