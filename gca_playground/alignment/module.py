"""A loss one calls in a training script."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from gca_playground._boundary import near
from gca_playground.alignment.loss import Alignment
from gca_playground.alignment.named import ALWAYS, LOSSES, row_name
from gca_playground.alignment.target import TARGETS, Given
from gca_playground.transport import Plan


class Loss(nn.Module):
    """An ``Alignment`` as a torch module: ``loss(z, w)`` for two views, ``loss(batch)`` for a stacked batch.

    Given: the record; ``name`` for its repr; ``learn_epsilon``: the temperature is a parameter, ``log_epsilon``, as in
    CLIP (there the logit scale is -log epsilon), with its exact gradient. Half precision and autocast are welcome: the
    plan is computed in float32, its potentials in float64.
    """

    def __init__(self, alignment: Alignment, *, name: str | None = None, learn_epsilon: bool = False) -> None:
        super().__init__()
        if not isinstance(alignment, Alignment):
            raise TypeError(f"a Loss is made of an Alignment, got {type(alignment).__name__}")
        if not isinstance(learn_epsilon, bool):
            raise TypeError(f"learn_epsilon must be True or False, got {learn_epsilon!r}")
        self._alignment = alignment
        self.name = name
        self.log_epsilon = nn.Parameter(torch.tensor(alignment.epsilon).log()) if learn_epsilon else None

    @property
    def alignment(self) -> Alignment:
        """The frozen record of all knobs, with the temperature as it is now."""
        if self.log_epsilon is None:
            return self._alignment
        return self._alignment.change(epsilon=self.log_epsilon.detach().exp().item())

    def forward(
        self,
        z: object,
        w: object = None,
        *,
        labels: object = None,
        target: object = None,
        data: object = None,
        **options: Any,
    ) -> Tensor:
        """The loss, a scalar in nats a row.

        Given: ``z`` (n, d) and ``w`` (m, d), or one stacked batch (2n, d) for the stacked layout; ``labels`` (n,) for a
        target of classes or domains; ``target``, a matrix (n, m) or a Plan, in place of the record's; ``data`` (x, y)
        for the MMD losses; ``options``: what ``gca.solve`` takes besides, such as a, b, forbidden, tol and max_steps.
        Raises: TypeError, ValueError that name the law and the value.
        """
        given = {"labels": labels, "target": target, "data": data}
        return self._alignment(z, w, **given, **self._temperature() | options)

    def plan(self, z: object, w: object = None, **options: Any) -> Plan:
        """The plan that the loss judges, of the first view to the second."""
        return self._alignment.plan(z, w, **self._temperature() | options)

    def extra_repr(self) -> str:
        """The name and the knobs that are not everybody's default."""
        first = {field.name: field.default for field in dataclasses.fields(Alignment)} | {"rows": None, "cols": None}
        alignment = self.alignment
        record = alignment.to_dict() | {"epsilon": float(f"{alignment.epsilon:.6g}")}
        if isinstance(alignment.target, Given):
            record["target"] = f"given {tuple(alignment.target.values.shape)}"
        own = [f"{name}={value!r}" for name, value in record.items() if value != first[name] or name == "epsilon"]
        learned = ["learn_epsilon=True"] if self.log_epsilon is not None else []
        return ", ".join([*([repr(self.name)] if self.name else []), *own, *learned])

    def _temperature(self) -> dict[str, Tensor]:
        return {} if self.log_epsilon is None else {"epsilon": self.log_epsilon.exp()}


def loss(name: str, *, learn_epsilon: bool = False, **knobs: Any) -> Loss:
    """A named loss as a module; ``gca.losses()`` lists the names and the knobs of each.

        loss = gca.loss("gca-uot", epsilon=0.2, rho_rows=0.5, rho_cols=0.5)
        loss(z, w).backward()

    Raises: ValueError with near names for a name or a knob nobody knows; what ``Alignment`` raises for bad values.
    """
    name = row_name(name)
    here = LOSSES[name]
    known = [*ALWAYS, *here.knobs, "learn_epsilon"]
    alignment = here.alignment
    if "target" in knobs and "target" in known:
        alignment = alignment.change(target=knobs.pop("target"))
        known += [field.name for field in dataclasses.fields(TARGETS[alignment.target.name])]
    unknown = [knob for knob in knobs if knob not in known]
    if unknown:
        raise ValueError(near(unknown[0], known, what=f"knob of {name!r}"))
    return Loss(alignment.change(**knobs), name=name, learn_epsilon=learn_epsilon)
