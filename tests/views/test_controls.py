"""The controls and the theme without a browser: what Python holds, sends and accepts."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gca_playground.views import controls, matrix_view, theme
from gca_playground.views.controls import (
    CopyButton,
    Player,
    Slider,
    log_stops,
    position,
    relaxation_stops,
    step_stops,
)
from gca_playground.views.export import ExportButton
from gca_playground.views.labs.lab import _descendants
from gca_playground.views.labs.link import LABS
from gca_playground.views.theme import DARK, LIGHT, Theme, colour_rules, static_text

INF = math.inf
RELAXATION = relaxation_stops()
VIEWS = Path(theme.__file__).parent
SHEETS = sorted(path.name for path in (VIEWS / "static").glob("*.css"))


def sent_by(widget: Any) -> list[dict[str, Any]]:
    """Collects the states that the widget sends from now on."""
    messages: list[dict[str, Any]] = []
    widget._send = lambda message, buffers=None: messages.append(message["state"])
    return messages


def updates(messages: list[dict[str, Any]], name: str) -> list[Any]:
    return [state[name] for state in messages if name in state]


# stops


def test_log_stops_are_round_and_their_texts_are_their_values() -> None:
    assert [text for _, text in log_stops(0.1, 10, 3)] == ["0.1", "0.2", "0.5", "1", "2", "5", "10"]
    assert [text for _, text in log_stops(0.01, 0.1, 10)][:5] == ["0.01", "0.013", "0.016", "0.02", "0.025"]
    assert {"0.05", "0.1", "0.2", "0.5"} <= {text for _, text in log_stops(0.001, 10)}
    assert all(float(text) == value for value, text in log_stops(0.001, 1000, 20))


@pytest.mark.parametrize("per_decade", [1, 2, 3, 4, 5, 10, 20, 40])
def test_log_stops_go_from_end_to_end_evenly(per_decade: int) -> None:
    values = [value for value, _ in log_stops(0.001, 10, per_decade)]
    assert len(values) == 4 * per_decade + 1 and (values[0], values[-1]) == (0.001, 10)
    assert np.allclose(np.diff(np.log10(values)) * per_decade, 1, atol=0.55)


def test_log_stops_keep_ends_that_are_not_round() -> None:
    assert [value for value, _ in log_stops(0.03, 0.7, 3)] == [0.03, 0.05, 0.1, 0.2, 0.5, 0.7]


@pytest.mark.parametrize("bad", [(0.0, 1.0, 3), (1.0, 1.0, 3), (1.0, INF, 3), (0.1, 1.0, 0)])
def test_log_stops_name_their_law(bad: tuple[float, float, int]) -> None:
    with pytest.raises(ValueError, match="0 < lo < hi and per_decade >= 1"):
        log_stops(*bad)


def test_relaxation_and_step_stops_have_real_ends() -> None:
    assert (RELAXATION[0], RELAXATION[1], RELAXATION[-1]) == ((0.0, "free"), (0.01, "0.01"), (INF, "exact"))
    assert (step_stops(50)[0], step_stops(50)[50], step_stops(50)[-1]) == ((0, "0"), (50, "50"), (None, "converged"))


# position: the law of values


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "free"),
        (INF, "exact"),
        (0.2, "0.2"),
        (0.21, "0.2"),
        (0.001, "0.01"),
        (1e9, "100"),
        (np.float32(0.5), "0.5"),
        (math.sqrt(0.2 * 0.25) * 1.001, "0.25"),
        (math.sqrt(0.2 * 0.25) * 0.999, "0.2"),
    ],
)
def test_numbers_mean_the_nearest_stop_by_ratio(value: float, text: str) -> None:
    assert RELAXATION[position(value, RELAXATION)][1] == text


def test_without_positive_stops_the_difference_counts() -> None:
    stops = [(-1.0, "left"), (0.0, "middle"), (INF, "far")]
    assert [position(value, stops) for value in (-0.6, -0.4, 7.0)] == [0, 1, 1]


def test_every_stop_means_itself() -> None:
    stops = [(0, "zero"), (False, "no"), (None, "none"), ("a", "letter"), (1.5, "number")]
    assert [position(value, stops) for value, _ in stops] == list(range(5))


@pytest.mark.parametrize("value", [-0.1, 101, INF])
def test_numbers_beyond_the_stops_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"epsilon must lie between 0\.01 and 100, got"):
        position(value, log_stops(0.01, 100), name="epsilon")


@pytest.mark.parametrize("value", ["exakt", None, True, math.nan, [0.1]])
def test_what_is_no_stop_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"rho must be one of free, 0\.01, .*exact, got"):
        position(value, RELAXATION, name="rho")


# slider


def test_value_and_index_follow_each_other() -> None:
    slider = Slider(label="row marginal", stops=RELAXATION, value=0.2)
    assert (slider.value, slider.text, slider.index) == (0.2, "0.2", position(0.2, RELAXATION))
    slider.value = INF
    assert (slider.index, slider.text) == (len(RELAXATION) - 1, "exact")
    slider.index = 0
    assert (slider.value, slider.text) == (0.0, "free")
    slider.value = 0.98
    assert slider.value == 1.0


def test_the_browser_moves_the_value_and_observers_hear_it_once() -> None:
    slider = Slider(label="half-steps", stops=step_stops(50))
    heard = []
    slider.observe(lambda change: heard.append(change["new"]), "value")
    for index in (1, 50, 51):
        slider.set_state({"index": index})
    assert heard == [1, 50, None] and slider.text == "converged"


def test_a_snapped_value_is_heard_as_the_stop() -> None:
    slider = Slider(label="epsilon", stops=log_stops(0.01, 1, 3))
    heard = []
    slider.observe(lambda change: heard.append(change["new"]), "value")
    slider.value = 0.19
    slider.value = 0.21
    assert heard == [0.2]


def test_python_sends_the_index_and_never_the_value() -> None:
    slider = Slider(label="row marginal", stops=RELAXATION)
    messages = sent_by(slider)
    slider.value = INF
    slider.value = INF
    assert messages == [{"index": len(RELAXATION) - 1}]


def test_a_refused_value_changes_nothing() -> None:
    slider = Slider(label="epsilon", stops=log_stops(0.01, 1), value=0.1)
    with pytest.raises(ValueError, match="epsilon must lie between"):
        slider.value = 2.0
    with pytest.raises(ValueError, match=r"epsilon: index must lie in 0\.\.20, got 21"):
        slider.index = 21
    assert (slider.value, slider.text) == (0.1, "0.1")
    with pytest.raises(ValueError, match="epsilon must lie between"):
        Slider(label="epsilon", stops=log_stops(0.01, 1), value=2.0)


def test_ends_are_the_first_and_last_text_unless_given() -> None:
    assert Slider(label="rho", stops=RELAXATION).ends == ("free", "exact")
    assert Slider(label="steps", stops=step_stops(50), ends=("0", "50 · ∞")).ends == ("0", "50 · ∞")


def test_new_stops_keep_the_value_and_go_in_one_message() -> None:
    slider = Slider(label="pairs", stops=[(n, str(n)) for n in (32, 64, 96)], value=64)
    messages, heard = sent_by(slider), []
    slider.observe(lambda change: heard.append(change["new"]), "value")
    slider.set_stops([(n, str(n)) for n in (16, 32, 48, 64)])
    assert (slider.value, slider.index, slider.ends, heard) == (64, 3, ("16", "64"), [])
    assert [set(message) for message in messages] == [{"texts", "ends", "index"}]
    with pytest.raises(ValueError, match="pairs must lie between 8 and 16, got 64"):
        slider.set_stops([(8, "8"), (16, "16")])
    assert slider.value == 64 and slider.texts == ["16", "32", "48", "64"]
    slider.set_stops([(8, "8"), (16, "16")], value=8)
    assert (slider.value, slider.index) == (8, 0)


@pytest.mark.parametrize("bad", [[], [(1, "")], [(1, "a"), (2, "a")]])
def test_stops_need_texts_of_their_own(bad: list[tuple[int, str]]) -> None:
    with pytest.raises(ValueError, match="text"):
        Slider(label="x", stops=bad)


# player


def ticking(*callbacks: Any) -> Player:
    player = Player(playing=True)
    for callback in callbacks:
        player.on_tick(callback)
    return player


def test_each_tick_calls_back_and_is_then_acknowledged() -> None:
    seen: list[tuple[int, int]] = []
    player = ticking(lambda tick: seen.append((tick, player.acknowledged)))
    messages = sent_by(player)
    for tick in (1, 2, 3):
        player.set_state({"tick": tick})
    assert seen == [(1, 0), (2, 1), (3, 2)]
    assert updates(messages, "acknowledged") == [1, 2, 3]


def test_a_failing_callback_is_acknowledged_too() -> None:
    def fail(tick: int) -> None:
        raise RuntimeError(f"tick {tick}")

    player = ticking(fail)
    with pytest.raises(RuntimeError, match="tick 1"):
        player.set_state({"tick": 1})
    assert player.acknowledged == 1


def test_a_tick_that_comes_after_pause_does_nothing() -> None:
    seen: list[int] = []
    player = ticking(seen.append)
    player.set_state({"tick": 1, "playing": False})
    assert (seen, player.acknowledged) == ([], 1)


def test_a_callback_may_stop_the_player_and_be_taken_away() -> None:
    seen: list[int] = []
    player = ticking(seen.append)
    messages = sent_by(player)
    stop = lambda tick: setattr(player, "playing", False)  # noqa: E731 - the same object is added and removed
    player.on_tick(stop)
    player.set_state({"tick": 1})
    assert updates(messages, "playing") == [False]
    player.on_tick(stop, remove=True)
    player.set_state({"playing": True})
    player.set_state({"tick": 2})
    assert seen == [1, 2] and player.playing


# theme


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio of two colours."""

    def luminance(colour: str) -> float:
        channels = np.array(list(bytes.fromhex(colour[1:]))) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        *((ink, ground) for ink in ("text", "muted") for ground in ("page", "control", "control_hover")),
        *((f"{side}_text", "page") for side in ("rows", "cols", "neutral")),
        ("primary_text", "primary"),
        ("primary_text", "primary_hover"),
        ("error_text", "error"),
        ("page", "text"),
    ],
)
def test_text_can_be_read(colours: dict[str, str], ink: str, ground: str) -> None:
    assert contrast(colours[ink], colours[ground]) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ink", ["rows", "cols", "neutral", "primary", "error_border"])
