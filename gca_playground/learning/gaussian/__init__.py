"""Contrastive learning where everything is known: Gaussian pairs and linear encoders.

    >>> import gca_playground as gca
    >>> truth = gca.gaussian.Gaussian(1.5, 1.0, 1.5)                 # the law of (u, v)
    >>> best = gca.gaussian.closed_form("conditional", truth)        # what the loss learns, exactly
    >>> found = gca.gaussian.fit("conditional", truth)               # the same, by descent
    >>> gca.gaussian.population_loss("conditional", truth)(best.A)   # the loss they minimise

``THEOREMS`` is the table of what each loss learns; the closed forms of plans between Gaussians are here too.
Source: Baptista, Stuart and Tran 2025, "A mathematical perspective on contrastive learning"; rows marked "derived
here" go beyond it.
"""

from gca_playground.learning.gaussian.examples import plane_example, process_example
from gca_playground.learning.gaussian.fit import Learned, batch_loss, fit
from gca_playground.learning.gaussian.losses import LOSSES, PopulationLoss, population_loss
from gca_playground.learning.gaussian.model import Model
from gca_playground.learning.gaussian.signs import SignModel, sign_model
from gca_playground.learning.gaussian.theorems import THEOREMS, Theorem, closed_form
from gca_playground.learning.gaussian.tilting import TILTINGS
from gca_playground.transport.gaussian import (
    Canonical,
    Conditional,
    Gaussian,
    GaussianPlan,
    Normal,
    Score,
    entropic_cross_covariance,
    entropic_plan,
    entropic_value,
    equal_penalty_plan,
    h,
    h_inverse,
    tilted_law,
)

__all__ = [
    "LOSSES",
    "THEOREMS",
    "TILTINGS",
    "Canonical",
    "Conditional",
    "Gaussian",
    "GaussianPlan",
    "Learned",
    "Model",
    "Normal",
    "PopulationLoss",
    "Score",
    "SignModel",
    "Theorem",
    "batch_loss",
    "closed_form",
    "entropic_cross_covariance",
    "entropic_plan",
    "entropic_value",
    "equal_penalty_plan",
    "fit",
    "h",
    "h_inverse",
    "plane_example",
    "population_loss",
    "process_example",
    "sign_model",
    "tilted_law",
]
