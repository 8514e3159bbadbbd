"""False positives: what wrong pairs do to each loss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gca_playground._boundary import as_count
from gca_playground.learning.datasets import load
from gca_playground.learning.experiments.cells import grid, run, summary
from gca_playground.learning.session import TrainingSession

if TYPE_CHECKING:
    import pandas as pd

LOSSES = ("infonce", "gca-ince", "rince", "gca-rince", "gca-uot")
RATES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
EPSILON, BATCH, STEPS = 0.2, 96, 250
DATA: dict[str, Any] = {"n": 256, "classes": 4, "imbalance": 0.4}
MEASURES = ("linear_probe", "knn", "alignment", "uniformity")


def noise(
    *,
    losses: Sequence[str] = LOSSES,
    rates: Sequence[float] = RATES,
    seeds: int = 5,
    steps: int = STEPS,
    folder: str | Path | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Accuracy against the rate of false positives, on four clusters of unequal size, mean and deviation over seeds.

    256 points, each cluster 0.6 times as large as the one before; an MLP to the circle, epsilon 0.2, batch 96, 250
    steps. A false positive shows another point as its second view, the same one all through the training. Every loss of
    a seed sees the same data, views and first weights. RINCE and GCA-RINCE at their defaults (q 0.5, lam 0.01), GCA-UOT
    at rho 0.2. The claim beside it: under noise GCA-UOT >= GCA-RINCE >= GCA-INCE (Chen et al. 2024).

    Returns: columns loss, rate, then ``linear_probe``, ``knn``, ``alignment``, ``uniformity`` on clean held-out points,
    each with ``_sd``, and the number of seeds. ``folder``: keeps finished cells, see ``run``.
    """
    cells = grid(rate=rates, loss=losses, seed=range(as_count(seeds, name="seeds", least=1)), steps=(steps,))
    return summary(run("noise", cell, cells, folder=folder, progress=progress), ("loss", "rate"), MEASURES)


def cell(*, loss: str, rate: float, seed: int, steps: int) -> dict[str, float]:
    """One training of the sweep and its measures."""
    return measured(rate, seed, steps, loss=loss, epsilon=EPSILON)


def measured(rate: float, seed: int, steps: int, **knobs: Any) -> dict[str, float]:
    """What a training with this loss reaches on clean held-out points; ``knobs`` as for ``TrainingSession``."""
    data = load("blobs", mismatched=rate, seed=seed, **DATA)
    session = TrainingSession(data, batch=BATCH, seed=seed, measure_every=None, **knobs)
    session.step(steps)
    found = session.measure()
    return {name: found[name] for name in MEASURES}
