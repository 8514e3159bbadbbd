"""A training session small enough for a test, and what it has done."""

from __future__ import annotations

from typing import Any

import torch

import gca_playground as gca
from gca_playground.learning.session import TrainingSession

SMALL: dict[str, Any] = {"batch": 16, "measure_every": None, "epsilon": 0.2}


def small(data: Any = None, **options: Any) -> TrainingSession:
    data = gca.datasets.load("moons", n=48) if data is None else data
    return TrainingSession(data, **(SMALL | options))


def weights(session: TrainingSession) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in session.towers.parameters()])


def taken(session: TrainingSession, k: int = 5) -> list[float]:
    session.step(k)
    return session.history.losses[-k:]


def straight(steps: int) -> TrainingSession:
    session = small(measure_every=3)
    session.step(steps)
    return session
