import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gca_playground as gca
from gca_playground.learning.networks import linear, mlp

cm = gca.crossmodal
DRAW = torch.Generator().manual_seed(0)
U = torch.randn(200, 5, generator=DRAW)
V = U[:, :3] + 0.3 * torch.randn(200, 3, generator=DRAW)
QUICK = {"steps": 4, "batch": 50}


def fitted(**knobs: object) -> cm.Crossmodal:
    return cm.fit(U, V, **QUICK | knobs)


def test_training_finds_the_partners() -> None:
    model = cm.fit(U, V, steps=150, batch=100)
    s = model.score(U, V)
    assert s.shape == (200, 200)
    untrained = cm.fit(U, V, steps=0).score(U, V)
    for direction in cm.DIRECTIONS:
        assert cm.recall(s, 5, direction=direction) > 0.8
        assert cm.recall(untrained, 5, direction=direction) < 0.2


@pytest.mark.parametrize("name", [*cm.LOSSES, *gca.losses()])
def test_every_loss_of_two_views_trains(name: str) -> None:
    model, untrained = (fitted(loss=name, steps=steps, domains=torch.arange(200) % 2) for steps in (4, 0))
    assert len(model.session.history.losses) == 4
    assert model.score(U[:3], V[:2]).shape == (3, 2)
    assert not model.score(U[:3], V[:2]).equal(untrained.score(U[:3], V[:2]))


def test_domains_serve_a_target_of_domains() -> None:
    two, four = (fitted(loss="domain-prior", domains=torch.arange(200) % k).score(U, V) for k in (2, 4))
    assert not two.equal(four)
    with pytest.raises(ValueError, match="the target 'domains' needs data with domains"):
        fitted(loss="domain-prior")


def test_all_pairs_are_learnt_from() -> None:
    session = fitted().session
    assert session.split.rows.tolist() == list(range(200))
    assert session.measure()["loss"] > 0


@pytest.mark.parametrize("tilting", list(cm.TILTINGS))
def test_the_score_is_that_of_the_tilting(tilting: str) -> None:
    model = fitted(tilting=tilting, epsilon=0.3)
    z, w = model.embed_u(U).double(), model.embed_v(V).double()
    expected = -0.5 * torch.cdist(z, w).square() if tilting == "squared_euclidean" else z @ w.mT
    torch.testing.assert_close(model.score(U, V).double(), expected / 0.3, atol=1e-4, rtol=1e-4)
    unit = torch.ones(200, dtype=torch.float64)
    assert torch.allclose(z.norm(dim=1), unit) == (tilting == "cosine")


CHANGED = {
    "loss": "joint",
    "weights": (0.2, 1.8),
    "tilting": "dot",
    "epsilon": 0.5,
    "encoders": ("linear", "mlp"),
    "dim": 3,
    "steps": 5,
    "batch": 51,
    "lr": 0.1,
    "decay": 6,
    "seed": 1,
}


@pytest.mark.parametrize("knob", CHANGED)
def test_every_knob_changes_the_score(knob: str) -> None:
    first, other = fitted().score(U, V), fitted(**{knob: CHANGED[knob]}).score(U, V)
    assert (first - other).abs().max() > 1e-6
    assert first.equal(fitted().score(U, V))


def test_half_steps_and_the_knobs_of_a_loss_change_the_score() -> None:
    few, many = (fitted(loss="sinkhorn", half_steps=k).score(U, V) for k in (2, 20))
    assert not few.equal(many)
    weak, strong = (fitted(loss="gca-uot", rho_rows=rho).score(U, V) for rho in (0.1, 10.0))
    assert not weak.equal(strong)


def test_the_weights_are_those_of_u_given_v_and_of_v_given_u() -> None:
    one_sided = fitted(loss="two-sided", weights=(2.0, 0.0))
    assert one_sided.score(U, V).equal(fitted(loss="u|v").score(U, V))
    assert one_sided.directions == ("u|v",)
    assert fitted(loss="two-sided", weights=(0.0, 2.0)).directions == ("v|u",)


def test_labels_serve_a_target_of_classes() -> None:
    labels = torch.arange(200) % 4
    apart, together = (fitted(loss="infonce", labels=labels, target=t).score(U, V) for t in ("pairs", "classes"))
    assert not apart.equal(together)


