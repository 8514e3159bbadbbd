"""What a coupling lab shows, computed before anything is drawn.

A ``Choice`` says which data, a ``Cloud`` is what they look like, a ``Scene`` is the plan between its two views and
everything the pictures and readouts need. No widget in sight.
"""

from __future__ import annotations

import copy
import dataclasses
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gca_playground._boundary import as_count, near
from gca_playground.alignment import Alignment, kl_along
from gca_playground.learning import datasets
from gca_playground.learning.embedding import embed, flat, two_views
from gca_playground.transport import ConvergenceWarning, Plan, solve
from gca_playground.views import figures

MOST_POINTS = 256
"""Above this many points a lab draws a sample, and says so."""

SHOWN_STEPS = 50
"""The half-steps that the curves show and the slider reaches."""

PATIENCE = 200
"""Half-steps a lab waits for convergence before it shows what there is, with the error it has."""

OWN = "yours"
"""The name of data that the user brought."""

NATURAL_COST = {"digits": "cosine", "hubs": "cosine", OWN: "cosine"}
"""The cost a data set is shown with first; squared Euclidean where points live in the plane."""


OF_DATA_SETS = ("n", "mismatched", "options")
"""What one chooses of a data set, and not of data that the user brought: those are taken as they are."""


def fields_of(data: Any) -> dict[str, Any]:
    """The fields of a record of data that have an effect, as JSON."""
    fields = dataclasses.asdict(data)
    return {name: value for name, value in fields.items() if data.name != OWN or name not in OF_DATA_SETS}


def check_own(values: dict[str, Any]) -> None:
    """Raises: ValueError for fields that choose of a data set where the data are the user's own."""
    idle = [name for name in OF_DATA_SETS if name in values]
    if values.get("name") == OWN and idle:
        raise ValueError(
            f"{idle[0]} chooses of a data set: your own data are taken as they are, got {idle[0]} = {values[idle[0]]!r}"
        )


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which data: a name and what ``datasets.load`` takes."""

    name: str = "digits"
    n: int = 128
    seed: int = 0
    mismatched: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep the options to itself. Digits are shown to an encoder that has not seen them."""
        object.__setattr__(self, "options", copy.deepcopy(self.options))
        if self.name == "digits" and "split" not in self.options:
            object.__setattr__(self, "options", {"split": "test", **self.options})

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return fields_of(self)

    @classmethod
    def from_dict(cls, values: object) -> Choice:
        """Read back. Raises: TypeError for what is no dict, ValueError for a field nobody knows, or without effect."""
        if not isinstance(values, dict):
            raise TypeError(f"the data of a state are a dict, got {values!r}")
        known = [f.name for f in dataclasses.fields(cls)]
        unknown = [name for name in values if name not in known]
        if unknown:
            raise ValueError(near(unknown[0], known, what="field of the data"))
        for name, kind in (("name", str), ("options", dict)):
            if not isinstance(values.get(name, kind()), kind):
                raise TypeError(f"the {name} of the data must be a {kind.__name__}, got {values[name]!r}")
        check_own(values)
        return cls(**values)

    @property
    def natural_cost(self) -> str:
        """The cost to start with."""
        return NATURAL_COST.get(self.name, "squared_euclidean")


@dataclass(frozen=True, eq=False)
class Cloud:
    """Two views in embedding space and where to draw them, sorted by class so that the plan shows blocks."""

    z: Tensor
    w: Tensor
    labels: list[Any] | None
    labels_w: list[Any] | None
    ends: tuple[np.ndarray, np.ndarray]
    told: str
    noun: str = "class {}"

    def row(self, k: int) -> str:
        """What to call a point of the first view: "row 7, a 3" for a digit, else "row 7, class 2" or "row 7"."""
        return f"row {k}{self._kind(self.labels, k)}"

    def column(self, k: int) -> str:
        """What to call a point of the second view."""
        return f"column {k}{self._kind(self.labels_w, k)}"

    def _kind(self, labels: list[Any] | None, k: int) -> str:
        return "" if labels is None else ", " + self.noun.format(labels[k])


