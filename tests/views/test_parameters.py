"""The sliders of the divergences' parameters in the labs: where they stand, what they do, and that a lab keeps them."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import gca_playground as gca
from gca_playground.views.labs.coupling import CouplingLab
from gca_playground.views.labs.knobs import LOSSES_HERE
from gca_playground.views.labs.link import app
from gca_playground.views.labs.parameters import PARAMETERS
from gca_playground.views.labs.target import TargetLab
from gca_playground.views.labs.training import TrainingLab
from gca_playground.views.labs.training_state import PLAIN_LOSSES
from tests.views.hands import message, plain, turn

DATA = {"data": {"name": "moons", "options": {"n": 48}}, "batch": 24}
ROBUST = {"rince_weight", "q", "lam"}
ELSEWHERE = {"rince_weight": 0.5, "q": 0.9, "lam": 0.2, "alpha": -0.5, "uniformity_weight": 0.5}
OF = {"rince_weight": "gca-uot", "q": "rince", "lam": "rince", "alpha": "tempered", "uniformity_weight": "iot-uni"}
LEAST = {"rince_weight": 0.0, "q": 0.0, "lam": 0.0, "alpha": -1.0, "uniformity_weight": 0.0}
MIXED = {"rows": 0.2, "divergence": [{"name": "kl", "weight": 1.0}, {"name": "rince", "weight": 0.5, "kernel": "cost"}]}


def opened(*sides: dict[str, Any]) -> TrainingLab:
    return TrainingLab(state=DATA | {"sides": list(sides)})


@pytest.fixture(scope="module")
def one_training() -> Iterator[TrainingLab]:
    lab = opened({"loss": "rince"})
    yield lab
    lab.close()


@pytest.fixture
def training(one_training: TrainingLab) -> TrainingLab:
    """A training with RINCE as if it had just been opened."""
    one_training.state = DATA | {"sides": [{"loss": "rince"}]}
    one_training.reset()
    return one_training


@pytest.fixture(scope="module")
def one_coupling() -> Iterator[CouplingLab]:
    lab = CouplingLab()
    yield lab
    lab.close()


@pytest.fixture
def coupling(one_coupling: CouplingLab) -> CouplingLab:
    """A coupling under RINCE as if it had just been opened."""
    one_coupling.state = {"data": {"name": "hubs", "n": 12}}
    turn(one_coupling, "loss", "rince")
    return one_coupling


def said(lab: TrainingLab, side: int = 0) -> str:
    """The formula of a side without its tags."""
    return re.sub(r"\s", " ", html.unescape(plain(lab.cards[side].formula.value)))


def on_the_page(lab: Any, side: str = "") -> set[str]:
    knobs = {name: lab.knobs[side + name] for name in PARAMETERS if side + name in lab.knobs}
    return {name for name, knob in knobs.items() if knob.control.layout.display != "none"}


def those_that_matter(alignment: gca.Alignment) -> set[str]:
    """The parameters that a loss has and that change its value, found by turning each."""
    z, w = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0)).double()
    if alignment.divergence.knobs().keys().isdisjoint(PARAMETERS):
        return set()
    known = [name for name in PARAMETERS if name in alignment.divergence.knobs()]
    return {name for name in known if alignment.change(**{name: ELSEWHERE[name]})(z, w) != alignment(z, w)}


def rince(scores: Tensor, *, q: float, lam: float) -> Tensor:
    """The published formula, for scores / epsilon (n, n)."""
    kernel = scores.exp()
    return (-(kernel.diagonal() ** q) / q + (lam * kernel.sum(1)) ** q / q).mean()


# where they stand


@pytest.mark.parametrize("loss", PLAIN_LOSSES)
def test_a_training_shows_those_that_do_something_and_no_others(training: TrainingLab, loss: str) -> None:
    turn(training, "left loss", loss)
    assert message(training) == ""
    assert on_the_page(training, "left ") == those_that_matter(training._state.sides[0].alignment)
    assert on_the_page(training, "right ") == set()


@pytest.mark.parametrize("loss", LOSSES_HERE)
def test_a_coupling_shows_those_that_do_something_and_no_others(coupling: CouplingLab, loss: str) -> None:
    turn(coupling, "loss", loss)
    assert message(coupling) == ""
    assert on_the_page(coupling) == those_that_matter(coupling.scene.alignment)


def test_the_table_is_no_empty_promise() -> None:
    shown = {loss: those_that_matter(gca.losses()[loss].alignment) for loss in PLAIN_LOSSES}
    assert shown["rince"] == shown["gca-rince"] == {"q", "lam"}
    assert shown["gca-uot"] == {"rince_weight"} and shown["infonce"] == set()
    assert shown["tempered"] == {"alpha"} and shown["iot-uni"] == {"uniformity_weight"}
    assert set().union(*shown.values(), {"q", "lam"}) == set(PARAMETERS)


@pytest.mark.parametrize("lab_of", ["training", "coupling"])
def test_a_mixture_has_them_once_robust_infonce_counts(lab_of: str, request: pytest.FixtureRequest) -> None:
    lab, side = request.getfixturevalue(lab_of), {"training": "left ", "coupling": ""}[lab_of]
    turn(lab, f"{side}loss", "gca-uot")
    turn(lab, f"{side}rince_weight", 0.5)
    assert message(lab) == "" and on_the_page(lab, side) == ROBUST
    turn(lab, f"{side}rince_weight", 0.0)
    assert on_the_page(lab, side) == {"rince_weight"}


def test_another_target_than_pairs_has_no_robust_part(coupling: CouplingLab) -> None:
    turn(coupling, "loss", "gca-uot")
    turn(coupling, "target", "classes")
    assert message(coupling) == "" and on_the_page(coupling) == set()
    lab = TargetLab(state={"batch": 24})
    assert {name for name in PARAMETERS if f"left {name}" in lab.knobs} == {"uniformity_weight"}
    with pytest.raises(ValueError, match="rince is defined for pairs only"):
        lab.state = {"sides": [{"loss": "gca-uot", "alignment": lab.state["sides"][0]["alignment"] | MIXED}]}
    lab.close()


def test_each_says_its_unit_and_keeps_to_its_range(training: TrainingLab) -> None:
    for name in PARAMETERS:
        control = training.knobs[f"left {name}"].control
        stops = [stop for stop, _ in control.stops]
        assert "a pure number" in control.description and stops == sorted(stops) and len(stops) > 10
        record = gca.losses()[OF[name]].alignment
        for stop in (stops[0], stops[-1]):
            record.change(**{name: stop})
        with pytest.raises(ValueError, match="must be"):
            record.change(**{name: LEAST[name] - 0.1})
    assert training.knobs["left q"].control.stops[-1][0] == training.knobs["left lam"].control.stops[-1][0] == 1.0


# what they do


@pytest.mark.parametrize(("name", "value"), [("q", 0.9), ("q", 0.01), ("q", 1.0), ("lam", 1e-4), ("lam", 1.0)])
def test_a_slider_moves_loss_gradient_and_words(coupling: CouplingLab, name: str, value: float) -> None:
    before = coupling.scene.loss, coupling.scene.gradient.copy(), coupling.matrix.pixels
    turn(coupling, name, value)
    assert message(coupling) == ""
    knobs = {"q": 0.5, "lam": 0.01, name: value}
    cost = coupling.scene.cost.clone().requires_grad_()
    loss = rince((1 - cost) / 0.1, **knobs)
    (slope,) = torch.autograd.grad(loss, cost)
    assert coupling.scene.loss == pytest.approx(loss.item(), rel=1e-9)
    np.testing.assert_allclose(coupling.scene.gradient, -12 * slope.numpy(), rtol=1e-9)
    assert coupling.scene.loss != before[0] and not np.allclose(coupling.scene.gradient, before[1])
    assert coupling.matrix.pixels == before[2]  # the plan is the kernel: it is judged in another way
    assert f"RINCE(P; q = <b>{knobs['q']:g}</b>, λ = <b>{knobs['lam']:g}</b>)" in coupling.formula.value


@pytest.mark.parametrize("alpha", [-1.0, -0.5, 0.0, 1.5])
def test_the_order_of_the_tempered_loss(coupling: CouplingLab, alpha: float) -> None:
    """By the formula, written out: ``mean of ((n P_ii)^-alpha - 1) / alpha``, and ``- log (n P_ii)`` at 0."""
    turn(coupling, "loss", "tempered")
    turn(coupling, "alpha", alpha)
    assert message(coupling) == "" and on_the_page(coupling) == {"alpha"}
    cost = coupling.scene.cost.clone().requires_grad_()
    shares = 12 * (-cost / 0.1).softmax(1).diagonal()
    loss = (-shares.log() if alpha == 0 else (shares**-alpha - 1) / alpha).mean()
    (slope,) = torch.autograd.grad(loss, cost)
    assert coupling.scene.loss == pytest.approx(loss.item(), rel=1e-9)
    np.testing.assert_allclose(coupling.scene.gradient, -12 * slope.numpy(), rtol=1e-7, atol=1e-12)
    assert f"tempered(P; α = <b>{alpha:g}</b>)" in coupling.formula.value


@pytest.mark.parametrize("weight", [0.0, 0.02, 1.0])
def test_the_weight_of_uniformity(coupling: CouplingLab, weight: float) -> None:
    """By the formula, written out: the loss of inverse OT and, weighted, ``KL(mean | P)`` of the negatives, a row."""
    turn(coupling, "loss", "iot-uni")
    turn(coupling, "steps", 50)
    turn(coupling, "uniformity_weight", weight)
    assert message(coupling) == "" and on_the_page(coupling) == {"uniformity_weight"}
    plan = coupling.scene.matrix
    negatives = plan[~np.eye(12, dtype=bool)]
    penalty = (negatives.mean() * np.log(negatives.mean() / negatives)).sum() / 12
    kl = -np.log(np.diagonal(plan)).mean()
    assert penalty > 1e-3 and coupling.scene.loss == pytest.approx(kl + weight * penalty, rel=1e-7)


def test_uniformity_asks_for_negatives(coupling: CouplingLab) -> None:
    turn(coupling, "loss", "iot-uni")
    shown = {}
    for target in ("pairs", "smoothed", "classes"):
        turn(coupling, "target", target)
        before = coupling.scene.loss
        coupling.change(uniformity_weight=0.5)
        shown[target] = on_the_page(coupling)
        assert (coupling.scene.loss != before) == bool(shown[target])
        coupling.change(uniformity_weight=0.02)
    assert shown == {"pairs": {"uniformity_weight"}, "smoothed": set(), "classes": {"uniformity_weight"}}


def test_a_table_without_zeros_leaves_no_negatives() -> None:
    lab = TargetLab("moons", state={"batch": 24})
    turn(lab, "left loss", "iot-uni")
    assert message(lab) == "" and on_the_page(lab, "left ") == {"uniformity_weight"}
    turn(lab, "smoothing", 0.1)
    assert on_the_page(lab, "left ") == set()
    turn(lab, "smoothing", 0.0)
    assert on_the_page(lab, "left ") == {"uniformity_weight"}
    turn(lab, "alpha", 0.1)  # the share of the other class
    assert message(lab) == "" and on_the_page(lab, "left ") == set()
    lab.close()


@pytest.mark.parametrize(
    ("loss", "name", "value"),
    [
        ("rince", "q", 0.9),
        ("rince", "lam", 0.2),
        ("gca-rince", "q", 0.9),
        ("gca-rince", "lam", 0.2),
        ("tempered", "alpha", -0.5),
        ("iot-uni", "uniformity_weight", 1.0),
    ],
)
def test_it_is_live(training: TrainingLab, loss: str, name: str, value: float) -> None:
    turn(training, "left loss", loss)
    training.reset()
    training.step(2)
    losses = list(training.run.sessions[0].history.losses)
    turn(training, f"left {name}", value)
    assert message(training) == "" and training.run.steps == 2
    training.step(2)
    here = training.run.sessions[0]
    assert here.loss.alignment.divergence.knobs() == gca.losses()[loss].alignment.divergence.knobs() | {name: value}
    fresh = opened({"loss": loss})
    fresh.step(4)
    found, other = here.history.losses, fresh.run.sessions[0].history.losses
    assert found[:2] == losses == other[:2] and not np.allclose(found[2:], other[2:])
    weights = [torch.cat([p.ravel() for p in one.encoder.parameters()]) for one in (here, fresh.run.sessions[0])]
    assert not torch.equal(*weights)
    fresh.close()


def test_the_weight_of_the_robust_part_is_live(training: TrainingLab) -> None:
    turn(training, "left loss", "gca-uot")
    training.reset()
    training.step(2)
    turn(training, "left rince_weight", 0.5)
    training.step(1)
    mixed = gca.Alignment.from_dict(training.state["sides"][0]["alignment"])
    assert training.run.sessions[0].loss.alignment == mixed
    weights = [(weight, term.name) for weight, term in mixed.divergence.terms()]
    assert weights == [(1.0, "kl"), (0.5, "rince")] and not np.isnan(training.run.sessions[0].history.losses).any()
    assert "wrince = 0.5, q = 0.5, λ = 0.01, P = " in said(training)


def test_the_formula_holds_the_numbers(training: TrainingLab) -> None:
    assert ", q = 0.5, λ = 0.01, P = " in said(training)
    turn(training, "left lam", 0.2)
    assert ", q = 0.5, λ = 0.2, P = " in said(training)
    turn(training, "left loss", "infonce")
    assert "λ" not in said(training)
    turn(training, "left loss", "tempered")
    turn(training, "left alpha", -0.5)
    assert ", α = -0.5, P = " in said(training)
    turn(training, "left loss", "iot-uni")
    assert ", wuniformity = 0.02, P = " in said(training)


def test_each_of_two_sides_has_its_own() -> None:
    lab = opened({"loss": "rince"}, {"loss": "gca-rince"})
    assert on_the_page(lab, "left ") == on_the_page(lab, "right ") == {"q", "lam"}
    assert {lab.knobs[f"right {name}"].control.colour for name in PARAMETERS} == {"cols"}
    assert all(lab.knobs[f"right {name}"].control in lab.panel.children for name in PARAMETERS)
    turn(lab, "right q", 0.8)
    turn(lab, "left lam", 0.1)
    knobs = [side.alignment.divergence.knobs() for side in lab._state.sides]
    assert [(one["q"], one["lam"]) for one in knobs] == [(0.5, 0.1), (0.8, 0.01)]
    assert "q = 0.8," in said(lab, 1) and "λ = 0.1," in said(lab)
    lab.close()


# what a lab keeps


def test_state_snapshot_reset_and_presets(training: TrainingLab) -> None:
    turn(training, "left q", 0.8)
    told = json.loads(json.dumps(training.state))
    assert told["sides"][0]["alignment"]["divergence"] == {"name": "rince", "q": 0.8}
    again = TrainingLab.from_state(told)
    again.step(3)
    training.reset()  # reset keeps the knobs
    training.step(3)
    assert again.state == training.state == json.loads(training.copy_state.text)
    assert again.knobs["left q"].control.value == training.knobs["left q"].control.value == 0.8
    assert again.run.sessions[0].history.losses == training.run.sessions[0].history.losses
    session = training.run.sessions[0]
    kept = session.snapshot()
    session.change(q=0.3)
    session.restore(kept)
    assert session.loss.alignment.divergence.knobs()["q"] == 0.8
    again.buttons["false positives"].click()
    assert again.knobs["right q"].control.value == 0.5 and on_the_page(again, "right ") == {"q", "lam"}
    again.close()


def test_a_link_carries_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    lab = opened({"loss": "gca-rince"}, {"loss": "tempered"})
    turn(lab, "left q", 0.8)
    turn(lab, "left lam", 0.2)
    turn(lab, "right alpha", -0.5)
    again = app(lab.copy_link.text).lab
    assert again.state == lab.state and again.knobs["left lam"].control.value == 0.2
    assert again.knobs["right alpha"].control.value == -0.5
    for one in (lab, again):
        one.close()


def test_the_code_of_a_training_has_them(training: TrainingLab) -> None:
    turn(training, "left q", 0.8)
    turn(training, "left lam", 0.2)
    training.reset()
    training.step(3)
    given: dict[str, Any] = {}
    with redirect_stdout(io.StringIO()):
        exec(training.code(), given)
    assert given["session"].history.losses == training.run.sessions[0].history.losses
    assert "'q': 0.8, 'lam': 0.2" in training.copy_code.text


@pytest.mark.parametrize(
    ("loss", "turned"),
    [("rince", {"q": 0.8, "lam": 0.2}), ("tempered", {"alpha": -0.5}), ("iot-uni", {"uniformity_weight": 0.5})],
)
def test_the_state_and_the_code_of_a_coupling_have_them(
    coupling: CouplingLab, loss: str, turned: dict[str, float]
) -> None:
    turn(coupling, "loss", loss)
    for name, value in turned.items():
        turn(coupling, name, value)
    again = CouplingLab.from_state(json.loads(coupling.copy_state.text))
    # A converged plan that started elsewhere is the same within the solver's tolerance.
    closely = 1e-9 if gca.losses()[loss].alignment.steps is not None else 1e-6
    assert again.state == coupling.state and again.scene.loss == pytest.approx(coupling.scene.loss, abs=closely)
    assert {name: again.knobs[name].control.value for name in turned} == turned
    again.close()
    told = io.StringIO()
    with redirect_stdout(told):
        exec(re.sub(r"\.show\(\)$", "", coupling.code(), flags=re.MULTILINE), {})
    assert float(told.getvalue().split()[1]) == pytest.approx(coupling.scene.loss, abs=1e-5)
    coupling.buttons["reset"].click()
    turn(coupling, "loss", loss)
    first = gca.losses()[loss].alignment.divergence.knobs()
    assert {name: coupling.knobs[name].control.value for name in turned} == {name: first[name] for name in turned}


# what is refused


def test_a_loss_without_a_value_is_refused_and_nothing_moves(training: TrainingLab) -> None:
    for steps in (0, 2):
        training.step(steps)
        turn(training, "left epsilon", 0.01)
        before = training.state, training.cards[0].formula.value
        turn(training, "left q", 1.0)
        assert "the RINCE value at q = 1 leaves float32 at epsilon = 0.01" in message(training)
        assert (training.state, training.cards[0].formula.value) == before
        assert training.run.sessions[0].loss.alignment == training.run.state.sides[0].alignment
        assert training.run.state is training._state and training.knobs["left q"].control.value == 0.5
        training.step(1)
        turn(training, "left epsilon", 0.2)
        assert message(training) == ""


def test_a_coupling_without_a_loss_is_refused_before_it_is_drawn(coupling: CouplingLab) -> None:
    turn(coupling, "q", 0.9)
    before = coupling.state, coupling.matrix.pixels, coupling.formula.value
    turn(coupling, "epsilon", 1e-3)
    assert "the RINCE value at q = 0.9 leaves float64 at epsilon = 0.001" in message(coupling)
    assert (coupling.state, coupling.matrix.pixels, coupling.formula.value) == before
    assert coupling.knobs["epsilon"].control.value == 0.1
    turn(coupling, "epsilon", 0.01)
    assert message(coupling) == ""


@pytest.mark.parametrize(("name", "value"), [("q", 0.0), ("q", 1.5), ("lam", 0.0), ("lam", 2.0)])
def test_a_state_out_of_range_is_refused(training: TrainingLab, name: str, value: float) -> None:
    before = training.state
    side = {"loss": "rince", "alignment": {"divergence": {"name": "rince", name: value}}}
    with pytest.raises(ValueError, match=rf"{name} must be in \(0, 1\]"):
        training.state = DATA | {"sides": [side]}
    assert training.state == before
