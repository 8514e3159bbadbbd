"""Data by name: ``load("moons", n=256)``; a table says what there is, ``from_arrays`` takes your own."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gca_playground._boundary import as_count
from gca_playground.learning import curves, toys
from gca_playground.learning.digits import digits
from gca_playground.learning.drifters import drifter_pairs
from gca_playground.learning.faults import with_faults
from gca_playground.learning.files import cifar10, mnist
from gca_playground.learning.laws import generator, known, real
from gca_playground.learning.modalities import digit_pairs
from gca_playground.learning.pairs import Pairs, Source, from_arrays, pair_up

__all__ = [
    "TABLE",
    "Dataset",
    "Pairs",
    "as_pairs",
    "cifar10",
    "digit_pairs",
    "drifter_pairs",
    "from_arrays",
    "load",
    "mnist",
    "names",
]


@dataclass(frozen=True)
class Dataset:
    """A row of the table: how to make the points, what to look for, default size (None: all) and view
    noise.
    """

    make: Callable[..., Source]
    description: str
    n: int | None = 256
    noise: float = 0.1

    @property
    def options(self) -> dict[str, object]:
        """The maker's own options and their defaults, read off its signature."""
        parameters = inspect.signature(self.make).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


TABLE = {
    "moons": Dataset(toys.moons, "two interleaved half circles: near in the plane, apart along the curve"),
    "circles": Dataset(curves.circles, "circles inside each other: near in the plane, apart along the curve"),
    "spirals": Dataset(curves.spirals, "interleaved spiral arms: no line parts them", noise=0.05),
    "blobs": Dataset(toys.blobs, "classes as blobs on a circle; classes of unequal size, domains as rings"),
    "gaussian": Dataset(toys.gaussian, "linear-Gaussian pairs with given canonical correlations", noise=1.0),
    "hubs": Dataset(toys.hubs, "a few second views are close to every point: popular columns"),
    "outliers": Dataset(toys.outliers, "a few points far from everyone, and from their own partners"),
    "domains": Dataset(toys.domains, "every class seen in every domain: which of the two should stay together?"),
    "digits": Dataset(digits, "8 x 8 handwritten digits, two augmented images each", n=None, noise=1.0),
}


def names() -> tuple[str, ...]:
    """The names ``load`` knows."""
    return tuple(TABLE)


def load(
    name: str,
    *,
    n: int | None = None,
    noise: float | None = None,
    mismatched: float = 0.0,
    swapped: float = 0.0,
    missing: float = 0.0,
    strays: float = 0.0,
    seed: int = 0,
    **options: object,
) -> Pairs:
    """The data set ``name`` as ``Pairs``.

    Given:
        n: number of points. None: 256, and for digits all there are (1797, or those of the split).
        noise: strength of the augmentation, >= 0; at 0 a view shows the point itself. In gaussian and digits a
            multiple of the normal strength (None: 1), elsewhere the standard deviation of the jitter (None: 0.1,
            in spirals 0.05).
        mismatched: share of pairs with a wrong second view, in [0, 1]: exactly round(mismatched * n) pairs. They
            belong to the data set: fresh views of a wrong pair stay views of the same wrong pair.
        swapped, missing, strays: chance of a second view to be that of any point, to be blank (the mean point), or
            to come from nowhere (a normal law three times as wide as the data). These are drawn anew with each view:
            swapped views are false positives that nobody can learn by heart.
        seed: decides everything, to the bit. Points, wrong pairs and views are drawn from separate streams,
            so that changing one knob leaves the rest as it was.
        options: those of the maker, see ``TABLE[name].options``.

    Raises: ValueError for a name or option that does not exist (it offers the nearest), TypeError or
    ValueError for a value that breaks a law.
    """
    row = TABLE[known("data set", name, TABLE)]
    for option in options:
        known(f"{name} option", option, row.options)
    size = row.n if n is None else as_count(n, name="n", least=1)
    strength = row.noise if noise is None else real("noise", noise)
    source = row.make(size, strength, generator(seed, "points"), **options)
    recipe: dict[str, Any] = {"name": name, "n": size, "noise": strength, "mismatched": mismatched, **options}
    faults = {"swapped": swapped, "missing": missing, "strays": strays}
    recipe |= faults | {"seed": seed}
    return pair_up(name, with_faults(source, **faults), mismatched=mismatched, seed=seed, recipe=recipe)


def as_pairs(data: object, **knobs: object) -> Pairs:
    """A name (with ``load``'s knobs) or ``Pairs`` (which take none) as ``Pairs``; TypeError for anything
    else.
    """
    if isinstance(data, str):
        return load(data, **knobs)  # type: ignore[arg-type]  # load checks each knob
    if not isinstance(data, Pairs):
        made = "; gca.datasets.from_arrays makes Pairs of arrays" if hasattr(data, "__len__") else ""
        raise TypeError(f"data must be a data set's name or Pairs, got {type(data).__name__}{made}")
    if knobs:
        raise ValueError(f"{', '.join(knobs)}: knobs of a named data set, but the data are given as {data!r}")
    return data
