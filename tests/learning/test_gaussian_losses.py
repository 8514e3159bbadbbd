"""Exact losses against quadrature and sampling, batch losses against their definitions, and what batches do."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

import gca_playground as gca
from gca_playground.learning.gaussian import batch
from gca_playground.transport.gaussian import Normal, Score
from tests.oracles.grids import grid_of, scores
from tests.oracles.problems import randn

gg = gca.gaussian
WEIGHTS = [(2.0, 0.0), (0.0, 2.0), (1.0, 1.0), (0.3, 1.7)]
SCORES = {"dot": (0.5, 0.0, 0.0), "squared": (0.6, 0.9, 0.4), "signed": (0.3, -0.2, -0.1)}


class Quadrature:
    """The truth with variances 0.8 and 1.4 and correlation 0.6 on a grid, and a score on it."""

    truth = gg.Gaussian(0.8, 0.6 * math.sqrt(0.8 * 1.4), 1.4, [0.7], [-0.2])

    def __init__(self, a, b, d):
        self.abd = [torch.tensor([[x]], dtype=torch.float64) for x in (a, b, d)]
        # centred: losses see the variables less their means
        (self.u, self.a), (self.v, self.b) = (
            grid_of(Normal(cov), points=221, reach=12.0) for cov in (self.truth.cov_u, self.truth.cov_v)
        )
        self.s = scores(Score(*self.abd), self.u, self.v)
        precision = torch.linalg.inv(self.truth.cov)
        log_density = scores(
            Score(-precision[:1, 1:], precision[:1, :1] - 1 / 0.8, precision[1:, 1:] - 1 / 1.4), self.u, self.v
        )
        mu = self.a[:, None] * self.b * log_density.exp()
        self.mu = mu / mu.sum()
        self.product = self.a[:, None] * self.b

    def mean(self, values):
        return (self.mu * values).sum().item()

    def log_ratio(self, side):
        """log of the model's conditional density over the prior: of u given v, or of v given u."""
        if side == "u":
            return self.s - (self.a.log()[:, None] + self.s).logsumexp(0)
        return self.s - (self.b.log() + self.s).logsumexp(1)[:, None]

    def loss(self, name, **knobs):
        return gg.population_loss(name, self.truth, **knobs)(*self.abd).item()


@pytest.fixture(params=SCORES)
def on_grid(request):
    return Quadrature(*SCORES[request.param])


@pytest.mark.parametrize("weights", WEIGHTS)
def test_conditional(on_grid, weights):
    sides = (on_grid.mean(on_grid.log_ratio("u")), on_grid.mean(on_grid.log_ratio("v")))
    expected = -0.5 * (weights[0] * sides[0] + weights[1] * sides[1])
    assert on_grid.loss("conditional", weights=weights) == pytest.approx(expected, abs=1e-10)


def test_joint(on_grid):
    expected = -on_grid.mean(on_grid.s) + (on_grid.product.log() + on_grid.s).flatten().logsumexp(0).item()
    assert on_grid.loss("joint") == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("kappa", [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (0.5, 0.5), (0.3, 0.9), (1.0, 0.5), (1.0, 1.0)])
def test_unbalanced_and_sinkhorn_against_the_solver(on_grid, kappa):
    rho = [math.inf if side == 1 else side / (1 - side) for side in kappa]
    plan = gca.solve(
        -on_grid.s, epsilon=1.0, rows=rho[0], cols=rho[1], a=on_grid.a, b=on_grid.b, reference="product", tol=1e-12
    )
    log_ratio = plan.log - on_grid.product.log() - plan.mass.log()
    expected = -on_grid.mean(log_ratio)
    assert on_grid.loss("unbalanced", kappa=kappa) == pytest.approx(expected, abs=1e-8)
    if kappa == (1.0, 1.0):
        assert on_grid.loss("sinkhorn") == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("bandwidth", [None, 0.7])
