"""What the kernel behind a notebook's page says."""

from __future__ import annotations

import json
from typing import Any

ASK = """async (code) => {
    const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
    let told = "";
    const future = kernel.requestExecute({ code });
    future.onIOPub = ({ content }) => { told += content.text ?? content.evalue ?? ""; };
    await future.done;
    return told;
}"""


def ask(page: Any, code: str) -> Any:
    """The value of an expression, by way of JSON."""
    return json.loads(execute(page, f"import json\nprint(json.dumps({code}))"))


def comes_to(page: Any, code: str, value: Any) -> bool:
    """Whether an expression is this value, now or within ten seconds."""
    for _ in range(100):
        if ask(page, code) == value:
            return True
        page.wait_for_timeout(100)
    return False


def execute(page: Any, code: str) -> str:
    """What a cell of this code prints."""
    return str(page.evaluate(ASK, code))
