"""``python -m gca_playground.learning.experiments [NAME ...]``: make the tables of the course.

Each table is a CSV file in notebooks/tables, or in the folder that ``--to`` names. Finished cells are kept beside it in
``cells/``, so that an interrupted run goes on where it stopped; ``--seeds`` changes how many seeds there are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from gca_playground._boundary import near
from gca_playground.learning import experiments

EXPERIMENTS = ("noise", "softness", "prior", "relaxation", "digits", "crossmodal_digits", "drifters")
HOME = Path("notebooks") / "tables"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the tables that are asked for. Returns the exit status: 0 fine, 2 not understood, 130 interrupted."""
    options = _parser().parse_args(arguments)
    unknown = [name for name in options.names if name not in EXPERIMENTS]
    if unknown:
        return _say(near(unknown[0], EXPERIMENTS, what="experiment"), status=2)
    torch.set_num_threads(options.threads)
    try:
        for name in options.names or EXPERIMENTS:
            _say(f"{make(name, options.to, seeds=options.seeds)}", status=0)
    except KeyboardInterrupt:
        return _say("interrupted: finished cells are kept, the same command goes on from there", status=130)
    return 0


def make(name: str, to: Path, *, seeds: int | None = None) -> Path:
    """One table as a file, numbers rounded to four places. Returns its path."""
    knobs: dict[str, Any] = {} if seeds is None else {"seeds": seeds}
    table = getattr(experiments, name)(folder=to / "cells", **knobs)
    to.mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(to / f"{name}.csv", index=False)
    return to / f"{name}.csv"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gca_playground.learning.experiments", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(EXPERIMENTS)}; all where none is given"
    )
    parser.add_argument(
        "--to", type=Path, default=HOME, metavar="FOLDER", help=f"where the tables go (default: {HOME})"
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="seeds of each cell (default: the experiment's own)")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="of torch: 1 gives the same numbers anywhere"
    )
    return parser


def _say(message: str, *, status: int) -> int:
    (sys.stderr if status else sys.stdout).write(f"{message}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
