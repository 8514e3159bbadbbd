import pickle

import pytest
import torch

from gca_playground.learning.datasets import load


def drawn(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blank(views: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    return (views == mean).all(dim=1)


@pytest.mark.parametrize("name", ["moons", "digits", "hubs"])
def test_missing_views_are_the_mean_point_and_drawn_anew(name: str) -> None:
    data = load(name, n=400, missing=0.3)
    first, second = (blank(data.views(torch.arange(400), drawn(s))[1], data.second.mean(dim=0)) for s in (1, 2))
    assert 0.2 < first.float().mean() < 0.4
    assert 0.2 < (first & second).float().mean() / first.float().mean() < 0.4
    assert not blank(data.view1, data.second.mean(dim=0)).any()


def test_strays_come_from_nowhere_three_times_as_wide() -> None:
    plain, stray = load("moons", n=2000), load("moons", n=2000, strays=1.0)
    assert stray.view1.equal(plain.view1)
    assert (stray.view2.std(dim=0) / stray.second.std(dim=0) - 3).abs().max() < 0.2
    assert torch.corrcoef(torch.stack([stray.view2[:, 0], stray.x[:, 0]]))[0, 1].abs() < 0.1


def test_swapped_views_are_those_of_any_point_and_drawn_anew() -> None:
    data = load("moons", n=500, noise=0.0, swapped=0.4)
    one, two = ((data.views(torch.arange(500), drawn(s))[1] != data.x).any(dim=1) for s in (1, 2))
    assert 0.3 < one.float().mean() < 0.5
    assert 0.3 < (one & two).float().mean() / one.float().mean() < 0.5
    points = {tuple(row) for row in data.x.tolist()}
    assert {tuple(row) for row in data.view2.tolist()} <= points
    assert not data.mismatched.any()


def test_a_higher_chance_keeps_the_faults_and_leaves_what_is_whole() -> None:
    index = torch.arange(300)
    few, many = (load("moons", n=300, strays=p).views(index, drawn())[1] for p in (0.2, 0.6))
    same = (few == many).all(dim=1)
    assert 0.5 < same.float().mean() < 0.7
    assert few[same].std() != few[~same].std()


def test_all_three_faults_share_the_views_among_them() -> None:
    data = load("moons", n=900, noise=0.0, swapped=0.3, missing=0.3, strays=0.3)
    lost = blank(data.view2, data.second.mean(dim=0))
    whole = (data.view2 == data.x).all(dim=1)
    known = (data.view2[:, None] == data.x).all(dim=2).any(dim=1)
    shares = [float(kind.float().mean()) for kind in (known & ~whole, lost, ~known & ~lost, whole)]
    assert shares == pytest.approx([0.3, 0.3, 0.3, 0.1], abs=0.05)


def test_without_faults_nothing_changes() -> None:
    assert load("moons", n=20, swapped=0.0, missing=0.0, strays=0.0).view2.equal(load("moons", n=20).view2)


def test_faulty_data_survive_a_pickle() -> None:
    data = load("blobs", n=10, missing=0.5)
    again = pickle.loads(pickle.dumps(data))
    assert again.views([1, 2], drawn())[1].equal(data.views([1, 2], drawn())[1])
