"""What the training lab says: where a training stands, its formula with numbers, what it was measured at."""

from __future__ import annotations

import csv
import html
import io
import math
import re
from collections.abc import Sequence

from gca_playground.alignment import LOSSES, Alignment, place
from gca_playground.learning.session import TrainingSession
from gca_playground.views.labs import parameters, words
from gca_playground.views.labs.training_run import Run, Shot
from gca_playground.views.labs.training_state import Side, State


def exports(sides: int) -> list[tuple[str, str, str]]:
    """What can be saved: its name, its kind, and where it stands in the lab."""
    found = []
    for k in range(sides):
        which = "" if sides == 1 else f"{('left', 'right')[k]} "
        inside = f".gca-card-{k}"
        found += [
            (f"{which}embedding (PNG)", "png", f"{inside} .gca-embedding"),
            (f"{which}embedding (SVG)", "svg", f"{inside} .gca-embedding"),
            (f"{which}plan (PNG)", "matrix-png", f"{inside} .gca-matrix"),
        ]
    return [
        *found,
        ("curves (PNG)", "png", ".gca-curves"),
        ("curves (SVG)", "svg", ".gca-curves"),
        ("curves (CSV)", "csv", ""),
    ]


def where(state: State, run: Run, step: int) -> str:
    """The step, the data and the network, in one line of HTML."""
    wrong = f", {100 * state.data.mismatched:.0f} % mismatched pairs" if state.data.mismatched else ""
    same = " · same data, seed and first weights on both sides" if len(state.sides) > 1 else ""
    network = {"mlp": "MLP", "cnn": "CNN", "linear": "linear map"}[state.encoder]
    return f"step <b>{step}</b> · {run.data.name}{wrong} · {network} to the {state.surface}{same}"


def is_plain(alignment: Alignment) -> bool:
    """Whether the loss is KL(T | P), one way: what the names of places are about."""
    terms = [term.name for weight, term in alignment.divergence.terms() if weight > 0]
    return terms == ["kl"] and alignment.weight_cols == 0


def formula(side: Side, loss: float) -> str:
    """The loss of a side with its numbers, as HTML."""
    alignment = side.alignment
    target = "<b>I</b>" if alignment.target.name == "pairs" else "<b>T</b>"
    value = f'&ensp;<span style="white-space: nowrap">=&ensp;<b>{words.number(loss)}</b></span>'
    plan = words.plan_formula(alignment)
    if is_plain(alignment):
        return f"KL({target} ∥ P),&ensp;P = {plan} {value}"
    return f"{typeset(LOSSES[side.loss].formula)}{parameters.numbers(alignment)},&ensp;P = {plan} {value}"


SIGNS = (
    (r"\^(-?\w+)", r"<sup>\1</sup>"),
    (r"\b(sum|K|P|C|v)_([ij]+)\b", r"\1<sub>\2</sub>"),
    (r"\bweight_(\w+)|\b(\w+)_weight\b", r"w<sub>\1\2</sub>"),
    (r"\bsum\b ?", "Σ"),
    (r"\bepsilon\b", "ε"),
    (r"\blam\b", "λ"),
    (r"\balpha\b", "α"),
    (r"\bOmega\b", "Ω"),
    (r" \| ", " ∥ "),
    (r"(?<![\w<])-(?=[\w(α ])", "−"),
)
"""How a formula in plain characters becomes mathematics in HTML, one replacement after the other."""


def typeset(formula: str) -> str:
    """A formula of the table of losses as HTML."""
    text = html.escape(formula, quote=False)
    for pattern, sign in SIGNS:
        text = re.sub(pattern, sign, text)
    return text


def pill(side: Side) -> tuple[str, str]:
    """Where a side stands, and what it means."""
    return place(side.alignment)


def numbers(shot: Shot) -> str:
    """The measures that fit beside a name."""
    parts = [("kNN", "knn"), ("probe", "linear_probe"), ("unif", "uniformity")]
    known = [(title, shot.measures.get(name, math.nan)) for title, name in parts]
    return " · ".join(f"{title} <b>{'–' if math.isnan(value) else f'{value:.2f}'}</b>" for title, value in known)


def about(shot: Shot, kinds: Sequence[str], row: int, col: int) -> str:
    """One sentence about a row, a column (-1 for none) or a cell of the plan; a stacked batch repeats its rows."""
    count = len(kinds)
    if row >= 0 and col >= 0:
        cell = words.number(float(shot.shares[row, col]))
        return f"row {row}, {kinds[row % count]} → column {col}, {kinds[col % count]}: P = {cell}"
    if row < 0 and col < 0:
        return " "
    line = shot.shares[row] if row >= 0 else shot.shares[:, col]
    own, far = max(row, col), int(line.argmax())
    pair = (own + count) % len(line) if len(line) > count else own
    side, other = ("row", "column") if row >= 0 else ("column", "row")
    return (
        f"{side} {own}, {kinds[own % count]}: {words.number(float(line[pair]))} at its pair, "
        f"most at {other} {far}, {kinds[far % count]}: {words.number(float(line[far]))}"
    )


def as_csv(state: State, sessions: Sequence[TrainingSession]) -> str:
    """What was measured, one row a side and a step."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [name for name in sessions[0].history.names if name != "step"]
    writer.writerow(["side", "loss_name", "step", *names])
    for k, (side, session) in enumerate(zip(state.sides, sessions, strict=True)):
        columns = [session.history[name] for name in ("step", *names)]
        writer.writerows((("left", "right")[k], side.loss, *row) for row in zip(*columns, strict=True))
    return text.getvalue()
