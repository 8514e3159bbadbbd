"""Every kernel gives the same plan and the same gradient: dense, batched, streamed, by scaling and by log-sum-exp."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gca_playground as gca
from gca_playground import EXACT, FREE, Bounded, Soft
from gca_playground.transport import blocks, derivative, scaling, source, stream, way_back
from gca_playground.transport.scaling import Scalings
from tests.oracles.problems import law, randn, seeds

COSTS = [gca.CosineCost, gca.SquaredEuclideanCost, gca.DotCost]
SIDES = [
    (EXACT, EXACT),
    (EXACT, FREE),
    (FREE, EXACT),
    (Soft(0.3), Soft(0.7)),
    (EXACT, Soft(0.2)),
    (Bounded(0.8, 1.3), EXACT),
]


def views(n=7, m=5, d=3, seed=0):
    return randn(n, d, seed=seed).requires_grad_(), randn(m, d, seed=seed + 100).requires_grad_()


def judged(kind, rows, cols, *, steps, epsilon, seed=0, grad="exact", method="auto", matrix=False):
    """log u, log v and their gradients in z, w and epsilon, for one random function of both."""
    z, w = views(seed=seed)
    temperature = torch.tensor(epsilon, dtype=torch.float64, requires_grad=True)
    cost = kind(z, w).matrix() if matrix else kind(z, w)
    plan = gca.solve(cost, epsilon=temperature, rows=rows, cols=cols, steps=steps, grad=grad, method=method, tol=1e-12)
    # A shift from f to g changes nothing at convergence: the function must not see it.
    value = (plan.log * randn(7, 5, seed=1)).sum() + (plan.log_kernel_sums * randn(7, seed=2)).sum() * (
        steps is not None
    )
    slopes = torch.autograd.grad(value, (z, w, temperature))
    return [plan.log.detach(), *slopes]


def same(found, expected, tolerance=1e-10):
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance * float(theirs.abs().max() + 1))


@pytest.mark.parametrize("kind", COSTS)
@pytest.mark.parametrize(("rows", "cols"), SIDES, ids=str)
@pytest.mark.parametrize("steps", [1, 2, 5, 20])
def test_all_kernels_agree(kind, rows, cols, steps):
    expected = judged(kind, rows, cols, steps=steps, epsilon=0.3, grad="autograd", matrix=True)
    for options in ({}, {"matrix": True}, {"method": "stream"}, {"method": "log"}, {"method": "log", "matrix": True}):
        same(judged(kind, rows, cols, steps=steps, epsilon=0.3, **options), expected)


@pytest.mark.parametrize("kind", COSTS)
@pytest.mark.parametrize(("rows", "cols"), SIDES[:5], ids=str)
def test_all_kernels_agree_on_the_limit(kind, rows, cols):
    expected = judged(kind, rows, cols, steps=None, epsilon=0.5, matrix=True)
    for method in ("stream", "log", "newton"):
        same(judged(kind, rows, cols, steps=None, epsilon=0.5, method=method), expected, 1e-8)


@law
@given(st.sampled_from(COSTS), st.sampled_from(SIDES), st.integers(1, 9), st.floats(2e-3, 5.0), seeds)
def test_streamed_and_dense_agree_at_any_epsilon(kind, sides, steps, epsilon, seed):
    dense = judged(kind, *sides, steps=steps, epsilon=epsilon, seed=seed, matrix=True)
    same(judged(kind, *sides, steps=steps, epsilon=epsilon, seed=seed, method="stream"), dense, 1e-9)


def test_streaming_is_the_same_out_of_the_range_of_scalings(monkeypatch):
    expected = judged(gca.CosineCost, EXACT, Soft(0.2), steps=5, epsilon=0.05)
    monkeypatch.setattr(scaling, "_in_range", lambda *_: False)
    same(judged(gca.CosineCost, EXACT, Soft(0.2), steps=5, epsilon=0.05, method="stream"), expected)
    same(judged(gca.CosineCost, EXACT, Soft(0.2), steps=5, epsilon=0.05), expected)


@pytest.mark.parametrize("method", ["auto", "stream"])
@pytest.mark.parametrize("rows", [1, 3, 64])
def test_blocks_of_any_size(method, rows, monkeypatch):
    expected = judged(gca.CosineCost, EXACT, Soft(0.4), steps=4, epsilon=0.2, method=method)
    monkeypatch.setattr(blocks, "block_rows", lambda columns, bytes_each: rows)
    monkeypatch.setattr(blocks, "_WHOLE_BYTES", 0)
    same(judged(gca.CosineCost, EXACT, Soft(0.4), steps=4, epsilon=0.2, method=method), expected)


def test_a_batch_is_its_problems():
    z, w = randn(3, 6, 4, seed=1).requires_grad_(), randn(3, 5, 4, seed=2).requires_grad_()
    together = gca.solve(gca.CosineCost(z, w), steps=7, rows=0.5)
    assert isinstance(together.path, Scalings)
    (together.log * randn(3, 6, 5, seed=3)).sum().backward()
    for k in range(3):
        a, b = z.detach()[k].requires_grad_(), w.detach()[k].requires_grad_()
        alone = gca.solve(gca.CosineCost(a, b), steps=7, rows=0.5)
        (alone.log * randn(3, 6, 5, seed=3)[k]).sum().backward()
        same([together.log.detach()[k], z.grad[k], w.grad[k]], [alone.log.detach(), a.grad, b.grad])


def test_total_mass_by_blocks():
    found = []
    for method in ("auto", "stream"):
        z, w = views(5, 5)
        plan = gca.solve(gca.DotCost(z, w), epsilon=0.4, total=True, method=method)
        (plan.log_u * randn(5, seed=1)).sum().backward()
        found.append([plan.log.detach(), z.grad, w.grad])
    same(*found)


def test_a_large_lazy_cost_streams_by_itself(monkeypatch):
    monkeypatch.setattr(source, "MOST_KEPT", 0)
    z, w = views()
    assert gca.solve(gca.CosineCost(z, w), steps=3).problem.source.streamed
    assert not gca.solve(gca.cosine_cost(z, w), steps=3).problem.source.streamed


@pytest.mark.parametrize(
    ("cost", "options"),
    [
        (torch.zeros(2, 2), {}),
        (gca.CosineCost(torch.ones(2, 3, 2), torch.ones(2, 3, 2)), {}),
        (gca.CosineCost(torch.eye(2), torch.eye(2)), {"forbidden": torch.eye(2).bool()}),
        (gca.CosineCost(torch.eye(2), torch.eye(2)), {"reference": "product"}),
    ],
)
def test_what_cannot_be_streamed(cost, options):
    with pytest.raises(ValueError, match="method='stream' needs the embeddings of two views"):
        gca.solve(cost, method="stream", steps=2, **options)


def test_the_fast_path_is_taken_where_it_can_be():
    z, w = views()
    assert isinstance(gca.solve(gca.CosineCost(z, w), epsilon=0.05, steps=10).path, Scalings)
    # In single precision and at a small epsilon something may be lost: the careful path it is.
    small = gca.solve(gca.DotCost(20 * z.float(), w.float()), epsilon=1e-3, steps=10)
    assert not isinstance(small.path, Scalings) and small.log.isfinite().all()


def test_memory_does_not_grow_with_the_steps():
    def kept(steps):
        sizes = []
        z, w = randn(64, 4, seed=1).requires_grad_(), randn(64, 4, seed=2)
        with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
            gca.loss("gca-ince", steps=steps)(z, w)
        return sum(sizes)

    assert kept(50) == kept(2)


def test_no_number_is_looked_at_inside_the_loops():
    """The half-steps and their gradient never wait for the device: no item, tolist, bool or float of a tensor there."""
    looks = {"item", "tolist", "cpu", "numpy"}
    for module, names in (
        (scaling, {"run", "products", "_times", "_add_times", "_Step"}),
        (way_back, {"back", "_WayBack", "_weights", "_drift", "_of_rank"}),
        (derivative, {"Logs", "LogPlan"}),
        (blocks, {"KeptBlocks", "StreamedBlocks"}),
        (source, {"FactorPull", "MatrixPull"}),
        (stream, {"StreamedKernel", "plan_blocks", "through_steps"}),
    ):
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        for node in tree.body:
            if getattr(node, "name", None) not in names:
                continue
            names = names - {node.name}
            calls = [call.func for call in ast.walk(node) if isinstance(call, ast.Call)]
            assert not looks & {call.attr for call in calls if isinstance(call, ast.Attribute)}, node.name
            assert "bool" not in {call.id for call in calls if isinstance(call, ast.Name)}, node.name
        assert not names, f"gone from {module.__name__}: {names}"


def test_rows_of_a_streamed_plan_need_no_matrix(monkeypatch):
    z, w = views()
    expected = gca.solve(gca.cosine_cost(z, w), steps=3).rows(2, 5)

    def built(self):
        raise AssertionError("the whole cost was built")

    monkeypatch.setattr(source.FactorSource, "matrix", property(built))
    for method in ("auto", "stream"):
        found = gca.solve(gca.CosineCost(z, w), steps=3, method=method).rows(2, 5)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["infonce", "gca-ince", "gca-rince", "gca-uot", "clip", "tempered", "joint"])
def test_losses_of_pairs_build_no_matrix_of_costs(name, monkeypatch):
    def built(self):
        raise AssertionError("the whole cost was built")

    monkeypatch.setattr(source.FactorSource, "matrix", property(built))
    monkeypatch.setattr(source, "MOST_KEPT", 0)
    z, w = views(6, 6)
    gca.loss(name, epsilon=0.5)(z, w).backward()
    assert z.grad.isfinite().all()


LOOKS = ("item", "tolist", "__bool__", "__float__", "__int__")


@pytest.mark.parametrize("method", ["scaling", "log", "stream"])
def test_the_way_back_looks_no_more_often_for_more_steps(method, monkeypatch):
    seen = []
    for name in LOOKS:
        plain = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, lambda x, plain=plain: seen.append(1) or plain(x))
    counts = []
    for steps in (4, 40):
        z, w = randn(8, 3, seed=1).requires_grad_(), randn(8, 3, seed=2)
        plan = gca.solve(gca.CosineCost(z, w), epsilon=0.3, rows=0.5, steps=steps, method=method)
        value = plan.log_u.square().sum() + plan.log_v.sum()
        seen.clear()
        value.backward()
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 3
    assert method != "log" or counts[0] > 0  # else this would count nothing
