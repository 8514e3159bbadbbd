"""One record for all data: points, two views of each, and which of the pairs are wrong."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Generator, Tensor

from gca_playground._boundary import as_float_tensor
from gca_playground.alignment.labels import as_labels
from gca_playground.learning.laws import finite, generator, real

Augment = Callable[[Tensor, Generator], Tensor]
HINTS = {1: ": one column is x[:, None], labels go in one-hot", 4: ": images go in as rows, x.reshape(n, -1)"}
"""What may be meant by an array of so many dimensions."""


class Source(NamedTuple):
    """A data set before anything random happens to its views; ``augment``: of the first and second views."""

    x: Float32[Tensor, "n d"]
    second: Float32[Tensor, "n e"]
    labels: Int64[Tensor, " n"]
    augment: tuple[Augment, Augment]
    domains: Int64[Tensor, " n"] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Pairs:
    """n points and two views of each; ``views`` draws new ones.

    ``x`` (n, d) is what the first view shows without noise, ``second`` (n, e) what the second view shows;
    they are the same points in most sets. Row i of ``view2`` comes from point ``partner[i]``, which is i
    unless the pair is ``mismatched``. ``labels`` and ``domains`` (None in sets without domains) belong to
    ``x``: the second view of pair i has class ``labels[partner[i]]``. A wrong partner may belong to the
    same class. ``recipe``: the arguments of ``load`` that make this record again; None for one's own arrays.
    """

    name: str
    x: Float32[Tensor, "n d"]
    view1: Float32[Tensor, "n d"]
    view2: Float32[Tensor, "n e"]
    labels: Int64[Tensor, " n"]
    domains: Int64[Tensor, " n"] | None
    mismatched: Bool[Tensor, " n"]
    partner: Int64[Tensor, " n"]
    second: Float32[Tensor, "n e"]
    augment: tuple[Augment, Augment]
    recipe: dict[str, Any] | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        domains = "" if self.domains is None else f", {len(self.domains.unique())} domains"
        dims = f"{self.view1.shape[1]}-d and {self.view2.shape[1]}-d"
        return (
            f"Pairs({self.name!r}: {len(self)} pairs, {dims} views, "
            f"{len(self.labels.unique())} classes{domains}, {int(self.mismatched.sum())} mismatched)"
        )

    def views(self, index: object, generator: Generator) -> tuple[Tensor, Tensor]:
        """Fresh augmented views of some points.

        Given: ``index``, whole numbers (b,) or a mask (n,); a CPU generator, which moves on.
        Returns: tensors (b, d) and (b, e). A mismatched pair stays mismatched: its second view is a fresh one
        of the same wrong partner.
        Raises: TypeError for what is no generator.
        """
        if not isinstance(generator, Generator):
            raise TypeError(f"generator must be a torch.Generator, got {type(generator).__name__}")
        rows = torch.as_tensor(index)
        first, other = self.augment
        return first(self.x[rows], generator), other(self.second[self.partner[rows]], generator)


def pair_up(name: str, source: Source, *, mismatched: float, seed: int, recipe: dict[str, Any] | None = None) -> Pairs:
    """Choose the wrong pairs, draw the first views: a ``Source`` becomes ``Pairs``."""
    n = len(source.x)
    partner = partners(n, mismatched=mismatched, seed=seed)
    still = Pairs(
        name=name,
        view1=source.x,
        view2=source.second[partner],
        mismatched=partner != torch.arange(n),
        partner=partner,
        recipe=recipe,
        **source._asdict(),
    )
    view1, view2 = still.views(torch.arange(n), generator(seed, "views"))
    return replace(still, view1=view1, view2=view2)


def partners(n: int, *, mismatched: float, seed: int) -> Int64[Tensor, " n"]:
    """Whose second view each pair gets: exactly round(mismatched * n) pairs get another point's.

    Two or more wrong pairs pass their second views around in one random cycle, so every second view is
    still used once. A single wrong pair has nobody to swap with: it takes a second copy of some right
    pair's view, which stays right. At a higher rate the pairs that were wrong stay wrong. ValueError
    where one pair is all there is.
    """
    wrong = round(real("mismatched", mismatched, high=1.0) * n)
    partner = torch.arange(n)
    if wrong == 0:
        return partner
    if n == 1:
        raise ValueError(f"mismatched must be 0 when there is a single pair, got {mismatched!r}")
    order = torch.randperm(n, generator=generator(seed, "mismatched"))
    chosen = order[:wrong]
    partner[chosen] = order[1:2] if wrong == 1 else chosen.roll(1)
    return partner


def from_arrays(
    view1: object,
    view2: object = None,
    *,
    labels: object = None,
    domains: object = None,
    augment: object = None,
    name: str = "arrays",
    seed: int = 0,
) -> Pairs:
    """Your own data as ``Pairs``: two arrays of views, or one array and a way to augment it.

    Given:
        view1, view2: (n, d) and (n, e), finite numbers of torch or numpy, kept as float32 copies.
        labels, domains: whole numbers or words (n,); words are numbered as they come. No labels: one class.
        augment: ``augment(points, generator)`` returns new points of the same shape; applied to both sides. What
            it draws from the generator, a CPU ``torch.Generator``, comes back with the seed; other chance does not.
            None: the views are the arrays as given, each time, and ``view2`` is required.
        name: what the record calls itself. seed: of the first draw.

    Raises: TypeError for what is no array, or no such function; ValueError for a wrong shape, for values that are not
    finite, and where nothing tells the views apart.
    """
    change = keep if augment is None else _SameShape(_as_augment(augment))
    if view2 is None and augment is None:
        raise ValueError("give view2, augment or both: otherwise the two views are equal")
    x = as_view(view1, name="view1")
    second = x if view2 is None else as_view(view2, name="view2")
    if len(second) != len(x):
        raise ValueError(f"view1 and view2 must have as many rows, got {len(x)} and {len(second)}")
    class_of = _numbers("labels", [0] * len(x) if labels is None else labels, len(x))
    domain_of = None if domains is None else _numbers("domains", domains, len(x))
    return pair_up(name, Source(x, second, class_of, (change, change), domain_of), mismatched=0.0, seed=seed)


def keep(points: Tensor, generator: Generator) -> Tensor:
    """The augmentation that does nothing."""
    return points


class _SameShape:
    """A user's augmentation, checked at every draw. A class: closures can't be pickled to workers."""

    def __init__(self, augment: Augment) -> None:
        self.augment = augment

    def __call__(self, points: Tensor, generator: Generator) -> Tensor:
        returned = self.augment(points, generator)
        if tuple(getattr(returned, "shape", ())) != tuple(points.shape):
            got = tuple(returned.shape) if hasattr(returned, "shape") else type(returned).__name__
            raise ValueError(f"augment must return an array of shape {tuple(points.shape)}, got {got}")
        drawn = as_float_tensor(returned, name="what augment returns").detach().to(points)
        return finite(drawn, name="what augment returns")


def as_view(value: object, *, name: str) -> Float32[Tensor, "n d"]:
    """A float32 copy on the CPU: the record is frozen, the user's array is not.

    Raises: TypeError for what is no array; ValueError that names the shape, or how many numbers are not finite.
    """
    points = as_float_tensor(value, name=name).detach().cpu()
    if points.ndim != 2 or 0 in points.shape:
        told = HINTS.get(points.ndim, "")
        raise ValueError(f"{name} must have shape (n, d) with n, d >= 1, got {tuple(points.shape)}{told}")
    return finite(points.to(torch.float32, copy=True), name=name)


def _numbers(name: str, value: object, n: int) -> Int64[Tensor, " n"]:
    numbers = np.asarray(value.cpu() if isinstance(value, Tensor) else value)
    is_words = numbers.ndim == 1 and numbers.dtype.kind in "UO" and all(isinstance(one, str) for one in numbers)
    if numbers.shape != (n,) or not (is_words or numbers.dtype.kind in "biu"):
        got = f"{numbers.dtype} of shape {numbers.shape}"
        raise ValueError(f"{name} must be whole numbers or words of shape ({n},), got {got}")
    return as_labels(numbers.tolist()).to(torch.int64)


def _as_augment(augment: object) -> Augment:
    if not callable(augment):
        raise TypeError(f"augment must be a function of points and a generator, got {augment!r}")
    try:
        parameters = inspect.signature(augment)
        parameters.bind(None, None)
    except ValueError:  # some functions written in C do not tell what they take
        return augment
    except TypeError as error:
        raise TypeError(f"augment is called as augment(points, generator), the given one takes {parameters}") from error
    return augment
