"""How soft a marginal must be to help against wrong pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gca_playground._boundary import as_count
from gca_playground.alignment import loss
from gca_playground.learning.experiments.cells import grid, run, summary
from gca_playground.learning.experiments.false_positives import EPSILON, MEASURES, STEPS, measured

if TYPE_CHECKING:
    import pandas as pd

RHOS = (0.01, 0.03, 0.1, 0.2, 0.5, 1.0, 3.0)
RATES = (0.0, 0.4)


def softness(
    *,
    rhos: Sequence[float] = RHOS,
    rates: Sequence[float] = RATES,
    seeds: int = 5,
    steps: int = STEPS,
    folder: str | Path | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Accuracy of GCA-UOT against rho, without and with false positives, mean and deviation over seeds.

    The data and the training of ``noise``, its first weights and views too; both marginals at one rho in units of the
    cost, epsilon 0.2. The claim beside it: relaxed marginals help under noise (Chen et al. 2024), with no word on how
    far they must be relaxed.

    Returns: columns rate, rho, then ``linear_probe``, ``knn``, ``alignment``, ``uniformity`` on clean held-out points,
    each with ``_sd``, and the number of seeds. ``folder``: keeps finished cells, see ``run``.
    """
    cells = grid(rate=rates, rho=rhos, seed=range(as_count(seeds, name="seeds", least=1)), steps=(steps,))
    return summary(run("softness", cell, cells, folder=folder, progress=progress), ("rate", "rho"), MEASURES)


def cell(*, rate: float, rho: float, seed: int, steps: int) -> dict[str, float]:
    """One training of the sweep and its measures."""
    soft = loss("gca-uot", epsilon=EPSILON, rho_rows=rho, rho_cols=rho)
    return measured(rate, seed, steps, loss=soft)
