import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gca_playground as gca
from tests.learning.crossmodal.gaussians import LOG_DENSITY, SIGMA, U, Y, scores

cm = gca.crossmodal
Z = (math.sqrt(9 - 8 * SIGMA) - 1) / 2  # the two-sided L2 model's conditional variance
S = torch.tensor([[3.0, 0.0, 1.0], [2.0, 5.0, 9.0], [1.0, 4.0, 8.0], [0.0, 6.0, 7.0]])


@pytest.mark.parametrize(("kind", "mode"), [("dot", 0.8), ("one-sided", 0.8), ("two-sided", 1 - Z)])
def test_with_the_density_of_the_library_the_best_is_the_mode_of_the_conditional(kind: str, mode: float) -> None:
    best = cm.retrieve(scores(kind), log_prior=LOG_DENSITY)
    assert best.shape == (1, 1)
    assert U[best].item() == pytest.approx(mode, abs=1e-3)


@pytest.mark.parametrize(("kind", "peak"), [("one-sided", Y / SIGMA), ("two-sided", Y)])
def test_without_it_the_best_is_the_most_likely(kind: str, peak: float) -> None:
    assert U[cm.retrieve(scores(kind))].item() == pytest.approx(peak, abs=1e-3)


def test_the_inner_product_alone_returns_the_most_extreme_item() -> None:
    best = U[cm.retrieve(scores("dot"))].item()
    assert best == U.max().item()
    assert best > 3.5


@pytest.mark.parametrize(("kind", "mode"), [("dot", 0.8), ("one-sided", 0.8), ("two-sided", 1 - Z)])
def test_a_density_estimated_from_the_library_serves_as_well(kind: str, mode: float) -> None:
    some = U[:2000]
    estimated = cm.log_kde(U, at=some)
    assert some[cm.retrieve(scores(kind)[:2000], log_prior=estimated)].item() == pytest.approx(mode, abs=0.05)


def test_the_best_come_first_in_either_direction() -> None:
    assert cm.retrieve(S, 2).tolist() == [[0, 1], [3, 1], [1, 2]]
    assert cm.retrieve(S, 2, direction="v|u").tolist() == [[0, 2], [2, 1], [2, 1], [2, 1]]
    assert cm.retrieve(S, 1, log_prior=[0.0, 0.0, 5.0, 0.0]).tolist() == [[2], [2], [2]]


def test_recall_counts_the_partners_among_the_best() -> None:
    square = S[:3]
    assert cm.recall(square, 1) == pytest.approx(2 / 3)  # column 2 prefers item 1
    assert cm.recall(square, 2) == 1
    assert cm.recall(square, 1, direction="v|u") == pytest.approx(2 / 3)
    assert cm.recall(square, 3, direction="v|u") == 1
    assert cm.recall(S, 1, partners=[0, 3, 1]) == 1
    assert cm.recall(S, 1, partners=[1, 3, 1]) == pytest.approx(2 / 3)


@given(st.integers(2, 12), st.integers(0, 2**20))
def test_recall_grows_with_k_to_one(n: int, seed: int) -> None:
    s = torch.randn(n, n, generator=torch.Generator().manual_seed(seed))
    found = [cm.recall(s, k) for k in range(1, n + 1)]
    assert found == sorted(found)
    assert found[-1] == 1


def test_the_partners_must_be_said_where_they_are_not_one_to_one() -> None:
    with pytest.raises(ValueError, match="give partners: 3 queries and 4 items are not paired one to one"):
        cm.recall(S)
    with pytest.raises(ValueError, match=r"partners must be in \[0, 4\), got 0 to 4"):
        cm.recall(S, partners=[0, 4, 1])
    with pytest.raises(ValueError, match=r"partners must be whole numbers of shape \(3,\), got int64 of \(2,\)"):
        cm.recall(S, partners=[0, 1])
    with pytest.raises(ValueError, match=r"partners must be whole numbers of shape \(3,\), got float64"):
        cm.recall(S, partners=[0.0, 1.0, 2.0])


@pytest.mark.parametrize("k", [0, 5])
def test_one_cannot_ask_for_more_than_there_is(k: int) -> None:
    with pytest.raises(ValueError, match="k must be"):
        cm.retrieve(S, k)


def test_the_estimated_density_is_that_of_sklearn() -> None:
    from sklearn.neighbors import KernelDensity

    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) @ torch.tensor(
        [[2.0, 0.5], [0.0, 0.3]], dtype=torch.float64
    )
    factor = torch.linalg.cholesky(x.mT.cov())
    white = torch.linalg.solve_triangular(factor, x.mT, upper=False).mT
    for bandwidth in (None, 0.7):
        b = 300 ** (-1 / 6) if bandwidth is None else bandwidth
        other = KernelDensity(bandwidth=b).fit(white.numpy()).score_samples(white[:50].numpy())
        expected = torch.tensor(other) - factor.diagonal().log().sum()
        torch.testing.assert_close(cm.log_kde(x, at=x[:50], bandwidth=bandwidth), expected)


def test_the_estimated_density_integrates_to_one_and_follows_the_units() -> None:
    x = torch.randn(200, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    grid = torch.linspace(-8, 8, 4001, dtype=torch.float64)[:, None]
    density = cm.log_kde(x, at=grid).exp()
    assert torch.trapezoid(density, grid[:, 0]).item() == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(cm.log_kde(10 * x), cm.log_kde(x) - math.log(10))


def test_points_on_a_line_have_no_density_in_the_plane() -> None:
    with pytest.raises(ValueError, match="the density needs points that span the space, got 4 points of 2 dimensions"):
        cm.log_kde([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    with pytest.raises(ValueError, match="the density needs points that span the space, got 1 points of 1 dim"):
        cm.log_kde([[0.0]])
    with pytest.raises(ValueError, match=r"bandwidth must be a number > 0, got -1"):
        cm.log_kde([[0.0], [1.0]], bandwidth=-1)
    with pytest.raises(ValueError, match=r"at must have shape \(n, 1\)"):
        cm.log_kde([[0.0], [1.0]], at=[[0.0, 1.0]])
