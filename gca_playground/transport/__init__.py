"""FLOOR 1: what is a plan?

``P = exp((f_i + g_j - C_ij) / epsilon)`` under a row and a column constraint. Torch and nothing else.
"""

from gca_playground.transport.constraint import EXACT, FREE, Bounded, Constraint, Soft, as_constraint
from gca_playground.transport.cost import (
    COSTS,
    CosineCost,
    DotCost,
    LazyCost,
    SquaredEuclideanCost,
    cosine_cost,
    cost_named,
    dot_cost,
    squared_euclidean_cost,
)
from gca_playground.transport.plan import GRADIENTS, Plan
from gca_playground.transport.sinkhorn import Trajectory
from gca_playground.transport.solve import ConvergenceWarning, solve

__all__ = [
    "COSTS",
    "EXACT",
    "FREE",
    "GRADIENTS",
    "Bounded",
    "Constraint",
    "ConvergenceWarning",
    "CosineCost",
    "DotCost",
    "LazyCost",
    "Plan",
    "Soft",
    "SquaredEuclideanCost",
    "Trajectory",
    "as_constraint",
    "cosine_cost",
    "cost_named",
    "dot_cost",
    "solve",
    "squared_euclidean_cost",
]
