"""Run notebooks and store their text outputs: what nbval compares with.

    python notebooks/refresh.py [NOTEBOOK ...]

Pictures and widgets are not stored: a cell that shows one says NBVAL_IGNORE_OUTPUT and is followed by a printed check.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
KEPT = {"text/plain", "text/html"}
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def refresh(path: Path) -> None:
    """Run one notebook where it stands and write it back."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
        if cell.cell_type == "code":
            cell.outputs = [] if "NBVAL_IGNORE_OUTPUT" in cell.source else [_text(output) for output in cell.outputs]
    nbformat.write(notebook, path)


def _text(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    if "data" in output:
        output.data = {kind: value for kind, value in output.data.items() if kind in KEPT}
    return output


if __name__ == "__main__":
    for notebook in map(Path, sys.argv[1:] or sorted(map(str, HERE.rglob("*.ipynb")))):
        refresh(notebook)
        print(f"refreshed {notebook.name}")
