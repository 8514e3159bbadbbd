"""The Gaussian lab without a browser: what is turned and clicked, against numbers computed by hand."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from gca_playground import gaussian
from gca_playground.views import gaussian_figures
from gca_playground.views.labs import gaussian_pictures
from gca_playground.views.labs.gaussian import GaussianLab
from gca_playground.views.labs.gaussian_presets import PRESETS
from gca_playground.views.labs.gaussian_scene import learn, make_scene
from gca_playground.views.labs.gaussian_state import LOSSES, State
from gca_playground.views.labs.link import app, link
from gca_playground.views.theme import DARK, LIGHT
from tests.views.hands import cells, message, turn

V = 1.5
"""The variance of every coordinate."""


@pytest.fixture(scope="module")
def one_lab() -> GaussianLab:
    return GaussianLab()


@pytest.fixture
def lab(one_lab: GaussianLab) -> GaussianLab:
    """A lab as if it had just been opened."""
    one_lab.theme.dark = False
    one_lab.state = {}
    return one_lab


@pytest.fixture
def new_lab() -> Iterator[GaussianLab]:
    lab = GaussianLab()
    yield lab
    lab.close()


def readouts(lab: GaussianLab, column: int) -> list[float]:
    return [float(row[column]) for row in cells(lab.laws.value)[1:]]


def points(trace: Any) -> np.ndarray:
    return np.stack([np.asarray(trace.x, float), np.asarray(trace.y, float)], 1)


def seen(lab: GaussianLab) -> tuple[Any, ...]:
    """Everything that a picture consists of."""
    drawn = [points(trace).tolist() for picture in lab._pictures for trace in picture.widget.data]
    parts = (lab.formula, lab.pill, lab.look, lab.laws, lab.scores, lab.told, lab.place_head)
    return drawn, [part.value for part in parts], [knob.control.value for knob in lab.knobs.values()]


# the numbers of the paper's example, as gaussian theory has them (slope, variance, slope, variance, marginals, cov, KL)

EXAMPLE = {
    ("two-sided", "dot"): (0.6667, 1.5, 0.6667, 1.5, 2.7, 2.7, 1.8, 0.1433),
    ("joint", "dot"): (0.5, 1.5, 0.5, 1.5, 2.0, 2.0, 1.0, 0.1044),
    ("u|v", "squared_euclidean"): (0.6667, 0.8333, 0.4286, 0.5357, 1.1667, 0.75, 0.5, 0.1534),
    ("two-sided", "squared_euclidean"): (0.5426, 0.6861, 0.5426, 0.6861, 0.9724, 0.9724, 0.5276, 0.0815),
    ("joint", "squared_euclidean"): (0.5, 0.75, 0.5, 0.75, 1.0, 1.0, 0.5, 0.0779),
    ("sinkhorn", "dot"): (0.6667, 0.8333, 0.6667, 0.8333, 1.5, 1.5, 1.0, 0.0),
}


@pytest.mark.parametrize(("loss", "tilting"), EXAMPLE)
def test_the_readouts_are_those_of_the_paper_s_example(lab: GaussianLab, loss: str, tilting: str) -> None:
    turn(lab, "loss", loss)
    turn(lab, "tilting", tilting)
    assert readouts(lab, 1) == [0.6667, 0.8333, 0.6667, 0.8333, 1.5, 1.5, 1.0, 0.0]
    assert np.allclose(readouts(lab, 2), EXAMPLE[loss, tilting], atol=1.01e-4)
    assert message(lab) == ""


def test_the_first_picture_is_the_paper_s_example_under_infonce(new_lab: GaussianLab) -> None:
    assert new_lab.state["sigma"] == [2 / 3] and new_lab.state["loss"] == "two-sided"
    assert new_lab.look.value == PRESETS[0].look_for
    assert "<b>0.0717</b>" in new_lab.formula.value and "rank <b>1</b>" in new_lab.formula.value
    assert "T1: two-sided (CLIP)" in new_lab.pill.value


def test_the_table_has_every_loss_with_a_closed_form(lab: GaussianLab) -> None:
    rows = {row[0]: row[1:] for row in cells(lab.scores.value)}
    assert rows["nothing learned"] == ["0.2939"] * 3
    for (loss, tilting), numbers in EXAMPLE.items():
        short = {"dot": "dot", "squared_euclidean": "L2"}[tilting]
        (found,) = [row for name, row in rows.items() if name.endswith(f" {loss}, {short}")]
        assert float(found[0]) == pytest.approx(numbers[-1], abs=1.01e-4)
    assert rows["T3 u|v, L2"][1:] == ["0.0000", "0.1362"]
    assert rows["▸ you are here"] == ["0.1433", "0.0717", "0.0717"]
    assert re.findall("<b>([^<]*[a-z][^<]*)</b>", lab.scores.value) == ["▸ you are here", "T1 two-sided, dot"]
    turn(lab, "kappa_v", 0.2)
    assert len(re.findall("<b>", lab.scores.value)) == 4 and len(cells(lab.scores.value)) == len(rows)


# every control

MOVES = [
    ("loss", "joint"), ("loss", "u|v"), ("loss", "wasserstein"), ("tilting", "squared_euclidean"), ("sigma_1", 0.85),
    ("sigma_2", 0.3), ("sigma_2", None), ("kappa_u", 0.3), ("kappa_v", 1.0), ("rank", 2), ("pair", 2), ("batch", 16),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), MOVES)
def test_a_control_moves_the_state_and_the_picture(lab: GaussianLab, name: str, value: Any) -> None:
    lab.state = {"sigma": [0.8, 0.5], "rank": 1, "learned": True, "batch": 8, "loss": "two-sided"}
    before = seen(lab)
    turn(lab, name, value)
    state = lab.state
    told = {
        "sigma_1": state["sigma"][0],
        "sigma_2": [*state["sigma"], None][1],
        "kappa_u": state["kappa"][0],
        "kappa_v": state["kappa"][1],
    } | state
    assert told[name] == value
    assert state["learned"] == (name == "pair")
    assert seen(lab) != before
    assert message(lab) == ""


def test_one_dimension_takes_rank_and_pair_with_it(lab: GaussianLab) -> None:
    lab.state = {"sigma": [0.8, 0.5], "rank": 2, "pair": 2}
    assert not lab.knobs["rank"].control.disabled and not lab.knobs["pair"].control.disabled
    turn(lab, "sigma_2", None)
    assert (lab.state["sigma"], lab.state["rank"], lab.state["pair"]) == ([0.8], 1, 1)
    assert lab.knobs["rank"].control.disabled and lab.knobs["pair"].control.disabled


@pytest.mark.parametrize(("rank", "kl"), [(1, -0.5 * math.log(1 - 0.16)), (2, 0.0)])
def test_sinkhorn_leaves_what_the_rank_drops(lab: GaussianLab, rank: int, kl: float) -> None:
    lab.state = {"sigma": [0.4, 0.8], "rank": rank, "loss": "sinkhorn"}
    assert lab.scene.best.kl == pytest.approx(kl, abs=1e-12)
    turn(lab, "pair", 1)
    assert readouts(lab, 2)[0] == pytest.approx(0.0 if rank == 1 else 0.4, abs=1e-4)
    turn(lab, "pair", 2)
    assert readouts(lab, 2)[0] == pytest.approx(0.8, abs=1e-4)


# the pictures


def on_ellipse(line: np.ndarray, cov: np.ndarray) -> bool:
    return bool(np.allclose(np.einsum("ki,ij,kj->k", line, np.linalg.inv(cov), line), 1))


def test_the_ellipses_are_one_standard_deviation(lab: GaussianLab) -> None:
    truth, *_, model, learned = lab.ellipses.widget.data
    assert on_ellipse(points(truth), np.array([[V, 1.0], [1.0, V]]))
    assert on_ellipse(points(model), np.array([[2.7, 1.8], [1.8, 2.7]]))
    assert len(points(learned)) == 0
    lab.learn()
    assert on_ellipse(points(learned), lab.scene.learned.joint.cov.numpy())


def test_the_lines_are_the_conditional_means(lab: GaussianLab) -> None:
    turn(lab, "loss", "joint")
    _, true_u, true_v, model_u, model_v, *_ = map(points, lab.ellipses.widget.data)
    for line, slope in ((true_u, 2 / 3), (model_u, 0.5)):
        assert np.allclose(line[:, 0], slope * line[:, 1]) and abs(line[0, 1]) == 3
    for line, slope in ((true_v, 2 / 3), (model_v, 0.5)):
        assert np.allclose(line[:, 1], slope * line[:, 0]) and abs(line[0, 0]) == 3


def test_the_densities_are_those_of_the_conditionals_at_one(lab: GaussianLab) -> None:
    lab.state = {"loss": "u|v", "tilting": "squared_euclidean"}
    traces = lab.sides.widget.data
    right, neglected = (2 / 3, V * 5 / 9), (3 / 7, 15 / 28)
    for k, (mean, var) in zip((0, 1, 3, 4), (right, right, right, neglected), strict=True):
        trace = traces[k]
        x, y = points(trace).T
        assert np.allclose(y, np.exp(-((x - mean) ** 2) / (2 * var)) / np.sqrt(2 * np.pi * var))
    assert np.allclose(points(traces[6])[:, 1], 2 / 3)


def test_the_axes_hold_every_model_and_never_move(lab: GaussianLab) -> None:
    before = [picture.widget.layout.to_plotly_json() for picture in (lab.ellipses, lab.sides)]
    for sigma in (0.0, 2 / 3, 0.9):
        for loss in LOSSES:
            for tilting in ("dot", "squared_euclidean"):
                lab.state = {"sigma": [sigma], "loss": loss, "tilting": tilting}
                model, densities = lab.ellipses.widget.data[5], lab.sides.widget.data[:6]
                assert np.abs(points(model)).max() <= gaussian_pictures.REACH
                assert all(points(d)[:, 1].max() <= gaussian_pictures.TOP for d in densities if len(points(d)))
    assert [picture.widget.layout.to_plotly_json() for picture in (lab.ellipses, lab.sides)] == before


# the square


@pytest.mark.parametrize(("loss", "place"), [(name, row.corner) for name, row in LOSSES.items() if name != "square"])
def test_named_losses_stand_at_their_corners(lab: GaussianLab, loss: str, place: Any) -> None:
    turn(lab, "loss", loss)
    assert points(lab.square.widget.data[0]).tolist() == ([] if place is None else [list(place)])
    assert ("not in it" in lab.place_head.value) == (place is None)


def test_walking_is_the_loss_of_that_place(lab: GaussianLab) -> None:
    turn(lab, "kappa_u", 0.3)
    turn(lab, "kappa_v", 0.6)
    assert lab.state["loss"] == "square" and "between the corners" in lab.pill.value
    assert points(lab.square.widget.data[0]).tolist() == [[0.3, 0.6]]
    least = min(
        gaussian.population_loss("unbalanced", lab.scene.truth, kappa=(0.3, 0.6))([[a]]).item()
        for a in np.linspace(0.3, 0.8, 501)
    )
    assert lab.scene.best.kl == pytest.approx(least + lab.scene.truth.mutual_information, abs=1e-6)
    assert f"<b>{lab.scene.best.kl:.4f}</b>" in lab.formula.value


def test_a_click_walks(lab: GaussianLab) -> None:
    found = type("Found", (), {"point_inds": [11 * 4 + 7]})()
    for callback in lab.square.widget.data[2]._click_callbacks:
        callback(None, found, None)
    assert lab.state["kappa"] == [0.7, 0.4] and lab.state["loss"] == "square"
    assert (lab.knobs["kappa_u"].control.value, lab.knobs["kappa_v"].control.value) == (0.7, 0.4)


def test_the_corners_say_what_they_reach(lab: GaussianLab) -> None:
    said = [note.text for note in lab.square.widget.layout.annotations]
    assert said == [
        "<b>joint</b><br>KL 0.104", "<b>u|v</b><br>KL 0.072", "<b>v|u</b><br>KL 0.072", "<b>Sinkhorn</b><br>KL 0.000",
    ]  # fmt: skip
    turn(lab, "sigma_1", 0.9)
    assert [note.text for note in lab.square.widget.layout.annotations] != said


def test_a_half_step_s_corner_is_the_plan_and_not_the_tilted_product(lab: GaussianLab) -> None:
    turn(lab, "loss", "u|v")
    assert readouts(lab, 2)[7] == 0.1433
    turn(lab, "kappa_v", 0.9)
    turn(lab, "kappa_v", 1.0)
    assert np.allclose(readouts(lab, 2), [0.6667, 1.5, 0.4615, 1.0385, 2.1667, 1.5, 1.0, 0.0717], atol=1.01e-4)


# learning


def test_learning_shows_the_bias_of_small_batches(lab: GaussianLab) -> None:
    lab.state = {"sigma": [0.9], "batch": 8}
    for _ in range(3):
        lab.buttons["learn"].click()
    assert [run.batch for run in lab.scene.runs] == [8, 8, 8] and lab.state["seed"] == 2
    slopes = [run.slopes[0] for run in lab.scene.runs]
    assert min(slopes) > 0.95 and len(set(slopes)) == 3
    assert np.allclose(points(lab.sides.widget.data[8]), [[8, slope] for slope in slopes])
    assert f"slope {slopes[-1]:.3f}, closed form 0.900" in lab.told.value
    turn(lab, "loss", "joint")
    assert lab.scene.runs == () and not lab.state["learned"]
    lab.buttons["learn"].click()
    assert lab.scene.runs[0].slopes[0] < 0.588


def test_runs_of_other_sizes_stay(lab: GaussianLab) -> None:
    lab.buttons["learn"].click()
    turn(lab, "batch", 16)
    assert len(points(lab.sides.widget.data[8])) == 1 and len(points(lab.ellipses.widget.data[6])) == 0
    lab.buttons["learn"].click()
    assert [run.batch for run in lab.scene.runs] == [64, 16]


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "wasserstein"])
@pytest.mark.parametrize("tilting", ["dot", "squared_euclidean"])
def test_what_is_learned_is_near_the_best(loss: str, tilting: str) -> None:
    scene = make_scene(State(sigma=(0.5,), loss=loss, tilting=tilting, batch=128, learned=True))
    assert scene.runs[0].slopes[0] == pytest.approx(scene.best.u_given_v.slope.item(), abs=0.12)


def test_a_learned_model_without_a_joint_law_says_so(lab: GaussianLab) -> None:
    lab.state = {"sigma": [0.9], "batch": 8, "learned": True}
    assert lab.scene.runs[0].slopes[0] > 1
    assert cells(lab.laws.value)[5][3] == "∞" and "infinite mass" in lab.told.value
    assert len(points(lab.ellipses.widget.data[6])) == 0 and len(points(lab.sides.widget.data[2])) > 0


def test_what_batches_cannot_tell_is_an_error_in_words_and_the_picture_stays(lab: GaussianLab) -> None:
    turn(lab, "loss", "wasserstein")
    before = seen(lab)
    lab.buttons["learn"].click()
    assert "compares laws" in message(lab)
    assert seen(lab) == before
    turn(lab, "loss", "joint")
    assert message(lab) == ""


# state, code, export


def test_the_state_survives_json(lab: GaussianLab) -> None:
    values = {"sigma": [0.8, 0.3], "rank": 2, "tilting": "squared_euclidean", "loss": "square", "kappa": [0.2, 0.9],
              "batch": 32, "seed": 4, "learned": True, "pair": 2}  # fmt: skip
    lab.state = values
    assert lab.state == {"lab": "gaussian"} | values
    again = GaussianLab.from_state(json.loads(lab.copy_state.text))
    assert again.state == lab.state
    assert seen(again)[0][-3:] == seen(lab)[0][-3:]
    again.close()


BAD = [
    ([], "a state is a dict"), ({"lab": "coupling"}, "the 'coupling' lab"), ({"sigmas": 1}, "did you mean 'sigma'"),
    ({"sigma": [1.0]}, "in [0, 0.9]"), ({"sigma": [0.1] * 3}, "one or two correlations"), ({"sigma": ["a"]}, "numbers"),
    ({"rank": 2}, "rank must be <= 1"), ({"pair": 2}, "pair must be <= 1"), ({"rank": 0}, "rank"),
    ({"loss": "jiont"}, "did you mean 'joint'"), ({"tilting": "dots"}, "did you mean 'dot'"),
    ({"loss": "square", "kappa": [0.5, 2]}, "kappa"), ({"loss": "joint", "kappa": [0.5, 0.5]}, "belongs to the loss"),
    ({"batch": 1}, "batch"), ({"batch": 4096}, "batch must be <= 256"), ({"seed": -1}, "seed"),
    ({"learned": 1}, "learned"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "words"), BAD)
def test_a_bad_state_is_refused_in_words_and_changes_nothing(lab: GaussianLab, values: Any, words: str) -> None:
    before = seen(lab)
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        lab.state = values
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        GaussianLab.from_state(values)
    assert seen(lab) == before


def test_change_moves_by_name(lab: GaussianLab) -> None:
    lab.change(loss="joint")
    lab.change(kappa=[0.5, 0.5])
    assert lab.state["loss"] == "square"
    lab.change(loss="sinkhorn")
    assert lab.state["kappa"] == [1.0, 1.0]
    with pytest.raises(ValueError, match="part of the state"):
        lab.change(loose="joint")


@pytest.mark.parametrize(
    "values", [{}, {"sigma": [0.8, 0.5], "loss": "square", "kappa": [0.2, 0.7]}, {"loss": "u|v", "tilting": "signed"}]
)
def test_the_code_computes_the_same_model(lab: GaussianLab, values: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(go.Figure, "show", lambda figure: None)
    lab.state = values
    out = io.StringIO()
    with redirect_stdout(out):
        exec(lab.code(), {})
    printed = float(re.search(r"model\) (-?[\d.]+)", out.getvalue())[1])
    assert printed == pytest.approx(lab.scene.best.kl, abs=2e-4)


def test_the_csv_has_the_numbers(lab: GaussianLab) -> None:
    rows = list(csv.reader(io.StringIO(lab.export._on_csv())))
    assert rows[0] == ["quantity", "coordinate", "truth", "best", "learned"]
    assert [float(x) for x in rows[1][2:4]] == pytest.approx([2 / 3, 2 / 3]) and rows[1][4] == ""
    assert ["two-sided", "dot"] in [row[:2] for row in rows]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_a_preset_says_what_to_look_for(lab: GaussianLab, preset: Any) -> None:
    lab.buttons[preset.name].click()
    assert lab.state == preset.state.to_dict() and lab.look.value == preset.look_for
    lab.buttons["reset"].click()
    assert lab.state == State().to_dict()
    assert message(lab) == ""


def test_a_link_opens_the_lab() -> None:
    lab = app(link({"lab": "gaussian", "loss": "joint"})).lab
    assert isinstance(lab, GaussianLab) and lab.state["loss"] == "joint"
    lab.close()


def test_both_themes(lab: GaussianLab) -> None:
    for dark, colours in ((True, DARK), (False, LIGHT)):
        lab.theme.dark = dark
        assert lab.ellipses.widget.data[3].line.color == colours["rows"]
        assert lab.ellipses.widget.data[4].line.color == colours["cols"]
        assert lab.square.widget.layout.font.color == colours["muted"]


def test_learning_is_the_same_again() -> None:
    state = State(batch=16, learned=True)
    first = learn(state).A
    learn.cache_clear()
    assert torch.equal(learn(state).A, first)


# the figures of the notebook


def test_laws_draws_a_panel_a_model() -> None:
    truth = gaussian.plane_example()
    models = {"one": gaussian.closed_form("conditional", truth), "two": truth}
    figure = gaussian_figures.laws(truth, models)
    assert len(figure.data) == 8 and [note.text.split("<br>")[0] for note in figure.layout.annotations] == [
        "<b>one</b>", "<b>two</b>", "v",
    ]  # fmt: skip
    assert figure.layout.xaxis.title.text == figure.layout.xaxis2.title.text == "u" and figure.layout.width is None
    assert "0.1433" in figure.layout.annotations[0].text
    assert on_ellipse(points(figure.data[3]), np.array([[2.7, 1.8], [1.8, 2.7]]))
    with pytest.raises(ValueError, match="at least one model"):
        gaussian_figures.laws(truth, {})


def test_against_draws_a_line_a_name() -> None:
    figure = gaussian_figures.against({"a": [1, 2], "b": [3, 4]}, [8, 16], name="n", quantity="q", log=True)
    assert [list(trace.y) for trace in figure.data] == [[1, 2], [3, 4]] and figure.layout.xaxis.type == "log"
    with pytest.raises(ValueError, match="each of the 2 x"):
        gaussian_figures.against({"a": [1]}, [8, 16], name="n", quantity="q")
