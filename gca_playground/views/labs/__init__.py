"""The labs: widgets that turn sliders into plans."""

from gca_playground.views.labs.coupling import CouplingLab

__all__ = ["CouplingLab"]
