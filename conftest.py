"""What holds for every test: shapes are checked, one thread, the same random problems in CI, a browser or a reason."""

from __future__ import annotations

import os
import shutil
import tempfile
import zlib

# Before torch is imported, here and in the kernels that nbval starts: sums then add up in one order everywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from jaxtyping import install_import_hook

# An empty cache for each run, one for all its processes: no test leans on what an older version trained.
IS_MAIN = "PYTEST_XDIST_WORKER" not in os.environ
if IS_MAIN:
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="gca-playground-tests-")

# Before anything imports the package: every annotated shape and type in it is checked by beartype, for which
# an int may stand where a float is asked for, as PEP 484 has it.
install_import_hook("gca_playground", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

import hypothesis
import pytest
import torch

from gca_playground.doctor import find_chromium

IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")

DRAW = os.environ.get("GCA_TEST_DRAW", "0")
"""Each test meets random numbers of its own, the same in each run; ``GCA_TEST_DRAW=1 make test`` gives it others."""

torch.set_num_threads(1)

hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if IN_CI else "here")


def pytest_unconfigure() -> None:
    if IS_MAIN:
        shutil.rmtree(os.environ["XDG_CACHE_HOME"], ignore_errors=True)


def seed_of(item: pytest.Item) -> int:
    """A test's own seed, whatever ran before it in its process."""
    return zlib.crc32(f"{DRAW} {item.nodeid}".encode())


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Its own random numbers; a test marked `browser` needs Chromium: without one it is skipped, and in CI it fails."""
    torch.manual_seed(seed_of(item))
    if item.get_closest_marker("browser") and find_chromium() is None:
        (pytest.fail if IN_CI else pytest.skip)("no Chromium on this machine: apt-get install chromium")


@pytest.fixture
def own_seed(request: pytest.FixtureRequest) -> int:
    """The seed of the test that asks."""
    return seed_of(request.node)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium, for tests marked `browser`."""
    path = find_chromium()
    assert path is not None
    return path
