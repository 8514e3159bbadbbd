"""Small made-up data sets, each with one thing to look for.

Every maker is given the number of points, the noise in a view, and a generator for the points.
"""

import math
from collections.abc import Iterable, Sequence
from functools import partial

import torch
from jaxtyping import Float32, Int64
from torch import Generator, Tensor
from torch.nn.functional import normalize

from gca_playground._boundary import as_count
from gca_playground.learning.laws import real
from gca_playground.learning.pairs import Augment, Source

# Hubs: how far from the pole the two views lie.
FIRST_POLAR, SECOND_POLAR = math.radians(35), math.radians(90)


def moons(n: int, noise: float, generator: Generator) -> Source:
    """Two interleaved half circles in [-1.5, 1.5] x [-.75, .75].

    Classes alternate and the angle grows with the index, so that sorting by class follows the two curves.
    """
    angle = (torch.rand(n, generator=generator) * math.pi).sort().values
    labels = torch.arange(n) % 2
    upper = torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], dim=1)
    x = torch.where(labels[:, None] == 0, upper, -upper)
    return jittered(x, x, labels, noise)


def blobs(
    n: int,
    noise: float,
    generator: Generator,
    *,
    classes: int = 4,
    spread: float = 0.2,
    imbalance: float = 0.0,
    weights: Sequence[float] | None = None,
    domains: int = 1,
) -> Source:
    """Gaussian blobs on a circle: the angle is the class, the ring (radius 1.4 down to .6) the domain.

    ``spread``: standard deviation of a blob. ``imbalance`` in [0, 1): each class is (1 - imbalance) times
    as big as the one before; a rare class may get no point when n is small. ``weights``: the relative
    sizes of the classes, one each, in place of ``imbalance``. ``domains`` 1: one ring, no domains.
    """
    classes, rings = as_count(classes, name="classes", least=1), as_count(domains, name="domains", least=1)
    sizes = class_sizes(n, classes=classes, imbalance=imbalance, weights=weights)
    labels = torch.arange(classes).repeat_interleave(sizes)[torch.randperm(n, generator=generator)]
    ring = torch.randint(rings, (n,), generator=generator)
    radius = torch.linspace(1.4, 0.6, rings)[ring, None] if classes > 1 or rings > 1 else torch.zeros(n, 1)
    centre = radius * circle(2 * math.pi * labels / classes)
    x = centre + real("spread", spread) * torch.randn(n, 2, generator=generator)
    return jittered(x, x, labels, noise, domains=ring if rings > 1 else None)


def gaussian(
    n: int,
    noise: float,
    generator: Generator,
    *,
    correlations: Sequence[float] = (0.9, 0.6),
    dims: int | tuple[int, int] | None = None,
) -> Source:
    """Linear-Gaussian pairs u, v whose canonical correlations are ``correlations``, each in [0, 1).

    Coordinate k of u and v is sqrt(s_k) w_k + noise sqrt(1 - s_k) e with a shared hidden w and an own e
    for each side, all standard normal, so at noise 1 u_k and v_k have variance 1 and correlation s_k and
    all other pairs of coordinates are independent; less noise correlates them more. ``dims``: dimension of
    u and v, or (of u, of v), at least len(correlations) (the default); further coordinates are noise
    only. Labels: the quadrant of (w_1, w_2), to colour by.
    """
    s = _correlations(correlations)
    first_size, second_size = _sizes(dims, least=len(s))
    hidden = torch.randn(n, len(s), generator=generator)
    x, augment_first = _gaussian_side(hidden, s, first_size, noise)
    second, augment_second = _gaussian_side(hidden, s, second_size, noise)
    signs = (hidden[:, :2] > 0).long()
    labels = signs[:, 0] + 2 * signs[:, -1] if len(s) > 1 else signs[:, 0]
    return Source(x, second, labels, (augment_first, augment_second))


def hubs(n: int, noise: float, generator: Generator, *, hubs: int = 3) -> Source:
    """Points on the unit sphere, (n, 3); the last ``hubs`` have a second view close to everybody's first.

    First views lie 35 degrees from the pole, second ones at the same longitude on the equator, 55 degrees
    away; a hub's second view is at the pole, only 35 degrees from every first view. So rows put their
    mass on the hubs' columns until a column constraint forbids it. Labels: 1 for hubs. Seen from above
    (the first two coordinates) two rings surround the hubs.
    """
    hubs = _few("hubs", hubs, n)
    longitude = (torch.rand(n, generator=generator) * 2 * math.pi).sort().values
    longitude = torch.cat([longitude[hubs:], longitude[:hubs]]) if hubs else longitude
    labels = (torch.arange(n) >= n - hubs).long()
    x = _on_sphere(longitude, torch.full((n,), FIRST_POLAR))
    second = _on_sphere(longitude, torch.where(labels == 1, 0.0, SECOND_POLAR))
    augment = partial(jitter_on_sphere, scale=noise)
    return Source(x, second, labels, (augment, augment))


