"""Classification: a label is one more item of the other modality; zero-shot, or with a few labelled examples."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace

from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy

from gca_playground._boundary import as_count, as_epsilon
from gca_playground.learning.crossmodal.directions import conditional_weights
from gca_playground.learning.crossmodal.retrieval import as_points, whole_numbers
from gca_playground.learning.gaussian.minimise import lbfgs
from gca_playground.learning.laws import real
from gca_playground.transport import ConvergenceWarning

MOST_STEPS = 500
TOLERANCE = 1e-6
ROUNDING = 1e-12
"""Embeddings that differ by less than this share of their largest entry are one and the same."""
HELD, STILL = (1e-7, 1e-9), 1.0
"""Held ever more weakly, logits that have a minimum stay; where a plane parts the classes they grow without end."""


def class_probabilities(scores: object, *, log_prior: object = None) -> Float[Tensor, "n m"]:
    """``softmax_j(s_ij + log prior_j)`` over the labels j: rows sum to 1; the class is the ``argmax(1)``.

    Source: Baptista, Stuart and Tran 2025, Algorithm 2.
    """
    return conditional_weights(scores, direction="v|u", log_prior=log_prior)


def class_log_prior(labels: object, classes: int) -> Float[Tensor, " k"]:
    """The log share of each class among some labels (n,), -inf for a class that is not there; (classes,), float64."""
    count = as_count(classes, name="classes", least=1)
    counts = whole_numbers(labels, name="labels", count=None, below=count).bincount(minlength=count).double()
    if not counts.sum():
        raise ValueError("labels must not be empty: there is nothing to count")
    return (counts / counts.sum()).log()


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A vector and a log-prior for each label, on top of an encoder that stays as it was.

    ``vectors`` (K, d); ``log_prior`` (K,), whose exponentials sum to 1; ``loss``: the mean cross-entropy on the
    labelled examples; ``converged``: whether the gradient has vanished, and at a minimum.
    """

    vectors: Float[Tensor, "k d"]
    log_prior: Float[Tensor, " k"]
    epsilon: float
    loss: float
    converged: bool

    def score(self, embeddings: object) -> Float[Tensor, "n k"]:
        """``<z_i, vector_j> / epsilon``, (n, K): add ``log_prior``, as in ``class_probabilities``."""
        return as_points(embeddings, name="embeddings", width=self.vectors.shape[1]) @ self.vectors.mT / self.epsilon

    def probabilities(self, embeddings: object) -> Float[Tensor, "n k"]:
        """Of each label, (n, K)."""
        return class_probabilities(self.score(embeddings), log_prior=self.log_prior)


def fine_tune(
    embeddings: object,
    labels: object,
    *,
    classes: int | None = None,
    epsilon: float = 1.0,
    start: object = None,
    penalty: float = 1.0,
) -> FineTuned:
    """Label vectors and log-priors that minimise the cross-entropy, which is the loss v|u; the encoder is frozen.

    Given:
        embeddings: (n, d) of the labelled examples, as the score compares them (of unit length for the cosine).
        labels: (n,) whole numbers in [0, classes). classes: None: as many as the labels show.
        epsilon: the temperature of the score.
        start: (classes, d), the label vectors of the zero-shot model; None: 0.
        penalty: the weight of ``|vectors - start|^2 / (2 epsilon^2)`` beside the summed loss. Without it (0) there is
            no minimum where a plane parts classes: the vectors would grow for ever. There, and where that is nearly so,
            what is returned is a point on the way, ``converged`` is False, and a ConvergenceWarning says it.

    A class without an example keeps its vector of ``start``, and its log-prior is -inf, as in ``class_log_prior``.
    Embeddings c times as large, with ``penalty`` c^2 times as large, give vectors 1 / c times as large, the same words.
    Whatever the tilting, the label enters by an inner product: for given labels a squared distance differs from it by
    what the log-priors absorb. The problem is convex and solved to convergence: there is no rate to choose.
    Source: Baptista, Stuart and Tran 2025, (34), with the temperature that (35) leaves out.
    """
    z, temperature = as_points(embeddings, name="embeddings"), as_epsilon(epsilon)
    count = None if classes is None else as_count(classes, name="classes", least=2)
    kinds = whole_numbers(labels, name="labels", count=len(z), below=count)
    count = int(kinds.max()) + 1 if count is None else count
    first = z.new_zeros(count, z.shape[1]) if start is None else as_points(start, name="start", width=z.shape[1])
    if len(first) != count:
        raise ValueError(f"start must have one vector for each of the {count} classes, got {tuple(first.shape)}")
    seen, own = kinds.unique(return_inverse=True)
    weight = real("penalty", penalty) / len(z)
    few = _fitted(z, own, first[seen], epsilon=temperature, weight=weight)
    vectors, log_prior = first.index_copy(0, seen, few.vectors), first.new_full((count,), -math.inf)
    return replace(few, vectors=vectors, log_prior=log_prior.index_copy(0, seen, few.log_prior))


