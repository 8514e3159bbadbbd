"""Problems drawn so that their exact answer is known before anything is solved.

Potentials and a plan are drawn, and the cost ``C = f + g - epsilon log P`` and the masses follow from them: an exact
side has mass ``r``, a soft one ``r exp(f / rho)``, a bounded one ``r / lo`` where its potential pushes up and
``r / hi`` where it pushes down. So the plan is optimal by construction, whoever solves the problem.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor

from gca_playground import EXACT, FREE, Bounded, Soft
from tests.oracles.plain import Constraint, Sides

KINDS = {"exact": EXACT, "soft": Soft(0.7), "softer": Soft(0.05), "free": FREE, "bounded": Bounded(0.8, 1.3)}


def kinds(*names: str) -> Any:
    """One test for each two constraints: every pair, or those of the given kinds."""
    sides = list(itertools.product(*[[KINDS[name] for name in names or KINDS]] * 2))
    return pytest.mark.parametrize(("rows", "cols"), sides, ids=[f"{rows}-{cols}" for rows, cols in sides])


class Drawn(NamedTuple):
    """A problem and its answer."""

    cost: Tensor
    epsilon: float
    rows: Constraint
    cols: Constraint
    a: Tensor
    b: Tensor
    plan: Tensor

    def arguments(self) -> dict[str, Any]:
        """What ``solve`` takes beside the cost."""
        return {"epsilon": self.epsilon, "rows": self.rows, "cols": self.cols, "a": self.a, "b": self.b}


def randn(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def rand(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def draw_problem(
    rows: Constraint, cols: Constraint, *, epsilon: float = 0.1, batch: tuple[int, ...] = (), seed: int = 0
) -> Drawn:
    """A problem of 5 rows and 4 columns whose exact plan is known."""
    n, m = 5, 4
    plan = (0.8 * randn(*batch, n, m, seed=seed)).exp()
    f = _potential(rows, randn(*batch, n, seed=seed + 1), epsilon)
    g = _potential(cols, randn(*batch, m, seed=seed + 2), epsilon)
    cost = f[..., :, None] + g[..., None, :] - epsilon * plan.log()
    a = _mass(rows, plan.sum(-1), f, seed + 3)
    b = _mass(cols, plan.sum(-2), g, seed + 4)
    return Drawn(cost, epsilon, rows, cols, a, b, plan)


def _potential(constraint: Constraint, noise: Tensor, epsilon: float) -> Tensor:
    if constraint == FREE:
        return torch.zeros_like(noise)
    if isinstance(constraint, Bounded):
        return epsilon * torch.where(noise.abs() < 0.5, 0.0, noise)  # some sides are clipped, some are not
    return epsilon * noise


def _mass(constraint: Constraint, marginal: Tensor, potential: Tensor, seed: int) -> Tensor:
    if isinstance(constraint, Bounded):
        between = 1 / constraint.hi + rand(*marginal.shape, seed=seed) * (1 / constraint.lo - 1 / constraint.hi)
        share = torch.where(potential > 0, 1 / constraint.lo, torch.where(potential < 0, 1 / constraint.hi, between))
        return marginal * share
    if constraint == FREE:
        return marginal * (0.5 + rand(*marginal.shape, seed=seed))
    return marginal if math.isinf(constraint.rho) else marginal * (potential / constraint.rho).exp()


class Instance(NamedTuple):
    """A problem that hypothesis drew, with no answer attached."""

    cost: Tensor
    epsilon: float
    rows: Constraint
    cols: Constraint
    a: Tensor
    b: Tensor
    forbidden: Tensor | None
    reference: str

    def arguments(self) -> dict[str, Any]:
        """What ``solve`` takes beside the cost."""
        return {name: value for name, value in self._asdict().items() if name != "cost"}

    def sides(self) -> Sides:
        return Sides(self.rows, self.cols, self.a, self.b)

    def effective_cost(self, cost: Tensor | None = None) -> Tensor:
        """The cost in double precision, with the reference in it and inf where no mass may go."""
        effective = (self.cost if cost is None else cost).double()
        if self.reference == "product":
            effective = effective - self.epsilon * (self.a[..., :, None] * self.b[..., None, :]).log()
        return effective if self.forbidden is None else effective.masked_fill(self.forbidden, torch.inf)

    def steepness(self) -> float:
        """The largest exponent: what rounding in double precision is to be measured by."""
        return 1 + self.cost.abs().max().item() / self.epsilon


law = settings(derandomize=True, deadline=None, max_examples=40)
seeds = st.integers(0, 10_000)


@st.composite
def constraints(draw: st.DrawFn, tilt: float = 1.0) -> Constraint:
    """Any constraint. ``tilt`` keeps the bounds of two sides apart: on its bound a side has two slopes."""
    kind = draw(st.sampled_from(["exact", "exact", "soft", "free", "bounded"]))
    if kind == "soft":
        return Soft(10.0 ** draw(st.floats(-2, 2)))
    if kind == "bounded":
        lo = draw(st.one_of(st.just(0.0), st.floats(0.01, 0.93)))
        hi = draw(st.one_of(st.just(math.inf), st.floats(1.07, 3)))
        return Bounded(lo * tilt, hi / tilt)
    return EXACT if kind == "exact" else FREE


@st.composite
def masses(draw: st.DrawFn, batch: tuple[int, ...], size: int, *, zeros: bool) -> Tensor:
    """Positive masses of total 1 a batch, sometimes with an empty element."""
    mass = 0.2 + rand(*batch, size, seed=draw(seeds))
    if zeros and size > 1 and draw(st.booleans()):
        mass[..., draw(st.integers(0, size - 1))] = 0.0
    return mass / mass.sum(-1, keepdim=True)


@st.composite
def instances(
    draw: st.DrawFn, *, dtypes: tuple[torch.dtype, ...] = (torch.float64,), zeros: bool = True, small: float = -3.0
) -> Instance:
    """Any problem with a solution: rectangular, batched, any constraints, masses, forbidden pairs, reference."""
    batch = draw(st.sampled_from([(), (2,), (2, 1)]))
    n, m = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    spread = draw(st.sampled_from([0.0, 0.3, 1.0, 10.0]))
    level = draw(st.sampled_from([0.03, 0.97, -1.02]))
    cost = (level + spread * randn(*batch, n, m, seed=draw(seeds))).to(draw(st.sampled_from(dtypes)))
    total = draw(st.sampled_from([1.0, 4.0]))
    forbidden = rand(*batch, n, m, seed=draw(seeds)) < 0.3 if draw(st.booleans()) else None
    if forbidden is not None:
        forbidden[..., :, draw(st.integers(0, m - 1))] = False
        forbidden[..., draw(st.integers(0, n - 1)), :] = False
    return Instance(
        cost,
        10.0 ** draw(st.floats(small, 2)),
        draw(constraints()),
        draw(constraints(tilt=0.97)),
        total * draw(masses(batch, n, zeros=zeros and forbidden is None)),
        total * draw(masses(batch, m, zeros=zeros and forbidden is None)),
        forbidden,
        draw(st.sampled_from(["counting", "product"])),
    )
