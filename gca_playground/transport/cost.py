"""Embeddings -> cost.

Three costs, each as a matrix (``cosine_cost(z, w)``) and as a lazy record (``CosineCost(z, w)``) that can give
any block of rows, so that a solver need not hold all of them:

    cosine               1 - <z, w> / (|z| |w|)       in [0, 2]; similarities are never clamped
    squared Euclidean    |z - w|^2 / 2                equal to the cosine cost on unit vectors
    dot                  - <z, w>

A zero vector has no direction: its cosine with everything is defined as 0 (cost 1), with gradient 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gca_playground._boundary import as_float_tensor, near
from gca_playground._shapes import Cost, Embeddings, OtherEmbeddings

_SHORT, _LONG = 1e-12, 1e12
"""Rows of lengths in between can be squared in single precision."""


def cosine_cost(z: object, w: object) -> Tensor:
    """``1 - cos(z_i, w_j)``.

    Given: ``z`` (..., n, d), ``w`` (..., m, d), tensors or arrays. Returns (..., n, m), in [0, 2].
    """
    return CosineCost(z, w).matrix()


def squared_euclidean_cost(z: object, w: object) -> Tensor:
    """``|z_i - w_j|^2 / 2``, note the half.

    Given: ``z`` (..., n, d), ``w`` (..., m, d), tensors or arrays. Returns (..., n, m), >= 0 up to rounding.
    """
    return SquaredEuclideanCost(z, w).matrix()


def dot_cost(z: object, w: object) -> Tensor:
    """``- <z_i, w_j>``.

    Given: ``z`` (..., n, d), ``w`` (..., m, d), tensors or arrays. Returns (..., n, m).
    """
    return DotCost(z, w).matrix()


@dataclass(frozen=True, eq=False, init=False)
class LazyCost:
    """A cost that knows its embeddings and yields blocks of rows.

    Given: ``z`` (..., n, d) and ``w`` (..., m, d), finite, of one dimension d; tensors or arrays.
    Raises: TypeError for what is no tensor or array; ValueError that names the shapes or the value.
    """

    z: Tensor
    w: Tensor
    moderate: bool
    """Whether the squares of all rows stay in their type."""
    known: tuple[Tensor, Tensor, float] | None
    """The factors, where they are shared."""
    name: ClassVar[str]
    offset: ClassVar[float] = 0.0
    """The score (similarity) of a pair is ``offset - C``."""
    least: ClassVar[float | None] = 0.0
    """A bound below all costs of the kind; None where there is none."""

    def __init__(self, z: object, w: object) -> None:
        z, w = as_float_tensor(z, name="z"), as_float_tensor(w, name="w")
        _check_shapes(z, w)
        if z.dtype != w.dtype:
            z, w = z.double(), w.double()  # one of the two is
        moderate = _are_moderate(z, w)
        if not moderate:
            _check_finite(z, w)
        self._set(z, w, moderate, None)

    def _set(self, *fields: object) -> LazyCost:
        for name, value in zip(("z", "w", "moderate", "known"), fields, strict=True):
            object.__setattr__(self, name, value)
        return self

    @property
    def shape(self) -> torch.Size:
        """(..., n, m)."""
        plain = self.z.ndim == self.w.ndim == 2
        batch = () if plain else torch.broadcast_shapes(self.z.shape[:-2], self.w.shape[:-2])
        return torch.Size((*batch, self.z.shape[-2], self.w.shape[-2]))

    def rows(self, start: int, stop: int) -> Tensor:
        """The block of rows ``start .. stop - 1``, (..., stop - start, m)."""
        return self._between(self.z[..., start:stop, :], self.w)

    def matrix(self) -> Tensor:
        """All rows, (..., n, m)."""
        return self._between(self.z, self.w)

    @property
    def mT(self) -> LazyCost:
        """The transposed cost: the second view to the first."""
        known = self.known and (self.known[1], self.known[0], self.known[2])
        return object.__new__(type(self))._set(self.w, self.z, self.moderate, known)

    def shared(self) -> LazyCost:
        """The same with its factors made once, for several plans of which one gradient is taken."""
        return object.__new__(type(self))._set(self.z, self.w, self.moderate, self.factors())

    def factors(self) -> tuple[Tensor, Tensor, float]:
        """p (..., n, k), q (..., m, k) and a constant with ``C = constant - p q'``."""
        return self.known or self._factors()

    def _factors(self) -> tuple[Tensor, Tensor, float]:
        raise NotImplementedError

    def __repr__(self) -> str:
        """The name, the shape and the type."""
        return f"{type(self).__name__}(shape={tuple(self.shape)}, dtype={self.z.dtype})"

    @staticmethod
    def _between(z: Embeddings, w: OtherEmbeddings) -> Cost:
        raise NotImplementedError


class CosineCost(LazyCost):
    """``1 - cos(z_i, w_j)``, lazily."""

    name = "cosine"
    offset = 1.0

    @staticmethod
    def _between(z: Embeddings, w: OtherEmbeddings) -> Cost:
        p, q = _directions(z, w)
        return 1 - p @ q.mT

    def _factors(self) -> tuple[Tensor, Tensor, float]:
        """The directions, and 1."""
        return *_directions(self.z, self.w, moderate=self.moderate), 1.0


