"""Plans between Gaussians in closed form: against each other, against the solver on a grid and on samples."""

from __future__ import annotations

import math

import pytest
import torch

from gca_playground import solve, squared_euclidean_cost
from gca_playground.transport import gaussian as gg
from gca_playground.transport.gaussian import Gaussian, Normal, Score
from gca_playground.transport.gaussian.plan import objective
from gca_playground.transport.gaussian.potentials import fixed_point, iterate
from tests.oracles.grids import solved
from tests.oracles.problems import randn

KAPPAS = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (0.5, 0.5), (1.0, 1.0), (0.3, 0.8), (1.0, 0.4)]


def normal(n, *, seed, mass=1.0, spread=1.0):
    W = randn(n, n, seed=seed)
    return Normal(spread * (W @ W.mT / n + 0.3 * torch.eye(n)), randn(n, seed=seed + 100), mass)


def score(m, b=0.0, d=0.0):
    return Score(*(torch.tensor([[x]], dtype=torch.float64) for x in (m, b, d)))


def worst(a, b):
    return (a - b).abs().max().item()


# ------------------------------------------------------------------------------------------ the map h


def test_the_map_of_sinkhorn():
    assert gg.h(2 / 3).item() == pytest.approx(0.5, abs=1e-15)
    assert gg.h(1.0).item() == pytest.approx((math.sqrt(5) - 1) / 2, abs=1e-15)
    m = torch.tensor([0.0, 1e-12, 1e-6, 0.3, 0.95, 9.7, 1e9], dtype=torch.float64)
    c = gg.h(m)
    assert (c <= m).all() and (c < 1).all() and (c.diff() > 0).all()
    back = gg.h_inverse(c[:-1])
    assert ((back - m[:-1]).abs() <= 1e-13 * m[:-1]).all()


# ------------------------------------------------------------------------------------------ four corners


@pytest.mark.parametrize(
    ("kappa", "var_u", "var_v", "cov", "mass"),
    [
        ((0.0, 0.0), 1.9608, 1.9608, 1.3725, 1.4003),
        ((0.0, 1.0), 1.4900, 1.0000, 0.7000, 1),
        ((1.0, 0.0), 1.0000, 1.4900, 0.7000, 1),
        ((0.5, 0.5), 1.2556, 1.2556, 0.7303, 1.0865),
        ((1.0, 1.0), 1, 1, 0.5146, 1),
    ],
)
def test_the_four_corners_and_their_middle(kappa, var_u, var_v, cov, mass):
    law = gg.tilted_law(score(0.7), Normal(1.0), Normal(1.0), kappa=kappa)
    found = [law.cov_u.item(), law.cov_v.item(), law.cov_uv.item(), law.mass]
    assert found == pytest.approx([var_u, var_v, cov, mass], abs=5e-5)


@pytest.mark.parametrize("kappa", KAPPAS)
def test_half_steps_settle_where_the_formulas_say(kappa):
    bilinear = Score.bilinear(0.3 * randn(4, 3, seed=5))
    for mine, theirs in zip(fixed_point(bilinear, kappa), iterate(bilinear, kappa), strict=True):
        assert worst(mine, theirs) < 1e-13


@pytest.mark.parametrize("kappa", KAPPAS)
@pytest.mark.parametrize("self_terms", [(0.0, 0.0), (0.8, 0.5)])
def test_every_kappa_against_the_solver_on_a_grid(kappa, self_terms):
    # Different means, variances and masses (equal ones where both sides are exact).
    source = Normal(0.8, 0.4, 1.3)
    target = Normal(1.4, -0.7, 1.3 if kappa == (1.0, 1.0) else 0.6)
    s = score(0.55, *self_terms)
    epsilon = 0.7
    rho = [math.inf if side == 1 else epsilon * side / (1 - side) for side in kappa]
    mass, mean, cov = solved(source, target, s, epsilon=epsilon, rows=rho[0], cols=rho[1], points=141)
    law = gg.tilted_law(s, source, target, kappa=kappa)
    assert worst(law.cov, cov) < 1e-8
    assert worst(law.mean, mean) < 1e-8
    assert law.mass == pytest.approx(mass, rel=1e-8)


