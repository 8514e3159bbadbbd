"""Saving what a lab shows, as a user does."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

PNG = b"\x89PNG\r\n\x1a\n"


def saved(lab: Any, what: str) -> tuple[str, bytes]:
    """The name and the bytes of the file that a lab, given its locator, saves of this choice."""
    lab.get_by_label("what to save").select_option(what)
    with lab.page.expect_download() as download:
        lab.get_by_role("button", name="save", exact=True).click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def check_saves(lab: Any, name: str, pairs: int) -> None:
    """Each kind of file holds what it should."""
    for what in ("plan (PNG)", "curves (PNG)"):
        file, data = saved(lab, what)
        assert file.startswith(f"coupling-{name}-") and data.startswith(PNG) and len(data) > 5000
    file, data = saved(lab, "clouds (SVG)")
    points = [path for path in ElementTree.fromstring(data).iter() if (path.get("class") or "") == "point"]
    assert file == f"coupling-{name}-clouds.svg" and len(points) == 2 * pairs
    file, data = saved(lab, "data (CSV)")
    assert file == f"coupling-{name}-data.csv" and len(list(csv.reader(io.StringIO(data.decode())))) == pairs + 1
