"""The doubled half-steps of a Gaussian plan against the half-steps one by one."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import gca_playground as gca
from gca_playground.learning.gaussian.corners import corners
from gca_playground.transport.gaussian import Score
from gca_playground.transport.gaussian.potentials import iterate

KAPPAS = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (0.5, 0.5), (0.9, 0.3), (0.3, 1.0), (0.97, 0.99)]


def drawn(n_u: int, n_v: int, *, size: float, least: float) -> Score:
    """A score whose self-terms have ``least`` as their smallest eigenvalue."""
    draw = torch.Generator().manual_seed(n_u + 10 * n_v)
    A, B, D = (torch.randn(n, m, generator=draw, dtype=torch.float64) for n, m in ((n_u, n_v), (n_u, n_u), (n_v, n_v)))
    B, D = (M @ M.mT / len(M) for M in (B, D))
    B, D = (M + (least - torch.linalg.eigvalsh(M)[0]) * torch.eye(len(M), dtype=torch.float64) for M in (B, D))
    return Score(*(part.requires_grad_() for part in (size * A, B, D)))


def one_by_one(score: Score, kappa: tuple[float, float]) -> Tensor:
    F, G = iterate(score, kappa)
    return torch.block_diag(F + score.B, G + score.D) + torch.eye(len(F) + len(G))


@pytest.mark.parametrize("kappa", KAPPAS)
@pytest.mark.parametrize(("sizes", "size", "least"), [((1, 1), 0.7, 0.2), ((2, 3), 2.0, 0.0), ((4, 2), 1.0, -0.9)])
def test_doubling_ends_where_the_half_steps_do(
    kappa: tuple[float, float], sizes: tuple[int, int], size: float, least: float
) -> None:
    score = drawn(*sizes, size=size, least=least)
    expected, found = one_by_one(score, kappa), corners(score, kappa)
    torch.testing.assert_close(found, expected, atol=1e-13, rtol=1e-13)
    assert torch.linalg.eigvalsh(found.detach())[0] > 0
    weight = torch.block_diag(*(torch.randn(n, n, dtype=torch.float64) for n in sizes))
    weight = weight + weight.mT
    theirs, ours = (
        torch.autograd.grad((weight * Z).sum(), score, allow_unused=True, materialize_grads=True)
        for Z in (expected, found)
    )
    for one, other in zip(ours, theirs, strict=True):
        both = [g if g.shape[0] != g.shape[1] or g.shape == score.A.shape else (g + g.mT) / 2 for g in (one, other)]
        torch.testing.assert_close(*both, atol=1e-11, rtol=1e-11)


def test_the_gradient_has_a_gradient() -> None:
    score = drawn(2, 2, size=0.8, least=0.1)

    def value(A: Tensor, B: Tensor) -> Tensor:
        return corners(Score(A, (B + B.mT) / 2, score.D.detach()), (0.6, 0.3)).square().sum()

    inputs = [part.detach().clone().requires_grad_() for part in score[:2]]
    assert torch.autograd.gradcheck(value, inputs) and torch.autograd.gradgradcheck(value, inputs)


def test_what_does_not_settle_is_said() -> None:
    huge = Score(torch.tensor([[math.nan]], dtype=torch.float64), *torch.zeros(2, 1, 1, dtype=torch.float64))
    with pytest.raises(ValueError, match="the doublings of the half-steps did not settle"):
        corners(huge, (0.5, 0.5))


def test_the_loss_in_the_square_is_smooth_up_to_its_corners() -> None:
    truth = gca.gaussian.Gaussian(1.5, 1.0, 1.5)
    ends = {(0.0, 1.0): (2.0, 0.0), (1.0, 0.0): (0.0, 2.0)}
    for kappa, weights in ends.items():
        near = tuple(abs(k - 1e-7) for k in kappa)
        one = gca.gaussian.population_loss("conditional", truth, weights=weights)([[0.3]], [[0.2]], [[0.1]])
        at = gca.gaussian.population_loss("unbalanced", truth, kappa=kappa)([[0.3]], [[0.2]], [[0.1]])
        beside = gca.gaussian.population_loss("unbalanced", truth, kappa=near)([[0.3]], [[0.2]], [[0.1]])
        assert at.item() == pytest.approx(one.item(), abs=1e-13)
        assert beside.item() == pytest.approx(one.item(), abs=1e-6)
