"""One or two trainings in step, and their pictures as numbers: no widget in sight."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gca_playground.alignment import Alignment
from gca_playground.learning.encoders import pca
from gca_playground.learning.pairs import Pairs
from gca_playground.learning.session import TrainingSession
from gca_playground.views import figures
from gca_playground.views.labs.scene import patience
from gca_playground.views.labs.training_state import Side, State, arguments

MOST_FRAMES = 128
"""Pictures that are kept for replay."""
MEASURE_EVERY = 20


@dataclass(frozen=True, eq=False)
class Shot:
    """One side at one step: where its points are drawn, the plan of the fixed batch, what was measured last."""

    z: np.ndarray
    w: np.ndarray
    shares: np.ndarray
    row_ratio: np.ndarray
    col_ratio: np.ndarray
    loss: float
    measures: dict[str, float]


@dataclass(frozen=True, eq=False)
class Frame:
    """All sides at one step."""

    step: int
    shots: tuple[Shot, ...]


class Frames:
    """Frames at evenly spaced steps, at most so many: where they are too many, every other one is forgotten."""

    def __init__(self, most: int = MOST_FRAMES) -> None:
        self.most, self.spacing = most, 1
        self.kept: list[Frame] = []

    def wants(self, step: int) -> bool:
        """Whether the frame of a step is to be kept."""
        return step % self.spacing == 0

    def add(self, frame: Frame) -> None:
        """Keep one more."""
        self.kept.append(frame)
        if len(self.kept) > self.most:
            self.spacing *= 2
            self.kept = [kept for kept in self.kept if self.wants(kept.step)]


class Run:
    """The trainings of a state on some data, in step; from the same weights, with the same batches and views."""

    def __init__(self, data: Pairs, state: State) -> None:
        self.data, self.state = data, state
        with patience():
            self.sessions = [self._session(side) for side in state.sides]
        self.moved = False
        self._begin()

    def _session(self, side: Side) -> TrainingSession:
        return TrainingSession(self.data, measure_every=MEASURE_EVERY, **arguments(self.state, side))

    def _begin(self) -> None:
        self.frames = Frames()
        self._drawn: list[np.ndarray | None] = [None] * len(self.sessions)
        self._keep()

    @property
    def steps(self) -> int:
        """Taken so far."""
        return self.sessions[0].steps

    @property
    def kinds(self) -> list[int]:
        """The class of each point of the fixed batch, whose views are drawn."""
        return self.sessions[0].probe.batch.labels.tolist()

    def step(self) -> None:
        """One step of the optimiser on each side."""
        with patience():
            for session in self.sessions:
                session.step()
        if self.frames.wants(self.steps):
            self._keep()

    def follow(self, state: State) -> None:
        """Turn knobs that need no new start. Nothing changes where one is refused, or where the loss has no value."""
        before = self.state
        try:
            self._turn_to(state)
            self._judge()
        except Exception:
            self._turn_to(before)
            raise
        self.moved = self.moved or self.steps > 0
        if not self.steps:  # nothing was learnt yet: the first picture is that of the new knobs
            for session in self.sessions:
                session.record()
            self._begin()

    def _turn_to(self, state: State) -> None:
        for session, side in zip(self.sessions, state.sides, strict=True):
            now = session.loss.alignment
            knobs = {} if now == side.alignment else _all_knobs(side.alignment)
            session.change(lr=state.lr, batch=state.batch, **knobs)
        self.state = state

    @torch.no_grad()
    def _judge(self) -> None:
        """The loss of the fixed batch, for what it raises."""
        with patience():
            for session in self.sessions:
                batch = session.probe.batch
                z, w = session.towers(batch.view1, batch.view2)
                session.objective.value(z, w, batch)

    def reset(self) -> None:
        """Back to the first weights, the first batch and the first views, with the knobs of now."""
        with patience():
            for session in self.sessions:
                session.reset()
        self.moved = False
        self._begin()

    def frame(self) -> Frame:
        """What there is to see now."""
        return Frame(self.steps, tuple(self._shot(k) for k in range(len(self.sessions))))

    def _keep(self) -> None:
        frame = self.frame()
        self._drawn = [np.concatenate([shot.z, shot.w]) for shot in frame.shots]
        self.frames.add(frame)

    @torch.no_grad()
    def _shot(self, k: int) -> Shot:
        session = self.sessions[k]
        batch, towers = session.probe.batch, session.towers
        with patience():
            plan = session.plan()
        if plan is None:
            raise ValueError("this loss has no plan to show")
        z, w = _drawn(towers.first(batch.view1), towers.second(batch.view2), self._drawn[k])
        _, row_ratio, col_ratio = figures.numbers(plan)
        history = session.history
        loss = history.losses[-1] if history.losses else history.last["loss"]
        shares = figures.row_shares(plan).astype(np.float16)
        return Shot(z, w, shares, row_ratio.astype("f4"), col_ratio.astype("f4"), loss, history.last)


def _all_knobs(alignment: Alignment) -> dict[str, Any]:
    return {part.name: getattr(alignment, part.name) for part in dataclasses.fields(Alignment)}


def _drawn(z: Tensor, w: Tensor, before: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Two or three coordinates of each embedding: more are projected to the plane of their largest variance.

    The plane is turned so that the points move as little as they can from where they were ``before``.
    """
    both = torch.cat([z, w]).float()
    if both.shape[1] == 1:
        both = torch.nn.functional.pad(both, (0, 1))
    if both.shape[1] > 3:
        both = pca(both)
        both = both if before is None else both @ _turn(both, torch.from_numpy(before))
    points = both.numpy()
    return points[: len(z)], points[len(z) :]


def _turn(points: Tensor, before: Tensor) -> Tensor:
    """The orthogonal map that brings points closest to where they were."""
    u, _, vh = torch.linalg.svd(points.T @ before)
    return u @ vh
