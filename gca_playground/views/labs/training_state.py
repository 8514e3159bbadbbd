"""The state of a training lab: the data, the network, and for each side a loss with its knobs."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gca_playground._boundary import as_count, near
from gca_playground.alignment import LOSSES, Alignment
from gca_playground.alignment.named import row_name
from gca_playground.learning.networks import ENCODERS
from gca_playground.learning.pace import Pace
from gca_playground.learning.split import FOR_TRAINING
from gca_playground.views.labs.common_state import parts_of
from gca_playground.views.labs.scene import OWN, check_own, fields_of

SURFACES: dict[str, tuple[int, bool]] = {
    "circle": (2, True),
    "sphere": (3, True),
    "plane": (2, False),
    "8 dimensions": (8, True),
    "32 dimensions": (32, True),
}
"""Where an encoder ends: how many dimensions, and whether all embeddings have length 1."""

PLAIN_LOSSES = tuple(name for name, row in LOSSES.items() if not row.alignment.target.needs_labels)
"""The losses that pairs are enough for."""

FIRST_EPSILON = 0.2
MOST_SIDES = 2


@dataclass(frozen=True, kw_only=True)
class Material:
    """Which data: a name and what ``datasets.load`` takes, but the seed."""

    name: str = "moons"
    mismatched: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep the options to itself."""
        object.__setattr__(self, "options", copy.deepcopy(self.options))

    @property
    def arguments(self) -> dict[str, Any]:
        """What ``datasets.load`` is given after the name and the seed."""
        return {"mismatched": self.mismatched, **FOR_TRAINING.get(self.name, {}), **self.options}


@dataclass(frozen=True)
class Side:
    """One training: the name of the loss it began from, and the record of its knobs now."""

    loss: str
    alignment: Alignment

    @classmethod
    def named(cls, name: str, **knobs: Any) -> Side:
        """A loss as it is first shown."""
        name = row_name(name)
        return cls(name, LOSSES[name].alignment.change(**{"epsilon": FIRST_EPSILON} | knobs))

    @classmethod
    def from_dict(cls, values: object) -> Side:
        """Read back. Raises: TypeError, ValueError that name what is wrong."""
        given = _fields(values, ("loss", "alignment"), what="part of a side")
        start = cls.named(given.get("loss", "infonce"))
        knobs = dict(_fields(given.get("alignment", {}), None, what="knob"))
        first = start.alignment.to_dict()
        if knobs.get("total"):
            first |= dict.fromkeys(("rows", "cols", "steps"))
        return cls(start.loss, Alignment.from_dict(first | knobs))

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"loss": self.loss, "alignment": self.alignment.to_dict()}

    def align(self, **knobs: Any) -> Side:
        """Other knobs of the same loss."""
        return replace(self, alignment=self.alignment.change(**knobs))

    def with_loss(self, name: str) -> Side:
        """Another loss at the same temperature and cost, with the same target if it takes any."""
        kept = ("epsilon", "cost", *(("target", "infeasible") if "target" in LOSSES[row_name(name)].knobs else ()))
        return Side.named(name, **{knob: getattr(self.alignment, knob) for knob in kept})


