"""What each loss learns: closed forms against descent, the paper's example in the plane, and who minimises what."""

from __future__ import annotations

import math

import pytest
import torch

import gca_playground as gca
from gca_playground.learning.gaussian.minimise import adam, lbfgs
from gca_playground.learning.gaussian.theorems import THEOREMS
from tests.oracles.problems import randn

gg = gca.gaussian
SIGMA = (0.95, 0.8, 0.6, 0.3)
RANKS = (1, 2, 3, 4)
WEIGHTS = [(2.0, 0.0), (0.0, 2.0), (1.0, 1.0), (0.3, 1.7)]


def truth_of(seed):
    return gg.Gaussian.from_correlations(SIGMA, n_u=5, n_v=4, seed=seed)


def relative(found, exact):
    return ((found - exact).norm() / exact.norm()).item()


def both(loss, seed, *, rank, tilting="dot", **knobs):
    truth = truth_of(seed)
    exact = gg.closed_form(loss, truth, rank=rank, tilting=tilting, **knobs)
    found = gg.fit(loss, truth, rank=rank, tilting=tilting, seed=seed, **knobs)
    assert found.converged
    assert found.loss == pytest.approx(exact.loss, abs=1e-9)
    assert gg.population_loss(loss, truth, **knobs)(*exact.score).item() == pytest.approx(exact.loss, abs=1e-9)
    return found, exact


# ------------------------------------------------------------------------------------------ learned against closed


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize(
    ("key", "loss", "tilting", "knobs"),
    [
        *[("T1", "conditional", "dot", {"weights": weights}) for weights in WEIGHTS],
        ("T1", "spectral", "dot", {}),
        ("T2", "joint", "dot", {}),
        ("T3", "conditional", "squared_euclidean", {"weights": (2.0, 0.0)}),
        ("T4", "conditional", "squared_euclidean", {"weights": (0.0, 2.0)}),
        ("T5", "conditional", "squared_euclidean", {"weights": (1.0, 1.0)}),
        ("T6", "joint", "squared_euclidean", {}),
        ("T7", "joint", "signed", {}),
    ],
)
def test_descent_finds_the_closed_form(key, loss, tilting, knobs, rank):
    found, exact = both(loss, rank + 10, rank=rank, tilting=tilting, **knobs)
    assert relative(found.A, exact.A) < 1e-6
    if tilting != "dot":
        assert relative(found.B, exact.B) < 1e-6
        assert relative(found.D, exact.D) < 1e-6
    assert {row.key for row in THEOREMS if row.answers(tilting, loss, {"weights": (1.0, 1.0)} | knobs)} == {key}


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize(
    ("loss", "tilting", "knobs"),
    [
        ("sinkhorn", "dot", {}),
        ("sinkhorn", "squared_euclidean", {}),
        ("wasserstein", "dot", {"weights": (2.0, 0.0)}),
        ("wasserstein", "dot", {"weights": (0.0, 1.0)}),
        ("conditional_mmd", "dot", {"weights": (2.0, 0.0)}),
        ("conditional_mmd", "dot", {"weights": (0.0, 2.0)}),
    ],
)
def test_descent_finds_the_derived_forms(loss, tilting, knobs, rank):
    found, exact = both(loss, rank + 20, rank=rank, tilting=tilting, **knobs)
    assert relative(found.A, exact.A) < 1e-5


def test_every_row_of_the_table_is_reached():
    assert {row.key for row in THEOREMS} == {f"T{number}" for number in range(1, 10)}
    for row in THEOREMS:
        knobs = {} if row.weights is None else {"weights": row.weights}
        model = gg.closed_form(row.loss, truth_of(0), tilting=row.tilting, **knobs)
        assert model.rank == 4 and row.says and row.source


def test_a_start_nearby_ends_at_the_same_and_sooner():
    truth, knobs = truth_of(0), {"tilting": "squared_euclidean", "rank": 2}
    nearby = gca.gaussian.fit("unbalanced", truth, kappa=(0.5, 0.55), **knobs)
    cold, warm = (gca.gaussian.fit("unbalanced", truth, kappa=(0.5, 0.6), start=s, **knobs) for s in (None, nearby))
    assert abs(warm.loss - cold.loss) < 1e-10 and len(warm.history) < len(cold.history)
    assert relative(warm.score.A, cold.score.A) < 1e-5


