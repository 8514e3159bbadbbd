"""The course in numbers: what every notebook takes and holds.

    python notebooks/course.py [NOTEBOOK ...]        (what `make course` runs)

Seconds and memory are those of a fresh kernel with one thread that runs the notebook from top to bottom.
"""

import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import nbformat

HERE = Path(__file__).parent


class Form(NamedTuple):
    """A notebook without running it: counts of cells, words and exercises, and lines of code a cell."""

    cells: int
    words: int
    code_words: int
    exercises: tuple[str, ...]
    lines: tuple[int, ...]
    classes: int

    @property
    def largest(self) -> int:
        """Lines of the longest code cell."""
        return max(self.lines)

    @property
    def typical(self) -> float:
        """Lines of the median code cell."""
        return median(self.lines)


def course() -> list[Path]:
    """The notebooks of the course, in their order."""
    return sorted(HERE.glob("[0-9][0-9]_*.ipynb"))


def form(path: Path) -> Form:
    """Read one notebook."""
    cells = nbformat.read(path, as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    text = [cell.source for cell in cells if cell.cell_type == "markdown"]
    asked = dict.fromkeys(re.findall(r"gca\.check\.(\w+)\(", "\n".join(code)))
    return Form(
        cells=len(cells),
        words=sum(len(part.split()) for part in text),
        code_words=sum(len(part.split()) for part in code),
        exercises=tuple(name for name in asked if name != "progress"),
        lines=tuple(len(part.splitlines()) for part in code),
        classes=sum(len(re.findall(r"^\s*class ", part, re.MULTILINE)) for part in code),
    )


def spent(path: Path) -> tuple[float, float]:
    """Seconds and the largest memory in MB of a process that runs one notebook."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--run", str(path)]
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    seconds, memory = json.loads(told.splitlines()[-1])
    return seconds, memory


def _run(path: Path) -> None:
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    begun = time.perf_counter()
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    seconds = time.perf_counter() - begun
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024]))


def main(paths: list[Path]) -> None:
    """Print the table, a line as soon as it is known."""
    print("| notebook | seconds | MB | cells | words | exercises | largest cell, lines |\n" + "|---" * 7 + "|")
    for path in paths:
        seconds, memory = spent(path)
        found = form(path)
        counts = f"{found.cells} | {found.words} | {len(found.exercises)} | {found.largest}"
        print(f"| {path.stem.replace('_', ' ')} | {seconds:.0f} | {memory:.0f} | {counts} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        _run(Path(sys.argv[2]))
    else:
        main([Path(name) for name in sys.argv[1:]] or course())