class SquaredEuclideanCost(LazyCost):
    """``|z_i - w_j|^2 / 2``, lazily."""

    name = "squared_euclidean"
    offset = 1.0

    @staticmethod
    def _between(z: Embeddings, w: OtherEmbeddings) -> Cost:
        z, w = _centred(z, w)
        halves = (z.square().sum(-1)[..., :, None] + w.square().sum(-1)[..., None, :]) / 2
        return halves - z @ w.mT

    def _factors(self) -> tuple[Tensor, Tensor, float]:
        """The points with two more coordinates, which bring the squares in."""
        z, w = _centred(self.z, self.w)
        one_z, one_w = torch.ones_like(z[..., :1]), torch.ones_like(w[..., :1])
        half_z, half_w = (x.square().sum(-1, keepdim=True) / 2 for x in (z, w))
        return torch.cat([z, -half_z, one_z], -1), torch.cat([w, one_w, -half_w], -1), 0.0


class DotCost(LazyCost):
    """``- <z_i, w_j>``, lazily."""

    name = "dot"
    least = None

    @staticmethod
    def _between(z: Embeddings, w: OtherEmbeddings) -> Cost:
        return -(z @ w.mT)

    def _factors(self) -> tuple[Tensor, Tensor, float]:
        """The points themselves."""
        return self.z, self.w, 0.0


COSTS: dict[str, type[LazyCost]] = {cost.name: cost for cost in (CosineCost, SquaredEuclideanCost, DotCost)}
"""The costs by name, as ``Alignment(cost=...)`` knows them."""


def cost_named(name: object) -> type[LazyCost]:
    """The lazy cost of that name. Raises: ValueError with near names."""
    if not isinstance(name, str) or name not in COSTS:
        raise ValueError(near(name, COSTS, what="cost"))
    return COSTS[name]


def _centred(z: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """The cost does not see a common shift; taking it out keeps the digits that the products would lose."""
    shift = w.detach().mean(dim=-2, keepdim=True)
    return z - shift, w - shift


def _directions(z: Tensor, w: Tensor, *, moderate: bool = False) -> tuple[Tensor, Tensor]:
    if z is w:
        (unit,) = Directions.apply(moderate, z)
        return unit, unit
    return Directions.apply(moderate, z, w)


class Directions(torch.autograd.Function):
    """``x / |x|`` row by row, 0 for 0, whose length is taken for infinite. Keeps the directions and the lengths."""

    @staticmethod
    def forward(ctx, moderate: bool, *views: Tensor) -> tuple[Tensor, ...]:  # type: ignore[no-untyped-def]
        """The directions of each view."""
        units, lengths = zip(*((_direction if moderate else _careful_direction)(x) for x in views), strict=True)
        ctx.save_for_backward(*units, *views)
        ctx.lengths = lengths
        return units

    @staticmethod
    def backward(ctx, *bars: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]
        """``(bar - unit <unit, bar>) / |x|``, 0 for 0."""
        kept, lengths = ctx.saved_tensors, ctx.lengths
        units, views = kept[: len(bars)], kept[len(bars) :]
        if torch.is_grad_enabled():  # a second derivative: the lengths depend on the views as well
            lengths = [
                torch.where(x.isfinite(), (x0 * u).sum(-1, keepdim=True), x)
                for x, x0, u in zip(lengths, views, units, strict=True)
            ]
        return None, *(_across(*each) for each in zip(bars, units, lengths, strict=True))


def _direction(x: Tensor) -> tuple[Tensor, Tensor]:
    """The directions of the rows and their lengths (..., n, 1)."""
    length = torch.threshold_(torch.linalg.vector_norm(x, dim=-1, keepdim=True), 0.0, torch.inf)
    return x / length, length


def _careful_direction(x: Tensor) -> tuple[Tensor, Tensor]:
    """A direction has no size: scaled first, no square overflows or underflows."""
    largest = torch.threshold_(x.abs().amax(-1, keepdim=True), 0.0, torch.inf)
    unit = x / largest
    norm = torch.linalg.vector_norm(unit, dim=-1, keepdim=True).clamp_(min=1.0)
    return unit.div_(norm), largest.mul_(norm)


def _across(bar: Tensor, unit: Tensor, length: Tensor) -> Tensor:
    along = (unit * bar).sum(-1, keepdim=True)
    return torch.addcmul(bar, unit, along, value=-1).div_(length)


def _are_moderate(*views: Tensor) -> bool:
    """Whether all rows have moderate lengths, and so are finite too: one quick passage, and one look."""
    lengths = [torch.linalg.vector_norm(x.detach(), dim=-1) for x in views]
    ends = torch.stack([end for of_view in lengths for end in of_view.aminmax()]).tolist()
    return all(_SHORT < end < _LONG for end in ends)


def _check_finite(z: Tensor, w: Tensor) -> None:
    for name, x in (("z", z), ("w", w)):
        if not torch.isfinite(x).all():
            raise ValueError(f"{name} must be finite, got {int((~torch.isfinite(x)).sum())} NaN or inf entries")


def _check_shapes(z: Tensor, w: Tensor) -> None:
    shapes = f"got z {tuple(z.shape)} and w {tuple(w.shape)}"
    if z.ndim < 2 or w.ndim < 2:
        raise ValueError(f"embeddings must be of shape (..., n, d) and (..., m, d), {shapes}")
    if z.shape[-1] != w.shape[-1]:
        raise ValueError(f"z and w must have the same dimension d, {shapes}")
    if 0 in z.shape or 0 in w.shape:
        raise ValueError(f"embeddings must not be empty, {shapes}")
    batches = zip(reversed(z.shape[:-2]), reversed(w.shape[:-2]), strict=False)
    if any(first != second and 1 not in (first, second) for first, second in batches):
        raise ValueError(f"z and w must have batch dimensions that fit each other, {shapes}")
