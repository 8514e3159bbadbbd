import numpy as np
import pytest
import torch

import gca_playground as gca

cm = gca.crossmodal
S = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("direction", "dim"), [("u|v", 0), ("v|u", 1)])
def test_the_side_that_is_sought_sums_to_one(direction: str, dim: int) -> None:
    weights = cm.conditional_weights(S, direction=direction)
    assert weights.shape == S.shape
    torch.testing.assert_close(weights.sum(dim), torch.ones(S.shape[1 - dim], dtype=torch.float64))
    torch.testing.assert_close(weights, S.softmax(dim))


def test_a_prior_is_bayes_rule() -> None:
    prior = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    joint = S.exp() * prior
    torch.testing.assert_close(
        cm.conditional_weights(S, direction="v|u", log_prior=prior.log()), joint / joint.sum(1, keepdim=True)
    )


def test_a_prior_belongs_to_the_side_that_is_sought_and_its_constant_is_free() -> None:
    prior = torch.arange(5.0)
    torch.testing.assert_close(
        cm.conditional_weights(S, direction="u|v", log_prior=prior),
        cm.conditional_weights(S, direction="u|v", log_prior=(prior + 7).numpy()),
    )
    with pytest.raises(ValueError, match=r"log_prior must have shape \(3,\), one for each item, got \(5,\)"):
        cm.conditional_weights(S, direction="v|u", log_prior=prior)


def test_an_item_of_no_probability_gets_no_weight() -> None:
    shut = [0.0, -np.inf, 0.0]
    assert cm.conditional_weights(S, direction="v|u", log_prior=shut)[:, 1].abs().max() == 0


@pytest.mark.parametrize("bad", [[0.0, np.nan, 0.0], [0.0, np.inf, 0.0], [-np.inf] * 3])
def test_a_prior_is_finite_somewhere(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="log_prior must be finite or -inf, and finite somewhere"):
        cm.conditional_weights(S, direction="v|u", log_prior=bad)


def test_a_direction_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown direction 'u\|w': did you mean 'u\|v'"):
        cm.conditional_weights(S, direction="u|w")


@pytest.mark.parametrize("shape", [(3,), (0, 2), (2, 3, 4)])
def test_scores_are_a_matrix(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"scores must have shape \(n, m\) with n, m >= 1"):
        cm.conditional_weights(torch.zeros(shape), direction="u|v")


def test_scores_are_finite_numbers() -> None:
    with pytest.raises(ValueError, match="scores must be finite, got 1 NaN or infinite numbers"):
        cm.conditional_weights([[0.0, float("nan")]], direction="u|v")
    with pytest.raises(TypeError, match="scores must be a tensor or an array of numbers"):
        cm.conditional_weights("s", direction="u|v")
