"""A target that someone paints: how much mass each kind of point is to share with each other kind."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gca_playground._boundary import is_number
from gca_playground._shapes import Matrix
from gca_playground.alignment.labels import as_labels
from gca_playground.alignment.target import TARGETS, Pairs, Target


@dataclass(frozen=True)
class Blocks(Target):
    """``T_ij = (1 - s) (pair [i is paired with j] + masses[k_i][k_j] / count of k_j) + s (mean of T)``.

    Given: ``masses``, what a row of each kind shares equally among all points of each kind, a square table of numbers
    >= 0; ``pair``, the mass of a row's own pair; ``smoothing`` s, the share spread over everybody. Kinds are the labels
    0, 1, ... of the rows. A kind that a batch lacks gets nothing there. Sums that are not the masses are dealt with as
    ``infeasible`` says.
    """

    masses: Any = ((0.0,),)  # written as lists too, kept as tuples
    pair: float = 1.0
    smoothing: float = 0.0
    name = "blocks"
    needs_labels = True

    def __post_init__(self) -> None:
        """Check the numbers."""
        rows = self.masses if isinstance(self.masses, list | tuple) else ()
        masses = tuple(tuple(row) if isinstance(row, list | tuple) else () for row in rows)
        if not masses or any(len(row) != len(masses) for row in masses):
            raise ValueError(f"masses must be a square table of numbers, got {self.masses!r:.60}")
        for name, number in (("pair", self.pair), *(("each of masses", one) for row in masses for one in row)):
            if not is_number(number) or not 0 <= number < math.inf:
                raise ValueError(f"{name} must be >= 0 and finite, got {number!r}: a target holds no negative mass")
        if not is_number(self.smoothing) or not 0 <= self.smoothing <= 1:
            raise ValueError(f"smoothing must be in [0, 1], got {self.smoothing!r}")
        object.__setattr__(self, "masses", masses)

    def matrix(self, like: Tensor, *, layout: str, labels: object = None) -> Matrix:
        """From one kind a row. Raises: ValueError for a kind that the table does not have, and for no mass at all."""
        own = Pairs().matrix(like, layout=layout)
        if labels is None:
            raise ValueError("the target 'blocks' needs labels, one a row: pass labels=")
        kinds = as_labels(labels).to(own.device)
        kinds = torch.cat([kinds, kinds]) if layout == "stacked" and 2 * len(kinds) == len(own) else kinds
        if len(kinds) != len(own) or kinds.is_floating_point() or kinds.min() < 0 or kinds.max() >= len(self.masses):
            raise ValueError(f"labels must be one of 0..{len(self.masses) - 1} a row, ({len(own)},), got {kinds}")
        free = torch.ones_like(own) if layout == "two_views" else 1 - torch.eye(len(own)).to(own)
        painted = self.pair * own + self._spread(kinds, free)
        if not painted.sum() > 0:
            raise ValueError("a target must hold some mass: paint a cell, or raise the mass of the own pair")
        return (1 - self.smoothing) * painted + self.smoothing * painted.sum() / free.sum() * free

    def _spread(self, kinds: Tensor, free: Matrix) -> Matrix:
        """The painted masses, shared equally where a row may have any: not with itself in a stacked batch."""
        member = torch.nn.functional.one_hot(kinds, len(self.masses)).to(free)
        shares = member @ torch.tensor(self.masses).to(free) / (free @ member).clamp(min=1)
        return free * (shares @ member.T)


TARGETS[Blocks.name] = Blocks
