"""Closed forms of plans between Gaussians: the oracle of the solver beside it, of which it knows nothing."""

from gca_playground.transport.gaussian.closed import entropic_cross_covariance, entropic_value, equal_penalty_plan
from gca_playground.transport.gaussian.law import Canonical, Conditional, Gaussian, Normal
from gca_playground.transport.gaussian.plan import GaussianPlan, entropic_plan, tilted_law
from gca_playground.transport.gaussian.potentials import Score, h, h_inverse

__all__ = [
    "Canonical",
    "Conditional",
    "Gaussian",
    "GaussianPlan",
    "Normal",
    "Score",
    "entropic_cross_covariance",
    "entropic_plan",
    "entropic_value",
    "equal_penalty_plan",
    "h",
    "h_inverse",
    "tilted_law",
]
