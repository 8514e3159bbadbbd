"""Scores, priors and the two directions in which a matrix of scores can be read."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gca_playground._boundary import as_float_tensor, near
from gca_playground.learning.laws import finite

DIRECTIONS = {"u|v": 0, "v|u": 1}
"""The dimension over which a direction normalises: u|v over the rows, v|u over the columns."""
SIDES = {"u": 0, "v": 1}
"""The dimension of a side."""


def conditional_weights(scores: object, *, direction: str, log_prior: object = None) -> Float[Tensor, "n m"]:
    """``softmax(s + log prior)`` over the side that is sought: the model's conditional law on the given items.

    Given: ``scores`` (n, m); ``direction``: "u|v", columns sum to 1, or "v|u", rows sum to 1; ``log_prior`` of the
    side that is sought, (n,) or (m,), up to a constant; None: all alike. Returns (n, m).
    Raises: TypeError, ValueError that name the law, the value and the shape.
    """
    dim = dim_of(direction)
    return with_prior(as_scores(scores), log_prior, dim).softmax(dim)


def dim_of(direction: object) -> int:
    """The dimension a direction normalises over. Raises: ValueError with near names."""
    if not isinstance(direction, str) or direction not in DIRECTIONS:
        raise ValueError(near(direction, DIRECTIONS, what="direction"))
    return DIRECTIONS[direction]


def side_of(side: object, *, name: str) -> int:
    """The dimension of the side "u" or "v". Raises: ValueError that names both."""
    if not isinstance(side, str) or side not in SIDES:
        raise ValueError(near(side, SIDES, what=name))
    return SIDES[side]


def as_scores(value: object, *, name: str = "scores") -> Float[Tensor, "n m"]:
    """A finite matrix, not empty. Raises: TypeError, ValueError that name the shape or the value."""
    scores = as_float_tensor(value, name=name)
    if scores.ndim != 2 or 0 in scores.shape:
        raise ValueError(f"{name} must have shape (n, m) with n, m >= 1, got {tuple(scores.shape)}")
    return finite(scores, name=name)


def with_prior(scores: Float[Tensor, "n m"], log_prior: object, dim: int) -> Float[Tensor, "n m"]:
    """The scores plus one number for each item along ``dim``; -inf shuts an item out."""
    if log_prior is None:
        return scores
    return scores + as_log_prior(log_prior, scores.shape[dim]).to(scores).unsqueeze(1 - dim)


def as_log_prior(value: object, count: int) -> Float[Tensor, " k"]:
    """Logarithms (k,), some perhaps -inf. Raises: TypeError, ValueError that name the shape or the value."""
    log_prior = as_float_tensor(value, name="log_prior")
    if tuple(log_prior.shape) != (count,):
        raise ValueError(f"log_prior must have shape ({count},), one for each item, got {tuple(log_prior.shape)}")
    if log_prior.isnan().any() or log_prior.max() == torch.inf or log_prior.max() == -torch.inf:
        raise ValueError("log_prior must be finite or -inf, and finite somewhere")
    return log_prior
