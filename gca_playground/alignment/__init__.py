"""FLOOR 2: which plan do we want?

``Alignment``, the one record of all knobs, judges the plan of two views by a divergence from a target.
"""

from gca_playground.alignment import target as targets
from gca_playground.alignment.blocks import Blocks
from gca_playground.alignment.divergence import (
    DIVERGENCES,
    KL,
    MMD,
    RINCE,
    FenchelYoung,
    InnerProduct,
    Square,
    Tempered,
    TotalVariation,
    Uniformity,
    kl,
    kl_along,
)
from gca_playground.alignment.loss import Alignment
from gca_playground.alignment.module import Loss, loss
from gca_playground.alignment.named import LOSSES, NamedLoss, losses
from gca_playground.alignment.places import PLACES, place

__all__ = [
    "DIVERGENCES",
    "KL",
    "LOSSES",
    "MMD",
    "PLACES",
    "RINCE",
    "Alignment",
    "Blocks",
    "FenchelYoung",
    "InnerProduct",
    "Loss",
    "NamedLoss",
    "Square",
    "Tempered",
    "TotalVariation",
    "Uniformity",
    "kl",
    "kl_along",
    "loss",
    "losses",
    "place",
    "targets",
]
