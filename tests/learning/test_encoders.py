from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from gca_playground.learning import cache, encoders
from gca_playground.learning.datasets import load
from gca_playground.learning.encoders import DigitsRecipe, Embedded, digits_encoder, embed_digits

QUICK = {"steps": 3, "batch": 32, "hidden": (8,), "dim": 2}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Embedded, Path]]:
    """The default embedding, trained once in a fresh cache."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        encoders._weights.cache_clear()
        yield embed_digits(), folder / "gca_playground"


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    encoders._weights.cache_clear()
    return tmp_path / "gca_playground"


def knn_accuracy(network: torch.nn.Module) -> float:
    """Share of test digits whose five nearest train digits agree with them, by majority."""
    train, test = load("digits", split="train"), load("digits", split="test")
    with torch.no_grad():
        nearest = (network(test.x) @ network(train.x).T).topk(5, dim=1).indices
    return float((train.labels[nearest].mode(dim=1).values == test.labels).float().mean())


def refuse(recipe: DigitsRecipe) -> torch.nn.Sequential:
    raise AssertionError("trained again")


def same(first: Any, second: Any) -> bool:
    x = load("digits", n=20).x
    return torch.equal(first(x), second(x))


def test_training_makes_neighbours_alike(trained: tuple[Embedded, Path]) -> None:
    before, after = knn_accuracy(digits_encoder(steps=0)), knn_accuracy(digits_encoder())
    print(f"5-NN accuracy on held-out digits: untrained {before:.3f}, trained {after:.3f}")
    assert after > 0.9
    assert after > before + 0.15


def test_the_embedding_is_of_the_test_split_on_the_sphere_and_says_by_whom(
    trained: tuple[Embedded, Path],
) -> None:
    z, w, report = trained[0]
    assert z.shape == w.shape == (500, 8)
    assert (z.norm(dim=1) - 1).abs().max() < 1e-5
    assert not z.requires_grad
    assert report == "MLP 64-128-8, InfoNCE at ε 0.2, 300 steps, seed 0"
    cosines = z @ w.T
    assert cosines.diagonal().mean() > 0.5 + cosines.mean()


def test_it_is_stored_and_not_trained_again(trained: tuple[Embedded, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = trained[1]
    assert (folder / f"{DigitsRecipe().key}.pt").is_file()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent))
    monkeypatch.setattr(encoders, "_train", refuse)
    encoders._weights.cache_clear()
    assert embed_digits().z.equal(trained[0].z)  # from disk
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere")
    assert embed_digits().z.equal(trained[0].z)  # from memory


def test_each_call_gives_a_network_of_its_own(empty_cache: Path) -> None:
    first, second = digits_encoder(**QUICK), digits_encoder(**QUICK)
    with torch.no_grad():
        first[0].weight.zero_()
    assert same(second, digits_encoder(**QUICK))
    assert not same(first, second)


def test_training_is_decided_by_the_seed_and_touches_no_global_state(empty_cache: Path) -> None:
    state = torch.get_rng_state()
    recipe = DigitsRecipe(**QUICK)  # type: ignore[arg-type]
    with torch.no_grad():  # a lab may ask for an embedding while it draws
        first, second = encoders._train(recipe), encoders._train(recipe)
    assert same(first, second)
    assert torch.get_rng_state().equal(state)


@pytest.mark.parametrize(
    "change",
    [
        {"dim": 3},
        {"hidden": (9,)},
        {"epsilon": 0.5},
        {"steps": 4},
        {"batch": 64},
        {"rate": 0.1},
        {"noise": 2.0},
        {"seed": 1},
    ],
)
def test_every_knob_of_the_recipe_changes_the_encoder_and_its_key(empty_cache: Path, change: dict[str, Any]) -> None:
    x = load("digits", n=20).x
    plain, changed = digits_encoder(**QUICK), digits_encoder(**{**QUICK, **change})
    assert plain(x).shape != changed(x).shape or not plain(x).equal(changed(x))
    assert DigitsRecipe(**QUICK).key != DigitsRecipe(**{**QUICK, **change}).key  # type: ignore[arg-type]


def test_the_format_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    key = DigitsRecipe().key
    monkeypatch.setattr(encoders, "FORMAT", encoders.FORMAT + 1)
    assert DigitsRecipe().key != key


@pytest.mark.parametrize("content", [b"", b"not torch", b"PK\x03\x04 cut off"])
def test_a_corrupted_cache_is_trained_over(empty_cache: Path, content: bytes) -> None:
    expected = digits_encoder(**QUICK)
    (stored,) = empty_cache.iterdir()
    stored.write_bytes(content)
    encoders._weights.cache_clear()
    assert same(digits_encoder(**QUICK), expected)
    assert cache.read(stored.stem) is not None


@pytest.mark.parametrize("weights", [{"0.weight": torch.ones(2)}, {}, {"0.weight": torch.tensor([float("nan")])}, [1]])
def test_a_cache_that_holds_something_else_is_trained_over(empty_cache: Path, weights: Any) -> None:
    expected = digits_encoder(**QUICK)
    (stored,) = empty_cache.iterdir()
    torch.save(weights, stored)
    encoders._weights.cache_clear()
    assert same(digits_encoder(**QUICK), expected)


def test_a_cache_runs_no_code(empty_cache: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    empty_cache.mkdir()
    torch.save({"0.weight": Trap()}, empty_cache / "trap.pt")
    assert cache.read("trap") is None
    assert not (tmp_path / "sprung").exists()


def test_an_unwritable_cache_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    encoders._weights.cache_clear()
    assert digits_encoder(**QUICK)(torch.zeros(1, 64)).shape == (1, 2)


def test_a_failed_write_leaves_nothing_behind(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(weights: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", full)
    digits_encoder(**QUICK)
    assert list(empty_cache.iterdir()) == []


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.folder() == Path("/somewhere/gca_playground")
    for value in ("", "relative"):  # the XDG rule: a relative path is as good as none
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache.folder() == Path.home() / ".cache" / "gca_playground"


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"stepz": 3}, r"unknown knob of the digits encoder 'stepz': did you mean 'steps'\?"),
        ({"dim": 0}, "dim must be >= 1, got 0"),
        ({"batch": 1}, "batch must be >= 2, got 1"),
        ({"steps": -1}, "steps must be >= 0, got -1"),
        ({"epsilon": 0.0}, r"epsilon must be > 0 and finite, got 0\.0"),
        ({"rate": -1.0}, r"rate must be finite and >= 0, got -1\.0"),
    ],
)
def test_knobs_that_break_a_law_are_refused_in_words(knobs: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        digits_encoder(**knobs)


def test_only_digits_can_be_embedded() -> None:
    with pytest.raises(ValueError, match="data must be digits, views of 64 pixels, got Pairs"):
        embed_digits(load("moons", n=4))
