"""Gaussian closed forms against POT and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import ot
import pytest
import torch
from sklearn.cross_decomposition import CCA

import gca_playground as gca
from tests.oracles.problems import randn

gg = gca.gaussian


def normal(n, *, seed):
    W = randn(n, n, seed=seed)
    return gg.Normal(W @ W.mT / n + 0.3 * torch.eye(n), randn(n, seed=seed + 100))


def bures_wasserstein(one, two):
    """The squared distance W2^2."""
    return float(ot.gaussian.bures_wasserstein_distance(one.mean, two.mean, one.cov, two.cov)) ** 2


def test_small_epsilon_comes_to_the_bures_wasserstein_distance():
    source, target = normal(3, seed=1), normal(3, seed=2)
    # at small epsilon the entropy costs about (epsilon / 2) n log(1 / epsilon)
    plan = gg.entropic_plan(source, target, epsilon=1e-5)
    assert 2 * plan.value == pytest.approx(bures_wasserstein(source, target), abs=1e-3)
    slope, shift = ot.gaussian.bures_wasserstein_mapping(source.mean, target.mean, source.cov, target.cov)
    point = randn(3, seed=5)
    assert (plan.law.v_given_u(point) - (point @ slope + shift)).abs().max() < 1e-4


def test_the_wasserstein_loss():
    truth = gg.Gaussian.from_correlations([0.8, 0.5], n_u=3, n_v=2, seed=4)
    model = gg.closed_form("joint", truth, tilting="squared_euclidean")
    nodes = 500
    v = truth.v.sample(nodes, seed=1)
    # exactly the sample's second moment of v, so that a few nodes are enough
    v = (v - v.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(v.mT, correction=0))).mT
    v = v @ torch.linalg.cholesky(truth.cov_v).mT
    mine, theirs = model.u_given_v, truth.u_given_v
    means = ((mine(v) - theirs(v)) ** 2).sum(1).mean().item()
    zero = torch.zeros(3, dtype=torch.float64)
    spread = float(ot.gaussian.bures_wasserstein_distance(zero, zero, mine.cov, theirs.cov)) ** 2
    loss = gg.population_loss("wasserstein", truth)(*model.score).item()
    assert loss == pytest.approx(means + spread, rel=1e-9)


def test_canonical_correlations_of_samples():
    truth = gg.Gaussian.from_correlations([0.9, 0.5], n_u=3, n_v=2, seed=1)
    u, v = truth.sample(400, seed=0)
    x, y = CCA(n_components=2, tol=1e-12, max_iter=10_000).fit_transform(u.numpy(), v.numpy())
    theirs = [abs(np.corrcoef(x[:, i], y[:, i])[0, 1]) for i in range(2)]
    assert gg.Gaussian.from_samples(u, v).canonical.sigma.tolist() == pytest.approx(theirs, abs=1e-6)


def test_a_gridded_unbalanced_plan():
    # POT's objective with 'kl' and masses of the two laws is ours with the product reference.
    line = torch.linspace(-7, 7, 101, dtype=torch.float64)
    source, target = gg.Normal(0.7, 0.3, 1.2), gg.Normal(1.1, -0.4, 0.8)
    nodes, masses = [], []
    for law in (source, target):
        x = law.mean + line * law.cov[0].sqrt()
        weight = torch.exp(-0.5 * line**2)
        nodes.append(x)
        masses.append((law.mass * weight / weight.sum()).numpy())
    cost = 0.5 * (nodes[0][:, None] - nodes[1]) ** 2
    plan = ot.unbalanced.sinkhorn_unbalanced(
        *masses, cost.numpy(), 0.5, (0.6, 2.0), reg_type="kl", numItermax=100_000, stopThr=1e-14
    )
    exact = gg.entropic_plan(source, target, epsilon=0.5, rows=0.6, cols=2.0).law
    assert exact.mass == pytest.approx(plan.sum(), rel=1e-8)
    cross = (nodes[0].numpy() @ plan @ nodes[1].numpy()) / plan.sum()
    assert exact.cov_uv.item() + (exact.mean_u * exact.mean_v).item() == pytest.approx(cross, rel=1e-7)
    assert math.isfinite(exact.mass)
