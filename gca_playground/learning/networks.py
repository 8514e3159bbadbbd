"""Small encoders with seeded weights: a linear map, an MLP, a CNN for small images; onto the sphere on request."""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float32
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import skip_init

from gca_playground._boundary import as_count
from gca_playground.learning.laws import generator, known


class Sphere(nn.Module):
    """Each row divided by its length: points on the unit sphere, where the cosine is the inner product."""

    def forward(self, x: Float32[Tensor, "*n d"]) -> Float32[Tensor, "*n d"]:
        """(..., d) to unit vectors (..., d); a zero row stays zero."""
        return normalize(x, dim=-1)


def mlp(
    inputs: int, outputs: int, *, hidden: Sequence[int] = (128,), seed: int = 0, sphere: bool = False
) -> nn.Sequential:
    """Linear maps with ReLU between them, (n, inputs) to (n, outputs).

    Given: the widths ``hidden`` in between; ``seed``, which alone decides the weights; ``sphere`` for outputs
    of length 1.
    Raises: TypeError or ValueError where a width is no whole number >= 1 or the seed none >= 0.
    """
    ends = as_count(inputs, name="inputs", least=1), as_count(outputs, name="outputs", least=1)
    widths = (ends[0], *hidden_widths(hidden), ends[1])
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [skip_init(nn.Linear, fan_in, fan_out), nn.ReLU()]
    layers[-1:] = [Sphere()] if sphere else []
    return _seeded(nn.Sequential(*layers), seed)


def linear(inputs: int, outputs: int, *, bias: bool = False, seed: int = 0, sphere: bool = False) -> nn.Sequential:
    """One matrix (and a ``bias`` on request): (n, inputs) to (n, outputs); otherwise as ``mlp``."""
    widths = as_count(inputs, name="inputs", least=1), as_count(outputs, name="outputs", least=1)
    layers = [skip_init(nn.Linear, *widths, bias=bias), *([Sphere()] if sphere else [])]
    return _seeded(nn.Sequential(*layers), seed)


def cnn(
    inputs: int, outputs: int, *, channels: int = 16, hidden: int = 64, seed: int = 0, sphere: bool = False
) -> nn.Sequential:
    """Two 3 x 3 convolutions, each with ReLU and 2 x 2 pooling, then an MLP: for small square grey images.

    Given: ``inputs``, pixels of an image, such as 64 for rows of 8 x 8; ``channels`` of the first convolution, the
    second has twice as many; the width ``hidden`` of the layer in between; otherwise as ``mlp``.
    Raises: ValueError where the images are not square with a side that is a multiple of 4.
    """
    side = math.isqrt(as_count(inputs, name="inputs", least=1))
    if side * side != inputs or side % 4:
        raise ValueError(f"inputs must be the pixels of a square whose side is a multiple of 4, got {inputs}")
    channels = as_count(channels, name="channels", least=1)
    convolutions = [
        nn.Unflatten(1, (1, side, side)),
        *(skip_init(nn.Conv2d, 1, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(skip_init(nn.Conv2d, channels, 2 * channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
    ]
    top = mlp(2 * channels * (side // 4) ** 2, outputs, hidden=(hidden,), sphere=sphere)
    return _seeded(nn.Sequential(*convolutions, *top), seed)


ENCODERS: dict[str, Callable[..., nn.Sequential]] = {"mlp": mlp, "linear": linear, "cnn": cnn}
"""The encoders by name."""


def make(name: str, inputs: int, outputs: int, **options: object) -> nn.Sequential:
    """The encoder ``name`` with its options. Raises ValueError for a name that does not exist."""
    return ENCODERS[known("encoder", name, ENCODERS)](inputs, outputs, **options)


def hidden_widths(hidden: object) -> tuple[int, ...]:
    """The widths of hidden layers as ints; TypeError or ValueError for what is none."""
    if isinstance(hidden, str) or not isinstance(hidden, Iterable):
        raise TypeError(f"hidden must be a sequence of widths, such as (128,), got {hidden!r}")
    return tuple(as_count(width, name="each hidden width", least=1) for width in hidden)


def _seeded(network: nn.Sequential, seed: int) -> nn.Sequential:
    """Uniform weights and biases within 1/sqrt(inputs), torch's own law, but from a generator of our own."""
    draw = generator(seed, "weights")
    with torch.no_grad():
        for layer in network:
            if isinstance(layer, nn.Linear | nn.Conv2d):
                bound = 1 / math.sqrt(layer.weight[0].numel())
                for parameter in layer.parameters():
                    parameter.uniform_(-bound, bound, generator=draw)
    return network
