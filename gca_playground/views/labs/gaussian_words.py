"""What the Gaussian lab says: the formula with its numbers, where you stand, the tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

from gca_playground.learning.gaussian import Conditional, Gaussian, Model
from gca_playground.views.gaussian_figures import LEARNED, MODEL
from gca_playground.views.labs.gaussian_scene import Scene, joint_of, kl_of
from gca_playground.views.labs.gaussian_state import LOSSES, Pair, State

HEAD = (
    f'truth <span style="color: #8a91a0">▬</span> best <span style="color: {MODEL}">▬</span> '
    f'learned <span style="color: {LEARNED}">╍</span> '
    '<span class="gca-rows-word" style="text-transform: none">E[u|v]</span> '
    '<span class="gca-cols-word" style="text-transform: none">E[v|u]</span> (dotted: true)'
)
"""What stands above the ellipses."""

EXPORTS = [
    ("ellipses (PNG)", "png", ".gca-matrix"),
    ("ellipses (SVG)", "svg", ".gca-matrix"),
    ("conditionals (PNG)", "png", ".gca-clouds"),
    ("conditionals (SVG)", "svg", ".gca-clouds"),
    ("square (PNG)", "png", ".gca-curves"),
    ("square (SVG)", "svg", ".gca-curves"),
    ("data (CSV)", "csv", ""),
]
"""What can be saved: its name, its kind, and where it stands in the lab."""

TILTINGS = {"dot": "dot", "squared_euclidean": "L2", "signed": "±L2"}
"""Short names of the tiltings."""

_SCORES = {"dot": "⟨Gu, Hv⟩", "squared_euclidean": "−|Gu − Hv|²/2", "signed": "−|G₁u − H₁v|²/2 + |G₂u − H₂v|²/2"}
_U, _V = "E KL(μ<sub>u|v</sub> ∥ ν<sub>u|v</sub>)", "E KL(μ<sub>v|u</sub> ∥ ν<sub>v|u</sub>)"
_DIVERGENCES: dict[str, tuple[str, Callable[[Model], float]]] = {
    "two-sided": (f"½ {_U} + ½ {_V}", lambda model: (model.kl_u_given_v + model.kl_v_given_u) / 2),
    "u|v": (_U, lambda model: model.kl_u_given_v),
    "v|u": (_V, lambda model: model.kl_v_given_u),
    **dict.fromkeys(("joint", "sinkhorn", "square"), ("KL(μ ∥ ν)", lambda model: model.kl)),
    "wasserstein": ("E W²(μ<sub>u|v</sub>, ν<sub>u|v</sub>)", lambda model: model.loss),
}


def formula(scene: Scene) -> str:
    """The loss as one sentence of HTML with the current numbers in it."""
    state = scene.state
    words, value = _DIVERGENCES[state.loss]
    potentials = ""
    if state.loss in ("square", "sinkhorn"):
        kappa_u, kappa_v = state.kappa
        potentials = f" φ<sub>κ={kappa_u:g}</sub>(u) ψ<sub>κ={kappa_v:g}</sub>(v)"
    law = f"ν ∝ exp({_SCORES[state.tilting]}){potentials} μ<sub>u</sub>μ<sub>v</sub>"
    return f"{words},&ensp; {law},&ensp; rank <b>{state.rank}</b> &ensp;=&nbsp; <b>{abs(value(scene.best)):.4f}</b>"


def pill(scene: Scene) -> tuple[str, str]:
    """Where you stand, and what it means."""
    theorem, state = scene.theorem, scene.state
    if theorem is None:
        where = "between the corners" if _inside(state.place) else "where no closed form is known"
        return f"you are {where}", "the best encoders are found by descent on the exact loss"
    if state.loss == "square":
        name, says = PLACES[state.kappa]
        return f"you are at theorem {theorem.key}: {name}", says or f"{theorem.says} ({theorem.source})"
    return f"you are at theorem {theorem.key}: {LOSSES[state.loss].title}", f"{theorem.says} ({theorem.source})"


PLACES: dict[Pair, tuple[str, str]] = {
    (0.0, 0.0): ("joint, no potential", ""),
    (0.0, 1.0): (
        "u|v, one half-step",
        "the model's u given v times the true law of v: that marginal is repaired",
    ),
    (1.0, 0.0): (
        "v|u, one half-step",
        "the model's v given u times the true law of u: that marginal is repaired",
    ),
    (1.0, 1.0): ("Sinkhorn, both potentials", ""),
}
"""The corners of the square, and what is true there of the model with its potentials, where no theorem says it."""


def _inside(place: Pair | None) -> bool:
    return place is not None and not set(place) <= {0.0, 1.0}


def hint(scene: Scene) -> str:
    """What holds where you stand."""
    _, meaning = pill(scene)
    known = "" if scene.exact else " No closed form: the purple model was fitted to the exact loss."
    return f"{meaning[0].upper()}{meaning[1:]}.{known if scene.theorem else ''}"


def laws_table(scene: Scene) -> str:
    """Conditional means and variances, marginals and KL of truth, model and learned, as HTML."""
    laws: list[Gaussian | Model | None] = [scene.truth, scene.best, scene.learned]
    rows = [(name, *(_maybe(read, law, scene) for law in laws)) for name, read in READOUTS.items()]
    return table([("", "truth", "best", "learned"), *rows])


def scores_table(scene: Scene) -> str:
    """KL of the model on show and of every loss with a closed form, as HTML; where you stand is in bold."""
    state, best = scene.state, scene.best
    here = (kl_of(scene.truth, best), best.kl_u_given_v, best.kl_v_given_u)
    rows: list[tuple[str, ...]] = [("loss, score", "joint", "u|v", "v|u"), _bold("▸ you are here", here)]
    rows.append(("nothing learned", *[_number(scene.truth.mutual_information)] * 3))
    for score in scene.table:
        mark = _bold if (score.loss, score.tilting) == (state.loss, state.tilting) else _plain
        rows.append(mark(f"{score.key} {score.loss}, {TILTINGS[score.tilting]}", (score.kl, score.kl_u, score.kl_v)))
    return table(rows)


def _plain(name: str, values: Sequence[float | None]) -> tuple[str, ...]:
    return name, *map(_number, values)


def _bold(name: str, values: Sequence[float | None]) -> tuple[str, ...]:
    return tuple(f"<b>{cell}</b>" for cell in _plain(name, values))


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table of HTML: the first row are heads, the first column names."""
    head = "".join(f'<th style="{_RIGHT if k else ""}">{cell}</th>' for k, cell in enumerate(rows[0]))
    body = "".join(
        "<tr>" + "".join(f'<td style="{_RIGHT if k else ""}">{cell}</td>' for k, cell in enumerate(row)) + "</tr>"
        for row in rows[1:]
    )
    return f"<table><tr>{head}</tr>{body}</table>"


