"""What a coupling lab has to show, from its state alone: data, cost, half-steps, levels and colours, each in a line."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

import gca_playground as gca
from tests.oracles import plain

PLENTY = 4000
"""Half-steps that stand for convergence."""


class Views(NamedTuple):
    """The two embedded views and their labels, in the order in which the lab shows them."""

    z: Tensor
    w: Tensor
    labels: Tensor | None = None
    labels_w: Tensor | None = None


def views_of(state: dict[str, Any]) -> Views:
    choice = dict(state["data"])
    data = gca.datasets.load(choice.pop("name"), **choice.pop("options"), **choice)
    embedded = gca.embed(data)
    order = torch.argsort(data.labels, stable=True)
    z, w = embedded.z[order].double(), embedded.w[order].double()
    return Views(z, w, data.labels[order], data.labels[data.partner][order])


def mismatched_of(state: dict[str, Any]) -> list[bool]:
    """Which of the pairs are wrong, in the order in which the lab shows them."""
    choice = dict(state["data"])
    data = gca.datasets.load(choice.pop("name"), **choice.pop("options"), **choice)
    return data.mismatched[torch.argsort(data.labels, stable=True)].tolist()


def cost_of(name: str, views: Views) -> Tensor:
    z, w = views.z[:, None, :], views.w[None, :, :]
    if name == "cosine":
        return 1 - (z * w).sum(-1) / (z.norm(dim=-1) * w.norm(dim=-1))
    return (z - w).square().sum(-1) / 2 if name == "squared_euclidean" else -(z * w).sum(-1)


def log_plan_of(state: dict[str, Any], cost: Tensor) -> Tensor:
    """log P, with its tape where the cost has one."""
    knobs = state["alignment"]
    if knobs["total"]:
        logits = -cost / knobs["epsilon"]
        return logits - logits.logsumexp((0, 1)) + math.log(len(cost))
    steps = PLENTY if knobs["steps"] is None else knobs["steps"]
    sides = plain.Sides(_side(knobs["rows"]), _side(knobs["cols"]), *plain.unit_masses(cost))
    return plain.log_plan(cost, knobs["epsilon"], sides, steps)


def path_of(state: dict[str, Any], steps: int) -> tuple[list[np.ndarray], list[tuple[np.ndarray, np.ndarray]]]:
    """P and (f, g) after 0, 1, ..., ``steps`` half-steps."""
    knobs, cost = state["alignment"], cost_of(state["alignment"]["cost"], views_of(state))
    sides = plain.Sides(_side(knobs["rows"]), _side(knobs["cols"]), *plain.unit_masses(cost))
    plans = [log.exp().numpy() for log in plain.log_plans(cost, knobs["epsilon"], sides, steps)]
    walk = itertools.islice(plain.potentials(cost, knobs["epsilon"], sides), steps + 1)
    return plans, [(f.numpy(), g.numpy()) for f, g in walk]


def plan_of(state: dict[str, Any], views: Views | None = None) -> np.ndarray:
    cost = cost_of(state["alignment"]["cost"], views or views_of(state))
    return log_plan_of(state, cost).exp().numpy()


def loss_of(state: dict[str, Any], views: Views | None = None) -> float:
    """KL(I | P) / n."""
    plan = plan_of(state, views)
    return float((-np.log(np.diag(plan)) - 1).sum() + plan.sum()) / len(plan)


def gradient_of(state: dict[str, Any], views: Views | None = None) -> np.ndarray:
    """- n dLoss/dC by autograd through the plain half-steps."""
    cost = cost_of(state["alignment"]["cost"], views or views_of(state)).requires_grad_()
    log = log_plan_of(state, cost)
    (-log.diagonal().sum() + log.exp().sum()).backward()
    assert cost.grad is not None
    return -cost.grad.numpy()


def levels(plan: np.ndarray) -> np.ndarray:
    return np.array([[round(255 * min(p, 1.0) ** 0.4) for p in row] for row in plan.tolist()], np.uint8)


def diverging_levels(values: np.ndarray) -> np.ndarray:
    top = np.abs(values).max()
    return np.rint(127.5 + 127.5 * np.sign(values) * np.sqrt(np.abs(values) / top)).astype(np.uint8)


def colours(levels: np.ndarray, palette: bytes) -> np.ndarray:
    """(n, m, 3) as the browser should paint it."""
    return np.frombuffer(palette, np.uint8).reshape(256, 3)[levels]


def _side(value: Any) -> gca.Soft | gca.Bounded:
    if isinstance(value, dict):
        return gca.Bounded(value["lo"], math.inf if value["hi"] is None else value["hi"])
    return gca.Soft({"exact": math.inf, "free": 0.0}.get(value, value))
