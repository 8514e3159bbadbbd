"""What the course says of its tables is what stands in them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

TABLES = Path(__file__).resolve().parents[3] / "notebooks" / "tables"


def table(name: str, *index: str) -> pd.DataFrame:
    return pd.read_csv(TABLES / f"{name}.csv").set_index(list(index)).sort_index()


@pytest.mark.parametrize("name", ["noise", "prior", "relaxation", "digits"])
def test_every_place_has_five_seeds(name: str) -> None:
    assert (pd.read_csv(TABLES / f"{name}.csv")["seeds"] == 5).all()


@pytest.mark.parametrize("loss", ["infonce", "gca-ince", "gca-uot", "rince"])
def test_digits_are_learnt_better_than_by_principal_components_within_a_minute(loss: str) -> None:
    found = table("digits", "loss", "dim")
    assert found.loc[(loss, 8), "linear_probe"] >= 0.96
    assert found.loc[(loss, 3), "linear_probe"] >= found.loc[("pca", 3), "linear_probe"] + 0.08
    assert found.loc[(loss, 8), "seconds"] < 60
    assert found.loc[(loss, 3), "seconds"] < 60


@pytest.mark.parametrize("loss", ["rince", "gca-rince"])
@pytest.mark.parametrize("rate", [0.3, 0.4, 0.5])
def test_the_power_q_makes_robust_and_balancing_does_not(loss: str, rate: float) -> None:
    accuracy = table("noise", "loss", "rate")["linear_probe"]
    assert accuracy[loss, rate] >= 0.98
    assert accuracy[loss, 0.4] >= accuracy["infonce", 0.4] + 0.1
    assert abs(accuracy["gca-ince", 0.4] - accuracy["infonce", 0.4]) < 0.05


def test_soft_marginals_help_by_less_than_the_seeds_differ() -> None:
    found = table("noise", "loss", "rate")
    gain = found.loc[("gca-uot", 0.4), "linear_probe"] - found.loc[("infonce", 0.4), "linear_probe"]
    assert 0 < gain < found.loc[("gca-uot", 0.4), "linear_probe_sd"]


def test_domains_become_visible_with_the_prior_and_classes_pay_for_it() -> None:
    found = table("prior", "difference")
    assert found.loc[0.5, "domain_probe"] - found.loc[-0.5, "domain_probe"] > 0.4
    assert found.loc[-0.5, "linear_probe"] - found.loc[0.5, "linear_probe"] > 0.3


@pytest.mark.parametrize("measure", ["uniformity", "linear_probe", "knn"])
def test_half_steps_change_no_embedding_by_more_than_a_seed_does(measure: str) -> None:
    found = table("relaxation", "epsilon", "half_steps")
    for _, rows in found.groupby(level="epsilon"):
        assert (rows[measure] - rows[measure].iloc[0]).abs().max() <= rows[f"{measure}_sd"].max() + 1e-4


def test_half_steps_bring_the_plan_to_its_marginals() -> None:
    for _, rows in table("relaxation", "epsilon", "half_steps").groupby(level="epsilon"):
        assert rows["error"].is_monotonic_decreasing
