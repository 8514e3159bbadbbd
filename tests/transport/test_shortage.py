"""Forbidden pairs that leave no plan: the warning names who must hold more than it may get."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gca_playground as gca
from gca_playground import EXACT, FREE, Bounded, Soft
from tests.oracles.problems import law, rand, seeds

NO_PLAN = "no plan has these masses: "


def said(allowed, **options):
    """The words about the masses, "" where there are none, and the plan."""
    allowed = torch.as_tensor(allowed).bool()
    cost = rand(*allowed.shape, seed=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        plan = gca.solve(cost, forbidden=~allowed, **({"epsilon": 0.3, "max_steps": 200} | options))
    assert [one.category for one in caught] == [gca.ConvergenceWarning] * (not plan.converged)
    words = str(caught[0].message) if caught else ""
    return words.partition(NO_PLAN)[2], plan


SHARED = [[0, 0, 0, 1], [0, 0, 0, 1], [1, 1, 1, 1], [1, 1, 1, 1]]
WIDE = [[1] + [0] * 19] * 12 + [[1] * 20] * 8


@pytest.mark.parametrize(
    ("allowed", "options", "words"),
    [
        (SHARED, {}, "rows 0, 1 must hold 2 and may only be coupled with column 3, with room for 1"),
        # The same said of its complement, where that is shorter.
        (np.array(SHARED).T, {}, "columns 0, 1 must hold 2 and may only be coupled with row 3, with room for 1"),
        (
            [[1, 0, 0], [1, 1, 1], [1, 1, 1]],
            {"a": [2.5, 0.25, 0.25], "b": [1.0, 1.0, 1.0]},
            "row 0 must hold 2.5 and may only be coupled with column 0, with room for 1",
        ),
        (
            SHARED,
            {"rows": Bounded(0.75, 2.0), "cols": Bounded(0.5, 1.25)},
            "rows 0, 1 must hold 1.5 and may only be coupled with column 3, with room for 1.25",
        ),
        (
            WIDE,
            {},
            "rows 0, 1, 2, 3, 4, 5, 6, 7, ... (12 of them) must hold 12 "
            "and may only be coupled with column 0, with room for 1",
        ),
        (
            [np.ones((4, 4)), SHARED],
            {},
            "in problem 1 of the batch rows 0, 1 must hold 2 and may only be coupled with column 3, with room for 1",
        ),
    ],
)
def test_it_names_rows_columns_and_masses(allowed, options, words):
    found, plan = said(np.array(allowed), **options)
    assert found == words
    assert not plan.converged and not plan.matrix.isnan().any()


@settings(law, max_examples=30)
@given(st.integers(2, 7), st.integers(2, 7), st.sampled_from([0.25, 0.4]), st.booleans(), seeds)
def test_it_speaks_exactly_where_no_plan_exists(n, m, share, unit, seed):
    allowed = rand(n, m, seed=seed) < share
    allowed[~allowed.any(1), 0] = True
    allowed[0, ~allowed.any(0)] = True
    a = torch.ones(n).double() if unit else 0.1 + rand(n, seed=seed + 1)
    b = 0.1 + rand(m, seed=seed + 2)
    b *= a.sum() / b.sum()
    found, plan = said(allowed[None], a=a, b=b)  # a batch of one: Newton's method keeps out of it
    feasible = _a_plan_exists(allowed.numpy(), a.numpy(), b.numpy())
    assert bool(found) == (not feasible)
    assert feasible or not plan.converged


def _a_plan_exists(allowed, a, b):
    """By linear programming, which shares nothing with the iteration."""
    from scipy.optimize import linprog

    pairs = np.argwhere(allowed)
    sums = np.concatenate([pairs[:, 0] == np.arange(len(a))[:, None], pairs[:, 1] == np.arange(len(b))[:, None]])
    slack = 1e-9
    found = linprog(
        np.zeros(len(pairs)),
        A_ub=np.concatenate([sums, -1.0 * sums]),
        b_ub=np.concatenate([a, b, -a, -b]) + slack,
        method="highs",
    )
    return found.status == 0


@pytest.mark.parametrize("options", [{"max_steps": 2}, {"epsilon": 0.001, "max_steps": 2}])
def test_where_a_plan_exists_it_asks_for_more_steps(options):
    allowed = np.ones((5, 5)) - np.eye(5)
    found, plan = said(allowed, tol=1e-12, **options)
    assert found == "" and not plan.converged


@pytest.mark.parametrize(
    "sides", [(EXACT, FREE), (Soft(0.5), EXACT), (EXACT, Bounded(0.0, 2.5)), (Bounded(0.25, 2.0), EXACT)], ids=str
)
def test_a_side_that_gives_way_leaves_a_plan(sides):
    rows, cols = sides
    found, plan = said(np.array(SHARED), rows=rows, cols=cols, max_steps=2000)
    assert found == "" and plan.converged


def test_masses_of_zero_lack_nothing():
    words = "rows 0, 1 must hold 2 and may only be coupled with column 3, with room for 1"
    allowed = np.pad(np.array(SHARED), ((0, 1), (0, 0)), constant_values=1)
    assert said(allowed, a=[1.0, 1.0, 1.0, 1.0, 0.0])[0] == words
