"""The state of a target lab: a training towards a table of masses that someone paints."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from gca_playground.alignment import LOSSES, Blocks
from gca_playground.learning.pairs import Pairs
from gca_playground.views.labs.scene import OWN
from gca_playground.views.labs.training_state import Material, Side, State

PAINTED_LOSSES = tuple(
    name for name, row in LOSSES.items() if "target" in row.knobs and row.alignment.layout == "two_views"
)
"""The losses that take any target."""


@dataclass(frozen=True)
class Kinds:
    """The kinds of points that a table is painted over: classes, each in every domain."""

    classes: int
    domains: int = 1

    def __len__(self) -> int:
        return self.classes * self.domains

    def name(self, kind: int) -> str:
        """What to call a kind."""
        label, domain = divmod(kind, self.domains)
        return f"class {label}" + (f", domain {domain}" if self.domains > 1 else "")

    def relation(self, row: int, col: int) -> tuple[bool, bool]:
        """Whether two kinds are of one class, and whether they are of one domain."""
        (label, domain), (other, elsewhere) = (divmod(kind, self.domains) for kind in (row, col))
        return label == other, domain == elsewhere

    def cells(self, relation: tuple[bool, bool]) -> list[tuple[int, int]]:
        """The cells of the table that stand in a relation; as many in each row."""
        pairs = [(i, j) for i in range(len(self)) for j in range(len(self))]
        return [cell for cell in pairs if self.relation(*cell) == relation]

    def table(self, **shares: float) -> tuple[tuple[float, ...], ...]:
        """Masses by relation: ``kind``, ``label``, ``alpha`` and ``beta``, each shared by the cells of a row."""
        rows = [[0.0] * len(self) for _ in range(len(self))]
        for name, share in shares.items():
            cells = self.cells(RELATIONS[name].relation)
            for i, j in cells:
                rows[i][j] = share / (len(cells) / len(self))
        return tuple(map(tuple, rows))

    def of(self, data: Pairs) -> Pairs:
        """The same points, labelled by kind. They have no recipe: other points of the same law would not be."""
        if self.domains == 1:
            return data
        return replace(data, labels=data.labels * self.domains + self._domains(data), recipe=None)

    def _domains(self, data: Pairs) -> Tensor:
        if data.domains is None:
            raise ValueError(f"{data!r} has no domains to paint over")
        return data.domains


@dataclass(frozen=True)
class Relation:
    """What a slider is called, and which cells it fills."""

    label: str
    relation: tuple[bool, bool]


RELATIONS = {
    "kind": Relation("same class and domain", (True, True)),
    "label": Relation("same class only", (True, False)),
    "alpha": Relation("α · same domain only", (False, True)),
    "beta": Relation("β · neither of them", (False, False)),
}
"""The sliders of the table."""

DATA: dict[str, tuple[Material, Kinds]] = {
    "domains": (Material(name="domains", options={"n": 512, "classes": 3, "domains": 2}), Kinds(3, 2)),
    "blobs": (Material(name="blobs"), Kinds(4)),
    "moons": (Material(name="moons"), Kinds(2)),
    "circles": (Material(name="circles", options={"classes": 3}), Kinds(3)),
    "spirals": (Material(name="spirals", options={"classes": 3}), Kinds(3)),
    "digits": (Material(name="digits"), Kinds(10)),
}
"""The data whose kinds can be painted."""


def kinds_of(state: State, own: Pairs | None) -> Kinds:
    """Over what the table of a state is painted."""
    if state.data.name == OWN and own is not None:
        return own_kinds(own)
    options = state.data.options
    first = DATA[state.data.name][1] if state.data.name in DATA else Kinds(1)
    return Kinds(options.get("classes", first.classes), options.get("domains", first.domains))


def own_kinds(data: Pairs) -> Kinds:
    """The kinds of one's own data: whole numbers from 0 on."""
    domains = 1 if data.domains is None else int(data.domains.max()) + 1
    return Kinds(int(data.labels.max()) + 1, domains)


def blocks(state: State) -> Blocks:
    """The table of a state. Raises: ValueError where its target is none."""
    target = state.sides[0].alignment.target
    if not isinstance(target, Blocks):
        raise ValueError(f"the target lab needs a target 'blocks', got {target.to_json()!r:.60}")
    return target


def painted(state: State, **changes: Any) -> State:
    """Another table, another mass of the pair, another smoothing."""
    return state.with_side(0, state.sides[0].align(target=replace(blocks(state), **changes)))


def with_data(state: State, name: str) -> State:
    """Other data, with the table that keeps classes together."""
    material, kinds = DATA[name]
    encoder = state.encoder if name == "digits" or state.encoder != "cnn" else "mlp"
    return painted(replace(state, encoder=encoder, data=material), masses=together(kinds))


def together(kinds: Kinds) -> tuple[tuple[float, ...], ...]:
    """Half of the mass shared by the class, in whatever domain."""
    return kinds.table(kind=0.25, label=0.25) if kinds.domains > 1 else kinds.table(kind=0.5)


def start(kinds: Kinds, material: Material, **changes: Any) -> State:
    """A state of the lab."""
    given: dict[str, Any] = {"masses": together(kinds), "pair": 0.5} | changes
    target = Blocks(**given)
    side = Side.named("gca-ince", target=target)
    return State(data=material, sides=(side,), lab="target")


FIRST = start(DATA["domains"][1], DATA["domains"][0])