def test_a_direction_that_the_start_leaves_out_comes_back():
    truth = truth_of(0)
    best = gca.gaussian.fit("conditional", truth, rank=2)
    G, H = best.G.clone(), best.H.clone()
    G[0] = H[0] = 0.0
    without = gca.gaussian.Model(truth, "dot", G, H, (0.0, 0.0), 0.0)
    assert abs(gca.gaussian.fit("conditional", truth, rank=2, start=without).loss - best.loss) < 1e-10


def test_adam_comes_to_the_same():
    truth = gg.Gaussian.from_correlations([0.8, 0.5], n_u=3, n_v=2, seed=3)
    exact = gg.closed_form("joint", truth, rank=1)
    found = gg.fit("joint", truth, rank=1, method="adam", steps=500, lr=0.1)
    assert relative(found.A, exact.A) < 1e-4
    assert len(found.history) == 500 and not found.converged


DESCENTS = {
    "adam": (lambda f, x: adam(f, x, steps=300, lr=1.0), (5.0, 0.19)),
    "lbfgs": (lambda f, x: lbfgs(f, x, steps=100, tolerance=1e-9), (0.19, 0.01)),
}


@pytest.mark.parametrize("method", DESCENTS)
def test_a_step_through_the_wall_is_taken_back(method):
    # The log-partition function is infinite where |pq| >= 1, and from these starts a step gets there.
    descend, start = DESCENTS[method]
    loss = gg.population_loss("joint", gg.Gaussian.from_correlations([0.99]))
    hits = []

    def f(x):
        value = loss((x[0] * x[1]).reshape(1, 1))
        hits.append(math.isinf(value.item()))
        return value

    found = descend(f, torch.tensor(start, dtype=torch.float64))
    assert any(hits) and not hits[0]
    assert all(math.isfinite(value) for value in found.history)
    assert found.x.prod().item() == pytest.approx(gg.h(0.99).item(), rel=1e-3)


def test_histories_fall():
    found = gg.fit("conditional", truth_of(1), rank=2)
    assert (found.history.diff() <= 1e-12).all()
    assert found.history[-1].item() == pytest.approx(found.loss, abs=1e-15)


# ------------------------------------------------------------------------------------------ what the models claim


PLANE = {  # slope and variance of u|v, of v|u, variances of u and v, covariance, KL(truth | model)
    ("conditional", "dot", None): (0.6667, 1.5, 0.6667, 1.5, 2.7, 2.7, 1.8, 0.1433),
    ("joint", "dot", None): (0.5, 1.5, 0.5, 1.5, 2.0, 2.0, 1.0, 0.1044),
    ("conditional", "squared_euclidean", (2.0, 0.0)): (0.6667, 0.8333, 0.4286, 0.5357, 1.1667, 0.75, 0.5, 0.1534),
    ("conditional", "squared_euclidean", (0.0, 2.0)): (0.4286, 0.5357, 0.6667, 0.8333, 0.75, 1.1667, 0.5, 0.1534),
    ("conditional", "squared_euclidean", (1.0, 1.0)): (0.5426, 0.6861, 0.5426, 0.6861, 0.9724, 0.9724, 0.5276, 0.0815),
    ("joint", "squared_euclidean", None): (0.5, 0.75, 0.5, 0.75, 1.0, 1.0, 0.5, 0.0779),
    ("sinkhorn", "dot", None): (0.6667, 0.8333, 0.6667, 0.8333, 1.5, 1.5, 1.0, 0.0),
    ("joint", "signed", None): (0.6667, 0.8333, 0.6667, 0.8333, 1.5, 1.5, 1.0, 0.0),
}


def claims(joint, truth):
    one, two = joint.u_given_v, joint.v_given_u
    parts = (one.slope, one.cov, two.slope, two.cov, joint.cov_u, joint.cov_v, joint.cov_uv)
    return [part.item() for part in parts] + [truth.kl(joint)]


@pytest.mark.parametrize(("loss", "tilting", "weights"), PLANE)
def test_the_example_in_the_plane(loss, tilting, weights):
    truth = gg.plane_example()
    knobs = {} if weights is None else {"weights": weights}
    model = gg.closed_form(loss, truth, tilting=tilting, **knobs)
    assert claims(model.joint, truth) == pytest.approx(PLANE[loss, tilting, weights], abs=5.1e-5)
    assert model.u_given_v.slope.item() == pytest.approx(model.joint.u_given_v.slope.item(), abs=1e-14)
    assert model.v_given_u.cov.item() == pytest.approx(model.joint.v_given_u.cov.item(), abs=1e-14)