def test_no_plan_where_the_mass_is_infinite():
    with pytest.raises(ValueError, match=r"infinite mass: .* smallest eigenvalue -0\.2"):
        gg.tilted_law(score(1.2), Normal(1.0), Normal(1.0), kappa=(0.0, 0.0))
    assert gg.tilted_law(score(1.2), Normal(1.0), Normal(1.0), kappa=(0.0, 1.0)).mass == pytest.approx(1.0)


# ------------------------------------------------------------------------------------------ balanced plans


@pytest.mark.parametrize("epsilon", [0.02, 0.35, 3.0])
def test_two_formulas_for_the_balanced_plan(epsilon):
    source, target = normal(3, seed=1), normal(3, seed=2)
    plan = gg.entropic_plan(source, target, epsilon=epsilon)
    X = gg.entropic_cross_covariance(source, target, epsilon=epsilon)
    assert worst(plan.law.cov_uv, X) < 1e-12
    assert worst(plan.law.cov_u, source.cov) < 1e-12 and worst(plan.law.cov_v, target.cov) < 1e-12
    assert worst(plan.law.mean, torch.cat([source.mean, target.mean])) < 1e-12
    assert plan.value == pytest.approx(gg.entropic_value(source, target, epsilon=epsilon), rel=1e-12)
    # its own equation: epsilon A^-1 X = B - X' A^-1 X
    solve_A = torch.linalg.solve(source.cov, X)
    assert worst(epsilon * solve_A, target.cov - X.mT @ solve_A) < 1e-12


def test_the_ends_of_epsilon():
    source, target = normal(3, seed=1), normal(3, seed=2)
    half, inverse = source_roots(source)
    monge = half @ source_roots(Normal(half @ target.cov @ half))[0] @ inverse
    assert worst(gg.entropic_cross_covariance(source, target, epsilon=1e-6), monge) < 1e-5
    assert gg.entropic_plan(source, target, epsilon=1e6).law.cov_uv.abs().max() < 1e-5


def source_roots(law):
    values, vectors = torch.linalg.eigh(law.cov)
    return (vectors * values.sqrt()) @ vectors.mT, (vectors / values.sqrt()) @ vectors.mT


def test_the_conditional_of_a_plan():
    source, target = normal(3, seed=1), normal(3, seed=2)
    law = gg.entropic_plan(source, target, epsilon=0.35).law
    X, point = law.cov_uv, randn(3, seed=9)
    slope = X.mT @ torch.linalg.inv(source.cov)
    assert worst(law.v_given_u(point), target.mean + slope @ (point - source.mean)) < 1e-12
    assert worst(law.v_given_u.cov, target.cov - slope @ X) < 1e-12


def test_a_bilinear_cost_between_different_dimensions():
    source, target, Gamma = normal(2, seed=1), normal(1, seed=2), randn(2, 1, seed=3)
    plan = gg.entropic_plan(source, target, epsilon=0.6, cost=Gamma)
    s = Score.bilinear(Gamma / 0.6)
    _, mean, cov = solved(source, target, s, epsilon=0.6, rows=math.inf, cols=math.inf, points=31)
    assert worst(plan.law.cov, cov) < 1e-8 and worst(plan.law.mean, mean) < 1e-8
    identity = gg.entropic_plan(source, normal(2, seed=4), epsilon=0.6, cost=torch.eye(2)).law
    assert worst(gg.entropic_plan(source, normal(2, seed=4), epsilon=0.6, cost="dot").law.cov, identity.cov) == 0
    # |u - v|^2 / 2 and - u'v differ by terms of one variable, which exact marginals absorb
    same = gg.entropic_plan(source, normal(2, seed=4), epsilon=0.6).law
    assert worst(identity.cov, same.cov) < 1e-12


