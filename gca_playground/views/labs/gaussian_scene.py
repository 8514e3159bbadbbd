"""What a Gaussian lab shows, computed before anything is drawn. No widget in sight."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import torch

from gca_playground.learning import gaussian
from gca_playground.learning.gaussian import THEOREMS, Conditional, Gaussian, Learned, Model, Theorem
from gca_playground.views.labs.gaussian_state import LOSSES, VARIANCE, State

PRECISION = 1e-4
"""Of the encoders where no closed form is known: what the eye sees needs no more."""

LEARNING_RATE = 0.1
HALF_STEPS = 10
"""Of the plan of a batch, where the loss needs one: enough for the eye, and quick."""


class Run(NamedTuple):
    """What a batch has taught: its size, and the slope of E[u|v] in each coordinate."""

    batch: int
    slopes: tuple[float, ...]


class Score(NamedTuple):
    """A row of the table: which loss, with which tilting, and how far its model is from the truth, in nats."""

    loss: str
    tilting: str
    kl: float
    kl_u: float
    kl_v: float
    key: str


@dataclass(frozen=True, eq=False)
class Scene:
    """The truth, the best model of the loss, and a learned one; ``runs`` are all that were learned of this problem."""

    state: State
    truth: Gaussian
    best: Model
    exact: bool
    learned: Learned | None = None
    runs: tuple[Run, ...] = field(default=())

    @property
    def table(self) -> tuple[Score, ...]:
        """All losses with a closed form."""
        return scores(self.state.sigma, self.state.rank)

    @property
    def theorem(self) -> Theorem | None:
        """The row of the theory that the state stands on."""
        return theorem_of(self.state)


def make_scene(state: State, before: Scene | None = None) -> Scene:
    """Everything a state shows. ``before``, what was on show: runs of the same problem stay."""
    truth = truth_of(state.sigma)
    best, exact = _best(_problem(state), None if before is None else before.best)
    runs = before.runs if before is not None and _problem(before.state) == _problem(state) else ()
    if not state.learned:
        return Scene(state, truth, best, exact, None, runs)
    learned = learn(state)
    run = Run(state.batch, tuple(learned.u_given_v.slope.diagonal().tolist()))
    return Scene(state, truth, best, exact, learned, runs if run in runs else (*runs, run))


@lru_cache(maxsize=64)
def truth_of(sigma: tuple[float, ...]) -> Gaussian:
    """A pair with these canonical correlations, coordinate by coordinate, each of variance 1.5."""
    cov = VARIANCE * torch.eye(len(sigma), dtype=torch.float64)
    return Gaussian(cov, VARIANCE * torch.diag(torch.tensor(sigma, dtype=torch.float64)), cov)


@lru_cache(maxsize=32)
def learn(state: State) -> Learned:
    """Encoders learned from fresh batches of the state's size: the fewer steps, the dearer they are."""
    loss, knobs = state.library
    plans = loss in ("sinkhorn", "unbalanced")
    steps = {True: 240, state.batch > 32: 120, state.batch > 128: 60}[True]
    options: dict[str, Any] = {"half_steps": HALF_STEPS} if plans else {}
    return gaussian.fit(
        loss,
        truth_of(state.sigma),
        rank=state.rank,
        tilting=state.tilting,
        batch=state.batch,
        steps=steps // 2 if plans else steps,
        lr=(1.5 if plans else 1.0) * LEARNING_RATE,
        seed=state.seed,
        **knobs,
        **options,
    )


def joint_of(model: Model) -> Gaussian | None:
    """The joint law of a model; None where it has infinite mass, as a learned one may."""
    try:
        return model.joint
    except ValueError:
        return None


def kl_of(truth: Gaussian, model: Model) -> float | None:
    """``KL(truth | model)``; None where the model has no joint law."""
    joint = joint_of(model)
    return None if joint is None else truth.kl(joint.normalised())


def conditionals(law: Gaussian | Model) -> tuple[Conditional, Conditional]:
    """``u | v`` and ``v | u``."""
    return law.u_given_v, law.v_given_u


def theorem_of(state: State) -> Theorem | None:
    """The theorem about the state's loss and tilting, if there is one."""
    place = state.place
    name = next((key for key, row in LOSSES.items() if row.corner == place), state.loss) if place else state.loss
    row = LOSSES[name]
    return next((theorem for theorem in THEOREMS if theorem.answers(state.tilting, row.loss, row.knobs)), None)


@lru_cache(maxsize=64)
def scores(sigma: tuple[float, ...], rank: int) -> tuple[Score, ...]:
    """How far the best model of each loss is from the truth, wherever a closed form is known."""
    truth, found = truth_of(sigma), []
    for name, row in LOSSES.items():
        for tilting in gaussian.TILTINGS:
            theorem = theorem_of(State(sigma=sigma, rank=rank, loss=name, tilting=tilting))
            if name != "square" and theorem is not None:
                model = gaussian.closed_form(row.loss, truth, rank=rank, tilting=tilting, **row.knobs)
                found.append(Score(name, tilting, model.kl, model.kl_u_given_v, model.kl_v_given_u, theorem.key))
    return tuple(found)


@lru_cache(maxsize=64)
def corner_kl(sigma: tuple[float, ...], rank: int, tilting: str) -> dict[tuple[float, float], float]:
    """``KL(truth | plan)`` at the corners of the square where a closed form is known, each with its best encoders."""
    found = {}
    for row in LOSSES.values():
        if row.corner is not None:
            with suppress(ValueError):
                model = gaussian.closed_form(
                    "unbalanced", truth_of(sigma), rank=rank, tilting=tilting, kappa=row.corner
                )
                found[row.corner] = model.kl
    return found


Problem = tuple[tuple[float, ...], int, str, str, tuple[tuple[str, Any], ...]]


def _problem(state: State) -> Problem:
    """What decides the best model."""
    loss, knobs = state.library
    return state.sigma, state.rank, state.tilting, loss, tuple(knobs.items())


def _best(problem: Problem, nearby: Model | None) -> tuple[Model, bool]:
    """The best model, and whether by a closed form (else by descent on the exact loss, from ``nearby`` if it fits)."""
    sigma, rank, tilting, loss, knobs = problem
    truth, values = truth_of(sigma), dict(knobs)
    try:
        return gaussian.closed_form(loss, truth, rank=rank, tilting=tilting, **values), True
    except ValueError:
        if problem not in _FOUND:
            if len(_FOUND) >= MOST_KEPT:
                _FOUND.clear()
            fits = nearby is not None and (nearby.truth is truth and nearby.tilting == tilting and nearby.rank == rank)
            start = nearby if fits else None
            _FOUND[problem] = gaussian.fit(
                loss, truth, rank=rank, tilting=tilting, tolerance=PRECISION, start=start, **values
            )
        return _FOUND[problem], False


_FOUND: dict[Problem, Learned] = {}
MOST_KEPT = 256
"""Models found by descent that are remembered."""