def _fitted(
    z: Float[Tensor, "n d"], kinds: Int64[Tensor, " n"], first: Float[Tensor, "k d"], *, epsilon: float, weight: float
) -> FineTuned:
    """Newton-like descent on logits ``z (first / epsilon + change)' + bias``, where each class has examples.

    It works on ``x = (z - mean) / size``, so that units and origin of the embeddings play no part: there the change is
    ``size`` times as large, and the bias takes up the mean.
    """
    K, d = first.shape
    x, mean, size = _standard(z)
    base = z @ first.mT / epsilon

    def loss(free: Tensor) -> Tensor:
        # One number added to every log-prior changes nothing: the last term, tiny, chooses it.
        held = 0.5 * weight * (free[K:] / size).square().sum() + 0.5e-6 * free[:K].sum().square() / K
        return cross_entropy(base + _logits(x, free), kinds) + held

    found = lbfgs(loss, z.new_zeros(K * (d + 1)), steps=MOST_STEPS, tolerance=TOLERANCE)
    endless = weight == 0 and _is_parted(x, kinds, K)
    if endless:
        told = "without a penalty there is no minimum in reach: a plane parts classes (or nearly), their vectors grow"
        warnings.warn(told, ConvergenceWarning, stacklevel=3)
    change = found.x[K:].view(K, d) / size
    bias = (found.x[:K] - change @ mean).log_softmax(0)
    value = cross_entropy(base + _logits(x, found.x), kinds).item()
    converged = found.converged and not endless
    return FineTuned(first + epsilon * change, bias, epsilon, value if math.isfinite(value) else math.inf, converged)


def _standard(z: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, " d"], float]:
    """The points centred and at a mean square of 1 a coordinate, their mean, and what they were divided by."""
    mean = z.mean(0)
    size = (z - mean).square().mean().sqrt().item()
    size = size if size > ROUNDING * z.abs().max().item() else 1.0
    return (z - mean) / size, mean, size


def _is_parted(z: Float[Tensor, "n d"], kinds: Int64[Tensor, " n"], classes: int) -> bool:
    """Whether some logits can grow and grow and only fit better, so that no minimum is in reach.

    Source: Albert and Anderson 1984, on the existence of maximum likelihood estimates in logistic regression models.
    """
    x, logits = z.new_zeros(classes * (z.shape[1] + 1)), []
    for held in HELD:
        x = _held_fit(z, kinds, x, held=held)
        logits.append(_logits(z, x))
    return bool((logits[1] - logits[0]).abs().max() > STILL)


def _held_fit(z: Float[Tensor, "n d"], kinds: Int64[Tensor, " n"], x: Tensor, *, held: float) -> Tensor:
    """The parameters (biases, then vectors) of least cross-entropy + held / 2 mean logit^2."""

    def loss(x: Tensor) -> Tensor:
        logits = _logits(z, x)
        return cross_entropy(logits, kinds) + 0.5 * held * logits.square().mean()

    return lbfgs(loss, x, steps=MOST_STEPS, tolerance=min(HELD) / 10).x


def _logits(z: Float[Tensor, "n d"], x: Tensor) -> Float[Tensor, "n k"]:
    K = len(x) // (z.shape[1] + 1)
    return z @ x[K:].view(K, -1).mT + x[:K]
