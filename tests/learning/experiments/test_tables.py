from pathlib import Path

import pandas as pd
import pytest
from sklearn.decomposition import PCA

import gca_playground as gca
from gca_playground.learning.experiments import __main__ as command
from gca_playground.learning.experiments import domain_prior, false_positives, half_steps, handwritten, soft_marginals

ROOT = Path(__file__).parents[3]
QUIET = {"seeds": 2, "steps": 3, "progress": False}


def test_the_noise_sweep_has_a_row_for_each_loss_and_rate() -> None:
    table = gca.experiments.noise(losses=("infonce", "gca-uot"), rates=(0.0, 0.4), **QUIET)
    assert table[["rate", "loss"]].values.tolist() == [
        [0.0, "infonce"],
        [0.0, "gca-uot"],
        [0.4, "infonce"],
        [0.4, "gca-uot"],
    ]
    assert (table["seeds"] == 2).all()
    assert table["linear_probe"].between(0, 1).all()
    assert (table["uniformity_sd"] > 0).all()


def test_a_cell_of_the_noise_sweep_is_a_training_on_wrong_pairs() -> None:
    found = false_positives.cell(loss="infonce", rate=0.4, seed=1, steps=4)
    data = gca.datasets.load("blobs", mismatched=0.4, seed=1, **false_positives.DATA)
    session = gca.TrainingSession(data, epsilon=0.2, batch=96, seed=1, measure_every=None)
    session.step(4)
    assert found == {name: session.measure()[name] for name in false_positives.MEASURES}


def test_the_softness_sweep_softens_both_marginals() -> None:
    table = gca.experiments.softness(rhos=(0.1, 1.0), rates=(0.4,), **QUIET)
    assert table[["rate", "rho"]].values.tolist() == [[0.4, 0.1], [0.4, 1.0]]
    data = gca.datasets.load("blobs", mismatched=0.4, seed=1, **false_positives.DATA)
    loss = gca.loss("gca-uot", epsilon=0.2, rho_rows=0.1, rho_cols=0.1)
    session = gca.TrainingSession(data, loss=loss, batch=96, seed=1, measure_every=None)
    session.step(3)
    found = soft_marginals.cell(rho=0.1, rate=0.4, seed=1, steps=3)
    assert found == {name: session.measure()[name] for name in false_positives.MEASURES}
    assert found != soft_marginals.cell(rho=1.0, rate=0.4, seed=1, steps=3)


def test_the_prior_sweep_turns_alpha_up_and_beta_down() -> None:
    table = gca.experiments.prior(differences=(-0.5, 0.5), **(QUIET | {"steps": 40, "seeds": 1}))
    assert table["difference"].tolist() == [-0.5, 0.5]
    assert table["domain_probe"].iloc[1] > table["domain_probe"].iloc[0] + 0.2
    assert domain_prior.cell(difference=0.0, dim=2, seed=0, steps=1).keys() == set(domain_prior.MEASURES)


def test_the_relaxation_sweep_tells_half_steps_apart() -> None:
    table = gca.experiments.relaxation(epsilons=(0.1,), half_steps=(1, 2, 5), data="hubs", **QUIET)
    assert table["half_steps"].tolist() == [1, 2, 5]
    assert table["kl"].is_monotonic_decreasing  # on nearly one embedding, and the theorem holds
    assert table["error"].iloc[2] < table["error"].iloc[0] / 3
    assert set(half_steps.MEASURES) <= set(table.columns)


def test_the_digits_table_has_its_baseline() -> None:
    table = gca.experiments.digits(losses=("pca", "infonce"), dims=(8,), **QUIET)
    pca, trained = table.to_dict("records")
    assert pca["linear_probe"] == pytest.approx(0.908, abs=0.01)
    assert pca["linear_probe_sd"] == 0
    assert trained["seconds"] > 0
    assert handwritten.session_for("rince", dim=3, seed=0).embed(gca.datasets.load("digits", n=4).x).shape == (4, 3)


def test_the_baseline_of_the_digits_is_the_pca_of_the_training_images() -> None:
    train, test = (gca.datasets.load("digits", split=split) for split in ("train", "test"))
    pca = PCA(5, svd_solver="full").fit(train.x.double().numpy())
    z, test_z = (pca.transform(data.x.double().numpy()) for data in (train, test))
    found = handwritten.principal_components(5)
    assert found["effective_rank"] == pytest.approx(gca.metrics.effective_rank(test_z), abs=1e-4)
    assert found["knn"] == pytest.approx(gca.metrics.knn_accuracy(z, train.labels, test_z, test.labels), abs=0.003)


def test_the_command_writes_a_table_and_goes_on_from_finished_cells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def quick(**knobs: object) -> pd.DataFrame:
        assert knobs == {"folder": tmp_path / "cells", "seeds": 2}
        return pd.DataFrame({"loss": ["infonce"], "linear_probe": [0.123456]})

    monkeypatch.setattr(gca.experiments, "noise", quick)
    assert command.main(["noise", "--to", str(tmp_path), "--seeds", "2"]) == 0
    assert (tmp_path / "noise.csv").read_text() == "loss,linear_probe\ninfonce,0.1235\n"
    assert capsys.readouterr().out == f"{tmp_path / 'noise.csv'}\n"
    assert command.main(["nois"]) == 2
    assert "unknown experiment 'nois': did you mean 'noise'?" in capsys.readouterr().err

    def tired(**knobs: object) -> pd.DataFrame:
        raise KeyboardInterrupt

    monkeypatch.setattr(gca.experiments, "noise", tired)
    assert command.main(["noise", "--to", str(tmp_path)]) == 130
    assert "the same command goes on from there" in capsys.readouterr().err


KEPT = sorted((ROOT / command.HOME).glob("*.csv"))


@pytest.mark.parametrize("path", KEPT, ids=[path.stem for path in KEPT])
def test_the_kept_tables_are_those_of_the_experiments(path: Path) -> None:
    table = pd.read_csv(path)
    assert path.stem in command.EXPERIMENTS
    assert (table["seeds"] >= 3).all()
    measured = [column.removesuffix("_sd") for column in table.columns if column.endswith("_sd")]
    assert measured
    assert set(measured) < set(table.columns)
