"""The labs: widgets that turn sliders into plans."""

from gca_playground.views.labs.coupling import CouplingLab
from gca_playground.views.labs.crossmodal import CrossmodalLab
from gca_playground.views.labs.gaussian import GaussianLab
from gca_playground.views.labs.target import TargetLab
from gca_playground.views.labs.training import TrainingLab

__all__ = ["CouplingLab", "CrossmodalLab", "GaussianLab", "TargetLab", "TrainingLab"]
