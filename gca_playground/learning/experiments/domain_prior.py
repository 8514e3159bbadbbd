"""Domain priors: a target that lets domains stay together, or mix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gca_playground._boundary import as_count
from gca_playground.alignment import loss
from gca_playground.learning.datasets import load
from gca_playground.learning.experiments.cells import grid, run, summary
from gca_playground.learning.session import TrainingSession

if TYPE_CHECKING:
    import pandas as pd

DIFFERENCES = (-0.5, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.5)
EPSILON, BATCH, STEPS = 0.2, 96, 250
MEASURES = ("domain_probe", "linear_probe", "alignment", "uniformity")


def prior(
    *,
    differences: Sequence[float] = DIFFERENCES,
    dim: int = 3,
    seeds: int = 5,
    steps: int = STEPS,
    folder: str | Path | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """What a domain prior does to domains and classes, mean and deviation over seeds.

    Target T = I + alpha [same domain] + beta [other domain], where alpha and beta are the mass that a row shares among
    the others of its domain and among those of other domains. A difference alpha - beta > 0 is all alpha, one < 0 all
    beta. Four classes in four domains, an MLP to the sphere, GCA-INCE with 10 half-steps, epsilon 0.2, 250 steps.
    The claim beside it: domain accuracy rises with alpha - beta while class accuracy stays flat (Chen et al. 2024).

    Returns: columns difference, then ``domain_probe``, ``linear_probe`` (of classes), ``alignment``, ``uniformity`` on
    held-out points, each with ``_sd``, and the number of seeds.
    """
    count = as_count(seeds, name="seeds", least=1)
    cells = grid(difference=differences, dim=(dim,), seed=range(count), steps=(steps,))
    return summary(run("prior", cell, cells, folder=folder, progress=progress), ("difference",), MEASURES)


def cell(*, difference: float, dim: int, seed: int, steps: int) -> dict[str, float]:
    """One training of the sweep and its measures."""
    alpha, beta = max(difference, 0.0), max(-difference, 0.0)
    record = loss("domain-prior", alpha=alpha, beta=beta, epsilon=EPSILON)
    data = load("domains", n=1024, seed=seed)
    session = TrainingSession(data, loss=record, dim=dim, batch=BATCH, seed=seed, measure_every=None)
    session.step(steps)
    found = session.measure()
    return {name: found[name] for name in MEASURES}
