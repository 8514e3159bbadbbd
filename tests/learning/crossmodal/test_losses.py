import pytest
import torch

import gca_playground as gca

cm = gca.crossmodal
S = torch.randn(7, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    ("name", "knobs", "theirs", "their_knobs"),
    [
        ("u|v", {}, "conditional", {"weights": (2.0, 0.0)}),
        ("v|u", {}, "conditional", {"weights": (0.0, 2.0)}),
        ("two-sided", {}, "conditional", {"weights": (1.0, 1.0)}),
        ("two-sided", {"weights": (0.3, 1.7)}, "conditional", {"weights": (0.3, 1.7)}),
        ("clip", {"weights": (0.3, 1.7)}, "conditional", {"weights": (0.3, 1.7)}),
        ("joint", {}, "joint", {}),
        ("sinkhorn", {"half_steps": 7}, "sinkhorn", {"half_steps": 7}),
        ("sinkhorn", {}, "sinkhorn", {"half_steps": 20}),
    ],
)
def test_each_loss_is_the_batch_loss_of_the_gaussian_theory(
    name: str, knobs: dict[str, object], theirs: str, their_knobs: dict[str, object]
) -> None:
    """Written there on scores with masses 1/N, here as a divergence with masses 1: log N a side apart."""
    mine = cm.alignment_for(name, tilting="dot", **knobs).of_cost(-S)
    other = gca.gaussian.batch_loss(theirs, **their_knobs)(S)
    torch.testing.assert_close(mine - other, torch.tensor(7.0).log().double(), atol=1e-6, rtol=0)


def test_the_usual_temperature_goes_with_the_tilting() -> None:
    assert cm.alignment_for("joint").epsilon == 0.1
    assert cm.alignment_for("joint", tilting="dot").epsilon == 1.0
    assert cm.alignment_for("joint", tilting="L2").cost == "squared_euclidean"
    assert cm.alignment_for("joint", tilting="l2", epsilon=0.3).epsilon == 0.3
    assert cm.alignment_for("byol-view").epsilon == 0.1


def test_named_losses_take_their_own_knobs() -> None:
    record = cm.alignment_for("gca-uot", rho_rows=0.7, half_steps=4)
    assert (record.knobs()["rho_rows"], record.steps) == (0.7, 4)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown loss 'sinkhron': did you mean 'sinkhorn'"):
        cm.alignment_for("sinkhron")
    with pytest.raises(ValueError, match="unknown tilting 'cosin': did you mean 'cosine'"):
        cm.alignment_for("joint", tilting="cosin")
    with pytest.raises(ValueError, match="weights belong to a loss that looks both ways, such as 'two-sided', not to"):
        cm.alignment_for("joint", weights=(1.0, 1.0))
    with pytest.raises(ValueError, match=r"weights must be \(lambda_u, lambda_v\), two numbers >= 0, got \(1.0,\)"):
        cm.alignment_for("two-sided", weights=(1.0,))
    with pytest.raises(ValueError, match="weight"):
        cm.alignment_for("two-sided", weights=(0.0, 0.0))
    with pytest.raises(ValueError, match=r"half_steps is no knob of the loss 'u\|v'"):
        cm.alignment_for("u|v", half_steps=3)
    counting = "'sinkhorn', 'gca-ince', 'gca-rince', 'gca-uot', 'iot-uni', 'domain-prior'"
    words = f"half_steps is no knob of the loss 'infonce': those that count them are {counting}"
    with pytest.raises(ValueError, match=words):
        cm.fit(torch.eye(4), torch.eye(4), loss="infonce", half_steps=3)
    with pytest.raises(ValueError, match="unknown loss 'sinkhor': did you mean 'sinkhorn'"):
        cm.alignment_for("sinkhor", half_steps=3)
    with pytest.raises(ValueError, match="alpha is no knob of the loss 'joint'"):
        cm.alignment_for("joint", alpha=3)
    with pytest.raises(ValueError, match="unknown knob of 'infonce' 'rho'"):
        cm.alignment_for("infonce", rho=3)
    with pytest.raises(ValueError, match="epsilon must be > 0"):
        cm.alignment_for("joint", epsilon=0)
