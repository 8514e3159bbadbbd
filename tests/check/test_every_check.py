"""What every self-check does with no answer, and with what is no answer to it."""

from __future__ import annotations

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
