"""The one record of knobs.

    loss = D( T || P(C; epsilon, rows, cols, steps) )

Losses are named values of it, sliders edit it, links and files carry it.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gca_playground._boundary import as_count, as_epsilon, is_number, near
from gca_playground._shapes import Matrix
from gca_playground.alignment.divergence import as_divergence
from gca_playground.alignment.fit import CURES, Fitted, fit
from gca_playground.alignment.target import LAYOUTS, Pairs, Target, as_target
from gca_playground.transport import (
    EXACT,
    FREE,
    GRADIENTS,
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
        target: "pairs", "smoothed", "classes", "domains", a record of ``gca.targets``, or a matrix (n, m).
        divergence: "kl", "rince", ... or a record, or a sum of records: ``KL() + 0.02 * Uniformity()``.
        layout: "two_views" (n, d) + (n, d), or "stacked": one batch (2n, d), pairs (i, i + n), self-pairs forbidden.
        weight_rows, weight_cols: the loss is half of weight_rows D(T | P) + weight_cols D(T' | P'), where P' is the
            plan of the second view to the first: CLIP at 1 and 1. By default only P counts.
        infeasible: what is done about a target that breaks the marginals: "masses", "project" or "keep".
        grad: "exact", "implicit", "envelope" or "autograd"; see ``gca.solve``.

    ``alignment(z, w)`` is the loss, a scalar (or one a batch) in nats a row, differentiable; ``alignment.plan(z, w)``
    the plan it judges. Raises: TypeError, ValueError that name the law and the value.
    """

    cost: str = "cosine"
    epsilon: float = 0.1
    rows: Any = None  # written in several ways, kept as a Constraint
    cols: Any = None
    total: bool = False
    steps: int | None = None
    target: Any = "pairs"  # kept as a Target
    divergence: Any = "kl"  # kept as a Divergence
    layout: str = "two_views"
    weight_rows: float = 2.0
    weight_cols: float = 0.0
    infeasible: str = "masses"
    grad: str = "exact"

    def __post_init__(self) -> None:
        """Check every knob, and write the default sides out."""
        cost_named(self.cost)
        self._set(target=as_target(self.target), divergence=as_divergence(self.divergence))
        self._set(epsilon=as_epsilon(self.epsilon))
        if self.steps is not None:
            self._set(steps=as_count(self.steps, name="steps", least=0))
        if not isinstance(self.total, bool):
            raise TypeError(f"total must be True or False, got {self.total!r}")
        if not self.total:
            for name, side in (("rows", self.rows), ("cols", self.cols)):
                self._set(**{name: as_constraint(EXACT if side is None else side, side=name)})
        elif not (self.rows is None and self.cols is None and self.steps is None):
            raise ValueError("total=True constrains the total mass only: leave out rows, cols and steps")
        for name, known in (("layout", LAYOUTS), ("infeasible", CURES), ("grad", GRADIENTS)):
            if getattr(self, name) not in known:
                raise ValueError(near(getattr(self, name), known, what=name))
        _check_weights(self.weight_rows, self.weight_cols)
        _check_together(self)

    def __call__(self, z: object, w: object = None, **given: Any) -> Tensor:
        """The loss of two views ``z`` (..., n, d) and ``w`` (..., m, d), or of one stacked batch (2n, d).

        Given further, by name: ``labels`` (n,) for a target of classes or domains, ``target`` (a matrix or a plan that
        takes the place of the record's), ``data`` (x, y) for the MMD, ``epsilon`` as a tensor that wants a gradient.
        """
        with torch.autocast(_device_of(z).type, enabled=False):
            return self.of_cost(self.lazy_cost(z, w), **given)

    def of_cost(self, cost: LazyCost | Tensor, **given: Any) -> Tensor:
        """The loss of a cost that is already there."""
        values = [weight * self._one_way(cost, given, way) for way, weight in self.ways()]
        return sum(values[1:], values[0]) / 2

    def ways(self) -> list[tuple[str, float]]:
        """The directions that count, "rows" (first view to second) and "cols", with their weights."""
        ways = [("rows", float(self.weight_rows)), ("cols", float(self.weight_cols))]
        return [(way, weight) for way, weight in ways if weight > 0]

    def lazy_cost(self, z: object, w: object = None) -> LazyCost:
        """The cost of two views, as a record that can give its rows; of a stacked batch with itself."""
        if self.layout == "stacked":
            z = z if w is None else torch.cat([torch.as_tensor(z), torch.as_tensor(w)], -2)
            cost = cost_named(self.cost)(z, z)
            if cost.shape[-1] % 2:
                raise ValueError(f"a stacked batch holds an even number of rows, got {cost.shape[-1]}")
            return cost
        if w is None:
            raise TypeError("two views are needed, z and w: one batch is for layout='stacked'")
        return cost_named(self.cost)(z, w)

    def plan(self, z: object, w: object = None, **options: Any) -> Plan:
        """The plan of two views. ``options``: labels, target, and what ``solve`` takes: a, b, forbidden, init, ..."""
        with torch.autocast(_device_of(z).type, enabled=False):
            return self.plan_of(self.lazy_cost(z, w), **options)

    def plan_of(self, cost: LazyCost | Tensor, *, labels: object = None, target: object = None, **options: Any) -> Plan:
        """The plan of a cost that is already there."""
        matrix = cost.matrix() if isinstance(cost, LazyCost) else cost
        if not {"a", "b"} & set(options) and not (target is None and isinstance(self.target, Pairs)):
            fitted = self.fitted(torch.as_tensor(matrix), labels=labels, target=target)
            options |= {name: mass for name, mass in (("a", fitted.a), ("b", fitted.b)) if mass is not None}
        if self.layout == "stacked":
            own = torch.eye(matrix.shape[-1], dtype=torch.bool, device=matrix.device)
            options["forbidden"] = own if options.get("forbidden") is None else own | options["forbidden"]
        return solve(matrix, **self.constraints() | options)

    def constraints(self) -> dict[str, Any]:
        """The knobs that ``solve`` takes."""
        if self.total:
            return {"epsilon": self.epsilon, "total": True, "grad": self.grad}
        sides = {"rows": self.rows, "cols": self.cols, "steps": self.steps}
        return {"epsilon": self.epsilon, **sides, "grad": self.grad}

    def value(self, plan: Plan, *, labels: object = None, target: object = None, data: object = None) -> Tensor:
        """``D(T | P)``, differentiable in whatever the plan depends on."""
        if plan.warm and self.divergence.sees_potentials:
            raise ValueError(f"{self.divergence.name} sees the potentials: its plan must start at 0, without init")
        matrix = self.target_of(plan, labels=labels, target=target)
        return self.divergence(matrix, plan, offset=cost_named(self.cost).offset, data=data)

    def target_of(self, plan: Plan, *, labels: object = None, target: object = None) -> Matrix:
        """T in the shape of a plan, as it is judged: projected if that is what ``infeasible`` asks for."""
        return self.fitted(plan.cost.detach(), labels=labels, target=target).matrix

    def fitted(self, like: Tensor, *, labels: object = None, target: object = None) -> Fitted:
        """T, the masses that go with it, and in words what was done where it breaks the usual ones."""
        record = self.target if target is None else as_target(target.matrix if isinstance(target, Plan) else target)
        matrix = record.matrix(like, layout=self.layout, labels=labels)
        if isinstance(record, Pairs):
            return Fitted(matrix, None, None, "")
        if self.divergence.pairs_only:
            raise ValueError(_pairs_only(self))
        return fit(matrix, self.rows, self.cols, infeasible=self.infeasible)

    def knobs(self) -> dict[str, Any]:
        """Every knob by its one name: the fields, the prices of the sides, and the parameters of D and T."""
        sides = {f"rho_{side}": getattr(getattr(self, side), "rho", None) for side in ("rows", "cols")}
        fields = {name: getattr(self, name) for name in _FIELDS}
        own = dataclasses.fields(self.target)
        target = {field.name: getattr(self.target, field.name) for field in own}
        return fields | sides | target | self.divergence.knobs()

    def change(self, **knobs: Any) -> Alignment:
        """The same record with some knobs changed: fields, ``rho_rows``, ``rho_cols``, parameters of D and T.

        Raises: ValueError with near names for a knob nobody knows.
        """
        fields = {name: value for name, value in knobs.items() if name in _FIELDS}
        fields |= {side: as_price(knobs[f"rho_{side}"], side) for side in ("rows", "cols") if f"rho_{side}" in knobs}
        base = dataclasses.replace(self, **fields)
        rest = {name: value for name, value in knobs.items() if name not in _FIELDS and name[4:] not in fields}
        unknown = [name for name in rest if name not in base.knobs()]
        if unknown:
            raise ValueError(near(unknown[0], base.knobs(), what="knob"))
        if not rest:
            return base
        divergence = base.divergence
        own = {field.name for field in dataclasses.fields(base.target)}
        target = dataclasses.replace(base.target, **{name: rest[name] for name in rest if name in own})
        parameters = {name: rest[name] for name in rest if name in divergence.knobs()}
        return dataclasses.replace(base, target=target, divergence=divergence.change(**parameters))

    def to_dict(self) -> dict[str, Any]:
        """All knobs as JSON: a constraint is "exact", "free", a number rho, or {"lo": ..., "hi": ...}."""
        knobs = {name: getattr(self, name) for name in _FIELDS}
        knobs |= {side: _to_json(knobs[side]) for side in ("rows", "cols")}
        return knobs | {name: knobs[name].to_json() for name in ("target", "divergence")}

    @classmethod
    def from_dict(cls, knobs: dict[str, Any]) -> Alignment:
        """The record that ``to_dict`` wrote. Raises: ValueError for a knob nobody knows, with near names."""
        if not isinstance(knobs, dict):
            raise TypeError(f"an Alignment is read from a dict of knobs, got {type(knobs).__name__}")
        unknown = [name for name in knobs if name not in _FIELDS]
        if unknown:
            raise ValueError(near(unknown[0], _FIELDS, what="knob"))
        sides: dict[str, Any] = {side: _from_json(knobs[side], side) for side in ("rows", "cols") if side in knobs}
        return cls(**(knobs | sides))

    def _one_way(self, cost: LazyCost | Tensor, given: dict[str, Any], way: str) -> Tensor:
        """D of the plan of one direction."""
        matrix = cost.matrix() if isinstance(cost, LazyCost) else cost
        given = dict(given)
        target, labels, data = (given.pop(name, None) for name in ("target", "labels", "data"))
        if way == "cols":
            matrix = matrix.mT
            target = _turned(target)
            data = None if data is None else tuple(reversed(data))
        plan = self.plan_of(matrix, labels=labels, target=target, **given)
        return self.value(plan, labels=labels, target=target, data=data)

    def _set(self, **fields: Any) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)


