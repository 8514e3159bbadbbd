"""A user's own encoder in a session: modes, buffers, chance, frozen parts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gca_playground as gca
from gca_playground.learning.session import TrainingSession
from tests.learning.session.small import SMALL, small, taken


def with_dropout() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 16), nn.Dropout(0.5), nn.Linear(16, 2))


def with_norm() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))


def test_dropout_comes_back_with_the_seed(tmp_path: Path) -> None:
    session = small(encoder=with_dropout())
    first, snapshot = taken(session), session.snapshot()
    session.save(tmp_path / "run.pt")
    then = taken(session)
    session.restore(snapshot)
    assert taken(session) == then
    assert taken(TrainingSession.load(tmp_path / "run.pt", encoder=with_dropout())) == then
    session.reset()
    assert [*taken(session, 2), *taken(session, 3), *taken(session)] == first + then  # however the steps are called
    assert taken(small(encoder=with_dropout())) == first
    assert taken(small(encoder=with_dropout(), seed=1)) != first


def test_each_step_drops_other_units() -> None:
    masks: list[list[bool]] = []
    encoder = nn.Sequential(nn.Linear(2, 16), nn.Dropout(0.5), nn.Linear(16, 2))
    session = small(encoder=encoder)
    session.encoder[0][1].register_forward_hook(  # type: ignore[index]
        lambda module, given, out: masks.append((out == 0).flatten().tolist())
    )
    session.step(3)
    assert len(masks) == 6 and len({tuple(mask) for mask in masks}) == 6  # two views a step, none alike


@pytest.mark.parametrize("encoder", [with_dropout, with_norm, lambda: "mlp"])
def test_looking_changes_nothing(encoder: Any) -> None:
    blind, watched = small(encoder=encoder()), small(encoder=encoder(), measure_every=1)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    for _ in range(4):
        blind.step()
        watched.step()
        plan, numbers, z = watched.plan(), watched.measure(), watched.embed(watched.data.x)
        assert plan is not None and plan.matrix.equal(watched.plan().matrix)  # type: ignore[union-attr]
        assert numbers["row_error"] == plan.row_error
        assert z.equal(blind.embed(blind.data.x))
    for name, value in blind.towers.state_dict().items():
        assert value.equal(watched.towers.state_dict()[name]), name
    assert torch.get_rng_state().equal(before)


def test_the_statistics_of_batches_go_back_too() -> None:
    session = small(encoder=with_norm())
    x, snapshot = session.data.x, session.snapshot()
    untrained = session.embed(x)
    first = taken(session)
    trained = session.embed(x)
    session.restore(snapshot)
    assert session.embed(x).equal(untrained)
    assert taken(session) == first
    assert session.embed(x).equal(trained)


def test_a_mode_that_the_user_changes_is_not_trained_in() -> None:
    usual, looked_at = small(encoder=with_dropout()), small(encoder=with_dropout())
    looked_at.encoder.eval()
    assert taken(looked_at) == taken(usual)


def test_a_frozen_part_stays_in_evaluation_mode() -> None:
    frozen, top = with_norm(), nn.Linear(2, 2)
    frozen.requires_grad_(False).eval()
    session = small(encoder=nn.Sequential(frozen, top), measure_every=1)
    kept = {name: value.clone() for name, value in session.towers.state_dict().items()}
    session.step(3)
    now = session.towers.state_dict()
    changed = {name for name, value in kept.items() if not value.equal(now[name])}
    assert changed == {"first.0.1.weight", "first.0.1.bias", "second.0.1.weight", "second.0.1.bias"}
    assert not frozen.training and top.training


def test_where_nothing_learns_it_is_said() -> None:
    data = gca.datasets.load("moons", n=48)
    for encoder in (nn.Identity(), nn.Linear(2, 2).requires_grad_(False)):
        with pytest.raises(ValueError, match="nothing to learn: no parameter of encoders or loss asks for a gradient"):
            small(data, encoder=encoder)
    options = {name: value for name, value in SMALL.items() if name != "epsilon"}
    still = TrainingSession(data, loss=lambda z, w: (z - w).square().mean().detach(), **options)
    with pytest.raises(ValueError, match="the loss must depend on what learns"):
        still.step()
    learns_a_temperature = small(data, encoder=nn.Identity(), learn_epsilon=True)
    learns_a_temperature.step()
    assert learns_a_temperature.loss.alignment.epsilon != 0.2


@pytest.mark.parametrize("name", ["loss", "encoder", "dim", "device", "seed"])
def test_what_is_no_knob_cannot_change(name: str) -> None:
    session = small()
    with pytest.raises(ValueError, match=f"{name} is decided when a session is made"):
        session.change(**{name: "rince", "lr": 0.5})
    assert session.pace.lr != 0.5


def test_a_target_of_classes_needs_classes() -> None:
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    data = gca.datasets.from_arrays(x, x + 0.1)
    with pytest.raises(ValueError, match="the target 'classes' needs labels of two classes or more"):
        small(data, loss="gca-ince", target="classes")
    session = small(data, loss="gca-ince")
    with pytest.raises(ValueError, match="the target 'classes' needs labels"):
        session.change(target="classes", epsilon=0.5)
    assert session.loss.alignment.epsilon == 0.2
    small(gca.datasets.from_arrays(x, x + 0.1, labels=["a", "b"] * 20), loss="gca-ince", target="classes").step()


def test_a_single_domain_says_nothing() -> None:
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    for domains, known in (([3] * 40, False), (["a", "b"] * 20, True)):
        found = small(gca.datasets.from_arrays(x, x + 0.1, domains=domains)).measure()
        assert math.isfinite(found["domain_probe"]) is known
        assert math.isnan(found["linear_probe"]) and math.isnan(found["knn"])  # no labels: one class
