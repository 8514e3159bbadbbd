"""The coupling lab without a browser: what is turned, clicked and pointed at, against numbers computed by hand."""

from __future__ import annotations

import io
import json
import math
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances

import gca_playground as gca
from gca_playground import EXACT, FREE, Soft
from gca_playground.views.figures import CLASS_COLOURS, LINE_BINS
from gca_playground.views.labs import coupling, words
from gca_playground.views.labs.coupling import CouplingLab
from gca_playground.views.labs.knobs import LOSSES_HERE, NO_NAME
from gca_playground.views.labs.presets import PRESETS
from gca_playground.views.labs.scene import codes_of
from gca_playground.views.matrix_view import DIVERGING_LIGHT, NOWHERE, PLAN_LIGHT
from gca_playground.views.theme import DARK, LIGHT
from tests.oracles import picture
from tests.views.hands import message, turn

N = 12


def state_of(data: dict[str, Any], view: str = "plan", **knobs: Any) -> dict[str, Any]:
    return {"data": {"n": N} | data, "alignment": knobs, "view": view}


def moved(lab: CouplingLab, name: str = "hubs", view: str = "plan", **knobs: Any) -> CouplingLab:
    """The lab in another state."""
    lab.state = state_of({"name": name}, view, **knobs)
    return lab


@pytest.fixture(scope="module")
def one_lab() -> CouplingLab:
    return CouplingLab(state=state_of({"name": "hubs"}))


@pytest.fixture
def lab(one_lab: CouplingLab) -> CouplingLab:
    """A lab on hubs, as if it had just been opened."""
    one_lab.player.playing = one_lab.theme.dark = False
    one_lab.matrix.hover = one_lab.matrix.highlight = NOWHERE
    return moved(one_lab)


@pytest.fixture
def new_lab() -> Iterator[CouplingLab]:
    """One that no other test has used."""
    lab = CouplingLab(state=state_of({"name": "hubs"}))
    yield lab
    lab.close()


@pytest.fixture
def own() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    z = random.normal(size=(10, 3))
    return z, z + 0.3 * random.normal(size=(10, 3))


def shown(lab: CouplingLab) -> np.ndarray:
    return np.frombuffer(lab.matrix.pixels, np.uint8).reshape(lab.matrix.shape)


def expected(lab: CouplingLab, views: picture.Views | None = None) -> np.ndarray:
    return picture.levels(picture.plan_of(lab.state, views))


def seen(lab: CouplingLab) -> tuple[Any, ...]:
    """Everything that a picture consists of."""
    traces = [trace for figure in (lab.clouds, lab.curves) for trace in figure.widget.data]
    drawn = [
        np.nan_to_num(np.asarray(side, float), nan=-99.0).tolist() for trace in traces for side in (trace.x, trace.y)
    ]
    words = [part.value for part in (lab.formula, lab.pill, lab.numbers, lab.look, lab.told)]
    return lab.matrix.pixels, lab.matrix.row_bars, lab.matrix.col_bars, words, drawn


# every control changes the plan to the right one

MOVES = [
    ("epsilon", 0.032), ("epsilon", 2.0), ("rows", 0.5), ("rows", 0.0), ("cols", 0.1), ("cols", 0.0),
    ("steps", 0), ("steps", 1), ("steps", 50), ("total", True), ("cost", "dot"), ("cost", "cosine"),
    ("n", 8), ("mismatched", 0.25), ("seed", 3), ("data", "moons"), ("data", "outliers"), ("data", "gaussian"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), MOVES)
def test_a_control_draws_its_plan(lab: CouplingLab, name: str, value: Any) -> None:
    moved(lab, "blobs", rows=2.0, steps=7)
    before = shown(lab)
    turn(lab, name, value)
    knobs = lab.state["alignment"] | lab.state["data"] | {"data": lab.state["data"]["name"]}
    assert knobs[name] == {("rows", 0.0): "free", ("cols", 0.0): "free"}.get((name, value), value)
    assert np.array_equal(shown(lab), expected(lab))
    assert not np.array_equal(shown(lab), before)
    assert message(lab) == ""


@pytest.mark.parametrize("sides", [("exact", "exact"), (0.5, 2.0), ("free", "exact"), (0.3, "free")])
def test_converged_is_the_limit_of_many_half_steps(lab: CouplingLab, sides: tuple[Any, Any]) -> None:
    moved(lab, rows=sides[0], cols=sides[1], steps=1)
    turn(lab, "steps", None)
    assert lab.state["alignment"]["steps"] is None
    assert np.abs(shown(lab).astype(int) - expected(lab)).max() <= 1
    assert re.search(r"half-steps, from where it was</td><td>\d+<", lab.numbers.value)


def test_no_patience_is_shown_as_such(lab: CouplingLab) -> None:
    bounds = {"lo": 0.99, "hi": 1.01}
    moved(lab, epsilon=1e-3, rows=bounds, cols=bounds, steps=None)
    assert "200, not converged" in lab.numbers.value
    assert message(lab) == ""


def test_bounded_sides_come_through_the_state(lab: CouplingLab) -> None:
    moved(lab, rows={"lo": 0.5, "hi": 1.5}, cols={"lo": 0.0, "hi": 2.0}, steps=9)
    assert np.array_equal(shown(lab), expected(lab))
    assert "rows between <b>0.5</b> and <b>1.5</b>" in lab.formula.value
    turn(lab, "rows", 0.5)
    assert lab.state["alignment"]["cols"] == {"lo": 0.0, "hi": 2.0}


@pytest.mark.parametrize("knobs", [{"steps": 1}, {"steps": 6, "rows": 0.5, "cols": 1.0}, {"total": True}])
def test_the_gradient_is_that_of_autograd_through_plain_half_steps(lab: CouplingLab, knobs: dict[str, Any]) -> None:
    moved(lab, **knobs)
    before = shown(lab)
    turn(lab, "view", "gradient")
    gradient = picture.gradient_of(lab.state)
    assert np.allclose(lab.scene.gradient, gradient, atol=1e-10)
    assert np.array_equal(shown(lab), picture.diverging_levels(gradient))
    assert (lab.matrix.palette_light, "∂loss/∂C" in lab.matrix_head.value) == (DIVERGING_LIGHT, True)
    turn(lab, "view", "plan")
    assert np.array_equal(shown(lab), before) and lab.matrix.palette_light == PLAN_LIGHT