def test_a_loss_may_be_a_record_a_module_or_a_function() -> None:
    named = fitted(loss="two-sided", tilting="dot", epsilon=2.0)
    record = fitted(loss=cm.alignment_for("two-sided", tilting="dot", epsilon=2.0))
    module = fitted(loss=gca.loss("clip", cost="dot", epsilon=2.0))
    assert named.score(U, V).equal(record.score(U, V)) and named.score(U, V).equal(module.score(U, V))
    assert record.alignment == named.alignment and record.tilting == "dot" and record.epsilon == 2.0

    def near(z: Tensor, w: Tensor) -> Tensor:
        return (z - w).square().sum(1).mean()

    model = fitted(loss=near, tilting="l2", epsilon=0.5)
    assert (model.tilting, model.epsilon, model.alignment, model.free) == ("squared_euclidean", 0.5, None, ())
    with pytest.raises(ValueError, match="epsilon: knobs of a named loss, but the loss is given as Alignment"):
        fitted(loss=cm.alignment_for("joint"), epsilon=0.2)
    with pytest.raises(ValueError, match="weights: knobs of a named loss"):
        fitted(loss=near, weights=(1.0, 1.0))


def test_a_temperature_may_be_learnt() -> None:
    model = fitted(loss=gca.loss("clip", learn_epsilon=True, epsilon=0.1), lr=0.1)
    assert model.epsilon == model.alignment.epsilon != 0.1
    torch.testing.assert_close(
        model.score(U, V), model.embed_u(U) @ model.embed_v(V).mT / model.epsilon, atol=1e-4, rtol=1e-4
    )


def test_a_training_can_go_on() -> None:
    model = fitted(steps=2)
    model.session.step(2)
    assert model.score(U, V).equal(fitted(steps=4).score(U, V))


def test_what_changes_on_the_way_changes_the_model() -> None:
    model = fitted(loss="two-sided")
    model.session.change(epsilon=0.5, weight_rows=0.0)
    assert (model.epsilon, model.directions) == (0.5, ("u|v",))
    torch.testing.assert_close(model.score(U, V), model.embed_u(U) @ model.embed_v(V).mT / 0.5, atol=1e-5, rtol=1e-5)


def test_a_module_decides_the_dimension_and_is_copied() -> None:
    net = mlp(5, 3, hidden=(7,))
    before = copy.deepcopy(net.state_dict())
    model = fitted(encoders=(net, nn.Identity()))
    assert model.embed_u(U).shape == (200, 3)
    assert all(before[name].equal(value) for name, value in net.state_dict().items())
    assert fitted(encoders=("mlp", linear(3, 6))).embed_u(U).shape == (200, 6)
    assert fitted().embed_v(V).shape == (200, 8)


def test_numpy_is_welcome() -> None:
    assert cm.fit(U.numpy(), V.numpy(), **QUICK).score(U.numpy(), V.numpy()).equal(fitted().score(U, V))


def test_a_half_step_belongs_to_the_direction_that_was_not_trained() -> None:
    backward, forward = fitted(loss="v|u"), fitted(loss="u|v")
    s = backward.score(U, V)
    torch.testing.assert_close(backward.half_step(s, direction="u|v"), cm.half_step(s, over="v"))
    prior = torch.arange(200.0)
    weighted = backward.half_step(s, direction="u|v", log_prior_v=prior)
    torch.testing.assert_close(weighted, cm.half_step(s, over="v", log_prior=prior))
    s = forward.score(U[:9], V)
    fixed = forward.half_step(s, direction="v|u", library=forward.score(U, V), log_prior_u=prior)
    torch.testing.assert_close(fixed, cm.half_step(s, over="u", library=forward.score(U, V), log_prior=prior))


@pytest.mark.parametrize(
    ("loss", "direction"), [("v|u", "v|u"), ("u|v", "u|v"), ("two-sided", "u|v"), ("joint", "v|u")]
)
def test_in_a_trained_direction_a_half_step_is_refused(loss: str, direction: str) -> None:
    model = fitted(loss=loss)
    with pytest.raises(ValueError, match="can be used as it is: a half-step would undo what the loss has learnt"):
        model.half_step(model.score(U, V), direction=direction)


def test_a_prior_that_plays_no_part_is_refused() -> None:
    model = fitted(loss="v|u")
    with pytest.raises(ValueError, match="log_prior_u plays no part in a half-step over v"):
        model.half_step(model.score(U, V), direction="u|v", log_prior_u=torch.zeros(200))
    with pytest.raises(ValueError, match="unknown direction 'u given v'"):
        model.half_step(model.score(U, V), direction="u given v")


