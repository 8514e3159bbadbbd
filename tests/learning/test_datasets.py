import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from gca_playground.learning.datasets import TABLE, Pairs, load, names

TENSORS = ("x", "view1", "view2", "labels", "mismatched", "partner")
# Every option of every maker, each with a value that must change something.
OPTIONS: list[tuple[str, dict[str, object]]] = [
    ("circles", {"classes": 3}),
    ("spirals", {"classes": 3}),
    ("spirals", {"turns": 2.0}),
    ("domains", {"classes": 3}),
    ("domains", {"domains": 3}),
    ("domains", {"spread": 0.1}),
    ("domains", {"strength": 0.5}),
    ("blobs", {"classes": 3}),
    ("blobs", {"spread": 0.4}),
    ("blobs", {"imbalance": 0.5}),
    ("blobs", {"weights": (5, 3, 1, 1)}),
    ("blobs", {"domains": 2}),
    ("gaussian", {"correlations": (0.5, 0.1)}),
    ("gaussian", {"dims": (3, 4)}),
    ("hubs", {"hubs": 1}),
    ("outliers", {"outliers": 1}),
    ("outliers", {"distance": 4.0}),
    ("digits", {"split": "test"}),
    ("digits", {"erase": 1.0}),
    ("digits", {"grain": 0.2}),
]


def same(first: Pairs, second: Pairs) -> bool:
    return all(torch.equal(getattr(first, name), getattr(second, name)) for name in TENSORS)


@pytest.mark.parametrize("name", names())
def test_every_set_is_a_record_of_float32_points_and_whole_labels(name: str) -> None:
    data = load(name, n=40, mismatched=0.2)
    assert data.name == name
    assert len(data) == len(data.view1) == len(data.view2) == 40
    assert data.x.dtype == data.view1.dtype == data.view2.dtype == torch.float32
    assert data.x.shape == data.view1.shape
    assert data.labels.dtype == torch.int64
    assert data.mismatched.dtype == torch.bool
    assert data.mismatched.sum() == 8
    assert (data.domains is not None) == (name == "domains")
    assert all(getattr(data, key).isfinite().all() for key in TENSORS[:3])


@pytest.mark.parametrize("name", names())
def test_the_seed_decides_to_the_bit_and_no_global_state_is_touched(name: str) -> None:
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    torch.manual_seed(1)
    first = load(name, n=30, mismatched=0.3, seed=4)
    torch.manual_seed(2)
    assert same(first, load(name, n=30, mismatched=0.3, seed=4))
    other = load(name, n=30, mismatched=0.3, seed=5)
    assert not any(torch.equal(getattr(first, k), getattr(other, k)) for k in ("x", "view1", "view2", "partner"))
    torch.manual_seed(2)
    expected = torch.rand(1)
    torch.manual_seed(2)
    load(name, n=30)
    assert torch.rand(1).equal(expected)
    assert (np.random.get_state()[1] == states[1]).all()
    torch.set_rng_state(states[0])


@pytest.mark.parametrize("name", names())
def test_noise_scales_the_views_and_leaves_the_points(name: str) -> None:
    still, little, much = (load(name, n=40, noise=s * TABLE[name].noise) for s in (0.0, 0.5, 1.0))
    assert still.x.equal(little.x)
    assert still.x.equal(much.x)
    assert still.view1.equal(still.x)
    assert still.view2.equal(still.second)
    moved = [(data.view1 - data.x).norm() for data in (still, little, much)]
    assert moved[0] == 0
    assert 0 < 1.3 * moved[1] < moved[2]


@pytest.mark.parametrize("name", ["moons", "blobs", "digits"])
def test_without_noise_both_views_are_the_point(name: str) -> None:
    data = load(name, n=20, noise=0.0)
    assert data.view1.equal(data.view2)


@pytest.mark.parametrize("name", names())
def test_mismatching_changes_the_second_view_of_the_wrong_pairs_only(name: str) -> None:
    right, wrong = load(name, n=40, noise=0.0), load(name, n=40, noise=0.0, mismatched=0.3)
    assert right.view1.equal(wrong.view1)
    assert right.view2[~wrong.mismatched].equal(wrong.view2[~wrong.mismatched])
    assert wrong.view2.equal(right.view2[wrong.partner])


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_every_option_changes_something(name: str, options: dict[str, Any]) -> None:
    plain, changed = load(name, n=40), load(name, n=40, **options)
    same_points = plain.x.shape == changed.x.shape and plain.x.equal(changed.x)
    assert not (same_points and plain.view1.equal(changed.view1))


def test_no_option_is_left_untested() -> None:
    assert {(name, option) for name in names() for option in TABLE[name].options} == {
        (name, option) for name, options in OPTIONS for option in options
    }


