import gc
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

import gca_playground as gca
from gca_playground.learning.session import TrainingSession

SMALL: dict[str, Any] = {"batch": 16, "measure_every": None, "epsilon": 0.2}


def small(data: Any = None, **options: Any) -> TrainingSession:
    data = gca.datasets.load("moons", n=48) if data is None else data
    return TrainingSession(data, **(SMALL | options))


def weights(session: TrainingSession) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in session.towers.parameters()])


def taken(session: TrainingSession, k: int = 5) -> list[float]:
    session.step(k)
    return session.history.losses[-k:]


# ------------------------------------------------------------------------------------------ one step, by hand


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


# ------------------------------------------------------------------------------------------ reset, snapshot, change


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


def straight(steps: int) -> TrainingSession:
    session = small(measure_every=3)
    session.step(steps)
    return session


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


# ------------------------------------------------------------------------------------------ what it is made of


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


def test_a_loss_that_is_not_finite_stops_before_the_weights_follow() -> None:
    data = gca.datasets.load("moons", n=48)
    session = TrainingSession(data, loss=lambda z, w: (z * math.nan).sum(), batch=16, measure_every=None)
    before = weights(session)
    with pytest.raises(ValueError, match="the loss is nan at step 0"):
        session.step()
    assert weights(session).equal(before)
    assert session.history.losses == []


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"data": 3}, TypeError, "data must be a data set's name or Pairs, got int"),
        ({"data": "moon"}, ValueError, r"unknown data set 'moon': did you mean 'moons'\?"),
        ({"loss": "infonc"}, ValueError, r"unknown loss 'infonc': did you mean 'infonce'\?"),
        ({"loss": 3, "epsilon": None}, ValueError, "epsilon: knobs of a named loss"),
        ({"encoder": "mpl"}, ValueError, r"unknown encoder 'mpl': did you mean 'mlp'\?"),
        ({"encoder": 3}, TypeError, "encoder must be a name, a torch module, or a pair"),
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
