"""A loss in a training script: precision, autocast, batches, numpy, copies, and a temperature that learns."""

from __future__ import annotations

import copy
import io
import math
import pickle

import jaxtyping
import pytest
import torch
from torch import nn

import gca_playground as gca
from gca_playground import Alignment, Loss
from tests.oracles.problems import randn

NAMES = tuple(gca.losses())


def views(n=6, d=3, **options):
    return tuple(randn(n, d, seed=k, **options) for k in (1, 2))


def given(n=6):
    return {"labels": torch.arange(n) // 2, "data": (randn(n, 2, seed=7), randn(n, 2, seed=8))}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(name, dtype):
    half = [x.to(dtype).requires_grad_() for x in views()]
    value = gca.loss(name, epsilon=0.5)(*half, **given())
    value.backward()
    full = [x.detach().float().requires_grad_() for x in half]
    expected = gca.loss(name, epsilon=0.5)(*full, **given())
    expected.backward()
    assert value.dtype == torch.float32 and torch.equal(value, expected)
    assert half[0].grad.dtype == dtype
    torch.testing.assert_close(half[0].grad.float(), full[0].grad, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_autocast_changes_nothing(name):
    z, w = views(dtype=torch.float32)
    loss = gca.loss(name, learn_epsilon=True)
    expected = loss(z, w, **given())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(z, w, **given()), expected)
        assert torch.equal(loss.plan(z, w, labels=given()["labels"]).log, loss.plan(z, w, labels=given()["labels"]).log)


def test_training_under_autocast():
    torch.manual_seed(0)
    net, loss = nn.Linear(4, 3), gca.loss("gca-uot", epsilon=0.2)
    x = torch.randn(16, 4)
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    values = []
    for _ in range(20):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = loss(net(x), net(x + 0.1))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values[-1] < values[0] - 0.1


@pytest.mark.parametrize("name", NAMES)
def test_numpy_and_types(name):
    z, w = views(dtype=torch.float32)
    value = gca.loss(name)(z, w, **given())
    assert value.shape == () and value.dtype == torch.float32
    assert torch.equal(gca.loss(name)(z.numpy(), w.numpy(), **given()), value)
    wide = gca.loss(name)(z.double(), w, **given())
    assert wide.dtype == torch.float64
    torch.testing.assert_close(wide.float(), value, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_leading_dimensions_are_problems_of_their_own(name):
    z, w = randn(2, 3, 6, 3, seed=1), randn(2, 3, 6, 3, seed=2)
    loss = gca.loss(name, epsilon=0.5)
    values = loss(z, w, **given())
    assert values.shape == (2, 3)
    alone = torch.stack([torch.stack([loss(z[i, j], w[i, j], **given()) for j in range(3)]) for i in range(2)])
    within = 1e-12 if loss.alignment.steps is not None else 1e-5
    torch.testing.assert_close(values, alone, rtol=within, atol=within)


@pytest.mark.parametrize("learn", [False, True])
def test_copies_and_files(learn):
    z, w = views()
    loss = gca.loss("gca-uot", epsilon=0.3, rho_rows=0.4, learn_epsilon=learn)
    saved = io.BytesIO()
    torch.save(loss.state_dict(), saved)
    saved.seek(0)
    again = gca.loss("gca-uot", epsilon=0.7, rho_rows=0.4, learn_epsilon=learn)
    again.load_state_dict(torch.load(saved))
    for other in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss)), *([again] if learn else [])):
        assert torch.equal(other(z, w), loss(z, w)) and other.alignment == loss.alignment and other.name == loss.name
    assert set(loss.state_dict()) == ({"log_epsilon"} if learn else set())
    copied = copy.deepcopy(loss)
    if learn:
        copied.log_epsilon.data += 1.0
        assert loss.alignment.epsilon == pytest.approx(0.3) and copied.alignment.epsilon == pytest.approx(0.3 * math.e)


