"""What is done about a target whose sums are not the masses that a side is asked to have.

    masses     the masses are taken from the target: a = T 1, b = T' 1 (the default)
    project    the target is moved to the nearest one (in KL) that has the masses, by Sinkhorn
    keep       nothing: no plan can reach the target then, and KL(T | P) may rise from step to step

``Fitted.said`` tells in words which of these happened.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from gca_playground._shapes import Cols, Matrix, Rows
from gca_playground.transport import EXACT, FREE, Bounded, Constraint, ConvergenceWarning, solve

CURES = ("masses", "project", "keep")
"""What ``Alignment(infeasible=...)`` may say."""
_CLOSE = 1e-5
"""Relative error of the sums below which a target counts as feasible: what float32 leaves."""


class Fitted(NamedTuple):
    """A target and the masses that go with it (None: the usual ones), and what was done, in words."""

    matrix: Matrix
    a: Rows | None
    b: Cols | None
    said: str


def fit(target: Matrix, rows: Constraint | None, cols: Constraint | None, *, infeasible: str) -> Fitted:
    """A target that a plan under these sides can reach; both sides are None where only the total is fixed."""
    n, m = target.shape[-2:]
    sums = (target.sum(-1), target.sum(-2))
    usual = (1.0, n / m)
    if rows is None:
        sums = (sums[0].sum(-1) / n, sums[1].sum(-1) / m)
    asked = [
        name
        for name, side, is_, should in zip(("row", "column"), (rows, cols), sums, usual, strict=True)
        if side != FREE and _misses(is_, should, side)
    ]
    if not asked:
        return Fitted(target, None, None, "")
    seen = f"{_range(sums[0])} a row, {_range(sums[1])} a column"
    found = f"the target's {' and '.join(asked)} sums are not the masses: {seen}"
    if infeasible == "masses":
        return Fitted(target, target.sum(-1), target.sum(-2), f"{found}; a and b are taken from it")
    if infeasible == "project":
        return Fitted(_projected(target, rows, cols), None, None, f"{found}; it was projected onto the masses")
    return Fitted(target, None, None, f"{found}; it was kept, and no plan can reach it")


def _misses(sums: Tensor, mass: float, side: Constraint | None) -> bool:
    """Whether some sum is not what the side asks for: its mass, or something between its bounds."""
    lo, hi = (side.lo, side.hi) if isinstance(side, Bounded) else (1.0, 1.0)
    slack = _CLOSE * mass
    return bool(((sums < lo * mass - slack) | (sums > hi * mass + slack)).any())


def _projected(target: Matrix, rows: Constraint | None, cols: Constraint | None) -> Matrix:
    """``argmin KL(T' | T)`` over the T' that have the masses of the sides that ask for some."""
    empty = target == 0
    cost = -torch.where(empty, 1.0, target).log().double()
    if rows is None:
        return target * (target.shape[-2] / target.sum((-2, -1), keepdim=True))
    ends = [side if side == FREE or isinstance(side, Bounded) else EXACT for side in (rows, cols)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            plan = solve(cost, epsilon=1.0, forbidden=empty, rows=ends[0], cols=ends[1])
        except ConvergenceWarning as error:
            raise ValueError(
                f"the target cannot be projected: its {int(empty.sum())} zeros leave no matrix with the masses"
            ) from error
    return plan.matrix.to(target)


def _range(sums: Tensor) -> str:
    least, most = sums.min().item(), sums.max().item()
    return f"{least:.4g}" if most - least <= _CLOSE * most else f"{least:.4g} to {most:.4g}"
