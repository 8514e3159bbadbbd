"""What a loss leaves open in a score, and how a half-step of Sinkhorn closes it.

The loss v|u is the same for ``s + f(u)``, the loss u|v for ``s + h(v)``, the Sinkhorn loss for both; the joint and the
two-sided losses know the score up to one number. So a one-sided model says nothing about its other direction until
that function is fixed: by normalising over the other side first, which is one half-step. Derived here.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from gca_playground.alignment import Alignment
from gca_playground.learning.crossmodal.directions import SIDES, as_log_prior, as_scores, side_of, with_prior
from gca_playground.learning.laws import generator
from gca_playground.transport import solve

POINTS = 8
OPEN = 1e-3
"""A loss is open to a function of size 1 if that moves it by less than this, in nats."""


def half_step(scores: object, *, over: str, log_prior: object = None, library: object = None) -> Float[Tensor, "n m"]:
    """``s_ij - log sum_j p_j exp(s_ij)`` over v: afterwards each u has a proper law of v; or the same over u.

    Given:
        scores: (n, m). over: the side to sum over, "v" (adds a function of u, which "u|v" needs) or "u" (adds a
            function of v, which "v|u" needs).
        log_prior: of the items summed over, up to a constant; None: all alike.
        library: scores of the same items with another sample to sum over: (n, k) over v, (k, m) over u. None: the
            scores themselves.

    Returns: (n, m), invariant to ``s + f(u)`` over v, and to ``s + h(v)`` over u.
    Raises: TypeError, ValueError that name the law, the value and the shape.
    """
    dim = side_of(over, name="side to sum over")
    matrix = as_scores(scores)
    among = matrix if library is None else _library(library, matrix, dim)
    prior = _log_masses(log_prior, among.shape[dim])
    return matrix - with_prior(among, prior, dim).logsumexp(dim, keepdim=True).to(matrix)


def balance(
    scores: object, *, log_prior_u: object = None, log_prior_v: object = None
) -> tuple[Float[Tensor, " n"], Float[Tensor, " m"]]:
    """The potentials f (n,), h (m,) with which ``p_i q_j exp(s_ij + f_i + h_j)`` has the marginals p and q.

    All half-steps, to convergence: the entropic plan of the cost ``- s`` at epsilon 1. Given: the priors of the two
    sides, up to a constant; None: all alike. An item that a prior shuts out gets what its half-step gives. The constant
    that f and h can exchange is shared so that mean f = mean h.
    """
    matrix = as_scores(scores).double()
    log_a, log_b = (_log_masses(p, k) for p, k in zip((log_prior_u, log_prior_v), matrix.shape, strict=True))
    rows, cols = log_a.isfinite(), log_b.isfinite()
    a, b = log_a[rows].exp(), log_b[cols].exp()
    plan = solve(-matrix[rows][:, cols], epsilon=1.0, a=a, b=b, reference="product")
    f = -(matrix[:, cols] + plan.g + log_b[cols]).logsumexp(1)
    h = -(matrix[rows] + (f + log_a)[rows, None]).logsumexp(0)
    shift = (h.mean() - f.mean()) / 2
    return f + shift, h - shift


def free_sides(alignment: Alignment) -> tuple[str, ...]:
    """The sides "u", "v" a function of which can be added to the score without the loss noticing.

    Measured, not declared: a random matrix of costs, shifted by a random function of each side. Of the stacked layout
    none is free: there one row compares both modalities.
    """
    if alignment.layout == "stacked":
        return ()
    draw = generator(0, "gauge")
    cost = alignment.epsilon * torch.randn(POINTS, POINTS, generator=draw, dtype=torch.float64)
    shift = alignment.epsilon * torch.randn(POINTS, generator=draw, dtype=torch.float64)
    x, y = torch.randn(2, POINTS, 2, generator=draw, dtype=torch.float64)
    given = {"labels": torch.arange(POINTS) // 2} if alignment.target.needs_labels else {}
    values = [
        alignment.of_cost(matrix, data=(x, y), **given).item() for matrix in (cost, cost + shift[:, None], cost + shift)
    ]
    return tuple(side for side, value in zip(SIDES, values[1:], strict=True) if _is_open(value - values[0]))


def _log_masses(log_prior: object, count: int) -> Float64[Tensor, " k"]:
    """A prior that sums to 1."""
    prior = torch.zeros(count) if log_prior is None else as_log_prior(log_prior, count)
    return prior.double().log_softmax(0)


def _is_open(change: float) -> bool:
    return math.isfinite(change) and abs(change) < OPEN


def _library(library: object, scores: Float[Tensor, "n m"], dim: int) -> Float[Tensor, "k l"]:
    among = as_scores(library, name="library")
    if among.shape[1 - dim] != scores.shape[1 - dim]:
        side = ("columns", "rows")[dim]
        raise ValueError(f"library must have the same {side} as scores {tuple(scores.shape)}, got {tuple(among.shape)}")
    return among
