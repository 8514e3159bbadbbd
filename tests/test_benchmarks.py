"""The benchmarks run, on sizes that take no time; what they measure is no test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
OTHERS = ("OTT", "GeomLoss")


@pytest.fixture
def here(monkeypatch):
    """Their folder on the path; torch, and POT where it is; what else may be installed is too slow to start."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import peers

    installed = peers.installed
    monkeypatch.setattr(peers, "installed", lambda peer: peer not in OTHERS and installed(peer))


@pytest.mark.parametrize("key", ["S1", "S3", "S4", "S5"])
def test_a_target_gives_rows(here, key):
    import rows
    import targets

    found = targets.TARGETS[key](rows.Clock("cpu", quick=True))
    assert found and {row.key for row in found} == {key}
    measured = [row for row in found if row.theirs != "not installed"]
    assert measured and all(row.got is not None and row.got >= 0 for row in measured)
    assert {row.against for row in found if row.theirs == "not installed"} <= set(OTHERS)


def test_soft_marginals_reach_the_plan_that_plain_iterations_reach(here):
    import rows
    import targets

    iterations, plan = targets.soft(rows.Clock("cpu", quick=True))
    assert iterations.met and plan.met


def test_all_ways_to_one_loss_agree(here):
    import work

    z, w = work.views(12, 5, dtype=torch.float64)
    slow = work.through_logsumexp(z, w, steps=6)
    for method in ("auto", "stream"):
        ours = work.from_potentials(z, w, steps=6, method=method)
        assert abs(ours - slow) < 1e-10
        for mine, theirs in zip(
            torch.autograd.grad(ours, (z, w)), torch.autograd.grad(slow, (z, w), retain_graph=True), strict=True
        ):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-10)
    symmetric = work.infonce(z, w, symmetric=True)
    assert abs(symmetric - (work.infonce(z, w) + work.infonce(w, z)) / 2) < 1e-12


@pytest.mark.parametrize(
    ("sense", "got", "met"),
    [(">=", 2.0, True), (">=", 1.0, False), ("<=", 1.0, True), ("<=", 2.0, False), ("", 2.0, None), (">=", None, None)],
)
def test_a_promise_is_kept_or_not(here, sense, got, met):
    from rows import Row

    assert Row("S1", "work", "1 ms", "a peer", "2 ms", got, sense, 1.5).met is met


def test_the_table_shows_what_was_not_met(here, monkeypatch):
    import speed
    from rows import Row

    slow = Row("S1", "work", "1 ms", "a peer", "1 ms", 1.0, ">=", 1.5, "x faster")
    absent = Row("S1", "work", "", "another", "not installed")
    threads = torch.get_num_threads()
    text = speed.table([(slow, slow._replace(got=2.0)), (absent, None)])
    torch.set_num_threads(threads)
    assert "Targets met: 0 of 1." in text
    assert "| S1 | work | 1 ms | a peer | 1 ms | 1 x faster | >= 1.5 | NO | 2 x faster |" in text
    assert "| not installed |" in text


def test_memory_that_is_not_given_back_is_seen():
    """In a process of its own, as it is used: in an old one, memory that was free before may be taken again."""
    program = (
        "import torch; from measure import extra_memory; kept = [torch.ones(8)];"
        "print(extra_memory(lambda: kept.append(torch.ones(2**23))))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=True)
    assert float(done.stdout) >= 2**25 * 0.9


def test_growth_gives_slopes(here):
    import growth

    counts = [growth.Count(k, 1 + 2.0 * k, 3 + 5.0 * k, 1.0 * k, 1.0 * k) for k in (1, 2, 5)]
    assert growth.slope(counts, "forward") == 2
    assert growth.slope(counts, "gradient", less_product=True) == 4
    sizes = growth.against_n((8, 16), rounds=1)
    text = growth.table(sizes, growth.against_k(8, (1, 2, 5), rounds=1), 8)
    assert "| 16 |" in text and "| 5 |" in text


def test_the_command_runs():
    command = [sys.executable, str(BENCHMARKS / "speed.py"), "--quick", "--only", "S9"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "| S9 |" in done.stdout


def test_an_unknown_target_is_named():
    command = [sys.executable, str(BENCHMARKS / "speed.py"), "--only", "S1,S77"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no target S77" in done.stderr