@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.5, 1.5)])
def test_conditional_mmd(on_grid, weights, bandwidth):
    terms = []
    for weight, side, points, marginal in (
        (weights[0], "u", on_grid.u, on_grid.a),
        (weights[1], "v", on_grid.v, on_grid.b),
    ):
        K = kernel(points, bandwidth)
        ratio, mu = on_grid.log_ratio(side), on_grid.mu
        W = marginal[:, None] * (ratio if side == "u" else ratio.mT).exp()
        mu = mu if side == "u" else mu.mT
        own = ((W * (K @ W)).sum(0) * mu.sum(0)).sum()
        cross = (mu * (K @ W)).sum()
        terms.append(0.5 * weight * (own - 2 * cross).item())
    assert on_grid.loss("conditional_mmd", weights=weights, bandwidth=bandwidth) == pytest.approx(sum(terms), abs=1e-10)


@pytest.mark.parametrize("bandwidth", [None, 0.7])
def test_joint_mmd(on_grid, bandwidth):
    P = on_grid.product * on_grid.s.exp()
    P = P / P.sum()
    spread = kernel(on_grid.u, bandwidth) @ P @ kernel(on_grid.v, bandwidth)
    expected = ((P - 2 * on_grid.mu) * spread).sum().item()
    assert on_grid.loss("joint_mmd", bandwidth=bandwidth) == pytest.approx(expected, abs=1e-9)


def kernel(x, bandwidth):
    return x @ x.mT if bandwidth is None else torch.exp(-torch.cdist(x, x).square() / (2 * bandwidth**2))


def test_spectral(on_grid):
    expected = ((on_grid.product * on_grid.s**2).sum() - 2 * (on_grid.mu * on_grid.s).sum()).item()
    assert on_grid.loss("spectral") == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("alpha", [1.0, 0.5, -0.5, -1.0, 1e-6])
@pytest.mark.parametrize("weights", [(2.0, 0.0), (0.5, 1.5)])
def test_tempered(on_grid, alpha, weights):
    sides = (on_grid.mean(torch.expm1(-alpha * on_grid.log_ratio(side)) / alpha) for side in "uv")
    expected = sum(0.5 * weight * side for weight, side in zip(weights, sides, strict=True))
    assert on_grid.loss("tempered", weights=weights, alpha=alpha) == pytest.approx(expected, abs=1e-8)


def test_wasserstein_in_one_dimension(on_grid):
    truth, (a, b, _) = on_grid.truth, (x.item() for x in on_grid.abd)
    var = 1 / (1 / 0.8 + b)
    miss = var * a - truth.u_given_v.slope.item()
    expected = miss**2 * 1.4 + (math.sqrt(var) - math.sqrt(truth.u_given_v.cov.item())) ** 2
    assert on_grid.loss("wasserstein") == pytest.approx(expected, abs=1e-13)


def test_more_dimensions_by_sampling():
    truth = gg.Gaussian.from_correlations([0.8, 0.5], n_u=3, n_v=2, seed=4)
    G, H = 0.4 * randn(2, 3, seed=1), 0.4 * randn(2, 2, seed=2)
    A, B, D = G.mT @ H, G.mT @ G, H.mT @ H
    n = 200_000
    (u, v), (u2, _) = truth.sample(n, seed=3), truth.sample(n, seed=4)
    model = Normal(torch.linalg.inv(torch.linalg.inv(truth.cov_u) + B))
    mine, other = (v @ (model.cov @ A).mT + model.sample(n, seed=seed) for seed in (5, 6))

    def close(values, name, **knobs):
        exact = gg.population_loss(name, truth, **knobs)(A, B, D).item()
        assert abs(values.mean().item() - exact) < 4.5 * values.std().item() / math.sqrt(n)
        assert values.std().item() / math.sqrt(n) < 0.05

    def k(x, y):
        return torch.exp(-(x - y).square().sum(1) / 2)

    s, off = ((x @ A * v).sum(1) - 0.5 * (x @ B * x).sum(1) - 0.5 * (v @ D * v).sum(1) for x in (u, u2))
    close(k(mine, other) - 2 * k(mine, u), "conditional_mmd", bandwidth=1.0)
    close((mine * other).sum(1) - 2 * (mine * u).sum(1), "conditional_mmd")
    close(off**2 - 2 * s, "spectral")
    normalise = 0.5 * torch.logdet(torch.eye(3).double() + truth.cov_u @ B)
    log_q = (u @ A * v).sum(1) - 0.5 * (u @ B * u).sum(1) - 0.5 * (v @ A.mT @ model.cov @ A * v).sum(1) + normalise
    close(torch.expm1(-0.5 * log_q) / 0.5, "tempered", alpha=0.5)


