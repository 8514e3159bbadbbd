"""The one record of knobs: its losses, its sensitivity, its way into a file and back."""

from __future__ import annotations

import json
import math

import pytest
import torch

import gca_playground as gca
from gca_playground import EXACT, FREE, Alignment, Bounded, Soft
from tests.oracles.problems import randn

POINTS = [
    Alignment(),
    Alignment(cost="dot", epsilon=0.5, rows=FREE, cols=Soft(0.25), steps=7),
    Alignment(rows=Bounded(0.5, 2), cols=Bounded(0, math.inf), steps=0),
    Alignment(total=True, cost="squared_euclidean"),
    Alignment(rows=EXACT, cols=Soft(math.inf), steps=1),
    Alignment(epsilon=1, rows=Soft(0), cols=Soft(3)),
]


def views(n=6, d=3, **options):
    return randn(n, d, seed=1, **options), randn(n, d, seed=2, **options)


def infonce(z, w, epsilon):
    z, w = torch.nn.functional.normalize(z, dim=-1), torch.nn.functional.normalize(w, dim=-1)
    return torch.nn.functional.cross_entropy(z @ w.T / epsilon, torch.arange(len(z)))


@pytest.mark.parametrize("epsilon", [0.02, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("cols", [FREE, EXACT, Soft(0.3)])
def test_one_half_step_is_infonce(epsilon, cols):
    ours, theirs = ([x.requires_grad_() for x in views(32, 8)] for _ in range(2))
    loss = Alignment(epsilon=epsilon, rows=EXACT, cols=cols, steps=1)(*ours)
    expected = infonce(*theirs, epsilon)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-13)
    loss.backward()
    expected.backward()
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our.grad, their.grad, rtol=1e-12, atol=1e-13)


def test_infonce_does_not_ask_how_long_one_waits_for_free_columns():
    values = {Alignment(cols=FREE, steps=steps)(*views()).item() for steps in (1, 2, 9)}
    converged = Alignment(cols=FREE)(*views()).item()
    assert len(values) == 1 and converged == pytest.approx(values.pop(), rel=1e-12)


def test_the_columns_infonce_takes_two_half_steps():
    z, w = views()
    loss = Alignment(rows=FREE, cols=EXACT, steps=2)(z, w)
    torch.testing.assert_close(loss, infonce(w, z, 0.1), rtol=1e-12, atol=0)


def test_total_mass_is_the_joint_loss():
    # With |z - w|^2 / 2 and epsilon = 1 / (2 t): t * alignment + log mean exp(-t |z_k - w_l|^2) + log n
    (z, w), t = views(), 2.0
    distances = torch.cdist(z, w).square()
    expected = t * distances.diagonal().mean() + torch.exp(-t * distances).mean().log() + math.log(6)
    loss = Alignment(cost="squared_euclidean", epsilon=1 / (2 * t), total=True)(z, w)
    torch.testing.assert_close(loss, expected, rtol=1e-11, atol=0)


def test_the_free_kernel_attracts_and_counts_its_mass():
    z, w = views()
    cost = gca.squared_euclidean_cost(z, w)
    expected = cost.diagonal().mean() / 0.5 - 1 + torch.exp(-cost / 0.5).sum() / 6
    for alignment in (Alignment(rows=FREE, cols=FREE), Alignment(steps=0)):
        loss = alignment.change(cost="squared_euclidean", epsilon=0.5)(z, w)
        torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("epsilon", "expected"),
    [
        (1.0, [4.1964, 4.1960, 4.1960, 4.1960, 4.1960]),
        (0.5, [4.2948, 4.2929, 4.2929, 4.2929, 4.2929]),
        (0.1, [6.8094, 6.7100, 6.6924, 6.6857, 6.6857]),
        (0.05, [11.848, 11.520, 11.428, 11.331, 11.324]),
    ],
)
def test_how_large_the_steps_are(epsilon, expected):
    torch.manual_seed(0)
    z, w = torch.randn(64, 16, dtype=torch.float64), torch.randn(64, 16, dtype=torch.float64)
    found = [Alignment(epsilon=epsilon, steps=steps)(z, w).item() for steps in (1, 2, 3, 10, 400)]
    assert found == pytest.approx(expected, abs=6e-4 if epsilon == 0.05 else 6e-5)


def test_at_convergence_the_gradient_is_target_minus_plan():
    cost = gca.cosine_cost(*views()).requires_grad_()
    alignment = Alignment(epsilon=0.2)
    plan = alignment.plan_of(cost, tol=1e-12)
    (slope,) = torch.autograd.grad(alignment.value(plan), cost)
    torch.testing.assert_close(slope, (torch.eye(6).double() - plan.matrix) / 0.2 / 6, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    "knobs",
    [
        {"cost": "squared_euclidean"},
        {"cost": "dot"},
        {"epsilon": 0.31},
        {"rows": Soft(0.2)},
        {"rows": FREE},
        {"rows": Bounded(0.9, 1.1)},
        {"cols": Soft(0.2)},
        {"cols": Soft(0.3)},
        {"cols": FREE},
        {"cols": Bounded(0.9, 1.1)},
        {"steps": 0},
        {"steps": 1},
        {"steps": 3},
        {"steps": None},
        {"total": True, "rows": None, "cols": None, "steps": None},
    ],
    ids=str,
)
def test_every_knob_changes_the_value_and_the_gradient(knobs):
    start = Alignment(epsilon=0.3, steps=2)
    slopes, values = [], []
    for alignment in (start, start.change(**knobs)):
        z, w = (x.requires_grad_() for x in views())
        values.append(alignment(z, w))
        values[-1].backward()
        slopes.append(z.grad)
    assert abs(values[0].item() - values[1].item()) > 1e-4
    assert (slopes[0] - slopes[1]).norm() > 1e-4 * slopes[0].norm()


