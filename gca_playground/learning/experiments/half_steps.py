"""Half-steps and temperature: how far the plan is from its target, and what the embedding is worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gca_playground._boundary import as_count
from gca_playground.alignment import Alignment
from gca_playground.learning.datasets import load
from gca_playground.learning.experiments.cells import grid, run, summary
from gca_playground.learning.session import TrainingSession

if TYPE_CHECKING:
    import pandas as pd

EPSILONS = (0.05, 0.1, 0.2, 0.5)
HALF_STEPS = (1, 2, 3, 5, 10, 20)
BATCH, STEPS = 96, 250
MEASURES = ("kl", "uniformity", "linear_probe", "knn", "error")


def relaxation(
    *,
    epsilons: Sequence[float] = EPSILONS,
    half_steps: Sequence[int] = HALF_STEPS,
    data: str = "blobs",
    seeds: int = 5,
    steps: int = STEPS,
    folder: str | Path | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """KL(T | P), uniformity and accuracy for each temperature and number of half-steps, mean and deviation over seeds.

    GCA-INCE with so many half-steps (1 is InfoNCE), an MLP to the circle, batch 96, 250 steps; ``data``: a data set's
    name. ``kl`` is the loss of one fixed batch after training, ``error`` the larger marginal error of its plan. The
    claims beside it: more half-steps lower KL(T | P) (a theorem for one embedding, pairs and exact sides) and give
    better uniformity (Chen et al. 2024; here of the size of the noise between seeds).

    Returns: columns epsilon, half_steps, then the measures, each with ``_sd``, and the number of seeds.
    """
    count = as_count(seeds, name="seeds", least=1)
    cells = grid(epsilon=epsilons, half_steps=half_steps, data=(data,), seed=range(count), steps=(steps,))
    table = run("relaxation", cell, cells, folder=folder, progress=progress)
    return summary(table, ("epsilon", "half_steps"), MEASURES)


def cell(*, epsilon: float, half_steps: int, data: str, seed: int, steps: int) -> dict[str, float]:
    """One training of the sweep and its measures."""
    points = load(data, n=512, seed=seed)
    record = Alignment(epsilon=epsilon, steps=half_steps)
    session = TrainingSession(points, loss=record, batch=BATCH, seed=seed, measure_every=None)
    session.step(steps)
    found = session.measure()
    found |= {"kl": found["loss"], "error": max(found["row_error"], found["col_error"])}
    return {name: found[name] for name in MEASURES}
