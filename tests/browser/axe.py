"""What axe-core finds wrong with a page, for those who do not see it or use no mouse."""

from __future__ import annotations

import json
from typing import Any

import pytest

axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")


def serious_findings(page: Any, part: str = ".gca-lab") -> list[str]:
    """What it calls serious or critical in this part: rule, element and what it suggests."""
    found = axe_playwright.Axe().run(page, context=part).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {json.dumps(node['target'])} {node['html'][:160]} | {node['failureSummary']}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
