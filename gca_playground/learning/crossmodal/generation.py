"""Generation: new u for a given v, by drawing from a library with the model's weights."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from gca_playground._boundary import as_count, as_float_tensor
from gca_playground.learning.crossmodal.directions import conditional_weights
from gca_playground.learning.crossmodal.retrieval import as_points
from gca_playground.learning.laws import finite

ROUNDING = 1e-4


def generation_weights(scores: object, *, log_prior: object = None) -> Float[Tensor, "n m"]:
    """``softmax_i(s_ij + log prior_i)``: how probable each u of the library is for each v; columns sum to 1."""
    return conditional_weights(scores, direction="u|v", log_prior=log_prior)


def effective_sample_size(weights: object) -> Tensor:
    """``1 / sum_i w_i^2``: how many items of the library really count; 1 for a collapse, n for equal weights.

    Given: ``weights`` (n,) or (n, m), each column summing to 1. Returns a scalar or (m,).
    """
    return 1 / as_weights(weights).square().sum(0)


def resample(weights: object, count: int, generator: object) -> Tensor:
    """Draw items of the library, with replacement, as often as their weights say (importance resampling).

    Given: ``weights`` (n,) or (n, m); a CPU generator, which moves on. Returns indices (count,) or (count, m).
    Source: Baptista, Stuart and Tran 2025, (28).
    """
    if not isinstance(generator, Generator):
        raise TypeError(f"generator must be a torch.Generator, got {type(generator).__name__}")
    w = as_weights(weights).cpu()
    draws = as_count(count, name="count", least=1)
    columns = w.mT if w.ndim == 2 else w
    return torch.multinomial(columns, draws, replacement=True, generator=generator).movedim(-1, 0)


def weighted_mean(weights: object, points: object) -> Float[Tensor, "*m d"]:
    """``sum_i w_i u_i``, the mean of the model's conditional law: the best guess of u in the least squares sense.

    Given: ``weights`` (n,) or (n, m), ``points`` (n, d). Returns (d,) or (m, d), float64.
    """
    w, x = _together(weights, points)
    return w.mT @ x if w.ndim == 2 else w @ x


def weighted_covariance(weights: object, points: object) -> Float[Tensor, "*m d d"]:
    """``sum_i w_i (u_i - mean)(u_i - mean)'``, (d, d) or (m, d, d), float64; otherwise as ``weighted_mean``."""
    w, x = _together(weights, points)
    mean = weighted_mean(w, x)
    columns = w.reshape(len(w), -1).mT[:, :, None]
    centred = x - mean.reshape(-1, 1, x.shape[1])
    return ((columns * centred).mT @ centred).reshape(*mean.shape, x.shape[1])


def as_weights(value: object) -> Tensor:
    """Weights >= 0 whose columns sum to 1. Raises: TypeError, ValueError that name the law and the value."""
    w = finite(as_float_tensor(value, name="weights").detach().double(), name="weights")
    if w.ndim not in (1, 2) or 0 in w.shape:
        raise ValueError(f"weights must have shape (n,) or (n, m), got {tuple(w.shape)}")
    totals = w.sum(0)
    if w.min() < 0 or (totals - 1).abs().max() > ROUNDING:
        sums = f"sums from {totals.min():.4g} to {totals.max():.4g}"
        raise ValueError(f"weights must be >= 0 and sum to 1 over the library (dim 0), got {sums}, least {w.min():.4g}")
    return w / totals


def _together(weights: object, points: object) -> tuple[Tensor, Float[Tensor, "n d"]]:
    w, x = as_weights(weights), as_points(points, name="points")
    if len(w) != len(x):
        raise ValueError(f"weights and points must have one row an item, got {len(w)} and {len(x)} rows")
    return w, x.to(w.device)
