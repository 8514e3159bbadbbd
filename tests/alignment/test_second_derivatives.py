"""Second derivatives: right where torch itself takes the gradient, refused in words everywhere else, never 0."""

from __future__ import annotations

import pytest
import torch
from torch.autograd.functional import hessian
from torch.nn.functional import cross_entropy, normalize

import gca_playground as gca

N = 6
EPSILON = 0.3
NAMES = [name for name in gca.losses() if not name.startswith("mmd")]
TAKEN = ["exact", "implicit", "envelope"]


def views() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    z, w = (torch.randn(N, 3, generator=draw, dtype=torch.float64) for _ in range(2))
    return z, w


def loss_of(name: str, **knobs):
    """The loss as a function of the first view, and perhaps of epsilon."""
    _, w = views()
    alignment = gca.loss(name, epsilon=EPSILON, **knobs).alignment
    labels = {"labels": [0, 0, 0, 1, 1, 1]} if name == "domain-prior" else {}
    return lambda z, *epsilon: alignment(z, w, **labels, **({"epsilon": epsilon[0]} if epsilon else {}))


def gradient(f, *points: torch.Tensor) -> tuple[torch.Tensor, ...]:
    points = tuple(point.clone().requires_grad_() for point in points)
    return torch.autograd.grad(f(*points), points)


@pytest.mark.parametrize("name", NAMES)
def test_autograd_has_the_slope_of_its_gradient(name: str) -> None:
    z, f, step = views()[0], loss_of(name, grad="autograd"), 1e-5
    way = views()[1]
    (ahead,), (behind,) = gradient(f, z + step * way), gradient(f, z - step * way)
    found = (hessian(f, z).reshape(z.numel(), -1) @ way.flatten()).reshape(z.shape)
    torch.testing.assert_close(found, (ahead - behind) / (2 * step), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["infonce", "gca-ince", "rince", "gca-uot", "iot-uni", "matching-gap"])
def test_autograd_has_those_of_the_temperature(name: str) -> None:
    z, f, step = views()[0], loss_of(name, grad="autograd"), 1e-5
    epsilon = torch.tensor(EPSILON, dtype=torch.float64)
    ahead, behind = gradient(f, z, epsilon + step), gradient(f, z, epsilon - step)
    (_, mixed), (_, twice) = hessian(f, (z, epsilon))
    torch.testing.assert_close(mixed.reshape(z.shape), (ahead[0] - behind[0]) / (2 * step), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(twice, (ahead[1] - behind[1]) / (2 * step), rtol=1e-5, atol=1e-6)


def test_infonce_has_that_of_cross_entropy() -> None:
    z, w = views()
    expected = hessian(lambda x: cross_entropy(normalize(x) @ normalize(w).T / EPSILON, torch.arange(N)), z)
    torch.testing.assert_close(hessian(loss_of("infonce", grad="autograd"), z), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("grad", TAKEN)
@pytest.mark.parametrize(
    "name", ["infonce", "clip", "joint", "gca-ince", "rince", "gca-uot", "byol-view", "domain-prior"]
)
def test_the_others_say_that_they_have_none(name: str, grad: str) -> None:
    z, f = views()[0].requires_grad_(), loss_of(name, grad=grad)
    (slope,) = torch.autograd.grad(f(z), z, create_graph=True)
    with pytest.raises(NotImplementedError, match="grad='autograd' has second derivatives"):
        torch.autograd.grad(slope.square().sum(), z)


def test_a_streamed_plan_and_a_plan_by_itself_say_so_too() -> None:
    z, w = (view.requires_grad_() for view in views())
    for plan in (
        gca.solve(gca.CosineCost(z, w), epsilon=EPSILON, steps=3, method="stream"),
        gca.solve(gca.cosine_cost(z, w), epsilon=EPSILON, steps=3),
    ):
        (slope,) = torch.autograd.grad(plan.log_u.square().sum(), z, create_graph=True)
        with pytest.raises(NotImplementedError, match="cannot be differentiated again"):
            torch.autograd.grad(slope.sum(), w)


def test_a_first_gradient_with_its_graph_is_the_plain_one() -> None:
    z, f = views()[0], loss_of("gca-uot")
    (plain,) = gradient(f, z)
    z.requires_grad_()
    (kept,) = torch.autograd.grad(f(z), z, create_graph=True)
    torch.testing.assert_close(kept.detach(), plain, rtol=1e-12, atol=1e-14)