def cloud_of(choice: Choice) -> Cloud:
    """Load the data of that name and embed them. Raises: ValueError with near names."""
    count = as_count(choice.n, name="n", least=1)
    if count > MOST_POINTS:
        raise ValueError(f"the lab shows at most {MOST_POINTS} points, got n = {count}")
    data = datasets.load(choice.name, n=count, mismatched=choice.mismatched, seed=choice.seed, **choice.options)
    embedded = embed(data)
    order = torch.argsort(data.labels, stable=True)
    noun = "a {}" if choice.name == "digits" else "class {}"
    labels, labels_w = data.labels[order].tolist(), data.labels[data.partner][order].tolist()
    return _cloud(embedded.z[order], embedded.w[order], labels, labels_w, embedded.report, noun)


def cloud_from(z: object, w: object, labels: Any, labels_w: Any, *, seed: int) -> Cloud:
    """A cloud of a user's own embeddings; above ``MOST_POINTS`` a seeded sample, said in words.

    Given: ``z`` (n, d) and ``w`` (m, d), tensors or arrays; one label a point, or None.
    """
    z, w = two_views(z, w)
    sides = figures.both_labels(labels, labels_w, (len(z), len(w)))
    rows = _sorted_sample(len(z), sides[0], seed)
    cols = rows if len(z) == len(w) else _sorted_sample(len(w), sides[1], seed)
    told = f"your embeddings, {z.shape[1]} dimension{'s' * (z.shape[1] > 1)}"
    if len(rows) < len(z) or len(cols) < len(w):
        told += f", a sample of {len(rows)} of {len(z)} rows and {len(cols)} of {len(w)} columns (seed {seed})"
    chosen = [
        None if side is None else [side[k] for k in index] for side, index in zip(sides, (rows, cols), strict=True)
    ]
    return _cloud(z[rows], w[cols], chosen[0], chosen[1], told, "class {}")


def _sorted_sample(count: int, labels: list[Any] | None, seed: int) -> list[int]:
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:MOST_POINTS].sort().values.tolist()
    if labels is None:
        return order
    rank = {kind: k for k, kind in enumerate(figures.kinds_of(labels))}
    return sorted(order, key=lambda k: rank[labels[k]])


def _cloud(z: Tensor, w: Tensor, labels: Any, labels_w: Any, told: str, noun: str) -> Cloud:
    *ends, drawn = flat(z, w, labels, labels_w=labels_w)
    at, at_w = (side.numpy() for side in ends)
    return Cloud(z.double(), w.double(), labels, labels_w, (at, at_w), f"{told}; {drawn}", noun)


