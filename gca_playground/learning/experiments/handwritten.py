"""Handwritten digits: what a small network learns of real images without a label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import torch

from gca_playground._boundary import as_count
from gca_playground.learning import metrics
from gca_playground.learning.experiments.cells import grid, run, summary
from gca_playground.learning.networks import cnn
from gca_playground.learning.session import TrainingSession
from gca_playground.learning.split import for_training, split

if TYPE_CHECKING:
    import pandas as pd

LOSSES = ("infonce", "gca-ince", "gca-uot", "rince")
DIMS = (3, 8)
EPSILON, BATCH, STEPS = 0.2, 256, 400
BASELINE = "pca"
"""In place of a loss: principal components, which never train."""
MEASURES = ("linear_probe", "knn", "alignment", "uniformity", "effective_rank", "seconds")


def digits(
    *,
    losses: Sequence[str] = (BASELINE, *LOSSES),
    dims: Sequence[int] = DIMS,
    seeds: int = 5,
    steps: int = STEPS,
    folder: str | Path | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Accuracy on the 500 held-out digits from embeddings learnt on the other 1297, mean and deviation over seeds.

    A CNN (32 and 64 channels, 128 hidden) to the sphere of ``dims`` dimensions, epsilon 0.2, batch 256, 400 steps;
    views turned, scaled, shifted and noisy. "pca" is the baseline: the principal components of the training images. The
    labels are seen by the linear probe alone.

    Returns: columns loss, dim, then ``linear_probe``, ``knn``, ``alignment``, ``uniformity``, ``effective_rank`` and
    the ``seconds`` of training, each with ``_sd``, and the number of seeds.
    """
    count = as_count(seeds, name="seeds", least=1)
    cells = grid(dim=dims, loss=losses, seed=range(count), steps=(steps,))
    table = run("digits", cell, cells, folder=folder, progress=progress)
    return summary(table, ("loss", "dim"), MEASURES)


def cell(*, loss: str, dim: int, seed: int, steps: int) -> dict[str, float]:
    """One training of the table and its measures."""
    if loss == BASELINE:
        return principal_components(dim)
    session = session_for(loss, dim=dim, seed=seed)
    begun = perf_counter()
    session.step(steps)
    seconds = perf_counter() - begun
    found = session.measure() | {"seconds": seconds}
    return {name: found[name] for name in MEASURES}


def session_for(loss: str, *, dim: int, seed: int) -> TrainingSession:
    """The training of one cell, before its first step."""
    encoder = cnn(64, dim, channels=32, hidden=128, seed=seed)
    return TrainingSession(
        "digits", loss=loss, encoder=encoder, epsilon=EPSILON, batch=BATCH, seed=seed, measure_every=None
    )


def principal_components(dim: int) -> dict[str, float]:
    """The baseline's numbers: what two views have to do with each other is not asked of it."""
    data, _, test, _ = split(for_training("digits"), None, seed=0)
    mean = data.x.mean(dim=0)
    axes = torch.linalg.svd(data.x - mean, full_matrices=False).Vh[:dim]
    z, test_z = ((points - mean) @ axes.T for points in (data.x, test.x))
    sides = z, data.labels, test_z, test.labels
    found = {"linear_probe": metrics.linear_probe(*sides), "knn": metrics.knn_accuracy(*sides)}
    return dict.fromkeys(MEASURES, float("nan")) | found | {"effective_rank": metrics.effective_rank(test_z)}