@pytest.mark.parametrize("alignment", POINTS, ids=str)
def test_a_loss_pulls_pairs_together(alignment):
    z, w = (x.requires_grad_() for x in views())
    loss = alignment(z, w)
    assert loss.shape == () and loss.isfinite()
    loss.backward()
    assert z.grad.isfinite().all() and w.grad.norm() > 1e-3
    with torch.no_grad():
        assert alignment(z - 1e-4 * z.grad, w - 1e-4 * w.grad) < loss


@pytest.mark.parametrize("alignment", POINTS, ids=str)
def test_a_batch_of_views_has_a_loss_each(alignment):
    z, w = randn(2, 5, 3, seed=1), randn(2, 5, 3, seed=2)
    losses = alignment(z, w)
    assert losses.shape == (2,)
    alone = torch.stack([alignment(z[k], w[k]) for k in range(2)])
    torch.testing.assert_close(losses, alone, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("alignment", POINTS, ids=str)
def test_into_a_file_and_back(alignment):
    text = json.dumps(alignment.to_dict(), allow_nan=False)
    again = Alignment.from_dict(json.loads(text))
    assert again == alignment and hash(again) == hash(alignment)
    assert json.dumps(again.to_dict()) == text


def test_what_stands_in_the_file():
    assert Alignment(epsilon=0.2, cols=Soft(0.5), steps=3).to_dict() == {
        "cost": "cosine",
        "epsilon": 0.2,
        "rows": "exact",
        "cols": 0.5,
        "total": False,
        "steps": 3,
        "target": "pairs",
        "divergence": "kl",
        "layout": "two_views",
        "weight_rows": 2.0,
        "weight_cols": 0.0,
        "infeasible": "masses",
        "grad": "exact",
    }
    assert Alignment(rows=FREE, cols=Bounded(0.5, math.inf)).to_dict()["cols"] == {"lo": 0.5, "hi": None}
    assert Alignment.from_dict({"epsilon": 0.3}) == Alignment(epsilon=0.3)
    assert Alignment.from_dict({"rows": "free", "cols": {"lo": 0, "hi": 2}}) == Alignment(rows=FREE, cols=Bounded(0, 2))


def test_a_record_does_not_change():
    start = Alignment()
    assert start.change(steps=4).steps == 4 and start.steps is None
    assert start.rows == EXACT and start.cols == EXACT
    with pytest.raises(AttributeError):
        start.epsilon = 2.0


def test_the_plan_behind_the_loss():
    z, w = views()
    alignment = Alignment(epsilon=0.2, cols=Soft(0.5), steps=4)
    plan = alignment.plan(z, w)
    by_hand = gca.solve(gca.cosine_cost(z, w), epsilon=0.2, cols=0.5, steps=4)
    torch.testing.assert_close(plan.log, by_hand.log, rtol=1e-12, atol=1e-12)
    assert torch.equal(alignment.value(plan), alignment(z, w))
    torch.testing.assert_close(plan.log, alignment.plan_of(gca.cosine_cost(z, w)).log)
    assert alignment.plan(z, w, a=[1, 2, 3, 1, 2, 3]).row_mass.tolist() == [1, 2, 3, 1, 2, 3]
    assert torch.equal(alignment.plan(z.numpy(), w.numpy()).log, plan.log)


def test_a_single_pair():
    z, w = views(1)
    for alignment, loss in ((Alignment(), 0.0), (Alignment(steps=1), 0.0), (Alignment(total=True), 0.0)):
        assert alignment(z, w).item() == pytest.approx(loss, abs=1e-12)
    cost = gca.cosine_cost(z, w).item() / 0.1
    assert Alignment(steps=0)(z, w).item() == pytest.approx(cost - 1 + math.exp(-cost), rel=1e-12)


def test_single_precision_and_numpy():
    z, w = views(dtype=torch.float32)
    loss = Alignment(steps=4)(z, w)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), Alignment(steps=4)(z.double(), w.double()), rtol=1e-5, atol=0)
    assert torch.equal(Alignment(steps=4)(z.numpy(), w.numpy()), loss)


def test_a_rectangular_plan_has_no_pairs():
    z, w = randn(4, 3, seed=1), randn(5, 3, seed=2)
    assert Alignment().plan(z, w).matrix.shape == (4, 5)
    with pytest.raises(ValueError, match="the target 'pairs' needs as many rows as columns, got n = 4 and m = 5"):
        Alignment()(z, w)
