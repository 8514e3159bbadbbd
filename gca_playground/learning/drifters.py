"""Drifters on a torus: from the coefficients of a random flow to the path of tracers in it, and back.

    psi(x, t) = sum_k a_k cos(phi_k) + b_k sin(phi_k),   phi_k = 2 pi k.x + omega_k t,   dx/dt = (- d psi/dy, d psi/dx)

The path is a function of the coefficients, not the other way round: a flow is seen where the tracers pass.
Source: Baptista, Stuart and Tran 2025, section 6.3, at a smaller size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from gca_playground._boundary import as_count
from gca_playground.learning.laws import generator, real
from gca_playground.learning.pairs import Pairs, from_arrays

WAVES = ((1, 0), (0, 1), (1, 1), (1, -1), (2, 0), (0, 2))
STRENGTH, DECAY = 0.12, 1.5
"""The standard deviation of a coefficient is STRENGTH |k|^-DECAY."""
STARTS = ((0.75, 0.75), (0.25, 0.4), (0.55, 0.15))
TIME, STEPS, RECORDS = 1.0, 60, 12
NOISE = 0.005

Velocity = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True, eq=False)
class Flow:
    """Streamfunctions on the torus, one a row of ``coefficients`` (n, 2K): a_1 .. a_K, b_1 .. b_K.

    ``waves`` (K, 2) whole numbers, ``omega`` (K,) in radians a time. Points x are (n, J, 2).
    """

    coefficients: Float64[Tensor, "n two_k"]
    omega: Float64[Tensor, " k"]
    waves: Float64[Tensor, "k 2"]

    def streamfunction(self, x: Float64[Tensor, "n j 2"], t: float) -> Float64[Tensor, "n j"]:
        """``psi``, whose level lines a steady flow follows."""
        phase, (a, b) = self._phase(x, t), self._halves()
        return (a * phase.cos() + b * phase.sin()).sum(-1)

    def velocity(self, x: Float64[Tensor, "n j 2"], t: float) -> Float64[Tensor, "n j 2"]:
        """``(- d psi/dy, d psi/dx)``, without divergence."""
        phase, (a, b) = self._phase(x, t), self._halves()
        gradient = 2 * math.pi * (b * phase.cos() - a * phase.sin()) @ self.waves
        return torch.stack([-gradient[..., 1], gradient[..., 0]], -1)

    def _phase(self, x: Tensor, t: float) -> Tensor:
        return 2 * math.pi * x @ self.waves.mT + self.omega * t

    def _halves(self) -> tuple[Tensor, Tensor]:
        a, b = self.coefficients[:, None, :].chunk(2, dim=-1)
        return a, b


def runge_kutta(velocity: Velocity, start: Tensor, *, time: float, steps: int, records: int) -> Tensor:
    """The path from ``start`` at time 0, at ``records`` equal times up to ``time``, (records, ...).

    ``steps`` steps in all, a multiple of ``records``, of the classical method of order 4.
    Source: Hairer, Norsett and Wanner 1993, Solving Ordinary Differential Equations I, section II.1.
    """
    count, kept = as_count(steps, name="steps", least=1), as_count(records, name="records", least=1)
    if count % kept:
        raise ValueError(f"steps must be a multiple of records, got {count} steps and {kept} records")
    x, path, dt = start, [], time / count
    for step in range(count):
        t = step * dt
        k1 = velocity(x, t)
        k2 = velocity(x + 0.5 * dt * k1, t + 0.5 * dt)
        k3 = velocity(x + 0.5 * dt * k2, t + 0.5 * dt)
        k4 = velocity(x + dt * k3, t + dt)
        x = x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        if (step + 1) % (count // kept) == 0:
            path.append(x)
    return torch.stack(path)


def scales() -> Float64[Tensor, " two_k"]:
    """The standard deviation of each coefficient, (12,)."""
    lengths = torch.tensor(WAVES, dtype=torch.float64).norm(dim=1)
    return (STRENGTH * lengths**-DECAY).repeat(2)


def random_flow(n: int, *, seed: int = 0) -> Flow:
    """``n`` flows with normal coefficients, drawn by the seed.

    The frequencies, uniform in (0, 2 pi), belong to the world: they are the same for all flows and seeds.
    """
    count = as_count(n, name="n", least=1)
    unit = torch.randn(count, 2 * len(WAVES), generator=generator(seed, "coefficients"), dtype=torch.float64)
    omega = 2 * math.pi * torch.rand(len(WAVES), generator=generator(0, "frequencies"), dtype=torch.float64)
    return Flow(unit * scales(), omega, torch.tensor(WAVES, dtype=torch.float64))


def paths(flow: Flow, *, tracers: int = 3, steps: int = STEPS, records: int = RECORDS) -> Float64[Tensor, "n j r 2"]:
    """Where the first ``tracers`` of three drifters have gone: displacements (n, tracers, records, 2), not wrapped."""
    count = as_count(tracers, name="tracers", least=1)
    if count > len(STARTS):
        raise ValueError(f"tracers must be <= {len(STARTS)}, got {tracers!r}")
    start = torch.tensor(STARTS[:count], dtype=torch.float64).expand(len(flow.coefficients), -1, -1)
    path = runge_kutta(flow.velocity, start, time=TIME, steps=steps, records=records)
    return (path - start).permute(1, 2, 0, 3)


def drifter_pairs(n: int = 3500, *, tracers: int = 3, noise: float = NOISE, seed: int = 0) -> Pairs:
    """Flows and what drifters tell of them, as two modalities.

    u = ``view1``: the 12 coefficients in units of their standard deviation (n, 12); v = ``view2``: the displacements of
    the tracers at 12 times with normal noise of standard deviation ``noise``, (n, 24 tracers), in lengths of the torus.
    Raises: TypeError, ValueError that name the law and the value.
    """
    flow = random_flow(n, seed=seed)
    seen = paths(flow, tracers=tracers).flatten(1)
    grain = torch.randn(seen.shape, generator=generator(seed, "noise"), dtype=torch.float64)
    observed = seen + real("noise", noise) * grain
    return from_arrays(flow.coefficients / scales(), observed, name=f"drifters, {tracers} tracers")
