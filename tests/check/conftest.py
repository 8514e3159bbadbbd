"""Each test of a self-check meets its own problems, the same in each run: a slip can look like another by chance."""

from __future__ import annotations

import os
import zlib
from random import Random

import pytest

from gca_playground.check import answers

DRAW = os.environ.get("GCA_TEST_DRAW", "0")
"""Other problems for all of them: ``GCA_TEST_DRAW=1 pytest tests/check``."""


@pytest.fixture(autouse=True)
def problems_of_its_own(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = Random(zlib.crc32(f"{DRAW} {request.node.nodeid}".encode()))
    monkeypatch.setattr(answers, "randbits", numbers.getrandbits)
