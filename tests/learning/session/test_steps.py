"""What a step of a training session does."""

from __future__ import annotations

import gc
import math

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

import gca_playground as gca
from gca_playground.learning.session import TrainingSession
from tests.learning.session.small import small, taken, weights


def test_a_step_is_adam_on_the_loss_of_a_fresh_batch() -> None:
    session = small(encoder="linear", sphere=False, lr=0.01)
    matrix = session.encoder[0].weight.detach().clone().requires_grad_(True)  # type: ignore[index]
    order, views = session._order.clone_state(), session._views.clone_state()
    batch = torch.randperm(48, generator=order)[:16]
    view1, view2 = session.data.views(batch, views)
    z, w = (normalize(view @ matrix.T) for view in (view1, view2))
    expected = cross_entropy(z @ w.T / 0.2, torch.arange(16))
    expected.backward()
    assert session.step() == pytest.approx(expected.item(), abs=1e-5)
    assert matrix.grad is not None
    # Adam's first step is the rate in the direction of the gradient's sign.
    step = matrix.detach() - session.encoder[0].weight.detach()  # type: ignore[index]
    assert torch.allclose(step, 0.01 * matrix.grad.sign(), atol=1e-4)


def test_training_learns() -> None:
    session = small(gca.datasets.load("circles", n=128), encoder="mlp", batch=64)
    before = session.measure()
    session.step(60)
    after = session.measure()
    assert after["loss"] < before["loss"] - 0.2
    assert after["alignment"] < 0.5
    assert after["uniformity"] < before["uniformity"]


@pytest.mark.parametrize("loss", ["infonce", "gca-ince", "gca-rince", "gca-uot", "clip", "nt-xent", "joint"])
def test_every_loss_falls(loss: str) -> None:
    session = small(loss=loss)
    first = session.measure()["loss"]
    session.step(30)
    assert session.measure()["loss"] < first - 0.02


def test_rince_falls_too() -> None:  # its size is that of the kernel, far from 1
    session = small(loss="rince", lr=0.02)
    first = session.measure()["loss"]
    session.step(40)
    assert session.measure()["loss"] < first - 0.1


def test_losses_that_want_labels_domains_or_data_get_them() -> None:
    domains = gca.datasets.load("domains", n=48)
    assert math.isfinite(small(domains, loss="domain-prior").step(3))
    assert math.isfinite(small(loss="gca-ince", target="classes").step(3))
    assert math.isfinite(small(loss="mmd-conditional").step(3))
    with pytest.raises(ValueError, match="'domains' needs data with domains"):
        small(loss="domain-prior").step()


def test_a_loss_that_is_not_finite_stops_before_the_weights_follow() -> None:
    data = gca.datasets.load("moons", n=48)
    session = TrainingSession(data, loss=lambda z, w: (z * math.nan).sum(), batch=16, measure_every=None)
    before = weights(session)
    with pytest.raises(ValueError, match="the loss is nan at step 0"):
        session.step()
    assert weights(session).equal(before)
    assert session.history.losses == []


def test_steps_are_counted() -> None:
    with pytest.raises(ValueError, match="k must be >= 1, got 0"):
        small().step(0)
    with pytest.raises(ValueError, match="view must be 1 or 2, got 3"):
        small().embed([[0.0, 1.0]], view=3)
    session = small()
    session.step(3)
    assert repr(session).startswith("TrainingSession(infonce on Pairs('moons'")
    assert repr(session).endswith("3 steps)")


def test_nothing_of_a_step_stays_in_memory() -> None:
    session = small(loss="gca-uot")
    session.step(3)
    gc.collect()
    before = sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())
    session.step(20)
    gc.collect()
    assert sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects()) <= before + 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_follows_the_same_course() -> None:
    here, there = small(measure_every=2), small(device="cuda", measure_every=2)
    assert taken(there) == pytest.approx(taken(here), abs=1e-3)
    assert there.embed(there.data.x).device.type == "cpu"


def test_a_row_of_the_history_is_what_is_measured_after_so_many_steps() -> None:
    session = small(measure_every=2)
    session.step(5)
    assert session.history["step"] == [0, 2, 4]
    for row, steps in enumerate(session.history["step"]):
        fresh = small()
        for _ in range(int(steps)):
            fresh.step()
        assert {name: session.history[name][row] for name in fresh.measure()} == fresh.measure()
    assert len(session.history.losses) == 5