def test_its_repr_says_what_is_turned():
    assert repr(gca.loss("infonce")) == "Loss('infonce', epsilon=0.1, rows='exact', cols='free', steps=1)"
    uot = repr(gca.loss("gca-uot", rho_rows=0.5, learn_epsilon=True))
    assert "'gca-uot', epsilon=0.1, rows=0.5, cols=0.2, steps=10" in uot and uot.endswith("learn_epsilon=True)")
    assert repr(Loss(Alignment(epsilon=0.2))) == "Loss(epsilon=0.2, rows='exact', cols='exact')"
    assert "target='given (40, 40)'" in repr(gca.loss("iot", target=torch.ones(40, 40) / 40))
    assert "target={'name': 'smoothed', 'smoothing': 0.1}" in repr(gca.loss("iot", target="smoothed"))


@pytest.mark.parametrize("name", ["infonce", "gca-ince", "gca-uot", "clip"])
def test_the_temperature_learns(name):
    # A little noise between the views: a lower temperature says better who belongs to whom.
    z = randn(16, 8, seed=1).float()
    w = z + 0.1 * randn(16, 8, seed=2).float()
    loss = gca.loss(name, epsilon=1.0, learn_epsilon=True)
    optimiser = torch.optim.Adam(loss.parameters(), 0.05)
    values = []
    for _ in range(20):
        optimiser.zero_grad()
        value = loss(z, w)
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values[-1] < values[0] - 0.1
    assert loss.alignment.epsilon == pytest.approx(loss.log_epsilon.exp().item()) and loss.alignment.epsilon < 0.7


def test_a_temperature_that_does_not_learn_is_no_parameter():
    assert not list(gca.loss("infonce").parameters())
    assert [name for name, _ in gca.loss("infonce", learn_epsilon=True).named_parameters()] == ["log_epsilon"]
    z, w = views()
    fixed, learnt = gca.loss("gca-uot")(z, w), gca.loss("gca-uot", learn_epsilon=True)(z, w)
    torch.testing.assert_close(fixed, learnt.detach(), rtol=1e-6, atol=0)
    assert not fixed.requires_grad and learnt.requires_grad


def test_a_module_of_any_record():
    z, w = views()
    alignment = Alignment(epsilon=0.3, cols=0.5, steps=3)
    assert torch.equal(Loss(alignment)(z, w), alignment(z, w)) and Loss(alignment).alignment is alignment


@pytest.mark.parametrize("learn", [False, True])
def test_what_solve_takes_can_be_given(learn):
    z, w = views()
    n = len(z)
    forbidden = torch.zeros(n, n, dtype=torch.bool)
    forbidden[0, 1] = True
    masses = torch.linspace(0.5, 1.5, n, dtype=z.dtype)
    loss = gca.loss("gca-ince", epsilon=0.3, learn_epsilon=learn)
    assert loss(z, w, forbidden=forbidden) < loss(z, w)
    both = {"a": masses, "b": masses.flip(0)}
    torch.testing.assert_close(loss(z, w, **both), loss.alignment(z, w, **both), rtol=1e-6, atol=0)
    assert abs(loss(z, w, **both) - loss(z, w)) > 1e-3
    rough, fine = (gca.loss("iot", epsilon=0.05)(z, w, tol=tol) for tol in (1e-1, 1e-10))
    assert 1e-6 < abs(rough - fine) < 0.1


@pytest.mark.parametrize(("theirs", "ours"), [("temperature", "epsilon"), ("tau", "epsilon"), ("lambda", "lam")])
def test_what_others_call_a_knob_is_told_by_our_name(theirs, ours):
    with pytest.raises(ValueError, match=f"unknown knob of 'rince' '{theirs}': it is called '{ours}' here"):
        gca.loss("rince", **{theirs: 0.1})
    with pytest.raises(ValueError, match="known are"):
        gca.loss("infonce", **{"lambda": 0.1})


def test_what_is_no_record(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(TypeError, match="a Loss is made of an Alignment, got str"):
        Loss("infonce")
    with pytest.raises(TypeError, match="learn_epsilon must be True or False, got 1"):
        Loss(Alignment(), learn_epsilon=1)
