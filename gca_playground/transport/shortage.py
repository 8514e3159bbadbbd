"""Where forbidden pairs leave no plan: rows that may only go to columns which together hold less.

A plan with exact marginals exists unless the rows of some set hold more than all columns they may go to (Hall's
condition, by masses; for a bounded side the least that it asks for and the most that it takes). Nobody looks through
all sets. Where there is no plan, half-steps starve the rows of the tightest set, all by the same share, so that they
come first in the order of what each row got of its mass. The sets that begin this order are held against the masses
themselves: what is said is true, whatever the order was.

Sources: Hall 1935; Gale 1957 (by masses); Gietl and Reffel 2013, Pukelsheim 2014 (where the half-steps end).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from gca_playground._shapes import Cols, Rows, Side
from gca_playground.transport.constraint import Bounded, Constraint
from gca_playground.transport.kernel import log_plan
from gca_playground.transport.marginal import Marginal
from gca_playground.transport.problem import Problem

_NAMED = 8
"""Rows or columns that a sentence names; of more than these it names the first and counts them."""
_ROUNDING = 1e-6
"""The share of the mass that counts as none, as where totals are compared."""
_OTHER = {"row": "column", "column": "row"}


@dataclass(frozen=True)
class Shortage:
    """Elements that must hold ``asked`` together, and all they may be coupled with, which holds no more than ``given``.

    ``of``: "row" or "column", what the first are; ``where``: the index of the problem in its batch.
    """

    of: str
    few: list[int]
    asked: float
    others: list[int]
    given: float
    where: tuple[int, ...]

    @property
    def names(self) -> int:
        """How many elements it is about."""
        return len(self.few) + len(self.others)

    def __str__(self) -> str:
        """The sentence."""
        here = f"in problem {', '.join(map(str, self.where))} of the batch " if self.where else ""
        return (
            f"{here}{_list(self.of, self.few)} must hold {self.asked:g} and may only be coupled with "
            f"{_list(_OTHER[self.of], self.others)}, with room for {self.given:g}"
        )


def shortage(problem: Problem, f: Rows, g: Cols) -> Shortage | None:
    """Rows or columns that must hold more than they may get, the fewest found; None where none were.

    Given: the potentials (..., n) and (..., m) that half-steps ended with, in cost units. Of a batch, the first problem
    with a shortage counts.
    """
    if problem.source.streamed:  # which forbids nothing
        return None
    cost = problem.cost.detach()
    allowed = cost.isfinite()
    if allowed.all():
        return None
    log_rows = log_plan(f, g, cost, problem.epsilon).logsumexp(-1)
    # The columns were set last: what they lack shows after a half-step of the rows.
    f = problem.rows.potential(log_rows - torch.where(f.isfinite(), f, 0.0) / problem.epsilon)
    log_cols = log_plan(f, g, cost, problem.epsilon).logsumexp(-2)
    for where in itertools.product(*map(range, problem.shape[:-2])):
        found = (
            _tightest("row", problem.rows, problem.cols, log_rows, allowed, where),
            _tightest("column", problem.cols, problem.rows, log_cols, allowed.mT, where),
        )
        if any(found):
            return min(filter(None, found), key=lambda one: one.names)
    return None


def _tightest(
    of: str, side: Marginal, other: Marginal, log_sums: Side, allowed: Tensor, where: tuple[int, ...]
) -> Shortage | None:
    """Of the sets that begin the order of what each element got of its mass, the tightest, if that is too tight."""
    (least, _), (_, most) = _bounds(side.constraint), _bounds(other.constraint)
    if least == 0 or most == torch.inf:
        return None
    must, can, may = least * side.mass[where], most * other.mass[where], allowed[where]
    order = torch.where(must > 0, log_sums[where] - must.log(), torch.inf).argsort()
    reached = may[order].cumsum(0) > 0
    asked, given = must[order].cumsum(0), reached.to(can) @ can
    tightness = torch.where(asked > given + _ROUNDING * must.sum(), asked / given, 0.0)
    k = int(tightness.argmax())
    if not tightness[k]:
        return None
    few, others = order[: k + 1].sort().values.tolist(), reached[k].nonzero().flatten().tolist()
    return Shortage(of, few, asked[k].item(), others, given[k].item(), where)


def _bounds(constraint: Constraint) -> tuple[float, float]:
    """The least and the most that a marginal may be, in multiples of its mass."""
    if isinstance(constraint, Bounded):
        return constraint.lo, constraint.hi
    return (1.0, 1.0) if constraint.rho == torch.inf else (0.0, torch.inf)


def _list(what: str, which: list[int]) -> str:
    """``row 3``; ``rows 0, 1``; ``rows 0, 1, 2, ... (40 of them)``."""
    names = ", ".join(map(str, which[:_NAMED]))
    more = f", ... ({len(which)} of them)" if len(which) > _NAMED else ""
    return f"{what}{'s' * (len(which) > 1)} {names}{more}"
