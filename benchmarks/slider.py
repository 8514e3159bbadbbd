"""From a slider to a new plan, without a browser.

    python benchmarks/slider.py [--write]

For each of the three sliders: the processor time from a new value to the new plan's matrix with its marginals and the
whole convergence curve (``plan``), and to the last message of the coupling lab (``lab``). Median over the stops that
the slider offers around the lab's start, one thread, n = 256 handwritten digits. Target: plan <= 5 ms for each.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import machine
import torch

import gca_playground as gca
from gca_playground.views.labs.scene import Scene, make_scene

TABLE = Path(__file__).parent / "tables" / "slider.md"
MOVES: dict[str, list[Any]] = {
    "epsilon": [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0],
    "rows": [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0],
    "cols": [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0],
    "steps": [0, 1, 2, 3, 5, 10, 20, 30, 40, 50],
}
STARTS = {"steps = 10": {"steps": 10}, "converged": {"steps": None}}


def main() -> None:
    """Measure, print the table, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    text = table(arguments.rounds)
    print(text)
    if arguments.write:
        TABLE.write_text(text, encoding="utf-8")


def table(rounds: int) -> str:
    """The measurements as Markdown."""
    lab = gca.CouplingLab()
    lab.state = lab.state | {"data": lab.state["data"] | {"n": 256}}
    rows = []
    for start, knobs in STARTS.items():
        lab.change(epsilon=0.1, rows="exact", cols="exact", **knobs)
        for knob, values in MOVES.items():
            rows.append((start, knob, *measure(lab, knob, values, rounds)))
            lab.change(epsilon=0.1, rows="exact", cols="exact", **knobs)
    lines = [
        "# From a slider to a new plan",
        "",
        "Processor time in ms, median (and 90th percentile), n = 256, float64.",
        f"{machine.described()}.",
        "`plan`: the matrix and its marginals, which are drawn first; `curves`: these and all 50 half-steps;",
        "`lab`: all that the lab computes and sends to the browser. Target for `curves`: a median of 5 ms.",
        "",
        "| start | slider | plan | curves | lab |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def measure(lab: gca.CouplingLab, knob: str, values: list[Any], rounds: int) -> tuple[str, str, str]:
    """The plan alone, with the curves, and the whole lab."""
    alignment, cloud, before = lab.scene.alignment, lab.scene.cloud, lab.scene
    moves = [value for _ in range(rounds) for value in values]
    plan = timed(lambda value: make_scene(cloud, alignment.change(**{knob: value}), before).sums, moves)
    curves = timed(lambda value: drawn(make_scene(cloud, alignment.change(**{knob: value}), before)), moves)
    whole = timed(lambda value: lab.change(**{knob: value}), moves)
    return plan, curves, whole


def drawn(scene: Scene) -> tuple[object, ...]:
    """What the matrix and the curves show."""
    assert scene.path is not None
    return scene.sums, scene.kl, scene.path.trajectory


def timed(act: Callable[[Any], object], values: Iterable[Any]) -> str:
    """Median and 90th percentile of the processor time, in ms."""
    times = []
    for value in values:
        began = time.process_time()
        act(value)
        times.append(1e3 * (time.process_time() - began))
    return f"{statistics.median(times):.1f} ({sorted(times)[int(0.9 * len(times))]:.1f})"


if __name__ == "__main__":
    main()
