"""Retrieval: the best of a library for a query, and how often the true partner is among them."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from gca_playground._boundary import as_count, as_float_tensor
from gca_playground.learning.crossmodal.directions import as_scores, dim_of, with_prior
from gca_playground.learning.gaussian.losses import as_positive
from gca_playground.learning.laws import finite

CHUNK = 2**22
"""Numbers of a block of distances."""


def retrieve(scores: object, k: int = 1, *, direction: str = "u|v", log_prior: object = None) -> Int64[Tensor, "q k"]:
    """The ``k`` best of the library for each query, the best first.

    Given: ``scores`` (n, m). "u|v": the rows are the library and the columns ask; "v|u": the other way round.
    ``log_prior`` of the library's items. Without it this is the maximum likelihood choice; with the log density of the
    library (``log_kde``) it is the most probable one (MAP).
    Returns: indices (queries, k). Raises: TypeError, ValueError that name the law and the value.
    Source: Baptista, Stuart and Tran 2025, Algorithm 1, Theorem 4.2 and (61).
    """
    dim = dim_of(direction)
    matrix = with_prior(as_scores(scores), log_prior, dim)
    k = as_count(k, name="k", least=1)
    if k > matrix.shape[dim]:
        raise ValueError(f"k must be <= {matrix.shape[dim]}, the items of the library, got {k}")
    return matrix.movedim(dim, 1).topk(k, dim=1).indices


def recall(
    scores: object, k: int = 1, *, direction: str = "u|v", log_prior: object = None, partners: object = None
) -> float:
    """R@K: the share of queries whose partner is among the ``k`` best.

    Given: as ``retrieve``; ``partners`` (queries,): the library's item that belongs to each query; None: item i to
    query i, for which the scores must be square. Among equal scores the choice is
    arbitrary.
    """
    found = retrieve(scores, k, direction=direction, log_prior=log_prior)
    items = as_scores(scores).shape[dim_of(direction)]
    right = _partners(partners, len(found), items).to(found.device)
    return float((found == right[:, None]).any(1).double().mean())


def log_kde(points: object, *, at: object = None, bandwidth: float | None = None) -> Float[Tensor, " k"]:
    """The log density of a library: ``log mean_i N(x; u_i, b^2 S)``, S the covariance of the library.

    Given: ``points`` (n, d); ``at`` (k, d): where; None: at the points themselves, each of which then counts itself.
    ``bandwidth`` b > 0, in standard deviations; None: Scott's rule ``n^(-1 / (d + 4))``. Returns (k,), in nats.
    Raises: ValueError where the points do not span the space. Source: Scott 1992, Multivariate Density Estimation.
    """
    library = as_points(points, name="points")
    n, d = library.shape
    places = library if at is None else as_points(at, name="at", width=d)
    b = n ** (-1 / (d + 4)) if bandwidth is None else as_positive(bandwidth, name="bandwidth")
    factor, failed = torch.linalg.cholesky_ex(torch.atleast_2d(library.mT.cov(correction=0)) * n / max(n - 1, 1))
    if failed:
        raise ValueError(f"the density needs points that span the space, got {n} points of {d} dimensions that do not")
    white, white_at = (torch.linalg.solve_triangular(factor, x.mT, upper=False).mT / b for x in (library, places))
    constant = factor.diagonal().log().sum() + d * math.log(b) + 0.5 * d * math.log(2 * math.pi) + math.log(n)
    blocks = white_at.split(max(1, CHUNK // n))
    return torch.cat([torch.logsumexp(-0.5 * torch.cdist(block, white).square(), 1) for block in blocks]) - constant


def as_points(value: object, *, name: str, width: int | None = None) -> Float[Tensor, "n d"]:
    """Finite points in float64. Raises: TypeError, ValueError that name the shape or the value."""
    points = as_float_tensor(value, name=name).detach().double()
    if points.ndim != 2 or 0 in points.shape or width not in (None, points.shape[1]):
        wanted = "d" if width is None else width
        raise ValueError(f"{name} must have shape (n, {wanted}), none of them 0, got {tuple(points.shape)}")
    return finite(points, name=name)


def whole_numbers(value: object, *, name: str, count: int | None, below: int | None) -> Int64[Tensor, " k"]:
    """Indices in [0, below). Raises: ValueError that names the law and the shape."""
    numbers = np.asarray(value.cpu() if isinstance(value, Tensor) else value)
    whole = numbers.dtype.kind in "iu" or not numbers.size
    if numbers.ndim != 1 or not whole or (count is not None and len(numbers) != count):
        shape = "(k,)" if count is None else f"({count},)"
        raise ValueError(f"{name} must be whole numbers of shape {shape}, got {numbers.dtype} of {numbers.shape}")
    if len(numbers) and (numbers.min() < 0 or (below is not None and numbers.max() >= below)):
        law = ">= 0" if below is None else f"in [0, {below})"
        raise ValueError(f"{name} must be {law}, got {numbers.min()} to {numbers.max()}")
    return torch.tensor(numbers.astype(np.int64))


def _partners(partners: object, queries: int, items: int) -> Int64[Tensor, " q"]:
    if partners is not None:
        return whole_numbers(partners, name="partners", count=queries, below=items)
    if queries != items:
        raise ValueError(f"give partners: {queries} queries and {items} items are not paired one to one")
    return torch.arange(queries)
