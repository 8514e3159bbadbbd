"""The self-checks of notebook 10: each typical slip is told apart by what is said of it; they never raise."""

import pytest
import torch

import gca_playground as gca

# Images of a label, from a classifier -------------------------------------------------------------------------------


def weights(s, log_prior, *, prior=1.0, sign=-1.0):
    return torch.softmax(s + sign * torch.logsumexp(s + prior * log_prior, 1, keepdim=True), 0)


def by_the_library(s, log_prior):
    return gca.crossmodal.generation_weights(gca.crossmodal.half_step(s, over="v", log_prior=log_prior))


def by_bayes(s, log_prior):
    p = torch.softmax(s + log_prior, 1)
    return (p / p.sum(0)).float().numpy()


@pytest.mark.parametrize("right", [weights, by_the_library, by_bayes])
def test_right_weights(right):
    assert gca.check.repaired_weights(right).state == "right"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda s, lp: torch.softmax(s, 0), "these are the raw weights"),
        (lambda s, lp: torch.softmax(s - torch.logsumexp(s, 0), 0), "belongs to the direction that was trained"),
        (lambda s, lp: weights(s, lp, prior=0.0), "the prior is missing"),
        (lambda s, lp: weights(s, lp, prior=-1.0), "the wrong sign"),
        (lambda s, lp: torch.softmax(s + lp, 1), "rows sum to 1"),
        (lambda s, lp: torch.softmax(s - torch.logsumexp(s + lp, 1, keepdim=True), 1), "rows sum to 1"),
        (lambda s, lp: torch.softmax(s - torch.logsumexp(s, 0) + lp, 1), "repairs image | label as a classifier"),
        (lambda s, lp: (s - torch.logsumexp(s + lp, 1, keepdim=True)).exp(), "the half-step alone"),
        (lambda s, lp: s - torch.logsumexp(s + lp, 1, keepdim=True), "scores after the half-step"),
        (lambda s, lp: weights(s, lp).log(), "logarithms"),
        (lambda s, lp: weights(s, lp, sign=1.0), "subtracted from the scores, not added"),
        (lambda s, lp: weights(s, lp).T, "(9, 4); yours has the shape (4, 9)"),
        (lambda s, lp: 2 * weights(s, lp), "each column should sum to 1; yours sum to 2.000"),
        (lambda s, lp: torch.softmax(3 * s, 0), "no usual slip"),
        (lambda s, lp: s - torch.logsumexp(s, 1), "rows are images, columns labels"),
    ],
)
def test_wrong_weights_are_told_apart(wrong, reason):
    verdict = gca.check.repaired_weights(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# How many images ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "right",
    [lambda w: 1 / (w**2).sum(0), gca.crossmodal.effective_sample_size, lambda w: w.sum(0) ** 2 / w.square().sum(0)],
)
def test_right_sizes(right):
    assert gca.check.effective_size(right).state == "right"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda w: 1 / (w**2).sum(1), "sum over the images (dim 0)"),
        (lambda w: (w**2).sum(0), "the number is its inverse"),
        (lambda w: 1 / (w**2).sum(0).sqrt(), "take no root"),
        (lambda w: 1 / (w**2).mean(0), "this takes their mean"),
        (lambda w: (-(w * w.log()).sum(0)).exp(), "exponential of the entropy"),
        (lambda w: 1 / w.max(0).values, "1 over the largest weight"),
        (lambda w: (w > 1 / len(w)).sum(0), "counts the images above average"),
        (lambda w: 1 / (w**2).sum(0) / len(w), "multiply by n"),
        (lambda w: len(w) * (w**2).sum(0), "turn it round"),
        (lambda w: 1 / (w**2).sum(), "yours has the shape ()"),
        (lambda w: torch.zeros(4), "try equal weights"),
    ],
)
def test_wrong_sizes_are_told_apart(wrong, reason):
    verdict = gca.check.effective_size(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# The label of an image, from a generator ----------------------------------------------------------------------------


def labels(s, library, log_prior, *, prior=1.0, sign=-1.0):
    return torch.softmax(s + sign * torch.logsumexp(library, 0) + prior * log_prior, 1)


def labels_by_bayes(s, library, log_prior):
    joint = s.exp() / library.exp().mean(0) * log_prior.exp()
    return joint / joint.sum(1, keepdim=True)


@pytest.mark.parametrize("right", [labels, labels_by_bayes])
def test_right_labels(right):
    assert gca.check.repaired_labels(right).state == "right"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda s, library, lp: torch.softmax(s + lp, 1), "there is no half-step in it"),
        (lambda s, library, lp: torch.softmax(s - torch.logsumexp(s, 1, keepdim=True) + lp, 1), "changes nothing"),
        (lambda s, library, lp: torch.softmax(s, 1), "neither a half-step nor a prior"),
        (lambda s, library, lp: labels(s, library, lp, prior=0.0), "the prior is missing"),
        (lambda s, library, lp: labels(s, library, lp, prior=-1.0), "not subtracted"),
        (lambda s, library, lp: labels(s, library, lp, sign=1.0), "the half-step is subtracted, not added"),
        (lambda s, library, lp: labels(s, s, lp), "take the library"),
        (lambda s, library, lp: labels(s, s, lp, prior=0.0), "and the prior is missing"),
        (lambda s, library, lp: torch.softmax(s - torch.logsumexp(library, 0), 0), "columns sum to 1"),
        (lambda s, library, lp: s - torch.logsumexp(library, 0) + lp, "these are scores"),
        (lambda s, library, lp: labels(s, library, lp).log(), "logarithms"),
        (lambda s, library, lp: labels(s, library, lp).argmax(1), "yours has the shape (9,)"),
        (lambda s, library, lp: 2 * labels(s, library, lp), "each row should sum to 1"),
        (lambda s, library, lp: s - torch.logsumexp(library, 1), "rows are images, columns labels"),
    ],
)
def test_wrong_labels_are_told_apart(wrong, reason):
    verdict = gca.check.repaired_labels(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why