@pytest.mark.parametrize(("rows", "cols"), [(math.inf, math.inf), (0.5, 2.0), (0.0, math.inf), (1.0, 0.0)])
def test_no_other_plan_costs_less(rows, cols):
    source, target, epsilon = normal(2, seed=1, mass=1.5), normal(2, seed=2, mass=1.5), 0.4
    plan = gg.entropic_plan(source, target, epsilon=epsilon, rows=rows, cols=cols)
    eye = torch.eye(2, dtype=torch.float64) / epsilon
    s = Score(eye, eye, eye)
    for seed in range(5):
        size = 0.05
        W = torch.eye(4, dtype=torch.float64) + size * randn(4, 4, seed=seed)
        mean, mass = plan.law.mean + size * randn(4, seed=seed + 50), plan.law.mass * (1 + size * (seed - 2))
        law = Gaussian.from_joint(W @ plan.law.cov @ W.mT, n_u=2, mean=mean)
        law = Gaussian(law.cov_u, law.cov_uv, law.cov_v, law.mean_u, law.mean_v, mass)
        if math.inf in (rows, cols):  # keep what must be kept
            W_u = W[:2, :2] if rows < math.inf else torch.eye(2, dtype=torch.float64)
            W_v = W[2:, 2:] if cols < math.inf else torch.eye(2, dtype=torch.float64)
            cross = W_u @ plan.law.cov_uv @ W_v.mT * (1 - size)
            law = Gaussian(
                W_u @ plan.law.cov_u @ W_u.mT, cross, W_v @ plan.law.cov_v @ W_v.mT, *means(plan.law), plan.law.mass
            )
        dearer = objective(law, source, target, s, epsilon=epsilon, prices=(rows, cols))
        assert plan.value < dearer


def means(law):
    return law.mean_u, law.mean_v


# ------------------------------------------------------------------------------------------ unbalanced plans


@pytest.mark.parametrize("masses", [(1.0, 1.0), (0.7, 2.0)])
@pytest.mark.parametrize("rho", [0.25, 1.0, 10.0])
@pytest.mark.parametrize("epsilon", [0.1, 0.35, 2.0])
def test_equal_prices_in_closed_form_against_the_fixed_point(epsilon, rho, masses):
    source, target = normal(3, seed=1, mass=masses[0]), normal(3, seed=2, mass=masses[1])
    closed = gg.equal_penalty_plan(source, target, epsilon=epsilon, rho=rho)
    law = gg.entropic_plan(source, target, epsilon=epsilon, rows=rho, cols=rho).law
    assert worst(closed.cov, law.cov) < 1e-10
    assert worst(closed.mean, law.mean) < 1e-10
    assert closed.mass == pytest.approx(law.mass, rel=1e-10)


def test_mass_grows_with_the_price():
    source, target = normal(3, seed=1), normal(3, seed=2)
    masses = [gg.equal_penalty_plan(source, target, epsilon=0.35, rho=rho).mass for rho in (0.01, 0.25, 1.0, 10.0)]
    assert 0 < masses[0] < masses[1] < masses[2] < masses[3] < 1


@pytest.mark.parametrize("rho", [0.4, 3.0])
def test_equal_prices_against_the_solver_in_the_plane(rho):
    source = Normal([[0.9, 0.3], [0.3, 0.5]], [0.2, -0.3], 1.2)
    target = Normal([[0.6, -0.2], [-0.2, 0.8]], [-0.4, 0.5], 0.8)
    closed = gg.equal_penalty_plan(source, target, epsilon=0.8, rho=rho)
    eye = torch.eye(2, dtype=torch.float64) / 0.8
    s = Score(eye, eye, eye)
    mass, mean, cov = solved(source, target, s, epsilon=0.8, rows=rho, cols=rho, points=23, reach=7.0)
    assert worst(closed.cov, cov) < 1e-6
    assert worst(closed.mean, mean) < 1e-6
    assert closed.mass == pytest.approx(mass, rel=1e-6)


def test_large_prices_come_to_the_balanced_plan():
    source, target = normal(2, seed=1), normal(2, seed=2)
    balanced = gg.entropic_plan(source, target, epsilon=0.5)
    soft = gg.equal_penalty_plan(source, target, epsilon=0.5, rho=1e5)
    assert worst(balanced.law.cov, soft.cov) < 1e-4
    assert soft.mass == pytest.approx(1.0, abs=1e-4)


