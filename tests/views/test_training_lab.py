"""The training lab without a browser: what is turned, clicked and played, against numbers computed by hand."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import pytest
import torch

import gca_playground as gca
from gca_playground.alignment import LOSSES
from gca_playground.views.labs import training_pictures as pictures
from gca_playground.views.labs import training_words
from gca_playground.views.labs.link import app
from gca_playground.views.labs.target import TargetLab
from gca_playground.views.labs.training import TrainingLab
from gca_playground.views.labs.training_run import Frame, Frames, Run, _drawn
from gca_playground.views.labs.training_state import PLAIN_LOSSES, Material, Side, State, arguments, script
from gca_playground.views.matrix_view import plan_levels
from gca_playground.views.theme import DARK, LIGHT
from tests.views.hands import message, turn

SMALL = {"data": {"name": "moons", "options": {"n": 48}}, "batch": 24}
UOT = {"loss": "gca-uot"}
BOTH = [{"loss": "infonce"}, UOT]


def opened(**changes: Any) -> TrainingLab:
    return TrainingLab(state=SMALL | changes)


@pytest.fixture(scope="module")
def one_lab() -> Iterator[TrainingLab]:
    lab = opened()
    yield lab
    lab.close()


@pytest.fixture
def lab(one_lab: TrainingLab) -> TrainingLab:
    """A lab as if it had just been opened."""
    one_lab._restart(State.from_dict(SMALL, one_lab._first()))
    return one_lab


def points(lab: TrainingLab, side: int = 0) -> np.ndarray:
    """The points that are drawn in front, in the order of the batch."""
    picture = lab.cards[side].picture
    found = np.full((len(lab.run.kinds), 2), np.nan)
    for trace, rows in enumerate(picture._members):
        drawn = picture.widget.data[2 + trace]
        found[rows] = np.stack([drawn.x, drawn.y], 1) if len(rows) else found[rows]
    return found


def played(act: Callable[[], Any]) -> Any:
    """What an act that may wait gives, in an event loop."""
    return asyncio.run(act())


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("waited in vain")


# what is seen is what was learnt


@torch.no_grad()
def test_the_plan_and_the_points_are_those_of_the_encoder(lab: TrainingLab) -> None:
    lab.step(3)
    session = lab.run.sessions[0]
    z, w = (session.encoder(view) for view in session.probe.batch[:2])
    plan = torch.softmax((z @ w.T).double() / 0.2, 1).numpy()
    shown = np.frombuffer(lab.cards[0].matrix.pixels, np.uint8).reshape(plan.shape)
    assert np.abs(shown.astype(int) - plan_levels(plan)).max() <= 1  # kept in half precision for replay
    np.testing.assert_allclose(points(lab), z.numpy(), atol=1e-6)
    assert lab.run.kinds == sorted(lab.run.kinds)
    columns = np.frombuffer(lab.cards[0].matrix.col_bars, "<f4")
    np.testing.assert_allclose(columns, plan.sum(0), rtol=1e-4)


def test_the_curves_are_the_history(lab: TrainingLab) -> None:
    lab.step(41)
    history = lab.run.sessions[0].history
    losses, alignment = lab.curves.widget.data[0], lab.curves.widget.data[2]
    np.testing.assert_allclose(losses.y, history.losses)
    np.testing.assert_allclose(alignment.x, [0, 20, 40])
    np.testing.assert_allclose(alignment.y, history["alignment"])


def test_the_words_tell_step_and_numbers(lab: TrainingLab) -> None:
    lab.step(2)
    assert "step <b>2</b>" in lab.where.value and "moons" in lab.where.value
    assert f"<b>{lab.run.sessions[0].history.losses[-1]:.3f}</b>" in lab.cards[0].formula.value
    assert "<b>0.2</b>" in lab.cards[0].formula.value and "InfoNCE" in lab.cards[0].pill.value


def test_the_pointer_on_the_plan_rings_the_point(lab: TrainingLab) -> None:
    lab.cards[0].matrix.hover = (5, -1)
    ring = lab.cards[0].picture.widget.data[-1]
    np.testing.assert_allclose([ring.x[0], ring.y[0]], points(lab)[5])
    assert "row 5, class" in lab.cards[0].matrix.caption
    lab.cards[0].matrix.hover = (-1, -1)
    assert len(ring.x) == 0 and lab.cards[0].matrix.caption == " "


# what is turned holds from the next step on

LIVE = [
    ("left epsilon", 0.5), ("left rows", 0.5), ("left cols", 1.0), ("left steps", 4),
    ("left loss", "infonce"), ("left loss", "iot"), ("lr", 0.02), ("batch", 16),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), LIVE)
def test_a_live_knob_changes_the_next_step_and_nothing_before(lab: TrainingLab, name: str, value: Any) -> None:
    lab.state = SMALL | {"sides": [UOT]}
    lab.reset()
    lab.step(2)
    losses = list(lab.run.sessions[0].history.losses)
    turn(lab, name, value)
    assert message(lab) == "" and lab.run.steps == 2
    lab.step(2)
    here = lab.run.sessions[0]
    assert here.history.losses[:2] == losses
    assert here.loss.alignment == lab._state.sides[0].alignment
    assert (here.pace.lr, here.pace.batch) == (lab._state.lr, lab._state.batch)
    fresh = opened(sides=[UOT])
    fresh.step(4)
    assert fresh.run.sessions[0].history.losses[:2] == losses
    weights = [torch.cat([p.ravel() for p in one.encoder.parameters()]) for one in (here, fresh.run.sessions[0])]
    assert not torch.equal(*weights)
    fresh.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [("data", "circles"), ("mismatched", 0.3), ("encoder", "linear"), ("surface", "sphere"), ("seed", 3)],
)
def test_other_data_or_another_network_begin_anew(lab: TrainingLab, name: str, value: Any) -> None:
    lab.step(2)
    turn(lab, name, value)
    assert message(lab) == "" and lab.run.steps == 0
    lab.step(1)
    assert lab.run.steps == 1


@pytest.mark.parametrize("loss", PLAIN_LOSSES)
def test_every_loss_learns_and_is_drawn(lab: TrainingLab, loss: str) -> None:
    turn(lab, "left loss", loss)
    lab.step(2)
    assert message(lab) == "" and lab.cards[0].title.value == loss
    rows = lab.cards[0].matrix.shape[0]
    assert rows == len(lab.run.kinds) * (2 if loss == "nt-xent" else 1)
    assert np.isfinite(points(lab)).all()


@pytest.mark.parametrize("surface", ["circle", "sphere", "plane", "8 dimensions"])
def test_every_surface_is_drawn(lab: TrainingLab, surface: str) -> None:
    turn(lab, "surface", surface)
    lab.step(3)
    assert message(lab) == ""
    drawn = points(lab)
    assert np.isfinite(drawn).all()
    high = lab.cards[0].picture.widget.layout.xaxis.range[1]
    assert np.abs(drawn).max() <= high
    assert (lab.turner in lab.panel.children) == (surface == "sphere")


def test_the_sphere_turns(lab: TrainingLab) -> None:
    turn(lab, "surface", "sphere")
    lab.turner.value = 0.0
    before = points(lab)
    lab.turner.value = np.pi
    after = points(lab)
    z = lab.shown.shots[0].z
    np.testing.assert_allclose(before[:, 0], z[:, 1], atol=1e-6)
    np.testing.assert_allclose(after[:, 0], -z[:, 1], atol=1e-6)


def test_what_is_refused_leaves_all_as_it_was(lab: TrainingLab) -> None:
    lab.step(1)
    before = lab.state, lab.cards[0].matrix.pixels
    turn(lab, "encoder", "cnn")
    assert "square" in message(lab)
    assert (lab.state, lab.cards[0].matrix.pixels) == before
    assert lab.knobs["encoder"].control.value == "mlp"
    turn(lab, "batch", 256)
    assert "batch" in message(lab) and lab.state == before[0]
    turn(lab, "batch", 16)
    assert message(lab) == ""


def test_with_the_total_mass_only_there_are_no_sides(lab: TrainingLab) -> None:
    turn(lab, "left loss", "joint")
    assert all(lab.knobs[f"left {name}"].control.disabled for name in ("rows", "cols", "steps"))
    turn(lab, "left loss", "infonce")
    assert not lab.knobs["left rows"].control.disabled


# reset, replay, compare


def test_reset_gives_the_same_trajectory(lab: TrainingLab) -> None:
    lab.step(6)
    first = [frame.shots[0].z for frame in lab.run.frames.kept]
    lab.buttons["reset"].click()
    assert lab.run.steps == 0 and len(lab.run.frames.kept) == 1
    lab.step(6)
    assert len(first) == 7 and all(
        np.array_equal(a, b.shots[0].z) for a, b in zip(first, lab.run.frames.kept, strict=True)
    )


def test_a_new_seed_gives_another(lab: TrainingLab) -> None:
    before = lab.shown.shots[0].z
    lab.buttons["new seed"].click()
    assert lab.state["seed"] == 1 and not np.array_equal(before, lab.shown.shots[0].z)


def test_the_scrubber_replays_and_the_training_goes_on_from_its_end(lab: TrainingLab) -> None:
    lab.step(8)
    end = points(lab)
    lab.scrubber.value = 3
    assert "step <b>3</b>" in lab.where.value
    np.testing.assert_allclose(points(lab), lab.run.frames.kept[3].shots[0].z, atol=1e-6)
    np.testing.assert_allclose(lab.curves.widget.data[-1].x, [3, 3])
    assert not np.allclose(points(lab), end)
    lab.buttons["step"].click()
    assert lab.run.steps == 9 and lab.scrubber.value == 9 and len(lab.curves.widget.data[-1].x) == 0


def test_frames_are_bounded_and_evenly_spaced() -> None:
    frames = Frames(most=16)
    for step in range(1000):
        if frames.wants(step):
            frames.add(Frame(step, ()))
    steps = [frame.step for frame in frames.kept]
    assert 8 <= len(steps) <= 16 and steps[0] == 0 and len(set(np.diff(steps))) == 1


def test_both_sides_share_data_seed_and_first_weights() -> None:
    lab = opened(sides=BOTH)
    left, right = lab.shown.shots
    assert np.array_equal(left.z, right.z) and len(lab.stage.children) == 2
    lab.step(3)
    left, right = lab.shown.shots
    assert not np.array_equal(left.z, right.z)
    alone = opened()
    alone.step(3)
    assert np.array_equal(alone.shown.shots[0].z, left.z)
    turn(lab, "compare", False)
    assert len(lab.stage.children) == 1 and len(lab.run.sessions) == 1
    turn(lab, "compare", True)
    assert [side["loss"] for side in lab.state["sides"]] == ["infonce", "gca-uot"]
    colours = [lab.knobs[f"{which} epsilon"].control.colour for which in ("left", "right")]
    assert colours == ["rows", "cols"]
    for one in (lab, alone):
        one.close()


def test_the_right_slider_turns_the_right_side_only() -> None:
    lab = opened(sides=BOTH)
    before = [side.alignment for side in lab._state.sides]
    turn(lab, "right epsilon", 0.5)
    after = [side.alignment for side in lab._state.sides]
    assert after[0] == before[0] and after[1].epsilon == 0.5
    assert lab.run.sessions[1].loss.alignment.epsilon == 0.5 and lab.run.sessions[0].loss.alignment.epsilon == 0.2
    lab.close()


# the loop


def test_it_plays_and_answers_while_it_does() -> None:
    async def act() -> TrainingLab:
        lab = opened()
        lab.player.playing = True
        await until(lambda: lab.run.steps > 5)
        assert lab.loop.running and lab.scrubber.disabled
        turn(lab, "left epsilon", 0.5)
        assert lab.run.sessions[0].loss.alignment.epsilon == 0.5
        lab.player.playing = False
        steps = lab.run.steps
        await until(lambda: not lab.loop.running)
        assert lab.run.steps == steps and not lab.scrubber.disabled
        assert lab.scrubber.value == steps and f"step <b>{steps}</b>" in lab.where.value
        return lab

    played(act).close()


def test_playing_and_stepping_give_one_trajectory() -> None:
    async def act() -> TrainingLab:
        lab = opened()
        lab.player.playing = True
        await until(lambda: lab.run.steps > 8)
        lab.player.playing = False
        await until(lambda: not lab.loop.running)
        return lab

    lab, other = played(act), opened()
    other.step(lab.run.steps)
    assert lab.run.sessions[0].history.losses == other.run.sessions[0].history.losses
    assert np.array_equal(lab.shown.shots[0].z, other.shown.shots[0].z)
    for one in (lab, other):
        one.close()


def test_an_error_while_it_plays_stands_in_the_box(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> TrainingLab:
        lab = opened()
        lab.step(2)
        seen = lab.cards[0].matrix.pixels

        def fails(k: int = 1) -> float:
            raise ValueError("the loss is nan at step 2")

        monkeypatch.setattr(lab.run.sessions[0], "step", fails)
        lab.player.playing = True
        await until(lambda: not lab.player.playing)
        await until(lambda: not lab.loop.running)
        assert message(lab) == "the loss is nan at step 2" and lab.cards[0].matrix.pixels == seen
        monkeypatch.undo()
        lab.player.playing = True
        await until(lambda: lab.run.steps > 3)
        assert message(lab) == ""
        lab.player.playing = False
        await until(lambda: not lab.loop.running)
        return lab

    played(act).close()


def test_closing_ends_the_task_and_two_labs_play_at_once() -> None:
    async def act() -> None:
        one, two = opened(), opened()
        one.player.playing = two.player.playing = True
        await until(lambda: min(one.run.steps, two.run.steps) > 3)
        one.close()
        await until(lambda: not one.loop.running)
        steps = one.run.steps, two.run.steps
        await until(lambda: two.run.steps > steps[1] + 2)
        assert one.run.steps == steps[0]
        two.close()
        await until(lambda: not two.loop.running)

    played(act)


def test_an_interrupt_stops_the_player_and_says_so() -> None:
    async def act() -> TrainingLab:
        lab = opened()
        lab.player.playing = True
        await until(lambda: lab.run.steps > 1)
        lab.loop._hear_interrupt()
        await until(lambda: not lab.loop.running)
        return lab

    lab = played(act)
    assert not lab.player.playing and "interrupted after" in message(lab)
    lab.close()


def test_without_an_event_loop_play_says_what_to_do(lab: TrainingLab) -> None:
    lab.player.playing = True
    assert not lab.player.playing and "single steps" in message(lab)


def test_a_preset_a_reset_and_other_data_while_it_plays() -> None:
    async def act() -> TrainingLab:
        lab = opened()
        lab.player.playing = True
        await until(lambda: lab.run.steps > 1)
        turn(lab, "data", "blobs")
        assert lab.player.playing and lab.run.data.name == "blobs"
        await until(lambda: lab.run.steps > 1)
        lab.buttons["reset"].click()
        await until(lambda: not lab.loop.running)
        assert lab.run.steps == 0 and message(lab) == ""
        lab.player.playing = True
        await until(lambda: lab.run.steps > 1)
        lab.buttons["hubs"].click()
        await until(lambda: not lab.loop.running)
        assert lab.run.steps == 0 and len(lab.run.sessions) == 2
        return lab

    played(act).close()


# state, code, presets, data


def test_the_state_brings_the_lab_back() -> None:
    lab = opened(sides=BOTH, surface="sphere", seed=2)
    turn(lab, "right rows", 0.5)
    told = json.loads(json.dumps(lab.state))
    again = TrainingLab.from_state(told)
    assert again.state == lab.state == json.loads(lab.copy_state.text)
    assert np.array_equal(again.shown.shots[1].shares, lab.shown.shots[1].shares)
    for one in (lab, again):
        one.close()


@pytest.mark.parametrize("kind", [TrainingLab, TargetLab])
def test_a_link_opens_the_lab_it_came_from(monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    lab = kind(state={"seed": 4, "batch": 24})
    again = app(lab.copy_link.text).lab
    assert type(again) is kind and again.state == lab.state
    for one in (lab, again):
        one.close()


@pytest.mark.parametrize(
    ("state", "match"),
    [
        ({"dat": {}}, "data"),
        ({"lab": "coupling"}, "coupling"),
        ({"surface": "cube"}, "surface"),
        ({"encoder": "transformer"}, "encoder"),
        ({"sides": []}, "side"),
        ({"sides": [{"loss": "infonse"}]}, "infonce"),
        ({"sides": [{"alignment": {"epsilon": -1}}]}, "epsilon"),
        ({"lr": -1.0}, "lr"),
        ({"data": {"nam": "moons"}}, "name"),
        ({"data": {"name": "moon"}}, "moons"),
    ],
)
def test_a_wrong_state_is_refused(lab: TrainingLab, state: dict[str, Any], match: str) -> None:
    before = lab.state
    with pytest.raises((TypeError, ValueError), match=match):
        lab.state = state
    assert lab.state == before
    with pytest.raises((TypeError, ValueError), match=match):
        TrainingLab(state=state)


def test_the_code_trains_the_same_way() -> None:
    lab = opened(sides=BOTH)
    lab.step(20)
    told, given = io.StringIO(), {}
    with redirect_stdout(told):
        exec(lab.code(), given)
    found = given["session"]
    assert found.history.losses == lab.run.sessions[1].history.losses
    assert found.history.last == lab.run.sessions[1].history.last
    assert [line.split()[0] for line in told.getvalue().splitlines()] == ["left:", "right:"]
    turn(lab, "left epsilon", 0.5)
    assert "turned on the way" in lab.code() and "turned" not in script(lab._state, 3)
    lab.close()


@pytest.mark.parametrize("preset", TrainingLab.presets, ids=lambda preset: preset.name)
def test_a_preset_opens_and_says_what_to_look_for(lab: TrainingLab, preset: Any) -> None:
    lab.buttons[preset.name].click()
    assert message(lab) == "" and lab.state == preset.state.to_dict()
    assert lab.look.value == preset.look_for
    lab.step(1)


def test_the_collapse_preset_collapses_and_the_ring_does_not() -> None:
    spread = {}
    for preset in TrainingLab.presets[:2]:
        run = Run(gca.datasets.load(preset.state.data.name, seed=0), preset.state)
        for _ in range(100):
            run.step()
        z = run.frame().shots[0].z
        spread[preset.name] = np.linalg.norm(z - z.mean(0), axis=1).mean()
    assert spread["collapse"] < 0.1 < 0.8 < spread["ring"]


def test_rince_rescues_what_infonce_loses_to_false_positives() -> None:
    state = next(preset.state for preset in TrainingLab.presets if preset.name == "false positives")
    data = gca.datasets.load("blobs", seed=0, **state.data.arguments)
    found = []
    for side in state.sides:
        session = gca.TrainingSession(data, measure_every=None, **arguments(state, side))
        session.step(240)
        found.append(session.measure()["linear_probe"])
    assert found[1] >= found[0] + 0.1


def test_your_own_data() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 5))
    data = gca.datasets.from_arrays(x, x + 0.1, labels=(x[:, 0] > 0).astype(int))
    lab = TrainingLab(data)
    assert lab.state["data"]["name"] == "yours" and "data" not in lab.knobs and "ring" not in lab.buttons
    lab.step(2)
    assert "from_arrays" in lab.code() and lab.state["batch"] == 30
    again = TrainingLab.from_state(lab.state, data)
    assert again.state == lab.state
    with pytest.raises(ValueError, match="your own data"):
        TrainingLab.from_state(lab.state)
    with pytest.raises(ValueError, match="leave out"):
        TrainingLab.from_state(SMALL, data)
    with pytest.raises(TypeError, match="Pairs"):
        TrainingLab(x)
    for one in (lab, again):
        one.close()


@pytest.mark.parametrize("kind", [TrainingLab, TargetLab])
@pytest.mark.parametrize(("field", "value"), [("mismatched", 0.3), ("options", {"n": 40})])
def test_of_your_own_data_there_is_nothing_to_choose(kind: Any, field: str, value: Any) -> None:
    x = np.random.default_rng(0).normal(size=(40, 5))
    data = gca.datasets.from_arrays(x, x + 0.1, labels=(x[:, 0] > 0).astype(int))
    lab = kind(data)
    assert lab.state["data"] == {"name": "yours"}
    before = lab.state
    with pytest.raises(ValueError, match=f"{field} chooses of a data set: your own data are taken as they are"):
        lab.state = before | {"data": {"name": "yours", field: value}}
    assert lab.state == before
    lab.close()


def test_a_name_opens_that_data() -> None:
    lab = TrainingLab("spirals")
    assert lab.run.data.name == "spirals"
    lab.close()


def test_the_csv_holds_what_was_measured(lab: TrainingLab) -> None:
    lab.step(20)
    head, *rows = csv.reader(io.StringIO(lab.export._on_csv()))
    assert [row[2] for row in rows] == ["0", "20"]
    here = dict(zip(head, rows[1], strict=True))
    assert float(here["linear_probe"]) == lab.run.sessions[0].history.last["linear_probe"]
    assert {kind for _, kind, _ in lab.export.choices} == {"png", "svg", "matrix-png", "csv"}


def test_the_curves_say_what_they_are_against(lab: TrainingLab) -> None:
    layout = lab.curves.widget.layout
    assert [layout[f"xaxis{k}"].title.text for k in ("", "2", "3", "4")] == [None, None, "steps", "steps"]
    assert layout.margin.b > 30  # room for the word below the numbers


def test_the_theme_dresses_every_picture(lab: TrainingLab) -> None:
    lab.theme.dark = True
    assert lab.curves.widget.data[0].line.color == DARK["rows"]
    assert lab.cards[0].picture.widget.data[1].line.color == DARK["text"]
    lab.theme.dark = False
    assert lab.curves.widget.data[0].line.color == LIGHT["rows"]


# how pictures hold still


def test_axes_stretch_in_rare_leaps() -> None:
    room, moves = (0.0, 1.0), 0
    for value in np.linspace(1, 10, 200):
        wider = pictures.wide_enough(room, np.array([value, np.nan]))
        moves, room = moves + (wider != room), wider
    assert room[0] == 0.0 and 10 <= room[1] < 14 and moves < 12
    assert pictures.wide_enough(room, np.array([np.nan])) == room


def test_long_curves_are_thinned_to_means() -> None:
    x, y = np.arange(1000.0), np.arange(1000.0) ** 2
    short = pictures.thinned(x, y, most=100)
    assert len(short.x) <= 101 and short.x[-1] == 999 and short.y[-1] == 999**2
    assert short.y[0] == y[:10].mean()
    assert np.array_equal(pictures.thinned(x[:50], y[:50], most=100).y, y[:50])


def test_a_projection_does_not_flip_from_step_to_step() -> None:
    draw = torch.Generator().manual_seed(0)
    z = torch.randn(30, 6, generator=draw) * torch.tensor([3.0, 2.9, 1, 0.5, 0.2, 0.1])
    before = np.concatenate(_drawn(z[:15], z[15:], None))
    other = z @ torch.diag(torch.tensor([-1.0, -1, 1, 1, 1, 1])) @ torch.eye(6)[[1, 0, 2, 3, 4, 5]]
    after = np.concatenate(_drawn(other[:15], other[15:], before))
    np.testing.assert_allclose(after, before, atol=1e-4)


def test_a_state_is_plain_and_frozen() -> None:
    options = {"n": 9}
    material = Material(name="moons", options=options)
    options["n"] = 10
    assert material.options == {"n": 9}
    assert Side.named("gca-uot", epsilon=0.3).with_loss("iot").alignment.epsilon == 0.3


def test_formulas_are_typeset() -> None:
    for row in LOSSES.values():
        said = training_words.typeset(row.formula)
        assert not re.search(r"_|\^|\bepsilon\b|\blam\b", said)
    said = training_words.typeset("a | b: lam sum_j K_ij^-q - <C, T> / epsilon")
    assert said == "a ∥ b: λ Σ<sub>j</sub> K<sub>ij</sub><sup>−q</sup> − &lt;C, T&gt; / ε"
