"""The one record of knobs.

    loss = D( T || P(C; epsilon, rows, cols, steps) )

Losses are named values of it, sliders edit it, links and files carry it.
"""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gca_playground._boundary import as_count, as_epsilon, as_float_tensor, near
from gca_playground._shapes import Cost, Matrix
from gca_playground.alignment.divergence import as_divergence
from gca_playground.alignment.fit import CURES, Fitted, fit
from gca_playground.alignment.goal import Goal, Painted
from gca_playground.alignment.sides import as_price, side_from_json, side_to_json
from gca_playground.alignment.target import LAYOUTS, Given, Pairs, Target, as_target
from gca_playground.alignment.together import check_together, check_weights, pairs_only
from gca_playground.transport import (
    EXACT,
    GRADIENTS,
    LazyCost,
    Plan,
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
        target: "pairs", "smoothed", "classes", "domains", a record of ``gca.targets``, a matrix
            (n, m) or a Plan, which pass no gradient on.
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
        check_weights(self.weight_rows, self.weight_cols)
        check_together(self)

    def __call__(self, z: object, w: object = None, **given: Any) -> Tensor:
        """The loss of two views ``z`` (..., n, d) and ``w`` (..., m, d), or of one stacked batch (2n, d).

        Given further, by name: ``labels`` (n,) for a target of classes or domains, ``target`` (a matrix or a plan that
        takes the place of the record's), ``data`` (x, y) for the MMD, ``epsilon`` as a tensor that wants a gradient,
        and what else ``solve`` takes (a, b, forbidden, ...), as it stands for the first view to the second. Labels and
        data that this loss does not ask for are left alone.
        """
        with _in_full_precision(z):
            return self.of_cost(self.lazy_cost(z, w), **given)

    def of_cost(self, cost: LazyCost | Tensor, **given: Any) -> Tensor:
        """The loss of a cost that is already there."""
        cost = cost if isinstance(cost, LazyCost) else as_float_tensor(cost, name="cost")
        ways = self.ways()
        if len(ways) > 1 and isinstance(cost, LazyCost):
            cost = cost.shared()
        values = [_times(weight / 2, self._one_way(cost, given, way)) for way, weight in ways]
        return sum(values[1:], values[0])

    def ways(self) -> list[tuple[str, float]]:
        """The directions that count, "rows" (first view to second) and "cols", with their weights."""
        ways = [("rows", float(self.weight_rows)), ("cols", float(self.weight_cols))]
        return [(way, weight) for way, weight in ways if weight > 0]

    def lazy_cost(self, z: object, w: object = None) -> LazyCost:
        """The cost of two views, as a record that can give its rows; of a stacked batch with itself."""
        if self.layout == "stacked":
            z = z if w is None else _stacked(z, w)
            cost = cost_named(self.cost)(z, z)
            if cost.shape[-1] % 2:
                raise ValueError(f"a stacked batch holds an even number of rows, got {cost.shape[-1]}")
            return cost
        if w is None:
            raise TypeError("two views are needed, z and w: one batch is for layout='stacked'")
        return cost_named(self.cost)(z, w)

    def plan(self, z: object, w: object = None, **options: Any) -> Plan:
        """The plan of two views. ``options``: labels, target, and what ``solve`` takes: a, b, forbidden, init, ..."""
        with _in_full_precision(z):
            return self.plan_of(self.lazy_cost(z, w), **options)

    def plan_of(self, cost: LazyCost | Tensor, *, labels: object = None, target: object = None, **options: Any) -> Plan:
        """The plan of a cost that is already there."""
        if not {"a", "b"} & set(options) and not isinstance(self._wanted(target), Pairs):
            fitted = self.fitted(_like(cost), labels=labels, target=target)
            options |= {name: mass for name, mass in (("a", fitted.a), ("b", fitted.b)) if mass is not None}
        if self.layout == "stacked":
            like = _like(cost)
            own, more = torch.eye(like.shape[-1], dtype=torch.bool, device=like.device), options.get("forbidden")
            options["forbidden"] = own if more is None else own | torch.as_tensor(more, device=like.device)
        return solve(cost, **self.constraints() | options)

    def constraints(self) -> dict[str, Any]:
        """The knobs that ``solve`` takes."""
        if self.total:
            return {"epsilon": self.epsilon, "total": True, "grad": self.grad}
        sides = {"rows": self.rows, "cols": self.cols, "steps": self.steps}
        return {"epsilon": self.epsilon, **sides, "grad": self.grad}

    def value(self, plan: Plan, *, labels: object = None, target: object = None, data: object = None) -> Tensor:
        """``D(T | P)``, differentiable in whatever the plan depends on."""
        if plan.warm and self.divergence.sees_potentials:
            name = self.divergence.demanding("sees_potentials")
            raise ValueError(f"{name} sees the potentials: its plan must start at 0, without init")
        wanted, like = self._wanted(target), plan.like
        if isinstance(wanted, Pairs):
            goal: Goal = wanted.goal(like, layout=self.layout)
        else:
            goal = Painted(self.fitted(like, labels=labels, target=target).matrix)
        return self.divergence(goal, plan, offset=cost_named(self.cost).offset, data=data)

    def target_of(self, plan: Plan, *, labels: object = None, target: object = None) -> Matrix:
        """T in the shape of a plan, as it is judged: projected if that is what ``infeasible`` asks for."""
        return self.fitted(plan.like, labels=labels, target=target).matrix

    def fitted(self, like: Tensor, *, labels: object = None, target: object = None) -> Fitted:
        """T, the masses that go with it, and in words what was done where it breaks the usual ones."""
        record = self._wanted(target)
        matrix = record.matrix(like, layout=self.layout, labels=labels)
        if isinstance(record, Pairs):
            return Fitted(matrix, None, None, "")
        if self.divergence.pairs_only:
            raise ValueError(pairs_only(self.divergence))
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
        prices = {side: knobs[f"rho_{side}"] for side in ("rows", "cols") if f"rho_{side}" in knobs}
        twice = [side for side in prices if side in fields]
        if twice:
            raise ValueError(f"{twice[0]} and rho_{twice[0]} are one knob: give one of them")
        fields |= {side: as_price(price, side) for side, price in prices.items()}
        base = dataclasses.replace(self, **fields)
        rest = {name: value for name, value in knobs.items() if name not in (*_FIELDS, "rho_rows", "rho_cols")}
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
        knobs |= {side: side_to_json(knobs[side]) for side in ("rows", "cols")}
        return knobs | {name: knobs[name].to_json() for name in ("target", "divergence")}

    @classmethod
    def from_dict(cls, knobs: dict[str, Any]) -> Alignment:
        """The record that ``to_dict`` wrote. Raises: ValueError for a knob nobody knows, with near names."""
        if not isinstance(knobs, dict):
            raise TypeError(f"an Alignment is read from a dict of knobs, got {type(knobs).__name__}")
        unknown = [name for name in knobs if name not in _FIELDS]
        if unknown:
            raise ValueError(near(unknown[0], _FIELDS, what="knob"))
        sides: dict[str, Any] = {side: side_from_json(knobs[side], side) for side in ("rows", "cols") if side in knobs}
        return cls(**(knobs | sides))

    def _one_way(self, cost: LazyCost | Cost, given: dict[str, Any], way: str) -> Tensor:
        """D of the plan of one direction."""
        given = dict(given) if way == "rows" else self._turned(cost, given)
        judged = {name: given.pop(name, None) for name in ("labels", "target", "data")}
        options = {name: judged[name] for name in ("labels", "target")}
        plan = self.plan_of(cost if way == "rows" else cost.mT, **options, **given)
        return self.value(plan, **judged)

    def _turned(self, cost: LazyCost | Cost, given: dict[str, Any]) -> dict[str, Any]:
        """What was given, as the plan of the second view to the first needs it."""
        turned = {_OTHER_SIDE.get(name, name): value for name, value in given.items()}
        if isinstance(given.get("init"), Plan):
            given = given | {"init": (given["init"].f, given["init"].g)}
        target = self._wanted(given.get("target"))
        if not isinstance(target, Pairs):
            turned["target"] = Given(target.matrix(_like(cost), layout=self.layout, labels=given.get("labels")).mT)
        if given.get("forbidden") is not None:
            turned["forbidden"] = torch.as_tensor(given["forbidden"]).mT
        return turned | {
            name: given[name][::-1] for name in ("data", "init") if isinstance(given.get(name), tuple | list)
        }

    def _wanted(self, target: object) -> Target:
        """The record's own target, or what was given in its place."""
        return self.target if target is None else as_target(target)

    def _set(self, **fields: Any) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)


_FIELDS = tuple(field.name for field in dataclasses.fields(Alignment))
_OTHER_SIDE = {"a": "b", "b": "a"}


def _like(cost: LazyCost | Tensor) -> Tensor:
    """Something of the plan's shape and type; the numbers do not matter."""
    if isinstance(cost, LazyCost):
        return cost.z.new_zeros(()).expand(cost.shape)
    return as_float_tensor(cost, name="cost").detach()


def _stacked(z: object, w: object) -> Tensor:
    """Two views as one batch. Raises: ValueError where row i of one has no partner in the other."""
    z, w = as_float_tensor(z, name="z"), as_float_tensor(w, name="w")
    if z.shape != w.shape:
        raise ValueError(f"views that are stacked must have one shape, got z {tuple(z.shape)} and w {tuple(w.shape)}")
    return torch.cat([z, w], -2)


def _times(weight: float, value: Tensor) -> Tensor:
    return value if weight == 1 else weight * value


def _in_full_precision(z: object) -> AbstractContextManager[object]:
    """Outside of autocast, on the device of ``z``."""
    kind = z.device.type if isinstance(z, Tensor) else "cpu"
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