def test_the_gradient_of_infonce_is_plan_minus_target_over_epsilon(lab: CouplingLab) -> None:
    moved(lab, view="gradient", epsilon=0.2)
    assert np.allclose(lab.scene.gradient, (lab.scene.matrix - np.eye(N)) / 0.2)


def test_the_bars_are_the_sums(lab: CouplingLab) -> None:
    moved(lab, rows=0.5, cols=0.2, steps=3)
    plan = picture.plan_of(lab.state)
    assert np.allclose(np.frombuffer(lab.matrix.row_bars, "<f4"), plan.sum(1), rtol=1e-6)
    assert np.allclose(np.frombuffer(lab.matrix.col_bars, "<f4"), plan.sum(0), rtol=1e-6)


def test_the_pairs_are_outlined(lab: CouplingLab) -> None:
    cells = np.frombuffer(lab.matrix.outline, "<u2").reshape(-1, 2)
    assert np.array_equal(cells, np.stack([np.arange(N)] * 2, 1))
    turn(lab, "n", 4)
    assert len(lab.matrix.outline) == 4 * 2 * 2


# the figures


def lines_of(trace: Any) -> set[tuple[float, ...]]:
    """A polyline with gaps as the set of its segments."""
    x, y = (np.reshape(np.asarray(side, float), (-1, 3)) for side in (trace.x, trace.y))
    assert np.isnan(x[:, 2]).all() and np.isnan(y[:, 2]).all()
    return {tuple(line) for line in np.column_stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]])}


@pytest.mark.parametrize(
    "knobs", [{"steps": 1}, {"steps": 2}, {"rows": 0.1, "cols": 0.1, "steps": 20}, {"total": True}]
)
def test_the_mass_lines_are_the_heavy_cells(lab: CouplingLab, knobs: dict[str, Any]) -> None:
    moved(lab, "moons", epsilon=0.05, **knobs)
    views, plan = picture.views_of(lab.state), picture.plan_of(lab.state)
    edges = [least for least, _ in LINE_BINS] + [math.inf]
    heaviest = sorted((p for p in plan.ravel() if p >= edges[0]), reverse=True)[: 3 * N]
    for trace, low, high in zip(lab.clouds.lines, edges, edges[1:], strict=False):
        cells = np.argwhere((plan >= max(low, heaviest[-1])) & (plan < high))
        assert lines_of(trace) == {(*views.z[i].tolist(), *views.w[j].tolist()) for i, j in cells}


def test_the_clouds_are_the_two_views_coloured_by_class(lab: CouplingLab) -> None:
    lab.state = state_of({"name": "moons", "mismatched": 0.5})
    views = picture.views_of(lab.state)
    for trace, points, labels in zip(lab.clouds.points, views[:2], views[2:], strict=True):
        assert np.array_equal(np.stack([trace.x, trace.y], 1), points)
        assert list(trace.marker.color) == [CLASS_COLOURS[label] for label in labels]
    assert lab.clouds.points[1].text[0] == f"column 0, class {views.labels_w[0]}"


def errors_by_hand(side: Any, sums: np.ndarray, potential: np.ndarray) -> float:
    if side == "free":
        return 0.0
    return float(np.abs(sums - 1).max() if side == "exact" else np.abs(potential + side * np.log(sums)).max())


@pytest.mark.parametrize("sides", [("exact", "exact"), (0.5, 0.2), ("exact", 0.3), ("free", "exact")])
def test_the_curves_are_the_errors_of_each_half_step(lab: CouplingLab, sides: tuple[Any, Any]) -> None:
    moved(lab, rows=sides[0], cols=sides[1])
    plans, potentials = picture.path_of(lab.state, 50)
    rows = [errors_by_hand(sides[0], p.sum(1), f) for p, (f, _) in zip(plans, potentials, strict=True)]
    cols = [errors_by_hand(sides[1], p.sum(0), g) for p, (_, g) in zip(plans, potentials, strict=True)]
    kl = [-np.log(np.diag(p)).mean() - 1 + p.sum() / N for p in plans]
    drawn = [(list(trace.x), np.nan_to_num(np.asarray(trace.y, float))) for trace in lab.curves.curves]
    steps = [list(range(0, 51, 2)), [0, *range(1, 51, 2)]]
    for (x, y), k, error in zip(drawn, steps, (rows, cols), strict=False):
        assert x == k
        assert np.allclose(y, np.array(error)[k], rtol=1e-6, atol=2e-9)
    assert np.allclose(drawn[2][1] - drawn[3][1], np.array(kl) - kl[-1], atol=2e-9)


def test_the_dashed_line_stands_at_the_half_steps_and_the_curves_stay(lab: CouplingLab) -> None:
    curves = [trace.y for trace in lab.curves.curves]
    for steps, place in ((3, 3), (50, 50), (None, 55), (0, 0)):
        turn(lab, "steps", steps)
        assert list(lab.curves.here.x) == [place, place]
    assert all(before is trace.y for before, trace in zip(curves, lab.curves.curves, strict=True))


def test_the_axes_do_not_move(lab: CouplingLab) -> None:
    def axes() -> list[Any]:
        figures = (lab.clouds.widget, lab.curves.widget)
        return [figure.layout[axis].to_plotly_json() for figure in figures for axis in ("xaxis", "yaxis")]

    before = axes()
    for name, value in (("epsilon", 0.01), ("rows", 0.1), ("steps", 9), ("total", True)):
        turn(lab, name, value)
        assert axes() == before


# the words