@dataclass(frozen=True, kw_only=True)
class State:
    """All that decides a training."""

    data: Material = field(default_factory=Material)
    encoder: str = "mlp"
    surface: str = "circle"
    seed: int = 0
    lr: float = 5e-3
    batch: int = 96
    sides: tuple[Side, ...] = (Side("infonce", LOSSES["infonce"].alignment.change(epsilon=FIRST_EPSILON)),)
    lab: str = "training"

    def __post_init__(self) -> None:
        """Check what no session checks before data are loaded."""
        for name, known in (("encoder", ENCODERS), ("surface", SURFACES)):
            if getattr(self, name) not in known:
                raise ValueError(near(getattr(self, name), known, what=name))
        as_count(self.seed, name="seed", least=0)
        Pace(lr=self.lr, batch=self.batch)
        if not 1 <= len(self.sides) <= MOST_SIDES:
            raise ValueError(f"a lab has one side or {MOST_SIDES}, got {len(self.sides)}")

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        plain = {name: getattr(self, name) for name in ("lab", "encoder", "surface", "seed", "lr", "batch")}
        return plain | {"data": fields_of(self.data), "sides": [side.to_dict() for side in self.sides]}

    @classmethod
    def from_dict(cls, values: object, first: State) -> State:
        """Read back; what is left out is as in ``first``. Raises: TypeError, ValueError that name what is wrong."""
        given = parts_of(values, tuple(first.to_dict()), lab=first.lab)
        if "data" in given:
            known = [part.name for part in dataclasses.fields(Material)]
            fields = dict(_fields(given["data"], known, what="field of the data"))
            check_own(fields)
            given["data"] = Material(**fields)
        if "sides" in given:
            if not isinstance(given["sides"], list | tuple):
                raise TypeError(f"the sides of a state are a list, got {given['sides']!r:.60}")
            given["sides"] = tuple(Side.from_dict(side) for side in given["sides"])
        return replace(first, **given)

    def choose(self, **changes: Any) -> State:
        """Other data of the same name."""
        return replace(self, data=replace(self.data, **changes))

    def with_data(self, name: str) -> State:
        """Data of another name; wrong pairs stay as many, and a network for images gives way."""
        encoder = self.encoder if name == "digits" or self.encoder != "cnn" else "mlp"
        return replace(self, encoder=encoder, data=Material(name=name, mismatched=self.data.mismatched))

    def with_side(self, k: int, side: Side) -> State:
        """Another loss on one side."""
        return replace(self, sides=tuple(side if j == k else old for j, old in enumerate(self.sides)))

    def compared(self, both: bool) -> State:
        """Two sides, the second the loss that forgives; or the first alone."""
        if not both:
            return replace(self, sides=self.sides[:1])
        if len(self.sides) == MOST_SIDES:
            return self
        other = "gca-uot" if self.sides[0].loss != "gca-uot" else "infonce"
        return replace(self, sides=(*self.sides, self.sides[0].with_loss(other)))

    def needs_a_new_start(self, before: State) -> bool:
        """Whether a training cannot go on from there: other points, another network, another number of sides."""
        fixed = ("data", "encoder", "surface", "seed")
        return len(self.sides) != len(before.sides) or any(getattr(self, k) != getattr(before, k) for k in fixed)


def replaced(state: State, name: str, value: Any) -> State:
    """The same state with another value of one field."""
    changes: dict[str, Any] = {name: value}
    return replace(state, **changes)


def arguments(state: State, side: Side) -> dict[str, Any]:
    """What a ``TrainingSession`` of one side is given after the data."""
    dim, sphere = SURFACES[state.surface]
    plain = {name: getattr(state, name) for name in ("encoder", "lr", "batch", "seed")}
    return {"loss": side.alignment, "dim": dim, "sphere": sphere, **plain}


def script(state: State, steps: int, *, moved: bool = False, prepare: str = "") -> str:
    """A plain script that trains as the lab did for so many steps; ``prepare``: what is done to the data first."""
    losses = "".join(f"    {_title(k, side)!r}: {_record(side)},\n" for k, side in enumerate(state.sides))
    options = {name: value for name, value in arguments(state, state.sides[0]).items() if name != "loss"}
    listed = ", ".join(f"{name}={value!r}" for name, value in options.items())
    note = "# knobs were turned on the way: here they are from the start as they were at the end\n" if moved else ""
    return (
        "import gca_playground as gca\n"
        "\n"
        f"{_data_line(state)}"
        f"{prepare}"
        f"{note}"
        f"losses = {{\n{losses}}}\n"
        "for name, loss in losses.items():\n"
        f"    session = gca.train(data, steps={steps}, loss=loss, {listed})\n"
        "    print(name, {curve: round(value, 4) for curve, value in session.history.last.items()})\n"
    )


def _title(k: int, side: Side) -> str:
    return f"{('left', 'right')[k]}: {side.loss}"


def _record(side: Side) -> str:
    knobs = {name: value for name, value in side.alignment.to_dict().items() if value is not None}
    return f"gca.Alignment.from_dict({knobs!r})"


def _data_line(state: State) -> str:
    if state.data.name == OWN:
        return "data = ...  # yours: gca.datasets.from_arrays(...)\n"
    knobs = state.data.arguments | {"seed": state.seed}
    return f"data = gca.datasets.load({state.data.name!r}, {', '.join(f'{k}={v!r}' for k, v in knobs.items())})\n"


OWN_MATERIAL = Material(name=OWN)
"""What a state says of data that the user brought."""


def _fields(values: object, known: Any, *, what: str) -> Mapping[str, Any]:
    if not isinstance(values, dict):
        raise TypeError(f"each {what} belongs to a dict, got {values!r:.60}")
    unknown = [] if known is None else [name for name in values if name not in known]
    if unknown:
        raise ValueError(near(unknown[0], known, what=what))
    return values
