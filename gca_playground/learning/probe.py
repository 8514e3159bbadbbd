"""What a training is judged on: points it never sees, and one batch that stays the same."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gca_playground.learning import metrics
from gca_playground.learning.laws import generator
from gca_playground.learning.objective import Batch, Objective
from gca_playground.learning.split import Split
from gca_playground.learning.towers import Towers, judging

FITTED = 1300
"""The most training points that the linear probe and the neighbours look at."""


@dataclass(frozen=True, eq=False)
class Probe:
    """Points and views that stay the same through a training.

    ``fit``, ``test``: points without noise, with ``fit_labels``, ``test_labels`` (and domains, or None). ``pairs``: two
    views of the test points whose pair is right. ``batch``: two views of ``index``, training points sorted by class:
    the batch whose plan is looked at.
    """

    fit: Tensor
    fit_labels: Tensor
    fit_domains: Tensor | None
    test: Tensor
    test_labels: Tensor
    test_domains: Tensor | None
    pairs: tuple[Tensor, Tensor]
    batch: Batch
    index: Tensor

    def to(self, device: torch.device) -> Probe:
        """The same on another device; labels stay where they are."""
        moved: dict[str, Any] = {name: getattr(self, name).to(device) for name in ("fit", "test", "batch")}
        return replace(self, pairs=(self.pairs[0].to(device), self.pairs[1].to(device)), **moved)


def probe(parts: Split, *, batch: int, seed: int) -> Probe:
    """The fixed points and views of a training: chosen and drawn from streams of their own."""
    data, rows, test, test_rows = parts
    fit = _some(rows, FITTED, seed, "probe points")
    index = _some(rows, batch, seed, "probe batch")
    index = index[data.labels[index].sort(stable=True).indices]
    draw = generator(seed, "probe views")
    right = test_rows[~test.mismatched[test_rows]]
    return Probe(
        fit=data.x[fit],
        fit_labels=data.labels[fit],
        fit_domains=None if data.domains is None else data.domains[fit],
        test=test.x[test_rows],
        test_labels=test.labels[test_rows],
        test_domains=None if test.domains is None else test.domains[test_rows],
        pairs=test.views(right, draw),
        batch=Batch.of(data, index, data.views(index, draw)),
        index=index,
    )


def _some(rows: Tensor, most: int, seed: int, stream: str) -> Tensor:
    return rows[torch.randperm(len(rows), generator=generator(seed, stream))[:most].sort().values]


@torch.no_grad()
def measure(towers: Towers, objective: Objective, points: Probe) -> dict[str, float]:
    """The numbers of a history, of the embedding (before the head) and of the loss's own plan (after it).

    ``loss``, ``row_error``, ``col_error``, ``entropy`` and ``mass`` (a row) of the fixed batch; ``alignment`` and
    ``uniformity`` of the directions of test views; ``effective_rank`` of test points; ``knn`` and ``linear_probe``:
    accuracy on test points from frozen embeddings of training points, ``domain_probe`` the same for domains. A number
    that means nothing here (one class or one domain only, no plan) is NaN.
    """
    with judging(towers):
        return _of_batch(towers, objective, points) | _of_views(towers, points) | _of_points(towers, points)


def _of_batch(towers: Towers, objective: Objective, points: Probe) -> dict[str, float]:
    z, w = towers(points.batch.view1, points.batch.view2)
    value, plan = objective.value(z, w, points.batch), objective.plan(z, w, points.batch)
    names = ("row_error", "col_error", "entropy", "mass")
    if plan is None:
        return {"loss": float(value), **dict.fromkeys(names, math.nan)}
    rows = plan.cost.shape[-2]
    numbers = plan.row_error, plan.col_error, float(plan.entropy) / rows, float(plan.mass) / rows
    return {"loss": float(value), **dict(zip(names, numbers, strict=True))}


def _of_views(towers: Towers, points: Probe) -> dict[str, float]:
    view1, view2 = points.pairs
    if not len(view1):
        return {"alignment": math.nan, "uniformity": math.nan}
    z, w = normalize(towers.first(view1)), normalize(towers.second(view2))
    spread = metrics.uniformity(z) if len(z) > 1 else math.nan
    return {"alignment": metrics.alignment(z, w), "uniformity": spread}


def _of_points(towers: Towers, points: Probe) -> dict[str, float]:
    fit, test = towers.first(points.fit), towers.first(points.test)
    known = len(points.fit_labels.unique()) > 1
    sides = fit, points.fit_labels, test, points.test_labels
    found = {
        "effective_rank": metrics.effective_rank(test),
        "knn": metrics.knn_accuracy(*sides, neighbours=min(5, len(fit))) if known else math.nan,
        "linear_probe": metrics.linear_probe(*sides) if known else math.nan,
    }
    if points.fit_domains is not None and points.test_domains is not None:
        judged = fit, points.fit_domains, test, points.test_domains
        several = len(points.fit_domains.unique()) > 1
        found["domain_probe"] = metrics.linear_probe(*judged) if several else math.nan
    return found
