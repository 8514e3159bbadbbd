"""Where you stand: the corners by name, and no point without one."""

from __future__ import annotations

import itertools
import math

import pytest

import gca_playground as gca
from gca_playground import EXACT, FREE, Alignment, Bounded, Soft, place
from gca_playground.alignment.named import name_of

SIDES = [EXACT, FREE, Soft(0.3), Bounded(0.5, 2), Soft(1e9), Bounded(0, math.inf)]


@pytest.mark.parametrize(
    ("knobs", "name"),
    [
        ({"total": True}, "IOT U(1), the joint loss"),
        ({"steps": 0}, "the raw kernel"),
        ({"rows": FREE, "cols": FREE}, "the raw kernel"),
        ({"rows": FREE, "steps": 1}, "the raw kernel"),
        ({"steps": 1}, "InfoNCE"),
        ({"cols": FREE}, "InfoNCE"),
        ({"cols": Soft(0.2), "steps": 1}, "InfoNCE"),
        ({"cols": Bounded(0.5, 2), "steps": 1}, "InfoNCE"),
        ({"cols": Soft(0), "steps": 7}, "InfoNCE"),
        ({"rows": FREE, "steps": 2}, "InfoNCE of the columns"),
        ({"rows": FREE}, "InfoNCE of the columns"),
        ({}, "inverse OT, U(a, b)"),
        ({"rows": Soft(math.inf), "cols": Soft(math.inf)}, "inverse OT, U(a, b)"),
        ({"steps": 2}, "GCA-INCE after 2 half-steps"),
        ({"steps": 40}, "GCA-INCE after 40 half-steps"),
        ({"rows": Soft(0.2), "cols": Soft(0.2), "steps": 1}, "between the raw kernel and InfoNCE"),
        ({"rows": Soft(0.2), "cols": Soft(0.2), "steps": 10}, "GCA-UOT, 10 half-steps"),
        ({"rows": Soft(0.2), "cols": Soft(0.2)}, "GCA-UOT, converged"),
        ({"cols": Soft(0.2)}, "between InfoNCE and GCA-INCE"),
        ({"rows": Soft(0.2)}, "between the columns' InfoNCE and GCA-INCE"),
        ({"rows": Soft(0.2), "cols": FREE}, "between the raw kernel and InfoNCE"),
        ({"rows": FREE, "cols": Soft(0.2)}, "between the raw kernel and the columns' InfoNCE"),
        ({"cols": Bounded(0.5, 2)}, "double-bounded, converged"),
        ({"rows": Bounded(0.5, 2), "steps": 1}, "double-bounded, 1 half-step"),
    ],
    ids=str,
)
def test_the_corners(knobs, name):
    assert place(Alignment(**knobs))[0] == name


@pytest.mark.parametrize(("rows", "cols"), list(itertools.product(SIDES, SIDES)))
def test_every_point_has_a_name_and_a_meaning(rows, cols):
    for steps in (0, 1, 2, 3, 50, None):
        name, meaning = place(Alignment(rows=rows, cols=cols, steps=steps))
        assert name and meaning and "{" not in name + meaning
        assert "1 half-steps" not in name


def test_cost_and_epsilon_do_not_move_you():
    names = {place(Alignment(cost=cost, epsilon=epsilon)) for cost in ("cosine", "dot") for epsilon in (0.1, 1.0)}
    assert len(names) == 1


def test_every_named_loss_is_found_again_with_its_knobs_turned():
    for name, row in gca.losses().items():
        assert name_of(row.alignment) == name
        assert name_of(row.alignment.change(epsilon=0.33, cost="dot")) == name
    assert name_of(gca.losses()["gca-rince"].alignment.change(q=0.3, steps=3)) == "gca-rince"
    assert name_of(gca.Alignment(divergence=gca.KL() + 1.0 * gca.Square())) is None


def test_what_is_not_kl_one_way_is_called_by_its_row():
    assert gca.place(gca.losses()["clip"].alignment)[0] == "CLIP"
    assert gca.place(gca.losses()["gca-rince"].alignment)[0] == "GCA-RINCE"
    assert gca.place(gca.Alignment(divergence="square", steps=2))[0] == "a mixture of your own"
