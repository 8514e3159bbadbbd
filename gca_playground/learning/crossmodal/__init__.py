"""Two modalities, one space: retrieve, classify, generate.

    >>> import gca_playground as gca
    >>> data = gca.datasets.digit_pairs("label", split="train")             # u: images, v: labels, one-hot
    >>> model = gca.crossmodal.fit(data.view1, data.view2, loss="two-sided")
    >>> s = model.score(images, labels)                                     # (n, m): ROWS are u, COLUMNS are v

Everything below ``fit`` is a function of such a matrix of scores ``s_ij``, the logarithm of the model's density of
dependence. A direction says what is sought: "u|v" seeks u for a given v, so it normalises over the rows (dim 0), one
answer a column; "v|u" normalises over the columns (dim 1), one answer a row.

    fit, Crossmodal         train two encoders with any loss of the family; score, embed, half-step where it is needed
    alignment_for           the ``Alignment`` behind "u|v", "v|u", "two-sided", "joint" and "sinkhorn"
    conditional_weights     softmax in a direction, with a prior
    retrieve, recall        the K best, also corrected by a prior; R@K
    log_kde                 the log density of a library: the prior that makes retrieval MAP
    class_probabilities, class_log_prior, fine_tune, FineTuned      labels: zero-shot, and with a few of them
    generation_weights, effective_sample_size, resample             new u from a library
    weighted_mean, weighted_covariance                              what such weights say
    half_step, balance      the part of a score that a loss leaves open: one half-step of Sinkhorn, or all of them

Source: Baptista, Stuart and Tran 2025, "A mathematical perspective on contrastive learning", sections 3, 4 and 6;
half-steps as the cure of a one-sided model in its other direction are derived here.
"""

from gca_playground.learning.crossmodal.classification import (
    FineTuned,
    class_log_prior,
    class_probabilities,
    fine_tune,
)
from gca_playground.learning.crossmodal.directions import DIRECTIONS, conditional_weights
from gca_playground.learning.crossmodal.gauge import balance, free_sides, half_step
from gca_playground.learning.crossmodal.generation import (
    effective_sample_size,
    generation_weights,
    resample,
    weighted_covariance,
    weighted_mean,
)
from gca_playground.learning.crossmodal.losses import LOSSES, TILTINGS, alignment_for
from gca_playground.learning.crossmodal.model import Crossmodal, fit
from gca_playground.learning.crossmodal.retrieval import log_kde, recall, retrieve

__all__ = [
    "DIRECTIONS",
    "LOSSES",
    "TILTINGS",
    "Crossmodal",
    "FineTuned",
    "alignment_for",
    "balance",
    "class_log_prior",
    "class_probabilities",
    "conditional_weights",
    "effective_sample_size",
    "fine_tune",
    "fit",
    "free_sides",
    "generation_weights",
    "half_step",
    "log_kde",
    "recall",
    "resample",
    "retrieve",
    "weighted_covariance",
    "weighted_mean",
]
