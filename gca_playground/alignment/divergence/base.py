"""What a divergence is: a record of parameters, called on a target and a plan; and the sum of some."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gca_playground._boundary import is_number
from gca_playground._shapes import Matrix
from gca_playground.alignment.goal import Goal
from gca_playground.transport import Plan

_MOST_EXPONENT = {torch.float32: 80.0, torch.float64: 600.0}
"""Above this an exponential, or its slope, leaves its type."""


@dataclass(frozen=True)
class Divergence:
    """D(T | P) of one kind, and the parameters it has.

    ``pairs_only``: T must be pairs. ``sees_potentials``: the value depends on g itself, not only on the plan.
    """

    name: ClassVar[str]
    pairs_only: ClassVar[bool] = False
    sees_potentials: ClassVar[bool] = False

    def __call__(self, target: Goal | Matrix, plan: Plan, *, offset: float = 1.0, data: Any = None) -> Tensor:
        """The value (...).

        Given: ``target`` (..., n, m) >= 0; ``offset``: the score of a pair is ``offset - C`` (1 for the cosine cost, 0
        for the dot cost); ``data``: the data (x, y) behind the rows and columns, for the divergence that asks for them.
        """
        raise NotImplementedError

    def terms(self) -> Iterator[tuple[float, Divergence]]:
        """The weighted parts of a sum; of anything else itself, with weight 1."""
        yield 1.0, self

    def demanding(self, what: str) -> str:
        """The names of the terms that count and are ``pairs_only`` or ``sees_potentials``, for an error."""
        return " and ".join(term.name for weight, term in self.terms() if weight > 0 and getattr(term, what))

    def __add__(self, other: Divergence) -> Divergence:
        """The sum of two divergences."""
        if not isinstance(other, Divergence):
            return NotImplemented
        return Sum((*self.terms(), *other.terms()))

    def __mul__(self, weight: float) -> Divergence:
        """A multiple of a divergence."""
        if not is_number(weight):
            return NotImplemented
        return Sum(tuple((weight * own, term) for own, term in self.terms()))

    __rmul__ = __mul__

    def knobs(self) -> dict[str, Any]:
        """The parameters by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def change(self, **knobs: Any) -> Divergence:
        """The same with some parameters changed."""
        return dataclasses.replace(self, **knobs)

    def to_json(self) -> Any:
        """The name, with the parameters that are not the first ones."""
        first = {field.name: field.default for field in dataclasses.fields(self)}
        own = {name: value for name, value in self.knobs().items() if value != first[name]}
        return {"name": self.name, **own} if own else self.name


@dataclass(frozen=True)
class Sum(Divergence):
    """A weighted sum. Its parameters are those of its terms, and one weight a term: ``kl_weight``, ``rince_weight``."""

    parts: tuple[tuple[float, Divergence], ...]
    name = "sum"

    def __post_init__(self) -> None:
        """Check the weights, and that no two terms are of one kind."""
        names = [term.name for _, term in self.parts]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"a sum needs terms of different kinds, got {names}")
        for weight, term in self.parts:
            if not is_number(weight) or not 0 <= weight < math.inf:
                raise ValueError(f"{term.name}_weight must be >= 0 and finite, got {weight!r}")

    @property
    def pairs_only(self) -> bool:  # type: ignore[override]
        """Whether a term that counts is for pairs only."""
        return bool(self.demanding("pairs_only"))

    @property
    def sees_potentials(self) -> bool:  # type: ignore[override]
        """Whether a term that counts depends on g itself."""
        return bool(self.demanding("sees_potentials"))

    def __call__(self, target: Goal | Matrix, plan: Plan, *, offset: float = 1.0, data: Any = None) -> Tensor:
        """The weighted sum of the values; a term of weight 0 is not evaluated."""
        values = [weight * term(target, plan, offset=offset, data=data) for weight, term in self.parts if weight > 0]
        return sum(values[1:], values[0]) if values else plan.log_u.sum(-1).to(plan.problem.dtype) * 0

    def terms(self) -> Iterator[tuple[float, Divergence]]:
        """Weights and terms."""
        yield from self.parts

    def knobs(self) -> dict[str, Any]:
        """Each term's weight and parameters, under one roof."""
        found: dict[str, Any] = {}
        for weight, term in self.parts:
            found |= {f"{term.name}_weight": weight, **term.knobs()}
        return found

    def change(self, **knobs: Any) -> Divergence:
        """The same with some weights and parameters changed."""
        parts = []
        for weight, term in self.parts:
            own = {name: knobs[name] for name in term.knobs() if name in knobs}
            parts.append((knobs.get(f"{term.name}_weight", weight), term.change(**own)))
        return Sum(tuple(parts))

    def to_json(self) -> Any:
        """A list of the terms with their weights."""
        return [{"weight": weight, "name": term.name, **term.knobs()} for weight, term in self.parts]


def log_ratio(goal: Goal, plan: Plan) -> Tensor:
    """For pairs: ``log(K_ii v_i)`` of each row and its partner (..., n), K = exp(-C / epsilon)."""
    own = plan.partner_cost(goal.partner).to(plan.problem.wide) / plan.temperature
    return plan.log_v.gather(-1, goal.partner.expand(plan.log_v.shape)) - own


def mass_of(plan: Plan) -> Tensor:
    """``sum P`` (...), differentiable, in the precision of the potentials. Raises: ValueError where it is too large."""
    log_rows = plan.log_u + plan.log_kernel_sums
    check_exponent(log_rows, plan, "the mass of the plan", "make a side exact")
    return log_rows.exp().sum(-1)


def matrix_of(plan: Plan, *, power: int = 1) -> Matrix:
    """P, where it fits its type. Raises: ValueError where it, or its power, does not.

    Only a plan without a fixed mass can be too large, where costs are negative.
    """
    if plan.fixed_mass is None:
        check_exponent(power * plan.log, plan, "the mass of the plan", "make a side exact")
    return plan.matrix


def check_exponent(exponent: Tensor, plan: Plan, what: str, cure: str) -> None:
    """Raises: ValueError that says which value leaves its type, and what to change."""
    most, limit = exponent.detach().amax().item(), _MOST_EXPONENT[plan.problem.dtype]
    if most > limit:
        kind = str(plan.problem.dtype).removeprefix("torch.")
        raise ValueError(
            f"{what} leaves {kind} at epsilon = {plan.epsilon:g}: its exponent must be <= {limit:g}, "
            f"got {most:.4g}; raise epsilon or {cure}"
        )
