"""The targets S1 to S9, measured against POT, OTT-JAX, GeomLoss and torch's own cross_entropy.

    python benchmarks/speed.py [--write] [--only S1,S2] [--quick]

Each target has a process of its own, in which all ways to do the work take turns: medians of the processor time of one
thread, and again with all threads on the wall clock. Machines differ; only the ratios of one run count. A peer that is
not installed is named as such. ``--quick`` runs everything once on tiny sizes, which shows that it runs and no more.
"""

import argparse
from pathlib import Path

import machine
import torch
from measure import in_fresh_process
from rows import Row
from targets import TARGETS

TABLE = Path(__file__).parent / "tables" / "speed.md"
WITH_ALL_THREADS = ("S1", "S2", "S3", "S5", "S6")


def main() -> None:
    """Measure, print the table, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    parser.add_argument("--only", default=",".join(TARGETS), help="some of the targets: S1,S2")
    parser.add_argument("--quick", action="store_true", help="tiny sizes")
    arguments = parser.parse_args()
    keys = arguments.only.split(",")
    if unknown := [key for key in keys if key not in TARGETS]:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    text = table([line for key in keys for line in measured(key, quick=arguments.quick)])
    print(text)
    if arguments.write:
        TABLE.write_text(text, encoding="utf-8")


def measured(key: str, *, quick: bool) -> list[tuple[Row, Row | None]]:
    """The rows of one target: with one thread, and with all where that is asked."""
    size = ["--quick"] if quick else []
    rows = [Row(*row) for row in in_fresh_process("targets.py", key, *size)]
    if key not in WITH_ALL_THREADS:
        return [(row, None) for row in rows]
    again = [Row(*row) for row in in_fresh_process("targets.py", key, "--clock", "wall", *size, threads=None)]
    others = {(row.work, row.against): row for row in again if row.unit.startswith("x ")}
    return [(row, others.get((row.work, row.against))) for row in rows]


def table(lines: list[tuple[Row, Row | None]]) -> str:
    """The measurements as Markdown."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    kept = [row.met for row, _ in lines if row.met is not None]
    head = [
        "# Speed",
        "",
        f"{machine.described()}; {threads} in the last column.",
        "Medians of processor time with one thread, all ways in turn in one process; the last column is the same ratio",
        "with all threads on the wall clock. Memory is the peak of a fresh process above its inputs.",
        f"Targets met: {sum(kept)} of {len(kept)}.",
        "",
        "| | work | ours | against | theirs | measured | target | met | all threads |",
        "|---" * 9 + "|",
    ]
    return "\n".join([*head, *(_line(row, other) for row, other in lines)]) + "\n"


def _line(row: Row, other: Row | None) -> str:
    got = "" if row.got is None else _number(row)
    target = f"{row.sense} {row.limit:g}" if row.sense else ""
    met = "" if row.met is None else ("yes" if row.met else "NO")
    wall = "" if other is None or other.got is None else _number(other)
    return f"| {row.key} | {row.work} | {row.ours} | {row.against} | {row.theirs} | {got} | {target} | {met} | {wall} |"


def _number(row: Row) -> str:
    return f"{row.got:.3g} {row.unit}".strip()


if __name__ == "__main__":
    main()