_RIGHT = "text-align: right; padding-left: 8px; font-weight: 400; color: var(--gca-text); white-space: nowrap"


def _slope(law: Conditional, k: int) -> float:
    return law.slope[k, k].item()


def _joint(read: Callable[[Gaussian, int], float]) -> Callable[[Any, int, Gaussian], float | None]:
    """A number of the joint law, which a learned model may not have."""

    def of(law: Gaussian | Model, k: int, truth: Gaussian) -> float | None:
        joint = law if isinstance(law, Gaussian) else joint_of(law)
        return None if joint is None else read(joint, k)

    return of


READOUTS: dict[str, Callable[[Any, int, Gaussian], float | None]] = {
    "slope of E[u|v]": lambda law, k, truth: _slope(law.u_given_v, k),
    "var(u|v)": lambda law, k, truth: law.u_given_v.cov[k, k].item(),
    "slope of E[v|u]": lambda law, k, truth: _slope(law.v_given_u, k),
    "var(v|u)": lambda law, k, truth: law.v_given_u.cov[k, k].item(),
    "var(u)": _joint(lambda joint, k: joint.cov_u[k, k].item()),
    "var(v)": _joint(lambda joint, k: joint.cov_v[k, k].item()),
    "cov(u, v)": _joint(lambda joint, k: joint.cov_uv[k, k].item()),
    "KL(truth ∥ it)": lambda law, k, truth: truth.kl(law) if isinstance(law, Gaussian) else kl_of(truth, law),
}
"""What is said of a law, of coordinate k."""


def _maybe(read: Callable[[Any, int, Gaussian], float | None], law: Gaussian | Model | None, scene: Scene) -> str:
    if law is None:
        return "–"
    value = read(law, scene.state.pair - 1, scene.truth)
    return _number(value)


def _number(value: float | None) -> str:
    """Four digits after the point, without a minus zero; ∞ where there is no law."""
    return "∞" if value is None else f"{round(value, 4) + 0.0:.4f}"


def learned_words(scene: Scene) -> str:
    """What the last batches have taught, in a sentence."""
    state, learned = scene.state, scene.learned
    if learned is None:
        return "learn: fresh batches of this size, Adam, a second or less. Each run leaves a green dot."
    k = state.pair - 1
    found, wanted = (_slope(model.u_given_v, k) for model in (learned, scene.best))
    infinite = " Its joint law has infinite mass; the conditionals are fine." if joint_of(learned) is None else ""
    return f"batches of {state.batch}, seed {state.seed}: slope {found:.3f}, closed form {wanted:.3f}.{infinite}"


def as_csv(scene: Scene) -> str:
    """The numbers on show as CSV, in full; a blank where a law has none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    laws: list[Gaussian | Model | None] = [scene.truth, scene.best, scene.learned]
    writer.writerow(("quantity", "coordinate", "truth", "best", "learned"))
    for name, read in READOUTS.items():
        for k in range(len(scene.state.sigma)):
            values = [None if law is None else read(law, k, scene.truth) for law in laws]
            writer.writerow((name, k + 1, *("" if value is None else value for value in values)))
    writer.writerow(("loss", "tilting", "kl", "kl_u_given_v", "kl_v_given_u"))
    writer.writerows((score.loss, score.tilting, score.kl, score.kl_u, score.kl_v) for score in scene.table)
    writer.writerow(("batch", "slope of E[u|v]"))
    writer.writerows((run.batch, *run.slopes) for run in scene.runs)
    return text.getvalue()


def place_words(state: State) -> str:
    """Where in the square you stand, for the line above it."""
    if state.place is None:
        return "the square of the potentials · this loss is not in it"
    here = "κ = ({:g}, {:g})".format(*state.place)
    return f'the square of the potentials · ◯ you are at <span style="text-transform: none">{here}</span>'
