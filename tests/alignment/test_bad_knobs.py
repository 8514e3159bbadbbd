"""What a record of knobs refuses, in words, and what it takes for a constraint."""

from __future__ import annotations

import math
import re

import jaxtyping
import pytest
import torch

from gca_playground import EXACT, FREE, Alignment, Soft, targets

KNOWN = "known are 'cost', 'epsilon', 'rows', 'cols', 'total', 'steps', 'target', 'divergence'"


@pytest.fixture(autouse=True)
def _as_users_run_it():
    """Without the type checks of the test run, which would speak first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.parametrize(
    ("knobs", "kind", "words"),
    [
        ({"cost": "cosin"}, ValueError, "unknown cost 'cosin': did you mean 'cosine'? known are 'cosine', "),
        ({"cost": ["cosine"]}, ValueError, "unknown cost ['cosine']"),
        ({"cost": None}, ValueError, "unknown cost None"),
        ({"target": "pair"}, ValueError, "unknown target 'pair': did you mean 'pairs'? known are 'pairs'"),
        ({"divergence": "k"}, ValueError, "unknown divergence 'k': did you mean 'kl'? known are 'kl'"),
        ({"divergence": {}}, ValueError, "unknown divergence None"),
        ({"divergence": 3}, TypeError, "a divergence is a name, a record or a dict, got 3"),
        ({"divergence": {"name": "rince", "lambda": 1}}, ValueError, "unknown parameter of 'rince' 'lambda'"),
        ({"divergence": {"name": "rince", "q": 0}}, ValueError, "q must be in (0, 1], got 0"),
        ({"divergence": {"name": "rince", "lam": 2}}, ValueError, "lam must be in (0, 1], got 2"),
        ({"divergence": [{"name": "kl", "weight": -1}]}, ValueError, "kl_weight must be >= 0 and finite, got -1"),
        (
            {"divergence": [{"name": "kl", "weight": 0}, {"name": "uniformity", "weight": 0.0}]},
            ValueError,
            "one weight of a sum of divergences must be > 0, got 0 for kl_weight, uniformity_weight",
        ),
        ({"divergence": "rince"}, ValueError, "known up to a constant only: give a finite number of steps"),
        ({"divergence": "rince", "steps": 1, "target": "smoothed"}, ValueError, "rince is defined for pairs only"),
        ({"target": {"name": "smoothed", "smoothing": 2}}, ValueError, "smoothing must be in [0, 1], got 2"),
        ({"target": {"name": "domains", "alpha": -1}}, ValueError, "alpha must be >= 0 and finite, got -1"),
        ({"target": {"name": "domains", "gamma": 1}}, ValueError, "unknown knob of the target 'domains' 'gamma'"),
        ({"target": [[1.0, -1.0]]}, ValueError, "a target must be finite and >= 0, got -1"),
        ({"target": "given"}, ValueError, "pass the matrix itself as target"),
        ({"layout": "stack"}, ValueError, "unknown layout 'stack': did you mean 'stacked'?"),
        ({"grad": "implict"}, ValueError, "unknown grad 'implict': did you mean 'implicit'?"),
        ({"infeasible": "projct"}, ValueError, "unknown infeasible 'projct': did you mean 'project'?"),
        ({"weight_rows": -1}, ValueError, "weight_rows must be >= 0 and finite, got -1"),
        ({"weight_rows": 0}, ValueError, "weight_rows and weight_cols must not both be 0"),
        ({"epsilon": 0}, ValueError, "epsilon must be > 0 and finite, got 0"),
        ({"epsilon": math.nan}, ValueError, "epsilon must be > 0 and finite, got nan"),
        ({"epsilon": "x"}, TypeError, "epsilon must be a number, got 'x'"),
        ({"rows": -1}, ValueError, "rho must be in [0, inf], got -1"),
        ({"cols": "fre"}, ValueError, "unknown constraint of the cols 'fre': did you mean 'free'?"),
        ({"cols": True}, TypeError, "cols must be EXACT, FREE, Soft(rho), Bounded(lo, hi) or a number rho, got True"),
        ({"steps": -1}, ValueError, "steps must be >= 0, got -1"),
        ({"steps": 1.5}, TypeError, "steps must be a whole number, got 1.5"),
        ({"total": 1}, TypeError, "total must be True or False, got 1"),
        ({"total": True, "rows": EXACT}, ValueError, "leave out rows, cols and steps"),
        ({"total": True, "steps": 3}, ValueError, "leave out rows, cols and steps"),
    ],
    ids=str,
)
def test_knobs(knobs, kind, words):
    with pytest.raises(kind, match=re.escape(words)):
        Alignment(**knobs)
    with pytest.raises(kind, match=re.escape(words)):
        Alignment.from_dict(knobs)
    plain = {"rows": None, "cols": None} if knobs.get("total") is True else {}
    with pytest.raises(kind, match=re.escape(words)):
        Alignment().change(**(plain | knobs))


@pytest.mark.parametrize(
    ("knobs", "kind", "words"),
    [
        ({"epsilo": 1}, ValueError, f"unknown knob 'epsilo': did you mean 'epsilon'? {KNOWN}"),
        ({"Cost": "dot"}, ValueError, "unknown knob 'Cost': did you mean 'cost'?"),
        ([("epsilon", 1)], TypeError, "an Alignment is read from a dict of knobs, got list"),
        ({"rows": {"lo": 1}}, ValueError, "bounds of rows must be {'lo': ..., 'hi': ...}, got {'lo': 1}"),
        ({"rows": {"lo": "a", "hi": 2}}, ValueError, "bounds must satisfy 0 <= lo <= hi, hi > 0, got lo='a', hi=2"),
    ],
    ids=str,
)
def test_files(knobs, kind, words):
    with pytest.raises(kind, match=re.escape(words)):
        Alignment.from_dict(knobs)


def test_changes():
    with pytest.raises(ValueError, match=re.escape(f"unknown knob 'epsilo': did you mean 'epsilon'? {KNOWN}")):
        Alignment().change(epsilo=1)
    with pytest.raises(TypeError, match="epsilo"):
        Alignment(epsilo=1)


@pytest.mark.parametrize(
    ("z", "w", "kind", "words"),
    [
        (torch.zeros(3, 2), torch.zeros(4, 3), ValueError, "the same dimension d, got z (3, 2) and w (4, 3)"),
        (torch.zeros(0, 2), torch.zeros(0, 2), ValueError, "must not be empty, got z (0, 2) and w (0, 2)"),
        (torch.full((2, 2), math.nan), torch.zeros(2, 2), ValueError, "z must be finite, got 4 NaN or inf entries"),
        (torch.ones(3, 2), torch.ones(4, 2), ValueError, "'pairs' needs as many rows as columns, got n = 3 and m = 4"),
        (None, torch.zeros(2, 2), TypeError, "z must be a tensor or an array of numbers, got NoneType None"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_views(z, w, kind, words):
    with pytest.raises(kind, match=re.escape(words)):
        Alignment()(z, w)


def test_words_and_numbers_become_constraints():
    assert Alignment(rows="exact", cols=0.5) == Alignment(rows=EXACT, cols=Soft(0.5))
    assert Alignment(rows="Free", cols=math.inf, steps=2.0) == Alignment(rows=FREE, cols=EXACT, steps=2)
    assert Alignment().change(cols=0) == Alignment(cols=FREE)


@pytest.mark.parametrize(
    ("n", "kind", "words"),
    [(0, ValueError, "n must be >= 1, got 0"), (2.5, TypeError, "n must be a whole number, got 2.5")],
)
def test_targets(n, kind, words):
    with pytest.raises(kind, match=re.escape(words)):
        targets.pairs(n)
