"""What the drifters of a crossmodal lab show, computed before anything is drawn. No widget in sight."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gca_playground.learning import crossmodal
from gca_playground.learning.drifters import STARTS, drifter_pairs
from gca_playground.learning.experiments import lagrangian
from gca_playground.views.crossmodal_figures import streamfunctions
from gca_playground.views.labs.crossmodal_state import State

SHOWN = 4
"""So many flows are shown for a path, the best first."""
MOST_K = 20
"""Recall is shown for 1 .. this many answers."""


class Problem(NamedTuple):
    """The table's problem, and the held-out paths in lengths of the torus: (500, tracers, 13, 2) with their starts."""

    data: lagrangian.Problem
    paths: Tensor


@lru_cache(maxsize=4)
def problem(tracers: int, seed: int) -> Problem:
    """Flows and paths to learn from, and 500 pairs held out."""
    count = lagrangian.TRAIN + lagrangian.TEST
    seen = drifter_pairs(count, tracers=tracers, seed=seed).view2[lagrangian.TRAIN :].double()
    start = torch.tensor(STARTS[:tracers], dtype=torch.float64)[None, :, None, :]
    moved = seen.view(lagrangian.TEST, tracers, -1, 2)
    return Problem(
        lagrangian.problem_for(tracers, seed=seed), torch.cat([start.expand(len(moved), -1, 1, 2), start + moved], 2)
    )


class Trained(NamedTuple):
    """A trained model with its scores: of held-out flows and paths (500, 500), of 3000 flows and those paths."""

    model: crossmodal.Crossmodal
    scores: Tensor
    library: Tensor
    log_prior: Tensor
    seconds: float


@lru_cache(maxsize=12)
def trained(tilting: str, tracers: int, seed: int) -> Trained:
    """The two-sided training of the table of experiments; the prior is a density estimate from the 3000 flows."""
    data = problem(tracers, seed).data
    begun = perf_counter()
    model = lagrangian.model_for(data, tilting=tilting, loss="two-sided", seed=seed)
    seconds = perf_counter() - begun
    scores, library = model.score(data.test_u, data.test_v), model.score(data.u, data.test_v)
    return Trained(model, scores, library, crossmodal.log_kde(data.u, at=data.test_u), seconds)


@lru_cache(maxsize=32)
def ranks(found: Trained, direction: str, prior: bool) -> np.ndarray:
    """How many answers are better than the right one, for each of the 500 questions."""
    scores = found.scores.double() + (found.log_prior[:, None] if prior else 0)
    own = scores.diagonal()
    better = scores > (own if direction == "u|v" else own[:, None])
    counted: np.ndarray = better.sum(crossmodal.DIRECTIONS[direction]).numpy()
    return counted


def recall(rank: np.ndarray, k: int) -> float:
    """The share of questions whose right answer is among the first k."""
    return float((rank < k).mean())


@dataclass(frozen=True, eq=False)
class Scene:
    """The drifters of a state."""

    state: State
    found: Trained

    @property
    def problem(self) -> Problem:
        """Its data."""
        return problem(self.state.tracers, self.state.seed)

    @cached_property
    def path(self) -> np.ndarray:
        """Where the drifters were seen: (tracers, 13, 2), not wrapped."""
        return self.problem.paths[self.state.path].numpy()

    @cached_property
    def answers(self) -> list[int]:
        """The places of the best flows."""
        column, prior = self.found.scores[:, [self.state.path]], self.found.log_prior if self.state.prior else None
        return crossmodal.retrieve(column, SHOWN, direction="u|v", log_prior=prior)[0].tolist()

    @cached_property
    def rank(self) -> int:
        """The place of the true flow in the list, from 1."""
        return int(ranks(self.found, "u|v", self.state.prior)[self.state.path]) + 1

    @cached_property
    def weights(self) -> Tensor:
        """Of the 3000 flows, given the path."""
        return crossmodal.generation_weights(self.found.library[:, [self.state.path]].double())[:, 0]

    @cached_property
    def ess(self) -> float:
        """How many of them count."""
        return crossmodal.effective_sample_size(self.weights).item()

    @cached_property
    def mean(self) -> Tensor:
        """Their weighted mean (12,)."""
        return crossmodal.weighted_mean(self.weights, self.problem.data.u)

    @cached_property
    def flows(self) -> list[np.ndarray]:
        """Streamfunctions on a grid: the true one, the weighted mean, and the best answers."""
        test = self.problem.data.test_u
        return streamfunctions(torch.stack([test[self.state.path], self.mean.to(test), *test[self.answers]]))

    def error(self, flow: Tensor) -> float:
        """Mean square error of a coefficient, where knowing nothing is about 1."""
        return (flow.double() - self.problem.data.test_u[self.state.path].double()).square().mean().item()

    @cached_property
    def errors(self) -> list[float]:
        """Of the weighted mean, and of the best answers."""
        return [self.error(self.mean), *(self.error(self.problem.data.test_u[k]) for k in self.answers)]

    @cached_property
    def curves(self) -> list[list[float]]:
        """R@k, k = 1 .. 20: of flows for a path, of paths for a flow."""
        both = (ranks(self.found, "u|v", self.state.prior), ranks(self.found, "v|u", False))
        return [[recall(rank, k) for k in range(1, MOST_K + 1)] for rank in both]


def make_scene(state: State) -> Scene:
    """Everything the drifters of a state show."""
    return Scene(state, trained(state.tilting, state.tracers, state.seed))
