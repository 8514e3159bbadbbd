"""Plain plotly figures of plans, losses, trainings and tables, for notebooks and scripts: ``gca.figures``.

Each takes ``dark``: True or False for a page that is known, None (the default) for colours that read on both.
"""

from __future__ import annotations

from gca_playground.views.course_figures import beside
from gca_playground.views.crossmodal_figures import flow_panels, streamfunctions, strips
from gca_playground.views.figures import clouds, convergence, coupling
from gca_playground.views.gaussian_figures import against, laws
from gca_playground.views.loss_figures import bars, over_steps, signed
from gca_playground.views.run_figures import embedding, history
from gca_playground.views.table_figures import means, read

__all__ = [
    "against",
    "bars",
    "beside",
    "clouds",
    "convergence",
    "coupling",
    "embedding",
    "flow_panels",
    "history",
    "laws",
    "means",
    "over_steps",
    "read",
    "signed",
    "streamfunctions",
    "strips",
]


def __dir__() -> list[str]:
    """The figures alone."""
    return __all__