def test_the_rest_of_the_table_in_the_plane():
    truth = gg.plane_example()
    assert claims(truth, truth) == pytest.approx((0.6667, 0.8333, 0.6667, 0.8333, 1.5, 1.5, 1.0, 0.0), abs=5e-5)
    product = (0.0, 1.5, 0.0, 1.5, 1.5, 1.5, 0.0, 0.2939)
    assert claims(truth.independent, truth) == pytest.approx(product, abs=5e-5)
    kernel = gg.closed_form("conditional", truth).score
    sinkhorn = gg.tilted_law(kernel, truth.u, truth.v, kappa=(1.0, 1.0))
    assert claims(sinkhorn, truth) == pytest.approx((0.5, 1.125, 0.5, 1.125, 1.5, 1.5, 0.75, 0.0389), abs=5e-5)
    half_step = gg.tilted_law(kernel, truth.u, truth.v, kappa=(0.0, 1.0))
    expected = (0.6667, 1.5, 0.4615, 1.0385, 2.1667, 1.5, 1.0, 0.0717)
    assert claims(half_step, truth) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("rank", RANKS)
def test_losses_and_divergences_differ_by_the_mutual_information(rank):
    # L_joint + MI = KL(truth | model), and of the conditionals the same with their mean divergences (Theorem 3.2, 3.8)
    truth = truth_of(rank)
    information = truth.mutual_information
    for tilting in ("dot", "squared_euclidean"):
        joint = gg.closed_form("joint", truth, rank=rank, tilting=tilting)
        assert joint.kl == pytest.approx(joint.loss + information, abs=1e-11)
        two_sided = gg.closed_form("conditional", truth, rank=rank, tilting=tilting)
        mean = 0.5 * (two_sided.kl_u_given_v + two_sided.kl_v_given_u)
        assert mean == pytest.approx(two_sided.loss + information, abs=1e-11)
    sinkhorn = gg.closed_form("sinkhorn", truth, rank=rank)
    dropped = -0.5 * torch.log1p(-(torch.tensor(SIGMA[rank:], dtype=torch.float64) ** 2)).sum().item()
    assert sinkhorn.kl == pytest.approx(dropped, abs=1e-11)
    posterior = gg.closed_form("conditional", truth, rank=rank, tilting="squared_euclidean", weights=(2.0, 0.0))
    assert posterior.kl_u_given_v == pytest.approx(dropped, abs=1e-11)


@pytest.mark.parametrize("rank", RANKS)
def test_what_is_exact_and_what_is_not(rank):
    truth = truth_of(rank)
    canonical = truth.canonical
    kept = (canonical.U[:, :rank] * canonical.sigma[:rank]) @ canonical.V[:, :rank].mT
    truncated = canonical.root_u @ kept @ canonical.root_v
    # T2 and T8: the cross-covariance; T8: the marginals too; T1: the means, with the priors' covariances
    assert relative(gg.closed_form("joint", truth, rank=rank).joint.cov_uv, truncated) < 1e-12
    sinkhorn = gg.closed_form("sinkhorn", truth, rank=rank).joint
    assert relative(sinkhorn.cov_uv, truncated) < 1e-12 and relative(sinkhorn.cov_u, truth.cov_u) < 1e-12
    means = gg.closed_form("conditional", truth, rank=rank).u_given_v
    assert relative(means.slope, truncated @ torch.linalg.inv(truth.cov_v)) < 1e-12
    assert relative(means.cov, truth.cov_u) < 1e-12
    # T3: the covariance of u given v, updated in the kept directions; v's variance there is 1/2
    posterior = gg.closed_form("conditional", truth, rank=rank, tilting="squared_euclidean", weights=(2.0, 0.0))
    updated = canonical.root_u @ (torch.eye(5).double() - kept @ kept.mT) @ canonical.root_u
    assert relative(posterior.u_given_v.cov, updated) < 1e-12
    white_v = canonical.unroot_v @ posterior.joint.cov_v @ canonical.unroot_v
    in_directions = canonical.V[:, :rank].mT @ white_v @ canonical.V[:, :rank]
    assert relative(in_directions, 0.5 * torch.eye(rank).double()) < 1e-12


