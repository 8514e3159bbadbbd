import pytest
import torch

import gca_playground as gca
from tests.learning.crossmodal.gaussians import SIGMA, U, scores

cm = gca.crossmodal


@pytest.mark.parametrize(
    ("kind", "mean", "variance"), [("dot", 0.8, 1.0), ("one-sided", 0.8, 1 - SIGMA**2), ("two-sided", 0.694, 0.306)]
)
def test_the_weighted_library_has_the_moments_of_the_model(kind: str, mean: float, variance: float) -> None:
    weights = cm.generation_weights(scores(kind))
    assert cm.weighted_mean(weights, U).shape == (1, 1)
    assert cm.weighted_mean(weights, U).item() == pytest.approx(mean, abs=0.02)
    assert cm.weighted_covariance(weights, U).item() == pytest.approx(variance, abs=0.03)


def test_the_drawn_items_have_them_too() -> None:
    weights = cm.generation_weights(scores("one-sided"))
    drawn = U[cm.resample(weights, 20_000, torch.Generator().manual_seed(1))[:, 0], 0]
    assert drawn.mean().item() == pytest.approx(0.8, abs=0.02)
    assert drawn.var().item() == pytest.approx(0.36, abs=0.02)


def test_the_effective_sample_size_runs_from_a_collapse_to_all() -> None:
    weights = torch.stack([torch.eye(8)[2], torch.full((8,), 1 / 8), torch.tensor([0.5, 0.5, 0, 0, 0, 0, 0, 0])], 1)
    torch.testing.assert_close(cm.effective_sample_size(weights), torch.tensor([1.0, 8.0, 2.0], dtype=torch.float64))
    assert cm.effective_sample_size(weights[:, 1]).shape == ()


def test_the_effective_sample_size_of_gaussian_weights_is_known() -> None:
    # N E[w]^2 / E[w^2] for w = exp(sigma u y) and standard normal u: N exp(-sigma^2 y^2).
    found = cm.effective_sample_size(cm.generation_weights(scores("dot"))).item()
    assert found / len(U) == pytest.approx(torch.tensor(-(SIGMA**2)).exp().item(), abs=0.02)


def test_moments_of_several_columns_are_those_of_each() -> None:
    draw = torch.Generator().manual_seed(0)
    s, x = torch.randn(7, 3, generator=draw), torch.randn(7, 2, generator=draw)
    weights = cm.generation_weights(s, log_prior=torch.arange(7.0))
    means, covariances = cm.weighted_mean(weights, x), cm.weighted_covariance(weights, x)
    assert means.shape == (3, 2) and covariances.shape == (3, 2, 2)
    for j in range(3):
        torch.testing.assert_close(cm.weighted_mean(weights[:, j], x), means[j])
        torch.testing.assert_close(cm.weighted_covariance(weights[:, j], x), covariances[j])
        expected = x.double().mT.cov(aweights=weights[:, j].double(), correction=0)
        torch.testing.assert_close(covariances[j], expected, atol=1e-6, rtol=1e-6)


def test_draws_follow_the_generator_and_the_weights() -> None:
    weights = torch.tensor([[0.0, 0.25], [1.0, 0.75]])
    drawn = cm.resample(weights, 4000, torch.Generator().manual_seed(3))
    assert drawn.shape == (4000, 2)
    assert (drawn[:, 0] == 1).all()
    assert drawn[:, 1].double().mean().item() == pytest.approx(0.75, abs=0.03)
    assert drawn.equal(cm.resample(weights, 4000, torch.Generator().manual_seed(3)))
    assert not drawn.equal(cm.resample(weights, 4000, torch.Generator().manual_seed(4)))
    assert cm.resample(weights[:, 1], 5, torch.Generator()).shape == (5,)


def test_weights_are_checked() -> None:
    with pytest.raises(ValueError, match=r"weights must be >= 0 and sum to 1 over the library \(dim 0\), got sums fr"):
        cm.effective_sample_size(torch.eye(3)[:2])
    with pytest.raises(ValueError, match="weights must be >= 0 and sum to 1"):
        cm.effective_sample_size([1.5, -0.5])
    with pytest.raises(ValueError, match=r"weights must have shape \(n,\) or \(n, m\), got \(\)"):
        cm.effective_sample_size(torch.tensor(1.0))
    with pytest.raises(ValueError, match="weights and points must have one row an item, got 2 and 3 rows"):
        cm.weighted_mean([0.5, 0.5], torch.zeros(3, 1))
    with pytest.raises(TypeError, match=r"generator must be a torch\.Generator, got int"):
        cm.resample([1.0], 3, 0)
    with pytest.raises(ValueError, match="count must be >= 1, got 0"):
        cm.resample([1.0], 0, torch.Generator())