PLACES = [
    ({"steps": 1}, "you are at InfoNCE", "rows of exp(−C/<b>0.1</b>) made to sum to 1"),
    ({"steps": 0}, "you are at the raw kernel", "P = exp(−C/<b>0.1</b>) &ensp;"),
    (
        {"steps": 8},
        "you are at GCA-INCE after 8 half-steps",
        "after <b>8</b> half-steps, rows and columns <b>exact</b>",
    ),
    ({"steps": None}, "you are at inverse OT, U(a, b)", "converged, rows and columns <b>exact</b>"),
    ({"rows": 0.5, "steps": 1}, "you are between the raw kernel", "after <b>1</b> half-step, rows at ρ = <b>0.5</b>"),
    ({"rows": 0.5, "cols": 2.0, "steps": 4}, "you are at GCA-UOT, 4 half-steps", "columns at ρ = <b>2</b>"),
    ({"total": True}, "you are at IOT U(1), the joint loss", "scaled to the total mass n"),
]


@pytest.mark.parametrize(("knobs", "where", "formula"), PLACES)
def test_the_formula_holds_the_numbers_and_the_pill_says_where(
    lab: CouplingLab, knobs: dict[str, Any], where: str, formula: str
) -> None:
    moved(lab, **knobs)
    assert where in lab.pill.value and where in lab.matrix.aria_text
    assert formula in lab.formula.value
    assert lab.formula.value.endswith(f"<b>{picture.loss_of(lab.state):.3f}</b>")


def table(lab: CouplingLab) -> dict[str, str]:
    return dict(re.findall(r"<td>(.*?)</td><td>(.*?)</td>", lab.numbers.value))


def test_the_numbers_are_those_of_the_plan(lab: CouplingLab) -> None:
    turn(lab, "rows", 0.5)
    turn(lab, "steps", 2)
    plans, potentials = picture.path_of(lab.state, 50)
    plan = plans[2]
    assert float(table(lab)["column error"]) < 1e-12
    assert table(lab) == {
        "loss": f"{picture.loss_of(lab.state):.3f}",
        "KL after 1 half-step": f"{-np.log(np.diag(plans[1])).mean() - 1 + plans[1].sum() / N:.3f}",
        "KL after 50": f"{-np.log(np.diag(plans[50])).mean() - 1 + plans[50].sum() / N:.3f}",
        "row error": f"{errors_by_hand(0.5, plan.sum(1), potentials[2][0]):.3f}",
        "column error": table(lab)["column error"],
        "mass": f"{plan.sum():.2f}",
        "entropy, a row": f"{-(plan * np.log(plan)).sum() / N:.3f}",
    }


# pointing


def test_a_row_of_the_matrix_lights_its_point_and_says_its_numbers(lab: CouplingLab) -> None:
    lab.matrix.hover = (3, -1)
    plan, views = picture.plan_of(lab.state), picture.views_of(lab.state)
    others = np.argsort(-plan[3])
    first = next(j for j in others if j != 3)
    kinds = [f"class {label}" for label in views.labels_w.tolist()]
    assert lab.matrix.caption == (
        f"row 3, class {views.labels[3]}: P = {plan[3, 3]:.3f} to its pair, "
        f"{plan[3, first]:.3f} to column {first}, {kinds[first]}"
    )
    (at, _) = lab.scene.cloud.ends
    assert (list(lab.clouds.marks.x), list(lab.clouds.marks.y)) == ([at[3, 0]], [at[3, 1]])
    assert len(lines_of(lab.clouds.rays)) == 5


def test_a_cell_lights_both_points_and_one_line(lab: CouplingLab) -> None:
    lab.matrix.hover = (3, 5)
    plan = picture.plan_of(lab.state)
    assert lab.matrix.caption.startswith("row 3, class") and lab.matrix.caption.endswith(f"P = {plan[3, 5]:.3f}")
    at, at_w = lab.scene.cloud.ends
    assert np.array_equal(np.stack([lab.clouds.marks.x, lab.clouds.marks.y], 1), [at[3], at_w[5]])
    assert lines_of(lab.clouds.rays) == {(*at[3], *at_w[5])}


def test_leaving_the_matrix_puts_the_lights_out(lab: CouplingLab) -> None:
    lab.matrix.hover = (3, 5)
    lab.matrix.hover = NOWHERE
    assert lab.matrix.caption.strip() == ""
    assert (len(lab.clouds.marks.x), len(lab.clouds.rays.x)) == (0, 0)


def point_at(lab: CouplingLab, side: int, k: int, event: str = "plotly_hover") -> None:
    """What the browser tells Python when the pointer is on a point of the clouds."""
    trace = 6 + side
    points = {"trace_indexes": [trace], "point_indexes": [k], "xs": [0.0], "ys": [0.0]}
    lab.clouds.widget._js2py_pointsCallback = {"event_type": event, "points": points, "device_state": None}


def test_a_point_lights_its_row_or_its_column(lab: CouplingLab) -> None:
    point_at(lab, 0, 4)
    assert lab.matrix.highlight == (4, -1) and lab.matrix.caption.startswith("row 4, class")
    point_at(lab, 1, 7)
    mass = picture.plan_of(lab.state)[:, 7].sum()
    assert lab.matrix.highlight == (-1, 7)
    assert re.match(rf"column 7, class \d receives {mass:.3f}: ", lab.matrix.caption)
    point_at(lab, 1, 7, "plotly_unhover")
    assert lab.matrix.highlight == NOWHERE and lab.matrix.caption.strip() == ""


@pytest.mark.parametrize("point", [lambda lab: setattr(lab.matrix, "hover", (2, -1)), lambda lab: point_at(lab, 0, 2)])
def test_what_is_pointed_at_follows_a_slider(lab: CouplingLab, point: Callable[[CouplingLab], None]) -> None:
    point(lab)
    turn(lab, "epsilon", 0.5)
    assert f"P = {picture.plan_of(lab.state)[2, 2]:.3f} to its pair" in lab.matrix.caption
    lab.state = state_of({"name": "moons", "n": 2})
    assert lab.matrix.caption.strip() == "" and len(lab.clouds.marks.x) == 0


# buttons


def test_one_half_step_more_and_round_again(lab: CouplingLab) -> None:
    lab.buttons["step"].click()
    assert lab.state["alignment"]["steps"] == 2
    assert np.array_equal(shown(lab), expected(lab))
    for end in (50, None):
        turn(lab, "steps", end)
        lab.buttons["step"].click()
        assert lab.state["alignment"]["steps"] == 0


