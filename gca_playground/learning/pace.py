"""The knobs of the optimiser."""

from dataclasses import dataclass

from gca_playground._boundary import as_count
from gca_playground.learning.laws import real


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a training goes; all of it may change on the way.

    ``lr``: Adam's rate; ``batch``: pairs a step; ``decay``: None, or the step at which a linearly falling rate is 0.
    """

    lr: float
    batch: int
    decay: int | None = None

    def __post_init__(self) -> None:
        """Check and convert."""
        object.__setattr__(self, "lr", real("lr", self.lr))
        object.__setattr__(self, "batch", as_count(self.batch, name="batch", least=2))
        if self.decay is not None:
            object.__setattr__(self, "decay", as_count(self.decay, name="decay", least=1))

    def rate(self, step: int) -> float:
        """Adam's rate at a step."""
        return self.lr if self.decay is None else self.lr * max(0.0, 1 - step / self.decay)

    def fitting(self, points: int) -> "Pace":
        """The same, if there are so many points to learn from. Raises: ValueError for a larger batch."""
        if self.batch > points:
            raise ValueError(f"batch must be <= {points}, the points to learn from, got {self.batch}")
        return self


KNOBS = tuple(Pace.__dataclass_fields__)
