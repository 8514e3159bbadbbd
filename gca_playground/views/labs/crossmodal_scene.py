"""What the digits of a crossmodal lab show, computed before anything is drawn. No widget in sight."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gca_playground.learning import crossmodal
from gca_playground.learning.experiments import modalities
from gca_playground.learning.modalities import digit_pairs
from gca_playground.learning.pairs import Pairs
from gca_playground.views.labs.crossmodal_state import CLASSES, State, from_drawing

HEAVIEST = 10
"""So many images of a label are shown, the heaviest first."""


@lru_cache(maxsize=2)
def digits(split: str) -> Pairs:
    """The images and their labels."""
    return digit_pairs(split=split)


class Trained(NamedTuple):
    """A trained model, and its scores of the 500 test and the 1297 training images with the ten labels."""

    model: crossmodal.Crossmodal
    scores: Tensor
    library: Tensor
    log_prior: Tensor
    seconds: float


@lru_cache(maxsize=32)
def trained(loss: str, weights: tuple[float, float] | None, seed: int) -> Trained:
    """The training of the table of experiments, here with any weights of the two sides."""
    train, labels = digits("train"), torch.eye(CLASSES)
    options: dict[str, Any] = {} if weights is None else {"weights": weights}
    begun = perf_counter()
    model = crossmodal.fit(train.view1, train.view2, loss=loss, seed=seed, **RECIPE, **options)
    seconds = perf_counter() - begun
    scores, library = (model.score(digits(split).view1, labels).double() for split in ("test", "train"))
    return Trained(model, scores, library, crossmodal.class_log_prior(train.labels, CLASSES), seconds)


RECIPE: dict[str, Any] = {
    "tilting": "dot",
    "encoders": ("mlp", "linear"),
    "dim": modalities.DIM,
    "steps": modalities.STEPS,
    "batch": modalities.BATCH,
    "lr": modalities.RATE,
}
"""An MLP for images, a learned vector for each label, inner products."""


def trained_for(state: State) -> Trained:
    """The model of a state."""
    return trained(state.library_loss["loss"], state.library_loss.get("weights"), state.seed)


def half_stepped(found: Trained, scores: Tensor, direction: str) -> Tensor:
    """Scores after the half-step that a direction needs. Raises: ValueError where it was trained."""
    both = len(found.model.free) == 2
    options: dict[str, Any] = {"library": found.library} if both or direction == "v|u" else {}
    if both or direction == "u|v":
        options["log_prior_v"] = found.log_prior
    return found.model.half_step(scores, direction=direction, **options)


class Measures(NamedTuple):
    """Of all test images: as a classifier, and as a generator, mean over the labels."""

    accuracy: float
    nll: float
    ess: float
    precision: float
    image_error: float


@lru_cache(maxsize=64)
def measures(found: Trained, half_steps: tuple[str, ...]) -> Measures:
    """With half-steps in these directions."""
    test = digits("test")
    to_classify, to_generate = (_read(found, found.scores, way, half_steps) for way in ("v|u", "u|v"))
    both = modalities.as_classifier(to_classify, test.labels, found.log_prior)
    return Measures(**both, **modalities.as_generator(to_generate, test.view1, test.labels))


def _read(found: Trained, scores: Tensor, direction: str, half_steps: tuple[str, ...]) -> Tensor:
    return half_stepped(found, scores, direction) if direction in half_steps else scores


@dataclass(frozen=True, eq=False)
class Scene:
    """The digits of a state.

    ``weights`` (500,) of the test images for the chosen label; ``pixels`` (64,) of the image on show;
    ``probabilities`` (10,) of its labels; ``truth``: its label, None for a drawing.
    """

    state: State
    found: Trained
    weights: Tensor
    pixels: Tensor
    probabilities: Tensor
    truth: int | None

    @cached_property
    def free(self) -> tuple[str, ...]:
        """The sides that the loss leaves open."""
        return self.found.model.free

    @cached_property
    def directions(self) -> tuple[str, ...]:
        """The directions in which the scores can be trusted, half-steps included."""
        return tuple(dict.fromkeys((*self.found.model.directions, *self.state.half_steps)))

    @cached_property
    def ess(self) -> float:
        """How many images the weights are those of."""
        return crossmodal.effective_sample_size(self.weights).item()

    @cached_property
    def heaviest(self) -> list[int]:
        """The places of the heaviest images."""
        return self.weights.topk(HEAVIEST).indices.tolist()

    @cached_property
    def members(self) -> Tensor:
        """Which test images bear the label (500,)."""
        return digits("test").labels == self.state.label

    @cached_property
    def mean(self) -> Tensor:
        """The weighted mean image (64,)."""
        return crossmodal.weighted_mean(self.weights, digits("test").view1)

    @cached_property
    def true_mean(self) -> Tensor:
        """The mean test image of the label (64,)."""
        return digits("test").view1[self.members].double().mean(0)

    @property
    def image_error(self) -> float:
        """How far the two mean images are apart."""
        return (self.mean - self.true_mean).norm().item()

    @property
    def precision(self) -> float:
        """The weight on images of the label."""
        return self.weights[self.members].sum().item()

    @property
    def guess(self) -> int:
        """The most probable label."""
        return int(self.probabilities.argmax())

    @property
    def now(self) -> Measures:
        """The model as it is read."""
        return measures(self.found, self.state.half_steps)

    @property
    def raw(self) -> Measures:
        """The model without half-steps."""
        return measures(self.found, ())


def make_scene(state: State) -> Scene:
    """Everything the digits of a state show. Raises: ValueError for a half-step in a trained direction."""
    found, test = trained_for(state), digits("test")
    to_generate = _read(found, found.scores, "u|v", state.half_steps)
    weights = crossmodal.generation_weights(to_generate)[:, state.label]
    drawn = bool(state.drawing)
    pixels = torch.tensor(from_drawing(state.drawing)) if drawn else test.view1[state.image]
    scores = found.model.score(pixels[None], torch.eye(CLASSES)).double()
    to_classify = _read(found, scores, "v|u", state.half_steps)
    probabilities = crossmodal.class_probabilities(to_classify, log_prior=found.log_prior)[0]
    return Scene(state, found, weights, pixels, probabilities, None if drawn else int(test.labels[state.image]))
