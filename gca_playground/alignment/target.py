"""T: which matching do we want?

Matrices, one function each (``pairs``, ``smoothed``, ``classes``, ``domains``), and the same as records that an
``Alignment`` carries: a record makes its matrix for the layout and the labels it is given. A target whose sums are not
the masses of an exact or soft side cannot be reached; ``fit`` decides what is done about it, and says so.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gca_playground._boundary import as_count, as_float_tensor, is_number, near
from gca_playground._shapes import Matrix
from gca_playground.alignment.goal import Pairing
from gca_playground.alignment.labels import as_labels, same_label
from gca_playground.transport import Plan

LAYOUTS = ("two_views", "stacked")
"""How pairs lie: two views (n, d) + (n, d), or one batch (2n, d) whose rows i and i + n belong together."""


def pairs(n: int, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None) -> Tensor:
    """Row i belongs to column i: the identity (n, n), of mass n."""
    return torch.eye(as_count(n, name="n", least=1), dtype=dtype, device=device)


def stacked_pairs(n: int, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None) -> Tensor:
    """Row i of a stacked batch belongs to row i + n and the other way round: (2n, 2n), of mass 2n."""
    return pairs(2 * as_count(n, name="n", least=1), dtype=dtype, device=device).roll(n, 0)


def smoothed(n: int, s: float, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Label smoothing: ``(1 - s) I + s / n``, (n, n), s in [0, 1]."""
    _check_share(s, "smoothing s")
    return (1 - s) * pairs(n, dtype=dtype) + s / n


