"""The gradient of every loss in both views and in epsilon, against plain torch that shares no code with it."""

from __future__ import annotations

import warnings
import weakref

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

import gca_playground as gca
from gca_playground import (
    EXACT,
    FREE,
    KL,
    MMD,
    RINCE,
    Alignment,
    Bounded,
    FenchelYoung,
    InnerProduct,
    Soft,
    Square,
    Tempered,
    TotalVariation,
    Uniformity,
)
from tests.oracles import losses as oracle
from tests.oracles.plain import Sides
from tests.oracles.problems import KINDS, kinds, rand, randn

STEPS = (0, 1, 2, 3, 10, 50)
MANY = 600
"""Half-steps after which these problems stand still."""
N, M = 5, 4
DATA = (randn(N, 3, seed=31), randn(N, 2, seed=32))

ANY_TARGET = [
    (KL(), oracle.kl),
    (KL(mass=False), lambda target, plan: oracle.kl(target, plan, mass=False)),
    (FenchelYoung(), oracle.fenchel_young),
    (TotalVariation(), oracle.total_variation),
    (Square(), oracle.square),
    (InnerProduct(), oracle.inner_product),
    (Uniformity(), oracle.uniformity),
    (
        1.0 * KL() + 0.3 * Uniformity() + 0.2 * Square(),
        lambda t, p: oracle.kl(t, p) + 0.3 * oracle.uniformity(t, p) + 0.2 * oracle.square(t, p),
    ),
]
FOR_PAIRS = [
    (RINCE(q=0.4, lam=0.1), lambda target, plan: oracle.rince(plan, q=0.4, lam=0.1)),
    (RINCE(q=1.0, lam=1.0, kernel="cost"), lambda target, plan: oracle.rince(plan, q=1.0, lam=1.0, score=0.0)),
    (Tempered(alpha=0.7), lambda target, plan: oracle.tempered(plan, alpha=0.7)),
    (Tempered(alpha=-0.5), lambda target, plan: oracle.tempered(plan, alpha=-0.5)),
    (MMD(), lambda target, plan: oracle.mmd_conditional(plan, oracle.gaussian_gram(DATA[1], 1.0))),
    (
        MMD(joint=True, kernel="linear"),
        lambda target, plan: oracle.mmd_joint(plan, *(data @ data.T for data in DATA)),
    ),
]


def inputs(m=M):
    """z, w and epsilon, each wanting a gradient."""
    epsilon = torch.tensor(0.3, dtype=torch.float64)
    return tuple(x.requires_grad_() for x in (randn(N, 3, seed=1), randn(m, 3, seed=2), epsilon))


def some_target(m=M):
    """A matrix with holes, and masses that are not its own."""
    target = rand(N, m, seed=3) * (rand(N, m, seed=4) < 0.7)
    a, b = 0.5 + rand(N, seed=5), 0.5 + rand(m, seed=6)
    return target, a, b * (a.sum() / b.sum())


def cosine_cost(z, w):
    return 1 - F.normalize(z, dim=-1) @ F.normalize(w, dim=-1).T


def same(found, expected, ours, theirs, within):
    """The same value, and the same gradient in each input."""
    torch.testing.assert_close(found, expected, rtol=within, atol=within)
    slopes = (
        torch.autograd.grad(found, ours, allow_unused=True),
        torch.autograd.grad(expected, theirs, allow_unused=True),
    )
    for our, their in zip(*slopes, strict=True):
        ours_, theirs_ = (torch.zeros(1) if x is None else x for x in (our, their))
        assert (ours_ - theirs_).norm() <= within * (1e-2 + theirs_.norm()), (ours_, theirs_)


def check(divergence, formula, rows, cols, *, steps, grad="exact", within=1e-12):
    """A loss with explicit masses on a rectangular problem, or on pairs."""
    m = N if divergence.pairs_only else M
    target, a, b = some_target(m)
    target = torch.eye(N, dtype=torch.float64) if divergence.pairs_only else target
    ours, theirs = inputs(m), inputs(m)
    alignment = Alignment(rows=rows, cols=cols, steps=steps, divergence=divergence, grad=grad)
    given = {} if divergence.pairs_only else {"target": target}
    extra = {"tol": 1e-13} if steps is None else {}
    cost = alignment.lazy_cost(*ours[:2])
    found = alignment.value(alignment.plan_of(cost, a=a, b=b, epsilon=ours[2], **given, **extra), **given, data=DATA)
    many = steps if steps is not None else MANY
    plan = oracle.solve(cosine_cost(*theirs[:2]), theirs[2], Sides(rows, cols, a, b), many)
    same(found, formula(target, plan), ours, theirs, within)