@dataclass(frozen=True, eq=False)
class Scene:
    """The plan of a cloud under an ``Alignment``, with its losses and its path."""

    cloud: Cloud
    alignment: Alignment
    cost: Tensor
    plan: Plan

    @cached_property
    def path(self) -> Plan | None:
        """The run of 50 half-steps that the curves show; None where there are no half-steps."""
        return None if self.alignment.total else _path(self.cloud, self.alignment, self.cost)

    @cached_property
    def paired(self) -> bool:
        """Whether the target exists: as many rows as columns."""
        return self.cost.shape[0] == self.cost.shape[1]

    @cached_property
    def target(self) -> np.ndarray:
        """T (n, m), as it is judged."""
        return self.alignment.target_of(self.plan, labels=codes_of(self.cloud)).numpy()

    @cached_property
    def loss(self) -> float | None:
        """The loss, with KL in nats a row; None where the target does not exist."""
        if not self.paired:
            return None
        if self.alignment.ways() == [("rows", 2.0)]:
            return self.alignment.value(self.plan, labels=codes_of(self.cloud)).item()
        with patience():
            return self.alignment.of_cost(self.cost, labels=codes_of(self.cloud), **_options(self.alignment)).item()

    @cached_property
    def kl(self) -> np.ndarray | None:
        """``KL(T | P_k)`` after k = 0 .. 50 half-steps."""
        if self.path is None or not self.paired:
            return None
        return kl_along(torch.as_tensor(self.target), self.path).numpy()

    @cached_property
    def matrix(self) -> np.ndarray:
        """P (n, m)."""
        return self.sums[0]

    @cached_property
    def sums(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """P, and its row and column sums as multiples of their mass."""
        return figures.numbers(self.plan)

    @cached_property
    def gradient(self) -> np.ndarray:
        """``- n dLoss/dC`` (n, m), exact: ``(P - T) / epsilon`` at InfoNCE and at convergence; in between the
        half-steps weigh in. Positive where a pair holds too much mass, negative where the loss wants more.
        """
        if not self.paired:
            raise ValueError("the gradient needs a loss, and pairs need as many rows as columns")
        cost = self.cost.clone().requires_grad_()
        with patience():
            loss = self.alignment.of_cost(cost, labels=codes_of(self.cloud), **_options(self.alignment))
        (gradient,) = torch.autograd.grad(loss, cost)
        return (-len(cost) * gradient).numpy()


def make_scene(cloud: Cloud, alignment: Alignment, before: Scene | None = None) -> Scene:
    """Solve for the plan; the rest is computed when it is asked for, so that the plan can be drawn first.

    ``before``, the scene that was on show: where only the number of half-steps differs its path serves again.
    """
    cost = alignment.lazy_cost(cloud.z, cloud.w).matrix()
    if alignment.total:
        return Scene(cloud, alignment, cost, alignment.plan_of(cost, labels=codes_of(cloud)))
    path = _same_path(before, cloud, alignment)
    if alignment.steps is None or alignment.steps > SHOWN_STEPS:
        with patience():
            plan = alignment.plan_of(
                cost, labels=codes_of(cloud), **_options(alignment, _start(before, cloud, alignment))
            )
    else:
        plan = path.at(alignment.steps) if path else alignment.plan_of(cost, labels=codes_of(cloud))
    scene = Scene(cloud, alignment, cost, plan)
    if path:
        vars(scene)["path"] = path
    return scene


def _start(before: Scene | None, cloud: Cloud, alignment: Alignment) -> Plan | None:
    """The plan that was on show, whose potentials are near those that are sought."""
    near_by = before is not None and before.cloud is cloud and before.alignment.cost == alignment.cost
    return before.plan if before is not None and near_by and not before.alignment.total else None


def _same_path(before: Scene | None, cloud: Cloud, alignment: Alignment) -> Plan | None:
    if before is None or before.cloud is not cloud or before.alignment.total:
        return None
    return before.path if before.alignment.change(steps=alignment.steps) == alignment else None


def _path(cloud: Cloud, alignment: Alignment, cost: Tensor) -> Plan:
    options = alignment.constraints() | {"steps": SHOWN_STEPS}
    fitted = alignment.fitted(cost, labels=codes_of(cloud)) if cost.shape[0] == cost.shape[1] else None
    masses = (None, None) if fitted is None else (fitted.a, fitted.b)
    return solve(cost, a=masses[0], b=masses[1], **options)


def codes_of(cloud: Cloud) -> Tensor | None:
    """The classes of the rows as numbers, for a target that asks for them."""
    if cloud.labels is None:
        return None
    rank = {kind: k for k, kind in enumerate(figures.kinds_of(cloud.labels))}
    return torch.tensor([rank[label] for label in cloud.labels])


def _options(alignment: Alignment, start: Plan | None = None) -> dict[str, Any]:
    """How a lab solves to convergence: from where it is, and not for ever."""
    if alignment.total or alignment.steps is not None:
        return {}
    return {"max_steps": PATIENCE} | ({} if start is None else {"init": start})


class patience(warnings.catch_warnings):
    """A lab shows the error that is left; it need not be warned of it."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore", ConvergenceWarning)