# ------------------------------------------------------------------------------------------ what they have in common


@pytest.mark.parametrize("name", list(gg.LOSSES))
def test_gradients(name):
    truth = gg.Gaussian.from_correlations([0.8, 0.5], n_u=3, n_v=2, seed=4)
    G, H = 0.3 * randn(2, 3, seed=1), 0.3 * randn(2, 2, seed=2)
    loss = gg.population_loss(name, truth)

    def of_encoders(G, H):
        return loss(G.mT @ H, G.mT @ G, H.mT @ H) + loss(G.mT @ H)

    inputs = (G.requires_grad_(), H.requires_grad_())
    assert torch.autograd.gradcheck(of_encoders, inputs, eps=1e-6, atol=1e-7)


def test_gradients_exist_where_singular_values_coincide():
    truth = gg.Gaussian.from_correlations([0.8, 0.5, 0.3])
    for name in ("joint", "sinkhorn", "unbalanced"):
        for A in (torch.zeros(3, 3), 0.3 * torch.eye(3)):
            A = A.double().requires_grad_()
            (gradient,) = torch.autograd.grad(gg.population_loss(name, truth)(A), A)
            assert gradient.isfinite().all()


def test_every_knob_changes_something():
    truth = gg.Gaussian.from_correlations([0.8, 0.5], n_u=3, n_v=2, seed=4)
    A, B = 0.2 * randn(3, 2, seed=1), 0.1 * torch.eye(3).double()
    changes = {
        "weights": (0.5, 1.0),
        "kappa": (0.2, 0.9),
        "bandwidth": 0.8,
        "alpha": 0.3,
    }
    for name, row in gg.LOSSES.items():
        base = gg.population_loss(name, truth)(A, B).item()
        for knob in row.knobs:
            assert abs(gg.population_loss(name, truth, **{knob: changes[knob]})(A, B).item() - base) > 1e-6, name


def test_the_joint_loss_is_infinite_outside_its_domain():
    truth = gg.Gaussian(1.0, 0.5, 1.0)
    assert gg.population_loss("joint", truth)([[1.01]]).item() == math.inf
    assert gg.population_loss("joint", truth)([[0.99]]).item() < 3
    assert gg.population_loss("conditional", truth)([[1.01]]).item() < 1
    assert gg.population_loss("conditional", truth)([[0.5]], [[-1.5]]).item() == math.inf


@pytest.mark.parametrize(("alpha", "var"), [(1.0, 0.529), (0.5, 0.458), (-0.5, 0.220), (1e-3, 0.360)])
def test_the_alpha_family_learns_a_tempered_conditional(alpha, var):
    truth = gg.Gaussian(1.0, 0.8, 1.0)
    found = gg.fit("tempered", truth, tilting="squared_euclidean", alpha=alpha)
    assert found.u_given_v.cov.item() == pytest.approx(var, abs=5e-4)
    # q ~ p^(1 / (1 + alpha)): score and self-term of the exact posterior, divided
    assert found.B.item() == pytest.approx(0.64 / 0.36 / (1 + alpha), rel=1e-6)
    assert found.A.item() == pytest.approx(0.8 / 0.36 / (1 + alpha), rel=1e-6)


def test_the_two_knob_family_is_continuous_between_its_corners():
    truth = gg.Gaussian(1.0, 2 / 3, 1.0)
    corners = {(0.0, 0.0): 0.5, (0.0, 1.0): 2 / 3, (1.0, 0.0): 2 / 3, (1.0, 1.0): 1.2}
    for kappa, coupling in corners.items():
        found, exact = (make("unbalanced", truth, kappa=kappa) for make in (gg.fit, gg.closed_form))
        assert found.A.item() == pytest.approx(coupling, rel=1e-6)
        assert exact.A.item() == pytest.approx(coupling, rel=1e-12)
        assert exact.loss == pytest.approx(found.loss, abs=1e-9)
        assert exact.kl == pytest.approx(exact.loss + truth.mutual_information, abs=1e-12)
    middle = [gg.fit("unbalanced", truth, kappa=(x, x)) for x in (0.0, 0.25, 0.5, 0.75, 1.0)]
    couplings = [model.A.item() for model in middle]
    assert couplings == sorted(couplings)
    assert [model.kl for model in middle] == sorted((model.kl for model in middle), reverse=True)
    assert middle[2].kl == pytest.approx(middle[2].loss + truth.mutual_information, abs=1e-12)