@kinds()
def test_exact_is_what_plain_torch_finds(rows, cols):
    chosen = list(KINDS.values())
    turn = chosen.index(rows) + 2 * chosen.index(cols)
    for k, (divergence, formula) in enumerate([*ANY_TARGET, *FOR_PAIRS]):
        check(divergence, formula, rows, cols, steps=STEPS[(turn + k) % len(STEPS)])


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize(("rows", "cols"), [(EXACT, EXACT), (Soft(0.7), Soft(0.05))])
def test_every_divergence_at_every_number_of_steps(steps, rows, cols):
    for divergence, formula in [*ANY_TARGET, *FOR_PAIRS]:
        check(divergence, formula, rows, cols, steps=steps)


@kinds("exact", "soft", "free", "bounded")
def test_the_tape_agrees(rows, cols):
    for k, (divergence, formula) in enumerate([*ANY_TARGET, *FOR_PAIRS]):
        check(divergence, formula, rows, cols, steps=(0, 1, 2, 7)[k % 4], grad="autograd")


@kinds("exact", "soft", "free", "bounded")
def test_at_convergence_it_is_that_of_very_many_steps(rows, cols):
    fixed_gauge = rows not in (EXACT, Bounded(0.8, 1.3)) or cols not in (EXACT, Bounded(0.8, 1.3))
    for divergence, formula in [ANY_TARGET[-1], *([FOR_PAIRS[0]] if fixed_gauge else [FOR_PAIRS[2]])]:
        check(divergence, formula, rows, cols, steps=None, within=1e-8)


@pytest.mark.parametrize(("rows", "cols"), [(EXACT, EXACT), (Soft(0.7), EXACT), (Soft(0.7), Soft(0.7))])
def test_the_fenchel_young_gap_at_convergence(rows, cols):
    check(FenchelYoung(), oracle.fenchel_young, rows, cols, steps=None, within=1e-8)


@pytest.mark.parametrize("grad", ["exact", "autograd", "implicit"])
def test_total_mass(grad):
    target, a, _ = some_target()
    for divergence, formula in ANY_TARGET:
        ours, theirs = inputs(), inputs()
        alignment = Alignment(total=True, divergence=divergence, grad=grad)
        found = alignment(*ours[:2], epsilon=ours[2], target=target, a=a)
        cost = cosine_cost(*theirs[:2])
        plan = oracle.solve_total(
            cost, theirs[2], Sides(EXACT, EXACT, a, torch.full((M,), a.sum().item() / M).double())
        )
        same(found, formula(target, plan), ours, theirs, 1e-12)


@pytest.mark.parametrize("name", gca.losses())
def test_named_losses_learn_their_temperature_as_the_tape_would(name):
    labels, data, found = torch.arange(N) // 2, (DATA[0], DATA[1]), []
    for grad in ("exact", "autograd"):
        z, w, _ = inputs(N)
        loss = gca.loss(name, epsilon=0.3, grad=grad, learn_epsilon=True).double()
        loss(z, w, labels=labels, data=data).backward()
        found.append((z.grad, w.grad, loss.log_epsilon.grad))
    within = 1e-12 if gca.losses()[name].alignment.steps is not None or gca.losses()[name].alignment.total else 2e-5
    for our, tape in zip(*found, strict=True):
        assert (our - tape).norm() <= within * tape.norm() and tape.norm() > 1e-5


