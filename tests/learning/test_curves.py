import math

import pytest
import torch

from gca_playground.learning import metrics
from gca_playground.learning.datasets import load


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_circles_have_the_radius_of_their_class(classes: int) -> None:
    data = load("circles", n=60, noise=0.0, classes=classes)
    assert torch.allclose(data.x.norm(dim=1), torch.linspace(1.4, 0.5, classes)[data.labels])
    assert data.labels.bincount().tolist() == [60 // classes] * classes
    for label in range(classes):  # the angle grows along each circle
        x = data.x[data.labels == label]
        assert (torch.atan2(x[:, 1], x[:, 0]).remainder(2 * math.pi).diff() > -1e-4).all()


@pytest.mark.parametrize(("classes", "turns"), [(2, 1.0), (3, 1.5)])
def test_spirals_keep_their_angle_in_proportion_to_the_radius(classes: int, turns: float) -> None:
    data = load("spirals", n=90, noise=0.0, classes=classes, turns=turns)
    radius = data.x.norm(dim=1)
    expected = 2 * math.pi * (turns * (radius - 0.2) / 1.3 + data.labels / classes)
    angle = torch.atan2(data.x[:, 1], data.x[:, 0])
    assert ((angle - expected).cos() - 1).abs().max() < 1e-4
    assert 0.2 <= radius.min() <= radius.max() <= 1.5 + 1e-6


def test_no_line_parts_spirals_but_neighbours_do() -> None:
    data = load("spirals", n=400)
    assert metrics.linear_probe(data.x, data.labels) < 0.8
    assert metrics.knn_accuracy(data.view1, data.labels) > 0.95


def test_class_and_domain_are_told_by_their_own_two_coordinates() -> None:
    data = load("domains", n=600, spread=0.1)
    assert data.domains is not None
    codes = {"class": (data.x[:, :2], data.labels), "domain": (data.x[:, 2:], data.domains)}
    assert all(metrics.linear_probe(x, kind) == 1 for x, kind in codes.values())
    assert metrics.linear_probe(data.x[:, :2], data.domains) < 0.4
    assert metrics.linear_probe(data.x[:, 2:], data.labels) < 0.4


def test_domains_without_strength_are_nowhere_in_the_data() -> None:
    data = load("domains", n=600, strength=0.0)
    assert metrics.linear_probe(data.x, data.domains) < 0.4
