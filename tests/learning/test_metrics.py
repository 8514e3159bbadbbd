import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gca_playground as gca
from gca_playground.learning import metrics


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def blobs(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Three tight blobs far apart."""
    labels = torch.arange(n) % 3
    centres = torch.tensor([[0.0, 10.0], [10.0, -5.0], [-10.0, -5.0]], dtype=torch.float64)
    return centres[labels] + 0.1 * drawn(n, 2, seed=seed), labels


# ------------------------------------------------------------------------------------------ alignment, uniformity


@given(distance=st.floats(0, 10), power=st.floats(0.5, 3))
def test_alignment_of_a_translation_is_its_length_to_the_power(distance: float, power: float) -> None:
    z = drawn(7, 3)
    w = z + distance * torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
    assert metrics.alignment(z, w, power=power) == pytest.approx(distance**power, rel=1e-6, abs=1e-6)


def test_alignment_is_twice_the_cosine_cost_of_the_pairs_on_the_sphere() -> None:
    z, w = (torch.nn.functional.normalize(drawn(20, 4, seed=s)) for s in (1, 2))
    assert metrics.alignment(z, w) == pytest.approx(2 * float(gca.cosine_cost(z, w).diagonal().mean()))


def test_uniformity_of_equal_points_is_zero_and_of_two_poles_minus_four_t() -> None:
    assert metrics.uniformity(torch.ones(5, 3)) == pytest.approx(0)
    assert metrics.uniformity([[1.0, 0.0], [-1.0, 0.0]], t=0.7) == pytest.approx(-4 * 0.7)


def test_uniformity_of_the_whole_circle_is_a_bessel_function() -> None:
    # On the circle |z - z'|^2 = 2 - 2 cos, so the mean of exp(-t |z - z'|^2) is exp(-2t) I_0(2t).
    angle = 2 * math.pi * torch.arange(1000, dtype=torch.float64) / 1000
    circle = torch.stack([angle.cos(), angle.sin()], dim=1)
    expected = -4 + math.log(float(torch.special.i0(torch.tensor(4.0, dtype=torch.float64))))
    # the pairs i = i, which the mean leaves out, are one in a thousand
    whole = (math.exp(metrics.uniformity(circle)) * 999 + 1) / 1000
    assert math.log(whole) == pytest.approx(expected, abs=1e-9)


def test_uniformity_is_far_from_underflow() -> None:
    assert metrics.uniformity([[0.0], [100.0]]) == pytest.approx(-2 * 100**2)


# ------------------------------------------------------------------------------------------ effective rank


@pytest.mark.parametrize("k", [1, 2, 5])
def test_k_orthogonal_directions_of_one_size_have_rank_k(k: int) -> None:
    basis = torch.linalg.qr(drawn(8, 8)).Q[:, :k]
    assert metrics.effective_rank(3 * basis) == pytest.approx(k)


def test_effective_rank_of_two_unequal_directions_is_the_perplexity() -> None:
    p = torch.tensor([0.75, 0.25], dtype=torch.float64)
    assert metrics.effective_rank(torch.diag(p)) == pytest.approx(math.exp(-(p * p.log()).sum()))


def test_effective_rank_at_its_ends() -> None:
    assert metrics.effective_rank(torch.zeros(4, 3)) == 0
    assert metrics.effective_rank(torch.ones(4, 3)) == pytest.approx(1)


# ------------------------------------------------------------------------------------------ neighbours


def test_neighbours_of_parted_blobs_agree() -> None:
    (z, labels), (test_z, test_labels) = blobs(30), blobs(12, seed=1)
    assert metrics.knn_accuracy(z, labels, test_z, test_labels) == 1
    assert metrics.knn_accuracy(z, labels) == 1
    assert metrics.knn_accuracy(z, labels, test_z, (test_labels + 1) % 3) == 0


def test_neighbours_by_hand() -> None:
    z, labels = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    point, first = [[0.9]], [0]
    assert metrics.knn_accuracy(z, labels, point, first, neighbours=1) == 1
    # one against one at two neighbours, two against two at four: the nearer class wins
    assert metrics.knn_accuracy(z, labels, [[1.4]], first, neighbours=2) == 1
    assert metrics.knn_accuracy(z, labels, [[1.6]], first, neighbours=2) == 0
    assert metrics.knn_accuracy(z, labels, [[1.6]], [1], neighbours=4) == 1
    # the majority wins against the nearest
    assert metrics.knn_accuracy([[0.0], [1.0], [1.1]], [0, 1, 1], [[0.1]], [1], neighbours=3) == 1


def test_a_point_is_not_its_own_neighbour() -> None:
    assert metrics.knn_accuracy([[0.0], [0.1], [5.0], [5.1]], [0, 1, 0, 1], neighbours=1) == 0


def test_neighbours_match_scikit_learn_where_there_are_no_ties() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    z, test_z, labels = drawn(80, 4), drawn(50, 4, seed=1), torch.arange(80) % 2
    expected = KNeighborsClassifier(5).fit(z, labels).predict(test_z)
    assert metrics.knn_accuracy(z, labels, test_z, torch.tensor(expected)) == 1


# ------------------------------------------------------------------------------------------ linear probe


def test_a_linear_probe_parts_blobs_and_not_rings() -> None:
    z, labels = blobs(60)
    assert metrics.linear_probe(z, labels) == 1
    rings = gca.datasets.load("circles", n=400, noise=0.0)
    assert metrics.linear_probe(rings.x, rings.labels) < 0.65
    assert metrics.linear_probe(rings.x.square(), rings.labels) > 0.95


def test_the_probe_is_the_stationary_point_of_its_penalised_log_loss() -> None:
    z, labels = drawn(100, 3), (drawn(100, seed=1) > 0).long()
    fitted = metrics._fitted(z.numpy(), labels.numpy(), 0.5)
    W = torch.tensor(fitted.coef_[0], requires_grad=True)
    score = z @ W + torch.tensor(fitted.intercept_)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(score, labels.double(), reduction="sum")
    (loss + 0.5 * W.square().sum() / 2).backward()
    assert W.grad is not None
    assert W.grad.abs().max() < 1e-2


@given(shift=st.floats(-10, 10))
def test_the_probe_does_not_see_where_the_embedding_lies(shift: float) -> None:
    labels = torch.arange(90) % 3
    z = drawn(90, 2) + labels[:, None]
    assert abs(metrics.linear_probe(z + shift, labels) - metrics.linear_probe(z, labels)) <= 1 / 27


def test_classes_that_a_collapse_left_a_hair_apart_do_not_count() -> None:
    z, labels = blobs(60)
    labels = (labels > 0).long()  # 20 points against 40
    apart = [metrics.linear_probe(scale * z, labels, z * scale, labels) for scale in (1.0, 1e-4)]
    assert apart == [1.0, pytest.approx(2 / 3)]
    assert metrics.linear_probe(1e-4 * z, labels, 1e-4 * z, labels, penalty=1e-8) == 1


def test_the_held_out_share_is_seeded_and_not_learnt_from() -> None:
    z, labels = drawn(40, 30), torch.arange(40) % 2  # as many numbers as points: what is fitted is fitted perfectly
    assert metrics.linear_probe(z, labels, z, labels, penalty=1e-3) == 1
    held_out = metrics.linear_probe(z, labels, penalty=1e-3, share=0.5)
    assert held_out < 0.9
    assert held_out == metrics.linear_probe(z, labels, penalty=1e-3, share=0.5)
    others = {metrics.linear_probe(z, labels, penalty=1e-3, share=0.5, seed=s) for s in range(5)}
    assert len(others) > 1


def test_the_penalty_matters() -> None:
    labels = torch.arange(60) % 2
    z = drawn(60, 20) + 0.5 * labels[:, None]
    found = {metrics.linear_probe(z, labels, penalty=p) for p in (1e-4, 1.0, 1e6)}
    assert len(found) > 1


def test_one_class_is_trivial_and_a_dead_coordinate_harmless() -> None:
    z, labels = blobs(30)
    assert metrics.linear_probe(z, torch.zeros(30, dtype=torch.long)) == 1
    assert metrics.linear_probe(torch.cat([z, torch.ones(30, 1)], dim=1), labels) == 1


# ------------------------------------------------------------------------------------------ the boundary


def test_metrics_take_numpy_and_carry_no_gradient() -> None:
    z = np.random.default_rng(0).normal(size=(6, 2))
    labels = np.arange(6) % 2
    leaf = torch.tensor(z, requires_grad=True)
    for x, kinds in ((z, labels), (leaf, torch.tensor(labels))):
        values = (
            metrics.alignment(x, x),
            metrics.uniformity(x),
            metrics.effective_rank(x),
            metrics.knn_accuracy(x, kinds, neighbours=1),
            metrics.linear_probe(x, kinds, x, kinds),
        )
        assert all(type(value) is float for value in values)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: metrics.alignment(drawn(3, 2), drawn(4, 2)), r"one shape, got \(3, 2\) and \(4, 2\)"),
        (lambda: metrics.uniformity(drawn(1, 2)), r"at least two points, got \(1, 2\)"),
        (lambda: metrics.uniformity(drawn(3, 2), t=-1.0), r"t must be finite and >= 0, got -1\.0"),
        (lambda: metrics.effective_rank(drawn(3)), r"z must have shape \(n, d\).*got \(3,\)"),
        (lambda: metrics.effective_rank([[math.nan]]), "z must be finite, got 1 NaN"),
        (lambda: metrics.knn_accuracy(drawn(3, 2), [0, 1, 0], neighbours=3), "neighbours must be <= 2"),
        (lambda: metrics.knn_accuracy(drawn(3, 2), [0, 1]), r"labels must be whole numbers of shape \(3,\)"),
        (lambda: metrics.knn_accuracy(drawn(3, 2), [0, 1, 0], drawn(2, 2)), "test_z and test_labels belong together"),
        (lambda: metrics.linear_probe(drawn(3, 2), [0, 1, 0], drawn(2, 3), [0, 1]), "as many columns"),
        (lambda: metrics.linear_probe(drawn(9, 2), [0, 1, 0] * 3, penalty=0), "penalty must be > 0"),
        (lambda: metrics.linear_probe(drawn(3, 2), [0, 1, 0], share=0.0), "share must leave points on both sides"),
    ],
)
def test_metrics_refuse_in_words(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
