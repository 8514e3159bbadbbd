"""Every divergence written down plainly: matrices, logarithms and autograd, one line a formula.

The plan comes from the plain half-steps, its potentials are those of the formula, and epsilon may be a tensor that
wants a gradient. Nothing here is careful about size: it is for costs of order one and moderate epsilon, in double
precision.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gca_playground import Bounded
from tests.oracles import plain
from tests.oracles.plain import Sides


class Solved(NamedTuple):
    """What the plain half-steps leave: the cost, epsilon, the sides, and the two potentials, all on the tape."""

    cost: Tensor
    epsilon: Tensor | float
    sides: Sides
    f: Tensor
    g: Tensor

    @property
    def log(self) -> Tensor:
        return (self.f[..., :, None] + self.g[..., None, :] - self.cost) / self.epsilon

    @property
    def matrix(self) -> Tensor:
        return self.log.exp()


def solve(cost: Tensor, epsilon: Tensor | float, sides: Sides, steps: int) -> Solved:
    """The plan after ``steps`` half-steps."""
    walk = plain.potentials(cost, epsilon, sides)  # type: ignore[arg-type]
    f, g = next(pair for k, pair in enumerate(walk) if k == steps)
    return Solved(cost, epsilon, sides, f, g)


def solve_total(cost: Tensor, epsilon: Tensor | float, sides: Sides) -> Solved:
    """The global softmax; its one potential lies on the rows."""
    level = epsilon * (sides.a.sum(-1).log() - (-cost / epsilon).logsumexp((-2, -1)))
    return Solved(cost, epsilon, sides, level[..., None] + torch.zeros_like(sides.a), torch.zeros_like(sides.b))


def kl(target: Tensor, plan: Solved, *, mass: bool = True) -> Tensor:
    on_support = torch.where(target > 0, target * plan.log, 0.0).sum((-2, -1))
    value = torch.xlogy(target, target).sum((-2, -1)) - on_support
    if mass:
        value = value - target.sum((-2, -1)) + plan.matrix.sum((-2, -1))
    return value / target.shape[-2]


def fenchel_young(target: Tensor, plan: Solved) -> Tensor:
    """Primal at the target minus dual at the potentials, each straight from its sentence; ``total``: one potential."""
    primal = plain_primal(target, plan)
    dual = -plan.epsilon * plan.matrix.sum((-2, -1))
    for side, mass, potential in ((plan.sides.rows, plan.sides.a, plan.f), (plan.sides.cols, plan.sides.b, plan.g)):
        if isinstance(side, Bounded):
            dual = dual + (mass * torch.where(potential > 0, side.lo * potential, side.hi * potential)).sum(-1)
        elif side.rho == float("inf"):
            dual = dual + (mass * potential).sum(-1)
        elif side.rho > 0:
            dual = dual + side.rho * (mass * (1 - (-potential / side.rho).exp())).sum(-1)
    return (primal - dual) / target.shape[-2]


def plain_primal(target: Tensor, plan: Solved) -> Tensor:
    """``<C, T> + epsilon sum T (log T - 1) + rho KL(T 1 | a) + rho KL(T' 1 | b)``."""
    value = (target * plan.cost).sum((-2, -1)) + plan.epsilon * (torch.xlogy(target, target) - target).sum((-2, -1))
    for side, mass, dim in ((plan.sides.rows, plan.sides.a, -1), (plan.sides.cols, plan.sides.b, -2)):
        if not isinstance(side, Bounded) and 0 < side.rho < float("inf"):
            marginal = target.sum(dim)
            value = value + side.rho * (torch.xlogy(marginal, marginal / mass) - marginal + mass).sum(-1)
    return value


def rince(plan: Solved, *, q: float = 0.5, lam: float = 0.01, score: float = 1.0) -> Tensor:
    """``mean of -(K_ii v_i)^q / q + (lam (K v)_i)^q / q``, K = exp((score - C) / epsilon)."""
    spread = ((score - plan.cost + plan.g[..., None, :]) / plan.epsilon).exp()
    return ((lam * spread.sum(-1)) ** q - spread.diagonal(dim1=-2, dim2=-1) ** q).mean(-1) / q


def total_variation(target: Tensor, plan: Solved) -> Tensor:
    return (target - plan.matrix).abs().sum((-2, -1)) / 2 / target.shape[-2]


def square(target: Tensor, plan: Solved) -> Tensor:
    return ((target - plan.matrix) ** 2).sum((-2, -1)) / target.shape[-2]


def inner_product(target: Tensor, plan: Solved) -> Tensor:
    return -(target * plan.matrix).sum((-2, -1)) / target.shape[-2]


def uniformity(target: Tensor, plan: Solved) -> Tensor:
    """``sum over the negatives of KL(Q | P_ij) / n``, Q their mean, as the sum that it is (one problem, no batch)."""
    negatives = plan.matrix[target == 0]
    mean = negatives.mean()
    return (mean * (mean / negatives).log() - mean + negatives).sum() / len(target)


def tempered(plan: Solved, *, alpha: float) -> Tensor:
    share = plan.matrix.shape[-1] * plan.matrix.diagonal(dim1=-2, dim2=-1)
    return ((share**-alpha - 1) / alpha).mean(-1)


def mmd_conditional(plan: Solved, gram_cols: Tensor) -> Tensor:
    """Entry by entry: half the squared distance of a row's mean from its partner, without the constant."""
    matrix, n = plan.matrix, len(gram_cols)
    value = torch.zeros((), dtype=torch.float64)
    for i in range(n):
        value = value - sum(matrix[i, j] * gram_cols[j, i] for j in range(n))
        value = value + sum(matrix[i, j] * matrix[i, k] * gram_cols[j, k] for j in range(n) for k in range(n)) / 2
    return value / n


def mmd_joint(plan: Solved, gram_rows: Tensor, gram_cols: Tensor) -> Tensor:
    """Entry by entry, over pairs of pairs."""
    n = len(gram_rows)
    share = plan.matrix / plan.matrix.sum()
    both = torch.einsum("ij,kl,ik,jl->", share, share, gram_rows, gram_cols)
    return both - 2 * torch.einsum("ij,ik,jk->", share, gram_rows, gram_cols) / n


def gaussian_gram(x: Tensor, bandwidth: float) -> Tensor:
    square = (x[:, None, :] - x[None, :, :]).square().sum(-1)
    return torch.exp(-square / (2 * bandwidth**2))
