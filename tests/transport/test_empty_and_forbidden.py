"""What holds no mass takes no gradient, and a plan with empty elements can be gone on from."""

import torch

import gca_playground as gca


def test_an_upstream_gradient_at_forbidden_pairs_is_not_passed_on():
    cost = torch.rand(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    forbidden = torch.zeros(5, 4, dtype=torch.bool)
    forbidden[0, 1] = forbidden[3, 2] = True
    slopes = []
    for there in (0.0, 7.0):
        ours = cost.clone().requires_grad_()
        log = gca.solve(ours, epsilon=0.2, steps=4, forbidden=forbidden).log
        slopes += torch.autograd.grad(log, ours, torch.ones(5, 4).double().masked_fill(forbidden, there))
    assert torch.equal(slopes[0], slopes[1]) and (slopes[0][forbidden] == 0).all()


def test_a_plan_with_empty_elements_can_be_gone_on_from():
    cost = torch.rand(5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    knobs = {"epsilon": 0.2, "a": [1.0, 0.0, 1.0, 1.0, 1.0]}
    start = gca.solve(cost, **knobs, steps=2)
    resumed, whole = gca.solve(cost, **knobs, steps=4, init=start), gca.solve(cost, **knobs, steps=6)
    assert (resumed.matrix[1] == 0).all()
    assert torch.allclose(resumed.matrix, whole.matrix, atol=1e-12)
