"""Reset, snapshot, restore, and knobs that change while it runs."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gca_playground.learning.pace import Pace
from tests.learning.session.small import small, straight, taken, weights


def test_the_seed_decides_the_trajectory_and_no_global_state_is_touched() -> None:
    state = torch.get_rng_state()
    first, second, other = small(), small(), small(seed=1)
    torch.manual_seed(3)
    assert taken(first) == taken(second)
    assert weights(first).equal(weights(second))
    assert taken(other) != first.history.losses
    torch.set_rng_state(state)
    assert taken(small()) == first.history.losses


def test_two_losses_share_data_views_and_first_weights() -> None:
    one, two = small(loss="infonce"), small(loss="gca-uot")
    assert weights(one).equal(weights(two))
    assert one.probe.batch.view1.equal(two.probe.batch.view1)
    one.step(4)
    two.step(4)
    assert one._order.get_state().equal(two._order.get_state())
    assert one._views.get_state().equal(two._views.get_state())
    assert not weights(one).equal(weights(two))


def test_a_reset_takes_the_same_steps_again_to_the_bit() -> None:
    session = small(measure_every=2)
    losses, after, measures = taken(session, 6), weights(session), session.history.state()
    session.reset()
    assert (session.steps, session.history.losses) == (0, [])
    assert taken(session, 6) == losses
    assert weights(session).equal(after)
    assert session.history.state() == measures


@pytest.mark.parametrize("learn", [False, True])
def test_a_reset_keeps_the_knobs_where_they_are(learn: bool) -> None:
    knobs = {"epsilon": 0.4, "lr": 0.001, "batch": 8}
    session = small(learn_epsilon=learn, measure_every=3)
    session.step(3)
    session.change(**knobs)
    session.step(3)
    session.reset()
    from_start = small(learn_epsilon=learn, measure_every=3, **knobs)
    assert taken(session) == taken(from_start)
    assert session.history.state() == from_start.history.state()


def test_a_learnt_temperature_is_reset_too() -> None:
    session = small(learn_epsilon=True)
    losses = taken(session)
    assert session.loss.alignment.epsilon != pytest.approx(0.2, abs=1e-4)  # type: ignore[union-attr]
    session.reset()
    assert taken(session) == losses


def test_a_snapshot_is_a_copy_one_can_go_back_to_more_than_once() -> None:
    session = small(measure_every=3)
    session.step(4)
    kept = session.snapshot()
    session.change(epsilon=0.5, rho_cols=0.3, lr=0.1)
    changed = taken(session)
    for _ in range(2):
        session.restore(kept)
        assert session.steps == 4
        assert session.pace.lr == 5e-3
        assert taken(session) == taken(straight(4))
    session.restore(kept)
    session.change(epsilon=0.5, rho_cols=0.3, lr=0.1)
    assert taken(session) == changed


def test_measuring_does_not_disturb_the_training() -> None:
    assert taken(small(measure_every=1)) == taken(small())


@pytest.mark.parametrize(
    "change",
    [
        {"epsilon": 0.5},
        {"rho_rows": 0.1},
        {"rho_cols": 0.1},
        {"steps": 3},
        {"lr": 0.05},
        {"batch": 24},
        {"decay": 6},
    ],
)
def test_every_knob_changes_the_next_steps_and_is_like_starting_with_it(change: dict[str, Any]) -> None:
    base = {"loss": "gca-uot", "steps": 2}
    plain, changed, from_start = small(**base), small(**base), small(**(base | change))
    changed.change(**change)
    assert taken(changed) == taken(from_start)
    assert taken(plain) != from_start.history.losses


def test_changing_the_batch_leaves_the_order_of_the_data() -> None:
    one, two = small(), small(batch=8)
    one.step(3)
    two.step(3)
    assert one._order.get_state().equal(two._order.get_state())


def test_adams_memory_survives_a_change_of_the_loss() -> None:
    session = small()
    session.step(5)
    before = [state["exp_avg"].clone() for state in session.optimiser.state.values()]
    session.change(epsilon=0.21)
    after = [state["exp_avg"] for state in session.optimiser.state.values()]
    assert before
    assert all(a.equal(b) for a, b in zip(before, after, strict=True))


def test_a_decaying_rate_reaches_zero() -> None:
    session = small(decay=4)
    session.step(4)
    still = weights(session)
    session.step(2)
    assert weights(session).equal(still)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"epsilon": -0.1}, ValueError, r"epsilon must be > 0 and finite, got -0\.1"),
        ({"rho_rows": -1.0}, ValueError, r"rho must be in \[0, inf\], got -1\.0"),
        ({"steps": -1}, ValueError, "steps must be >= 0, got -1"),
        ({"lr": -1.0}, ValueError, r"lr must be finite and >= 0, got -1\.0"),
        ({"batch": 1}, ValueError, "batch must be >= 2, got 1"),
        ({"batch": 49}, ValueError, "batch must be <= 48, the points to learn from, got 49"),
        ({"decay": 0}, ValueError, "decay must be >= 1, got 0"),
        ({"epsilom": 0.1}, ValueError, r"unknown knob 'epsilom': did you mean 'epsilon'\?"),
        ({"q": 0.5}, ValueError, "unknown knob 'q'"),
    ],
)
def test_a_change_that_breaks_a_law_is_refused_and_changes_nothing(
    change: dict[str, Any], error: type[Exception], words: str
) -> None:
    session = small()
    with pytest.raises(error, match=words):
        session.change(**({"lr": 0.5, "epsilon": 0.9} | change))
    assert taken(session) == taken(small())


def test_a_falling_rate_starts_whole_and_ends_at_zero() -> None:
    pace = Pace(lr=0.4, batch=2, decay=8)
    assert [pace.rate(step) for step in (0, 2, 4, 8, 9)] == pytest.approx([0.4, 0.3, 0.2, 0, 0], abs=1e-12)
    assert Pace(lr=0.4, batch=2).rate(1000) == 0.4
    one, other = small(decay=8, lr=0.01), small(lr=0.01)
    assert taken(one, 2)[0] == taken(other, 2)[0]
    assert one.optimiser.param_groups[0]["lr"] == pytest.approx(0.01 * 7 / 8)  # of the second step
    other.reset()
    one.reset()
    one.step()
    other.step()
    assert weights(one).equal(weights(other))  # the first step is taken at the whole rate
