"""The command line as a user meets it: one word typed, the course in the browser, and no question in front of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def address(tmp_path) -> Iterator[str]:
    """The address that the command prints, while it serves."""
    environment = os.environ | {name: str(tmp_path) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    command = [sys.executable, "-m", "gca_playground", "--no-browser"]
    log = tmp_path / "log.txt"
    with log.open("w") as file:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=file, stderr=file)
    try:
        end = time.monotonic() + 60
        while not (found := re.search(r"http://127\.0\.0\.1\S+", log.read_text())):
            assert time.monotonic() < end, log.read_text()
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
        yield found[0]
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:  # a worker thread of the server may outlive its loop
            server.kill()
            server.wait()


def test_the_command_opens_the_first_notebook_and_asks_nothing(page, address):
    page.goto(address)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=60_000)
    page.locator(".jp-mod-current[title*='00_start.ipynb']").first.wait_for(timeout=30_000)
    page.wait_for_timeout(2000)  # the question comes after the page is restored
    assert page.locator(".Toastify__toast").count() == 0
