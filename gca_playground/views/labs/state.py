"""The state of a coupling lab: what decides a picture, and the moves a user can make in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gca_playground._boundary import near
from gca_playground.alignment import LOSSES, Alignment
from gca_playground.transport import Bounded, Constraint
from gca_playground.views.labs.common_state import parts_of
from gca_playground.views.labs.scene import OWN, Choice

VIEWS = ("plan", "gradient")


@dataclass(frozen=True)
class State:
    """All that decides a picture: the data, the record of knobs, which matrix is shown."""

    choice: Choice
    alignment: Alignment
    view: str = "plan"

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "lab": "coupling",
            "data": self.choice.to_dict(),
            "alignment": self.alignment.to_dict(),
            "view": self.view,
        }

    @classmethod
    def from_dict(cls, values: object) -> State:
        """Read back; what is left out takes its first value. Raises: TypeError, ValueError that name what is wrong."""
        given = parts_of(values, ("data", "alignment", "view"), lab="coupling")
        view = given.get("view", "plan")
        if view not in VIEWS:
            raise ValueError(near(view, VIEWS, what="view"))
        choice, knobs = Choice.from_dict(given.get("data", {})), given.get("alignment", {})
        if not isinstance(knobs, dict):
            raise TypeError(f"the alignment of a state is a dict, got {knobs!r}")
        first = first_alignment(choice).to_dict()
        if knobs.get("total"):
            first |= dict.fromkeys(("rows", "cols", "steps"))
        return cls(choice, Alignment.from_dict(first | knobs), view)

    def align(self, **knobs: Any) -> State:
        """Other knobs; with the total mass only there are no sides and no steps."""
        nothing = dict.fromkeys(("rows", "cols", "steps")) if knobs.get("total") else {}
        return replace(self, alignment=self.alignment.change(**nothing | knobs))

    def choose(self, **changes: Any) -> State:
        """Other data of the same name."""
        return replace(self, choice=replace(self.choice, **changes))

    def with_data(self, name: str) -> State:
        """Data of another name come with their natural cost; the other knobs stay."""
        old = self.choice
        choice = Choice(name=name, seed=old.seed, n=old.n, mismatched=old.mismatched)
        return replace(self.align(cost=choice.natural_cost), choice=choice)

    def with_loss(self, name: str) -> State:
        """A named loss as it stands in the table; cost and temperature stay."""
        now = self.alignment
        return replace(self, alignment=LOSSES[name].alignment.change(cost=now.cost, epsilon=now.epsilon))

    def with_total(self, total: bool) -> State:
        """The total mass only; or back to exact sides and one half-step."""
        return self.align(total=True) if total else self.align(total=False, steps=1)


def first_alignment(choice: Choice) -> Alignment:
    """The knobs that data are first shown with: InfoNCE."""
    return Alignment(cost=choice.natural_cost, epsilon=0.1, steps=1)


def rho(side: Constraint | None) -> float | None:
    """The number a slider shows for a constraint; None where it has none."""
    return None if side is None or isinstance(side, Bounded) else side.rho


def script(state: State) -> str:
    """A plain script that computes the plan of a state and draws it."""
    first = Alignment(rows="exact", cols="exact").to_dict()
    always = ("cost", "epsilon", "rows", "cols", "steps")
    found = state.alignment.to_dict().items()
    knobs = {name: value for name, value in found if value is not None and (name in always or value != first[name])}
    return (
        "import gca_playground as gca\n"
        "\n"
        f"{_data_lines(state.choice)}"
        f"alignment = gca.Alignment.from_dict({knobs!r})\n"
        "plan = alignment.plan(z.double(), w.double(), labels=labels)\n"
        'print(f"loss {alignment(z.double(), w.double(), labels=labels):.6f}")\n'
        "*ends, drawn = gca.flat(z, w, labels, labels_w=labels_w)\n"
        "gca.figures.coupling(plan, ends, labels, labels_w=labels_w).show()\n"
    )


def _data_lines(choice: Choice) -> str:
    if choice.name == OWN:
        return "z, w, labels, labels_w = ...  # your embeddings, tensors (n, d) and (m, d), and their labels or None\n"
    arguments = {"n": choice.n, "mismatched": choice.mismatched, "seed": choice.seed, **choice.options}
    listed = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return (
        f"data = gca.datasets.load({choice.name!r}, {listed})\n"
        "z, w, told = gca.embed(data)\n"
        "order = data.labels.argsort(stable=True)  # by class, so that the plan shows blocks\n"
        "z, w, labels, labels_w = z[order], w[order], data.labels[order], data.labels[data.partner][order]\n"
    )
