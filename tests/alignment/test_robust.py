"""No NaN and no infinity, whatever the embeddings; a value too large for its type is an error that says so."""

from __future__ import annotations

import pytest
import torch

import gca_playground as gca
from tests.alignment.robust import GEOMETRIES, draw_case, verdict, views
from tests.oracles.problems import randn


@pytest.mark.parametrize("chunk", range(8))
def test_random_problems(chunk):
    cases = [draw_case(1000 * chunk + k, most=24, limits=k % 10 == 0) for k in range(40)]
    wrong = [(case, said) for case in cases if (said := verdict(case)) not in ("finite", "too large")]
    assert not wrong


@pytest.mark.parametrize("name", gca.losses())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_loss_on_every_geometry(name, dtype):
    for seed, geometry in enumerate(GEOMETRIES):
        case = draw_case(seed)._replace(name=name, knobs={"epsilon": 0.3}, n=4, dtype=dtype, geometry=geometry)
        assert verdict(case) == "finite"


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 80.0), (torch.float64, 600.0)])
@pytest.mark.parametrize("q", [0.2, 1.0])
def test_rince_says_when_its_value_leaves_the_type(dtype, most, q):
    z = randn(4, 3, seed=1, dtype=dtype).requires_grad_()
    at_most = gca.loss("rince", q=q, epsilon=q / most * 1.0001, lam=0.01)
    value = at_most(z, z)
    value.backward()
    assert value.isfinite() and z.grad.isfinite().all()
    words = rf"the RINCE value at q = {q:g} leaves float\d\d at epsilon = .*raise epsilon or lower q"
    with pytest.raises(ValueError, match=words):
        gca.loss("rince", q=q, epsilon=q / most * 0.999, lam=0.01)(z, z)


@pytest.mark.parametrize("name", ["gca-uot", "matching-gap"])
def test_mass_under_a_dot_cost_says_when_it_leaves_the_type(name):
    z = (10 * randn(4, 3, seed=1)).float()
    knobs = {"rho_rows": 0.0, "rho_cols": 0.0, "cost": "dot"}
    with pytest.raises(
        ValueError, match=r"the mass of the plan leaves float32 at epsilon = 0\.1: its exponent must be"
    ):
        gca.loss(name, **knobs)(z, z)
    assert gca.loss(name, **knobs, epsilon=10.0)(z, z).isfinite()


def test_the_other_divergences_say_so_too():
    z = (10 * randn(4, 3, seed=1)).float()
    for divergence in ("total_variation", "square", "inner_product", "uniformity", "kl", "mmd"):
        alignment = gca.Alignment(cost="dot", steps=0, divergence=divergence)
        with pytest.raises(ValueError, match="the mass of the plan leaves float32"):
            alignment(z, z, data=(z, z))
    joint = gca.Alignment(cost="dot", steps=0, divergence=gca.MMD(joint=True))
    assert joint(z, z, data=(z, z)).isfinite()


def test_tempered_says_when_its_value_leaves_the_type():
    z = torch.eye(3)
    with pytest.raises(
        ValueError, match=r"the tempered value at alpha = 1 leaves float32 at epsilon = 0\.01: .*lower alpha"
    ):
        gca.loss("tempered", epsilon=0.01)(z, -z)
    assert gca.loss("tempered", epsilon=0.01, alpha=0.5)(z, -z).isfinite()


def test_the_sensitivity_of_the_search():
    # The verdict tells a loss that breaks from one that does not.
    case = draw_case(0)._replace(name="infonce", knobs={"epsilon": 0.1, "target": "nobody"}, n=3)
    assert verdict(case).startswith("ValueError: unknown target")
    assert {draw_case(seed).geometry for seed in range(200)} == set(GEOMETRIES)
    z, w = views(case._replace(geometry="antipodal"))
    assert torch.equal(z, -w) and {draw_case(seed).name for seed in range(400)} == set(gca.losses())
