import math

import pytest
import torch

import gca_playground as gca
from gca_playground.learning.experiments import lagrangian, modalities

QUICK = {"seeds": 2, "steps": 3, "progress": False}


def test_the_digits_table_has_a_row_for_each_loss_before_and_after() -> None:
    table = gca.experiments.crossmodal_digits(losses=("v|u", "sinkhorn"), **QUICK)
    assert table["loss"].tolist() == ["v|u", "sinkhorn"]
    assert (table["seeds"] == 2).all()
    for name in modalities.ONE_WAY:
        assert (table[f"{name}_sd"] > 0).all()
        assert (table[name] - table[f"{name}_fixed"]).abs().max() > 1e-6


def test_a_half_step_is_taken_where_the_loss_leaves_its_direction_open() -> None:
    labels, prior = torch.eye(10), torch.linspace(0, 1, 10)
    images = gca.datasets.digit_pairs(split="test").view1[:50]
    model = modalities.model_for("v|u", seed=0, steps=2)
    s = model.score(images, labels)
    library = 2 * s
    fixed = modalities.in_direction(model, s, "u|v", library=library, log_prior_v=prior)
    torch.testing.assert_close(fixed, model.half_step(s, direction="u|v", log_prior_v=prior))
    wrong = modalities.in_direction(model, s, "v|u", library=library, log_prior_v=prior)
    torch.testing.assert_close(wrong, s - library.logsumexp(0) + math.log(50), atol=1e-5, rtol=1e-5)


def test_a_perfect_score_is_a_perfect_classifier_and_generator() -> None:
    data = gca.datasets.digit_pairs(split="test")
    s, prior = 1e4 * data.view2, gca.crossmodal.class_log_prior(data.labels, 10)
    found = modalities.as_classifier(s, data.labels, prior) | modalities.as_generator(s, data.view1, data.labels)
    assert (found["accuracy"], found["precision"]) == (1, 1)
    assert found["nll"] == found["image_error"] == pytest.approx(0, abs=1e-12)
    assert found["ess"] == pytest.approx(50)


@pytest.mark.slow
def test_a_half_step_makes_a_generator_of_a_model_of_labels() -> None:
    found = modalities.cell(loss="v|u", seed=0, steps=modalities.STEPS)
    assert found["accuracy"] > 0.95
    assert found["ess_fixed"] > 3 * found["ess"]
    assert found["image_error_fixed"] < found["image_error"] / 5
    assert found["accuracy_fixed"] < found["accuracy"]  # the wrong direction


@pytest.mark.slow
def test_a_half_step_makes_a_classifier_of_a_model_of_images() -> None:
    found = modalities.cell(loss="u|v", seed=0, steps=modalities.STEPS)
    assert found["accuracy_fixed"] > found["accuracy"] + 0.15
    assert found["accuracy_fixed"] > 0.95
    assert found["image_error_fixed"] > found["image_error"]  # the wrong direction


def test_the_drifters_table_has_its_baseline() -> None:
    table = gca.experiments.drifters(tracers=(1,), tiltings=("linear regression", "dot"), losses=("u|v",), **QUICK)
    assert table[["tracers", "tilting", "loss"]].values.tolist() == [[1, "linear regression", ""], [1, "dot", "u|v"]]
    baseline, model = table.to_dict("records")
    assert 0.7 < baseline["mse"] < 0.9
    assert math.isnan(baseline["ess"]) and math.isnan(baseline["path_r1_fixed"])
    assert 0 < model["path_r5_fixed"] < 0.2  # three steps


def test_the_regression_is_that_of_sklearn() -> None:
    from sklearn.linear_model import LinearRegression

    x, y, at = (torch.randn(30, k, generator=torch.Generator().manual_seed(k)) for k in (3, 2, 4))
    other = LinearRegression().fit(x.double().numpy(), y.double().numpy()).predict(at[:, :3].double().numpy())
    torch.testing.assert_close(lagrangian.predicted(x, y, at[:, :3]), torch.tensor(other))


def test_paths_are_scaled_by_what_is_learnt_from() -> None:
    problem = lagrangian.problem_for(1, seed=0)
    assert (len(problem.u), len(problem.test_u)) == (3000, 500)
    torch.testing.assert_close(problem.v.std(0), torch.ones(24), atol=1e-4, rtol=0)
    assert (problem.test_v.std(0) - 1).abs().max() < 0.2


@pytest.mark.slow
def test_a_learnt_score_finds_flows_and_paths_where_regression_does_not() -> None:
    problem = lagrangian.problem_for(3, seed=0)
    found, baseline = lagrangian.judged(lagrangian.model_for(problem), problem), lagrangian.regression(problem)
    assert found["flow_r5"] > 0.8 > baseline["flow_r5"] + 0.2
    assert found["path_r5"] > 0.85
    assert found["mse"] < baseline["mse"] < 1
    assert found["top1_mse"] > found["mse"]


@pytest.mark.slow
def test_a_half_step_finds_paths_with_a_model_of_flows() -> None:
    found = lagrangian.cell(tracers=1, tilting="squared_euclidean", loss="u|v", seed=0, steps=lagrangian.STEPS)
    assert found["path_r5_fixed"] > found["path_r5"] + 0.2