def test_the_divergence_decides_the_directions():
    # KL: canonical correlations; W2: reduced-rank regression. The same at full rank, not below.
    truth = truth_of(5)
    gaps = []
    for rank in RANKS:
        cca, regression = (gg.closed_form(loss, truth, rank=rank).A for loss in ("conditional", "wasserstein"))
        gaps.append(relative(regression, cca))
    assert gaps[3] < 1e-12 and min(gaps[:3]) > 0.01


def test_squared_distances_never_reach_the_joint_law():
    # T7: no encoder of any dimension does, though the signed form and the potentials of Sinkhorn do.
    truth = gg.Gaussian.from_correlations([0.8, 0.4])
    closed = gg.closed_form("joint", truth, tilting="squared_euclidean")
    sigma = torch.tensor([0.8, 0.4], dtype=torch.float64)
    assert closed.kl == pytest.approx(0.5 * (sigma - torch.log1p(sigma)).sum().item(), rel=1e-12)
    assert gg.closed_form("joint", truth, tilting="signed").kl < 1e-14
    assert gg.closed_form("sinkhorn", truth).kl < 1e-14


def test_more_potentials_smaller_divergence():
    # Sinkhorn <= one-sided <= joint, for every score; and the conditional loss is below the joint one (Theorem 3.10)
    truth = truth_of(6)
    for seed in range(6):
        A = 0.05 * randn(5, 4, seed=seed)
        sinkhorn, joint = (gg.population_loss(name, truth)(A).item() for name in ("sinkhorn", "joint"))
        for weights in WEIGHTS:
            between = gg.population_loss("conditional", truth, weights=weights)(A).item()
            assert sinkhorn < between < joint < math.inf


def test_means_move_and_nothing_else_does():
    base = truth_of(2)
    moved = gg.Gaussian(base.cov_u, base.cov_uv, base.cov_v, randn(5, seed=1), randn(4, seed=2))
    for loss in ("conditional", "sinkhorn"):
        one, two = (gg.closed_form(loss, truth, rank=2) for truth in (base, moved))
        assert relative(two.joint.cov, one.joint.cov) < 1e-14 and two.kl == pytest.approx(one.kl, abs=1e-13)
        assert torch.equal(two.joint.mean, moved.mean)
        at_mean = two.u_given_v(moved.mean_v)
        assert relative(at_mean, moved.mean_u) < 1e-14


def test_rank_sweep_of_the_process():
    truth = gg.process_example()
    sigma = torch.tensor([0.938, 0.725, 0.458, 0.289, 0.191], dtype=torch.float64)
    assert (truth.canonical.sigma - sigma).abs().max() < 1e-3
    errors_v, errors_u = [], []
    for rank in range(1, 6):
        model = gg.closed_form("conditional", truth, rank=rank)
        miss_v = model.v_given_u.slope - truth.v_given_u.slope
        miss_u = model.u_given_v.slope - truth.u_given_v.slope
        errors_v.append((miss_v @ truth.cov_u @ miss_v.mT).trace().item())
        errors_u.append((miss_u @ truth.cov_v @ miss_u.mT).trace().item())
    assert errors_v == pytest.approx([0.855, 0.330, 0.120, 0.037, 0.0], abs=5e-4)
    assert errors_u == pytest.approx([0.00376, 0.00099, 0.00032, 0.00010, 0.0], abs=6e-6)


# ------------------------------------------------------------------------------------------ signs (T10)


def test_sign_encoders():
    best = gg.sign_model(2 / 3)
    assert best.tau == pytest.approx(1.988, abs=5e-4)
    assert best.agreement == pytest.approx(best.true_agreement, abs=1e-15)
    assert gg.sign_model(0.5, tau=1.0).agreement == pytest.approx(0.881, abs=5e-4)
    worse = [gg.sign_model(2 / 3, tau=best.tau * factor) for factor in (0.9, 1.1)]
    assert all(model.loss > best.loss and model.kl > best.kl for model in worse)
    u, v = gg.Gaussian(1.0, 2 / 3, 1.0).sample(200_000, seed=0)
    assert (u * v > 0).double().mean().item() == pytest.approx(best.true_agreement, abs=4e-3)
    # the two agreements' Bernoulli divergence and what the signs do not tell
    p, q = worse[0].true_agreement, worse[0].agreement
    bernoulli = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert worse[0].loss - best.loss == pytest.approx(bernoulli, abs=1e-14)
