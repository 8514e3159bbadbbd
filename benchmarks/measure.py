"""How things are measured here: time, memory, and the machine's own limits.

Several ways to do one thing are timed in turn, in one process, so that whatever else the machine does meets all of
them. A peak of memory is that of a fresh process, whose high-water mark is set back once its inputs are there.
"""

import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
Act = Callable[[], object]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Spent(NamedTuple):
    """Medians in seconds: of the processor time of all threads, and of the time on the wall."""

    cpu: float
    wall: float


def interleaved(acts: dict[str, Act], *, rounds: int, most: float = 6.0) -> dict[str, Spent]:
    """Each act once to warm up, then all in turn, ``rounds`` times; one sits out when ``most`` seconds went into it.

    The turn is drawn anew each round: what an act leaves in the caches and in the allocator (a tape leaves much) is not
    always met by the same other. No act is timed fewer than three times, or ``rounds`` times if that is less.
    """
    for act in acts.values():
        act()
    times: dict[str, list[Spent]] = {name: [] for name in acts}
    draw = random.Random(0)
    for _ in range(rounds):
        for name in draw.sample([*acts], len(acts)):
            if len(times[name]) < 3 or sum(spent.wall for spent in times[name]) < most:
                times[name].append(once(acts[name]))
    return {name: Spent(*(statistics.median(each) for each in zip(*all_, strict=True))) for name, all_ in times.items()}


def once(act: Act) -> Spent:
    """One run, no warm-up."""
    cpu, wall = time.process_time(), time.perf_counter()
    act()
    return Spent(time.process_time() - cpu, time.perf_counter() - wall)


def in_fresh_process(script: str, *arguments: str, threads: int | None = 1) -> Any:
    """The last line that the script prints, as JSON. ``threads`` None: as many as there are cores."""
    environment = dict(os.environ)
    for name in THREADS:
        environment.pop(name, None)
        if threads is not None:
            environment[name] = str(threads)
    flags = "" if threads is None else f"--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads={threads}"
    environment |= {"XLA_FLAGS": flags, "JAX_PLATFORMS": environment.get("JAX_PLATFORMS", "cpu")}
    command = [sys.executable, str(HERE / script), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no word on why"])[-1]
        raise RuntimeError(f"{script} {' '.join(arguments)}: {reason}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def extra_memory(act: Act) -> float:
    """The bytes by which the process grew at its largest while ``act`` ran; once in a fresh process, after warming up.

    Linux keeps the high-water mark of the process and lets it be set back to what is resident now; elsewhere it is
    ``ru_maxrss`` before and after.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        before = _most_resident()
    else:
        before = _status("VmRSS")
    act()
    return _most_resident() - before


def _most_resident() -> float:
    try:
        return _status("VmHWM")  # ru_maxrss of a new process may still be that of the one that started it
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))
