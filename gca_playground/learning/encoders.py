"""Who makes the embedding: small networks, an encoder trained on digits, a flat picture of the result."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from gca_playground._boundary import as_count, as_epsilon, as_float_tensor
from gca_playground.alignment import Alignment
from gca_playground.learning import cache as disk
from gca_playground.learning.datasets import Pairs, load
from gca_playground.learning.laws import generator, known, real
from gca_playground.learning.networks import ENCODERS, cnn, hidden_widths, linear, make, mlp
from gca_playground.transport import EXACT, FREE

__all__ = [
    "ENCODERS",
    "DigitsRecipe",
    "Embedded",
    "cnn",
    "digits_encoder",
    "embed_digits",
    "linear",
    "make",
    "mlp",
    "pca",
]

FORMAT = 1  # of the stored weights: count up when training, network or augmentation change


@dataclass(frozen=True)
class DigitsRecipe:
    """Everything that decides a trained encoder of digits; as text, what a picture's caption says."""

    dim: int = 8
    hidden: tuple[int, ...] = (128,)
    epsilon: float = 0.2
    steps: int = 300
    batch: int = 128
    rate: float = 5e-3
    noise: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check and convert, so that equal recipes are equal keys."""
        checked: dict[str, object] = {
            name: as_count(getattr(self, name), name=name, least=least)
            for name, least in {"dim": 1, "steps": 0, "batch": 2, "seed": 0}.items()
        }
        checked |= {name: real(name, getattr(self, name)) for name in ("rate", "noise")}
        checked |= {"epsilon": as_epsilon(self.epsilon), "hidden": hidden_widths(self.hidden)}
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def __str__(self) -> str:
        """Such as: MLP 64-128-8, InfoNCE at ε 0.2, 300 steps, seed 0."""
        widths = "-".join(map(str, (64, *self.hidden, self.dim)))
        return f"MLP {widths}, InfoNCE at ε {self.epsilon:g}, {self.steps} steps, seed {self.seed}"

    @property
    def key(self) -> str:
        """The name of its weights in the cache."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)
        return f"digits-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def network(self) -> nn.Sequential:
        """The encoder before training."""
        return mlp(64, self.dim, hidden=self.hidden, seed=self.seed, sphere=True)


class Embedded(NamedTuple):
    """Both views embedded, (n, dim) unit vectors each, and in words by which encoder."""

    z: Float32[Tensor, "n d"]
    w: Float32[Tensor, "n d"]
    report: str


def digits_encoder(**knobs: object) -> nn.Sequential:
    """A network (n, 64) to unit vectors (n, dim), trained on the train split of ``digits`` with InfoNCE.

    Trained once (a few seconds), then kept in memory and in the user's cache folder; each call returns a
    network of its own, which may be trained further.

    Given: fields of ``DigitsRecipe``; ``steps=0`` is the encoder untrained.
    Raises: ValueError for a knob that does not exist, TypeError or ValueError for a value that breaks a law.
    """
    recipe = _recipe(knobs)
    network = recipe.network()
    network.load_state_dict(_weights(recipe))
    return network


def embed_digits(data: Pairs | None = None, **knobs: object) -> Embedded:
    """The two views of ``data`` through ``digits_encoder(**knobs)``.

    Given: digits. None: the test split, which training never saw, so that its numbers are honest.
    Returns: two tensors (n, dim) of unit vectors, and a sentence that says by which encoder.
    Raises: ValueError where the views are no rows of 64 pixels.
    """
    data = load("digits", split="test") if data is None else data
    if (data.view1.shape[1], data.view2.shape[1]) != (64, 64):
        raise ValueError(f"data must be digits, views of 64 pixels, got {data!r}")
    encoder = digits_encoder(**knobs)
    with torch.no_grad():
        return Embedded(encoder(data.view1), encoder(data.view2), str(_recipe(knobs)))


def pca(x: object, dim: int = 2) -> Float[Tensor, "n k"]:
    """The first ``dim`` principal coordinates of the rows of x (n, d), largest variance first, centred.

    Each axis points where its largest loading is positive, so that a picture does not flip from run to run.
    For two views in one picture: ``pca(torch.cat([z, w])).chunk(2)``.

    Raises: TypeError for what is no array; ValueError unless x has two dimensions and 1 <= dim <= min(n, d).
    """
    points = as_float_tensor(x, name="x").detach()
    if points.ndim != 2:
        raise ValueError(f"x must have shape (n, d), got {tuple(points.shape)}")
    if as_count(dim, name="dim", least=1) > min(points.shape):
        raise ValueError(f"dim must be <= min(n, d) = {min(points.shape)}, got {dim}")
    centred = points - points.mean(dim=0)
    axes = torch.linalg.svd(centred, full_matrices=False).Vh[:dim]
    largest = axes.gather(1, axes.abs().argmax(dim=1, keepdim=True))
    return centred @ (axes * largest.sign()).T


def _recipe(knobs: dict[str, object]) -> DigitsRecipe:
    for knob in knobs:
        known("knob of the digits encoder", knob, DigitsRecipe.__dataclass_fields__)
    return DigitsRecipe(**knobs)  # type: ignore[arg-type]  # the record checks each value


@cache
def _weights(recipe: DigitsRecipe) -> disk.Weights:
    stored = disk.read(recipe.key)
    if stored is not None and _fit(stored, recipe.network()):
        return stored
    trained = _train(recipe).state_dict()
    disk.write(recipe.key, trained)
    return trained


def _fit(weights: disk.Weights, network: nn.Module) -> bool:
    expected = {name: value.shape for name, value in network.state_dict().items()}
    return expected == {name: value.shape for name, value in weights.items()}


@torch.enable_grad()
def _train(recipe: DigitsRecipe) -> nn.Sequential:
    """InfoNCE on fresh views of random batches; Adam with its rate falling linearly to nothing."""
    data = load("digits", split="train", noise=recipe.noise)
    loss = Alignment(cost="cosine", epsilon=recipe.epsilon, rows=EXACT, cols=FREE, steps=1)
    network, draw = recipe.network(), generator(recipe.seed, "training")
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.rate)
    for step in range(recipe.steps):
        optimiser.param_groups[0]["lr"] = recipe.rate * (1 - step / recipe.steps)
        batch = torch.randperm(len(data), generator=draw)[: recipe.batch]
        view1, view2 = data.views(batch, draw)
        optimiser.zero_grad()
        loss(network(view1), network(view2)).backward()
        optimiser.step()
    return network
