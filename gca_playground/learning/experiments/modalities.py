"""Images and labels as two modalities: each loss as classifier and as generator, before and after a half-step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gca_playground._boundary import as_count
from gca_playground.learning import crossmodal
from gca_playground.learning.experiments.cells import grid, run, summary
from gca_playground.learning.modalities import digit_pairs

if TYPE_CHECKING:
    import pandas as pd

LOSSES = ("v|u", "u|v", "two-sided", "sinkhorn")
CLASSES, DIM, BATCH, STEPS, RATE = 10, 10, 256, 300, 3e-3
ONE_WAY = ("accuracy", "nll", "ess", "precision", "image_error")
MEASURES = (*(name + end for name in ONE_WAY for end in ("", "_fixed")), "seconds")


def crossmodal_digits(
    *,
    losses: Sequence[str] = LOSSES,
    seeds: int = 3,
    steps: int = STEPS,
    folder: str | Path | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Digits u and their labels v under four losses, judged on the 500 held-out images; mean over seeds.

    An MLP (64, 128, 10) for images, a vector of 10 for each label, inner products, batch 256, 300 steps.
    As a classifier: ``accuracy`` and ``nll`` (nats) with the classes' shares as prior. As a generator of images of a
    label, drawn from the 500: ``ess``, the effective number of images; ``precision``, the weight on images of the right
    label; ``image_error``, the distance between the weighted mean image and the mean image of the class.
    ``..._fixed``: after a half-step, which is right in the direction that the loss leaves open, and shows what it
    destroys in the one that was trained.

    Returns: columns loss, then these and the ``seconds`` of training, each with ``_sd``, and the number of seeds.
    """
    count = as_count(seeds, name="seeds", least=1)
    cells = grid(loss=losses, seed=range(count), steps=(steps,))
    return summary(run("crossmodal_digits", cell, cells, folder=folder, progress=progress), ("loss",), MEASURES)


def cell(*, loss: str, seed: int, steps: int) -> dict[str, float]:
    """One training of the table and its measures."""
    train, test, labels = digit_pairs(split="train"), digit_pairs(split="test"), torch.eye(CLASSES)
    begun = perf_counter()
    model = model_for(loss, seed=seed, steps=steps)
    seconds = perf_counter() - begun
    log_prior = crossmodal.class_log_prior(train.labels, CLASSES)
    scores, library = model.score(test.view1, labels), model.score(train.view1, labels)
    to_classify = in_direction(model, scores, "v|u", library=library, log_prior_v=log_prior)
    to_generate = in_direction(model, scores, "u|v", library=library, log_prior_v=log_prior)
    raw = as_classifier(scores, test.labels, log_prior) | as_generator(scores, test.view1, test.labels)
    fixed = as_classifier(to_classify, test.labels, log_prior) | as_generator(to_generate, test.view1, test.labels)
    return raw | {f"{name}_fixed": value for name, value in fixed.items()} | {"seconds": seconds}


def model_for(loss: str, *, seed: int, steps: int = STEPS) -> crossmodal.Crossmodal:
    """The training of one cell."""
    train = digit_pairs(split="train")
    return crossmodal.fit(
        train.view1,
        train.view2,
        loss=loss,
        tilting="dot",
        encoders=("mlp", "linear"),
        dim=DIM,
        steps=steps,
        batch=BATCH,
        lr=RATE,
        seed=seed,
    )


def in_direction(
    model: crossmodal.Crossmodal, scores: Tensor, direction: str, *, library: Tensor, log_prior_v: Tensor
) -> Tensor:
    """A half-step for that direction, needed or not: over the labels before generating, over ``library`` to classify.

    Where the loss leaves both sides open (Sinkhorn) it is all half-steps.
    """
    if len(model.free) == 2:
        return model.half_step(scores, direction=direction, library=library, log_prior_v=log_prior_v)
    if direction == "u|v":
        return crossmodal.half_step(scores, over="v", log_prior=log_prior_v)
    return crossmodal.half_step(scores, over="u", library=library)


def as_classifier(scores: Tensor, labels: Tensor, log_prior: Tensor) -> dict[str, float]:
    """``accuracy`` and mean ``nll`` in nats."""
    p = crossmodal.class_probabilities(scores.double(), log_prior=log_prior)
    right = p.gather(1, labels[:, None]).log().mean()
    return {"accuracy": float((p.argmax(1) == labels).double().mean()), "nll": -float(right)}


def as_generator(scores: Tensor, images: Tensor, labels: Tensor) -> dict[str, float]:
    """``ess``, ``precision`` and ``image_error``, each a mean over the labels."""
    weights = crossmodal.generation_weights(scores.double())
    member = torch.nn.functional.one_hot(labels, CLASSES).double()
    means = crossmodal.weighted_mean(member / member.sum(0), images)
    error = (crossmodal.weighted_mean(weights, images) - means).norm(dim=1).mean()
    ess = crossmodal.effective_sample_size(weights).mean()
    return {"ess": float(ess), "precision": float((weights * member).sum(0).mean()), "image_error": float(error)}
