"""Experiments as plain functions: each returns a pandas DataFrame, one row a cell, or its mean over seeds.

    gca.experiments.noise(rates=(0.0, 0.4), seeds=3)

``python -m gca_playground.learning.experiments`` makes all tables of the course, ``... noise`` one of them. What they
show is reported as found; the claims beside which it stands are in each function's description.
"""

from gca_playground.learning.experiments.cells import grid, run, summary
from gca_playground.learning.experiments.domain_prior import prior
from gca_playground.learning.experiments.false_positives import noise
from gca_playground.learning.experiments.half_steps import relaxation
from gca_playground.learning.experiments.handwritten import digits
from gca_playground.learning.experiments.lagrangian import drifters
from gca_playground.learning.experiments.modalities import crossmodal_digits
from gca_playground.learning.experiments.soft_marginals import softness

__all__ = [
    "crossmodal_digits",
    "digits",
    "drifters",
    "grid",
    "noise",
    "prior",
    "relaxation",
    "run",
    "softness",
    "summary",
]
