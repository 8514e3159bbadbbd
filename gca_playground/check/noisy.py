"""The exercises of notebook 06: a loss that lets go, what soft marginals forgive, and when more half-steps hurt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy, normalize

from gca_playground._boundary import as_epsilon
from gca_playground.alignment import loss
from gca_playground.check.answers import call, first_match, fresh, kind, number, numbers, same
from gca_playground.check.verdict import Wrong, exercise
from gca_playground.transport import FREE, Soft, solve

# RINCE --------------------------------------------------------------------------------------------------------------


@exercise(
    "write rince(z, w, epsilon, q, lam) that returns the mean over i of -(K_ii)^q / q + (lam sum_j K_ij)^q / q with "
    "K = exp(cos(z_i, w_j) / epsilon); then pass it"
)
def rince(answer: Any) -> str:
    """Given ``(z, w, epsilon, q, lam) -> number``: right when it is robust InfoNCE, and ``lam`` acts."""
    generator, epsilon, q = fresh(), 0.5, 0.4
    z, w = _cloud(generator, 7, 3), _cloud(generator, 7, 3)
    lams = (0.05, 0.3)
    found = torch.tensor([number(call(answer, z=z, w=w, epsilon=epsilon, q=q, lam=lam)) for lam in lams]).double()
    wanted = torch.stack([_rince(_scores(z, w) / epsilon, q, lam) for lam in lams])
    if same(found, wanted):
        return "lam acts: it weighs what a row spreads over everybody against its pair, each to the power q"
    slips = [torch.stack(values) for values in zip(*(_values(z, w, epsilon, q, lam) for lam in lams), strict=True)]
    if reason := first_match(found, zip(slips, _RINCE_MISTAKES, strict=True)):
        raise Wrong(reason)
    if found.isnan().any():
        raise Wrong("it is not a number: a power of a negative one? K is the exponential of a score, so it is > 0")
    if same(found[:1], found[1:]):
        raise Wrong(f"lam is inert: at lam = {lams[0]} and at lam = {lams[1]} your loss is {float(found[0]):.4f}")
    raise Wrong(
        f"at q = {q}, lam = {lams[0]} it is {float(wanted[0]):.4f}, yours is {float(found[0]):.4f}: K_ii and the sum "
        "of row i, with lam, each to the power q, over q"
    )


def _rince(scores: Tensor, q: float, lam: float) -> Tensor:
    kernel = scores.exp()
    return ((lam * kernel.sum(1)) ** q / q - kernel.diagonal() ** q / q).mean()


_RINCE_MISTAKES = (
    "lam is inert: this is InfoNCE to the power q, over q. In RINCE the pair and the sum are powers of their own",
    "the exponential is missing: K is exp(cos / epsilon), the score itself may be negative",
    "lam stands outside of the power: it is (lam sum_j K_ij)^q",
    "lam weighs the sum, not the pair: -(K_ii)^q / q + (lam sum_j K_ij)^q / q",
    "lam weighs the sum, not the pair: -(K_ii)^q / q + (lam sum_j K_ij)^q / q",
    "the pair's term stands with a minus: a near pair lowers the loss",
    "cosines below 0 were cut off: they count, and their pairs need a gradient",
    "q and lam have changed places",
    "the sum runs over all j, the pair included",
    "these are sums of columns: row i competes with all w_j",
    "this has K = exp(-C / epsilon) with the cost 1 - cos, which is the loss times exp(-q / epsilon); take exp(cos / "
    "epsilon)",
    "the rows were divided by their sums before: then the second term is the same for all batches, and nothing repels",
    "take the mean over the n rows, not the sum",
    "1/q is missing",
    "the sign is turned round: a near pair lowers the loss",
    "this is the dot product: divide z and w by their lengths first",
    "epsilon is missing",
    "q is missing",
)


def _values(z: Tensor, w: Tensor, epsilon: float, q: float, lam: float) -> Iterator[Tensor]:
    """What typical slips give, in the order of what is said of them."""
    cos, n = _scores(z, w), len(z)
    right, kernel = _rince(cos / epsilon, q, lam), (cos / epsilon).exp()
    positive, sums = kernel.diagonal(), kernel.sum(1)
    yield cross_entropy(cos / epsilon, torch.arange(n)) ** q / q
    yield _rince((cos / epsilon).abs().log(), q, lam)
    yield (lam * sums**q / q - positive**q / q).mean()
    yield (sums**q / q - (lam * positive) ** q / q).mean()
    yield ((lam * sums) ** q / q - (lam * positive) ** q / q).mean()
    yield ((lam * sums) ** q / q + positive**q / q).mean()
    yield _rince(cos.clamp_min(0) / epsilon, q, lam)
    yield _rince(cos / epsilon, lam, q)
    yield ((lam * (sums - positive)) ** q / q - positive**q / q).mean()
    yield _rince(cos.mT / epsilon, q, lam)
    yield _rince((cos - 1) / epsilon, q, lam)
    yield _rince((cos / epsilon).log_softmax(1), q, lam)
    yield right * n
    yield right * q
    yield -right
    yield _rince(z @ w.mT / epsilon, q, lam)
    yield _rince(cos, q, lam)
    yield _rince(cos / epsilon, 1.0, lam)


def _scores(z: Tensor, w: Tensor) -> Tensor:
    return normalize(z, dim=1) @ normalize(w, dim=1).mT


# What a soft marginal forgives --------------------------------------------------------------------------------------


@exercise(
    "write kept(before, rho, epsilon) that returns the mass of a column after its soft half-step, given the mass that "
    "it had before (its price g was 0; its due is 1); then pass it"
)
def kept_mass(answer: Any) -> str:
    """Given ``(before, rho, epsilon) -> mass``: right when it is ``before ** (epsilon / (rho + epsilon))``."""
    generator, epsilon = fresh(), 0.1
    cost = 0.6 * torch.rand(5, 1, generator=generator, dtype=torch.float64) + torch.tensor([[0.2, 0.5, 0.8]]).double()
    before = solve(cost, epsilon=epsilon, steps=0).col_sums
    for rho in (0.3, 0.05):
        solved = solve(cost, epsilon=epsilon, rows=FREE, cols=Soft(rho), steps=2, b=torch.ones(3).double())
        found = numbers([number(call(answer, before=mass, rho=rho, epsilon=epsilon)) for mass in before.tolist()])
        if not same(found, solved.col_sums):
            raise Wrong(
                first_match(found, _kept_mistakes(before, rho, epsilon))
                or f"at rho = {rho} a column of mass {float(before[2]):.3g} keeps {float(solved.col_sums[2]):.3g}, "
                f"yours {float(found[2]):.3g}. The price is g = -kappa epsilon log(mass), kappa = rho / (rho + epsilon)"
            )
    return "before^(epsilon / (rho + epsilon)): an exact side brings it to 1, a free one leaves it, soft is in between"


def _kept_mistakes(before: Tensor, rho: float, epsilon: float) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    kappa = rho / (rho + epsilon)
    yield torch.ones_like(before), "this is the exact half-step: a soft one goes only a part of the way, kappa"
    yield before, "this is the free side: nothing has happened"
    yield before**kappa, "the powers are swapped: kappa near 1 is a firm side, and brings the mass near to 1"
    yield before**-kappa, "this is the factor exp(g / epsilon): multiply it by the mass before"
    between = "the way is taken in the logarithm: the price is damped, not the mass"
    yield kappa + (1 - kappa) * before, between
    yield 1 - kappa * (1 - before), between
    yield kappa * before, "kappa damps the price g, and the mass is multiplied by exp(g / epsilon)"
    yield before ** (1 + kappa), "the sign of g is turned round: a column with too little mass gets a higher price"
    yield before ** (rho / epsilon), "kappa is rho / (rho + epsilon)"
    yield before ** (1 - epsilon * kappa), "epsilon counts once too often: the factor is exp(g / epsilon)"


# When more half-steps hurt ------------------------------------------------------------------------------------------

Q, LAM, MORE, MOST = 1.0, 0.01, 9, 6
"""Of the loss that is to rise; the half-steps after which it is compared with one; the most pairs of a small batch."""


@exercise(
    f"make a batch of at most {MOST} pairs on the circle on which more half-steps raise RINCE: pass (first, second, "
    "epsilon), the angles of the first and of the second views in degrees, and a temperature, such that GCA-RINCE with "
    f"q = {Q:g}, lam = {LAM:g} is higher after {MORE} half-steps than after one"
)
def rising_rince(answer: Any) -> str:
    """Given ``(first, second, epsilon)``: right when nine half-steps have a higher loss than one."""
    first, second, epsilon = _batch(answer)
    before, after = _both(first, second, epsilon)
    if after > before + _slack(before):
        return (
            f"it rises on your batch, from {before:.3g} after one half-step by {after - before:.2g}: one batch is "
            "enough, “multistep lowers RINCE” is no theorem"
        )
    told = f"it falls on your batch, from {before:.3g} after one half-step by {before - after:.2g}"
    if after > before - _slack(before):
        told = f"it does not move on your batch, it stays at {before:.3g}"
    raise Wrong(f"{told}. {_hint(first, second, epsilon)}")


def _both(first: Tensor, second: Tensor, epsilon: float) -> tuple[float, float]:
    """GCA-RINCE of two lists of angles in degrees, after one half-step and after more."""
    z, w = (torch.stack([angle.cos(), angle.sin()], dim=1) for angle in (first.deg2rad(), second.deg2rad()))
    before, after = (float(loss("gca-rince", epsilon=epsilon, q=Q, lam=LAM, steps=steps)(z, w)) for steps in (1, MORE))
    return before, after


def _slack(value: float) -> float:
    return 1e-6 * max(1.0, abs(value))


def _batch(answer: Any) -> tuple[Tensor, Tensor, float]:
    if not isinstance(answer, tuple | list) or len(answer) != 3:
        raise Wrong(f"pass three things together, as (first, second, epsilon); this is {kind(answer)}")
    try:
        first, second = (numbers(part) for part in answer[:2])
    except Wrong as reason:
        raise Wrong(f"these are not two lists of angles: {reason}") from reason
    if first.ndim != 1 or first.shape != second.shape:
        shapes = f"shapes {tuple(first.shape)} and {tuple(second.shape)}"
        raise Wrong(f"these are not two lists of as many angles, one number a view in degrees: {shapes}")
    if not 2 <= len(first) <= MOST:
        raise Wrong(f"{len(first)} pairs: take two at least, to compete, and {MOST} at most, to understand it")
    return first, second, as_epsilon(answer[2])


def _hint(first: Tensor, second: Tensor, epsilon: float) -> str:
    if _rises(second, first, epsilon):
        return "With the views exchanged it would rise: rows come first, only the columns' turns move it"
    if max(first.abs().max(), second.abs().max()) < 7 and _rises(first.rad2deg(), second.rad2deg(), epsilon):
        return "Are these angles in radians? In degrees it would rise"
    if (first - second).deg2rad().cos().min() > 0:
        return "All your pairs agree. Let one be wrong: its second view opposite to its first"
    if len(first) < 3:
        return "Two pairs are too few: add a third, away from both"
    return "There is a wrong pair, that is the way. Let a first view lie where that of a right pair lies"


def _rises(first: Tensor, second: Tensor, epsilon: float) -> bool:
    before, after = _both(first, second, epsilon)
    return after > before + _slack(before)


def _cloud(generator: Generator, n: int, d: int) -> Tensor:
    return torch.randn(n, d, generator=generator, dtype=torch.float64)
