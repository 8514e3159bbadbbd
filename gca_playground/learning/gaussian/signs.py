"""Normalised encoders of one dimension: all they keep of a number is its sign (T10)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gca_playground.learning.gaussian.losses import as_positive
from gca_playground.transport.gaussian.matrices import as_double


@dataclass(frozen=True)
class SignModel:
    """``exp(sign(u v) / tau)`` times the marginals of a pair with this ``correlation``, normalised.

    The marginals are exact whatever tau, so that all losses by likelihood agree. Derived here; the paper's Figure 6.
    """

    correlation: float
    tau: float

    @property
    def agreement(self) -> float:
        """The model's probability that the two signs agree: ``logistic(2 / tau)``."""
        return 1 / (1 + math.exp(-2 / self.tau))

    @property
    def true_agreement(self) -> float:
        """``1/2 + asin(correlation) / pi``."""
        return 0.5 + math.asin(self.correlation) / math.pi

    @property
    def loss(self) -> float:
        """``- E s + log E_product exp(s)``, in nats."""
        log_cosh = 1 / self.tau + math.log1p(math.exp(-2 / self.tau)) - math.log(2)
        return -(2 * self.true_agreement - 1) / self.tau + log_cosh

    @property
    def kl(self) -> float:
        """``KL(truth | model)``: the loss and the mutual information."""
        return self.loss - 0.5 * math.log1p(-(self.correlation**2))


def sign_model(correlation: float, *, tau: float | None = None) -> SignModel:
    """The model of sign encoders at temperature ``tau``; None for the best one, ``tanh(1/tau) = 2 asin(rho) / pi``.

    Raises: ValueError for a correlation outside (0, 1), or a tau that is not > 0.
    """
    rho = as_double(correlation, name="correlation")
    if rho.ndim != 0 or not 0 < rho.item() < 1:
        raise ValueError(f"the correlation must be in (0, 1), got {correlation!r}")
    best = 1 / math.atanh(2 * math.asin(rho.item()) / math.pi)
    return SignModel(rho.item(), best if tau is None else as_positive(tau, name="tau"))