def test_the_player_takes_half_steps_and_stops_at_fifty(lab: CouplingLab) -> None:
    lab.player.playing = True
    lab.player.tick += 1
    assert lab.state["alignment"]["steps"] == 2 and np.array_equal(shown(lab), expected(lab))
    turn(lab, "steps", 48)
    lab.player.tick += 1
    assert lab.player.playing
    lab.player.tick += 1
    assert lab.state["alignment"]["steps"] == 50 and not lab.player.playing
    lab.player.tick += 1
    assert lab.state["alignment"]["steps"] == 50
    lab.player.playing = True
    lab.player.tick += 1
    assert lab.state["alignment"]["steps"] == 0 and lab.player.playing
    assert lab.player.acknowledged == lab.player.tick


def test_knobs_move_while_it_plays(lab: CouplingLab) -> None:
    lab.player.playing = True
    turn(lab, "epsilon", 0.5)
    lab.player.tick += 1
    assert (lab.state["alignment"]["epsilon"], lab.state["alignment"]["steps"]) == (0.5, 2)
    assert lab.player.playing and np.array_equal(shown(lab), expected(lab))


def test_the_total_mass_has_no_sides_and_no_steps(lab: CouplingLab) -> None:
    for total in (True, False):
        turn(lab, "total", total)
        assert {name for name, knob in lab.knobs.items() if getattr(knob.control, "disabled", False)} == (
            {"rows", "cols", "steps"} if total else set()
        )
        assert np.array_equal(shown(lab), expected(lab))
    turn(lab, "total", True)
    lab.player.playing = True
    lab.player.tick += 1
    assert "no half-steps" in message(lab) and not lab.player.playing
    turn(lab, "total", False)
    assert message(lab) == "" and lab.state["alignment"]["steps"] == 1


def test_reset_keeps_the_seed_and_new_seed_draws_again(lab: CouplingLab) -> None:
    first = shown(lab)
    lab.buttons["new seed"].click()
    assert lab.state["data"]["seed"] == lab.knobs["seed"].control.value == 1
    assert not np.array_equal(shown(lab), first)
    turn(lab, "n", 64)
    turn(lab, "epsilon", 1.0)
    lab.player.playing = True
    lab.buttons["reset"].click()
    assert lab.state["data"] == {"name": "hubs", "n": 64, "seed": 1, "mismatched": 0.0, "options": {}}
    assert (lab.state["alignment"]["epsilon"], lab.state["alignment"]["steps"]) == (0.1, 1)
    assert not lab.player.playing
    assert np.array_equal(shown(lab), expected(lab))


# presets


@pytest.mark.parametrize("name", [preset.name for preset in PRESETS])
def test_a_preset_is_a_state_with_a_sentence(lab: CouplingLab, name: str) -> None:
    preset = next(preset for preset in PRESETS if preset.name == name)
    turn(lab, "seed", 5)
    turn(lab, "view", "gradient")
    lab.buttons[name].click()
    assert message(lab) == ""
    assert lab.state["data"] == preset.choice.to_dict() and lab.state["alignment"] == preset.alignment.to_dict()
    assert np.abs(shown(lab).astype(int) - expected(lab)).max() <= (preset.alignment.steps is None)
    assert lab.look.value == preset.look_for
    assert lab.knobs["n"].control.value == preset.choice.n


def preset_plan(name: str, **knobs: Any) -> tuple[np.ndarray, dict[str, Any]]:
    preset = next(preset for preset in PRESETS if preset.name == name)
    state = {"data": preset.choice.to_dict(), "alignment": preset.alignment.change(**knobs).to_dict()}
    return picture.plan_of(state), state


def test_what_hubs_says_is_true() -> None:
    plan, state = preset_plan("hubs")
    assert np.sort(plan.sum(0))[-3:].sum() == pytest.approx(64 * 2 / 3, abs=1) and picture.loss_of(state) > 4
    plan, state = preset_plan("hubs", steps=2)
    assert np.allclose(plan.sum(0), 1) and picture.loss_of(state) < 3


def test_what_outliers_says_is_true() -> None:
    (exact, state), (soft, _) = (preset_plan("outliers", rows=side, cols=side) for side in (EXACT, Soft(0.1)))
    far = picture.views_of(state).labels.numpy() == 3
    for plan, axis in ((exact, 1), (exact, 0)):
        assert np.allclose(plan.sum(axis)[far], 1, atol=1e-3)
    assert soft[far].sum() + soft[:, far].sum() < 0.02 and soft.sum() > 2 * exact.sum()


def test_what_false_positives_says_is_true() -> None:
    plan, state = preset_plan("false positives")
    wrong = picture.views_of(state)
    mismatched = np.array(picture.mismatched_of(state))
    assert mismatched.sum() == round(0.3 * 96) and wrong.labels is not None
    own = np.diag(plan)
    assert np.median(own[mismatched]) < 0.1 * np.median(own[~mismatched])
    pull = -np.diag(picture.gradient_of(state))
    assert pull[mismatched].min() > np.median(pull[~mismatched])


def test_what_imbalance_says_is_true() -> None:
    plan, state = preset_plan("imbalance")
    labels = picture.views_of(state).labels.numpy()
    same = labels[:, None] == labels[None, :]
    sizes = np.bincount(labels)
    assert plan[same].sum() > 0.95 * plan.sum() and sizes.max() > 5 * sizes.min()


def test_what_collapse_says_is_true() -> None:
    losses = [picture.loss_of(preset_plan("collapse", steps=steps)[1]) for steps in (1, 2, 50)]
    assert losses == pytest.approx([math.log(64)] * 3, abs=0.1)
    smaller = [picture.loss_of(preset_plan("collapse", epsilon=epsilon)[1]) for epsilon in (0.2, 0.1, 0.02, 0.001)]
    assert smaller == sorted(smaller)


# the state

STATES: list[dict[str, Any]] = [
    {"alignment": {"steps": 3, "rows": 0.5}},
    {"view": "gradient", "alignment": {"steps": None}},
    {"alignment": {"total": True}},
    {"alignment": {"cols": {"lo": 0.5, "hi": None}, "steps": 4, "cost": "dot"}},
    {"data": {"name": "blobs", "n": 9, "seed": 2, "mismatched": 0.3, "options": {"imbalance": 0.5}}},
]


