"""Made-up data sets whose classes are curves: near in the plane, apart along the curve."""

import math

import torch
from torch import Generator

from gca_playground._boundary import as_count
from gca_playground.learning.laws import real
from gca_playground.learning.pairs import Source
from gca_playground.learning.toys import circle, jittered


def circles(n: int, noise: float, generator: Generator, *, classes: int = 2) -> Source:
    """Concentric circles, radius 1.4 (class 0) down to 0.5.

    Classes alternate and the angle grows with the index, so that sorting by class follows each circle.
    """
    classes = as_count(classes, name="classes", least=1)
    angle = (2 * math.pi * torch.rand(n, generator=generator)).sort().values
    labels = torch.arange(n) % classes
    x = torch.linspace(1.4, 0.5, classes)[labels, None] * circle(angle)
    return jittered(x, x, labels, noise)


def spirals(n: int, noise: float, generator: Generator, *, classes: int = 2, turns: float = 1.0) -> Source:
    """Spiral arms of ``turns`` turns each, radius from 0.2 to 1.5 in proportion to the angle, one arm a class.

    Classes alternate and the radius grows with the index. An arm is drawn evenly by its radius squared, so that it is
    about as dense outside as inside.
    """
    classes, turns = as_count(classes, name="classes", least=1), real("turns", turns)
    along = torch.rand(n, generator=generator).sort().values.sqrt()
    labels = torch.arange(n) % classes
    x = (0.2 + 1.3 * along)[:, None] * circle(2 * math.pi * (turns * along + labels / classes))
    return jittered(x, x, labels, noise)
