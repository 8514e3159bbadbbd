"""The one record of knobs.

    loss = D( T || P(C; epsilon, rows, cols, steps) )

Losses are named values of it, sliders edit it, links and files carry it.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gca_playground._boundary import as_count, as_epsilon, near
from gca_playground._shapes import Matrix
from gca_playground.alignment.divergence import divergence_named
from gca_playground.alignment.target import check_target, target_for
from gca_playground.transport import (
    EXACT,
    FREE,
    Bounded,
    Constraint,
    LazyCost,
    Plan,
    Soft,
    as_constraint,
    cost_named,
    solve,
)


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """A contrastive loss: how far the entropic plan of two views is from the matching we want.

    Given:
        cost: "cosine", "squared_euclidean" or "dot".
        epsilon: temperature = entropic regularisation, > 0, in cost units.
        rows, cols: EXACT (the default), FREE, Soft(rho), Bounded(lo, hi) or a number rho.
        total: constrain the total mass only; then rows, cols and steps stay None.
        steps: half-steps, rows first; None until converged.
        target: "pairs".
        divergence: "kl".

    ``alignment(z, w)`` is the loss, a scalar (or one a batch) in nats a row, differentiable; ``alignment.plan(z, w)``
    the plan it judges. Raises: TypeError, ValueError that name the law and the value.
    """

    cost: str = "cosine"
    epsilon: float = 0.1
    rows: Constraint | None = None
    cols: Constraint | None = None
    total: bool = False
    steps: int | None = None
    target: str = "pairs"
    divergence: str = "kl"

    def __post_init__(self) -> None:
        """Check every knob, and write the default sides out."""
        cost_named(self.cost)
        check_target(self.target)
        divergence_named(self.divergence)
        object.__setattr__(self, "epsilon", as_epsilon(self.epsilon))
        if self.steps is not None:
            object.__setattr__(self, "steps", as_count(self.steps, name="steps", least=0))
        if not isinstance(self.total, bool):
            raise TypeError(f"total must be True or False, got {self.total!r}")
        if not self.total:
            object.__setattr__(self, "rows", as_constraint(_or_exact(self.rows), side="rows"))
            object.__setattr__(self, "cols", as_constraint(_or_exact(self.cols), side="cols"))
        elif not (self.rows is None and self.cols is None and self.steps is None):
            raise ValueError("total=True constrains the total mass only: leave out rows, cols and steps")

    def __call__(self, z: object, w: object) -> Tensor:
        """The loss of two views ``z`` (..., n, d) and ``w`` (..., m, d)."""
        return self.value(self.plan(z, w))

    def lazy_cost(self, z: object, w: object) -> LazyCost:
        """The cost of two views, as a record that can give its rows."""
        return cost_named(self.cost)(z, w)

    def plan(self, z: object, w: object, **options: Any) -> Plan:
        """The plan of two views. ``options`` go to ``solve``: a, b, forbidden, init, tol, ..."""
        return self.plan_of(self.lazy_cost(z, w), **options)

    def plan_of(self, cost: LazyCost | Tensor, **options: Any) -> Plan:
        """The plan of a cost that is already there."""
        return solve(cost, **self.constraints(), **options)

    def constraints(self) -> dict[str, Any]:
        """The knobs that ``solve`` takes."""
        if self.total:
            return {"epsilon": self.epsilon, "total": True}
        return {"epsilon": self.epsilon, "rows": self.rows, "cols": self.cols, "steps": self.steps}

    def value(self, plan: Plan) -> Tensor:
        """``D(T | P)``, differentiable in whatever the plan depends on."""
        return divergence_named(self.divergence)(self.target_of(plan), plan)

    def target_of(self, plan: Plan) -> Matrix:
        """T in the shape of a plan."""
        return target_for(self.target, plan.cost)

    def change(self, **knobs: Any) -> Alignment:
        """The same record with some knobs changed."""
        unknown = [name for name in knobs if name not in _KNOBS]
        if unknown:
            raise ValueError(near(unknown[0], _KNOBS, what="knob"))
        return dataclasses.replace(self, **knobs)

    def to_dict(self) -> dict[str, Any]:
        """All knobs as JSON: a constraint is "exact", "free", a number rho, or {"lo": ..., "hi": ...}."""
        knobs = {name: getattr(self, name) for name in _KNOBS}
        return knobs | {side: _to_json(knobs[side]) for side in ("rows", "cols")}

    @classmethod
    def from_dict(cls, knobs: dict[str, Any]) -> Alignment:
        """The record that ``to_dict`` wrote. Raises: ValueError for a knob nobody knows, with near names."""
        if not isinstance(knobs, dict):
            raise TypeError(f"an Alignment is read from a dict of knobs, got {type(knobs).__name__}")
        unknown = [name for name in knobs if name not in _KNOBS]
        if unknown:
            raise ValueError(near(unknown[0], _KNOBS, what="knob"))
        sides: dict[str, Any] = {side: _from_json(knobs[side], side) for side in ("rows", "cols") if side in knobs}
        return cls(**(knobs | sides))


_KNOBS = tuple(field.name for field in dataclasses.fields(Alignment))


def _or_exact(side: object) -> object:
    return EXACT if side is None else side


def _to_json(side: Constraint | None) -> Any:
    if isinstance(side, Bounded):
        return {"lo": side.lo, "hi": None if math.isinf(side.hi) else side.hi}
    return {EXACT: "exact", FREE: "free"}.get(side, side.rho) if isinstance(side, Soft) else None


def _from_json(value: Any, side: str) -> Constraint | None:
    if value is None:
        return None
    if isinstance(value, dict):
        if set(value) != {"lo", "hi"}:
            raise ValueError(f"bounds of {side} must be {{'lo': ..., 'hi': ...}}, got {value!r}")
        return Bounded(value["lo"], math.inf if value["hi"] is None else value["hi"])
    return as_constraint(value, side=side)