@pytest.mark.parametrize("state", STATES)
def test_the_state_goes_through_json_and_comes_back(state: dict[str, Any]) -> None:
    lab = CouplingLab(state={"data": {"name": "hubs", "n": 9}} | state)
    text = json.dumps(lab.state)
    assert lab.copy_state.text == text
    again = CouplingLab.from_state(json.loads(text))
    assert again.state == lab.state and seen(again) == seen(lab)


@pytest.mark.parametrize("state", STATES)
def test_setting_the_state_moves_everything(lab: CouplingLab, state: dict[str, Any]) -> None:
    target = CouplingLab(state={"data": {"name": "hubs", "n": 9}} | state)
    lab.state = target.state
    assert lab.state == target.state and seen(lab) == seen(target)
    controls = [{name: knob.control.value for name, knob in each.knobs.items()} for each in (lab, target)]
    shown_only = {"rows", "cols", "steps"} if target.state["alignment"]["total"] else {"cols"}
    assert {name for name in controls[0] if controls[0][name] != controls[1][name]} <= shown_only


def test_the_lab_keeps_its_state_to_itself(lab: CouplingLab) -> None:
    state = lab.state | {"data": {"name": "blobs", "n": 8, "options": {"imbalance": 0.0}}}
    lab.state = state
    before = shown(lab)
    state["data"]["options"]["imbalance"] = 0.6
    lab.state["data"]["options"]["imbalance"] = 0.7
    assert lab.state["data"]["options"] == {"imbalance": 0.0}
    lab.state = state
    assert not np.array_equal(shown(lab), before)


def test_change_moves_knobs_as_the_sliders_do(lab: CouplingLab) -> None:
    lab.change(epsilon=0.2, cols=FREE, steps=None)
    control = {name: knob.control.value for name, knob in lab.knobs.items()}
    assert (control["epsilon"], control["cols"], control["steps"]) == (0.2, 0.0, None)
    before = lab.state
    with pytest.raises(ValueError, match="did you mean 'epsilon'"):
        lab.change(epsilo=0.1)
    assert lab.state == before
    lab.change(total=True)
    assert np.array_equal(shown(lab), expected(lab)) and lab.knobs["total"].control.value


def test_beyond_the_sliders_the_state_still_holds(lab: CouplingLab) -> None:
    lab.change(epsilon=40.0, rows=Soft(1000.0), steps=77)
    control = {name: knob.control.value for name, knob in lab.knobs.items()}
    assert (control["epsilon"], control["steps"]) == (10.0, 50)
    assert "<b>40</b>" in lab.formula.value and lab.state["alignment"]["steps"] == 77
    assert np.array_equal(shown(lab), expected(lab))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (3, "a state is a dict, got int"),
        ({"lab": "training"}, "the state of the 'training' lab"),
        ({"dat": {}}, "did you mean 'data'"),
        ({"data": 3}, "the data of a state are a dict, got 3"),
        ({"data": {"name": "hub"}}, "did you mean 'hubs'"),
        ({"data": {"name": ["hubs"]}}, "the name of the data must be a str, got ['hubs']"),
        ({"data": {"name": "hubs", "sed": 1}}, "did you mean 'seed'"),
        ({"data": {"name": "hubs", "seed": -1}}, "seed must be >= 0, got -1"),
        ({"data": {"name": "hubs", "n": 0}}, "n must be >= 1, got 0"),
        ({"data": {"name": "hubs", "n": 257}}, "at most 256 points, got n = 257"),
        ({"data": {"name": "hubs", "options": 3}}, "the options of the data must be a dict, got 3"),
        ({"data": {"name": "hubs", "options": {"hub": 3}}}, "did you mean 'hubs'"),
        ({"data": {"name": "yours"}}, "give z and w again"),
        ({"alignment": 3}, "the alignment of a state is a dict, got 3"),
        ({"alignment": {"epsilon": 0}}, "epsilon must be > 0"),
        ({"alignment": {"rows": "fre"}}, "did you mean 'free'"),
        ({"alignment": {"total": True, "steps": 2}}, "leave out rows, cols and steps"),
        ({"view": "grad"}, "did you mean 'gradient'"),
    ],
)
def test_a_wrong_state_is_refused_in_words_and_changes_nothing(lab: CouplingLab, values: Any, words: str) -> None:
    before = seen(lab), lab.state
    with pytest.raises((ValueError, TypeError), match=re.escape(words)):
        lab.state = values
    assert (seen(lab), lab.state) == before


# the code


@pytest.mark.parametrize("state", STATES)
def test_the_code_computes_the_same_plan(state: dict[str, Any]) -> None:
    lab = CouplingLab(state={"data": {"name": "hubs", "n": 9}} | state)
    assert lab.copy_code.text == lab.code()
    names, printed = run(lab.code())
    assert torch.allclose(names["plan"].matrix, lab.scene.plan.matrix, atol=1e-5)
    assert printed == f"loss {names['alignment'].value(names['plan']).item():.6f}\n"
    assert float(printed.split()[1]) == pytest.approx(picture.loss_of(lab.state), abs=1e-5)
    figure = names["figure"]
    assert list(figure.data[-2].x) == list(lab.clouds.points[0].x)
    assert [trace.marker.color for trace in figure.data[-2:]] == [t.marker.color for t in lab.clouds.points]


def test_the_code_of_your_own_embeddings_says_what_to_fill_in(own: tuple[np.ndarray, np.ndarray]) -> None:
    lab = CouplingLab(*own)
    first, line, *rest = lab.code().splitlines()[0:1] + lab.code().splitlines()[2:]
    assert line.startswith("z, w, labels, labels_w = ...  # your embeddings")
    names, _ = run(
        "\n".join([first, "z, w, labels, labels_w = given", *rest]), given=(*map(torch.tensor, own), None, None)
    )
    assert torch.allclose(names["plan"].matrix, lab.scene.plan.matrix)


def run(code: str, **names: Any) -> tuple[dict[str, Any], str]:
    """What a script leaves behind and prints; its figure is kept, not shown."""
    code = re.sub(r"^(gca\.figures.*)\.show\(\)$", r"figure = \1", code, flags=re.MULTILINE)
    assert "\nfigure = " in code
    with redirect_stdout(io.StringIO()) as printed:
        exec(code, names)
    return names, printed.getvalue()


