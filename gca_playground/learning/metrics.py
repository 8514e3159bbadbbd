"""How good is an embedding? Numbers that need no training, and a linear probe on frozen embeddings.

All take embeddings as they are: divide by their lengths first where directions alone should count. All return floats.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot, pdist

from gca_playground._boundary import as_count, as_float_tensor
from gca_playground.learning.laws import finite, generator, real

__all__ = ["alignment", "effective_rank", "knn_accuracy", "linear_probe", "uniformity"]


def alignment(z: object, w: object, *, power: float = 2.0) -> float:
    """``mean_i |z_i - w_i|^power``: how far the two views of a point are apart; 0 is perfect.

    Given: (n, d) twice. On unit vectors and at power 2 it is twice the mean cosine cost of the pairs.
    Source: Wang and Isola 2020, their alignment loss.
    """
    z, w = _embeddings(z, "z"), _embeddings(w, "w")
    if z.shape != w.shape:
        raise ValueError(f"alignment compares pairs: z and w must have one shape, got {_shape(z)} and {_shape(w)}")
    return float((z - w).norm(dim=1).pow(real("power", power)).mean())


def uniformity(z: object, *, t: float = 2.0) -> float:
    """``log mean_{i != j} exp(-t |z_i - z_j|^2)``: 0 where all points are one, lower the more evenly they spread.

    Given: (n, d) with n >= 2; at d dimensions and unit length the least value is that of the uniform law.
    Source: Wang and Isola 2020, their uniformity loss over pairs i != j.
    """
    z = _embeddings(z, "z")
    if len(z) < 2:
        raise ValueError(f"uniformity needs at least two points, got {_shape(z)}")
    exponents = -real("t", t) * pdist(z).square()
    return float(exponents.logsumexp(0)) - math.log(len(exponents))


def effective_rank(z: object) -> float:
    """``exp(- sum_k p_k log p_k)`` with p = singular values / their sum: how many dimensions are in use.

    Given: (n, d), not centred. 1 where all points lie on one line through 0, at most min(n, d). All zeros: 0.
    Source: Roy and Vetterli 2007.
    """
    values = torch.linalg.svdvals(_embeddings(z, "z"))
    if values.sum() == 0:
        return 0.0
    return float(torch.special.entr(values / values.sum()).sum().exp())


def knn_accuracy(
    z: object, labels: object, test_z: object = None, test_labels: object = None, *, neighbours: int = 5
) -> float:
    """Share of points whose nearest ``neighbours`` (Euclidean) agree with their label by majority.

    Given: (n, d) and labels (n,); ``test_z`` (m, d) and ``test_labels`` (m,), judged by their neighbours among z.
    Without them each point of z is judged by the others. A tie goes to the class of the nearest among the tied.
    """
    z, classes = _labelled(z, labels, "z", "labels")
    alone = test_z is None and test_labels is None
    test_z, test_classes = (z, classes) if alone else _labelled(test_z, test_labels, "test_z", "test_labels")
    _same_width(z, test_z)
    k = as_count(neighbours, name="neighbours", least=1)
    if k > len(z) - alone:
        raise ValueError(f"neighbours must be <= {len(z) - alone}, the points to choose from, got {k}")
    distances = torch.cdist(test_z, z, compute_mode="donot_use_mm_for_euclid_dist")
    nearest = (distances.fill_diagonal_(math.inf) if alone else distances).topk(k, largest=False).indices
    kinds, codes = classes.unique(return_inverse=True)
    # Halves that sum to less than one vote: they order the tied and never outvote a majority.
    weights = 1 + 0.5 ** torch.arange(1, k + 1, dtype=z.dtype, device=z.device)
    votes = (one_hot(codes[nearest], len(kinds)) * weights[:, None]).sum(1)
    return float((kinds[votes.argmax(1)] == test_classes).double().mean())


def linear_probe(
    z: object,
    labels: object,
    test_z: object = None,
    test_labels: object = None,
    *,
    penalty: float = 1.0,
    share: float = 0.3,
    seed: int = 0,
) -> float:
    """Accuracy, on held-out points, of logistic regression from frozen embeddings.

    Given: (n, d) and labels (n,) to fit; ``test_z`` (m, d) and ``test_labels`` (m,) to judge. Without them a seeded
    ``share`` of the points is held out. ``penalty``: the weight of |W|^2 / 2 beside the summed log-loss. It is felt in
    the units of the embedding, which is not standardised: classes that a collapse has left a hair apart do not count.
    The regression is convex and fitted to convergence once: no epochs, and none to choose the best of.
    """
    if real("penalty", penalty) == 0:
        raise ValueError("penalty must be > 0, got 0: where a line parts the classes the weights would grow for ever")
    z, classes = _labelled(z, labels, "z", "labels")
    if test_z is None and test_labels is None:
        (z, classes), (test_z, test_classes) = _cut(z, classes, share=share, seed=seed)
    else:
        test_z, test_classes = _labelled(test_z, test_labels, "test_z", "test_labels")
    _same_width(z, test_z)
    if len(classes.unique()) == 1:
        return float((test_classes == classes[0]).double().mean())
    predicted = _fitted(z.cpu().numpy(), classes.cpu().numpy(), penalty).predict(test_z.cpu().numpy())
    return float((predicted == test_classes.cpu().numpy()).mean())


def _fitted(points: np.ndarray, classes: np.ndarray, penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression  # slow to import, and few users of this package need it

    return LogisticRegression(C=1 / penalty, max_iter=10_000).fit(points, classes)


def _cut(z: Tensor, classes: Tensor, *, share: float, seed: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    held = round(real("share", share, high=1.0) * len(z))
    if not 0 < held < len(z):
        raise ValueError(f"share must leave points on both sides, got {share:g} of {len(z)} points")
    order = torch.randperm(len(z), generator=generator(seed, "probe")).to(z.device)
    fit, test = order[held:], order[:held]
    return (z[fit], classes[fit]), (z[test], classes[test])


def _embeddings(value: object, name: str) -> Tensor:
    """Float64, detached: a metric is a number, and sums of a thousand terms should not round."""
    z = as_float_tensor(value, name=name).detach()
    z = z.double() if z.device.type != "mps" else z
    if z.ndim != 2 or 0 in z.shape:
        raise ValueError(f"{name} must have shape (n, d) with n, d >= 1, got {_shape(z)}")
    return finite(z, name=name)


def _labelled(value: object, labels: object, name: str, labels_name: str) -> tuple[Tensor, Tensor]:
    if value is None or labels is None:
        raise ValueError(f"{name} and {labels_name} belong together: give both")
    z = _embeddings(value, name)
    kinds = np.asarray(labels.cpu() if isinstance(labels, Tensor) else labels)
    if kinds.shape != (len(z),) or kinds.dtype.kind not in "biu":
        got = f"{kinds.dtype} of shape {kinds.shape}"
        raise ValueError(f"{labels_name} must be whole numbers of shape ({len(z)},), got {got}")
    return z, torch.as_tensor(kinds.astype(np.int64), device=z.device)


def _same_width(z: Tensor, test_z: Tensor) -> None:
    if z.shape[1] != test_z.shape[1]:
        raise ValueError(f"z and test_z must have as many columns, got {_shape(z)} and {_shape(test_z)}")


def _shape(z: Tensor) -> tuple[int, ...]:
    return tuple(z.shape)