@pytest.mark.parametrize("name", ["gca-uot", "gca-rince", "iot-uni", "matching-gap", "mmd-conditional", "tempered"])
def test_gradcheck_in_epsilon(name):
    z, w, _ = (x.detach() for x in inputs(N))
    alignment = gca.loss(name, **({"rince_weight": 0.5} if name == "gca-uot" else {})).alignment

    def value(epsilon):
        options = {"tol": 1e-13} if alignment.steps is None and not alignment.total else {}
        one = Alignment.of_cost
        return one(alignment, alignment.lazy_cost(z, w), epsilon=epsilon, data=DATA, **options)

    assert torch.autograd.gradcheck(value, torch.tensor(0.4, dtype=torch.float64, requires_grad=True))


# ------------------------------------------------------------------------------------------ the envelope


def slope_of(cost, target, *, grad, **knobs):
    """d KL / d C where nothing is done about the target's sums."""
    cost = cost.clone().requires_grad_()
    alignment = Alignment(target=target, infeasible="keep", grad=grad, epsilon=0.2, **knobs)
    options = {"tol": 1e-12} if knobs.get("steps") is None and not knobs.get("total") else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.autograd.grad(alignment.value(alignment.plan_of(cost, a=None, b=None, **options)), cost)[0]


def error_of_the_envelope(cost, target, **knobs):
    exact = slope_of(cost, target, grad="exact", **knobs)
    return ((slope_of(cost, target, grad="envelope", **knobs) - exact).norm() / exact.norm()).item()


def balanced(target):
    """The target of the usual masses nearest to this one."""
    return gca.solve(-target.log(), epsilon=1.0, tol=1e-14).matrix


FAIR = balanced(0.2 + rand(6, 6, seed=3))
UNFAIR = (0.2 + rand(6, 6, seed=3)).div(0.5)
ROW_FAIR = UNFAIR / UNFAIR.sum(1, keepdim=True)
COLUMN_FAIR = UNFAIR / UNFAIR.sum(0, keepdim=True)
COST = cosine_cost(randn(6, 3, seed=1), randn(6, 3, seed=2))


@pytest.mark.parametrize(
    ("knobs", "right", "wrong"),
    [
        ({"rows": FREE, "cols": FREE}, [FAIR, UNFAIR, ROW_FAIR], []),
        ({"total": True}, [FAIR, ROW_FAIR, COLUMN_FAIR], [UNFAIR]),
        ({"rows": EXACT, "cols": FREE}, [FAIR, ROW_FAIR], [UNFAIR, COLUMN_FAIR]),
        ({"rows": FREE, "cols": EXACT}, [FAIR, COLUMN_FAIR], [UNFAIR, ROW_FAIR]),
        ({"rows": EXACT, "cols": EXACT}, [FAIR], [UNFAIR, ROW_FAIR, COLUMN_FAIR]),
        ({"rows": EXACT, "cols": EXACT, "steps": 1}, [FAIR, ROW_FAIR], [UNFAIR, COLUMN_FAIR]),
        ({"rows": EXACT, "cols": EXACT, "steps": 2}, [], [FAIR, UNFAIR, ROW_FAIR, COLUMN_FAIR]),
        ({"rows": EXACT, "cols": EXACT, "steps": 5}, [], [UNFAIR, ROW_FAIR, COLUMN_FAIR]),
        ({"rows": 0.3, "cols": 0.3}, [], [FAIR, UNFAIR, ROW_FAIR, COLUMN_FAIR]),
    ],
    ids=lambda knobs: str(knobs) if isinstance(knobs, dict) else "",
)
def test_where_the_envelope_is_right(knobs, right, wrong):
    assert all(error_of_the_envelope(COST, target, **knobs) < 1e-9 for target in right)
    assert all(error_of_the_envelope(COST, target, **knobs) > 1e-2 for target in wrong)


def test_the_envelope_of_soft_sides_is_right_for_the_plans_own_marginals():
    plan = gca.solve(COST, epsilon=0.2, rows=0.3, cols=0.3, tol=1e-13)
    start = 0.2 + rand(6, 6, seed=9)
    target = gca.solve(-start.log(), epsilon=1.0, a=plan.row_sums, b=plan.col_sums, tol=1e-14).matrix
    assert error_of_the_envelope(COST, target, rows=0.3, cols=0.3) < 1e-9
    expected = (target - plan.matrix) / 0.2 / 6
    slope = slope_of(COST, target, grad="exact", rows=0.3, cols=0.3)
    torch.testing.assert_close(slope, expected, rtol=1e-8, atol=1e-10)


