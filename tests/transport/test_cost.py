"""Three costs, as matrices and as lazy records."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import gca_playground as gca
from gca_playground import CosineCost, DotCost, SquaredEuclideanCost
from tests.oracles.problems import randn

LAZY = {CosineCost: gca.cosine_cost, SquaredEuclideanCost: gca.squared_euclidean_cost, DotCost: gca.dot_cost}


def by_pairs(z, w, formula):
    return torch.stack([torch.stack([formula(x, y) for y in w]) for x in z])


FORMULAS = {
    CosineCost: lambda x, y: 1 - torch.nn.functional.cosine_similarity(x, y, dim=0),
    SquaredEuclideanCost: lambda x, y: torch.dist(x, y) ** 2 / 2,
    DotCost: lambda x, y: -torch.dot(x, y),
}


@pytest.mark.parametrize("kind", LAZY)
def test_each_pair_by_its_formula(kind):
    z, w = randn(4, 3, seed=1), 2 + randn(5, 3, seed=2)
    expected = by_pairs(z, w, FORMULAS[kind])
    torch.testing.assert_close(LAZY[kind](z, w), expected, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(kind(z, w).rows(1, 3), expected[1:3], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", LAZY)
def test_shapes_types_and_batches(kind):
    z, w = randn(2, 1, 4, 3, seed=1), randn(6, 5, 3, seed=2)
    lazy = kind(z, w)
    assert lazy.shape == lazy.matrix().shape == (2, 6, 4, 5)
    torch.testing.assert_close(lazy.matrix()[1, 2], kind(z[1, 0], w[2]).matrix())
    torch.testing.assert_close(lazy.rows(1, 3), lazy.matrix()[..., 1:3, :])
    assert kind(z.float(), w).matrix().dtype == torch.float64
    assert kind(z.half(), w.float()).matrix().dtype == torch.float32
    assert repr(kind(z, w)) == f"{kind.__name__}(shape=(2, 6, 4, 5), dtype=torch.float64)"
    assert torch.equal(kind(z.numpy(), w.numpy()).matrix(), lazy.matrix())
    assert torch.equal(kind([[1, 2]], np.array([[3, 4]])).matrix(), kind(torch.tensor([[1.0, 2]]), [[3, 4]]).matrix())


@pytest.mark.parametrize("kind", LAZY)
def test_a_lazy_cost_is_its_matrix(kind):
    z, w = randn(4, 3, seed=1), randn(5, 3, seed=2)
    found, expected = gca.solve(kind(z, w), steps=4), gca.solve(LAZY[kind](z, w), steps=4)
    torch.testing.assert_close(found.log, expected.log, rtol=1e-12, atol=1e-12)


def test_squared_euclidean_is_cosine_on_unit_vectors():
    z, w = (torch.nn.functional.normalize(randn(4, 3, seed=seed), dim=1) for seed in (1, 2))
    torch.testing.assert_close(gca.squared_euclidean_cost(z, w), gca.cosine_cost(z, w), rtol=1e-12, atol=1e-14)


def test_similarities_are_not_clamped():
    z = torch.tensor([[1.0, 0.0]], requires_grad=True)
    cost = gca.cosine_cost(z, torch.tensor([[-1.0, 0.5]]))
    assert cost.item() > 1.8
    cost.sum().backward()
    assert z.grad.abs().max() > 0.1


def test_a_zero_vector_has_cost_one_and_no_gradient():
    z = torch.tensor([[0.0, 0.0], [1.0, 1.0]], requires_grad=True)
    w = torch.tensor([[1.0, 2.0], [0.0, 0.0]], requires_grad=True)
    cost = gca.cosine_cost(z, w)
    assert (cost[0] == 1).all() and (cost[:, 1] == 1).all()
    gca.solve(cost, steps=3).matrix.square().sum().backward()
    assert (z.grad[0] == 0).all() and (w.grad[1] == 0).all()
    assert z.grad.isfinite().all() and w.grad.isfinite().all()


@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1e10, 1e30])
def test_a_direction_has_no_size(scale):
    z, w = randn(4, 3, seed=1).float(), randn(5, 3, seed=2).float()
    scaled = (z * scale).requires_grad_()
    cost = gca.cosine_cost(scaled, w)
    torch.testing.assert_close(cost, gca.cosine_cost(z, w), rtol=1e-5, atol=1e-6)
    cost[0, 0].backward()
    plain = z.clone().requires_grad_()
    gca.cosine_cost(plain, w)[0, 0].backward()
    torch.testing.assert_close(scaled.grad * scale, plain.grad, rtol=1e-4, atol=1e-6)


def test_far_from_the_origin_no_digits_are_lost():
    z, w = randn(4, 3, seed=1), randn(5, 3, seed=2)
    shifted = gca.squared_euclidean_cost((z + 1000).float(), (w + 1000).float())
    torch.testing.assert_close(shifted.double(), gca.squared_euclidean_cost(z, w), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", LAZY)
def test_gradients(kind):
    z, w = randn(3, 2, seed=1).requires_grad_(), randn(4, 2, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda z, w: kind(z, w).matrix(), (z, w))
    assert torch.autograd.gradcheck(lambda z, w: kind(z, w).rows(1, 2), (z, w))


@pytest.mark.parametrize("size", [1e-30, 1e-13, 1.0, 1e13, 1e30])
def test_directions_of_rows_of_any_length(size):
    # In single precision the squares of the outer ones leave their type.
    z, w = randn(5, 3, seed=1).float(), randn(4, 3, seed=2).float()
    upstream = randn(5, 4, seed=3).float()
    slopes = []
    for scale in (1.0, size):
        leaf = (scale * z).requires_grad_()
        p, q, const = CosineCost(leaf, w).factors()
        cost = const - p @ q.mT
        torch.testing.assert_close(cost, gca.cosine_cost(z, w))
        slopes.append(scale * torch.autograd.grad((upstream * cost).sum(), leaf)[0].double())
    torch.testing.assert_close(slopes[1], slopes[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [CosineCost, DotCost, SquaredEuclideanCost])
def test_a_turned_cost_and_a_shared_one(kind):
    z, w = randn(5, 3, seed=1), randn(4, 3, seed=2)
    for cost in (kind(z, w), kind(z, w).shared()):
        for turned in (cost.mT, cost.mT.mT.mT):
            assert turned.shape == (4, 5) and type(turned) is kind
            torch.testing.assert_close(turned.matrix(), kind(w, z).matrix())
            p, q, const = turned.factors()
            torch.testing.assert_close(const - p @ q.mT, kind(w, z).matrix())
    shared = kind(z, w).shared()
    assert shared.factors()[0] is shared.mT.factors()[1]


def test_views_may_learn_after_their_cost_is_made():
    z, w = randn(5, 3, seed=1), randn(4, 3, seed=2)
    cost = CosineCost(z, w)
    first = gca.solve(cost, steps=3).matrix
    with torch.no_grad():
        z.mul_(3 * torch.arange(5)[:, None])  # one of them becomes 0
        z[1] += 1.0
    now = gca.solve(cost, steps=3).matrix
    torch.testing.assert_close(now, gca.solve(CosineCost(z, w), steps=3).matrix)
    assert (now - first).abs().max() > 1e-2
