"""What a training session is made of: losses, encoders, data."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import gca_playground as gca
from gca_playground.alignment import Loss
from gca_playground.learning.laws import as_device
from gca_playground.learning.session import TrainingSession
from tests.learning.session.small import SMALL, small, taken

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


def test_a_loss_may_be_a_name_a_record_a_module_or_a_function() -> None:
    record = gca.Alignment(rows=gca.EXACT, cols=gca.FREE, steps=1, epsilon=0.2)

    def by_hand(z: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return cross_entropy(z @ w.T / 0.2, torch.arange(len(z)))

    options = {name: value for name, value in SMALL.items() if name != "epsilon"}
    sessions = [
        TrainingSession(gca.datasets.load("moons", n=48), loss=loss, **options)
        for loss in (record, gca.loss("infonce", epsilon=0.2), by_hand)
    ]
    expected = taken(small())
    assert taken(sessions[0]) == taken(sessions[1]) == expected
    assert taken(sessions[2]) == pytest.approx(expected, abs=1e-5)
    assert [session.loss_name for session in sessions] == ["alignment", "infonce", "by_hand"]
    assert sessions[2].plan() is None
    assert math.isnan(sessions[2].measure()["row_error"])
    with pytest.raises(TypeError, match="epsilon: a loss given as a function has no knobs"):
        sessions[2].change(epsilon=0.3)


def test_a_loss_keeps_its_name_while_it_deserves_it() -> None:
    session = small()
    session.change(epsilon=0.3)
    assert session.loss_name == "infonce"
    session.change(rho_cols=0.3)
    assert session.loss_name == "alignment"
    own = TrainingSession("moons", loss=Loss(gca.Alignment(steps=2), name="mine"), batch=16)
    own.change(epsilon=0.3, rho_cols=0.3)
    assert own.loss_name == "mine" and own.loss.alignment.cols == gca.Soft(0.3)


def test_a_module_is_copied_and_its_parameters_learn() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(5.0))

        def forward(self, z: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
            return cross_entropy(self.scale * z @ w.T, torch.arange(len(z)))

    loss, encoder = Scaled(), nn.Linear(2, 3)
    data = gca.datasets.load("moons", n=48)
    session = TrainingSession(data, loss=loss, encoder=encoder, batch=16, measure_every=None)
    first = encoder.weight.clone()
    losses = taken(session)
    assert loss.scale.item() == 5
    assert session.loss.scale.item() != 5  # type: ignore[union-attr, operator]
    assert encoder.weight.equal(first)
    session.reset()
    assert taken(session) == losses


def test_encoders_dimensions_and_heads() -> None:
    x = gca.datasets.load("digits", n=20).x
    plain = small(gca.datasets.load("digits", n=60), encoder="cnn", dim=3)
    headed = small(gca.datasets.load("digits", n=60), encoder="cnn", dim=3, head=5)
    assert plain.embed(x).shape == (20, 3)
    assert plain.embed(x).equal(headed.embed(x))  # the head changes no first weight
    assert headed.plan().matrix.shape == (45, 45)  # type: ignore[union-attr]
    z, _ = headed.towers(x, x)
    assert z.shape == (20, 5)
    assert (plain.embed(x).norm(dim=1) - 1).abs().max() < 1e-5
    pair = small(encoder=("linear", "linear"), dim=2, head=3).towers
    drawn = [next(part.parameters()) for part in (pair.first, pair.second, pair.head)]
    assert drawn[0].shape == drawn[1].shape == drawn[2].shape == (2, 2)
    assert len({tuple(weight.flatten().tolist()) for weight in drawn}) == 3  # from three streams
    off = small(encoder="mlp", dim=2, sphere=False).embed(x[:, :2])
    assert (off.norm(dim=1) - 1).abs().max() > 0.1


def test_a_pair_of_encoders_for_two_kinds_of_views() -> None:
    data = gca.datasets.load("gaussian", n=60, dims=(3, 4))
    with pytest.raises(ValueError, match="one encoder cannot take views of 3 and 4 dimensions"):
        small(data)
    session = small(data, encoder=("linear", nn.Linear(4, 2)))
    session.step(2)
    assert session.embed(data.x).shape == session.embed(data.second, view=2).shape == (60, 2)
    shared, apart = small(encoder="mlp"), small(encoder=("mlp", "mlp"))
    assert shared.towers.first is shared.towers.second
    x = shared.data.x
    assert apart.embed(x).equal(shared.embed(x))
    assert not apart.embed(x, view=2).equal(apart.embed(x))


def test_arrays_are_taken_wherever_a_name_is() -> None:
    x = torch.randn(80, 5, generator=torch.Generator().manual_seed(0)).numpy()

    def shake(points: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return points + 0.1 * torch.randn(points.shape, generator=generator)

    augmented = gca.datasets.from_arrays(x, augment=shake, labels=torch.arange(80) % 3)
    fixed = gca.datasets.from_arrays(x, x + 0.1)
    for data in (augmented, fixed):
        session = small(data)
        session.step(2)
        assert len(session.split.rows) == 60
        assert not set(session.split.rows.tolist()) & set(session.split.test_rows.tolist())
        assert sorted([*session.split.rows.tolist(), *session.split.test_rows.tolist()]) == list(range(80))
        assert len(session.probe.test) == 20
    assert math.isnan(session.measure()["linear_probe"])  # one class says nothing


def test_made_up_data_are_judged_on_new_points_and_digits_on_the_test_split() -> None:
    moons = small(gca.datasets.load("moons", n=48, mismatched=0.5))
    assert len(moons.split.rows) == 48
    assert len(moons.probe.test) == 512
    assert not moons.split.test.mismatched.any()
    assert not {tuple(row) for row in moons.data.x.tolist()} & {tuple(row) for row in moons.probe.test.tolist()}
    digits = TrainingSession("digits", encoder="linear", measure_every=None)
    assert (len(digits.split.rows), len(digits.probe.test)) == (1297, 500)
    assert digits.probe.test.equal(gca.datasets.load("digits", split="test").x)
    given = small(test=gca.datasets.load("moons", n=30, seed=8))
    assert len(given.probe.test) == 30


def test_views_are_compared_where_the_pair_is_right() -> None:
    # Digits without a split hold out a quarter of themselves, wrong pairs too.
    session = small(gca.datasets.load("digits", n=80, mismatched=0.5), encoder="linear")
    held = session.split.test_rows
    right = held[~session.data.mismatched[held]]
    assert 0 < len(right) < len(held) == len(session.probe.test)
    assert len(session.probe.pairs[0]) == len(session.probe.pairs[1]) == len(right)
    still = small(gca.datasets.load("digits", n=80, mismatched=0.5, noise=0.0), encoder="linear")
    assert still.probe.pairs[0].equal(still.probe.pairs[1])
    assert still.measure()["alignment"] == 0


def test_the_plan_of_the_fixed_batch_is_sorted_by_class() -> None:
    session = small(loss="gca-ince", steps=10)
    plan = session.plan()
    assert plan is not None
    assert plan.matrix.shape == (48, 48)
    assert (session.data.labels[session.probe.index].diff() >= 0).all()
    z, w = (session.embed(view) for view in (session.probe.batch.view1, session.probe.batch.view2))
    expected = gca.solve(gca.cosine_cost(z, w), epsilon=0.2, steps=10)
    assert torch.allclose(plan.matrix, expected.matrix, atol=1e-6)
    assert session.measure()["row_error"] == pytest.approx(expected.row_error, abs=1e-4)


def test_the_networks_modes_are_left_as_they_were() -> None:
    encoder = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    session = small(encoder=encoder)
    session.measure()
    x = session.data.x
    assert session.embed(x).equal(session.embed(x))
    assert session.encoder.training


def test_points_of_another_width_are_refused() -> None:
    session = small(gca.datasets.load("gaussian", n=60, dims=(3, 4)), encoder=("linear", "linear"))
    assert session.embed(np.zeros((5, 3))).shape == session.embed(np.zeros((5, 4)), view=2).shape == (5, 2)
    for shape, view, width in (((5, 4), 1, 3), ((5, 3), 2, 4), ((3,), 1, 3), ((2, 5, 3), 1, 3)):
        with pytest.raises(ValueError, match=re.escape(f"x must have shape (n, {width}), got {shape}")):
            session.embed(np.zeros(shape), view=view)


NOWHERE = ["gpu", "meta", "fpga", "hpu", "cuda:99", pytest.param("cuda", marks=without_gpu)]


@pytest.mark.parametrize("device", NOWHERE)
def test_a_device_that_is_not_there_is_refused_wherever_one_is_named(device: Any) -> None:
    words = f"device must be one that works on this machine, such as 'cpu', got {device!r}: "
    for train in (TrainingSession, gca.train):
        with pytest.raises(ValueError, match=words):
            train("moons", device=device)
    with pytest.raises(ValueError, match=words):
        gca.crossmodal.fit(np.eye(4), np.eye(4), device=device)


@pytest.mark.parametrize("device", ["cpu", "cpu:0", torch.device("cpu")])
def test_a_device_may_have_a_number_or_be_torchs(device: Any) -> None:
    assert small(device=device).device.type == "cpu"


def test_what_names_no_device_is_refused() -> None:
    for nothing in (None, True, 1.5):
        with pytest.raises(TypeError, match=f"device must be a name such as 'cpu' or 'cuda', .* got {nothing}"):
            as_device(nothing)
    with pytest.raises(ValueError, match="device must be one that works on this machine, such as 'cpu', got 99: "):
        as_device(99)


def test_too_few_pairs_are_said_to_be_too_few() -> None:
    few = "there must be at least 2 pairs to learn from, got"
    for n, told in ((1, "0: 1 in the data, 1 of them"), (2, "1: 2 in the data, 1 of them held out to judge on")):
        with pytest.raises(ValueError, match=f"{few} {told}"):
            gca.train(gca.datasets.from_arrays(np.eye(n, 2), np.eye(n, 2)), progress=False)
    with pytest.raises(ValueError, match=f"{few} 1: 1 in the data$"):
        TrainingSession(gca.datasets.load("moons", n=1))
    with pytest.raises(ValueError, match=f"{few} 1: 1 in the data$"):
        gca.crossmodal.fit(np.eye(1, 2), np.eye(1, 3))
    assert len(TrainingSession(gca.datasets.from_arrays(np.eye(3), np.eye(3))).split.rows) == 2
    assert gca.crossmodal.fit(np.eye(2), np.eye(2, 3), steps=1).session.steps == 1


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"data": 3}, TypeError, "data must be a data set's name or Pairs, got int"),
        ({"data": "moon"}, ValueError, r"unknown data set 'moon': did you mean 'moons'\?"),
        ({"loss": "infonc"}, ValueError, r"unknown loss 'infonc': did you mean 'infonce'\?"),
        ({"loss": 3, "epsilon": None}, ValueError, "epsilon: knobs of a named loss"),
        ({"encoder": "mpl"}, ValueError, r"unknown encoder 'mpl': did you mean 'mlp'\?"),
        ({"encoder": 3}, TypeError, "encoder must be a name, a torch module, or a pair"),
        ({"encoder": nn.Linear(3, 2)}, ValueError, r"an encoder must take views \(n, 2\), the given one fails: mat1"),
        ({"encoder": nn.Linear(2, 3), "dim": 2}, ValueError, "dim is 2, but the given encoder ends in 3"),
        (
            {"encoder": (nn.Linear(2, 3), "mlp")},
            ValueError,
            "both encoders must end in as many dimensions, got 3 and 2",
        ),
        ({"encoder": nn.Flatten(0)}, ValueError, r"an encoder must turn views \(2, 2\) into \(n, dim\), got \(4,\)"),
        ({"dim": 0}, ValueError, "dim must be >= 1, got 0"),
        ({"head": 0}, ValueError, "head must be >= 1, got 0"),
        ({"seed": -1}, ValueError, "seed must be >= 0, got -1"),
        ({"batch": 1}, ValueError, "batch must be >= 2, got 1"),
        ({"batch": 1000}, ValueError, "batch must be <= 256"),
        ({"measure_every": 0}, ValueError, "measure_every must be >= 1, got 0"),
        ({"epsilon": 0.0}, ValueError, "epsilon must be > 0"),
        ({"epsilom": 0.1}, ValueError, r"unknown knob of 'infonce' 'epsilom': did you mean 'epsilon'\?"),
        ({"test": gca.datasets.load("digits", n=5)}, ValueError, r"test must have views of \(2, 2\) dimensions"),
    ],
)
def test_what_cannot_train_is_refused_in_words(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        TrainingSession(**({"data": "moons"} | options))