def test_default_sizes() -> None:
    assert {name: len(load(name)) for name in names()} == {
        "moons": 256,
        "circles": 256,
        "spirals": 256,
        "domains": 256,
        "blobs": 256,
        "gaussian": 256,
        "hubs": 256,
        "outliers": 256,
        "digits": 1797,
    }


@pytest.mark.parametrize("name", sorted(set(names()) - {"hubs", "outliers"}))
def test_one_point_is_enough(name: str) -> None:
    assert len(load(name, n=1)) == 1


@pytest.mark.parametrize("name", ["moons", "circles", "blobs", "outliers"])
def test_toys_in_the_plane_are_centred_and_of_size_one(name: str) -> None:
    data = load(name, n=1000)
    inside = data.x[data.labels < 3] if name == "outliers" else data.x
    assert data.x.mean(dim=0).abs().max() < 0.1
    assert inside.abs().max() < 2.3
    assert 0.1 < (data.view1[:, None] - data.view2[None]).square().sum(dim=-1).div(2).mean() < 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "digit"}, r"unknown data set 'digit': did you mean 'digits'\?"),
        ({"name": "xyzzy"}, r"unknown data set 'xyzzy': known are 'moons', 'circles'"),
        ({"name": "blobs", "spred": 1.0}, r"unknown blobs option 'spred': did you mean 'spread'\?"),
        ({"name": "moons", "spread": 1.0}, "unknown moons option 'spread': it takes none"),
        ({"name": "moons", "n": 0}, "n must be >= 1, got 0"),
        ({"name": "moons", "noise": -0.1}, r"noise must be finite and >= 0, got -0\.1"),
        ({"name": "moons", "noise": float("nan")}, "noise must be finite and >= 0, got nan"),
        ({"name": "moons", "noise": float("inf")}, "noise must be finite and >= 0, got inf"),
        ({"name": "moons", "mismatched": 1.3}, r"mismatched must be in \[0, 1\], got 1\.3"),
        ({"name": "moons", "mismatched": -0.1}, r"mismatched must be in \[0, 1\], got -0\.1"),
        ({"name": "moons", "seed": -1}, "seed must be >= 0, got -1"),
        ({"name": "blobs", "classes": 0}, "classes must be >= 1, got 0"),
        ({"name": "blobs", "imbalance": 1.0}, r"imbalance must be in \[0, 1\), got 1\.0"),
        ({"name": "blobs", "weights": (1, 2)}, r"weights must be one for each of 4 classes.*got \(1, 2\)"),
        ({"name": "blobs", "weights": (1, 2, 3, -1)}, "each of weights must be finite and >= 0, got -1"),
        ({"name": "blobs", "weights": (1, 1, 1, 1), "imbalance": 0.1}, "without imbalance"),
        ({"name": "gaussian", "correlations": (0.5, 1.0)}, r"each of correlations must be in \[0, 1\), got 1\.0"),
        ({"name": "gaussian", "correlations": ()}, r"at least one, got \(\)"),
        ({"name": "gaussian", "dims": 1}, "dims must be >= 2, got 1"),
        ({"name": "moons", "missing": 1.2}, r"missing must be in \[0, 1\], got 1\.2"),
        ({"name": "moons", "swapped": 0.7, "strays": 0.6}, r"strays must be <= 1, got 0\.7 \+ 0 \+ 0\.6"),
        ({"name": "circles", "classes": 0}, "classes must be >= 1, got 0"),
        ({"name": "spirals", "turns": -1}, "turns must be finite and >= 0, got -1"),
        ({"name": "domains", "domains": 0}, "domains must be >= 1, got 0"),
        ({"name": "domains", "strength": -1.0}, r"strength must be finite and >= 0, got -1\.0"),
        ({"name": "digits", "erase": 2.0}, r"erase must be in \[0, 1\], got 2\.0"),
        ({"name": "digits", "grain": -0.1}, r"grain must be finite and >= 0, got -0\.1"),
        ({"name": "hubs", "n": 3}, "hubs must be < n = 3, got 3"),
        ({"name": "outliers", "outliers": -1}, "outliers must be >= 0, got -1"),
        ({"name": "digits", "split": "tset"}, r"unknown split 'tset': did you mean 'test'\?"),
        ({"name": "digits", "split": "test", "n": 501}, r"n must be <= 500, .*split 'test'.*got 501"),
    ],
)
def test_what_breaks_a_law_is_refused_in_words(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        load(**arguments)


@pytest.mark.parametrize(
    "arguments", [{"n": 2.5}, {"n": "many"}, {"n": True}, {"seed": 0.5}, {"noise": "loud"}, {"mismatched": None}]
)
def test_what_is_no_number_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(arguments))):
        load("moons", **arguments)


def test_the_import_leaves_scikit_learn_alone() -> None:
    code = "import sys, gca_playground.learning.encoders; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
