"""Linear encoders found by descent, on the exact loss or on batches, to hold against the closed forms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gca_playground._boundary import as_count, near
from gca_playground.learning.gaussian import batch as sampled
from gca_playground.learning.gaussian.losses import PopulationLoss, as_positive, in_our_words, knobs_of, population_loss
from gca_playground.learning.gaussian.minimise import Descent, adam, lbfgs
from gca_playground.learning.gaussian.model import KAPPAS, Model
from gca_playground.learning.gaussian.theorems import as_rank
from gca_playground.learning.gaussian.tilting import Tilting, tilting_named
from gca_playground.learning.laws import generator
from gca_playground.transport.gaussian import Gaussian
from gca_playground.transport.gaussian.matrices import as_matrix

METHODS = ("lbfgs", "adam")
START = 0.3
"""The size of the random start, whitened: small enough to begin where the joint loss is finite."""

BATCH_LOSSES: dict[str, Callable[..., Tensor]] = {
    "conditional": sampled.conditional,
    "joint": sampled.joint,
    "sinkhorn": sampled.sinkhorn,
    "unbalanced": sampled.corner,
    "conditional_mmd": sampled.conditional_mmd,
    "joint_mmd": sampled.joint_mmd,
    "spectral": sampled.spectral,
    "tempered": sampled.tempered,
}
"""The losses that a batch of scores can estimate: all but ``wasserstein``, which needs the laws."""


@dataclass(frozen=True, eq=False)
class Learned(Model):
    """A model found by descent. ``loss`` is the exact population loss at the end.

    ``history`` (steps,) is what the descent saw after each step: exact, or sampled. ``converged``: the gradient has
    vanished to the tolerance; always False where batches were drawn.
    """

    history: Tensor
    converged: bool


def fit(
    loss: str,
    truth: Gaussian,
    *,
    rank: int | None = None,
    tilting: str = "dot",
    batch: int | None = None,
    samples: tuple[object, object] | None = None,
    method: str | None = None,
    steps: int | None = None,
    lr: float = 0.03,
    tolerance: float = 1e-9,
    start: Model | None = None,
    seed: int = 0,
    **knobs: Any,
) -> Learned:
    """Encoders that minimise a loss, learned from a small random start, or from a model.

    Given:
        loss, rank, tilting, knobs: as in ``closed_form``; here every loss goes with every tilting.
        batch: None for the exact population loss; a number of pairs to draw afresh at each step.
        samples: u (N, n_u) and v (N, n_v) to learn from: batches of them, all N at once where ``batch`` is None.
        method: "lbfgs" (the default where nothing is drawn) or "adam" (the default otherwise).
        steps: at most 2000 of L-BFGS by default, 600 of Adam.
        lr, tolerance: Adam's first rate; the gradient at which L-BFGS stops, in whitened coordinates.
        start: a model of the same rank, tilting and sizes, such as the best one of a loss nearby. It is moved a little
            at random, so that a direction that it leaves out can come back.
        seed: of the start and of the batches.

    The descent works on encoders of the whitened variables. It starts where the joint loss is finite, and a step out
    of there is taken back and shortened.

    Raises: TypeError, ValueError that name the law and the value.
    """
    loss, knobs = in_our_words(loss, knobs)
    drawn = batch is not None or samples is not None
    values = knobs_of(loss, knobs, batch=drawn)
    exact = population_loss(loss, truth, **{name: values[name] for name in knobs_of(loss, {}, batch=False)})
    shape = _Shape(tilting, as_rank(rank, truth), truth)
    first = _start(exact, shape, seed, None if start is None else shape.parameters(start))
    f = _sampled(loss, exact, shape, batch, samples, seed, values) if drawn else _exact(exact, shape)
    found = _descend(f, first, method=_method(method, batch), steps=steps, lr=lr, tolerance=tolerance)
    G, H = shape.encoders(found.x)
    final = exact.of_whitened(shape.tilting.score(*shape.split(found.x))).item()
    kappa = values.get("kappa", KAPPAS.get(loss, (0.0, 0.0)))
    return Learned(
        truth, tilting, G, H, kappa, final, torch.tensor(found.history, dtype=torch.float64), found.converged
    )


def batch_loss(loss: str, **knobs: Any) -> Callable[..., Tensor]:
    """The loss of a batch as a function of its scores ``s`` (N, N), rows u, columns v, pairs on the diagonal.

    The losses by kernel need the data too: ``batch_loss("joint_mmd")(s, u, v)``. Knobs as in ``population_loss``, and
    ``half_steps`` (None: converged) of "sinkhorn" and "unbalanced", ``negatives`` ("all" or "others": without
    the pairs) of "joint". Raises: ValueError for a loss that no batch can estimate, and for scores that are not square.
    """
    loss, knobs = in_our_words(loss, knobs)
    values = knobs_of(loss, knobs, batch=True)
    if loss not in BATCH_LOSSES:
        raise ValueError(f"{loss!r} compares laws, which a batch of scores does not tell: fit its population loss")
    formula, bandwidth = BATCH_LOSSES[loss], values.pop("bandwidth", None)

    def of(s: object, u: object = None, v: object = None) -> Tensor:
        scores = as_matrix(s, name="s")
        if scores.shape[0] != scores.shape[1] or len(scores) < 2:
            raise ValueError(f"s must be N x N with N >= 2: pairs are on its diagonal, got {tuple(scores.shape)}")
        if "bandwidth" not in knobs_of(loss, {}, batch=True):
            return formula(scores, **values)
        data = (_rows_of(x, name, len(scores)) for x, name in ((u, "u"), (v, "v")))
        return formula(scores, *(sampled.gram(x, bandwidth) for x in data), **values)

    return of


@dataclass(frozen=True, eq=False)
class _Shape:
    """How a vector of parameters becomes two encoders."""

    name: str
    rank: int
    truth: Gaussian

    @property
    def tilting(self) -> Tilting:
        return tilting_named(self.name)

    @property
    def rows(self) -> int:
        return self.rank * self.tilting.blocks

    @property
    def size(self) -> int:
        return self.rows * (len(self.truth.cov_u) + len(self.truth.cov_v))

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The encoders of the whitened variables."""
        cut = self.rows * len(self.truth.cov_u)
        return x[:cut].view(self.rows, -1), x[cut:].view(self.rows, -1)

    def encoders(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The encoders of the data."""
        P, Q = self.split(x)
        return P @ self.truth.canonical.unroot_u, Q @ self.truth.canonical.unroot_v

    def parameters(self, model: Model) -> Tensor:
        """The vector that becomes a model's encoders. Raises: TypeError, ValueError for a model of another shape."""
        if not isinstance(model, Model):
            raise TypeError(f"start must be a Model, got {type(model).__name__}")
        sizes = (self.rows, len(self.truth.cov_u)), (self.rows, len(self.truth.cov_v))
        got = tuple(model.G.shape), tuple(model.H.shape)
        if model.tilting != self.name or got != sizes:
            raise ValueError(
                f"start must have tilting {self.name!r} and encoders {sizes}, got {model.tilting!r} and {got}"
            )
        canonical = self.truth.canonical
        return torch.cat([(model.G @ canonical.root_u).flatten(), (model.H @ canonical.root_v).flatten()])


def _start(exact: PopulationLoss, shape: _Shape, seed: int, near: Tensor | None) -> Tensor:
    """Small random encoders, or some nearby and a tenth of that, halved until the loss is finite there."""
    x = START * torch.randn(shape.size, generator=generator(seed, "start"), dtype=torch.float64)
    x = x if near is None else near + x / 10
    while not _exact(exact, shape)(x).isfinite():
        x = x / 2
    return x


def _exact(loss: PopulationLoss, shape: _Shape) -> Callable[[Tensor], Tensor]:
    return lambda x: loss.of_whitened(shape.tilting.score(*shape.split(x)))


def _sampled(
    name: str,
    exact: PopulationLoss,
    shape: _Shape,
    batch: int | None,
    samples: tuple[object, object] | None,
    seed: int,
    values: dict[str, Any],
) -> Callable[[Tensor], Tensor]:
    loss, truth = batch_loss(name, **values), exact.truth
    draws = _batches(truth, batch, samples, seed)

    def of(x: Tensor) -> Tensor:
        u, v = next(draws)
        A, B, D = shape.tilting.score(*shape.encoders(x))
        left, right = u - truth.mean_u, v - truth.mean_v
        self_u, self_v = ((left @ B) * left).sum(1), ((right @ D) * right).sum(1)
        return loss(left @ A @ right.mT - 0.5 * self_u[:, None] - 0.5 * self_v, u, v)

    return of


def _batches(
    truth: Gaussian, batch: int | None, samples: tuple[object, object] | None, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    noise = generator(seed, "batches")
    if samples is None:
        count = as_count(batch, name="batch", least=2)
        factor, split = torch.linalg.cholesky(truth.cov), len(truth.mean_u)
        return _fresh(truth.mean, factor, split, count, noise)
    count = len(as_matrix(samples[0], name="u"))
    u = as_matrix(samples[0], name="u", shape=(count, len(truth.mean_u)))
    v = as_matrix(samples[1], name="v", shape=(count, len(truth.mean_v)))
    size = count if batch is None else as_count(batch, name="batch", least=2)
    if size > count:
        raise ValueError(f"batch must be <= the {count} samples, got {batch!r}")
    return _drawn(u, v, size, noise)


def _fresh(
    mean: Tensor, factor: Tensor, split: int, count: int, noise: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        pairs = mean + torch.randn(count, len(mean), generator=noise, dtype=torch.float64) @ factor.mT
        yield pairs[:, :split], pairs[:, split:]


def _drawn(u: Tensor, v: Tensor, count: int, noise: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        index = torch.randperm(len(u), generator=noise)[:count] if count < len(u) else slice(None)
        yield u[index], v[index]


def _descend(
    f: Callable[[Tensor], Tensor], start: Tensor, *, method: str, steps: int | None, lr: float, tolerance: float
) -> Descent:
    if method == "adam":
        return adam(f, start, steps=_count(steps, 600), lr=as_positive(lr, name="lr"))
    return lbfgs(f, start, steps=_count(steps, 2000), tolerance=as_positive(tolerance, name="tolerance"))


def _method(method: str | None, batch: int | None) -> str:
    if method is None:
        return "lbfgs" if batch is None else "adam"
    if method not in METHODS:
        raise ValueError(near(method, METHODS, what="method"))
    if method == "lbfgs" and batch is not None:
        raise ValueError("method 'lbfgs' needs the same loss at each step: leave out batch, or take 'adam'")
    return method


def _count(steps: int | None, default: int) -> int:
    return default if steps is None else as_count(steps, name="steps", least=1)


def _rows_of(x: object, name: str, count: int) -> Tensor:
    if x is None:
        raise TypeError(f"this loss needs the data: loss(s, u, v), got no {name}")
    points = as_matrix(x, name=name)
    if len(points) != count:
        raise ValueError(f"{name} must have one row for each of the {count} scores' rows, got {tuple(points.shape)}")
    return points
