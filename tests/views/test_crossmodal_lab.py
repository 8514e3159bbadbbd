"""The crossmodal lab without a browser: what is turned, picked and drawn, against numbers computed by hand."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

import gca_playground as gca
from gca_playground.learning.experiments import lagrangian, modalities
from gca_playground.views import crossmodal_figures
from gca_playground.views.gallery import Gallery
from gca_playground.views.labs import crossmodal_flows, crossmodal_scene
from gca_playground.views.labs.crossmodal import CrossmodalLab
from gca_playground.views.labs.crossmodal_presets import PRESETS
from gca_playground.views.labs.crossmodal_state import BLANK, State, inked
from gca_playground.views.labs.link import app, link
from gca_playground.views.theme import DARK, LIGHT
from tests.views.hands import cells, message, plain, turn


@pytest.fixture(scope="module")
def one_lab() -> CrossmodalLab:
    return CrossmodalLab()


@pytest.fixture
def lab(one_lab: CrossmodalLab) -> CrossmodalLab:
    """A lab as if it had just been opened."""
    one_lab.theme.dark = False
    one_lab.state = {}
    return one_lab


@pytest.fixture
def new_lab() -> Iterator[CrossmodalLab]:
    lab = CrossmodalLab()
    yield lab
    lab.close()


def points(trace: Any) -> np.ndarray:
    return np.stack([np.asarray(trace.x, float), np.asarray(trace.y, float)], 1)


def seen(lab: CrossmodalLab) -> list[Any]:
    """Everything that a picture consists of."""
    pages, frame = (lab.digit_page, lab.drifter_page), lab.frame
    drawn = [points(trace).tolist() for page in pages for picture in page.pictures for trace in picture.widget.data
             if trace.type == "scatter"]  # fmt: skip
    galleries = [(g.pixels, g.captions, g.names, g.chosen) for g in (pages[0].heaviest, pages[0].means)]
    texts = (frame.formula, frame.pill, frame.look, *(page.table for page in pages), pages[0].ess, pages[0].says)
    controls = [knob.control.value for knob in lab.knobs.values()]
    return [repr(drawn), galleries, pages[0].sketch.pixels, [part.value for part in texts], controls]


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def scores_of(lab: CrossmodalLab) -> np.ndarray:
    return lab.scene.found.scores.numpy()


@pytest.fixture(scope="module")
def test_digits() -> Any:
    return gca.datasets.digit_pairs("label", split="test")


@pytest.fixture(scope="module")
def shares() -> np.ndarray:
    """Of the labels, in the training images."""
    labels = gca.datasets.digit_pairs("label", split="train").labels
    return np.bincount(labels, minlength=10) / len(labels)


# the digits, by hand


@pytest.mark.parametrize("loss", ["v|u", "two-sided"])
def test_the_model_is_that_of_the_table_of_experiments(loss: str, test_digits: Any) -> None:
    found = crossmodal_scene.trained_for(State(loss=loss))
    again = modalities.model_for(loss, seed=0).score(test_digits.view1, torch.eye(10))
    assert torch.equal(found.scores, again.double())


@pytest.mark.parametrize("label", [2, 7])
def test_images_of_a_label_are_the_column_softmax(lab: CrossmodalLab, test_digits: Any, label: int) -> None:
    turn(lab, "label", label)
    w = softmax(scores_of(lab), 0)[:, label]
    heavy = np.argsort(-w)[:10]
    assert lab.digit_page.heaviest.captions == [f"{w[k]:.3f}" for k in heavy]
    pictures = np.frombuffer(lab.digit_page.heaviest.pixels, np.uint8).reshape(10, 64)
    assert np.array_equal(pictures, np.rint(255 * test_digits.view1[heavy].numpy()))
    ess, count = 1 / (w**2).sum(), int((test_digits.labels == label).sum())
    assert f"those of {ess:.1f} images out of {count}" in plain(lab.digit_page.ess.value)
    assert f"1/Σw² = <b>{ess:.1f}</b>" in lab.frame.formula.value
    mean, true = w @ test_digits.view1.numpy(), test_digits.view1[test_digits.labels == label].mean(0).numpy()
    shown = np.frombuffer(lab.digit_page.means.pixels, np.uint8).reshape(2, 64)
    assert np.abs(shown - 255 * np.stack([mean, true])).max() <= 0.51
    assert lab.digit_page.means.captions[0] == f"weighted mean, {np.linalg.norm(mean - true):.2f} off"


def test_one_half_step_repairs_the_collapse(lab: CrossmodalLab, shares: np.ndarray) -> None:
    collapsed = lab.scene.ess
    turn(lab, "half_u", True)
    p = softmax(scores_of(lab) + np.log(shares), 1)
    w = (p / p.sum(0))[:, 2]
    assert np.allclose(lab.scene.weights, w, atol=1e-12)
    assert collapsed < 3 and lab.scene.ess == pytest.approx(1 / (w**2).sum()) and lab.scene.ess > 45
    assert "fit for both directions" in plain(lab.frame.pill.value) and message(lab) == ""
    rows = cells(lab.digit_page.table.value)
    assert float(rows[3][1]) < 15 < 45 < float(rows[3][2]) and rows[1][1] == rows[1][2]


def test_a_half_step_where_it_was_trained_is_refused_and_the_picture_stays(lab: CrossmodalLab) -> None:
    before = seen(lab)
    turn(lab, "half_v", True)
    assert "can be used as it is" in message(lab).replace("&#x27;", "'")
    assert seen(lab) == before and not lab.knobs["half_v"].control.value
    turn(lab, "loss", "two-sided")
    assert message(lab) == ""
    turn(lab, "half_u", True)
    assert "would undo what the loss has learnt" in message(lab) and lab.state["half_steps"] == []


def test_the_other_side_is_repaired_as_a_classifier(lab: CrossmodalLab, test_digits: Any, shares: np.ndarray) -> None:
    lab.state = {"loss": "u|v", "image": 1}
    raw = softmax(scores_of(lab)[1:2] + np.log(shares), 1)[0]
    assert np.allclose(lab.scene.probabilities, raw, atol=1e-6)
    assert f"a {test_digits.labels[1]}: says {raw.argmax()} ✗" in plain(lab.digit_page.says.value)
    turn(lab, "half_v", True)
    h = np.log(np.exp(lab.scene.found.library.numpy()).mean(0))
    fixed = softmax(scores_of(lab)[1:2] - h + np.log(shares), 1)[0]
    assert np.allclose(lab.scene.probabilities, fixed, atol=1e-6)
    assert f"says {test_digits.labels[1]} ✓" in plain(lab.digit_page.says.value)
    rows = cells(lab.digit_page.table.value)
    assert float(rows[1][1]) < 0.8 < 0.95 < float(rows[1][2])


def test_sinkhorn_is_fit_for_nothing_before_its_half_steps(lab: CrossmodalLab) -> None:
    turn(lab, "loss", "sinkhorn")
    assert "fit for neither" in plain(lab.frame.pill.value) and lab.scene.ess < 5
    turn(lab, "half_u", True)
    turn(lab, "half_v", True)
    assert "fit for both" in plain(lab.frame.pill.value) and message(lab) == ""
    assert lab.scene.now.accuracy > 0.95 and lab.scene.now.ess > 45


# the pictures


def test_the_sticks_are_the_weights_by_class(lab: CrossmodalLab, test_digits: Any) -> None:
    turn(lab, "half_u", True)
    own, others, alike = lab.digit_page.weights.widget.data
    order = np.argsort(test_digits.labels.numpy(), kind="stable")
    w = lab.scene.weights.numpy()[order]
    for trace, member in ((own, True), (others, False)):
        places = np.flatnonzero((w > 1e-4) & ((test_digits.labels.numpy()[order] == 2) == member))
        assert np.allclose(points(trace)[::3, 0], places) and np.allclose(points(trace)[1::3, 1], w[places])
    assert np.allclose(points(alike)[:, 1], 1 / (test_digits.labels == 2).sum())


def test_the_bars_are_the_probabilities(lab: CrossmodalLab) -> None:
    turn(lab, "image", 17)
    first, rest = (points(trace) for trace in lab.digit_page.labels.widget.data)
    p = lab.scene.probabilities.numpy()
    assert first[1].tolist() == [p.max(), p.argmax()] and len(rest) == 27
    assert np.allclose(rest[1::3, 0], np.delete(p, p.argmax()))
    assert np.frombuffer(lab.digit_page.sketch.pixels, np.uint8).reshape(8, 8).max() == 255
    assert "test image 17" in lab.digit_page.sketch.aria_text


def test_picking_and_drawing(lab: CrossmodalLab) -> None:
    lab.digit_page.heaviest._handle_custom_msg({"type": "pick", "index": 1}, [])
    assert lab.state["image"] == lab.scene.heaviest[1] and lab.digit_page.heaviest.chosen == 1
    lab.digit_page.clear.click()
    assert lab.state["drawing"] == BLANK and "your drawing" in lab.digit_page.says.value
    before = lab.scene.probabilities
    for cell in ((1, 3), (2, 3), (3, 3)):
        lab.digit_page.sketch._handle_custom_msg({"type": "paint", "cell": list(cell), "first": cell[0] == 1}, [])
    assert lab.scene.pixels.view(8, 8)[1:4, 3].tolist() == [1, 1, 1] and not torch.equal(
        lab.scene.probabilities, before
    )
    lab.digit_page.sketch._handle_custom_msg({"type": "paint", "cell": [1, 3], "first": True}, [])
    assert lab.scene.pixels.view(8, 8)[1:4, 3].tolist() == [0, 1, 1]
    turn(lab, "image", 3)
    assert lab.state["drawing"] == ""


def test_a_test_image_is_drawn_on_as_it_is(lab: CrossmodalLab, test_digits: Any) -> None:
    lab.paint(0, 0)
    wanted = test_digits.view1[0].clone()
    wanted[0], wanted[1], wanted[8] = 1.0, max(wanted[1], 5 / 16), max(wanted[8], 5 / 16)
    assert torch.equal(lab.scene.pixels, wanted)
    with pytest.raises(ValueError, match="a pixel lies in"):
        lab.paint(8, 0)


def test_a_pen_leaves_soft_edges() -> None:
    drawn = inked(BLANK, 0, 7, erase=False)
    assert drawn.count("g") == 1 and drawn.count("5") == 2 and drawn[7] == "g"
    assert inked(drawn, 0, 7, erase=True).count("5") == 2


# every control

MOVES = [("loss", "two-sided"), ("loss", "sinkhorn"), ("lambda_u", 0.5), ("lambda_v", 1.0), ("label", 4), ("image", 9),
         ("half_u", True)]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), MOVES)
def test_a_control_of_the_digits_moves_the_picture(lab: CrossmodalLab, name: str, value: Any) -> None:
    before = seen(lab)
    turn(lab, name, value)
    assert [a == b for a, b in zip(seen(lab), before, strict=True)].count(False) >= 3
    assert lab.knobs[name].control.value == value and message(lab) == ""


def test_weights_with_a_name_bear_it(lab: CrossmodalLab) -> None:
    turn(lab, "lambda_u", 1.0)
    assert lab.state["loss"] == "weighted" and lab.state["weights"] == [1.0, 2.0]
    turn(lab, "lambda_v", 1.0)
    assert lab.state["loss"] == "two-sided" and lab.knobs["loss"].control.value == "two-sided"
    assert "nothing" not in lab.frame.look.value and "fit for both" in lab.frame.pill.value


def test_no_weight_at_all_is_an_error_in_words(lab: CrossmodalLab) -> None:
    before = seen(lab)
    turn(lab, "lambda_v", 0.0)
    assert "must not both be 0" in message(lab)
    assert seen(lab) == before


def test_going_back_is_instant_and_the_sign_says_what_goes_on(lab: CrossmodalLab, monkeypatch: Any) -> None:
    turn(lab, "loss", "two-sided")
    said: list[str] = []
    lab.frame.busy.observe(lambda change: said.append(plain(change["new"])), "value")
    monkeypatch.setattr(gca.crossmodal, "fit", None)
    turn(lab, "loss", "v|u")
    lab.frame.busy.unobserve_all("value")
    assert said[0].startswith("⏳ training") and re.fullmatch(r"trained in [\d.]+ s, seed 0", said[-1])


def test_another_seed_is_another_model(lab: CrossmodalLab) -> None:
    before = lab.scene.ess
    lab.frame.buttons["new seed"].click()
    assert lab.state["seed"] == 1 and lab.scene.ess != before and "seed 1" in lab.frame.busy.value


# the drifters


@pytest.fixture
def drifters(lab: CrossmodalLab) -> CrossmodalLab:
    lab.state = {"tab": "drifters", "path": 2}
    return lab


def test_recall_is_that_of_the_library_and_of_the_table(drifters: CrossmodalLab) -> None:
    found, problem = drifters.scene.found, lagrangian.problem_for(3, seed=0)
    told = lagrangian.judged(found.model, problem)
    flow, path, _ = drifters.drifter_page.recall.widget.data
    assert (flow.y[0], flow.y[4], path.y[0], path.y[4]) == tuple(told[name] for name in lagrangian.RECALLS)
    assert f"R@1 = <b>{told['flow_r1']:.3f}</b>" in drifters.frame.formula.value
    assert cells(drifters.drifter_page.table.value)[1][1:] == [f"{told['flow_r1']:.3f}", f"{told['flow_r5']:.3f}"]


def test_the_answers_are_the_best_of_the_list(drifters: CrossmodalLab) -> None:
    column = drifters.scene.found.scores[:, 2].numpy()
    best = np.argsort(-column)[:4]
    assert drifters.scene.answers == best.tolist()
    assert drifters.scene.rank == 1 + int((column > column[2]).sum())
    assert f"number {drifters.scene.rank} by likelihood" in drifters.frame.pill.value
    u, library = drifters.scene.problem.data.test_u.numpy(), drifters.scene.found.library[:, 2].double().numpy()
    w = softmax(library[:, None], 0)[:, 0]
    mean = w @ drifters.scene.problem.data.u.numpy()
    errors = [((guess - u[2]) ** 2).mean() for guess in (mean, *u[best])]
    assert np.allclose(drifters.scene.errors, errors, atol=1e-6)
    titles = [note.text for note in drifters.drifter_page.flows.widget.layout.annotations]
    assert titles[1] == f"mean, error {errors[0]:.2f}" and titles[2].endswith(f"error {errors[1]:.2f}")
    assert ["✓" in title for title in titles[2:]] == [k == 2 for k in best]
    told, look = plain(drifters.drifter_page.told.value), drifters.frame.look.value
    assert f"{errors[0]:.2f} from the true flow, the first answer {errors[1]:.2f}" in told and look not in told


def test_the_pictures_are_streamfunctions(drifters: CrossmodalLab) -> None:
    data = drifters.drifter_page.flows.widget.data
    flow = gca.datasets.drifter_pairs(3500, tracers=3, seed=0)
    a, b = (flow.view1[3002] * crossmodal_figures.scales()).double().chunk(2)
    world = crossmodal_figures.random_flow(1)
    x, y = 10 / 40, 30 / 40
    phase = 2 * np.pi * (world.waves @ torch.tensor([x, y], dtype=torch.float64)) + 0.5 * world.omega
    assert data[0].z[30][10] == pytest.approx(float((a * phase.cos() + b * phase.sin()).sum()), abs=1e-6)
    seen_at = flow.view2[3002].view(3, 12, 2)
    assert np.allclose(drifters.scene.path[:, 1:], torch.tensor(crossmodal_flows.STARTS)[:, None] + seen_at, atol=1e-6)
    assert np.allclose(points(data[2]), crossmodal_flows.STARTS)


def test_wrapped_paths_stay_in_the_square_but_for_the_crossing() -> None:
    line = crossmodal_figures.wrapped([[[0.8, 0.5], [1.1, 0.6], [1.3, 0.6]]])
    assert np.allclose(line.x, [0.8, 1.1, np.nan, -0.2, 0.1, 0.3, np.nan], equal_nan=True)
    assert np.allclose(line.y, [0.5, 0.6, np.nan, 0.5, 0.6, 0.6, np.nan], equal_nan=True)


@pytest.mark.parametrize(("name", "value"), [("tilting", "dot"), ("tracers", 1), ("path", 7), ("prior", True)])
def test_a_control_of_the_drifters_moves_the_picture(drifters: CrossmodalLab, name: str, value: Any) -> None:
    before, answers = seen(drifters), drifters.scene.found.scores
    turn(drifters, name, value)
    assert seen(drifters)[0] != before[0] and message(drifters) == ""
    assert (drifters.scene.found.scores is answers) == (name in ("path", "prior"))


def test_the_prior_repairs_the_inner_product_alone(drifters: CrossmodalLab) -> None:
    found = {}
    for tilting in ("dot", "squared_euclidean"):
        drifters.state = {"tab": "drifters", "tilting": tilting}
        plain_recall = drifters.scene.curves[0][0]
        turn(drifters, "prior", True)
        with_prior = gca.crossmodal.recall(drifters.scene.found.scores, 1, log_prior=drifters.scene.found.log_prior)
        assert drifters.scene.curves[0][0] == with_prior
        found[tilting] = with_prior / plain_recall
    assert found["dot"] > 1.5 and found["squared_euclidean"] < 1


def test_the_tabs_change_places_and_keep_what_was_there(lab: CrossmodalLab) -> None:
    turn(lab, "label", 5)
    turn(lab, "tab", "drifters")
    assert lab.digit_page.weights.widget not in lab.frame.body.children[1].children
    assert lab.frame.export.choices[0][0] == "flows (PNG)"
    with pytest.raises(ValueError, match="choose the tab 'digits'"):
        lab.paint(0, 0)
    turn(lab, "tab", "digits")
    assert lab.state["label"] == 5 and lab.frame.export.choices[0][0] == "weights (PNG)"


# state, code, export


@pytest.mark.parametrize(
    "values",
    [
        {"loss": "weighted", "weights": [0.5, 1.5], "label": 3, "image": 8, "seed": 0},
        {"loss": "u|v", "half_steps": ["v|u"], "drawing": PRESETS[4].state.drawing},
        {"tab": "drifters", "tilting": "dot", "tracers": 3, "path": 9, "prior": True},
    ],
)
def test_the_state_survives_json(lab: CrossmodalLab, values: dict[str, Any]) -> None:
    lab.state = values
    assert lab.state == State().to_dict() | lab.state | values
    again = CrossmodalLab.from_state(json.loads(lab.copy_state.text))
    assert again.state == lab.state and again.frame.formula.value == lab.frame.formula.value
    again.close()


BAD = [
    ([], "a state is a dict"), ({"lab": "coupling"}, "the 'coupling' lab"), ({"lable": 1}, "did you mean 'label'"),
    ({"tab": "digit"}, "did you mean 'digits'"), ({"loss": "two-side"}, "did you mean 'two-sided'"),
    ({"loss": "u|v", "weights": [0, 2]}, "belong to the loss 'weighted'"), ({"weights": [0, 0]}, "not both be 0"),
    ({"weights": [3, 0]}, "in [0, 2]"), ({"weights": "a"}, "two numbers"), ({"label": 10}, "label must be <= 9"),
    ({"image": 500}, "image must be <= 499"), ({"image": 1.5}, "image"), ({"drawing": "00"}, "drawing must be"),
    ({"drawing": "z" * 64}, "drawing must be"), ({"half_steps": "u|v"}, "a list of directions"),
    ({"half_steps": ["v|u"]}, "can be used as it is"), ({"half_steps": ["u"]}, "direction"),
    ({"tilting": "dots"}, "did you mean 'dot'"), ({"tracers": 2}, "1 or 3"), ({"tracers": True}, "1 or 3"),
    ({"path": -1}, "path"), ({"prior": 1}, "prior must be true or false"), ({"seed": -1}, "seed"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "words"), BAD)
def test_a_bad_state_is_refused_in_words_and_changes_nothing(lab: CrossmodalLab, values: Any, words: str) -> None:
    before = seen(lab)
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        lab.state = values
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        CrossmodalLab.from_state(values)
    assert seen(lab) == before


def test_change_moves_by_name(lab: CrossmodalLab) -> None:
    lab.change(half_steps=["u|v"])
    lab.change(loss="two-sided")
    assert lab.state["weights"] == [1.0, 1.0] and lab.state["half_steps"] == []
    lab.change(weights=[0.5, 1.5], label=1)
    assert lab.state["loss"] == "weighted" and lab.state["label"] == 1
    with pytest.raises(ValueError, match="part of the state"):
        lab.change(los="u|v")


CODES = [{}, {"half_steps": ["u|v"], "label": 7}, {"loss": "u|v", "half_steps": ["v|u"], "image": 5},
         {"loss": "sinkhorn", "half_steps": ["u|v", "v|u"]}, {"loss": "weighted", "weights": [0.5, 1.5]},
         {"loss": "two-sided", "drawing": PRESETS[4].state.drawing}]  # fmt: skip


@pytest.mark.parametrize("values", CODES)
def test_the_code_computes_the_same_digits(lab: CrossmodalLab, values: Any, monkeypatch: Any) -> None:
    said = output(lab, values, monkeypatch)
    assert float(re.search(r"those of ([\d.]+)", said)[1]) == pytest.approx(lab.scene.ess, abs=1e-3)
    guess, p = re.search(r"image: (\d), probability ([\d.]+)", said).groups()
    assert int(guess) == lab.scene.guess and float(p) == pytest.approx(lab.scene.probabilities.max().item(), abs=1e-3)


@pytest.mark.parametrize("prior", [False, True])
def test_the_code_computes_the_same_drifters(lab: CrossmodalLab, prior: bool, monkeypatch: Any) -> None:
    said = output(lab, {"tab": "drifters", "tilting": "dot", "path": 4, "prior": prior}, monkeypatch)
    assert f"R@1 {lab.scene.curves[0][0]} answers {lab.scene.answers}" in said
    assert f"error {lab.scene.errors[0]:.4f}" in said


def output(lab: CrossmodalLab, values: Any, monkeypatch: Any) -> str:
    """What the lab's code prints, run as a plain script with one thread, as the lab."""
    threads = torch.get_num_threads()
    monkeypatch.setattr(go.Figure, "show", lambda figure: None)
    lab.state, out = values, io.StringIO()
    with redirect_stdout(out):
        exec(lab.code(), {})
    torch.set_num_threads(threads)
    return out.getvalue()


