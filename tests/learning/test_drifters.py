import math

import pytest
import torch
from torch import Tensor

import gca_playground as gca
from gca_playground.learning import drifters
from gca_playground.learning.drifters import Flow, paths, random_flow, runge_kutta

X = torch.rand(4, 3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def steady(n: int = 4) -> Flow:
    flow = random_flow(n)
    return Flow(4 * flow.coefficients, torch.zeros_like(flow.omega), flow.waves)


def test_the_velocity_is_the_turned_gradient_of_the_streamfunction() -> None:
    flow, x = random_flow(4), X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(flow.streamfunction(x, 0.3).sum(), x)
    expected = torch.stack([-gradient[..., 1], gradient[..., 0]], -1)
    torch.testing.assert_close(flow.velocity(X, 0.3), expected)


def test_the_flow_has_no_divergence() -> None:
    flow = random_flow(4)

    def of_one(x: Tensor) -> Tensor:
        return flow.velocity(x.expand(4, 1, 2), 0.7)[2, 0]

    for point in X[0]:
        jacobian = torch.autograd.functional.jacobian(of_one, point)
        assert jacobian.diagonal().sum().abs() < 1e-12
        assert jacobian.abs().max() > 0.01


def test_the_flow_lives_on_the_torus() -> None:
    flow = random_flow(4)
    torch.testing.assert_close(flow.velocity(X + torch.tensor([2.0, -1.0]), 0.2), flow.velocity(X, 0.2))


def test_the_method_is_of_order_four() -> None:
    # x' = cos(t) x, x(0) = 1: x = exp(sin t).
    def error(steps: int) -> float:
        found = runge_kutta(
            lambda x, t: math.cos(t) * x, torch.ones(1, dtype=torch.float64), time=2.0, steps=steps, records=1
        )
        return abs(found.item() - math.exp(math.sin(2.0)))

    orders = [math.log2(error(steps) / error(2 * steps)) for steps in (20, 40, 80)]
    assert orders == pytest.approx([4, 4, 4], abs=0.15)


def test_paths_converge_with_order_four_too() -> None:
    flow = random_flow(5)
    reference = paths(flow, steps=960)
    errors = [(paths(flow, steps=steps) - reference).abs().max().item() for steps in (24, 48)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.5)
    assert (paths(flow) - reference).abs().max() < drifters.NOISE / 10


def test_a_steady_flow_follows_the_level_lines_of_its_streamfunction() -> None:
    flow = steady()
    before, drift = flow.streamfunction(X, 0.0), []
    for steps in (400, 800):
        path = runge_kutta(flow.velocity, X, time=1.0, steps=steps, records=4)
        drift.append(max((flow.streamfunction(x, 0.0) - before).abs().max().item() for x in path))
    assert math.log2(drift[0] / drift[1]) > 3.5  # only the method's own error, which vanishes with its order
    assert drift[1] < 1e-5 < 0.1 < (path[-1] - X).norm(dim=-1).max()


def test_records_are_equally_spaced_and_the_last_is_the_end() -> None:
    rising = runge_kutta(lambda x, t: torch.ones_like(x), torch.zeros(2, 1), time=3.0, steps=12, records=4)
    torch.testing.assert_close(rising[:, 0, 0], torch.tensor([0.75, 1.5, 2.25, 3.0]))
    with pytest.raises(ValueError, match="steps must be a multiple of records, got 10 steps and 4 records"):
        runge_kutta(lambda x, t: x, torch.zeros(1), time=1.0, steps=10, records=4)


def test_the_coefficients_have_the_law_that_is_stated() -> None:
    u = gca.datasets.drifter_pairs(3500).view1
    torch.testing.assert_close(u.std(0), torch.ones(12), atol=0.06, rtol=0)
    torch.testing.assert_close(drifters.scales()[[0, 2, 4]], 0.12 * torch.tensor([1, 2**-0.75, 2**-1.5]).double())


def test_the_world_keeps_its_frequencies() -> None:
    first, other = random_flow(3, seed=0), random_flow(3, seed=1)
    assert first.omega.equal(other.omega)
    assert 0 < first.omega.min() < first.omega.max() < 2 * math.pi
    assert not first.coefficients.equal(other.coefficients)


def test_pairs_are_seeded_and_follow_every_knob() -> None:
    data = gca.datasets.drifter_pairs(20)
    assert data.view1.shape == (20, 12) and data.view2.shape == (20, 72)
    assert data.view2.equal(gca.datasets.drifter_pairs(20).view2)
    assert not data.view2.equal(gca.datasets.drifter_pairs(20, seed=1).view2)
    one = gca.datasets.drifter_pairs(20, tracers=1)
    assert one.view1.equal(data.view1) and one.view2.shape == (20, 24)
    clean = gca.datasets.drifter_pairs(20, noise=0.0)
    assert (data.view2 - clean.view2).std().item() == pytest.approx(0.005, rel=0.1)
    torch.testing.assert_close(clean.view2.view(20, 3, 12, 2).double(), paths(random_flow(20)), atol=1e-6, rtol=0)


def test_all_samples_move_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, velocity = [], Flow.velocity

    def counted(self: Flow, x: Tensor, t: float) -> Tensor:
        sizes.append(len(x))
        return velocity(self, x, t)

    monkeypatch.setattr(Flow, "velocity", counted)
    gca.datasets.drifter_pairs(7)
    assert sizes == [7] * 4 * drifters.STEPS


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="tracers must be <= 3, got 4"):
        gca.datasets.drifter_pairs(5, tracers=4)
    with pytest.raises(ValueError, match="n must be >= 1, got 0"):
        gca.datasets.drifter_pairs(0)
    with pytest.raises(ValueError, match="noise must be finite and >= 0, got -1"):
        gca.datasets.drifter_pairs(5, noise=-1)