def test_marks_can_be_seen(colours: dict[str, str], ink: str) -> None:
    assert contrast(colours[ink], colours["page"]) >= 3


def test_both_themes_have_the_same_colours_and_the_style_sheets_use_no_others() -> None:
    assert LIGHT.keys() == DARK.keys()
    known = set(re.findall(r"(--gca-[a-z-]+):", colour_rules()))
    scripts = static_text(*(path.name for path in (VIEWS / "static").glob("*.js")))
    set_by_script = set(re.findall(r'setProperty\("(--gca-[a-z-]+)"', scripts))
    for name in SHEETS:
        sheet = static_text(name)
        own = set(re.findall(r"(--gca-[a-z-]+):", sheet)) | set_by_script
        assert set(re.findall(r"var\((--gca-[a-z-]+)", sheet)) <= known | own
        assert not re.findall(r":[^;{]*#[0-9a-f]{3,8}\b", sheet), f"{name} has a colour of its own"


def test_every_rule_has_something_to_dress() -> None:
    """Each class of a sheet is that of a widget of some lab, or is written out in a source."""
    states = {name: [None] for name in LABS} | {
        "training": [{"batch": 24, "sides": [{"loss": "infonce"}, {"loss": "rince"}]}],
        "crossmodal": [None, {"tab": "drifters"}],
    }
    worn: set[str] = set()
    for name, kind in LABS.items():
        for state in states[name]:
            lab = kind(state=state)
            worn |= {each for widget in (lab, *_descendants(lab)) for each in getattr(widget, "_dom_classes", ())}
            lab.close()
    sources = "".join(path.read_text() for ending in ("py", "js") for path in VIEWS.rglob(f"*.{ending}"))
    for name in SHEETS:
        dressed = set(re.findall(r"\.(gca-[\w-]+)", static_text(name)))
        assert dressed, name
        idle = [each for each in dressed - worn if not re.search(rf"{each}(?![\w-])", sources)]
        assert not idle, f"{name}: nothing wears {idle}"


def test_the_browser_says_dark() -> None:
    theme_widget = Theme()
    heard = []
    theme_widget.observe(lambda change: heard.append(change["new"]), "dark")
    theme_widget.set_state({"dark": True})
    assert heard == [True]


# all


def test_every_widget_brings_one_module_that_needs_no_network() -> None:
    widgets = (Slider, Player, CopyButton, ExportButton, theme.Theme, matrix_view.MatrixView)
    for kind in widgets:
        module = str(kind._esm)
        assert module.count("export default { initialize: keepHearing, render };") == 1
        assert not re.search(r"\bimport\b|https?://|fetch\(", module)
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import", str(kind._css))


def test_public_names_exist() -> None:
    for module in (controls, matrix_view, theme):
        assert all(hasattr(module, name) for name in module.__all__)
