"""Each test of a self-check meets its own problems, the same in each run: a slip can look like another by chance."""

from __future__ import annotations

from random import Random

import pytest

from gca_playground.check import answers


@pytest.fixture(autouse=True)
def problems_of_its_own(own_seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "randbits", Random(own_seed).getrandbits)
