"""The named losses: one row each, a value of the one record and the knobs it leaves open.

A row adds no code. ``gca.losses()`` shows the table, ``gca.loss(name, **knobs)`` makes a module of a row.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from gca_playground._boundary import CONDITIONAL, near
from gca_playground.alignment.divergence import KL, MMD, RINCE, FenchelYoung, Tempered, Uniformity
from gca_playground.alignment.loss import Alignment
from gca_playground.alignment.table import Losses
from gca_playground.alignment.target import Domains
from gca_playground.transport import EXACT, FREE

ALWAYS = ("cost", "epsilon", "grad")
"""The knobs that every loss has."""
ANY_TARGET = ("target", "infeasible", "layout")
"""Those of a loss that is defined for every target."""
BOTH_WAYS = ("weight_rows", "weight_cols")


@dataclass(frozen=True)
class NamedLoss:
    """A row: where the loss stands in the family, what one may turn, and what to read.

    ``knobs`` are the names ``gca.loss`` accepts besides those of every loss; ``defaults`` gives all with their values.
    """

    description: str
    formula: str
    reference: str
    alignment: Alignment
    knobs: tuple[str, ...] = ()

    @property
    def defaults(self) -> dict[str, object]:
        """Every knob of this loss with its first value."""
        known = self.alignment.knobs()
        return {name: known[name] for name in (*ALWAYS, *self.knobs)}


SHI = "Shi, Zhang, Zhen, Fan and Yan, ICML 2023"
CHEN = "Chen, Lin, Liu, Xiao and Dyer, NeurIPS 2024 (GCA)"
BAPTISTA = "Baptista, Stuart and Tran, 2025"

LOSSES: dict[str, NamedLoss] = {
    "infonce": NamedLoss(
        "each row of the plan is a softmax: half a Sinkhorn step",
        "KL(I | row softmax of exp(-C / epsilon)) = mean of -log P_ii",
        "van den Oord, Li and Vinyals 2018",
        Alignment(rows=EXACT, cols=FREE, steps=1),
        (*ANY_TARGET, *BOTH_WAYS),
    ),
    "nt-xent": NamedLoss(
        "InfoNCE on the stacked batch of both views, nothing paired with itself",
        "KL(swapped pairs | row softmax of the 2n x 2n kernel without its diagonal)",
        "Chen, Kornblith, Norouzi and Hinton, ICML 2020 (SimCLR)",
        Alignment(rows=EXACT, cols=FREE, steps=1, layout="stacked"),
        ("target", "infeasible"),
    ),
    "clip": NamedLoss(
        "InfoNCE from each view to the other, averaged: two plans, not two half-steps",
        "(weight_rows KL(I | row softmax) + weight_cols KL(I | column softmax)) / 2",
        "Radford and others, ICML 2021",
        Alignment(rows=EXACT, cols=FREE, steps=1, weight_rows=1.0, weight_cols=1.0),
        (*ANY_TARGET, *BOTH_WAYS),
    ),
    "joint": NamedLoss(
        "one softmax over all pairs: only the total mass is fixed (inverse OT's U(1))",
        "KL(I | n softmax of -C / epsilon over all entries)",
        f"{BAPTISTA}; {SHI}",
        Alignment(total=True),
        ANY_TARGET,
    ),
    "gca-ince": NamedLoss(
        "K half-steps towards the transport plan",
        "KL(T | K Sinkhorn half-steps of exp(-C / epsilon))",
        CHEN,
        Alignment(steps=10),
        ("steps", *ANY_TARGET, *BOTH_WAYS),
    ),
    "rince": NamedLoss(
        "robust InfoNCE: wrong pairs weigh less",
        "mean of -(K_ii)^q / q + (lam sum_j K_ij)^q / q, K = exp(score / epsilon)",
        "Chuang and others, CVPR 2022",
        Alignment(rows=FREE, cols=FREE, steps=0, divergence=RINCE()),
        ("q", "lam", "kernel"),
    ),
    "gca-rince": NamedLoss(
        "robust InfoNCE with the column scalings that K half-steps find",
        "mean of -(K_ii v_i)^q / q + (lam sum_j K_ij v_j)^q / q, v after K half-steps",
        CHEN,
        Alignment(steps=10, divergence=RINCE()),
        ("steps", "q", "lam", "kernel"),
    ),
    "gca-uot": NamedLoss(
        "unbalanced transport: both marginals may give way, at a price",
        "kl_weight KL(T | P) + rince_weight RINCE, P after K half-steps with soft marginals",
        CHEN,
        Alignment(rows=0.2, cols=0.2, steps=10, divergence=1.0 * KL() + 0.0 * RINCE(kernel="cost")),
        ("rho_rows", "rho_cols", "steps", "kl_weight", "rince_weight", "q", "lam", *ANY_TARGET),
    ),
    "byol-view": NamedLoss(
        "pure attraction, nothing repels: needs a predictor and a stop-gradient (BYOL's side of the family)",
        "sum T log(T / exp(-C / epsilon)) / n = mean of C_ii / epsilon; epsilon 1/2: mean of 2 - 2 cos",
        "Grill and others, NeurIPS 2020",
        Alignment(epsilon=0.5, rows=FREE, cols=FREE, steps=0, divergence=KL(mass=False)),
    ),
    "iot": NamedLoss(
        "the transport plan itself: rows and columns agree (inverse OT's U(a, b))",
        "KL(T | entropic transport plan); at convergence the gradient is (T - P) / epsilon",
        SHI,
        Alignment(),
        ANY_TARGET,
    ),
    "iot-uni": NamedLoss(
        "inverse OT with a penalty on negatives of unequal mass",
        "KL(T | P) + uniformity_weight |N| A log(A / G) / n, A and G the means of the negatives",
        SHI,
        Alignment(divergence=1.0 * KL() + 0.02 * Uniformity()),
        ("uniformity_weight", "kl_weight", "steps", *ANY_TARGET),
    ),
    "domain-prior": NamedLoss(
        "GCA-INCE towards a target with mass for a row's own domain and for the others",
        "KL(T | P), T = I + alpha [same domain, i != j] + beta [other domain], shared within each block",
        CHEN,
        Alignment(steps=10, target=Domains(alpha=0.5, beta=0.0, scaled=True)),
        ("steps", "alpha", "beta", "scaled", "infeasible", "layout"),
    ),
    "mmd-conditional": NamedLoss(
        "what the column softmax predicts of the first view, compared in the space of the data",
        "1/2 mean diag(W' Kx W) - mean diag(Kx W), W the column softmax, Kx the Gram matrix of the data",
        f"{BAPTISTA}, B.1",
        Alignment(rows=EXACT, cols=FREE, steps=1, divergence=MMD(), weight_rows=0.0, weight_cols=2.0),
        ("kernel", "bandwidth", *BOTH_WAYS),
    ),
    "mmd-joint": NamedLoss(
        "the global softmax and the pairs, compared in the space of the data",
        "sum P (Kx P Ky) - 2 mean diag(Kx P Ky), P of mass 1",
        f"{BAPTISTA}, (3.11)",
        Alignment(total=True, divergence=MMD(joint=True)),
        ("kernel", "bandwidth"),
    ),
    "matching-gap": NamedLoss(
        "the Fenchel-Young gap of the transport plan: convex in the cost",
        "(<C, T> + Omega(T) - min over plans) / n; its gradient is T - P",
        "Blondel, Martins and Niculae 2020",
        Alignment(divergence=FenchelYoung()),
        ("rho_rows", "rho_cols", *ANY_TARGET),
    ),
    "tempered": NamedLoss(
        "from covering the tails (alpha 1) over InfoNCE (0) to seeking the mode (-1)",
        "mean of ((n P_ii)^-alpha - 1) / alpha, P a row softmax",
        BAPTISTA,
        Alignment(rows=EXACT, cols=FREE, steps=1, divergence=Tempered()),
        ("alpha", *BOTH_WAYS),
    ),
}
"""The table."""

ALIASES = {"iot-total": "joint"} | {
    name: row
    for row in ("infonce", "clip")
    for name, weights in CONDITIONAL.items()
    if weights == CONDITIONAL[row] and name != row
}
"""Other names of a row."""


def losses() -> Losses:
    """All named losses: name -> row with description, formula, reference and knobs; a table in a notebook."""
    return Losses(LOSSES)


def name_of(alignment: Alignment) -> str | None:
    """The named loss of which an ``Alignment`` is a value with the fewest knobs turned; None where there is none."""
    now = alignment.knobs()
    turned = {name: _turned(row, now) for name, row in LOSSES.items()}
    for name in sorted(turned, key=lambda name: len(turned[name])):
        with contextlib.suppress(ValueError):  # knobs that do not go together there
            if LOSSES[name].alignment.change(**turned[name]) == alignment:
                return name
    return None


def _turned(row: NamedLoss, now: dict[str, object]) -> dict[str, object]:
    """The open knobs of a row that are not at their first value; a target's own come with it."""
    first = row.alignment.knobs()
    open_knobs = [knob for knob in (*ALWAYS, *row.knobs) if now.get(knob) is not None and now[knob] != first[knob]]
    inside = ("alpha", "beta", "scaled", "smoothing") if "target" in open_knobs else ()
    return {knob: now[knob] for knob in open_knobs if knob not in inside}


def row_name(name: object) -> str:
    """The name in the table that is meant: "GCA_UOT" is "gca-uot". Raises: ValueError with near names."""
    plain = str(name).lower().replace("_", "-")
    meant = ALIASES.get(plain, plain)
    if not isinstance(name, str) or meant not in LOSSES:
        raise ValueError(near(name, (*LOSSES, *ALIASES), what="loss"))
    return meant
