"""Contrastive learning is optimal transport in disguise.

    loss = D( T || P(C; epsilon, rows, cols, steps) )

``C`` is the cost of coupling two views (``cosine_cost``, ``squared_euclidean_cost``, ``dot_cost``), ``P`` its entropic
plan (``solve``), ``T`` the matching we want (``targets``), ``D`` how far the plan is from it, and ``Alignment`` the one
record of all knobs. InfoNCE is the plan after one half-step; three sliders lead from there to the rest of the family.

    >>> import gca_playground as gca
    >>> data = gca.datasets.load("digits", n=128)
    >>> plan = gca.solve(gca.cosine_cost(data.view1, data.view2), epsilon=0.1, steps=1)
    >>> gca.CouplingLab()                                              # in a notebook
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gca_playground import check
    from gca_playground.alignment import Alignment, Loss, loss, losses, place, targets
    from gca_playground.alignment.divergence import (
        KL,
        MMD,
        RINCE,
        FenchelYoung,
        InnerProduct,
        Square,
        Tempered,
        TotalVariation,
        Uniformity,
    )
    from gca_playground.learning import crossmodal, datasets, encoders, experiments, gaussian, metrics
    from gca_playground.learning.embedding import embed, flat
    from gca_playground.learning.session import TrainingSession
    from gca_playground.learning.training import train
    from gca_playground.transport import (
        EXACT,
        FREE,
        Bounded,
        ConvergenceWarning,
        CosineCost,
        DotCost,
        Plan,
        Soft,
        SquaredEuclideanCost,
        cosine_cost,
        dot_cost,
        solve,
        squared_euclidean_cost,
    )
    from gca_playground.views import drawn as figures
    from gca_playground.views.labs import CouplingLab, CrossmodalLab, GaussianLab, TargetLab, TrainingLab
    from gca_playground.views.labs.link import app

__version__ = "0.1.0"

# Everything is loaded on first use: importing the package is quick, plotly and ipywidgets come only with the views, and
# the doctor can speak where torch is broken.
_MODULES = {
    "check": "gca_playground.check",
    "crossmodal": "gca_playground.learning.crossmodal",
    "datasets": "gca_playground.learning.datasets",
    "encoders": "gca_playground.learning.encoders",
    "experiments": "gca_playground.learning.experiments",
    "figures": "gca_playground.views.drawn",
    "gaussian": "gca_playground.learning.gaussian",
    "metrics": "gca_playground.learning.metrics",
    "targets": "gca_playground.alignment.target",
}
_HOMES = {
    "gca_playground.alignment": ("Alignment", "Loss", "loss", "losses", "place"),
    "gca_playground.alignment.divergence": (
        "FenchelYoung",
        "InnerProduct",
        "KL",
        "MMD",
        "RINCE",
        "Square",
        "Tempered",
        "TotalVariation",
        "Uniformity",
    ),
    "gca_playground.learning.embedding": ("embed", "flat"),
    "gca_playground.learning.session": ("TrainingSession",),
    "gca_playground.learning.training": ("train",),
    "gca_playground.transport": (
        "EXACT",
        "FREE",
        "Bounded",
        "ConvergenceWarning",
        "CosineCost",
        "DotCost",
        "Plan",
        "Soft",
        "SquaredEuclideanCost",
        "cosine_cost",
        "dot_cost",
        "solve",
        "squared_euclidean_cost",
    ),
    "gca_playground.views.labs": ("CouplingLab", "CrossmodalLab", "GaussianLab", "TargetLab", "TrainingLab"),
    "gca_playground.views.labs.link": ("app",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "EXACT",
    "FREE",
    "KL",
    "MMD",
    "RINCE",
    "Alignment",
    "Bounded",
    "ConvergenceWarning",
    "CosineCost",
    "CouplingLab",
    "CrossmodalLab",
    "DotCost",
    "FenchelYoung",
    "GaussianLab",
    "InnerProduct",
    "Loss",
    "Plan",
    "Soft",
    "Square",
    "SquaredEuclideanCost",
    "TargetLab",
    "Tempered",
    "TotalVariation",
    "TrainingLab",
    "TrainingSession",
    "Uniformity",
    "app",
    "check",
    "cosine_cost",
    "crossmodal",
    "datasets",
    "dot_cost",
    "embed",
    "encoders",
    "experiments",
    "figures",
    "flat",
    "gaussian",
    "loss",
    "losses",
    "metrics",
    "place",
    "solve",
    "squared_euclidean_cost",
    "targets",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value: Any = importlib.import_module(_MODULES[name])
    elif name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
