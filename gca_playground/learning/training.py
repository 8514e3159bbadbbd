"""Train an encoder in one call."""

from __future__ import annotations

import warnings
from typing import Any

from gca_playground._boundary import as_count
from gca_playground.learning.session import TrainingSession


def train(data: object, *, steps: int = 300, progress: bool = True, **options: Any) -> TrainingSession:
    """Train for so many optimiser steps: ``train("moons", loss="gca-ince", epsilon=0.2).history["linear_probe"]``.

    Given: ``data`` and ``options`` as for ``TrainingSession`` (loss, encoder, dim, lr, batch, seed, device, knobs of
    the loss, ...); ``progress``: a bar with the time left. ``steps`` counts optimiser steps: the half-steps of a loss
    are ``loss=gca.loss("gca-ince", steps=5)``.
    Returns: the session, with ``encoder``, ``history`` and ``embed(x)``, ready to go on. An interrupt from the keyboard
    ends the training early, with a warning, and keeps what was learnt; the step under way may then be half taken.
    """
    count = as_count(steps, name="steps", least=0)
    session = TrainingSession(data, **options)
    bar = _bar(count, session.loss_name) if progress else None
    try:
        _take(session, count, bar)
    except KeyboardInterrupt:
        session.interrupted = True
        told = f"interrupted after {session.steps} of {count} steps: what was learnt until then is kept"
        warnings.warn(told, RuntimeWarning, stacklevel=2)
    finally:
        if bar is not None:
            bar.close()
    return session


def _take(session: TrainingSession, count: int, bar: Any) -> None:
    """The steps, and a last row of the history where they end between two."""
    for _ in range(count):
        loss = session.step()
        if bar is not None:
            bar.set_postfix(loss=f"{loss:.3g}", refresh=False)
            bar.update()
    if session.measure_every is not None:
        session.record()


def _bar(count: int, name: str) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=count, desc=name, unit="step")
