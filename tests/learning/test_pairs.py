import math
import pickle
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gca_playground.alignment.labels import same_label
from gca_playground.learning.datasets import as_pairs, from_arrays, load
from gca_playground.learning.pairs import partners

N = st.integers(2, 60)
RATE = st.floats(0, 1)
SEED = st.integers(0, 2**32)


def drawn(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shaken(points: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return points + 0.1 * torch.randn(points.shape, generator=generator)


@given(n=N, rate=RATE, seed=SEED)
def test_exactly_the_share_that_was_asked_for_is_wrong(n: int, rate: float, seed: int) -> None:
    wrong = partners(n, mismatched=rate, seed=seed) != torch.arange(n)
    assert wrong.sum() == round(rate * n)


@given(n=N, rate=RATE, seed=SEED)
def test_two_or_more_wrong_pairs_pass_their_views_around(n: int, rate: float, seed: int) -> None:
    partner = partners(n, mismatched=rate, seed=seed)
    if round(rate * n) != 1:
        assert partner.sort().values.equal(torch.arange(n))


@given(n=N, seed=SEED)
def test_a_single_wrong_pair_copies_from_a_right_one(n: int, seed: int) -> None:
    partner = partners(n, mismatched=1 / n, seed=seed)
    (wrong,) = (partner != torch.arange(n)).nonzero().flatten().tolist()
    other = int(partner[wrong])
    assert partner[other] == other


@given(n=N, low=RATE, high=RATE, seed=SEED)
def test_a_higher_rate_keeps_the_wrong_pairs_wrong(n: int, low: float, high: float, seed: int) -> None:
    few, many = (partners(n, mismatched=r, seed=seed) != torch.arange(n) for r in sorted((low, high)))
    assert (few <= many).all()


def test_the_only_pair_cannot_be_mismatched() -> None:
    with pytest.raises(ValueError, match=r"mismatched must be 0 when there is a single pair, got 1\.0"):
        partners(1, mismatched=1.0, seed=0)


def test_the_seed_and_the_rate_alone_choose_the_wrong_pairs() -> None:
    first = partners(50, mismatched=0.4, seed=0)
    assert first.equal(partners(50, mismatched=0.4, seed=0))
    assert not first.equal(partners(50, mismatched=0.4, seed=1))


def test_views_are_fresh_follow_the_generator_and_start_with_the_first_draw() -> None:
    data = load("moons", n=20)
    index, generator = torch.arange(20), drawn()
    first, second = data.views(index, generator), data.views(index, generator)
    assert not first[0].equal(second[0])
    assert not first[0].equal(first[1])
    assert not first[0].equal(data.view1)
    assert first[0].equal(data.views(index, drawn())[0])
    assert data.view1.equal(load("moons", n=20).view1)


@pytest.mark.parametrize("index", [torch.tensor([4, 1, 4]), [4, 1, 4], np.array([4, 1, 4])])
def test_views_keep_the_order_of_the_index(index: object) -> None:
    data = load("moons", n=9, noise=0.0)
    view1, view2 = data.views(index, drawn())
    assert view1.equal(data.x[[4, 1, 4]])
    assert view2.equal(view1)


def test_views_take_a_mask() -> None:
    data = load("blobs", n=30, noise=0.0)
    assert data.views(data.labels == 1, drawn())[0].equal(data.x[data.labels == 1])


def test_a_wrong_pair_stays_wrong_in_fresh_views() -> None:
    data = load("moons", n=40, noise=0.0, mismatched=0.5)
    index = torch.arange(40).flip(0)
    view1, view2 = data.views(index, drawn())
    assert view1.equal(data.x[index])
    assert view2.equal(data.x[data.partner[index]])
    assert ((view1 != view2).any(dim=1) == data.mismatched[index]).all()


def test_views_want_a_generator() -> None:
    with pytest.raises(TypeError, match=r"generator"):
        load("moons", n=5).views([0], 3)  # type: ignore[arg-type]


def test_the_record_is_frozen_has_a_length_and_says_what_it_is() -> None:
    data = load("blobs", n=12, mismatched=0.25, domains=2)
    assert len(data) == 12
    assert repr(data) == "Pairs('blobs': 12 pairs, 2-d and 2-d views, 4 classes, 2 domains, 3 mismatched)"
    with pytest.raises(AttributeError):
        data.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["moons", "gaussian", "hubs"])
def test_the_record_survives_a_pickle(name: str) -> None:
    data = load(name, n=8)
    again = pickle.loads(pickle.dumps(data))
    assert again.views([1, 2], drawn())[1].equal(data.views([1, 2], drawn())[1])


def test_arrays_without_augmentation_are_kept_as_given() -> None:
    view1, view2 = np.arange(6.0).reshape(3, 2), np.ones((3, 5), dtype=np.int64)
    data = from_arrays(view1, view2, labels=[0, 1, 1])
    view1[:] = 9  # the record keeps a copy
    assert data.view1.dtype == data.view2.dtype == torch.float32
    assert data.view1.equal(torch.arange(6.0).view(3, 2))
    assert data.views([2], drawn())[1].equal(torch.ones(1, 5))
    assert data.labels.tolist() == [0, 1, 1]
    assert data.labels.dtype == torch.int64
    assert not data.mismatched.any()


def test_arrays_with_augmentation_give_fresh_views_of_one_or_two_arrays() -> None:
    x = torch.randn(4, 3, generator=drawn())
    one, two = from_arrays(x, augment=shaken), from_arrays(x, x + 5, augment=shaken, name="mine")
    assert not one.view1.equal(one.view2)
    assert (one.view1 - one.view2).abs().max() < 1
    assert (two.view2 - two.view1).mean() > 4
    assert two.name == "mine"
    assert not one.views([0], drawn(1))[0].equal(one.views([0], drawn(2))[0])
    assert not one.view1.equal(from_arrays(x, augment=shaken, seed=1).view1)
    assert pickle.loads(pickle.dumps(one)).view1.equal(one.view1)


def test_arrays_may_come_with_domains() -> None:
    data = from_arrays(np.ones((2, 2)), np.zeros((2, 2)), domains=np.array([1, 0], dtype=np.int32))
    assert data.domains is not None
    assert data.domains.tolist() == [1, 0]
    assert data.labels.tolist() == [0, 0]


@pytest.mark.parametrize(
    "words", [list("abca"), tuple("abca"), np.array(list("abca")), np.array(list("abca"), dtype=object)]
)
def test_labels_and_domains_may_be_words(words: object) -> None:
    x = np.arange(8.0).reshape(4, 2)
    data = from_arrays(x, x, labels=words, domains=words)
    assert data.labels.tolist() == data.domains.tolist() == [0, 1, 2, 0]  # type: ignore[union-attr]
    assert data.labels.dtype == torch.int64
    same = data.labels[:, None] == data.labels
    assert same.equal(same_label(words))  # as a loss takes them
    assert from_arrays(x, x, labels=[True, False, True, True]).labels.tolist() == [1, 0, 1, 1]


def test_augmentations_of_every_kind_are_taken() -> None:
    class Shake(torch.nn.Module):
        def forward(self, points: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
            return shaken(points, generator)

    def with_more(points: torch.Tensor, generator: torch.Generator, more: float = 1.0) -> torch.Tensor:
        return more * shaken(points, generator)

    x = np.ones((4, 2))
    views = [from_arrays(x, augment=one).view1 for one in (shaken, Shake(), with_more, partial(with_more, more=1.0))]
    assert all(view.equal(views[0]) for view in views)
    assert from_arrays(x, augment=lambda *both: both[0]).view1.equal(torch.ones(4, 2))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"view1": np.ones((2, 2))}, ValueError, "give view2, augment or both"),
        ({"view1": "points", "view2": np.ones((2, 2))}, TypeError, "view1 must be a tensor or an array"),
        ({"view1": np.ones(3), "view2": np.ones(3)}, ValueError, r"view1 must have shape \(n, d\).*\(3,\)"),
        ({"view1": np.ones((0, 2)), "view2": np.ones((0, 2))}, ValueError, r"n, d >= 1, got \(0, 2\)"),
        ({"view1": np.ones((2, 2)), "view2": np.ones((3, 2))}, ValueError, "as many rows, got 2 and 3"),
        ({"view1": np.ones((1, 2)), "view2": np.full((1, 2), np.nan)}, ValueError, "view2 must be finite"),
        ({"view1": np.ones((2, 1)), "view2": np.ones((2, 1)), "labels": [0.5, 1]}, ValueError, "labels must be"),
        (
            {"view1": np.ones((2, 1)), "view2": np.ones((2, 1)), "labels": ["a"]},
            ValueError,
            r"whole numbers or words.*\(1,\)",
        ),
        (
            {"view1": np.ones((2, 1)), "view2": np.ones((2, 1)), "labels": "ab"},
            ValueError,
            r"of shape \(2,\), got <U2 of",
        ),
        (
            {"view1": np.ones((2, 1)), "view2": np.ones((2, 1)), "labels": [None, "a"]},
            ValueError,
            "whole numbers or words",
        ),
        ({"view1": np.ones((2, 1)), "view2": np.ones((2, 1)), "domains": [1]}, ValueError, r"domains.*\(1,\)"),
        ({"view1": np.ones((2, 1)), "augment": 3}, TypeError, "augment must be a function of points and a generator"),
        (
            {"view1": np.ones((2, 1)), "augment": lambda x: x},
            TypeError,
            r"augment is called as augment\(points, generator\), the given one takes \(x\)",
        ),
        ({"view1": np.ones((2, 1)), "augment": lambda x, g, *, more: x}, TypeError, r"takes \(x, g, \*, more\)"),
        ({"view1": np.ones((2, 2)), "augment": lambda x, g: x[:, :1]}, ValueError, r"\(2, 2\), got \(2, 1\)"),
        ({"view1": np.ones((2, 2)), "augment": lambda x, g: None}, ValueError, r"\(2, 2\), got NoneType"),
    ],
)
def test_arrays_that_are_no_pairs_are_refused_in_words(
    arguments: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        from_arrays(**arguments)  # type: ignore[arg-type]


def test_a_name_or_pairs_is_accepted_where_data_are_wanted() -> None:
    data = as_pairs("moons", n=5)
    assert len(data) == 5
    assert as_pairs(data) is data
    with pytest.raises(TypeError, match="name or Pairs, got int"):
        as_pairs(3)
    with pytest.raises(ValueError, match="n: knobs of a named data set"):
        as_pairs(data, n=6)


def test_tables_and_arrays_of_every_make_are_taken() -> None:
    x = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    still = x.copy()
    still.flags.writeable = False
    makes = {
        "flipped": x[::-1].copy()[::-1],
        "columns flipped": np.ascontiguousarray(x[:, ::-1])[:, ::-1],
        "by columns": np.asfortranarray(x),
        "read-only": still,
        "big-endian": x.astype(">f8"),
        "long": x.astype(np.longdouble),
        "table": pd.DataFrame(x),
    }
    for name, one in makes.items():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            data = from_arrays(one, one)
        assert np.array_equal(data.view1.numpy(), x), name


def test_what_an_augmentation_returns_may_be_an_array_and_is_checked() -> None:
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    data = from_arrays(x, augment=lambda points, generator: 2 * points.double().numpy())
    assert data.view2.equal(2 * x) and data.view2.dtype == torch.float32
    learnt = from_arrays(x, augment=lambda points, generator: points.requires_grad_())
    assert not learnt.view1.requires_grad
    with pytest.raises(ValueError, match="what augment returns must be finite, got 18 NaN or infinite numbers"):
        from_arrays(x, augment=lambda points, generator: points * math.nan)
    with pytest.raises(ValueError, match=r"augment must return an array of shape \(6, 3\), got \(3, 3\)"):
        from_arrays(x, augment=lambda points, generator: points.numpy()[:3])


def test_words_say_how_to_mend_a_shape() -> None:
    with pytest.raises(ValueError, match=r"got \(5, 1, 8, 8\): images go in as rows, x.reshape\(n, -1\)"):
        from_arrays(np.ones((5, 1, 8, 8)), np.ones((5, 2)))
    with pytest.raises(ValueError, match=r"view2 must have shape .* got \(5,\): one column is x\[:, None\]"):
        from_arrays(np.ones((5, 2)), np.ones(5))
    with pytest.raises(TypeError, match=r"got ndarray; gca\.datasets\.from_arrays makes Pairs of arrays"):
        as_pairs(np.ones((5, 2)))