def outliers(n: int, noise: float, generator: Generator, *, outliers: int = 3, distance: float = 3.0) -> Source:
    """Three blobs within 1.2 of the origin, and the last ``outliers`` points far from everyone (class 3).

    Both views of an outlier are ``distance`` from the origin, on different sides: like nobody else's, nor
    like each other. A plan with exact marginals must bring its mass somewhere all the same; soft
    marginals may drop it.
    """
    outliers, distance = _few("outliers", outliers, n), real("distance", distance)
    labels = torch.arange(n - outliers) % 3
    cloud = 0.8 * circle(2 * math.pi * labels / 3) + 0.15 * torch.randn(n - outliers, 2, generator=generator)
    step = 2 * math.pi / max(outliers, 1)
    angle = step * (torch.arange(outliers) + torch.rand(1, generator=generator))
    opposite = angle + step * (outliers // 2 + 0.5)  # between two others: no outlier meets another
    return jittered(
        torch.cat([cloud, distance * circle(angle)]),
        torch.cat([cloud, distance * circle(opposite)]),
        torch.cat([labels, torch.full((outliers,), 3)]),
        noise,
    )


def domains(
    n: int,
    noise: float,
    generator: Generator,
    *,
    classes: int = 4,
    domains: int = 4,
    spread: float = 0.3,
    strength: float = 1.0,
) -> Source:
    """Classes seen in domains (photo, sketch, ...): two coordinates tell the class, two the domain, (n, 4).

    Each pair of coordinates holds blobs on a circle: of radius 1 for the class, of radius ``strength`` for the domain,
    of standard deviation ``spread``. Class and domain are independent. Both views of a point share both.
    """
    classes, count = as_count(classes, name="classes", least=1), as_count(domains, name="domains", least=1)
    labels, domain = (torch.randint(k, (n,), generator=generator) for k in (classes, count))
    codes = [circle(2 * math.pi * labels / classes), real("strength", strength) * circle(2 * math.pi * domain / count)]
    x = torch.cat(codes, dim=1) + real("spread", spread) * torch.randn(n, 4, generator=generator)
    return jittered(x, x, labels, noise, domains=domain)


def class_sizes(
    n: int, *, classes: int, imbalance: float, weights: Sequence[float] | None = None
) -> Int64[Tensor, " classes"]:
    """n points shared among classes by largest remainders.

    Each class is (1 - imbalance) times the one before, or as the relative ``weights`` say, one for each class.
    """
    ratio = 1 - real("imbalance", imbalance, high=1.0, open_end=True)
    if weights is None:
        weights = [ratio**k for k in range(classes)]
    elif imbalance or len(weights) != classes or not sum(weights) > 0:
        raise ValueError(f"weights must be one for each of {classes} classes, without imbalance, got {weights!r}")
    proportions = torch.tensor([real("each of weights", weight) for weight in weights], dtype=torch.float64)
    shares = n * proportions / proportions.sum()
    sizes = shares.floor()
    rest = (shares - sizes).sort(descending=True, stable=True).indices[: n - int(sizes.sum())]
    sizes[rest] += 1
    return sizes.long()


def circle(angle: Float32[Tensor, " n"]) -> Float32[Tensor, "n 2"]:
    """Points of the unit circle, (n, 2)."""
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def jitter(
    points: Float32[Tensor, "n d"], generator: Generator, *, scale: float | Float32[Tensor, " d"]
) -> Float32[Tensor, "n d"]:
    """Points plus normal noise of standard deviation ``scale``, one for all coordinates or one for each."""
    return points + scale * torch.randn(points.shape, generator=generator)


def jittered(
    x: Float32[Tensor, "n d"],
    second: Float32[Tensor, "n e"],
    labels: Int64[Tensor, " n"],
    noise: float,
    *,
    domains: Int64[Tensor, " n"] | None = None,
) -> Source:
    """A source whose views are jittered by ``noise``."""
    augment = partial(jitter, scale=noise)
    return Source(x, second, labels, (augment, augment), domains)


def jitter_on_sphere(points: Float32[Tensor, "n d"], generator: Generator, *, scale: float) -> Float32[Tensor, "n d"]:
    """``jitter``, brought back to the unit sphere."""
    return normalize(jitter(points, generator, scale=scale), dim=1) if scale else points


def _correlations(values: object) -> Float32[Tensor, " k"]:
    if isinstance(values, str) or not isinstance(values, Iterable) or not (numbers := list(values)):
        raise ValueError(f"correlations must be numbers in [0, 1), at least one, got {values!r}")
    return torch.tensor([real("each of correlations", value, high=1.0, open_end=True) for value in numbers])


def _sizes(dims: object, *, least: int) -> tuple[int, int]:
    both = tuple(dims) if isinstance(dims, Sequence) else (dims, dims)
    if len(both) != 2:
        raise ValueError(f"dims must be a whole number or a pair of them, got {dims!r}")
    first, second = (least if size is None else size for size in both)
    return as_count(first, name="dims", least=least), as_count(second, name="dims", least=least)


def _gaussian_side(
    hidden: Float32[Tensor, "n k"], s: Float32[Tensor, " k"], size: int, noise: float
) -> tuple[Float32[Tensor, "n d"], Augment]:
    """The noiseless view and its augmentation: coordinates beyond the correlated ones are noise only."""
    free = size - len(s)
    clean = torch.cat([hidden * s.sqrt(), torch.zeros(len(hidden), free)], dim=1)
    return clean, partial(jitter, scale=noise * torch.cat([(1 - s).sqrt(), torch.ones(free)]))


def _few(name: str, count: int, n: int) -> int:
    count = as_count(count, name=name, least=0)
    if count >= n:
        raise ValueError(f"{name} must be < n = {n}, got {count}")
    return count


def _on_sphere(longitude: Float32[Tensor, " n"], polar: Float32[Tensor, " n"]) -> Float32[Tensor, "n 3"]:
    return torch.cat([polar.sin()[:, None] * circle(longitude), polar.cos()[:, None]], dim=1)
