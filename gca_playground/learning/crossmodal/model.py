"""Two encoders for two modalities, trained with any loss of the family, and the score they end in."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gca_playground._boundary import as_epsilon
from gca_playground.alignment import Alignment
from gca_playground.learning.crossmodal.classification import FineTuned, fine_tune
from gca_playground.learning.crossmodal.directions import DIRECTIONS, SIDES, as_scores, dim_of
from gca_playground.learning.crossmodal.gauge import balance, free_sides, half_step
from gca_playground.learning.crossmodal.losses import TILTINGS, as_loss, record_of, tilting_named
from gca_playground.learning.laws import as_rows
from gca_playground.learning.pairs import Pairs, as_view, from_arrays
from gca_playground.learning.session import TrainingSession
from gca_playground.learning.towers import width
from gca_playground.learning.training import train
from gca_playground.transport.cost import cost_named

DIM = 8
"""Dimensions of the common space where nothing else is said."""
JUDGED = 512
"""The first so many pairs are what ``session.measure()`` looks at."""


@dataclass(frozen=True, eq=False, repr=False)
class Crossmodal:
    """A score of pairs (u, v), and what its loss leaves open in it.

    ``session``: the training, which can go on: ``model.session.step(100)``. ``own_tilting``, ``own_epsilon``: what a
    loss given as a function is scored by, which cannot tell.
    """

    session: TrainingSession
    own_tilting: str
    own_epsilon: float

    @property
    def alignment(self) -> Alignment | None:
        """The record of the loss as it is now; None for a loss given as a function."""
        return record_of(self.session.loss)

    @property
    def tilting(self) -> str:
        """The cost behind the score."""
        return self.own_tilting if self.alignment is None else self.alignment.cost

    @property
    def epsilon(self) -> float:
        """The temperature as it is now."""
        return self.own_epsilon if self.alignment is None else self.alignment.epsilon

    @property
    def free(self) -> tuple[str, ...]:
        """The sides "u", "v" a function of which the loss does not see; none for a loss given as a function."""
        return () if self.alignment is None else free_sides(self.alignment)

    @property
    def directions(self) -> tuple[str, ...]:
        """Where the score can be used as it is: "u|v" unless a function of u is free, "v|u" unless one of v is."""
        return tuple(way for way, side in zip(DIRECTIONS, SIDES, strict=True) if side not in self.free)

    def embed_u(self, u: object) -> Float[Tensor, "n d"]:
        """(n, n_u) to (n, dim), of length 1 under the cosine; float32."""
        return self.session.embed(as_rows(u, name="u", width=self.session.data.view1.shape[1]), view=1)

    def embed_v(self, v: object) -> Float[Tensor, "m d"]:
        """(m, n_v) to (m, dim), of length 1 under the cosine; float32."""
        return self.session.embed(as_rows(v, name="v", width=self.session.data.view2.shape[1]), view=2)

    def score(self, u: object, v: object) -> Float[Tensor, "n m"]:
        """``s_ij`` (n, m), float32: the cosine or inner product / epsilon, or ``-|.|^2 / (2 epsilon)``."""
        highest = 1.0 if self.tilting == "cosine" else 0.0
        return (highest - cost_named(self.tilting)(self.embed_u(u), self.embed_v(v)).matrix()) / self.epsilon

    def half_step(
        self,
        scores: object,
        *,
        direction: str,
        library: object = None,
        log_prior_u: object = None,
        log_prior_v: object = None,
    ) -> Float[Tensor, "n m"]:
        """Scores (n, m) made fit for a direction that the loss left open; (n, m).

        "u|v" after the loss v|u needs a function of u: the sum over v, weighted with ``log_prior_v``, of ``library``,
        scores of the same u with other v (None: the scores). "v|u" after the loss u|v needs the sum over u. Where
        both sides are free (Sinkhorn), all half-steps on ``library``, scores of the same v with other u, find the
        function of v.
        Raises: ValueError for a direction that was trained, where a half-step would take away what was learnt; use the
        function ``gca.crossmodal.half_step`` to see that; and for a prior that plays no part.
        """
        dim = dim_of(direction)
        if direction in self.directions:
            raise ValueError(f"{direction!r} can be used as it is: a half-step would undo what the loss has learnt")
        priors = {"u": log_prior_u, "v": log_prior_v}
        if len(self.free) == 2:
            return _balanced(scores, library, priors, dim)
        over, other = ("v", "u") if dim == 0 else ("u", "v")
        if priors[other] is not None:
            raise ValueError(f"log_prior_{other} plays no part in a half-step over {over}")
        return half_step(scores, over=over, log_prior=priors[over], library=library)

    def fine_tune(self, u: object, labels: object, *, start: object = None, **knobs: Any) -> FineTuned:
        """Label vectors and log-priors on the frozen encoder of u; ``start``: items v (classes, n_v) to start from.

        ``knobs``: classes, penalty, see ``gca.crossmodal.fine_tune``. ``tuned.probabilities(model.embed_u(u))`` judges.
        """
        first = None if start is None else self.embed_v(start)
        return fine_tune(self.embed_u(u), labels, epsilon=self.epsilon, start=first, **knobs)

    def __repr__(self) -> str:
        ready = ", ".join(self.directions) or "none without half-steps"
        made = f"{self.session.loss_name}, {self.tilting}, epsilon {self.epsilon:.3g}, {self.session.steps} steps"
        return f"Crossmodal({made}; directions: {ready})"


def fit(
    u: object,
    v: object,
    *,
    loss: object = "two-sided",
    weights: Sequence[float] | None = None,
    tilting: str | None = None,
    epsilon: float | None = None,
    half_steps: int | None = None,
    encoders: object = "mlp",
    dim: int | None = None,
    steps: int = 300,
    batch: int | None = None,
    lr: float = 3e-3,
    decay: int | None = None,
    labels: object = None,
    domains: object = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
    progress: bool = False,
    **knobs: Any,
) -> Crossmodal:
    """Train an encoder for each of two modalities on pairs (u_i, v_i).

    Given:
        u, v: (N, n_u) and (N, n_v), paired by row; all of them are learnt from.
        loss: "u|v", "v|u", "two-sided", "joint" or "sinkhorn"; a name of ``gca.losses()``; an ``Alignment``; a module
            or function (z, w) -> scalar.
        weights: (lambda_u, lambda_v) of the two sides u|v and v|u; (1, 1) is CLIP, (2, 0) is "u|v".
        tilting: "cosine" (the default), "dot" or "squared_euclidean" ("l2"). epsilon: temperature; None: 0.1 for the
            cosine, else 1. half_steps, knobs: see ``alignment_for``.
        encoders: "mlp", "linear", "cnn", or a pair of these or of modules, of which copies are trained; for labels,
            one-hot, ``torch.nn.Identity()`` or "linear". dim: of the common space; None: what a module gives, else 8.
        steps: of the optimiser; 0: none yet. batch, lr, decay, device: as in ``TrainingSession``.
        labels, domains: (N,), for a target that asks for them. seed: decides weights and batches. progress: a bar.

    Raises: TypeError, ValueError that name the law and the value.
    """
    given = {"weights": weights, "tilting": tilting, "epsilon": epsilon, "half_steps": half_steps}
    given = {name: value for name, value in given.items() if value is not None} | knobs
    module = as_loss(loss, given)
    record = record_of(module)
    cost = tilting_named(given.get("tilting", "cosine")) if record is None else record.cost
    temperature = as_epsilon(given.get("epsilon", TILTINGS[cost])) if record is None else record.epsilon
    data = _paired(as_view(u, name="u"), as_view(v, name="v"), labels=labels, domains=domains, seed=seed)
    pair = _pair(encoders)
    session = train(
        data,
        loss=module,
        encoder=pair,
        dim=_dim(pair, data) if dim is None else dim,
        sphere=cost == "cosine",
        lr=lr,
        batch=batch,
        decay=decay,
        seed=seed,
        device=device,
        measure_every=None,
        test=_some(data),
        steps=steps,
        progress=progress,
    )
    return Crossmodal(session, cost, temperature)


def _balanced(scores: object, library: object, priors: dict[str, object], dim: int) -> Tensor:
    matrix = as_scores(scores)
    among = matrix if library is None else as_scores(library, name="library")
    if among.shape[1] != matrix.shape[1]:
        raise ValueError(f"library must have the columns of scores {tuple(matrix.shape)}, got {tuple(among.shape)}")
    h = balance(among, log_prior_u=priors["u"], log_prior_v=priors["v"])[1]
    fixed = matrix + h.to(matrix)
    return half_step(fixed, over="v", log_prior=priors["v"]) if dim == 0 else fixed


def _paired(u: Tensor, v: Tensor, **given: Any) -> Pairs:
    if len(u) != len(v):
        raise ValueError(f"u and v are paired by row: they must have as many rows, got {len(u)} and {len(v)}")
    return from_arrays(u, v, name="two modalities", **given)


def _some(data: Pairs) -> Pairs:
    """A few pairs to measure on: a test set has to be given so that all pairs are learnt from."""
    rows = slice(JUDGED)
    domains = None if data.domains is None else data.domains[rows]
    return from_arrays(data.view1[rows], data.view2[rows], labels=data.labels[rows], domains=domains)


def _pair(encoders: object) -> list[object]:
    pair = [encoders, encoders] if isinstance(encoders, str) else encoders
    if not isinstance(pair, Sequence) or len(pair) != 2 or not all(isinstance(one, str | nn.Module) for one in pair):
        raise TypeError(f"encoders must be a name, or a pair of names or modules for u and v, got {encoders!r:.80}")
    return list(pair)


def _dim(pair: list[Any], data: Pairs) -> int | None:
    """What the one module gives, so that the name beside it follows; None between two, ``DIM`` where there is none."""
    views = zip(pair, (data.view1, data.view2), strict=True)
    given = [(one, view) for one, view in views if isinstance(one, nn.Module)]
    if len(given) != 1:
        return None if given else DIM
    module, view = given[0]
    return width(copy.deepcopy(module), view)
