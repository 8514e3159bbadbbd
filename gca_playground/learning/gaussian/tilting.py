"""What linear encoders make of a pair: a quadratic score, the logarithm of the model's density of dependence.

Encoders ``G`` (k, n_u) and ``H`` (k, n_v) see centred variables, which is what the best affine encoders do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from gca_playground._boundary import near
from gca_playground.transport.gaussian import Score


def _dot(G: Tensor, H: Tensor) -> Score:
    return Score.bilinear(G.mT @ H)


def _squared_euclidean(G: Tensor, H: Tensor) -> Score:
    return Score(G.mT @ H, G.mT @ G, H.mT @ H)


def _signed(G: Tensor, H: Tensor) -> Score:
    half = len(G) // 2
    near_pair, far_pair = _squared_euclidean(G[:half], H[:half]), _squared_euclidean(G[half:], H[half:])
    return Score(near_pair.A - far_pair.A, near_pair.B - far_pair.B, near_pair.D - far_pair.D)


@dataclass(frozen=True)
class Tilting:
    """How encoders score a pair. ``blocks`` encoders of ``rank`` rows are stacked in G, and as many in H."""

    formula: str
    score: Callable[[Tensor, Tensor], Score]
    blocks: int = 1


TILTINGS = {
    "dot": Tilting("<Gu, Hv>", _dot),
    "squared_euclidean": Tilting("- |Gu - Hv|^2 / 2", _squared_euclidean),
    "signed": Tilting("- |G1 u - H1 v|^2 / 2 + |G2 u - H2 v|^2 / 2", _signed, blocks=2),
}
"""The scores of the theory. The temperature is 1: it is a scale of the encoders."""


def tilting_named(name: object) -> Tilting:
    """The tilting of that name. Raises: ValueError with near names."""
    if not isinstance(name, str) or name not in TILTINGS:
        raise ValueError(near(name, TILTINGS, what="tilting"))
    return TILTINGS[name]
