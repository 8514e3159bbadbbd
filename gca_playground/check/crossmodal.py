"""The exercises of notebook 10: a half-step for images, how many images count, a half-step for labels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from gca_playground.check.answers import call, first_match, fresh, numbers, same
from gca_playground.check.verdict import Wrong, exercise
from gca_playground.learning.crossmodal import (
    class_probabilities,
    conditional_weights,
    effective_sample_size,
    generation_weights,
    half_step,
)

IMAGES, LABELS, LIBRARY = 9, 4, 30
"""Sizes of what an answer is tried on: all different, so that a wrong axis is seen."""


# Images of a label, from a classifier -------------------------------------------------------------------------------


@exercise(
    "write repaired(scores, log_prior) that returns the weights (n, m) of n images for each of m labels, from the "
    "scores (n, m) of a model trained with label | image and the log shares (m,) of the labels; then pass it"
)
def repaired_weights(answer: Any) -> str:
    """Given ``(scores, log_prior) -> weights (n, m)``: right when a half-step over the labels comes first."""
    scores, _, log_prior = _problem()
    wanted = generation_weights(half_step(scores, over="v", log_prior=log_prior))
    found = numbers(call(answer, hint="rows are images, columns labels", scores=scores, log_prior=log_prior))
    if found.shape != wanted.shape:
        raise Wrong(f"a weight for each image and label is asked for, {tuple(wanted.shape)}; yours has {_size(found)}")
    if not same(found, wanted):
        raise Wrong(first_match(found, _weight_mistakes(scores, log_prior)) or _sums(found, columns=True))
    return "one half-step over the labels, and a classifier generates: p(label | image), shared out among the images"


def _weight_mistakes(s: Tensor, log_prior: Tensor) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    wanted = half_step(s, over="v", log_prior=log_prior)
    other_way = half_step(s, over="u")
    yield (
        generation_weights(s),
        "these are the raw weights: there is no half-step in them, or one over the images, which adds a number to each "
        "label and changes nothing here: it belongs to the direction that was trained",
    )
    yield generation_weights(half_step(s, over="v")), "the prior is missing: labels are not equally frequent"
    yield (
        generation_weights(half_step(s, over="v", log_prior=-log_prior)),
        "the prior has the wrong sign: it is added to the scores before the sum over the labels",
    )
    for labels in (class_probabilities(s, log_prior=log_prior), class_probabilities(s)):
        yield labels, "rows sum to 1: these are the probabilities of the labels. In the end normalise over the images"
    for labels in (class_probabilities(other_way, log_prior=log_prior), class_probabilities(other_way)):
        yield labels, "this half-step, over the images, repairs image | label as a classifier: here it is the other way"
    yield wanted.exp(), "this is the half-step alone; now normalise over the images, so that each column sums to 1"
    yield wanted, "these are scores after the half-step: now the weights, a softmax over the images"
    yield wanted.log_softmax(0), "these are the logarithms of the weights"
    yield generation_weights(2 * s - wanted), "the half-step is subtracted from the scores, not added"


# How many images ----------------------------------------------------------------------------------------------------


@exercise(
    "write size(weights) that returns the effective number of images for each label (m,), given weights (n, m) whose "
    "columns sum to 1; then pass it"
)
def effective_size(answer: Any) -> str:
    """Given ``weights (n, m) -> (m,)``: right when it is ``1 / sum_i w_ij^2``."""
    scores, *_ = _problem()
    weights = generation_weights(scores)
    wanted = effective_sample_size(weights)
    found = numbers(call(answer, hint="rows are images, columns labels", weights=weights))
    if found.shape != wanted.shape:
        by_row = found.shape == (len(weights),)
        told = ": sum over the images (dim 0), not over the labels" if by_row else ""
        raise Wrong(f"one number a label is asked for, {tuple(wanted.shape)}; yours has {_size(found)}{told}")
    if not same(found, wanted):
        reason = first_match(found, _size_mistakes(weights)) or "try equal weights, which are n, and a single one, 1"
        raise Wrong(reason)
    return "1 for a collapse, n for equal weights: the number of equally heavy images with the same sum of squares"


def _size_mistakes(weights: Tensor) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    squares = weights.square().sum(0)
    yield squares, "this is the sum of squares: the number is its inverse"
    yield 1 / squares.sqrt(), "take no root: 1 over the sum of squares"
    yield len(weights) * squares, "this is n times the sum of squares: turn it round"
    yield 1 / (len(weights) * squares), "this is the share of the images that count: multiply by n"
    yield torch.special.entr(weights).sum(0).exp(), "this is the exponential of the entropy, another count of the same"
    yield 1 / weights.max(0).values, "this is 1 over the largest weight: all weights should count"
    yield (weights > 1 / len(weights)).sum(0).double(), "this counts the images above average; weights say more"
    yield 1 / weights.square().mean(0), "sum the squares over the images; this takes their mean"


# The label of an image, from a generator ----------------------------------------------------------------------------


@exercise(
    "write labels(scores, library, log_prior) that returns the probabilities (n, m) of m labels for each of n images: "
    "scores (n, m) of a model trained with image | label, its scores (k, m) of a library of images, and the log shares "
    "(m,) of the labels; then pass it"
)
def repaired_labels(answer: Any) -> str:
    """Given ``(scores, library, log_prior) -> p (n, m)``: right when a half-step over the library comes first."""
    scores, library, log_prior = _problem()
    wanted = class_probabilities(half_step(scores, over="u", library=library), log_prior=log_prior)
    given = {"scores": scores, "library": library, "log_prior": log_prior}
    found = numbers(call(answer, hint="rows are images, columns labels", **given))
    if found.shape != wanted.shape:
        raise Wrong(f"a probability for each image and label, {tuple(wanted.shape)}; yours has {_size(found)}")
    if not same(found, wanted):
        raise Wrong(first_match(found, _label_mistakes(scores, library, log_prior)) or _sums(found, columns=False))
    return "p(image | label) p(label), normalised over the labels: Bayes' rule is a half-step and a prior"


def _label_mistakes(s: Tensor, library: Tensor, log_prior: Tensor) -> Iterator[tuple[Tensor, str]]:
    """What typical slips give, and what to say of them."""
    fixed = half_step(s, over="u", library=library)
    own = half_step(s, over="u")
    yield (
        class_probabilities(s, log_prior=log_prior),
        "there is no half-step in it, or one over the labels, which adds a number to each image and changes nothing "
        "here: it belongs to the direction that was trained",
    )
    yield class_probabilities(s), "there is neither a half-step nor a prior in it"
    yield class_probabilities(fixed), "the prior is missing: labels are not equally frequent"
    yield class_probabilities(fixed, log_prior=-log_prior), "the prior is added to the scores, not subtracted"
    yield (
        class_probabilities(own, log_prior=log_prior),
        "the sum runs over the images that are asked about: take the library, so that an answer depends on its image "
        "alone",
    )
    yield class_probabilities(own), "the sum runs over the images that are asked about, and the prior is missing"
    yield class_probabilities(2 * s - fixed, log_prior=log_prior), "the half-step is subtracted, not added"
    yield conditional_weights(fixed, direction="u|v"), "columns sum to 1: normalise over the labels"
    for number in (0.0, math.log(len(library))):  # the sum over the library, or the mean
        yield fixed + log_prior - number, "these are scores: now a softmax over the labels"
    yield (fixed + log_prior).log_softmax(1), "these are the logarithms of the probabilities"


# All ----------------------------------------------------------------------------------------------------------------


def _problem() -> tuple[Tensor, Tensor, Tensor]:
    """Fresh scores (9, 4) with a number of its own for each image and label, those of a library, a log prior."""
    draw = fresh()
    both = 1.5 * torch.randn(IMAGES + LIBRARY, LABELS, generator=draw, dtype=torch.float64)
    both = both + torch.randn(len(both), 1, generator=draw) + 1.5 * torch.randn(1, LABELS, generator=draw)
    log_prior = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64).log()
    return both[:IMAGES], both[IMAGES:], log_prior[torch.randperm(LABELS, generator=draw)]


def _size(found: Tensor) -> str:
    return f"the shape {tuple(found.shape)}"


def _sums(found: Tensor, *, columns: bool) -> str:
    """What is said where no usual slip gives the numbers."""
    side, dim = ("column", 0) if columns else ("row", 1)
    sums = found.sum(dim)
    if not torch.allclose(sums, torch.ones_like(sums), atol=1e-4):
        return f"each {side} should sum to 1; yours sum to {', '.join(f'{value:.3f}' for value in sums.tolist())}"
    return f"each {side} sums to 1, and yet no usual slip gives these numbers: compare with the library step by step"
