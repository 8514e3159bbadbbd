"""A row of the table of speed, and how one is made of times."""

from typing import NamedTuple

import peers
from measure import Spent


class Row(NamedTuple):
    """One comparison. ``got`` is to be ``sense`` (>= or <=) ``limit``, in ``unit``; without a sense it is for reading.

    ``ours`` and ``theirs`` are times or sizes in words; ``got`` is None where nothing was measured, for ``theirs``.
    """

    key: str
    work: str
    ours: str
    against: str
    theirs: str
    got: float | None = None
    sense: str = ""
    limit: float = 0.0
    unit: str = "x"

    @property
    def met(self) -> bool | None:
        """Whether the promise is kept; None where there is none, or nothing was measured."""
        if self.got is None or not self.sense:
            return None
        return self.got >= self.limit if self.sense == ">=" else self.got <= self.limit


class Clock(NamedTuple):
    """Which of the two times counts, and whether everything is to be tiny."""

    name: str
    quick: bool

    def of(self, spent: Spent) -> float:
        """The time that counts, in seconds."""
        return getattr(spent, self.name)

    def rounds(self, many: int) -> int:
        """How often to measure."""
        return 1 if self.quick else many


def faster(clock: Clock, key: str, what: str, times: dict[str, Spent], limits: dict[str, float]) -> list[Row]:
    """How many times as long as the first act the others take, against the least that was promised."""
    (_, ours), *others = times.items()
    mine, rows = clock.of(ours), []
    for name, theirs in others:
        took = clock.of(theirs)
        sense = ">=" if name in limits else ""
        rows.append(Row(key, what, ms(mine), name, ms(took), took / mine, sense, limits.get(name, 0.0), "x faster"))
    return rows


def slower(clock: Clock, key: str, what: str, times: dict[str, Spent], limits: dict[str, float]) -> list[Row]:
    """The time of the first act in units of the others named, against the most that was promised; 0: nothing was."""
    mine = clock.of(next(iter(times.values())))
    took = {name: clock.of(times[name]) for name in limits}
    return [
        Row(key, what, ms(mine), name, ms(took[name]), mine / took[name], "<=" if limit else "", limit, "x its time")
        for name, limit in limits.items()
    ]


def absent(key: str, what: str, *names: str) -> list[Row]:
    """A row for each peer that is not there."""
    return [Row(key, what, "", name, "not installed") for name in peers.missing(*names)]


def ms(seconds: float) -> str:
    """A time in words."""
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