def classes(labels: object, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Each row shared equally among its class: ``Y (Y'Y)^-1 Y'`` (n, n), for one label a row."""
    return _shared(same_label(labels).to(dtype))


def domains(
    domains: object, *, alpha: float, beta: float, scaled: bool = False, dtype: torch.dtype = torch.float32
) -> Tensor:
    """``I + alpha [same domain, i != j] + beta [other domain]`` (n, n), for one domain a row.

    With ``scaled`` alpha and beta are the mass that a row shares equally among the others of its domain, and among all
    of the other domains, so that they mean the same for blocks of any size. Raises: ValueError for a negative weight.
    """
    for name, weight in (("alpha", alpha), ("beta", beta)):
        if not is_number(weight) or not 0 <= weight < float("inf"):
            raise ValueError(f"{name} must be >= 0 and finite, got {weight!r}: a target holds no negative mass")
    given = as_labels(domains)
    own = torch.eye(len(given), dtype=dtype, device=given.device)
    return _with_blocks(own, own.bool(), given, alpha, beta, scaled)


@dataclass(frozen=True)
class Target:
    """What an ``Alignment`` knows of its target: a name and its knobs, no data."""

    name: ClassVar[str]
    needs_labels: ClassVar[bool] = False

    def matrix(self, like: Tensor, *, layout: str, labels: object = None) -> Matrix:
        """T (n, m) in the shape, type and device of a plan. Raises: ValueError where it is not defined."""
        raise NotImplementedError

    def to_json(self) -> Any:
        """The name, with the knobs where there are any."""
        knobs = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {"name": self.name, **knobs} if knobs else self.name


@dataclass(frozen=True)
class Pairs(Target):
    """Row i belongs to column i; in a stacked batch to row i + n."""

    name = "pairs"

    def matrix(self, like: Tensor, *, layout: str, labels: object = None) -> Matrix:
        """The identity, or the swapped pairs."""
        return self.goal(like, layout=layout).matrix

    def goal(self, like: Tensor, *, layout: str) -> Pairing:
        """The same without a matrix: to each row its column."""
        n = _as_many(like, self.name)
        return Pairing(0 if layout == "two_views" else n // 2, like)


@dataclass(frozen=True)
class Smoothed(Target):
    """Pairs with a share ``smoothing`` of each row spread equally over all that are allowed."""

    smoothing: float = 0.1
    name = "smoothed"

    def __post_init__(self) -> None:
        """Check the share."""
        _check_share(self.smoothing, "smoothing")

    def matrix(self, like: Tensor, *, layout: str, labels: object = None) -> Matrix:
        """``(1 - s) pairs + s / count``."""
        own = Pairs().matrix(like, layout=layout)
        spread = torch.ones_like(own) if layout == "two_views" else 1 - torch.eye(len(own)).to(own)
        return (1 - self.smoothing) * own + self.smoothing * spread / spread.sum(-1, keepdim=True)


@dataclass(frozen=True)
class Classes(Target):
    """Each row shared equally among its class, itself excepted where it is forbidden: supervised contrast."""

    name = "classes"
    needs_labels = True

    def matrix(self, like: Tensor, *, layout: str, labels: object = None) -> Matrix:
        """From one label a row."""
        same = same_label(_for_rows(labels, like, layout, self.name)).to(like)
        if layout == "stacked":
            same = same - torch.eye(len(same)).to(same)
        return _shared(same)


@dataclass(frozen=True)
class Domains(Target):
    """Pairs, ``alpha`` for the others of a row's domain, ``beta`` for those of other domains; see ``domains``."""

    alpha: float = 0.0
    beta: float = 0.0
    scaled: bool = False
    name = "domains"
    needs_labels = True

    def __post_init__(self) -> None:
        """Check the weights."""
        domains([0], alpha=self.alpha, beta=self.beta)
        if not isinstance(self.scaled, bool):
            raise TypeError(f"scaled must be True or False, got {self.scaled!r}")

    def matrix(self, like: Tensor, *, layout: str, labels: object = None) -> Matrix:
        """From one domain a row."""
        own = Pairs().matrix(like, layout=layout)
        taken = own.bool() if layout == "two_views" else own.bool() | torch.eye(len(own), device=own.device).bool()
        given = _for_rows(labels, like, layout, self.name)
        return _with_blocks(own, taken, given, self.alpha, self.beta, self.scaled)


@dataclass(frozen=True, eq=False)
class Given(Target):
    """A matrix (n, m) that someone made: painted by hand, or the plan of other views. It passes no gradient on."""

    values: Tensor
    name = "given"

    def __post_init__(self) -> None:
        """Check that it is a matrix of masses."""
        values = as_masses(self.values).detach()
        # In double precision, where the device has it, so that a file gives the same entries back.
        values = values if values.device.type == "mps" else values.double()
        if values.ndim < 2 or 0 in values.shape:
            raise ValueError(f"a target must be a matrix (n, m), got shape {tuple(values.shape)}")
        bad = ~torch.isfinite(values) | (values < 0)
        if bad.any():
            raise ValueError(f"a target must be finite and >= 0, got {values[bad][0].item():g} ({int(bad.sum())} such)")
        if not values.sum() > 0:
            raise ValueError(f"a target must hold some mass, got none in shape {tuple(values.shape)}")
        object.__setattr__(self, "values", values)

    def matrix(self, like: Tensor, *, layout: str, labels: object = None) -> Matrix:
        """The matrix itself."""
        if self.values.shape[-2:] != like.shape[-2:]:
            raise ValueError(
                f"the target must have the plan's shape {tuple(like.shape[-2:])}, got {tuple(self.values.shape)}"
            )
        own = self.values.diagonal(dim1=-2, dim2=-1) if layout == "stacked" else self.values.new_zeros(1)
        if own.any():
            raise ValueError(
                f"in a stacked batch nothing is paired with itself: the target's diagonal must be 0, got {own.max():g}"
            )
        return self.values.to(like)

    def to_json(self) -> Any:
        """The entries as lists."""
        return {"name": self.name, "values": self.values.tolist()}

    def __eq__(self, other: object) -> bool:
        """The same entries."""
        return isinstance(other, Given) and torch.equal(self.values, other.values)

    def __hash__(self) -> int:
        """Of the shape and the mass."""
        return hash((tuple(self.values.shape), float(self.values.sum())))


TARGETS: dict[str, type[Target]] = {kind.name: kind for kind in (Pairs, Smoothed, Classes, Domains, Given)}
"""The targets that ``Alignment(target=...)`` knows by name."""


def as_target(value: object) -> Target:
    """A target from what a user may write: a record, a name, a dict with the name and knobs, a matrix or a plan.

    Raises: ValueError with near names, TypeError for what is none of these.
    """
    if isinstance(value, Target):
        return value
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, dict):
        return Given(as_masses(value.matrix if isinstance(value, Plan) else value))
    knobs = dict(value)
    name = knobs.pop("name", None)
    if not isinstance(name, str) or name not in TARGETS:
        raise ValueError(near(name, TARGETS, what="target"))
    kind = TARGETS[name]
    known = [field.name for field in dataclasses.fields(kind)]
    unknown = [knob for knob in knobs if knob not in known]
    if unknown:
        raise ValueError(near(unknown[0], known, what=f"knob of the target {name!r}"))
    if kind is Given and "values" not in knobs:
        raise ValueError("a target 'given' needs its values: pass the matrix itself as target")
    if kind is Given:
        return Given(as_masses(knobs["values"]))
    return kind(**knobs)


def _as_many(like: Tensor, name: str) -> int:
    n, m = like.shape[-2:]
    if n != m:
        raise ValueError(f"the target {name!r} needs as many rows as columns, got n = {n} and m = {m}")
    return n


def _for_rows(labels: object, like: Tensor, layout: str, name: str) -> Tensor:
    """One label a row of the plan; a stacked batch repeats those of its views."""
    if labels is None:
        raise ValueError(f"the target {name!r} needs labels, one a row: pass labels=")
    count = _as_many(like, name)
    given = as_labels(labels)
    if layout == "stacked" and len(given) == count // 2:
        given = torch.cat([given, given])
    if len(given) != count:
        raise ValueError(f"labels must be one a row, {count}, got {len(given)}")
    return given.to(like.device)


def _with_blocks(own: Matrix, taken: Tensor, labels: Tensor, alpha: float, beta: float, scaled: bool) -> Matrix:
    """``own`` + alpha [same domain] + beta [other domain] where nothing is ``taken``; scaled: shared in each row."""
    same = same_label(labels)
    blocks = [(same & ~taken).to(own), (~same & ~taken).to(own)]
    if scaled:
        blocks = [block / block.sum(-1, keepdim=True).clamp(min=1) for block in blocks]
    return own + alpha * blocks[0] + beta * blocks[1]


def _shared(same: Matrix) -> Matrix:
    """Each row of mass 1. Raises: ValueError for a row with nobody to share with."""
    sums = same.sum(-1, keepdim=True)
    if (sums == 0).any():
        alone = int((sums == 0).flatten().nonzero()[0])
        raise ValueError(f"every row needs another of its class, got none for row {alone}: both views have one label")
    return same / sums


def as_masses(value: object) -> Tensor:
    """The entries of a target as a tensor; lists keep all their digits."""
    if isinstance(value, list | tuple):
        try:
            return torch.tensor(value, dtype=torch.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"target must be a matrix of numbers, got {value!r:.60}") from error
    return (
        value if isinstance(value, Tensor) and value.dtype == torch.float64 else as_float_tensor(value, name="target")
    )


def _check_share(share: object, name: str) -> None:
    if not is_number(share) or not 0 <= share <= 1:  # type: ignore[operator]
        raise ValueError(f"{name} must be in [0, 1], got {share!r}")