def test_before_convergence_it_is_far_off_on_a_trained_like_embedding():
    z = randn(32, 8, seed=1)
    cost = cosine_cost(z, z + 0.3 * randn(32, 8, seed=2))
    slopes = []
    for grad in ("exact", "envelope"):
        leaf = cost.clone().requires_grad_()
        alignment = Alignment(epsilon=0.05, steps=2, grad=grad)
        slopes.append(torch.autograd.grad(alignment.of_cost(leaf), leaf)[0])
    assert (slopes[1] - slopes[0]).norm() > 0.05 * slopes[0].norm()


def test_implicit_is_the_gradient_of_the_limit_also_before_it():
    slopes = [slope_of(COST, UNFAIR, grad="implicit", rows=0.3, cols=0.3, steps=steps) for steps in (None, 400, 4)]
    torch.testing.assert_close(slopes[1], slopes[0], rtol=1e-8, atol=1e-10)
    assert (slopes[2] - slopes[0]).norm() > 1e-4 * slopes[0].norm()


# ------------------------------------------------------------------------------------------ memory


class LargestCrowd(TorchDispatchMode):
    """How many storages of at least ``size`` numbers are alive at once, at most."""

    def __init__(self, size):
        super().__init__()
        self.size, self.alive, self.most = size, {}, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor) and tensor.numel() >= self.size:
                self.see(tensor)
        return result

    def see(self, tensor):
        place = tensor.untyped_storage().data_ptr()
        self.alive[place] = self.alive.get(place, 0) + 1
        weakref.finalize(tensor, self.forget, place)
        self.most = max(self.most, len(self.alive))

    def forget(self, place):
        self.alive[place] -= 1
        if not self.alive[place]:
            del self.alive[place]


def matrices_at_once(name, steps, grad="exact"):
    z, w = (randn(64, 4, seed=k).requires_grad_() for k in (1, 2))
    loss = gca.loss(name, epsilon=0.1, steps=steps, grad=grad, learn_epsilon=True)
    with LargestCrowd(64 * 64) as crowd:
        loss(z, w).backward()
    return crowd.most


@pytest.mark.parametrize("name", ["gca-ince", "gca-rince", "gca-uot"])
def test_no_matrix_is_kept_for_a_half_step(name):
    few, many = matrices_at_once(name, 5), matrices_at_once(name, 50)
    assert many == few < 20


def test_a_tape_keeps_a_matrix_for_each():
    assert matrices_at_once("gca-ince", 30, grad="autograd") > 30


# ------------------------------------------------------------------------------------------ small operations


class Calls(TorchDispatchMode):
    """How many operations torch is asked for."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += 1
        return function(*args, **(kwargs or {}))


def calls(name, **knobs):
    z, w = (randn(16, 4, seed=k).float().requires_grad_() for k in (1, 2))
    loss = gca.loss(name, epsilon=0.1, **knobs)
    with Calls() as seen:
        loss(z, w).backward()
    return seen.count


def test_few_operations():
    # Where n is small they are what a loss costs. F.cross_entropy of normalised views takes 60.
    assert calls("infonce") <= 110
    assert calls("clip") <= 200
    # A half-step: a product and what is made of it, there and back, and a zero for every second sum.
    assert calls("gca-ince", steps=42) - calls("gca-ince", steps=40) <= 9


@pytest.mark.parametrize("name", ["infonce", "gca-ince", "gca-uot"])
def test_both_ways_are_the_mean_of_each(name):
    slopes, values = [], []
    for weights in ((2.0, 0.0), (0.0, 2.0), (1.0, 1.0)):
        z, w = (randn(6, 4, seed=k).requires_grad_() for k in (1, 2))
        knobs = dict(zip(("weight_rows", "weight_cols"), weights, strict=True))
        values.append(gca.loss(name).alignment.change(**knobs)(z, w))
        slopes.append(torch.cat(torch.autograd.grad(values[-1], (z, w))))
    torch.testing.assert_close(values[2], (values[0] + values[1]) / 2, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(slopes[2], (slopes[0] + slopes[1]) / 2, rtol=1e-10, atol=1e-12)
