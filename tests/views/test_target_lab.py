"""The target lab without a browser: what is painted is what the training wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import gca_playground as gca
from gca_playground.alignment import Alignment, Blocks
from gca_playground.views.labs.target import TargetLab
from gca_playground.views.labs.target_state import DATA, FIRST, RELATIONS, Kinds, start
from gca_playground.views.labs.training_state import Material, State
from gca_playground.views.matrix_view import plan_levels
from tests.views.hands import message, turn

KINDS = Kinds(3, 2)
SMALL = start(
    KINDS, Material(name="domains", options={"n": 96, "classes": 3, "domains": 2}), masses=KINDS.table(kind=0.5)
)


@pytest.fixture(scope="module")
def one_lab() -> Iterator[TargetLab]:
    lab = TargetLab(state=SMALL.to_dict() | {"batch": 48})
    yield lab
    lab.close()


@pytest.fixture
def lab(one_lab: TargetLab) -> TargetLab:
    """A lab as if it had just been opened."""
    one_lab._restart(State.from_dict(SMALL.to_dict() | {"batch": 48}, FIRST))
    return one_lab


def by_hand(lab: TargetLab) -> np.ndarray:
    """T of the fixed batch, entry by entry."""
    target, kinds = lab._state.sides[0].alignment.target, lab.run.kinds
    count = {kind: kinds.count(kind) for kind in kinds}
    n = len(kinds)
    cells = [
        [target.masses[a][b] / count[b] + target.pair * (i == j) for j, b in enumerate(kinds)]
        for i, a in enumerate(kinds)
    ]
    painted = np.array(cells)
    return (1 - target.smoothing) * painted + target.smoothing * painted.sum() / n**2


def press(lab: TargetLab, row: int, col: int, first: bool = True) -> None:
    """What the browser does when a cell is painted."""
    lab.table._handle_custom_msg({"type": "paint", "cell": [row, col], "first": first}, [])


# the target


def test_the_target_that_is_shown_is_the_table(lab: TargetLab) -> None:
    turn(lab, "smoothing", 0.2)
    press(lab, 0, 3)
    found = by_hand(lab)
    np.testing.assert_allclose(lab.fitted.matrix.numpy(), found, rtol=1e-5)
    shown = np.frombuffer(lab.goal.pixels, np.uint8).reshape(found.shape)
    assert np.abs(shown.astype(int) - plan_levels(found)).max() <= 1


def test_kinds_are_classes_in_domains(lab: TargetLab) -> None:
    data, kinds = lab.run.data, np.array(lab.run.kinds)
    index = lab.run.sessions[0].probe.index
    plain = gca.datasets.load("domains", n=96, classes=3, domains=2, seed=0)
    assert np.array_equal(kinds // 2, plain.labels[index].numpy())
    assert np.array_equal(kinds % 2, plain.domains[index].numpy())
    assert data.recipe is None and "class 1, domain 0" in lab.cards[0].classes.value


@pytest.mark.parametrize("name", RELATIONS)
def test_a_slider_fills_its_relation(lab: TargetLab, name: str) -> None:
    turn(lab, name, 0.8)
    table = np.array(lab._state.sides[0].alignment.target.masses)
    classes, domains = np.divmod(np.arange(6), 2)
    same = (classes[:, None] == classes, domains[:, None] == domains)
    want = RELATIONS[name].relation
    cells = (same[0] == want[0]) & (same[1] == want[1])
    np.testing.assert_allclose((table * cells).sum(1), 0.8)
    assert len(np.unique(table[cells])) == 1
    assert (name == "kind") == (table[~cells].sum() == 0)


def test_a_stroke_paints_or_wipes(lab: TargetLab) -> None:
    lab.brush.value = 0.25
    press(lab, 0, 1)
    press(lab, 0, 2, first=False)
    table = lab._state.sides[0].alignment.target.masses
    assert (table[0][1], table[0][2]) == (0.25, 0.25)
    press(lab, 0, 1)
    press(lab, 0, 2, first=False)
    press(lab, 0, 0, first=False)
    assert lab._state.sides[0].alignment.target.masses[0] == (0.0,) * 6
    press(lab, 9, 9)
    assert message(lab) == ""
    with pytest.raises(ValueError, match=r"0\.\.5"):
        lab.paint(6, 0, 0.5)
    with pytest.raises(ValueError, match="mass"):
        lab.paint(0, 0, -1.0)


def test_painting_while_it_learns_changes_the_next_step(lab: TargetLab) -> None:
    lab.step(2)
    press(lab, 0, 5)
    assert lab.run.steps == 2 and message(lab) == ""
    assert lab.run.sessions[0].loss.alignment.target.masses[0][5] == 0.25
    lab.step(1)
    assert lab.run.steps == 3


def test_feasibility_is_told_and_cured(lab: TargetLab) -> None:
    turn(lab, "kind", 0.0)
    turn(lab, "pair", 1.0)
    assert "a plan can get there" in lab.reach.value
    press(lab, 0, 1)
    assert "a and b are taken from it" in lab.reach.value
    turn(lab, "infeasible", "keep")
    assert "no plan can reach it" in lab.reach.value
    turn(lab, "infeasible", "project")  # what goes from one kind to another does not come back: none of it may go
    assert "projected" in lab.reach.value and message(lab) == ""
    there, kinds = lab.fitted.matrix.numpy(), np.array(lab.run.kinds)
    for axis in (0, 1):
        np.testing.assert_allclose(there.sum(axis), 1.0, atol=1e-4)
    assert there[np.ix_(kinds == 0, kinds == 1)].max() < 1e-6


def test_more_than_a_kind_can_hold_cannot_be_projected(lab: TargetLab) -> None:
    state = lab.state
    target = state["sides"][0]["alignment"]["target"]
    kinds = len(target["masses"])
    greedy = [float(col == 2) for col in range(kinds)]
    target |= {"pair": 0.0, "masses": [greedy, greedy, *([[0.25] * kinds] * (kinds - 2))]}
    lab.state = state
    before = lab.state
    assert "a and b are taken from it" in lab.reach.value
    turn(lab, "infeasible", "project")
    assert "cannot be projected" in message(lab)
    assert lab.state == before and "a and b are taken from it" in lab.reach.value


def test_no_mass_at_all_is_refused(lab: TargetLab) -> None:
    turn(lab, "kind", 0.0)
    before = lab.state
    turn(lab, "pair", 0.0)
    assert "paint a cell" in message(lab) and lab.state == before
    assert lab.knobs["pair"].control.value == 0.5


# the training


def test_classes_part_and_domains_mix_as_painted() -> None:
    found = {}
    for name, preset in zip(("classes", "domains"), TargetLab.presets, strict=False):
        lab = TargetLab(state=preset.state.to_dict())
        lab.step(100)
        found[name] = lab.run.class_probe[1][-1], lab.run.sessions[0].history.last["domain_probe"]
        lab.close()
    assert found["classes"][0] > 0.9 and found["classes"][1] < 0.75
    assert found["domains"][0] < found["classes"][0] - 0.1 and found["domains"][1] > 0.9


def test_the_class_curve_is_measured_with_the_others(lab: TargetLab) -> None:
    lab.step(21)
    assert lab.run.class_probe[0] == [0, 20] == lab.run.sessions[0].history["step"]
    lab.reset()
    assert lab.run.class_probe[0] == [0]


def test_it_plays() -> None:
    async def act() -> TargetLab:
        lab = TargetLab(state=SMALL.to_dict() | {"batch": 48})
        lab.player.playing = True
        while lab.run.steps < 5:
            await asyncio.sleep(0.01)
        press(lab, 0, 5)
        assert lab.player.playing
        lab.player.playing = False
        while lab.loop.running:
            await asyncio.sleep(0.01)
        return lab

    lab = asyncio.run(act())
    assert message(lab) == ""
    lab.close()


@pytest.mark.parametrize("name", list(DATA))
def test_other_data_bring_their_table(lab: TargetLab, name: str) -> None:
    turn(lab, "data", name)
    lab.step(1)
    kinds = DATA[name][1]
    assert message(lab) == "" and lab.table.shape == (len(kinds), len(kinds))
    assert set(lab.run.kinds) <= set(range(len(kinds)))


@pytest.mark.parametrize("preset", TargetLab.presets, ids=lambda preset: preset.name)
def test_a_preset_opens(lab: TargetLab, preset: Any) -> None:
    lab.buttons[preset.name].click()
    lab.step(1)
    assert message(lab) == "" and lab.state == preset.state.to_dict()
    assert lab.look.value == preset.look_for


# state, code, own data


def test_the_state_brings_the_lab_back(lab: TargetLab) -> None:
    press(lab, 2, 4)
    again = TargetLab.from_state(json.loads(json.dumps(lab.state)))
    assert again.state == lab.state and again.table.pixels == lab.table.pixels
    again.close()
    for wrong, match in (
        ({"lab": "training"}, "training"),
        ({"data": {"name": "moons"}}, "kinds"),
        ({"sides": [{}]}, "blocks"),
    ):
        with pytest.raises(ValueError, match=match):
            TargetLab.from_state(wrong)


def test_the_code_trains_the_same_way(lab: TargetLab) -> None:
    lab.step(5)
    given: dict[str, Any] = {"print": lambda *_: None}
    exec(lab.code(), given)
    assert given["session"].history.losses == lab.run.sessions[0].history.losses


def test_your_own_data() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 3))
    data = gca.datasets.from_arrays(x, x + 0.1, labels=np.arange(40) % 3, domains=np.arange(40) % 2)
    lab = TargetLab(data)
    lab.step(1)
    assert lab.table.shape == (6, 6) and "data" not in lab.knobs and message(lab) == ""
    lab.close()


# the record


def test_blocks_are_a_target_like_any_other() -> None:
    target = Blocks(masses=[[0, 0.5], [0.25, 1]], pair=0.5, smoothing=0.1)
    alignment = Alignment(target=target, steps=3)
    assert Alignment.from_dict(json.loads(json.dumps(alignment.to_dict()))) == alignment
    labels = torch.tensor([0, 1, 1])
    z = torch.nn.functional.normalize(torch.randn(3, 2, generator=torch.Generator().manual_seed(0)), dim=1)
    assert torch.isfinite(alignment(z, z, labels=labels))
    wanted = np.array([[0.5, 0.25, 0.25], [0.25, 1, 0.5], [0.25, 0.5, 1]])
    np.testing.assert_allclose(
        alignment.fitted(z @ z.T, labels=labels).matrix, 0.9 * wanted + 0.1 * wanted.mean(), rtol=1e-5
    )
    stacked = Blocks(masses=((0.0, 0.5), (0.25, 1.0))).matrix(torch.zeros(6, 6), layout="stacked", labels=labels)
    assert not stacked.diagonal().any()
    np.testing.assert_allclose(stacked.sum(1), [1.5, 2.25, 2.25, 1.5, 2.25, 2.25])


@pytest.mark.parametrize(
    ("knobs", "match"),
    [
        ({"masses": [[1.0, 2.0]]}, "square"),
        ({"masses": []}, "square"),
        ({"masses": [[-1.0]]}, ">= 0"),
        ({"pair": float("nan")}, "pair"),
        ({"smoothing": 2}, "smoothing"),
    ],
)
def test_bad_blocks_are_refused(knobs: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Blocks(**knobs)


@pytest.mark.parametrize("labels", [None, [0, 1], [0, 2, 1], [0.0, 1.0, 0.0]])
def test_bad_kinds_are_refused(labels: Any) -> None:
    with pytest.raises(ValueError, match="labels"):
        Blocks(masses=((1.0, 1.0), (1.0, 1.0))).matrix(torch.zeros(3, 3), layout="two_views", labels=labels)
