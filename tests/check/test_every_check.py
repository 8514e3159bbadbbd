"""What every self-check does with no answer, and with what is no answer to it."""

from __future__ import annotations

import math

import numpy
import pytest
import torch

import gca_playground as gca

RETURN_TWO = [gca.check.alignment_uniformity, gca.check.two_sided_law]
"""They ask for two things at once, and their own tests say what comes of one."""
WANT_FUNCTIONS = [
    gca.check.infonce,
    gca.check.infonce_gradient,
    gca.check.nt_xent,
    gca.check.hub_bias,
    gca.check.kl_drop,
    gca.check.rising_target,
    gca.check.three_plans,
    gca.check.outer_step,
    gca.check.adjoint,
    gca.check.implicit_gradient,
    gca.check.recover_correlations,
    gca.check.joint_encoders,
    gca.check.rince,
    gca.check.kept_mass,
    gca.check.domain_prior,
    gca.check.reachable,
    gca.check.classes_apart,
    gca.check.repaired_weights,
    gca.check.effective_size,
    gca.check.repaired_labels,
    *RETURN_TWO,
]


@pytest.mark.parametrize("check", [gca.check.hub, gca.check.rising_rince, *WANT_FUNCTIONS])
@pytest.mark.parametrize("answer", [None, ...])
def test_not_attempted_repeats_the_question(check, answer):
    verdict = check(answer)
    assert verdict.state == "not attempted"
    assert verdict.why.startswith(("write ", "make "))


@pytest.mark.parametrize("check", WANT_FUNCTIONS)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (torch.eye(3), "the function itself, without calling it"),
        (lambda *_: 1 / 0, "raised ZeroDivisionError"),
        (lambda: 3, "raised TypeError"),
    ],
)
def test_answers_of_the_wrong_kind_are_wrong_in_words(check, answer, reason):
    verdict = check(answer)
    assert verdict.state == "wrong"
    assert reason in verdict.why


@pytest.mark.parametrize("check", [check for check in WANT_FUNCTIONS if check not in RETURN_TWO])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda *_: None, "does it end with `return`"),
        (lambda *_: ..., "still returns the dots"),
        (lambda *_: "far", "it returned a str"),
    ],
)
def test_what_is_returned_is_told_apart(check, answer, reason):
    assert reason in check(answer).why


def told_off():
    raise ValueError("that was wrong.")


def test_an_error_that_ends_with_a_full_stop_gets_no_second_one():
    why = gca.check.cost_matrix(lambda z, w: told_off()).why
    assert why.startswith("your function raised ValueError: that was wrong. It was called with z (5, 3), w (7, 3)")


@pytest.mark.parametrize(
    ("answer", "told"),
    [(3, "an int"), ("x", "a str"), ((1, 2), "a tuple of 2"), ([1], "a list of 1"), (0.5, "a float")],
)
def test_what_an_answer_is_has_its_article(answer, told):
    assert gca.check.infonce(answer).why.endswith(f"this is {told}")


@pytest.mark.parametrize(
    "check", [gca.check.infonce, gca.check.infonce_gradient, gca.check.hub_bias, gca.check.kl_drop]
)
def test_a_part_of_a_plan_is_named_only_where_it_is_asked_for(check):
    plan = gca.solve(torch.rand(3, 3), epsilon=0.5)
    assert check(lambda *_: plan).why.endswith("it returned a Plan")
    for other in (gca.check.three_plans, gca.check.rising_target, gca.check.reachable):
        assert other(lambda *_: plan).why.endswith("it returned a Plan: return its .matrix")
    assert gca.check.half_step(lambda *_: plan).why.endswith("it returned a Plan: return its .f")
    assert gca.check.sinkhorn(lambda *_: plan).why.endswith("return its .f and its .g")


@pytest.mark.parametrize("wrap", [tuple, list, torch.tensor, numpy.array])
def test_two_numbers_may_come_in_anything_that_holds_two(wrap):
    def law(sigma):
        z = (math.sqrt(9 - 8 * sigma) - 1) / 2
        return wrap([1 - z, z])

    def parts(z, w, t):
        uniformity = (-t * torch.cdist(z, w).square()).exp().mean().log()
        return wrap([float((z - w).square().sum(1).mean()), float(uniformity)])

    assert gca.check.two_sided_law(law).state == "right"
    assert gca.check.alignment_uniformity(parts).state == "right"
    for check in RETURN_TWO:
        assert "two numbers are asked for" in check(lambda *_: wrap([1.0, 2.0, 3.0])).why
        assert "two numbers are asked for" in check(lambda *_: 1.0).why
        assert "still returns the dots" in check(lambda *_: ...).why
        assert "does it end with `return`" in check(lambda *_: None).why
