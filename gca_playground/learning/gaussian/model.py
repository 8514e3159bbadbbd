"""What encoders claim about the data: conditionals, joint law, and how far these are from the truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gca_playground.learning.gaussian.tilting import tilting_named
from gca_playground.transport.gaussian import Conditional, Gaussian, Normal, Score, tilted_law
from gca_playground.transport.gaussian.matrices import logdet

KAPPAS = {"sinkhorn": (1.0, 1.0)}
"""The losses whose model has potentials. The others' model is the tilted product of the marginals."""


@dataclass(frozen=True, eq=False)
class Model:
    """Linear encoders and the law they define.

    ``G`` and ``H`` are the encoders of the centred u and v. Only ``A``, ``B`` and ``D`` are identified: the score is
    ``u'Av - u'Bu/2 - v'Dv/2``. ``kappa`` says which potentials the joint law has, ``loss`` is the population loss.
    """

    truth: Gaussian
    tilting: str
    G: Tensor
    H: Tensor
    kappa: tuple[float, float]
    loss: float

    @cached_property
    def score(self) -> Score:
        """The quadratic score of the encoders."""
        return tilting_named(self.tilting).score(self.G, self.H)

    @property
    def A(self) -> Tensor:
        """The interaction (n_u, n_v)."""
        return self.score.A

    @property
    def B(self) -> Tensor:
        """The self-term of u (n_u, n_u); 0 for an inner product."""
        return self.score.B

    @property
    def D(self) -> Tensor:
        """The self-term of v (n_v, n_v); 0 for an inner product."""
        return self.score.D

    @property
    def rank(self) -> int:
        """The dimension of the embeddings (of each block of a signed score)."""
        return len(self.G) // tilting_named(self.tilting).blocks

    @cached_property
    def joint(self) -> Gaussian:
        """The model's joint law: the truth's means; its marginals are in general not the truth's.

        Raises: ValueError where the tilted product has infinite mass; the conditionals exist even there.
        """
        law = tilted_law(self.score, Normal(self.truth.cov_u), Normal(self.truth.cov_v), kappa=self.kappa)
        return Gaussian(law.cov_u, law.cov_uv, law.cov_v, self.truth.mean_u, self.truth.mean_v)

    @property
    def u_given_v(self) -> Conditional:
        """The model's law of u given v: slope ``(cov_u^-1 + B)^-1 A`` where there are no potentials."""
        if any(self.kappa):
            return self.joint.u_given_v
        return _conditional(self.A, self.B, self.truth.u, self.truth.v)

    @property
    def v_given_u(self) -> Conditional:
        """The model's law of v given u."""
        if any(self.kappa):
            return self.joint.v_given_u
        return _conditional(self.A.mT, self.D, self.truth.v, self.truth.u)

    @property
    def kl(self) -> float:
        """``KL(truth | joint)`` in nats."""
        return self.truth.normalised().kl(self.joint)

    @property
    def kl_u_given_v(self) -> float:
        """``E_v KL(truth u|v, model u|v)`` in nats."""
        return _mean_kl(self.truth.u_given_v, self.u_given_v, self.truth.cov_v)

    @property
    def kl_v_given_u(self) -> float:
        """``E_u KL(truth v|u, model v|u)`` in nats."""
        return _mean_kl(self.truth.v_given_u, self.v_given_u, self.truth.cov_u)


def _conditional(A: Tensor, self_term: Tensor, of: Normal, given: Normal) -> Conditional:
    cov = torch.linalg.inv(torch.linalg.inv(of.cov) + self_term)
    cov = (cov + cov.mT) / 2
    return Conditional(cov @ A, cov, of.mean, given.mean)


def _mean_kl(truth: Conditional, model: Conditional, cov_given: Tensor) -> float:
    miss = truth.slope - model.slope
    spread = torch.linalg.solve(model.cov, truth.cov + miss @ cov_given @ miss.mT).trace() - len(truth.cov)
    return 0.5 * (spread + logdet(model.cov) - logdet(truth.cov)).item()
