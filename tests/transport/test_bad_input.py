"""Everything a user can get wrong: the type of the error, and words that name the law, the value and the shape."""

from __future__ import annotations

import math
import re
import warnings

import jaxtyping
import numpy as np
import pytest
import torch

import gca_playground as gca
from gca_playground import EXACT, Bounded, Soft

nan, inf = math.nan, math.inf
COST = torch.arange(12.0).reshape(3, 4) / 10


@pytest.fixture(autouse=True)
def _as_users_run_it():
    """Without the type checks of the test run, which would speak first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def refuses(kind, words, call, *args, **knobs):
    with pytest.raises(kind, match=re.escape(words)):
        call(*args, **knobs)


def none_allowed(row):
    forbidden = torch.zeros(3, 4, dtype=torch.bool)
    forbidden[row] = True
    return forbidden


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (0, ValueError, "epsilon must be > 0 and finite, got 0"),
        (-0.1, ValueError, "epsilon must be > 0 and finite, got -0.1"),
        (nan, ValueError, "epsilon must be > 0 and finite, got nan"),
        (inf, ValueError, "epsilon must be > 0 and finite, got inf"),
        ("x", TypeError, "epsilon must be a number, got 'x'"),
        (True, TypeError, "epsilon must be a number, got True"),
        (None, TypeError, "epsilon must be a number, got None"),
        ([0.1], TypeError, "epsilon must be a number, got list"),
        (np.array([0.1]), TypeError, "epsilon must be a number, got array([0.1])"),
    ],
    ids=str,
)
def test_epsilon(value, kind, words):
    refuses(kind, words, gca.solve, COST, epsilon=value)


@pytest.mark.parametrize("value", [0.1, np.float32(0.1), np.float64(0.1), torch.tensor(0.1), 1])
def test_any_scalar_is_an_epsilon(value):
    assert gca.solve(COST, epsilon=value, steps=1).epsilon == pytest.approx(float(value))


@pytest.mark.parametrize(
    ("cost", "kind", "words"),
    [
        (torch.tensor([[1.0, nan]]), ValueError, "cost must be finite, got nan at (0, 1) (1 such) in shape (1, 2)"),
        (
            torch.full((2, 2, 2), inf),
            ValueError,
            "cost must be finite, got inf at (0, 0, 0) (8 such) in shape (2, 2, 2); forbid a pair with forbidden=",
        ),
        (torch.zeros(0, 3), ValueError, "cost must have n >= 1 and m >= 1, got shape (0, 3)"),
        (torch.zeros(3, 0), ValueError, "cost must have n >= 1 and m >= 1, got shape (3, 0)"),
        (torch.zeros(3), ValueError, "cost must be of shape (..., n, m), got (3,)"),
        (1.0, ValueError, "cost must be of shape (..., n, m), got ()"),
        ("cosine", TypeError, "cost must be a tensor or an array of numbers, got str 'cosine'"),
        (None, TypeError, "cost must be a tensor or an array of numbers, got NoneType None"),
        ([[1, 2], [3]], TypeError, "cost must be a tensor or an array of numbers, got list: expected sequence"),
        (np.eye(2, dtype=object), TypeError, "cost must be a tensor or an array of numbers, got ndarray"),
        (torch.eye(2, dtype=torch.bool), TypeError, "cost must hold real numbers, got a tensor of torch.bool"),
        (
            torch.eye(2, dtype=torch.complex64),
            TypeError,
            "cost must hold real numbers, got a tensor of torch.complex64",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_cost(cost, kind, words):
    refuses(kind, words, gca.solve, cost)


@pytest.mark.parametrize(
    ("knobs", "kind", "words"),
    [
        ({"a": [1, -1, 1]}, ValueError, "masses a must be finite and >= 0, got -1 (1 such)"),
        ({"b": [1, nan, 1, 1]}, ValueError, "masses b must be finite and >= 0, got nan (1 such)"),
        ({"a": [1, inf, 1]}, ValueError, "masses a must be finite and >= 0, got inf (1 such)"),
        ({"a": [0, 0, 0]}, ValueError, "masses a must have a total > 0, got 0 in shape (3,)"),
        ({"a": [1, 1]}, ValueError, "a must have one mass a row, (3,), got (2,)"),
        ({"b": [1, 1]}, ValueError, "b must have one mass a column, (4,), got (2,)"),
        ({"a": 1.0}, ValueError, "a must have one mass a row, (3,), got ()"),
        ({"a": torch.ones(2, 3)}, ValueError, "a must have one mass a row, (3,), got (2, 3)"),
        ({"a": "x"}, TypeError, "a must be a tensor or an array of numbers, got str 'x'"),
        (
            {"a": [1, 1, 1], "b": [1, 1, 1, 1]},
            ValueError,
            "with both marginals exact the totals must agree: sum(a) = sum(b), got 3 and 4",
        ),
        (
            {"a": [1, 1, 1], "b": [1, 1, 1, 1], "total": True},
            ValueError,
            "with total mass the totals must agree: sum(a) = sum(b), got 3 and 4",
        ),
    ],
    ids=str,
)
def test_masses(knobs, kind, words):
    refuses(kind, words, gca.solve, COST, **knobs)


def test_masses_of_a_batch():
    batch = COST.expand(2, 3, 4)
    refuses(ValueError, "a must have one mass a row, (2, 3), got (5, 3)", gca.solve, batch, a=torch.ones(5, 3))
    totals = "the totals must agree: sum(a) = sum(b)"
    refuses(ValueError, totals, gca.solve, batch, a=torch.ones(2, 3), b=torch.tensor([[0.75], [1.0]]).expand(2, 4))
    refuses(
        ValueError, "total > 0, got 0 in shape (2, 3)", gca.solve, batch, a=torch.tensor([[1.0], [0.0]]).expand(2, 3)
    )


@pytest.mark.parametrize("knobs", [{"rows": 1.0}, {"cols": 0.5}, {"cols": Bounded(0.5, 2)}], ids=str)
def test_totals_may_differ_where_a_side_gives_way(knobs):
    assert gca.solve(COST, a=[1, 1, 1], b=[1, 1, 1, 1], **knobs).converged


def test_totals_that_rounding_keeps_apart_are_one_total():
    a, b = torch.rand(3, generator=torch.Generator().manual_seed(1)), torch.full((4,), 0.25)
    a /= a.sum()
    assert gca.solve(COST.double(), a=a * (1 + 3e-7), b=b, tol=1e-12).converged


@pytest.mark.parametrize(
    ("forbidden", "kind", "words"),
    [
        (
            none_allowed(1),
            ValueError,
            "every row needs at least one allowed pair, got nothing allowed for row 1 (1 such)",
        ),
        (
            torch.ones(3, 4, dtype=torch.bool),
            ValueError,
            "every row needs at least one allowed pair, got nothing allowed for row 0 (3 such)",
        ),
        (torch.zeros(4, 3, dtype=torch.bool), ValueError, "forbidden must have the cost's shape (3, 4), got (4, 3)"),
        (torch.zeros(4, dtype=torch.bool), ValueError, "forbidden must have the cost's shape (3, 4), got (4,)"),
        (torch.zeros(2, 3, 4, dtype=torch.bool), ValueError, "must have the cost's shape (3, 4), got (2, 3, 4)"),
        (torch.zeros(3, 4), TypeError, "forbidden must be boolean, got torch.float32"),
        ("x", TypeError, "forbidden must be a boolean tensor or array, got str"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_forbidden(forbidden, kind, words):
    refuses(kind, words, gca.solve, COST, forbidden=forbidden)


def test_nothing_allowed_elsewhere():
    refuses(ValueError, "nothing allowed for column 1", gca.solve, COST.T, forbidden=none_allowed(1).T)
    refuses(
        ValueError,
        "nothing allowed for row (1, 2)",
        gca.solve,
        COST.expand(2, 3, 4),
        forbidden=torch.stack([torch.zeros(3, 4, dtype=torch.bool), none_allowed(2)]),
    )
    # The only column a row may use is to stay empty.
    only_first = torch.tensor([[False, True, True, True]] + [[False] * 4] * 2)
    refuses(ValueError, "nothing allowed for row 0", gca.solve, COST, forbidden=only_first, b=[0, 1, 1, 1])
    refuses(
        ValueError,
        "at least one pair must be allowed, got none in shape (3, 4)",
        gca.solve,
        COST,
        forbidden=torch.ones(3, 4, dtype=torch.bool),
        total=True,
    )
    assert gca.solve(COST, forbidden=none_allowed(1), total=True).row_sums[1] == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Soft(-1), "rho must be in [0, inf], got -1"),
        (lambda: Soft(nan), "rho must be in [0, inf], got nan"),
        (lambda: Soft("x"), "rho must be in [0, inf], got 'x'"),
        (lambda: Soft(True), "rho must be in [0, inf], got True"),
        (lambda: Bounded(2, 1), "bounds must satisfy 0 <= lo <= hi, hi > 0, got lo=2, hi=1"),
        (lambda: Bounded(-1, 1), "bounds must satisfy 0 <= lo <= hi, hi > 0, got lo=-1, hi=1"),
        (lambda: Bounded(0, 0), "bounds must satisfy 0 <= lo <= hi, hi > 0, got lo=0, hi=0"),
        (lambda: Bounded(nan, 1), "bounds must satisfy 0 <= lo <= hi, hi > 0, got lo=nan, hi=1"),
        (lambda: Bounded(inf, inf), "bounds must satisfy 0 <= lo <= hi, hi > 0, got lo=inf, hi=inf"),
        (lambda: Bounded("a", 1), "bounds must satisfy 0 <= lo <= hi, hi > 0, got lo='a', hi=1"),
    ],
)
def test_constraints(make, words):
    refuses(ValueError, words, make)


@pytest.mark.parametrize(
    ("knobs", "kind", "words"),
    [
        ({"rows": -1}, ValueError, "rho must be in [0, inf], got -1"),
        ({"rows": nan}, ValueError, "rho must be in [0, inf], got nan"),
        ({"rows": True}, TypeError, "rows must be EXACT, FREE, Soft(rho), Bounded(lo, hi) or a number rho, got True"),
        ({"cols": [1]}, TypeError, "cols must be EXACT, FREE, Soft(rho), Bounded(lo, hi) or a number rho, got [1]"),
        ({"rows": "exat"}, ValueError, "unknown constraint of the rows 'exat': did you mean 'exact'?"),
        ({"cols": Bounded(0.1, 0.5)}, ValueError, "the bounds cannot hold: "),
        ({"cols": Bounded(0.1, 0.5)}, ValueError, "got rows [3, 3] and columns [0.3, 1.5]"),
        ({"rows": Bounded(1.5, 2)}, ValueError, "got rows [4.5, 6] and columns [3, 3]"),
        ({"rows": Bounded(1.5, 2), "cols": Bounded(0.5, 1)}, ValueError, "got rows [4.5, 6] and columns [1.5, 3]"),
        ({"method": "scalng"}, ValueError, "unknown method 'scalng': did you mean 'scaling'? known are 'auto', "),
        ({"method": "scalng", "total": True}, ValueError, "unknown method 'scalng': did you mean 'scaling'?"),
        ({"method": ["log"]}, ValueError, "unknown method ['log']"),
        ({"reference": "produkt"}, ValueError, "unknown reference 'produkt': did you mean 'product'?"),
        ({"reference": None}, ValueError, "unknown reference None"),
        ({"steps": -1}, ValueError, "steps must be >= 0, got -1"),
        ({"steps": 1.5}, TypeError, "steps must be a whole number, got 1.5"),
        ({"steps": "3"}, TypeError, "steps must be a whole number, got '3'"),
        ({"steps": True}, TypeError, "steps must be a whole number, got True"),
        ({"steps": inf}, TypeError, "steps must be a whole number, got inf"),
        ({"max_steps": 0}, ValueError, "max_steps must be >= 1, got 0"),
        ({"max_steps": 2.5}, TypeError, "max_steps must be a whole number, got 2.5"),
        ({"tol": 0}, ValueError, "tol must be > 0 and finite, got 0"),
        ({"tol": nan}, ValueError, "tol must be > 0 and finite, got nan"),
        ({"tol": "x"}, TypeError, "tol must be a number, got 'x'"),
        ({"tol": True}, TypeError, "tol must be a number, got True"),
        ({"tol": 1e-7}, ValueError, "tol must be >= 1e-6 in float32"),
        ({"total": "yes"}, TypeError, "total must be True or False, got 'yes'"),
        ({"total": True, "rows": EXACT}, ValueError, "total=True constrains the total mass only: leave out rows"),
        ({"total": True, "cols": 0.5}, ValueError, "total=True constrains the total mass only: leave out rows"),
        ({"total": True, "steps": 1}, ValueError, "total=True constrains the total mass only: leave out rows"),
        ({"init": "x"}, TypeError, "init must be a Plan or a pair of potentials (f, g), got str"),
        ({"init": (torch.zeros(3),)}, TypeError, "init must be a Plan or a pair of potentials (f, g), got tuple"),
        ({"init": (torch.zeros(3), torch.zeros(3))}, ValueError, "init g must have shape (4,), got (3,)"),
        ({"init": (torch.full((3,), nan), torch.zeros(4))}, ValueError, "init f must hold no NaN and no +inf"),
    ],
    ids=str,
)
def test_knobs(knobs, kind, words):
    refuses(kind, words, gca.solve, COST, **knobs)


@pytest.mark.parametrize(
    ("z", "w", "kind", "words"),
    [
        (torch.zeros(3, 2), torch.zeros(3, 4), ValueError, "the same dimension d, got z (3, 2) and w (3, 4)"),
        (torch.zeros(3, 2), torch.zeros(0, 2), ValueError, "embeddings must not be empty, got z (3, 2) and w (0, 2)"),
        (
            torch.zeros(2),
            torch.zeros(3, 2),
            ValueError,
            "of shape (..., n, d) and (..., m, d), got z (2,) and w (3, 2)",
        ),
        (
            torch.zeros(2, 3, 2),
            torch.zeros(4, 3, 2),
            ValueError,
            "z and w must have batch dimensions that fit each other, got z (2, 3, 2) and w (4, 3, 2)",
        ),
        (torch.zeros(3, 2), torch.full((2, 2), nan), ValueError, "w must be finite, got 4 NaN or inf entries"),
        (torch.tensor([[inf]]), torch.zeros(1, 1), ValueError, "z must be finite, got 1 NaN or inf entries"),
        (torch.zeros(3, 2), "x", TypeError, "w must be a tensor or an array of numbers, got str 'x'"),
    ],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize("cost", [gca.cosine_cost, gca.SquaredEuclideanCost, gca.dot_cost])
def test_embeddings(cost, z, w, kind, words):
    refuses(kind, words, cost, z, w)


def test_a_cost_that_overflows():
    z = torch.full((2, 2), 1e30)
    refuses(ValueError, "cost must be finite, got -inf at (0, 0)", gca.solve, gca.DotCost(z, z))


@pytest.mark.parametrize(
    ("ask", "kind", "words"),
    [
        (lambda plan: plan.at(6), ValueError, "at(k) needs k <= min(steps, 50) = 5, got 6"),
        (lambda plan: plan.at(-1), ValueError, "k must be >= 0, got -1"),
        (lambda plan: plan.at(1.5), TypeError, "k must be a whole number, got 1.5"),
        (lambda plan: plan.rows(2, 5), ValueError, "rows must satisfy 0 <= start <= stop <= n = 3, got 2 and 5"),
        (lambda plan: plan.rows(2, 1), ValueError, "rows must satisfy 0 <= start <= stop <= n = 3, got 2 and 1"),
        (lambda plan: plan.rows(-1, 2), ValueError, "start must be >= 0, got -1"),
        (lambda plan: plan.rows("a", 2), TypeError, "start must be a whole number, got 'a'"),
    ],
)
def test_questions_to_a_plan(ask, kind, words):
    refuses(kind, words, ask, gca.solve(COST, steps=5))


def test_total_mass_has_no_half_steps():
    plan = gca.solve(COST, total=True)
    refuses(ValueError, "a plan with its total mass only has no half-steps", plan.at, 1)


def test_not_converged_is_one_warning_and_no_error():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        plan = gca.solve(COST.square(), epsilon=0.01, max_steps=4)
    assert [warning.category for warning in caught] == [gca.ConvergenceWarning]
    assert re.match(
        r"not converged to tol = 1e-06 after 4 half-steps at epsilon = 0.01: row error \S+, column error \S+; "
        "raise epsilon, tol or max_steps",
        str(caught[0].message),
    )
    assert not plan.converged and plan.steps == 4 and plan.matrix.isfinite().all()


def test_no_plan_within_the_allowed_pairs_does_not_converge():
    # Each row alone could place its mass, but two rows share one column.
    forbidden = torch.tensor([[False, True, True], [False, True, True], [False, False, False]])
    with pytest.warns(gca.ConvergenceWarning):
        plan = gca.solve(torch.zeros(3, 3), forbidden=forbidden, max_steps=500)
    assert not plan.converged and plan.row_error > 0.1 and not plan.matrix.isnan().any()