def test_the_sinkhorn_model_takes_all_half_steps() -> None:
    model = fitted(loss="sinkhorn")
    s, prior = model.score(U, V), torch.linspace(0, 1, 200)
    f, h = cm.balance(s, log_prior_v=prior)
    forward = model.half_step(s, direction="u|v", log_prior_v=prior)
    backward = model.half_step(s, direction="v|u", log_prior_v=prior)
    plan = (s.double() + f[:, None] + h).exp() * prior.double().softmax(0) / 200
    torch.testing.assert_close(cm.generation_weights(forward).double(), plan / plan.sum(0), atol=1e-6, rtol=1e-3)
    law = cm.class_probabilities(backward, log_prior=prior).double()
    torch.testing.assert_close(law, plan / plan.sum(1, keepdim=True), atol=1e-6, rtol=1e-3)
    few = model.half_step(s[:9], direction="v|u", library=s, log_prior_v=prior)
    torch.testing.assert_close(few, backward[:9])
    with pytest.raises(ValueError, match=r"library must have the columns of scores \(200, 200\), got \(200, 9\)"):
        model.half_step(s, direction="v|u", library=s[:, :9])


def test_fine_tuning_leaves_the_encoder_alone() -> None:
    labels = (U[:, 0] > 0).long()
    model = fitted(steps=50)
    before = copy.deepcopy(model.session.towers.state_dict())
    tuned = model.fine_tune(U[:40], labels[:40], start=V[:2], penalty=0.5)
    assert all(before[name].equal(value) for name, value in model.session.towers.state_dict().items())
    assert (tuned.vectors.shape, tuned.log_prior.shape, tuned.epsilon) == ((2, 8), (2,), 0.1)
    by_hand = cm.fine_tune(
        model.embed_u(U[:40]), labels[:40], epsilon=0.1, start=model.embed_v(V[:2]), penalty=0.5, classes=2
    )
    assert by_hand.vectors.equal(tuned.vectors)
    accuracy = (tuned.probabilities(model.embed_u(U)).argmax(1) == labels).double().mean()
    assert accuracy > 0.75


def test_it_says_what_it_is() -> None:
    assert repr(fitted(loss="v|u", tilting="dot")) == "Crossmodal(infonce, dot, epsilon 1, 4 steps; directions: v|u)"
    assert repr(fitted(loss="sinkhorn")).endswith("directions: none without half-steps)")


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="u and v are paired by row: they must have as many rows, got 200 and 199"):
        cm.fit(U, V[1:])
    with pytest.raises(TypeError, match="encoders must be a name, or a pair of names or modules"):
        fitted(encoders=nn.Identity())
    with pytest.raises(TypeError, match="encoders must be a name, or a pair"):
        fitted(encoders=("mlp", "mlp", "mlp"))
    with pytest.raises(ValueError, match="unknown encoder 'mpl': did you mean 'mlp'"):
        fitted(encoders="mpl")
    with pytest.raises(ValueError, match="both encoders must end in as many dimensions, got 4 and 3"):
        fitted(encoders=(mlp(5, 4), nn.Identity()))
    with pytest.raises(ValueError, match=r"u must have shape \(n, 5\), got \(5,\)"):
        fitted().score(U[0], V)
    with pytest.raises(ValueError, match=r"u must have shape \(n, 5\), got \(200, 3\)"):
        fitted().score(V, U)
    with pytest.raises(ValueError, match=r"v must have shape \(n, 3\), got \(200, 5\)"):
        fitted().embed_v(U)
    with pytest.raises(ValueError, match=r"an encoder must take views \(n, 5\), the given one fails"):
        fitted(encoders=(mlp(4, 3), "mlp"))
    with pytest.raises(TypeError, match="v must be a tensor or an array of numbers"):
        fitted().embed_v("label")
    with pytest.raises(ValueError, match="epsilon must be > 0"):
        fitted(loss=lambda z, w: (z * w).sum(), epsilon=-1.0)
    with pytest.raises(ValueError, match="batch must be <= 200"):
        fitted(batch=201)
    with pytest.raises(ValueError, match="u must be finite"):
        cm.fit(np.full((4, 2), np.nan), np.zeros((4, 2)))


def test_words_name_the_side_at_fault() -> None:
    u, v = torch.randn(20, 3, generator=DRAW), torch.randn(20, 2, generator=DRAW)
    hole = torch.full((1, 2), torch.nan)
    with pytest.raises(ValueError, match="v must be finite, got 2 NaN or infinite numbers"):
        cm.fit(u, torch.cat([v[1:], hole]))
    with pytest.raises(ValueError, match=r"u must have shape \(n, d\) .* got \(20, 1, 3, 1\): images go in as rows"):
        cm.fit(u[:, None, :, None], v)
    model = cm.fit(u, v, steps=0)
    with pytest.raises(ValueError, match="v must be finite, got 2 NaN or infinite numbers"):
        model.score(u, hole)
    with pytest.raises(ValueError, match="x must be finite, got 2 NaN"):
        model.session.embed(hole, view=2)
