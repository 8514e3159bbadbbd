"""What the coupling lab says: the formula with its numbers, the readouts, the sentence about a point."""

from __future__ import annotations

import numpy as np

from gca_playground.alignment import Alignment, place
from gca_playground.transport import EXACT, FREE, Bounded, Constraint
from gca_playground.views.labs.scene import Scene

MATRIX_HEADS = {
    "plan": (
        'the plan P · <span class="gca-rows-word">row sums ▮</span> '
        '<span class="gca-cols-word">column sums ▮</span> (dashed: 1)'
    ),
    "gradient": '<span style="text-transform: none">−n ∂loss/∂C</span> · purple: too much · green: too little',
}
"""What stands above the matrix, for each view."""


def exports(view: str) -> list[tuple[str, str, str]]:
    """What can be saved: its name, its kind, and where it stands in the lab."""
    return [
        (f"{view} (PNG)", "matrix-png", ".gca-matrix"),
        ("clouds (PNG)", "png", ".gca-clouds"),
        ("clouds (SVG)", "svg", ".gca-clouds"),
        ("curves (PNG)", "png", ".gca-curves"),
        ("curves (SVG)", "svg", ".gca-curves"),
        ("data (CSV)", "csv", ""),
    ]


def formula(alignment: Alignment, loss: float | None) -> str:
    """The loss as one sentence of HTML with the current numbers in it."""
    value = "undefined (the target needs n = m)" if loss is None else f"<b>{number(loss)}</b>"
    return f"loss = {divergence_formula(alignment)},&ensp; P = {plan_formula(alignment)} &ensp;=&ensp; {value}"


_DIVERGENCES = {
    "kl": "KL({T} ∥ P)",
    "fenchel_young": "FY({T} ∥ P)",
    "rince": "RINCE(P; q = <b>{q:g}</b>, λ = <b>{lam:g}</b>)",
    "total_variation": "TV({T}, P)",
    "square": "|{T} − P|²",
    "inner_product": "−⟨{T}, P⟩",
    "tempered": "tempered(P; α = <b>{alpha:g}</b>)",
    "uniformity": "KL(Q̄ ∥ P) on negatives",
    "mmd": "MMD({T}, P)",
}


def divergence_formula(alignment: Alignment) -> str:
    """How the plan is judged, as HTML; a term of weight 0 is left out."""
    target = {"pairs": "<b>I</b>"}.get(alignment.target.name, "<b>T</b>")
    parts = []
    for weight, term in alignment.divergence.terms():
        if weight:
            word = _DIVERGENCES[term.name].format(T=target, **term.knobs())
            parts.append(word if weight == 1 else f"<b>{weight:g}</b> {word}")
    both = "" if len(alignment.ways()) == 1 else ", both ways"
    return (" + ".join(parts) or "0") + both


def plan_formula(alignment: Alignment) -> str:
    """How the plan is made, with its numbers, as HTML."""
    kernel = f"exp(−C/<b>{alignment.epsilon:g}</b>)"
    if alignment.total:
        return f"{kernel} scaled to the total mass n"
    if alignment.steps == 0 or alignment.rows == alignment.cols == FREE:
        return kernel
    if place(alignment)[0] == "InfoNCE":
        return f"rows of {kernel} made to sum to 1"
    how = "converged" if alignment.steps is None else f"after <b>{alignment.steps}</b> half-step{_s(alignment.steps)}"
    if alignment.rows == alignment.cols:
        return f"{kernel} {how}, rows and columns {side(alignment.rows)}"
    return f"{kernel} {how}, rows {side(alignment.rows)}, columns {side(alignment.cols)}"


def side(constraint: Constraint | None) -> str:
    """A constraint in HTML: exact, free, or its number."""
    if isinstance(constraint, Bounded):
        return f"between <b>{constraint.lo:g}</b> and <b>{constraint.hi:g}</b>"
    words = {EXACT: "exact", FREE: "free"}
    return f"<b>{words[constraint]}</b>" if constraint in words else f"at ρ = <b>{constraint.rho:g}</b>"  # type: ignore[union-attr]


def pill(alignment: Alignment) -> tuple[str, str]:
    """Where you stand, and what it means."""
    name, meaning = place(alignment)
    return f"you are {'' if name.startswith('between') else 'at '}{name}", meaning


def readouts(scene: Scene) -> list[tuple[str, str]]:
    """Names and numbers of the table."""
    plan = scene.plan
    rows = [("loss", _maybe(scene.loss))]
    if scene.kl is not None:
        rows += [("KL after 1 half-step", number(scene.kl[1])), ("KL after 50", number(scene.kl[-1]))]
    if scene.alignment.total:
        rows.append(("error of the total mass", number(plan.row_error)))
    else:
        rows += [("row error", number(plan.row_error)), ("column error", number(plan.col_error))]
    rows += [
        ("mass", f"{float(plan.mass):.2f}"),
        ("entropy, a row", number(float(plan.entropy) / len(plan.matrix))),
    ]
    if scene.alignment.steps is None and not scene.alignment.total:
        how = "" if plan.converged else ", not converged"
        rows.append(("half-steps, from where it was", f"{plan.steps}{how}"))
    return rows


def table(rows: list[tuple[str, str]]) -> str:
    """Two columns of HTML."""
    cells = "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"


def about(scene: Scene, row: int, col: int) -> str:
    """One sentence about a row, a column (-1 for none) or a cell."""
    cloud, matrix = scene.cloud, scene.matrix
    if row >= 0 and col >= 0:
        return f"{cloud.row(row)} → {cloud.column(col)}: P = {number(matrix[row, col])}"
    if row >= 0:
        mass, own, other, to = matrix[row], row, cloud.column, "to"
        subject = f"{cloud.row(row)}: P = "
    else:
        mass, own, other, to = matrix[:, col], col, cloud.row, "from"
        subject = f"{cloud.column(col)} receives {number(mass.sum())}: P = "
    rest = np.where(np.arange(len(mass)) == own, -1.0, mass) if scene.paired else mass
    first = int(rest.argmax())
    parts = [f"{number(mass[own])} {to} its pair"] if scene.paired else []
    if rest[first] >= 0:
        parts.append(f"{number(mass[first])} {to} {other(first)}")
    return subject + ", ".join(parts)


def number(x: float) -> str:
    """Four significant digits without an exponent where that is readable; no minus zero."""
    x = float(x) + 0.0
    if x != 0 and (abs(x) < 1e-3 or abs(x) >= 1e5):
        return f"{x:.1e}"
    return f"{x:.3f}" if abs(x) < 100 else f"{x:.1f}"


def _maybe(x: float | None) -> str:
    return "–" if x is None else number(x)


def _s(count: int) -> str:
    return "" if count == 1 else "s"
