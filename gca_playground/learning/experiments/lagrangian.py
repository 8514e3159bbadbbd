"""Drifters: which flow made this path, and which path does a flow make? Learnt scores beside linear regression."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from gca_playground._boundary import as_count
from gca_playground.learning import crossmodal
from gca_playground.learning.drifters import WAVES, drifter_pairs
from gca_playground.learning.experiments.cells import grid, run, summary
from gca_playground.learning.networks import mlp

if TYPE_CHECKING:
    import pandas as pd

TILTINGS = ("cosine", "dot", "squared_euclidean")
LOSSES = ("two-sided", "u|v")
BASELINE = "linear regression"
"""In place of a tilting."""
TRAIN, TEST = 3000, 500
DIM = 2 * len(WAVES)
HIDDEN, BATCH, STEPS, RATE = (128, 128), 256, 400, 1e-2
RECALLS = ("flow_r1", "flow_r5", "path_r1", "path_r5")
MEASURES = (*RECALLS, "path_r1_fixed", "path_r5_fixed", "mse", "top1_mse", "ess", "seconds")


class Problem(NamedTuple):
    """Flows u and paths v, each coordinate in units of its standard deviation, to learn from and to judge on."""

    u: Tensor
    v: Tensor
    test_u: Tensor
    test_v: Tensor


class Scaling(nn.Module):
    """One factor for each coordinate: the coefficients are an embedding already."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """(n, width) to (n, width)."""
        return x * self.factors


def drifters(
    *,
    tracers: Sequence[int] = (3, 1),
    tiltings: Sequence[str] = (BASELINE, *TILTINGS),
    losses: Sequence[str] = LOSSES,
    seeds: int = 3,
    steps: int = STEPS,
    folder: str | Path | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """The coefficients u of a flow and the path v of drifters in it, judged on 500 held-out pairs; mean over seeds.

    Coefficients are scaled one by one, paths go through an MLP (128, 128, 12); 3000 pairs, batch 256, 400 steps.
    ``flow_r1``, ``flow_r5``: R@1 and R@5 of the flow for a given path among the 500; ``path_r1``, ``path_r5``: of the
    path for a given flow; ``..._fixed``: after a half-step over the 3000 flows, where the loss left that direction
    open. ``mse``: of the weighted mean of the 3000 flows, a coefficient, where knowing nothing is 1; ``top1_mse``: of
    the best of the 3000; ``ess``: how many of them count. The baseline regresses u on v and ranks by the distance
    from its prediction.

    ``drifters(tracers=(1,), tiltings=("cosine",), losses=("two-sided",), seeds=1)`` takes a few seconds.
    Returns: columns tracers, tilting, loss, then these and the ``seconds`` of training, each with ``_sd``, and seeds.
    """
    count = as_count(seeds, name="seeds", least=1)
    table = run("drifters", cell, _cells(tracers, tiltings, losses, count, steps), folder=folder, progress=progress)
    return summary(table, ("tracers", "tilting", "loss"), MEASURES)


def cell(*, tracers: int, tilting: str, loss: str, seed: int, steps: int) -> dict[str, float]:
    """One row of the table before its mean over seeds."""
    problem = problem_for(tracers, seed=seed)
    if tilting == BASELINE:
        return regression(problem)
    begun = perf_counter()
    model = model_for(problem, tilting=tilting, loss=loss, seed=seed, steps=steps)
    seconds = perf_counter() - begun
    return judged(model, problem) | {"seconds": seconds}


def problem_for(tracers: int, *, seed: int) -> Problem:
    """3500 pairs: the first 3000 to learn from, which also set the scale of the paths."""
    data = drifter_pairs(TRAIN + TEST, tracers=tracers, seed=seed)
    v = (data.view2 - data.view2[:TRAIN].mean(0)) / data.view2[:TRAIN].std(0)
    return Problem(data.view1[:TRAIN], v[:TRAIN], data.view1[TRAIN:], v[TRAIN:])


def model_for(
    problem: Problem, *, tilting: str = "cosine", loss: str = "two-sided", seed: int = 0, steps: int = STEPS
) -> crossmodal.Crossmodal:
    """The training of one cell; the rate falls to 0."""
    path_encoder = mlp(problem.v.shape[1], DIM, hidden=HIDDEN, seed=seed)
    return crossmodal.fit(
        problem.u,
        problem.v,
        loss=loss,
        tilting=tilting,
        encoders=(Scaling(DIM), path_encoder),
        steps=steps,
        batch=BATCH,
        lr=RATE,
        decay=steps,
        seed=seed,
    )


def judged(model: crossmodal.Crossmodal, problem: Problem) -> dict[str, float]:
    """The measures of a model: retrieval among the test pairs, and what the training flows say of a test path."""
    scores = model.score(problem.test_u, problem.test_v)
    library = model.score(problem.u, problem.test_v)
    fixed = dict.fromkeys(("path_r1_fixed", "path_r5_fixed"), math.nan)
    if "v|u" not in model.directions:
        open_way = model.half_step(scores, direction="v|u", library=library)
        fixed = {f"path_r{k}_fixed": crossmodal.recall(open_way, k, direction="v|u") for k in (1, 5)}
    return recalls(scores) | fixed | of_library(library, problem)


def of_library(library: Tensor, problem: Problem) -> dict[str, float]:
    """``mse`` of the weighted mean, ``top1_mse`` and ``ess``, from scores of training flows and test paths."""
    weights = crossmodal.generation_weights(library)
    best = problem.u[crossmodal.retrieve(library, 1)[:, 0]]
    mean = crossmodal.weighted_mean(weights, problem.u)
    ess = crossmodal.effective_sample_size(weights).mean()
    errors = {"mse": (mean - problem.test_u), "top1_mse": best - problem.test_u}
    return {name: float(error.square().mean()) for name, error in errors.items()} | {"ess": float(ess)}


def regression(problem: Problem) -> dict[str, float]:
    """The baseline: a flow fits a path as well as it is near to what least squares predicts from the path."""
    flow = predicted(problem.v, problem.u, problem.test_v)
    mse = float((flow - problem.test_u).square().mean())
    return dict.fromkeys(MEASURES, math.nan) | recalls(-torch.cdist(problem.test_u.double(), flow)) | {"mse": mse}


def predicted(x: Tensor, y: Tensor, at: Tensor) -> Tensor:
    """Linear regression with an intercept of y (n, e) on x (n, d), evaluated at (k, d): (k, e), float64."""
    design, new = (torch.cat([points, torch.ones_like(points[:, :1])], 1).double() for points in (x, at))
    return new @ torch.linalg.lstsq(design, y.double(), driver="gelsd").solution


def recalls(scores: Tensor) -> dict[str, float]:
    """R@1 and R@5 of flows for a given path, and of paths for a given flow."""
    ways = (("flow", "u|v"), ("path", "v|u"))
    return {f"{name}_r{k}": crossmodal.recall(scores, k, direction=way) for name, way in ways for k in (1, 5)}


def _cells(
    tracers: Sequence[int], tiltings: Sequence[str], losses: Sequence[str], seeds: int, steps: int
) -> list[dict[str, object]]:
    cells: list[dict[str, object]] = []
    for outer in grid(tracers=tracers, tilting=tiltings):
        trained = ("",) if outer["tilting"] == BASELINE else losses
        cells += [outer | inner for inner in grid(loss=trained, seed=range(seeds), steps=(steps,))]
    return cells
