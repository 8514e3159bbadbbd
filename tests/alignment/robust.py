"""Every named loss on embeddings that nobody would wish for: value and gradient stay finite, or an error says why.

The suite runs a few hundred of these problems; ``python -m tests.alignment.robust 10000`` runs as many as one likes.
"""

from __future__ import annotations

import collections
import math
import random
import re
import sys
import time
import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor

import gca_playground as gca
from gca_playground.transport import ConvergenceWarning
from tests.oracles.problems import randn

TOO_LARGE = re.compile(r"leaves float(32|64) at epsilon = \S+: its exponent must be <= (80|600), got ")
GEOMETRIES = ("random", "aligned", "antipodal", "duplicates", "collapsed", "zero", "line", "tiny", "long")
KNOBS: dict[str, tuple[Any, ...]] = {
    "steps": (0, 1, 2, 3, 10, 25),
    "rho_rows": (0.0, 1e-3, 0.2, 10.0, math.inf),
    "rho_cols": (0.0, 1e-3, 0.2, 10.0, math.inf),
    "q": (0.01, 0.1, 0.5, 1.0),
    "lam": (1e-4, 0.01, 1.0),
    "kl_weight": (0.0, 1.0),
    "rince_weight": (0.0, 1.0),
    "uniformity_weight": (0.02, 1.0),
    "alpha": (0.0, 0.1, 1.0),
    "beta": (0.0, 0.3),
    "scaled": (False, True),
    "target": ("pairs", "smoothed", "classes"),
    "infeasible": ("masses", "project", "keep"),
    "layout": ("two_views", "stacked"),
    "bandwidth": (0.1, 1.0),
    "weight_rows": (1.0, 2.0),
    "weight_cols": (0.5, 1.0),
}


class Case(NamedTuple):
    """A loss, its knobs, and how its embeddings lie."""

    name: str
    knobs: dict[str, Any]
    n: int
    dtype: torch.dtype
    geometry: str
    seed: int


def draw_case(seed: int, *, most: int = 64, limits: bool = True) -> Case:
    """A problem. ``limits``: also losses that iterate until convergence, which takes long where epsilon is small."""
    chance = random.Random(seed)
    rows = {name: row for name, row in gca.losses().items() if limits or row.alignment.steps is not None}
    name = chance.choice(list(rows))
    turned = [knob for knob in rows[name].knobs if knob in KNOBS and chance.random() < 0.5]
    knobs = {knob: chance.choice(KNOBS[knob]) for knob in turned}
    if knobs.get("rince_weight"):
        knobs.pop("target", None)
    weights = [knobs.get(knob, first) for knob, first in rows[name].defaults.items() if knob.endswith("_weight")]
    if weights and not any(weights):  # refused: some divergence has to count
        knobs.pop("kl_weight")
    knobs["epsilon"] = 10 ** chance.uniform(-3, 1)
    knobs["cost"] = chance.choice(("cosine", "cosine", "squared_euclidean", "dot"))
    n = chance.choice((1, 2, 3, chance.randint(1, most)))
    return Case(name, knobs, n, chance.choice((torch.float32, torch.float64)), chance.choice(GEOMETRIES), seed)


def views(case: Case) -> tuple[Tensor, Tensor]:
    """Two views (n, d) that lie as the case says."""
    d = 1 if case.geometry == "line" else 1 + case.seed % 8
    z, w = (randn(case.n, d, seed=2 * case.seed + k) for k in (0, 1))
    if case.geometry in ("aligned", "antipodal"):
        w = z.clone() if case.geometry == "aligned" else -z
    if case.geometry == "duplicates":
        z, w = z[torch.arange(case.n) // 2], w[torch.arange(case.n) // 3]
    if case.geometry == "collapsed":
        z = w = z[:1].repeat(case.n, 1)
    if case.geometry == "zero":
        z, w = z * (torch.arange(case.n)[:, None] % 2), torch.zeros_like(w)
    scale = {"tiny": 1e-4, "long": 3.0}.get(case.geometry, 1.0)
    return tuple((scale * x).to(case.dtype).clone().requires_grad_() for x in (z, w))  # type: ignore[return-value]


def verdict(case: Case) -> str:
    """Either "finite", "too large" for the error that says so, or in words what went wrong."""
    z, w = views(case)
    labels = torch.arange(case.n) // 2
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            value = gca.loss(case.name, **case.knobs)(z, w, labels=labels, data=(z.detach(), w.detach()))
        value.backward()
    except Exception as error:
        return "too large" if TOO_LARGE.search(str(error)) else f"{type(error).__name__}: {error}"
    bad = [what for what, x in (("value", value), ("dz", z.grad), ("dw", w.grad)) if not x.isfinite().all()]
    return f"not finite: {', '.join(bad)}" if bad else "finite"


def main(count: int) -> int:
    """Run ``count`` problems, tell of each that is not as it should be, and count the kinds."""
    found: collections.Counter[str] = collections.Counter()
    start = time.perf_counter()
    for seed in range(count):
        case = draw_case(seed)
        said = verdict(case)
        known = said in ("finite", "too large")
        found[said if known else "WRONG"] += 1
        if not known:
            print(said, case, flush=True)
    print(dict(found), f"{time.perf_counter() - start:.0f} s")
    return found["WRONG"]


if __name__ == "__main__":
    sys.exit(bool(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)))
