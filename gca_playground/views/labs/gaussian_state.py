"""The state of a Gaussian lab: what decides a picture, as JSON, and the moves a user can make in it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from gca_playground.learning.gaussian import TILTINGS
from gca_playground.views.labs.common_state import Check, checked, counted, flag, named, written

VARIANCE = 1.5
"""Of every coordinate of u and of v, as in the paper's example in the plane."""

MOST_SIGMA = 0.9
"""Correlations above this one would leave the picture."""

MOST_BATCH = 256

Pair = tuple[float, float]


class Row(NamedTuple):
    """A loss of the lab: its name in the menu, the library's, its knobs, and its corner of the square, if any."""

    title: str
    loss: str
    knobs: dict[str, Any]
    corner: Pair | None = None


LOSSES = {
    "two-sided": Row("two-sided (CLIP)", "conditional", {"weights": (1.0, 1.0)}),
    "u|v": Row("one-sided, u given v", "conditional", {"weights": (2.0, 0.0)}, (0.0, 1.0)),
    "v|u": Row("one-sided, v given u", "conditional", {"weights": (0.0, 2.0)}, (1.0, 0.0)),
    "joint": Row("joint", "joint", {}, (0.0, 0.0)),
    "sinkhorn": Row("Sinkhorn (inverse OT)", "sinkhorn", {}, (1.0, 1.0)),
    "square": Row("in the square", "unbalanced", {}),
    "wasserstein": Row("Wasserstein, u given v", "wasserstein", {"weights": (2.0, 0.0)}),
}
"""The losses one can choose between."""


@dataclass(frozen=True, kw_only=True)
class State:
    """All that decides a picture; the paper's example in the plane under the two-sided loss unless told otherwise."""

    sigma: tuple[float, ...] = (2 / 3,)
    rank: int = 1
    tilting: str = "dot"
    loss: str = "two-sided"
    kappa: Pair = (0.5, 0.5)
    batch: int = 64
    seed: int = 0
    learned: bool = False
    pair: int = 1

    def __post_init__(self) -> None:
        """What belongs together; a loss with a corner stands there. Raises: ValueError that names the field."""
        for name in ("rank", "pair"):
            if getattr(self, name) > len(self.sigma):
                raise ValueError(
                    f"{name} must be <= {len(self.sigma)}, the number of correlations, got {getattr(self, name)}"
                )
        corner = LOSSES[self.loss].corner
        if corner is not None:
            object.__setattr__(self, "kappa", corner)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return written(self, lab="gaussian")

    @classmethod
    def from_dict(cls, values: object) -> State:
        """Read back; what is left out takes its first value. Raises: TypeError, ValueError that name what is wrong."""
        given = checked(values, _CHECKS, lab="gaussian")
        state = cls(**given)
        if "kappa" in given and state.kappa != given["kappa"]:
            told = f"kappa belongs to the loss 'square'; {state.loss!r} stands at {state.kappa}"
            raise ValueError(f"{told}, got {given['kappa']}")
        return state

    def change(self, **changes: Any) -> State:
        """Another state; what was learned under another problem is no longer on show."""
        kept = {} if set(changes) <= {"pair", "learned", "seed"} else {"learned": False}
        return dataclasses.replace(self, **kept | changes)

    def with_second(self, sigma: float | None) -> State:
        """Another second correlation; None: one dimension only, and what needs two of them goes back to one."""
        if sigma is None:
            return self.change(sigma=self.sigma[:1], rank=1, pair=1)
        return self.change(sigma=(self.sigma[0], sigma))

    def walk(self, kappa: Pair) -> State:
        """To a place in the square."""
        return self.change(loss="square", kappa=kappa)

    @property
    def place(self) -> Pair | None:
        """Where in the square the loss stands; None for one that is not in it."""
        return self.kappa if self.loss == "square" else LOSSES[self.loss].corner

    @property
    def library(self) -> tuple[str, dict[str, Any]]:
        """The loss as the library calls it, and its knobs."""
        row = LOSSES[self.loss]
        return row.loss, row.knobs | ({"kappa": self.kappa} if self.loss == "square" else {})


def _correlations(value: Any) -> tuple[float, ...]:
    numbers = _numbers(value, "sigma")
    if not 1 <= len(numbers) <= 2 or not all(0 <= number <= MOST_SIGMA for number in numbers):
        raise ValueError(f"sigma must be one or two correlations in [0, {MOST_SIGMA}], got {value!r}")
    return numbers


def _kappa(value: Any) -> Pair:
    numbers = _numbers(value, "kappa")
    if len(numbers) != 2 or not all(0 <= number <= 1 for number in numbers):
        raise ValueError(f"kappa (of u, of v) must be in [0, 1] x [0, 1], got {value!r}")
    return numbers[0], numbers[1]


def _numbers(value: Any, name: str) -> tuple[float, ...]:
    listed = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in listed):
        raise TypeError(f"{name} must be a list of numbers, got {value!r}")
    return tuple(float(x) for x in listed)


_CHECKS: dict[str, Check] = {
    "sigma": _correlations,
    "rank": counted("rank", 1),
    "tilting": named(TILTINGS, "tilting"),
    "loss": named(LOSSES, "loss"),
    "kappa": _kappa,
    "batch": counted("batch", 2, MOST_BATCH),
    "seed": counted("seed", 0),
    "learned": flag("learned"),
    "pair": counted("pair", 1),
}


def script(state: State) -> str:
    """A plain script that computes the model of a state and draws it."""
    loss, knobs = state.library
    listed = "".join(f", {name}={value!r}" for name, value in knobs.items())
    cov = f"{VARIANCE} * torch.eye({len(state.sigma)})"
    call = f"{loss!r}, truth, rank={state.rank}, tilting={state.tilting!r}{listed}"
    return (
        "import torch\n"
        "\n"
        "import gca_playground as gca\n"
        "from gca_playground.views.gaussian_figures import laws\n"
        "\n"
        f"truth = gca.gaussian.Gaussian({cov}, {VARIANCE} * torch.diag(torch.tensor({list(state.sigma)})), {cov})\n"
        "try:\n"
        f"    model = gca.gaussian.closed_form({call})\n"
        "except ValueError:  # no closed form is known\n"
        f"    model = gca.gaussian.fit({call})\n"
        'print(f"KL(truth | model) {model.kl:.4f}, E[u|v] = {model.u_given_v.slope.diagonal().tolist()} v")\n'
        f"laws(truth, {{{LOSSES[state.loss].title!r}: model}}, pair={state.pair}).show()\n"
    )
