"""The self-checks of notebook 00: right, wrong with the reason, not attempted; they never raise."""

import math

import pytest

import gca_playground as gca
from gca_playground.alignment import Alignment

DIGITS = {"data": {"name": "hubs", "n": 64}, "alignment": {"epsilon": 0.1, "steps": 1}}


@pytest.mark.parametrize("check", [gca.check.find_the_collapse, gca.check.steps_to_balance])
@pytest.mark.parametrize("answer", [None, ...])
def test_not_attempted_repeats_the_question(check, answer):
    verdict = check(answer)
    assert verdict.state == "not attempted"
    assert len(verdict.why) > 20


@pytest.mark.parametrize(
    "state",
    [
        DIGITS | {"alignment": {"epsilon": 10.0, "steps": 1}},
        {"data": {"name": "blobs", "n": 32, "options": {"classes": 1, "spread": 0.0}}, "alignment": {"epsilon": 0.5}},
    ],
)
def test_two_ways_to_collapse_are_both_right(state):
    verdict = gca.check.find_the_collapse(state)
    assert verdict.state == "right"
    assert f"{math.log(state['data']['n']):.2f}" in verdict.why


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (DIGITS, "still choose"),
        ({"data": {"name": "hubs", "n": 8}, "alignment": {"epsilon": 10.0}}, "at least 16"),
        ({"data": {"name": "hub"}}, "did you mean 'hubs'"),
        (3, "a state is a dict"),
    ],
)
def test_wrong_collapses_are_told_apart(answer, reason):
    verdict = gca.check.find_the_collapse(answer)
    assert verdict.state == "wrong"
    assert reason in verdict.why


ATTRACTION = {"lab": "training", "sides": [{"loss": "byol-view"}]}
LEARNING = {"lab": "training", "data": {"name": "moons"}}


@pytest.mark.parametrize(
    "state",
    [
        ATTRACTION,
        {"sides": [{"loss": "infonce", "alignment": {"epsilon": 10.0}}]},
        {"lab": "training", "data": {"name": "blobs", "options": {"classes": 1, "spread": 0.0}, "mismatched": 0.0}},
    ],
)
def test_a_training_can_collapse_too(state):
    verdict = gca.check.find_the_collapse(state)
    assert verdict.state == "right"
    assert "after 150 steps the rows' entropy is 4.85, log 128 is 4.85" in verdict.why


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (LEARNING, "after 150 steps the rows still choose"),
        (LEARNING, "Which loss never pushes points apart?"),
        ({"lab": "training", "data": {"name": "moon"}}, "did you mean 'moons'"),
        ({"lab": "target"}, "this is the target lab: a collapse shows in the training lab, or in the coupling lab"),
        ({"lab": "training", "data": {"name": "blobs", "options": {"n": 12}}, "batch": 12}, "with 12 pairs"),
    ],
)
def test_trainings_that_have_not_collapsed_are_told_apart(state, reason):
    verdict = gca.check.find_the_collapse(state)
    assert verdict.state == "wrong"
    assert reason in verdict.why


def test_a_training_lab_is_looked_at_as_it_stands():
    lab = gca.TrainingLab.from_state(ATTRACTION)
    assert "nothing is trained yet, and the rows still choose" in gca.check.find_the_collapse(lab).why
    lab.step(100)
    assert "after 100 steps the rows' entropy" in gca.check.find_the_collapse(lab).why
    lab.close()


def independent_steps_to_balance():
    """The least number of half-steps by which the preset's plan is within 10 %, from plain solves."""
    data = gca.datasets.load("hubs", n=64, seed=0)
    z, w = (view[data.labels.argsort(stable=True)].double() for view in (data.view1, data.view2))
    for steps in range(50):
        plan = Alignment(epsilon=0.1, steps=steps).plan(z, w)
        if max((plan.row_sums - 1).abs().max(), (plan.col_sums - 1).abs().max()) <= 0.1:
            return steps
    return None


def test_the_right_number_of_half_steps_is_the_least():
    least = independent_steps_to_balance()
    assert gca.check.steps_to_balance(least).state == "right"
    assert "they were so before" in gca.check.steps_to_balance(least + 1).why


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(0, "columns"), (1, "only the rows"), (2, "only the columns"), (51, "ends at 50"), (-1, ">= 0"), ("six", "whole")],
)
def test_wrong_numbers_of_half_steps_are_told_apart(answer, reason):
    verdict = gca.check.steps_to_balance(answer)
    assert verdict.state == "wrong"
    assert reason in verdict.why


def test_a_verdict_reads_the_same_as_text_and_as_html():
    verdict = gca.check.steps_to_balance(1)
    assert repr(verdict).startswith("✗ not yet: after 1 half-step one of the columns")
    assert 'role="status"' in verdict._repr_html_()
    assert "after 1 half-step one of the columns" in verdict._repr_html_()


@pytest.mark.parametrize(
    ("lab", "reason"),
    [
        (gca.GaussianLab, "this is the gaussian lab: a collapse shows in the training lab"),
        (lambda: {"lab": "crossmodal"}, "this is the crossmodal lab"),
        (lambda: gca.TrainingLab("moons"), "nothing is trained yet, and the rows still choose"),
    ],
)
def test_another_lab_and_one_that_was_not_played_are_told(lab, reason):
    verdict = gca.check.find_the_collapse(lab())
    assert verdict.state == "wrong"
    assert verdict.why.startswith(reason)