# your own embeddings


@pytest.mark.parametrize("dims", [1, 2, 3, 50])
@pytest.mark.parametrize("kind", ["numpy", "torch", "list"])
def test_your_own_embeddings(dims: int, kind: str) -> None:
    z, w = torch.randn(2, 7, dims, generator=torch.Generator().manual_seed(dims))
    convert = {"numpy": torch.Tensor.numpy, "torch": torch.Tensor.requires_grad_, "list": torch.Tensor.tolist}[kind]
    lab = CouplingLab(convert(z.clone()), convert(w.clone()))
    assert np.array_equal(shown(lab), expected(lab, picture.Views(z.double(), w.double())))
    assert f"your embeddings, {dims} dimension" in lab.told.value
    assert lab.state["data"]["name"] == "yours" and not {"n", "mismatched", "seed"} & set(lab.knobs)
    assert not {preset.name for preset in PRESETS} & set(lab.buttons)


def test_points_are_sorted_by_their_labels_of_any_kind(own: tuple[np.ndarray, np.ndarray]) -> None:
    z, w = map(torch.tensor, own)
    for labels in (
        list("babbacabca"),
        torch.tensor([1, 0, 2, 1, 1, 0, 0, 2, 2, 1]),
        [None, "a", 2, 1, 10, 2, None, "a", 1, 10],
    ):
        lab = CouplingLab(z, w, labels=labels)
        listed = labels.tolist() if isinstance(labels, torch.Tensor) else labels
        order = sorted(range(10), key=lambda k, of=listed: (str(type(of[k])), "" if of[k] is None else of[k], k))
        assert np.array_equal(shown(lab), expected(lab, picture.Views(z[order], w[order])))
        assert [text.split("class ")[1] for text in lab.clouds.points[0].text] == [str(listed[k]) for k in order]


def test_a_sample_of_many_is_drawn_and_said() -> None:
    z = np.random.default_rng(1).normal(size=(1000, 4))
    lab = CouplingLab(z, z + 0.1, labels=np.arange(1000) % 3)
    assert lab.matrix.shape == (256, 256)
    assert "a sample of 256 of 1000 rows and 256 of 1000 columns (seed 0)" in lab.told.value
    rows = lab.scene.cloud.z
    assert np.allclose(lab.scene.cloud.w, rows + 0.1)
    assert len({tuple(row) for row in rows.tolist()} & {tuple(row) for row in z.tolist()}) == 256
    lab.buttons["new seed"].click()
    assert "(seed 1)" in lab.told.value and not torch.equal(lab.scene.cloud.z, rows)


def test_more_rows_than_columns_have_a_plan_and_no_loss() -> None:
    z, w = torch.randn(11, 3, generator=torch.Generator().manual_seed(0)).double().split((7, 4))
    lab = CouplingLab(z, w, labels=list("aabbccd"), labels_w=list("abcd"))
    assert np.array_equal(shown(lab), expected(lab, picture.Views(z, w)))
    assert np.allclose(np.frombuffer(lab.matrix.row_bars, "<f4"), 1)
    assert "undefined" in lab.formula.value and lab.matrix.outline == b""
    assert table(lab)["loss"] == "–"
    lab.matrix.hover = (6, -1)
    assert re.fullmatch(r"row 6, class d: P = 0\.\d+ to column \d, class [abcd]", lab.matrix.caption)
    before = seen(lab)
    turn(lab, "view", "gradient")
    assert "the gradient needs a loss" in message(lab)
    assert seen(lab) == before and lab.state["view"] == "plan"
    turn(lab, "steps", 2)
    assert np.allclose(np.frombuffer(lab.matrix.col_bars, "<f4"), 1)
    assert message(lab) == "" and lab.knobs["view"].control.value == "plan"


def test_a_single_pair() -> None:
    lab = CouplingLab([[1.0, 2.0]], [[2.0, 1.0]], labels=["x"])
    assert shown(lab).tolist() == [[255]] and table(lab)["loss"] == "0.000"
    lab.matrix.hover = (0, 0)
    assert lab.matrix.caption == "row 0, class x → column 0, class x: P = 1.000"
    lab.matrix.hover = (0, -1)
    assert lab.matrix.caption == "row 0, class x: P = 1.000 to its pair"


def test_it_opens_on_a_data_set_by_name_or_as_it_is():
    lab = gca.CouplingLab("hubs")
    assert lab.state["data"]["name"] == "hubs" and lab.state["alignment"]["steps"] == 1
    data = gca.datasets.load("moons", n=20, seed=3)
    own, by_hand = gca.CouplingLab(data), gca.CouplingLab(data.view1, data.view2, labels=data.labels)
    assert own.matrix.pixels == by_hand.matrix.pixels and own.state == by_hand.state
    assert own.scene.cloud.labels == by_hand.scene.cloud.labels
    with pytest.raises(ValueError, match="unknown data set 'hub': did you mean 'hubs'"):
        gca.CouplingLab("hub")
    with pytest.raises(TypeError, match="a state says what it shows: leave out 'hubs'"):
        gca.CouplingLab("hubs", state=lab.state)