# ------------------------------------------------------------------------------------------ batches


N = 24
S = randn(N, N, seed=1)


def test_batch_losses_of_softmax():
    d, ln = S.diagonal().mean(), math.log(N)
    u_given_v, v_given_u = -d + S.logsumexp(0).mean() - ln, -d + S.logsumexp(1).mean() - ln
    own = torch.arange(N)
    assert abs(gg.batch_loss("conditional", weights=(0, 2))(S) - (cross_entropy(S, own) - ln)) < 1e-13
    assert abs(gg.batch_loss("conditional", weights=(2, 0))(S) - (cross_entropy(S.mT, own) - ln)) < 1e-13
    mixed = gg.batch_loss("conditional", weights=(0.3, 1.7))(S)
    assert abs(mixed - (0.15 * u_given_v + 0.85 * v_given_u)) < 1e-13
    others = S[~torch.eye(N, dtype=torch.bool)]
    assert abs(gg.batch_loss("joint")(S) - (-d + S.flatten().logsumexp(0) - 2 * ln)) < 1e-13
    expected = -d + others.logsumexp(0) - math.log(N * (N - 1))
    assert abs(gg.batch_loss("joint", negatives="others")(S) - (expected)) < 1e-13


@pytest.mark.parametrize("half_steps", [2, 10, None])
def test_batch_loss_of_sinkhorn(half_steps):
    f, h = torch.zeros(N).double(), torch.zeros(N).double()
    for _ in range(500 if half_steps is None else half_steps // 2):
        f = -((S + h).logsumexp(1) - math.log(N))
        h = -((S + f[:, None]).logsumexp(0) - math.log(N))
    expected = -S.diagonal().mean() - f.mean() - h.mean()
    assert abs(gg.batch_loss("sinkhorn", half_steps=half_steps)(S) - (expected)) < 1e-10


def test_softmax_and_the_solver_agree_at_the_corners():
    for weights, kappa in (((2.0, 0.0), (0.0, 1.0)), ((0.0, 2.0), (1.0, 0.0))):
        softmax = gg.batch_loss("conditional", weights=weights)(S)
        assert abs(gg.batch_loss("unbalanced", kappa=kappa)(S) - (softmax)) < 1e-13
    assert abs(gg.batch_loss("unbalanced", kappa=(0, 0))(S) - (gg.batch_loss("joint")(S))) < 1e-13
    converged = gg.batch_loss("sinkhorn")(S)
    assert abs(gg.batch_loss("unbalanced", kappa=(1, 1))(S) - (converged)) < 1e-13


@pytest.mark.parametrize("bandwidth", [None, 0.9])
def test_batch_losses_by_kernel(bandwidth):
    u, v = randn(N, 3, seed=2), randn(N, 2, seed=3)
    Ku, Kv = (kernel(x - x.mean(0), bandwidth) for x in (u, v))
    W, P = S.softmax(0), S.exp() / S.exp().sum()
    one = 0.5 * (W.mT @ Ku @ W).diagonal().mean() - (Ku @ W).diagonal().mean()
    found = gg.batch_loss("conditional_mmd", weights=(1, 0), bandwidth=bandwidth)(S, u, v)
    assert abs(found - (one)) < 1e-12
    flipped = gg.batch_loss("conditional_mmd", weights=(0, 1), bandwidth=bandwidth)(S.mT, v, u)
    assert abs(flipped - (one)) < 1e-12
    joint = (P * (Ku @ P @ Kv)).sum() - 2 * (Ku @ P @ Kv).diagonal().mean()
    assert abs(gg.batch_loss("joint_mmd", bandwidth=bandwidth)(S, u, v) - (joint)) < 1e-12


def test_other_batch_losses():
    W = S.softmax(0).diagonal() * N
    for alpha in (1.0, -0.5):
        expected = ((W**-alpha - 1) / alpha).mean()
        assert abs(gg.batch_loss("tempered", alpha=alpha)(S) - (expected)) < 1e-11
    off = S[~torch.eye(N, dtype=torch.bool)].square().mean() - 2 * S.diagonal().mean()
    assert abs(gg.batch_loss("spectral")(S) - (off)) < 1e-13


def test_more_potentials_smaller_loss_on_a_batch():
    sinkhorn = gg.batch_loss("sinkhorn")(2 * S)
    joint = gg.batch_loss("joint")(2 * S)
    for weights in ((2, 0), (0, 2)):
        assert sinkhorn < gg.batch_loss("conditional", weights=weights)(2 * S) < joint


@pytest.mark.parametrize("name", sorted(set(gg.LOSSES) - {"wasserstein"}))
def test_batch_losses_estimate_the_population(name):
    truth = gg.Gaussian.from_correlations([0.7, 0.4], n_u=3, n_v=2, seed=4)
    A = truth.canonical.unroot_u @ (0.3 * truth.canonical.R) @ truth.canonical.unroot_v
    estimates = []
    for seed in range(6):
        u, v = truth.sample(400, seed=seed)
        estimates.append(gg.batch_loss(name)(u @ A @ v.mT, u, v))
    exact = gg.population_loss(name, truth)(A).item()
    estimates = torch.stack(estimates)
    assert abs(estimates.mean().item() - exact) < 0.02 + 3 * estimates.std().item() / math.sqrt(6)


def test_small_batches_overestimate_with_the_conditional_loss_and_underestimate_with_the_joint_one():
    slopes = {"conditional": [], "joint": []}
    truth = gg.Gaussian(1.0, 2 / 3, 1.0)
    optimum = {"conditional": 2 / 3, "joint": 0.5}
    for seed in range(200):
        u, v = truth.sample(16, seed=seed)
        for name, found in slopes.items():
            m = torch.tensor(optimum[name], dtype=torch.float64, requires_grad=True)
            (slope,) = torch.autograd.grad(gg.batch_loss(name)(m * u @ v.mT), m)
            found.append(slope)
    for name, sign in (("conditional", -1), ("joint", 1)):
        slope = torch.stack(slopes[name])
        assert sign * slope.mean() > 2 * slope.std() / math.sqrt(len(slope)), name


@pytest.mark.parametrize(("name", "tilting"), [("conditional", "dot"), ("joint", "squared_euclidean")])
def test_fit_on_batches(name, tilting):
    truth = gg.Gaussian.from_correlations([0.8, 0.5], n_u=3, n_v=3, seed=4)
    exact = gg.closed_form(name, truth, rank=2, tilting=tilting)
    found = gg.fit(name, truth, rank=2, tilting=tilting, batch=256, steps=250, seed=1)
    assert ((found.A - exact.A).norm() / exact.A.norm()).item() < 0.2
    assert found.loss - exact.loss < 0.02
    assert len(found.history) == 250 and not found.converged
    again = gg.fit(name, truth, rank=2, tilting=tilting, batch=256, steps=3, seed=1)
    other = gg.fit(name, truth, rank=2, tilting=tilting, batch=256, steps=3, seed=2)
    assert again.history[0] == found.history[0] and len(again.history) == 3
    assert not torch.equal(again.history, other.history)


def test_fit_on_samples():
    truth = gg.Gaussian.from_correlations([0.8, 0.5], n_u=3, n_v=3, seed=4)
    samples = truth.sample(500, seed=0)
    all_at_once = gg.fit("conditional", truth, rank=2, samples=samples)
    assert all_at_once.converged
    s = (samples[0] - truth.mean_u) @ all_at_once.A @ (samples[1] - truth.mean_v).mT
    assert abs(gg.batch_loss("conditional")(s) - (all_at_once.history[-1].item())) < 1e-12
    in_batches = gg.fit("conditional", truth, rank=2, samples=samples, batch=100, steps=5)
    assert len(in_batches.history) == 5


def test_moments_of_samples_give_the_spectral_minimiser():
    # Remark D.2: with sample covariances the same formula minimises the moment loss, not the softmax one
    truth = gg.Gaussian.from_correlations([0.8, 0.5], n_u=3, n_v=3, seed=4)
    u, v = truth.sample(300, seed=0)
    sample = gg.Gaussian.from_samples(u, v)
    A = gg.closed_form("spectral", sample).A.requires_grad_()
    x, y = u - u.mean(0), v - v.mean(0)
    s = x @ A @ y.mT
    moment = 0.5 * s.square().mean() - s.diagonal().mean()
    assert torch.autograd.grad(moment, A)[0].abs().max() < 1e-12
    assert batch.spectral(s).isfinite()