# ------------------------------------------------------------------------------------------ samples


def test_sampled_plans_approach_the_exact_one_like_one_over_root_n():
    source, target, epsilon = normal(3, seed=1), normal(3, seed=2), 0.35
    exact = gg.entropic_cross_covariance(source, target, epsilon=epsilon)
    sizes, errors = [40, 80, 160, 320], []
    for n in sizes:
        squares = [sampled_error(source, target, exact, epsilon, n, seed) ** 2 for seed in range(16)]
        errors.append(math.sqrt(sum(squares) / len(squares)))
    x, y = torch.tensor(sizes).double().log(), torch.tensor(errors).double().log()
    exponent = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    print(f"relative errors {[round(e, 4) for e in errors]}, exponent {exponent:.3f}")
    assert -0.6 < exponent < -0.4


def sampled_error(source, target, exact, epsilon, n, seed):
    u, v = source.sample(n, seed=2 * seed), target.sample(n, seed=2 * seed + 1)
    P = solve(squared_euclidean_cost(u, v), epsilon=epsilon, tol=1e-5).matrix / n
    found = (u - u.mean(0)).mT @ P @ (v - v.mean(0))
    return ((found - exact).norm() / exact.norm()).item()


# ------------------------------------------------------------------------------------------ laws


def test_divergence_against_torch():
    one, two = normal(3, seed=1, mass=1.5), normal(3, seed=2, mass=0.7)
    mine, theirs = (torch.distributions.MultivariateNormal(x.mean, x.cov) for x in (one, two))
    kl = torch.distributions.kl_divergence(mine, theirs).item()
    expected = 1.5 * (kl + math.log(1.5 / 0.7)) - 1.5 + 0.7
    assert one.kl(two) == pytest.approx(expected, rel=1e-12)
    assert one.kl(one) == pytest.approx(0.0, abs=1e-14)


def test_canonical_correlations_and_what_they_tell():
    truth = Gaussian.from_correlations([0.9, 0.5, 0.0], n_u=5, n_v=4, seed=3)
    found = truth.canonical
    assert worst(found.sigma, torch.tensor([0.9, 0.5, 0.0, 0.0], dtype=torch.float64)) < 1e-12
    assert worst(found.root_u @ found.R @ found.root_v, truth.cov_uv) < 1e-12
    assert worst(found.unroot_u @ truth.cov_u @ found.unroot_u, torch.eye(5).double()) < 1e-12
    assert truth.mutual_information == pytest.approx(-0.5 * (math.log(0.19) + math.log(0.75)), rel=1e-12)
    assert truth.kl(truth.independent) == pytest.approx(truth.mutual_information, rel=1e-12)


def test_samples_have_the_law():
    law = Gaussian.from_correlations([0.9, 0.5], n_u=3, n_v=2, seed=1)
    law = Gaussian(law.cov_u, law.cov_uv, law.cov_v, [1.0, 2.0, 3.0], [-1.0, 0.0])
    found = Gaussian.from_samples(*law.sample(40_000, seed=2))
    assert worst(found.cov, law.cov) < 0.1 and worst(found.mean, law.mean) < 0.05
    assert law.kl(found) < 1e-3
    assert worst(law.sample(5, seed=1)[0], law.sample(5, seed=2)[0]) > 0.1


def test_conditionals_against_brute_force():
    law = Gaussian.from_correlations([0.9, 0.5], n_u=3, n_v=2, seed=1)
    precision = torch.linalg.inv(law.cov)
    assert worst(law.u_given_v.cov, torch.linalg.inv(precision[:3, :3])) < 1e-12
    slope = -torch.linalg.solve(precision[:3, :3], precision[:3, 3:])
    assert worst(law.u_given_v.slope, slope) < 1e-12
    assert tuple(law.u_given_v(randn(7, 2, seed=1)).shape) == (7, 3)
