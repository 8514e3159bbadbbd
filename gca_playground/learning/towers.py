"""The networks of a training: one encoder or one for each view, and perhaps a head that only the loss sees."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from gca_playground._boundary import as_count
from gca_playground.learning.networks import Sphere, make, mlp
from gca_playground.learning.pairs import Pairs

DIM = 2
"""Dimensions of the embedding where nothing else is said: a circle."""


class Towers(nn.Module):
    """Two views to what the loss compares: ``head(first(v1)), head(second(v2))``; ``second`` may be ``first``."""

    def __init__(self, first: nn.Module, second: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.first, self.second, self.head = first, second, head

    def forward(self, view1: Tensor, view2: Tensor) -> tuple[Tensor, Tensor]:
        """(b, d) and (b, e) to embeddings of one width, (b, k) twice."""
        return self.head(self.first(view1)), self.head(self.second(view2))


def build(
    data: Pairs, encoder: object, *, dim: int | None, sphere: bool, head: int | None, seed: int
) -> tuple[Towers, str | list[str] | None]:
    """The networks for some data, and the names that would make them again (None where a module was given).

    Given:
        encoder: a name of ``encoders.ENCODERS`` or a module (n, d) to (n, dim), of which a copy is trained; a pair of
            them where each view has an encoder of its own.
        dim: of the embedding; None: 2, or what the module gives. sphere: divide embeddings by their length.
        head: None, or the width of an MLP (dim, dim, head) between the embedding and the loss.
        seed: decides all weights that are made here; the second encoder draws from the next seed.
    """
    pair = _as_pair(encoder)
    widths = data.view1.shape[1], data.view2.shape[1]
    if len(pair) == 1 and widths[0] != widths[1]:
        raise ValueError(
            f"one encoder cannot take views of {widths[0]} and {widths[1]} dimensions: give a pair of encoders"
        )
    made = [_encoder(one, data, side, dim, sphere, seed + side) for side, one in enumerate(pair)]
    outputs = [width(one, view) for one, view in zip(made, (data.view1, data.view2), strict=False)]
    if len(set(outputs)) > 1:
        raise ValueError(f"both encoders must end in as many dimensions, got {outputs[0]} and {outputs[1]}")
    top = nn.Identity() if head is None else _head(outputs[0], head, sphere, seed)
    names = [one for one in pair if isinstance(one, str)]
    spec = None if len(names) < len(pair) else names[0] if len(names) == 1 else names
    return Towers(made[0], made[-1], top), spec


def _as_pair(encoder: object) -> list[object]:
    several = isinstance(encoder, Sequence) and not isinstance(encoder, str | nn.Module)
    pair = list(encoder) if several else [encoder]  # type: ignore[call-overload]
    if len(pair) not in (1, 2) or not all(isinstance(one, str | nn.Module) for one in pair):
        raise TypeError(f"encoder must be a name, a torch module, or a pair of these, got {encoder!r:.80}")
    return pair


def _encoder(one: object, data: Pairs, side: int, dim: int | None, sphere: bool, seed: int) -> nn.Module:
    view = (data.view1, data.view2)[side]
    if isinstance(one, str):
        outputs = DIM if dim is None else as_count(dim, name="dim", least=1)
        return make(one, view.shape[1], outputs, sphere=sphere, seed=seed)
    module: Any = copy.deepcopy(one)
    if dim is not None and width(module, view) != dim:
        raise ValueError(f"dim is {dim}, but the given encoder ends in {width(module, view)} dimensions")
    return nn.Sequential(module, Sphere()) if sphere else module


def _head(inputs: int, outputs: int, sphere: bool, seed: int) -> nn.Module:
    # A stream of its own: with and without a head the encoder starts from the same weights.
    return mlp(inputs, as_count(outputs, name="head", least=1), hidden=(inputs,), sphere=sphere, seed=seed + 2)


Modes = dict[nn.Module, bool]
"""For each part of a network whether it is in training mode."""


def modes_of(module: nn.Module) -> Modes:
    """The modes that the parts are in."""
    return {part: part.training for part in module.modules()}


def set_modes(modes: Modes) -> None:
    """Put each part in its mode."""
    for part, training in modes.items():
        part.training = training


@contextmanager
def judging(module: nn.Module) -> Iterator[None]:
    """All parts in evaluation mode; afterwards each is in the mode it had, a frozen part of an encoder too."""
    modes = modes_of(module)
    module.eval()
    try:
        yield
    finally:
        set_modes(modes)


@torch.no_grad()
def width(module: nn.Module, view: Tensor) -> int:
    """The dimensions a module ends in. Raises: ValueError where it cannot take the view, or gives no (n, dim)."""
    try:
        with judging(module):
            z = module(view[:2].to(_device(module)))
    except RuntimeError as error:
        raise ValueError(f"an encoder must take views (n, {view.shape[1]}), the given one fails: {error}") from error
    if not isinstance(z, Tensor) or z.ndim != 2 or len(z) != len(view[:2]):
        got = tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__
        raise ValueError(f"an encoder must turn views {tuple(view[:2].shape)} into (n, dim), got {got}")
    return z.shape[1]


def _device(module: nn.Module) -> torch.device:
    return next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
