"""The exercises of notebook 09: canonical correlations by training, the joint loss's encoders, the two-sided law."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from gca_playground.check.answers import call, first_match, fresh, number, numbers, two
from gca_playground.check.verdict import Wrong, exercise
from gca_playground.learning.gaussian import Gaussian, closed_form, h, h_inverse

TRAINED = 2e-3
"""How near a trained number must come."""
UNKNOWN = "no usual slip gives these numbers. Has the training converged? Compare the loss"


# Canonical correlations by training ---------------------------------------------------------------------------------


@exercise(
    "write recover(cov_u, cov_uv, cov_v, rank) that trains encoders of that rank and returns the `rank` largest "
    "canonical correlations, falling; then pass it"
)
def recover_correlations(answer: Any) -> str:
    """Given ``(cov_u, cov_uv, cov_v, rank) -> sigma (rank,)``: right when these are the canonical correlations."""
    truth, rank = _pair(), 2
    sigma = truth.canonical.sigma
    given = {"cov_u": truth.cov_u, "cov_uv": truth.cov_uv, "cov_v": truth.cov_v, "rank": rank}
    found = numbers(call(answer, hint="here u has 4 coordinates and v has 3", **given))
    if found.shape != (rank,):
        raise Wrong(f"{rank} numbers are asked for, a tensor of shape ({rank},); yours has {tuple(found.shape)}")
    if not _near(found, sigma[:rank]):
        told = f"they are {_told(sigma[:rank])}, yours are {_told(found)}"
        raise Wrong(f"{told}: {_matching(found, _correlation_mistakes(truth, rank))}")
    return "the conditional loss of linear encoders knows nothing but the canonical correlations: training it is CCA"


def _correlation_mistakes(truth: Gaussian, rank: int) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    sigma = truth.canonical.sigma[:rank]
    A = closed_form("conditional", truth, rank=rank).A
    yield sigma.flip(0), "the right ones, rising: return the largest first"
    yield (
        sigma**2,
        "these are their squares: take singular values of the whitened A",
    )
    yield h(sigma), "this is h(sigma), what the joint loss learns: train the conditional loss"
    yield h_inverse(sigma), "this is what the Sinkhorn loss learns: train the conditional loss"
    yield torch.linalg.svdvals(A)[:rank], "these are the singular values of A itself: whiten it, cov_u^1/2 A cov_v^1/2"
    yield torch.linalg.svdvals(truth.cov_uv)[:rank], "these are the singular values of cov_uv: nothing was whitened"
    yield truth.canonical.sigma[-rank:], "these are the smallest ones: which minimum did the training find?"
    yield sigma.sqrt(), "these are their roots: G and H share the work, G'H is what counts"


# The joint loss's encoders ------------------------------------------------------------------------------------------


@exercise(
    "write shrunk(cov_u, cov_uv, cov_v, rank) that returns A = G'H (n_u, n_v) of the best encoders of that rank for "
    "the joint loss with the inner product; then pass it"
)
def joint_encoders(answer: Any) -> str:
    """Given ``(cov_u, cov_uv, cov_v, rank) -> A (n_u, n_v)``: right when it is the closed form T2."""
    truth, rank = _pair(), 2
    wanted = closed_form("joint", truth, rank=rank).A
    given = {"cov_u": truth.cov_u, "cov_uv": truth.cov_uv, "cov_v": truth.cov_v, "rank": rank}
    found = numbers(call(answer, hint="here u has 4 coordinates and v has 3", **given), part="A")
    if found.shape != wanted.shape:
        raise Wrong(f"A has a row for each of u's coordinates: {tuple(wanted.shape)}; yours has {tuple(found.shape)}")
    if not _near(found, wanted):
        raise Wrong(_matching(found, _encoder_mistakes(truth, rank), _first_difference(found, wanted)))
    return "cov_u^-1/2 U h(Sigma) V' cov_v^-1/2: Sinkhorn's own map shrinks the correlations that InfoNCE keeps"


def _encoder_mistakes(truth: Gaussian, rank: int) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    found = truth.canonical
    U, sigma, V = found.U[:, :rank], found.sigma[:rank], found.V[:, :rank]
    yield (
        closed_form("conditional", truth, rank=rank).A,
        "this is InfoNCE's A: the joint loss shrinks sigma",
    )
    yield closed_form("sinkhorn", truth, rank=rank).A, "this is the Sinkhorn loss's A: sigma went the other way"
    yield closed_form("joint", truth).A, "this has full rank: keep the `rank` largest correlations"
    yield (U * h(sigma)) @ V.mT, "this is still in whitened coordinates: cov_u^-1/2 (...) cov_v^-1/2 is missing"
    yield (
        found.root_u @ (U * h(sigma)) @ V.mT @ found.root_v,
        "multiply by the inverse roots, not by the roots",
    )
    yield -closed_form("joint", truth, rank=rank).A, "the sign is turned round: a large score is a near pair"
    one_sided = "only one side was undone: cov_u^-1/2 from the left and cov_v^-1/2 from the right"
    yield found.unroot_u @ (U * h(sigma)) @ V.mT, one_sided
    yield (U * h(sigma)) @ V.mT @ found.unroot_v, one_sided
    kept = "these are the smallest correlations: keep the first `rank`, torch.linalg.svd gives the largest first"
    few = slice(-rank, None)
    yield found.unroot_u @ (found.U[:, few] * h(found.sigma[few])) @ found.V[:, few].mT @ found.unroot_v, kept
    yield _turned_svd(truth, rank), "torch.linalg.svd returns V' already: no transpose of it"
    yield _unwhitened(truth, rank), "h acts on the singular values of the whitened cov_uv, not of cov_uv itself"


def _first_difference(found: Tensor, wanted: Tensor) -> str:
    i, j = divmod(int((found - wanted).abs().nan_to_num(torch.inf).argmax()), wanted.shape[1])
    return (
        f"the entry ({i}, {j}) of A is {float(wanted[i, j]):.3f}, yours is {float(found[i, j]):.3f}. Compare with "
        '`gca.gaussian.fit("joint", gca.gaussian.Gaussian(cov_u, cov_uv, cov_v), rank=rank).A`, factor by factor'
    )


def _turned_svd(truth: Gaussian, rank: int) -> Tensor:
    """The closed form where what ``svd`` returns last was transposed once more."""
    pair = truth.canonical
    U, sigma, Vh = torch.linalg.svd(pair.unroot_u @ truth.cov_uv @ pair.unroot_v, full_matrices=False)
    return pair.unroot_u @ (U[:, :rank] * h(sigma[:rank])) @ Vh.mT[:rank] @ pair.unroot_v


def _unwhitened(truth: Gaussian, rank: int) -> Tensor:
    """``h`` on the singular values of cov_uv as it is."""
    U, s, Vh = torch.linalg.svd(truth.cov_uv, full_matrices=False)
    return (U[:, :rank] * h(s[:rank])) @ Vh[:rank]


# The two-sided law --------------------------------------------------------------------------------------------------


@exercise(
    "write law(sigma) that returns (slope, variance) of the model's u given v: scalar u and v of variance 1 and "
    "correlation sigma, squared-distance score, two-sided conditional loss; then pass it"
)
def two_sided_law(answer: Any) -> str:
    """Given ``sigma -> (slope, variance)``: right when they are 1 - z and z with ``z^2 + z = 2 (1 - sigma)``."""
    least, most = TWO_SIDED
    sigma = round(least + (most - least) * torch.rand((), generator=fresh()).item(), 3)
    value = two(call(answer, sigma=sigma), "slope, variance")
    found = torch.tensor([number(part) for part in value], dtype=torch.float64)
    z = (math.sqrt(9 - 8 * sigma) - 1) / 2
    wanted = torch.tensor([1 - z, z], dtype=torch.float64)
    if not _near(found, wanted):
        told = f"at sigma = {sigma} they are {_told(wanted)}, yours are {_told(found)}"
        raise Wrong(f"{told}: {_matching(found, _law_mistakes(sigma, z), DERIVE)}")
    return "slope 1 - z, variance z, z^2 + z = 2 (1 - sigma): a compromise that is right in neither"


DERIVE = (
    "no usual slip gives these numbers. The slope is 1 - z and the variance z, 0 < z < 1, where a quadratic equation "
    "in z holds: is it the derivative of both sides' loss, and which root did you take?"
)
TWO_SIDED = (0.3, 0.6)
"""Correlations at which every typical slip shows; at 0.625 slope and variance are both a half."""


def _law_mistakes(sigma: float, z: float) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    slips = (
        ((sigma, 1 - sigma**2), "this is the true law, which the one-sided loss finds: two sides must share one score"),
        ((sigma, 1.0), "this is the inner product's: the squared distance has self-terms"),
        ((sigma / (2 - sigma), 2 * (1 - sigma) / (2 - sigma)), "this is the joint loss's: condition on v, and on u"),
        ((sigma / (2 - sigma**2), (1 - sigma**2) / (2 - sigma**2)), "this is the side that a one-sided loss neglects"),
        ((z, 1 - z), "slope and variance are exchanged"),
        ((1 / z - 1, z), "this is the coupling x = p q; the slope is x / (1 + x)"),
        ((1 - z, math.sqrt(z)), "the second is the standard deviation: square it"),
    )
    for (slope, variance), reason in slips:
        yield torch.tensor([slope, variance], dtype=torch.float64), reason


# All ----------------------------------------------------------------------------------------------------------------


def _pair() -> Gaussian:
    """A fresh pair in 4 and 3 dimensions with well separated correlations."""
    generator = fresh()
    sigma = torch.tensor([0.85, 0.6, 0.3], dtype=torch.float64)
    sigma = sigma + 0.08 * (torch.rand(3, generator=generator, dtype=torch.float64) - 0.5)
    seed = int(torch.randint(10_000, (), generator=generator))
    return Gaussian.from_correlations(sigma.tolist(), n_u=4, n_v=3, seed=seed)


def _near(found: Tensor, wanted: Tensor) -> bool:
    """Whether numbers that may have been trained are near enough."""
    return bool((found - wanted).abs().max() <= TRAINED * max(1.0, wanted.abs().max().item()))


def _matching(found: Tensor, mistakes: Iterator[tuple[Tensor, str]], other: str = UNKNOWN) -> str:
    """What is said of the first known mistake that gives nearly the same numbers; ``other`` where there is none."""
    known = list(mistakes)
    exact = first_match(found, known)
    rough = next((reason for wrong, reason in known if wrong.shape == found.shape and _near(found, wrong)), None)
    return exact or rough or other


def _told(values: Tensor) -> str:
    return ", ".join(f"{value:.3f}" for value in values.tolist())
