"""Second views that fail: those of another point, missing ones, and strays that show nothing of anybody."""

from dataclasses import dataclass

import torch
from jaxtyping import Float32
from torch import Generator, Tensor

from gca_playground.learning.laws import real
from gca_playground.learning.pairs import Augment, Source

STRAY_SPREAD = 3.0
"""Standard deviation of a stray view, in multiples of the data's own, coordinate by coordinate."""


def with_faults(source: Source, *, swapped: float, missing: float, strays: float) -> Source:
    """The source with some of its second views failing, each time anew.

    Given: the chances ``swapped`` (the view is that of any point, whichever), ``missing`` (it is the mean point: a
    blank) and ``strays`` (it is drawn from a normal law three times as wide as the data), together at most 1. At 0 the
    source itself. Raises: ValueError for a chance that is none.
    """
    given = {"swapped": swapped, "missing": missing, "strays": strays}
    chances = {name: real(name, chance, high=1.0) for name, chance in given.items()}
    if sum(chances.values()) > 1:
        told = " + ".join(f"{chance:g}" for chance in chances.values())
        raise ValueError(f"{' + '.join(chances)} must be <= 1, got {told}")
    if not any(chances.values()):
        return source
    first, other = source.augment
    return source._replace(augment=(first, Faulty(other, source.second, **chances)))


@dataclass(frozen=True, eq=False)
class Faulty:
    """An augmentation whose draws fail now and then. A class: closures can't be pickled to workers."""

    augment: Augment
    pool: Float32[Tensor, "n e"]
    swapped: float
    missing: float
    strays: float

    def __call__(self, points: Tensor, generator: Generator) -> Tensor:
        """As many views as points; the random numbers drawn do not depend on the chances."""
        chance = torch.rand(len(points), 1, generator=generator)
        others = self.pool[torch.randint(len(self.pool), (len(points),), generator=generator)]
        wide = STRAY_SPREAD * self.pool.std(dim=0, correction=0)
        stray = self.pool.mean(dim=0) + wide * torch.randn(points.shape, generator=generator)
        drawn = self.augment(torch.where(chance < self.swapped, others, points), generator)
        lost = (chance >= self.swapped) & (chance < self.swapped + self.missing)
        drawn = torch.where(lost, self.pool.mean(dim=0), drawn)
        return torch.where(chance >= 1 - self.strays, stray, drawn)