_FIELDS = tuple(field.name for field in dataclasses.fields(Alignment))


def as_price(value: object, side: str) -> Constraint:
    """``rho_rows`` or ``rho_cols`` as a constraint. Raises: TypeError for what is no number."""
    if not is_number(value):
        raise TypeError(f"rho_{side} must be a number in [0, inf], got {value!r}")
    return Soft(value)  # type: ignore[arg-type]


def _check_weights(*weights: float) -> None:
    for name, weight in zip(("weight_rows", "weight_cols"), weights, strict=True):
        if not is_number(weight) or not 0 <= weight < math.inf:
            raise ValueError(f"{name} must be >= 0 and finite, got {weight!r}")
    if not any(weights):
        raise ValueError("weight_rows and weight_cols must not both be 0")


def _check_together(alignment: Alignment) -> None:
    """Refuse knobs that do not go together."""
    divergence = alignment.divergence
    if divergence.pairs_only and not isinstance(alignment.target, Pairs):
        raise ValueError(_pairs_only(alignment))
    if not divergence.sees_potentials:
        return
    if alignment.total:
        raise ValueError(f"{divergence.name} sees the potentials of rows and columns: total=True has none")
    gauge_free = all(side == EXACT or isinstance(side, Bounded) for side in (alignment.rows, alignment.cols))
    if gauge_free and (alignment.steps is None or alignment.grad == "implicit"):
        raise ValueError(
            f"{divergence.name} sees the potentials, which at convergence with both sides exact are known up to a "
            "constant only: give a finite number of steps and grad='exact', or soften a side"
        )


def _pairs_only(alignment: Alignment) -> str:
    name = alignment.divergence.name
    return f"{name} is defined for pairs only: another target needs another divergence, such as 'kl'"


def _turned(target: object) -> object:
    if target is None or isinstance(target, Target):
        return target
    matrix = target.matrix if isinstance(target, Plan) else torch.as_tensor(target)
    return matrix.mT


def _device_of(z: object) -> torch.device:
    return z.device if isinstance(z, Tensor) else torch.device("cpu")


def _to_json(side: Any) -> Any:
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
