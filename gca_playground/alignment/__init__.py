"""FLOOR 2: which plan do we want?

``Alignment``, the one record of all knobs, judges the plan of two views by a divergence from a target.
"""

from gca_playground.alignment import target as targets
from gca_playground.alignment.divergence import DIVERGENCES, kl, kl_along
from gca_playground.alignment.loss import Alignment
from gca_playground.alignment.named import PLACES, place

__all__ = ["DIVERGENCES", "PLACES", "Alignment", "kl", "kl_along", "place", "targets"]
