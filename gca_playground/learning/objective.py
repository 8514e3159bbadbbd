"""What a training minimises, and how that may change while it runs.

A loss comes as a name with knobs, as an ``Alignment``, as a module that ``gca.loss`` made, or as any module or function
(z, w) -> scalar. The first three are one thing, a record of knobs; the last has nothing to turn.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, nn

from gca_playground.alignment import LOSSES, Alignment, Loss, loss
from gca_playground.alignment.named import ALWAYS
from gca_playground.learning.pairs import Pairs
from gca_playground.transport import Plan


class Batch(NamedTuple):
    """Two views of some points, (b, d) and (b, e), with a class and perhaps a domain for each pair."""

    view1: Tensor
    view2: Tensor
    labels: Tensor
    domains: Tensor | None

    @classmethod
    def of(cls, data: Pairs, index: Tensor, views: tuple[Tensor, Tensor]) -> Batch:
        """Some views of the points ``index``."""
        return cls(*views, data.labels[index], None if data.domains is None else data.domains[index])

    def to(self, device: object) -> Batch:
        """The same on another device."""
        return Batch(*(None if part is None else part.to(device) for part in self))  # type: ignore[call-overload, arg-type]


class FunctionLoss(nn.Module):
    """Any function (z, w) -> scalar as a module."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, z: Tensor, w: Tensor) -> Tensor:
        """What the function says."""
        return self.function(z, w)


@dataclass(frozen=True)
class Objective:
    """A loss that can be called on a batch, changed and written down; ``module`` is what is called."""

    module: nn.Module

    @property
    def name(self) -> str:
        """What to call it, in a progress bar say."""
        if isinstance(self.module, Loss):
            return self.module.name or "alignment"
        kept = getattr(self.module, "function", self.module)
        return str(getattr(kept, "__name__", type(kept).__name__))

    def value(self, z: Tensor, w: Tensor, batch: Batch) -> Tensor:
        """The loss of an embedded batch. Raises: ValueError where the loss is no scalar tensor."""
        given = self._labels(batch) | {"data": (batch.view1, batch.view2)} if isinstance(self.module, Loss) else {}
        value = self.module(z, w, **given)
        if not isinstance(value, Tensor) or value.ndim:
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"a loss must return a scalar tensor, got {got}")
        return value

    def plan(self, z: Tensor, w: Tensor, batch: Batch) -> Plan | None:
        """The plan that the loss judges; None where it has none to show."""
        if isinstance(self.module, Loss):
            return self.module.plan(z, w, **self._labels(batch))
        method = getattr(self.module, "plan", None)
        found = method(z, w) if callable(method) else None
        return found if isinstance(found, Plan) else None

    def change(self, **knobs: Any) -> Objective:
        """The same loss with some knobs changed; a temperature that is learnt goes on from where it is.

        Raises: TypeError for a loss without knobs; ValueError for a knob it does not have or a value that breaks a law.
        """
        if not isinstance(self.module, Loss):
            raise TypeError(f"{', '.join(knobs)}: a loss given as a function has no knobs that can change")
        name = self.module.name
        left = name in LOSSES and not set(knobs) <= {*ALWAYS, *LOSSES[name].knobs}
        learnt = self.module.log_epsilon is not None
        changed = self.module.alignment.change(**knobs)
        return Objective(Loss(changed, name=None if left else name, learn_epsilon=learnt))

    def check(self, data: Pairs) -> None:
        """Whether the data have what the target asks for. Raises: ValueError that names it."""
        target = self.module.alignment.target if isinstance(self.module, Loss) else None
        if target is None or not target.needs_labels:
            return
        if target.name == "domains" and data.domains is None:
            raise ValueError("the target 'domains' needs data with domains, such as datasets.load('domains')")
        if target.name != "domains" and len(data.labels.unique()) < 2:
            raise ValueError(f"the target {target.name!r} needs labels of two classes or more, got {data!r}")

    def clone(self) -> Objective:
        """A copy that learns on its own."""
        return Objective(copy.deepcopy(self.module))

    def to_dict(self) -> dict[str, Any] | None:
        """What ``from_dict`` makes the loss from again; None where only the caller can."""
        if not isinstance(self.module, Loss):
            return None
        learnt = self.module.log_epsilon is not None
        return {"alignment": self.module.alignment.to_dict(), "name": self.module.name, "learn_epsilon": learnt}

    @classmethod
    def from_dict(cls, written: dict[str, Any]) -> Objective:
        """The loss that ``to_dict`` wrote."""
        record = Alignment.from_dict(written["alignment"])
        return cls(Loss(record, name=written["name"], learn_epsilon=written["learn_epsilon"]))

    def _labels(self, batch: Batch) -> dict[str, Tensor | None]:
        """One label a row for a target that asks for them: domains for the target of that name, else classes."""
        target: Any = self.module.alignment.target  # type: ignore[union-attr]
        if not target.needs_labels:
            return {}
        if target.name != "domains":
            return {"labels": batch.labels}
        return {"labels": batch.domains}


def objective(given: object, **knobs: Any) -> Objective:
    """A loss as an ``Objective``.

    Given: the name of a loss with its ``knobs``; or an ``Alignment``, or a module or function (z, w) -> scalar, which
    take none. A module is copied, so that two trainings from one module do not learn on it together.
    """
    if isinstance(given, Objective):
        return given.clone()
    if isinstance(given, str):
        return Objective(loss(given, **knobs))
    if knobs:
        raise ValueError(f"{', '.join(knobs)}: knobs of a named loss, but the loss is given as {given!r:.60}")
    if isinstance(given, Alignment):
        return Objective(Loss(given))
    if isinstance(given, nn.Module):
        return Objective(copy.deepcopy(given))
    if callable(given):
        return Objective(FunctionLoss(given))
    raise TypeError(f"loss must be a name, an Alignment or a function (z, w) -> scalar, got {given!r:.60}")