def test_the_csv_has_the_numbers(lab: CrossmodalLab) -> None:
    rows = list(csv.reader(io.StringIO(lab.frame.export._on_csv())))
    weights = rows[rows.index(["image", "class", "weight"]) + 1 :]
    assert len(weights) == 500 and sum(float(row[2]) for row in weights) == pytest.approx(1)
    lab.change(tab="drifters")
    rows = list(csv.reader(io.StringIO(lab.frame.export._on_csv())))
    assert [float(x) for x in rows[1]] == [1, lab.scene.curves[0][0], lab.scene.curves[1][0]] and rows[22][0] == "mean"


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_a_preset_says_what_to_look_for(lab: CrossmodalLab, preset: Any) -> None:
    lab.frame.buttons[preset.name].click()
    assert lab.state == preset.state.to_dict() and lab.frame.look.value == preset.look_for
    lab.frame.buttons["reset"].click()
    assert lab.state == State().to_dict() and message(lab) == ""


def test_what_the_presets_say_is_so(lab: CrossmodalLab) -> None:
    by_name = {preset.name: preset.state for preset in PRESETS}
    lab.state = by_name["collapse"].to_dict()
    assert lab.scene.weights.topk(2).values.sum() > 0.9
    lab.state = by_name["the other side"].to_dict()
    assert (lab.scene.truth, lab.scene.guess) == (9, 1)
    lab.state = by_name["draw"].to_dict()
    assert lab.scene.guess == 3
    lab.state = by_name["drifters"].to_dict()
    assert lab.scene.curves[0][0] == pytest.approx(0.7, abs=0.05)


