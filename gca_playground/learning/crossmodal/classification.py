"""Classification: a label is one more item of the other modality; zero-shot, or with a few labelled examples."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

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
    return _fitted(z, kinds, first, epsilon=temperature, weight=real("penalty", penalty) / len(z))


def _fitted(
    z: Float[Tensor, "n d"], kinds: Int64[Tensor, " n"], first: Float[Tensor, "k d"], *, epsilon: float, weight: float
) -> FineTuned:
    """Newton-like descent on logits ``z (first / epsilon + change)' + bias``."""
    K, d = first.shape
    base = z @ first.mT / epsilon

    def loss(x: Tensor) -> Tensor:
        change, bias = x[K:].view(K, d), x[:K]
        # One number added to every log-prior changes nothing: the last term, tiny, chooses it.
        held = 0.5 * weight * change.square().sum() + 0.5e-6 * bias.sum().square() / K
        return cross_entropy(base + z @ change.mT + bias, kinds) + held

    found = lbfgs(loss, z.new_zeros(K * (d + 1)), steps=MOST_STEPS, tolerance=TOLERANCE)
    endless = weight == 0 and _is_parted(z, kinds, K)
    if endless:
        told = "without a penalty there is no minimum in reach: a plane parts classes (or nearly), their vectors grow"
        warnings.warn(told, ConvergenceWarning, stacklevel=3)
    vectors, bias = first + epsilon * found.x[K:].view(K, d), found.x[:K].log_softmax(0)
    value = cross_entropy(z @ vectors.mT / epsilon + bias, kinds).item()
    converged = found.converged and not endless
    return FineTuned(vectors, bias, epsilon, value if math.isfinite(value) else math.inf, converged)


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
    """The parameters (biases, then vectors) of least cross-entropy + held / 2 mean logit^2, whatever the scale of z."""

    def loss(x: Tensor) -> Tensor:
        logits = _logits(z, x)
        return cross_entropy(logits, kinds) + 0.5 * held * logits.square().mean()

    return lbfgs(loss, x, steps=MOST_STEPS, tolerance=min(HELD) / 10).x


def _logits(z: Float[Tensor, "n d"], x: Tensor) -> Float[Tensor, "n k"]:
    K = len(x) // (z.shape[1] + 1)
    return z @ x[K:].view(K, -1).mT + x[:K]
