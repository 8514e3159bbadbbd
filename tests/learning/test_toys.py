import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from gca_playground.learning.datasets import Pairs, load
from gca_playground.learning.toys import class_sizes


def canonical_correlations(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Cosines of the angles between the two centred column spaces."""
    (q, _), (r, _) = (torch.linalg.qr((x - x.mean(dim=0)).double()) for x in (u, v))
    return torch.linalg.svdvals(q.T @ r)


def column_sums(data: Pairs, epsilon: float) -> torch.Tensor:
    cosines = normalize(data.view1, dim=1) @ normalize(data.view2, dim=1).T
    return (cosines / epsilon).softmax(dim=1).sum(dim=0)


@pytest.mark.parametrize(
    ("correlations", "dims"),
    [((0.9, 0.6), None), ((0.3,), None), ((0.95, 0.5, 0.0), (3, 5)), ((0.8, 0.4), 4)],
)
def test_the_gaussian_pairs_have_the_canonical_correlations_asked_for(
    correlations: tuple[float, ...], dims: int | tuple[int, int] | None
) -> None:
    data = load("gaussian", n=20_000, correlations=correlations, dims=dims)
    found = canonical_correlations(data.view1, data.view2)
    expected = torch.zeros_like(found)
    expected[: len(correlations)] = torch.tensor(correlations)
    assert (found - expected).abs().max() < 0.025
    assert (data.view1.var(dim=0) - 1).abs().max() < 0.05
    assert (data.view2.var(dim=0) - 1).abs().max() < 0.05


def test_fresh_gaussian_views_have_them_too_and_coordinates_are_canonical() -> None:
    data = load("gaussian", n=20_000)
    u, v = data.views(torch.arange(20_000), torch.Generator().manual_seed(1))
    cross = (u - u.mean(dim=0)).T @ (v - v.mean(dim=0)) / len(u)
    assert (cross - torch.diag(torch.tensor([0.9, 0.6]))).abs().max() < 0.03
    assert not u.equal(data.view1)


def test_less_noise_correlates_gaussian_pairs_more() -> None:
    found = [load("gaussian", n=2000, noise=s) for s in (0.5, 1.0, 2.0)]
    first = [float(canonical_correlations(data.view1, data.view2)[1]) for data in found]
    assert first == sorted(first, reverse=True)
    assert load("gaussian", n=50, noise=0.0).view1.equal(load("gaussian", n=50, noise=0.0).view2)


def test_gaussian_labels_are_quadrants() -> None:
    assert load("gaussian", n=400).labels.unique().tolist() == [0, 1, 2, 3]
    assert load("gaussian", n=400, correlations=(0.5,)).labels.unique().tolist() == [0, 1]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("n", "count"), [(32, 2), (256, 3), (256, 8)])
def test_hubs_take_the_mass_of_many_rows(n: int, count: int, seed: int) -> None:
    data = load("hubs", n=n, hubs=count, seed=seed)
    sums = column_sums(data, epsilon=0.1)
    hub = data.labels == 1
    assert hub.sum() == count
    assert sums[hub].min() > 3
    assert sums[hub].min() > 2 * sums[~hub].max()
    assert (data.view1.norm(dim=1) - 1).abs().max() < 1e-6
    assert (data.view2.norm(dim=1) - 1).abs().max() < 1e-6


def test_without_hubs_no_column_is_popular() -> None:
    data = load("hubs", hubs=0, noise=0.0)
    assert column_sums(data, epsilon=0.1).max() < 2


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_outliers_are_far_from_everyone_and_from_their_partners(count: int) -> None:
    data = load("outliers", n=100, outliers=count)
    distance = torch.cdist(data.view1, data.view2)
    out = data.labels == 3
    assert out.sum() == count
    assert distance[out].min() > 1
    assert distance[:, out].min() > 1
    assert distance[~out][:, ~out].diagonal().max() < 1


def test_moons_are_two_half_circles() -> None:
    data = load("moons", n=101)
    centre = torch.tensor([[-0.5, -0.25], [0.5, 0.25]])[data.labels]
    assert ((data.x - centre).norm(dim=1) - 1).abs().max() < 1e-6
    assert data.labels.bincount().tolist() == [51, 50]


def test_blobs_lie_at_the_angle_of_their_class_on_the_ring_of_their_domain() -> None:
    data = load("blobs", n=300, classes=5, domains=3, spread=0.0)
    assert data.domains is not None
    assert data.domains.unique().tolist() == [0, 1, 2]
    angle = torch.atan2(data.x[:, 1], data.x[:, 0]) % (2 * math.pi)
    assert (angle - 2 * math.pi * data.labels / 5).abs().max() < 1e-5
    assert (data.x.norm(dim=1) - torch.tensor([1.4, 1.0, 0.6])[data.domains]).abs().max() < 1e-5


def test_one_blob_lies_in_the_middle() -> None:
    assert load("blobs", n=200, classes=1).x.mean(dim=0).abs().max() < 0.1


@given(n=st.integers(1, 300), classes=st.integers(1, 12), imbalance=st.floats(0, 0.95))
def test_class_sizes_add_up_and_never_grow(n: int, classes: int, imbalance: float) -> None:
    sizes = class_sizes(n, classes=classes, imbalance=imbalance)
    assert sizes.sum() == n
    assert (sizes.diff() <= 0).all()
    weights = (1 - imbalance) ** torch.arange(classes, dtype=torch.float64)
    assert (sizes - n * weights / weights.sum()).abs().max() < 1


def test_imbalance_is_geometric() -> None:
    assert load("blobs", n=150, imbalance=0.5).labels.bincount().tolist() == [80, 40, 20, 10]
    assert load("blobs", n=8).labels.bincount().tolist() == [2, 2, 2, 2]
