"""The matrix without a browser: the bytes that Python packs, and when it sends them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gca_playground.views.matrix_view import (
    DIVERGING_DARK,
    DIVERGING_LIGHT,
    PLAN_DARK,
    PLAN_LIGHT,
    MatrixView,
    diverging_levels,
    plan_levels,
)

PALETTES = {
    "plan light": PLAN_LIGHT,
    "plan dark": PLAN_DARK,
    "diverging light": DIVERGING_LIGHT,
    "diverging dark": DIVERGING_DARK,
}


def random_plan(n: int, m: int, seed: int = 0) -> np.ndarray:
    plan = np.random.default_rng(seed).random((n, m)) ** 4
    return plan / plan.sum(1, keepdims=True)


def sent_by(view: MatrixView) -> list[set[str]]:
    """Collects the names in each message that the view sends from now on."""
    messages: list[set[str]] = []

    def record(message: dict[str, Any], buffers: Any = None) -> None:
        messages.append({*message["state"], *(path[0] for path in message["buffer_paths"])})

    view._send = record
    return messages


def unpacked(view: MatrixView) -> np.ndarray:
    return np.frombuffer(view.pixels, np.uint8).reshape(view.shape)


# levels


def test_plan_levels_follow_the_fixed_law() -> None:
    for value, level in ((0.0, 0), (1.0, 255), (1.7, 255), (-0.2, 0), (0.5, 193), (1e-3, 16)):
        assert plan_levels(np.array([[value]])) == level == round(255 * min(max(value, 0), 1) ** 0.4)


def test_diverging_levels_are_centred_at_zero() -> None:
    values = np.array([[0.0, 2.0, -2.0, 0.5, -0.5, 9.0, -9.0]])
    assert diverging_levels(values, 2.0).tolist() == [[128, 255, 0, 191, 64, 255, 0]]


@pytest.mark.parametrize("top", [0.0, -1.0, float("inf"), float("nan")])
def test_diverging_levels_name_their_law(top: float) -> None:
    with pytest.raises(ValueError, match="top must be > 0 and finite, got"):
        diverging_levels(np.zeros((2, 2)), top)


def lightness(palette: bytes) -> np.ndarray:
    channels = np.frombuffer(palette, np.uint8).reshape(256, 3) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("name", PALETTES)
def test_palettes_have_256_colours_and_read_without_colour(name: str) -> None:
    light = lightness(PALETTES[name])
    halves = [light] if name.startswith("plan") else [light[:129], light[128:]]
    for half in halves:
        assert (np.diff(half) >= 0).all() or (np.diff(half) <= 0).all()
        assert abs(half[-1] - half[0]) > 0.5


# show


@pytest.mark.parametrize("kind", ["numpy", "float32", "tensor", "tensor with gradient", "list"])
def test_the_pixels_are_the_levels_of_what_was_given(kind: str) -> None:
    plan = random_plan(7, 5)
    given: Any = {
        "numpy": plan,
        "float32": plan.astype(np.float32),
        "tensor": torch.tensor(plan),
        "tensor with gradient": torch.tensor(plan, requires_grad=True),
        "list": plan.tolist(),
    }[kind]
    view = MatrixView()
    view.show(given)
    expected = plan.astype(np.float32).astype(float) if kind == "float32" else plan
    assert np.array_equal(unpacked(view), np.rint(255 * expected**0.4))
    assert (view.shape, view.palette_light, view.palette_dark) == ((7, 5), PLAN_LIGHT, PLAN_DARK)


def test_a_half_precision_tensor_is_drawn() -> None:
    view = MatrixView()
    view.show(torch.full((2, 3), 0.25, dtype=torch.bfloat16), row_ratio=torch.ones(2, dtype=torch.bfloat16))
    assert (unpacked(view) == round(255 * 0.25**0.4)).all()


def test_bars_are_packed_as_floats_in_order() -> None:
    plan = random_plan(4, 6)
    view = MatrixView()
    view.show(plan, row_ratio=plan.sum(1), col_ratio=torch.tensor(plan.sum(0) * 1.5), bar_top=3.0)
    assert np.array_equal(np.frombuffer(view.row_bars, "<f4"), plan.sum(1).astype(np.float32))
    assert np.array_equal(np.frombuffer(view.col_bars, "<f4"), (plan.sum(0) * 1.5).astype(np.float32))
    view.show(plan)
    assert (view.row_bars, view.col_bars, view.bar_top) == (b"", b"", 3.0)


def test_a_signed_picture_brings_its_palette_and_the_plan_takes_it_back() -> None:
    view = MatrixView()
    gradient = np.random.default_rng(0).normal(size=(4, 4))
    view.show(gradient, diverging=True, top=1.5)
    assert np.array_equal(unpacked(view), diverging_levels(gradient, 1.5))
    assert (view.palette_light, view.palette_dark) == (DIVERGING_LIGHT, DIVERGING_DARK)
    view.show(random_plan(4, 4))
    assert (view.palette_light, view.palette_dark) == (PLAN_LIGHT, PLAN_DARK)


def test_one_message_with_only_what_changed() -> None:
    view, plan = MatrixView(), random_plan(8, 8)
    messages = sent_by(view)
    view.show(plan, row_ratio=plan.sum(1), col_ratio=plan.sum(0))
    view.show(plan, row_ratio=plan.sum(1), col_ratio=plan.sum(0))
    view.show(plan.T, row_ratio=plan.sum(1), col_ratio=plan.sum(0))
    view.show(plan.T, row_ratio=plan.sum(1), col_ratio=plan.sum(1))
    view.show(plan.T - plan, diverging=True)
    assert messages == [
        {"shape", "pixels", "row_bars", "col_bars"},
        {"pixels"},
        {"col_bars"},
        {"pixels", "palette_light", "palette_dark", "row_bars", "col_bars"},
    ]


def test_a_large_matrix_is_packed_too() -> None:
    view = MatrixView()
    view.show(np.full((1200, 700), 1 / 700))
    assert len(view.pixels) == 1200 * 700


@pytest.mark.parametrize(
    ("arguments", "law"),
    [
        ({"values": np.zeros(3)}, r"values must have 2 dimensions .* got shape \(3,\)"),
        ({"values": np.zeros((0, 3))}, r"at least one cell, got shape \(0, 3\)"),
        ({"values": [[0.1, float("nan")]]}, "values must be numbers, got nan"),
        ({"row_ratio": np.ones(3)}, r"row_ratio must be 2 numbers >= 0, got shape \(3,\)"),
        ({"col_ratio": [1.0, -1.0]}, r"col_ratio must be 2 numbers >= 0, .* least -1"),
        ({"bar_top": 0.0}, "bar_top must be > 0 and finite, got 0"),
        ({"diverging": True, "top": 0.0}, "top must be > 0"),
    ],
)
def test_errors_name_the_law_and_leave_the_last_picture(arguments: dict[str, Any], law: str) -> None:
    view = MatrixView()
    view.show(random_plan(2, 2))
    before = (view.shape, view.pixels, view.row_bars, view.col_bars, view.bar_top)
    with pytest.raises(ValueError, match=law):
        view.show(**{"values": np.ones((2, 2)), **arguments})
    assert (view.shape, view.pixels, view.row_bars, view.col_bars, view.bar_top) == before


# outline, highlight, hover


@pytest.mark.parametrize("as_", ["matrix", "tensor", "pairs"])
def test_the_outline_is_packed_as_pairs(as_: str) -> None:
    cells = np.array([[True, False, False], [False, True, True]])
    given = {"matrix": cells, "tensor": torch.tensor(cells), "pairs": [(0, 0), (1, 1), (1, 2)]}[as_]
    view = MatrixView()
    view.set_outline(given)
    assert np.frombuffer(view.outline, "<u2").tolist() == [0, 0, 1, 1, 1, 2]
    view.set_outline(None)
    assert view.outline == b""


@pytest.mark.parametrize("bad", [[1, 2, 3], [(0, -1)], [(0, 70_000)]])
def test_the_outline_names_its_law(bad: Any) -> None:
    with pytest.raises(ValueError, match="cells must"):
        MatrixView().set_outline(bad)


def test_a_smaller_matrix_drops_a_highlight_beyond_it() -> None:
    view = MatrixView()
    view.show(random_plan(9, 9))
    view.highlight = (7, -1)
    view.show(random_plan(8, 8))
    assert view.highlight == (7, -1)
    view.show(random_plan(5, 5))
    assert view.highlight == (-1, -1)


def test_the_browser_says_where_the_pointer_is() -> None:
    view = MatrixView()
    heard = []
    view.observe(lambda change: heard.append(change["new"]), "hover")
    view.set_state({"hover": [3, 4]})
    view.set_state({"hover": [-1, -1]})
    assert heard == [(3, 4), (-1, -1)]