def test_a_link_opens_the_lab() -> None:
    lab = app(link({"lab": "crossmodal", "loss": "two-sided"})).lab
    assert isinstance(lab, CrossmodalLab) and lab.state["loss"] == "two-sided"
    lab.close()


def test_both_themes(lab: CrossmodalLab) -> None:
    lab.change(tab="drifters")
    for dark, colours in ((True, DARK), (False, LIGHT)):
        lab.theme.dark = dark
        assert lab.digit_page.weights.widget.data[0].line.color == colours["rows"]
        assert lab.drifter_page.flows.widget.data[1].line.color == colours["cols"]
        assert lab.drifter_page.recall.widget.layout.font.color == colours["muted"]


# the gallery, and the figures of the notebook


def test_a_gallery_refuses_what_it_cannot_draw() -> None:
    gallery = Gallery(label="some")
    for pictures, words in ((np.zeros((2, 4)), "(n, rows, cols)"), (np.full((1, 2, 2), 2.0), "lie in [0, 1]")):
        with pytest.raises(ValueError, match=re.escape(words)):
            gallery.show(pictures, [""] * len(pictures), [""] * len(pictures))
    heard: list[int] = []
    gallery.on_pick(heard.append)
    gallery.show(np.zeros((2, 3, 3)), ["a", "b"], ["first", "second"])
    gallery._handle_custom_msg({"type": "pick", "index": 1}, [])
    gallery.pickable = True
    for index in (1, 2, -1):
        gallery._handle_custom_msg({"type": "pick", "index": index}, [])
    assert heard == [1]


def test_strips_draw_an_image_a_caption(test_digits: Any) -> None:
    figure = crossmodal_figures.strips(
        {"one": (test_digits.view1[:3], ["a", "b", "c"]), "two": (torch.ones(1, 64), ["d"])}
    )
    assert len(figure.data) == 4 and [note.text for note in figure.layout.annotations] == [
        "a",
        "b",
        "c",
        "one",
        "d",
        "two",
    ]
    assert np.allclose(figure.data[1].z, test_digits.view1[1].view(8, 8))
    for rows, words in (({}, "at least one row"), ({"x": (torch.ones(2, 64), ["a"])}, "a caption each")):
        with pytest.raises(ValueError, match=words):
            crossmodal_figures.strips(rows)


def test_flow_panels_need_titles() -> None:
    flows = crossmodal_figures.streamfunctions(torch.zeros(2, 12))
    figure = crossmodal_figures.flow_panels(flows, ["a", "b"])
    assert [trace.type for trace in figure.data] == ["contour", "scatter", "scatter"] * 2
    assert not np.any(figure.data[0].z) and len(figure.data[1].x) == 0
    with pytest.raises(ValueError, match="a title for each flow"):
        crossmodal_figures.flow_panels(flows, ["a"])