@pytest.mark.parametrize(
    ("z", "w", "more", "words"),
    [
        (np.ones((3, 2)), None, {}, "give both embeddings"),
        (None, None, {"labels": [1]}, "labels belong to your own embeddings"),
        (np.ones(3), np.ones(3), {}, r"z and w must be \(n, d\) and \(m, d\)"),
        (np.ones((3, 2)), np.ones((3, 4)), {}, r"got \(3, 2\) and \(3, 4\)"),
        (np.ones((0, 2)), np.ones((0, 2)), {}, r"got \(0, 2\)"),
        (np.ones((3, 0)), np.ones((3, 0)), {}, r"got \(3, 0\)"),
        (np.full((3, 2), np.nan), np.ones((3, 2)), {}, "z must be finite, got 6"),
        (np.ones((3, 2)), np.ones((3, 2)) * np.inf, {}, "w must be finite, got 6"),
        ("abc", "abc", {}, "z must be a tensor or an array"),
        (np.ones((3, 2)), np.ones((3, 2)), {"labels": [1]}, "labels must hold one label a point, 3"),
        (np.ones((3, 2)), np.ones((2, 2)), {"labels": [1, 2, 3], "labels_w": [1]}, "labels_w must hold one label"),
        (np.ones((3, 2)), np.ones((3, 2)), {"labels": np.ones((3, 2))}, "labels must be a list of numbers"),
        (np.ones((3, 2)), np.ones((3, 2)), {"state": {"data": {"name": "hubs"}}}, "leave out z and w"),
    ],
)
def test_wrong_embeddings_are_refused_in_words(z: Any, w: Any, more: dict[str, Any], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        CouplingLab(z, w, **more)


def test_your_own_embeddings_keep_their_name(own: tuple[np.ndarray, np.ndarray]) -> None:
    lab = CouplingLab(*own, labels=list("aabbccddee"))
    before = seen(lab), lab.state
    with pytest.raises(ValueError, match="leave out z and w"):
        lab.state = {"data": {"name": "hubs"}}
    assert (seen(lab), lab.state) == before
    turn(lab, "epsilon", 0.5)
    again = CouplingLab.from_state(json.loads(json.dumps(lab.state)), *own, labels=list("aabbccddee"))
    assert seen(again) == seen(lab)
    lab.buttons["reset"].click()
    assert (seen(lab), lab.state) == before


@pytest.mark.parametrize(("field", "value"), [("n", 10), ("mismatched", 0.3), ("mismatched", 0.0), ("options", {})])
def test_of_your_own_embeddings_there_is_nothing_to_choose(
    own: tuple[np.ndarray, np.ndarray], field: str, value: Any
) -> None:
    lab = CouplingLab(*own)
    assert lab.state["data"] == {"name": "yours", "seed": 0}
    before = seen(lab), lab.state
    words = re.escape(f"{field} chooses of a data set: your own data are taken as they are, got {field} = {value!r}")
    state = {"data": {"name": "yours", field: value}}
    with pytest.raises(ValueError, match=words):
        lab.state = state
    with pytest.raises(ValueError, match=words):
        CouplingLab.from_state(state, *own)
    assert (seen(lab), lab.state) == before
    more = np.concatenate([own[0], own[1]])
    assert CouplingLab.from_state(lab.state, more, more).matrix.shape == (20, 20)


# errors


def test_a_bad_value_is_said_and_the_picture_stays(lab: CouplingLab) -> None:
    before = seen(lab), lab.state
    turn(lab, "seed", -1)
    assert lab.guard.box.value == '<div role="alert">seed must be &gt;= 0, got -1</div>'
    assert (seen(lab), lab.state) == before
    turn(lab, "epsilon", 0.2)
    assert message(lab) == "" and lab.knobs["seed"].control.value == 0
    assert np.array_equal(shown(lab), expected(lab))


def test_a_single_pair_cannot_be_mismatched(lab: CouplingLab) -> None:
    lab.state = state_of({"name": "moons", "n": 1})
    turn(lab, "mismatched", 1.0)
    assert message(lab) == "mismatched must be 0 when there is a single pair, got 1.0"
    turn(lab, "n", 2)
    assert message(lab) == "" and lab.knobs["mismatched"].control.value == 0.0


MOVE: dict[str, Callable[[CouplingLab], Any]] = {
    "slider": lambda lab: turn(lab, "epsilon", 0.2),
    "button": lambda lab: lab.buttons["step"].click(),
    "preset": lambda lab: lab.buttons["hubs"].click(),
    "reset": lambda lab: lab.buttons["reset"].click(),
    "new seed": lambda lab: lab.buttons["new seed"].click(),
    "player": lambda lab: (setattr(lab.player, "playing", True), setattr(lab.player, "tick", 1)),
}


@pytest.mark.parametrize("name", MOVE)
def test_an_exception_in_any_callback_is_seen(lab: CouplingLab, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def make_scene(*_: Any) -> None:
        raise RuntimeError("<b>boom</b>")

    before = seen(lab), lab.state
    monkeypatch.setattr(coupling, "make_scene", make_scene)
    MOVE[name](lab)
    assert re.search(r"RuntimeError: &lt;b&gt;boom&lt;/b&gt; \(in make_scene, line \d+\)", lab.guard.box.value)
    assert isinstance(lab.guard.last_error, RuntimeError)
    assert (seen(lab), lab.state) == before
    monkeypatch.undo()
    turn(lab, "steps", 4)
    assert message(lab) == "" and lab.guard.last_error is None
    assert lab.knobs["epsilon"].control.value == 0.1
    assert np.array_equal(shown(lab), expected(lab))


@pytest.mark.parametrize("point", [lambda lab: setattr(lab.matrix, "hover", (0, 0)), lambda lab: point_at(lab, 0, 0)])
def test_an_exception_while_pointing_is_seen(lab: CouplingLab, point: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def about(*_: Any) -> None:
        raise KeyError("lost")

    monkeypatch.setattr(coupling.words, "about", about)
    point(lab)
    assert "KeyError: &#x27;lost&#x27; (in about" in lab.guard.box.value


def test_callbacks_of_two_threads_take_turns(lab: CouplingLab) -> None:
    def shake(name: str, values: list[float]) -> None:
        for value in values:
            turn(lab, name, value)

    moves = {"epsilon": [0.1 * 2 ** (k % 3) for k in range(6)], "rows": [0.5 * 2 ** (k % 4) for k in range(6)]}
    threads = [threading.Thread(target=shake, args=move) for move in moves.items()]
    for thread in threads:
        thread.start()
    for k in range(6):
        lab.change(steps=k)
    for thread in threads:
        thread.join()
    assert message(lab) == ""
    knobs = lab.state["alignment"]
    assert (knobs["epsilon"], knobs["rows"], knobs["steps"]) == (moves["epsilon"][-1], moves["rows"][-1], 5)
    assert np.array_equal(shown(lab), expected(lab))


# theme, messages, neighbours, the end


def test_dark_and_light(lab: CouplingLab) -> None:
    for dark, colours in ((True, DARK), (False, LIGHT)):
        lab.theme.dark = dark
        assert {trace.line.color for trace in lab.clouds.lines} == {colours["text"]}
        assert [trace.line.color for trace in lab.curves.curves[:2]] == [colours["rows"], colours["cols"]]
        assert {figure.widget.layout.font.color for figure in (lab.clouds, lab.curves)} == {colours["muted"]}
        assert lab.clouds.widget.layout.annotations[0].font.shadow.endswith(colours["page"])


def recorded(lab: CouplingLab) -> list[tuple[Any, dict[str, Any]]]:
    """Collects (widget, state or content) of each message that goes to the browser from now on."""
    sent: list[tuple[Any, dict[str, Any]]] = []

    def record(widget: Any) -> Callable[..., None]:
        def publish(kind: str, *, data: Any, **_: Any) -> None:
            if kind == "comm_msg":
                sent.append((widget, data["content"] if data["method"] == "custom" else data["state"]))

        return publish

    for widget in parts_of(lab):
        widget.comm.publish_msg = record(widget)
    return sent


def parts_of(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts_of(child)


def test_only_what_changed_is_sent(new_lab: CouplingLab) -> None:
    sent = recorded(new_lab)
    turn(new_lab, "steps", 2)
    moved = [(widget, content["traces"]) for widget, content in sent if "traces" in content]
    assert moved == [(new_lab.clouds.widget, [0, 1, 2, 3]), (new_lab.curves.widget, [4])]
    names = [set(state) for widget, state in sent if widget is new_lab.matrix]
    assert names == [set(), {"aria_text"}]
    others = {id(widget) for widget, _ in sent} - {
        id(new_lab.clouds.widget),
        id(new_lab.curves.widget),
        id(new_lab.matrix),
    }
    parts = (
        new_lab.knobs["steps"].control,
        new_lab.knobs["cols"].control,  # which has an effect from now on
        new_lab.formula,
        new_lab.pill,
        new_lab.numbers,
        new_lab.copy_code,
        new_lab.copy_state,
    )
    assert others == {id(part) for part in parts}


def test_nothing_is_sent_where_nothing_changed(new_lab: CouplingLab) -> None:
    sent = recorded(new_lab)
    new_lab.state = new_lab.state
    new_lab.change(steps=1)
    turn(new_lab, "epsilon", 0.1)
    assert sent == []


def test_the_matrix_goes_first(new_lab: CouplingLab) -> None:
    sent = recorded(new_lab)
    turn(new_lab, "epsilon", 0.2)
    first = next(widget for widget, _ in sent if widget is not new_lab.knobs["epsilon"].control)
    assert first is new_lab.matrix


def test_two_labs_do_not_disturb_each_other(lab: CouplingLab) -> None:
    other = CouplingLab(state=state_of({"name": "hubs"}, epsilon=0.5))
    before = seen(other), other.state
    for name, value in (("epsilon", 0.02), ("data", "moons"), ("seed", -1)):
        turn(lab, name, value)
    lab.theme.dark = True
    lab.matrix.hover = (1, 1)
    assert (seen(other), other.state) == before and message(other) == ""
    turn(other, "steps", 5)
    assert np.array_equal(shown(other), expected(other))


@pytest.mark.parametrize("given", [True, False])
def test_closing_lets_go_of_everything(own: tuple[np.ndarray, np.ndarray], given: bool) -> None:
    before = set(_instances)
    lab = CouplingLab(*own) if given else CouplingLab(state=state_of({"name": "hubs"}))
    lab.close()
    assert set(_instances) == before
    lab.close()


def test_every_control_has_a_name(lab: CouplingLab) -> None:
    for name, knob in lab.knobs.items():
        spoken = getattr(knob.control, "label", "") or getattr(knob.control, "description", "")
        assert spoken or name == "view"
    assert all(button.tooltip for button in lab.buttons.values())


# named losses and targets


@pytest.mark.parametrize("name", LOSSES_HERE)
def test_every_named_loss_is_a_start(lab: CouplingLab, name: str) -> None:
    lab.knobs["loss"].control.value = "joint"
    lab.knobs["loss"].control.value = name
    assert message(lab) == "" and lab.knobs["loss"].control.value == name
    alignment, labels = lab.scene.alignment, codes_of(lab.scene.cloud)
    z, w = lab.scene.cloud.z.clone().requires_grad_(), lab.scene.cloud.w
    loss = gca.loss(name, epsilon=alignment.epsilon, cost=alignment.cost)(z, w, labels=labels)
    assert f"<b>{words.number(loss.item())}</b>" in lab.formula.value
    turn(lab, "view", "gradient")
    assert message(lab) == ""
    cost = lab.scene.cost.clone().requires_grad_()
    (slope,) = torch.autograd.grad(alignment.of_cost(cost, labels=labels), cost)
    # A limit is reached to its tolerance.
    assert np.allclose(lab.scene.gradient, -len(cost) * slope.numpy(), rtol=1e-4, atol=1e-5)


def test_a_target_moves_the_loss_the_outline_and_the_formula(lab: CouplingLab) -> None:
    turn(lab, "loss", "gca-ince")
    before, outline = lab.scene.loss, lab.matrix.outline
    turn(lab, "target", "classes")
    assert message(lab) == "" and lab.scene.loss != before and "<b>T</b>" in lab.formula.value
    assert lab.state["alignment"]["target"] == "classes" and lab.matrix.outline != outline
    assert CouplingLab.from_state(lab.state).scene.loss == pytest.approx(lab.scene.loss)
    turn(lab, "target", "pairs")
    assert lab.scene.loss == pytest.approx(before) and lab.matrix.outline == outline


def test_a_loss_of_pairs_refuses_another_target_in_words(lab: CouplingLab) -> None:
    turn(lab, "loss", "rince")
    before = seen(lab)
    lab.knobs["target"].control.value = "classes"
    assert "rince is defined for pairs only" in message(lab) and seen(lab) == before


def test_a_point_without_a_name_says_so(lab: CouplingLab) -> None:
    moved(lab, rows=0.3, cols="exact", steps=7)
    assert lab.knobs["loss"].control.value == NO_NAME
    turn(lab, "loss", "infonce")
    assert lab.state["alignment"]["steps"] == 1
