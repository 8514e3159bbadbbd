"""S1 to S9: what is measured, and what was promised.

Each function gives the rows of one target. ``speed.py`` calls them in fresh processes, with one thread and with all:

    python benchmarks/targets.py S1 --clock cpu [--quick]
"""

import argparse
import json
import statistics
from collections.abc import Callable

import on_gpu
import peers
import torch
import work
from measure import Act, Spent, extra_memory, in_fresh_process, interleaved, once
from rows import Clock, Row, absent, faster, ms, slower

import gca_playground as gca

MB = 1e6


# ------------------------------------------------------------------------------------------ S1, S2


def forward(clock: Clock) -> list[Row]:
    """S1: 20 iterations on a cost matrix in float32."""
    rows, promised = [], {"POT numpy": 1.4, "POT torch": 2.0, "OTT lse": 3.0, "POT log": 9.0}
    for n in (16,) if clock.quick else (256, 1024):
        cost, knobs = work.cost_of(n), {"epsilon": 0.1, "iterations": 20}
        acts: dict[str, Act] = {"ours": lambda cost=cost: gca.solve(cost, epsilon=0.1, steps=40)}
        acts |= {"ours with P": lambda cost=cost: gca.solve(cost, epsilon=0.1, steps=40).matrix}
        acts |= peers.pot_forward(cost, **knobs) | peers.ott_forward(cost, **knobs)
        acts |= peers.geomloss_forward(cost, **knobs)
        what = f"potentials, 20 iterations, n {n}"
        times = interleaved(acts, rounds=clock.rounds(40 if n < 1000 else 15))
        with_plan = times.pop("ours with P")
        rows += faster(clock, "S1", what, times, promised)
        pot = {name: spent for name, spent in times.items() if name.startswith("POT")}
        rows += faster(clock, "S1", f"the same and the matrix P, n {n}", {"ours with P": with_plan} | pot, {})
        rows += absent("S1", what, "POT", "OTT", "GeomLoss")
    return rows


def gradient(clock: Clock) -> list[Row]:
    """S2: GCA-INCE of embeddings with its gradient, 40 half-steps, and what it adds to memory."""
    rows = []
    promised = {1024: (1.2, 0.8), 2048: (1.3, 0.8)}
    for n in (16,) if clock.quick else (256, 1024, 2048):
        what = f"GCA-INCE forward and backward, 20 iterations, d 64, n {n}"
        times = interleaved(_losses(n), rounds=clock.rounds({256: 40, 1024: 15}.get(n, 7)), most=4)
        if n in promised:
            plain, both = promised[n]
            rows += slower(clock, "S2", what, times, {"cross_entropy InfoNCE": plain, "symmetric InfoNCE": both})
        else:
            rows += slower(clock, "S2", what, times, {"cross_entropy InfoNCE": 2.2})
        rest = {name: spent for name, spent in times.items() if "InfoNCE" not in name}
        rows += faster(clock, "S2", what, rest, {"OTT Danskin": 2.0, "a tape": 20.0})
        rows += absent("S2", what, "OTT") + _softmax(clock, n)
    n = 128 if clock.quick else 2048
    for name in ("gca.loss", "potentials"):
        got = in_fresh_process("targets.py", "memory", "--name", name, "--n", str(n))["bytes"] / (4 * n * n)
        rows.append(Row("S2", f"extra memory, n {n}, {name}", f"{got:.2f}", "one n x n", "1", got, "<=", 2.5, "n x n"))
    return rows


def _losses(n: int) -> dict[str, Act]:
    z, w = work.views(n)
    ours = gca.loss("gca-ince", epsilon=0.1, steps=40)
    acts = {
        "gca.loss": _with_gradient(z, w, lambda: ours(z, w)),
        "from the potentials": _with_gradient(z, w, lambda: work.from_potentials(z, w, steps=40)),
        "cross_entropy InfoNCE": _with_gradient(z, w, lambda: work.infonce(z, w)),
        "symmetric InfoNCE": _with_gradient(z, w, lambda: work.infonce(z, w, symmetric=True)),
    }
    acts |= peers.ott_gradient(z, w, epsilon=0.1, iterations=20)
    return acts | {"a tape": _with_gradient(z, w, lambda: work.through_logsumexp(z, w, steps=40))}


def _softmax(clock: Clock, n: int) -> list[Row]:
    """InfoNCE and its symmetric form through the same machinery, against cross_entropy."""
    z, w = work.views(n)
    rows = []
    for name, both in (("infonce", False), ("clip", True)):
        ours = gca.loss(name, epsilon=0.1)
        acts = {
            "gca.loss": _with_gradient(z, w, lambda ours=ours: ours(z, w)),
            "F.cross_entropy": _with_gradient(z, w, lambda both=both: work.infonce(z, w, symmetric=both)),
        }
        what = f"gca.loss('{name}') forward and backward, d 64, n {n}"
        times = interleaved(acts, rounds=clock.rounds({256: 40, 1024: 15}.get(n, 7)))
        rows += slower(clock, "S2", what, times, {"F.cross_entropy": 1.0})
    return rows


def _with_gradient(z: torch.Tensor, w: torch.Tensor, loss: Callable[[], torch.Tensor]) -> Act:
    def act() -> None:
        work.forget(z, w)
        loss().backward()

    return act


# ------------------------------------------------------------------------------------------ S3, S4, S5


def convergence(clock: Clock) -> list[Row]:
    """S3: until a marginal misses by 1e-6 in all (masses sum to 1), where that is hard.

    Ours stops later, when no row misses by more than 1e-6 of its mass and the potentials rest too. A peer that gives
    up has not got there in the time shown: the ratio is then the least it can be.
    """
    rows: list[Row] = []
    n, pot_most, ott_most = (32, 20, 20) if clock.quick else (1024, 3000, 1000)
    for name, (cost, epsilon) in work.hard_cases(n).items():
        what = f"to 1e-6, float64, n {n}: {name}"
        found = gca.solve(cost, epsilon=epsilon, tol=1e-6)
        acts: dict[str, Act] = {"ours": lambda cost=cost, epsilon=epsilon: gca.solve(cost, epsilon=epsilon, tol=1e-6)}
        lasts = {}
        for peer, make, most in (("POT", peers.pot_converge, pot_most), ("OTT", peers.ott_converge, ott_most)):
            if peers.installed(peer):
                acts[peer], lasts[peer] = make(cost, epsilon=epsilon, tol=1e-6, most=most)
        spent = interleaved({"ours": acts.pop("ours")}, rounds=clock.rounds(9))
        spent |= {peer: once(act) for peer, act in acts.items()}
        ends = {peer: f" ({last['iterations']} its, error {_error(last['plan']):.0e})" for peer, last in lasts.items()}
        own = f" ({found.steps} half-steps, error {_error(found.matrix / n):.0e})"
        limits = {"POT": 12.0, "OTT": 60.0}
        rows += [
            row._replace(ours=row.ours + own, theirs=row.theirs + ends[row.against])
            for row in faster(clock, "S3", what, spent, limits)
        ]
        rows += absent("S3", what, "POT", "OTT")
    return rows


def _error(plan: torch.Tensor) -> float:
    """By how much a marginal misses in all; the masses sum to 1."""
    return max((sums - 1 / len(sums)).abs().sum().item() for sums in (plan.sum(-1), plan.sum(-2)))


def soft(clock: Clock) -> list[Row]:
    """S4: soft marginals to convergence."""
    n = 16 if clock.quick else 512
    cost = work.cost_of(n, dtype=torch.float64)
    plain, plan = work.soft_iterations(cost, epsilon=0.1, rho=10.0, tol=1e-12, most=5000)
    count, _ = work.soft_iterations(cost, epsilon=0.1, rho=10.0, tol=1e-9, most=5000)
    found = gca.solve(cost, epsilon=0.1, rows=10.0, cols=10.0, tol=1e-9)
    off = ((found.matrix - plan).abs().amax() / plan.amax()).item()
    what, here = f"soft marginals, rho 10, eps .1, n {n}, to 1e-9", found.steps / 2
    ours, theirs = f"{here:g} iterations", f"{count} iterations"
    shown = f"{plain} iterations"
    return [
        Row("S4", what, ours, "plain iterations", theirs, here, "<=", 40, "iterations"),
        Row("S4", "the same plan, relatively", f"{off:.0e}", "plain iterations", shown, off, "<=", 1e-8, ""),
    ]


def batches(clock: Clock) -> list[Row]:
    """S5: many small problems."""
    count, n = (2, 8) if clock.quick else (64, 64)
    generator = torch.Generator().manual_seed(0)
    costs = gca.cosine_cost(*(torch.randn(count, n, 64, generator=generator) for _ in range(2)))
    acts: dict[str, Act] = {"ours": lambda: gca.solve(costs, epsilon=0.1, steps=100)}
    acts |= {"ours with P": lambda: gca.solve(costs, epsilon=0.1, steps=100).matrix}
    times = interleaved(acts | peers.pot_batch(costs, epsilon=0.1, iterations=50), rounds=clock.rounds(15))
    what, with_plan = f"{count} problems of {n} x {n}, 50 iterations, float32", times.pop("ours with P")
    rows = slower(clock, "S5", what, times, {"POT solve_batch": 1.0} if "POT solve_batch" in times else {})
    rest = {name: spent for name, spent in times.items() if name != "POT solve_batch"}
    rows += faster(clock, "S5", what, rest, {"POT loop": 6.0})
    times["ours"] = with_plan
    return rows + faster(clock, "S5", "the same and the matrices P", times, {}) + absent("S5", what, "POT")


# ------------------------------------------------------------------------------------------ S6, S7, S8


def streamed(clock: Clock) -> list[Row]:
    """S6: nothing n x n kept, forward and gradient, against one passage of products and exponentials."""
    n, steps = (128, 2) if clock.quick else (16384, 10)
    z, w = work.views(n)
    loss = gca.loss("gca-ince", epsilon=0.1, steps=steps)

    def potentials() -> None:
        work.forget(z, w)
        work.from_potentials(z, w, steps=steps, method="stream").backward()

    def named() -> None:
        work.forget(z, w)
        loss(z, w).backward()

    acts: dict[str, Act] = {"potentials": potentials, "gca.loss": named, "a passage": lambda: work.block_pass(z, w)}
    acts["laid out"] = lambda: work.block_pass(z, w, laid_out=True)
    times = interleaved(acts, rounds=clock.rounds(3), most=60)
    rows: list[Row] = []
    for name in ("potentials", "gca.loss"):
        each = Spent(*(x / steps for x in times[name]))
        what = f"a half-step of {steps} with the gradient, n {n}, d 64, {name}"
        both = {name: each, "GEMM and exp": times["a passage"], "the same with w' laid out": times["laid out"]}
        rows += slower(clock, "S6", what, both, {"GEMM and exp": 1.3, "the same with w' laid out": 0.0})
    if clock.name == "cpu":
        rows += _sizes(clock.quick, n, steps)
    return rows


def _sizes(quick: bool, n: int, steps: int) -> list[Row]:
    rows = []
    runs = [(n, steps, "stream"), (n, steps, "gca.loss"), (256 if quick else 65536, 2, "stream")]
    for size, count, name in runs:
        arguments = ("memory", "--name", name, "--n", str(size), "--steps", str(count))
        got = in_fresh_process("targets.py", *arguments)
        extra, took = got["bytes"] / MB, got["seconds"]
        what = f"extra memory, {count} half-steps with the gradient, n {size}, {name} ({ms(took)})"
        whole = f"{4 * size * size / MB:.0f} MB"
        promised = ("<=", 50) if size == n else ("", 0.0)  # of the largest it is asked that it runs
        rows.append(Row("S6", what, f"{extra:.0f} MB", "one n x n", whole, extra, *promised, "MB"))
    return rows


def sliders(clock: Clock) -> list[Row]:
    """S7: from a slider to a new plan."""
    import slider

    lab = gca.CouplingLab()
    n = 32 if clock.quick else 256
    lab.state = lab.state | {"data": lab.state["data"] | {"n": n}}
    rows = []
    for start, knobs in slider.STARTS.items():
        for knob, values in slider.MOVES.items():
            lab.change(epsilon=0.1, rows="exact", cols="exact", **knobs)
            plan, curves, _ = slider.measure(lab, knob, values, clock.rounds(10))
            for name, words in (("the plan", plan), ("and the curves", curves)):
                what, got = f"slider {knob}, {start}, n {n}: {name}", float(words.split()[0])
                rows.append(Row("S7", what, f"{words} ms", "", "", got, "<=", 5, "ms"))
    return rows


def imports(clock: Clock) -> list[Row]:
    """S8: what importing the package costs a process that has torch already."""
    runs = [in_fresh_process("imported.py") for _ in range(clock.rounds(7))]
    rows = []
    for name, what in (("import", "import gca_playground after torch"), ("use", "the same, and a first gca.loss")):
        got = 1e3 * statistics.median(run[name] for run in runs)
        rows.append(Row("S8", what, f"{got:.3g} ms", "", "", got, "<=", 100, "ms"))
    heavy = sorted({name for run in runs for name in run["heavy"]})
    came = ", ".join(heavy) or "none"
    return [*rows, Row("S8", "heavy modules that come along", came, "", "", len(heavy), "<=", 0, "modules")]


TARGETS: dict[str, Callable[[Clock], list[Row]]] = {
    "S1": forward,
    "S2": gradient,
    "S3": convergence,
    "S4": soft,
    "S5": batches,
    "S6": streamed,
    "S7": sliders,
    "S8": imports,
    "S9": on_gpu.gpu,
}


# ------------------------------------------------------------------------------------------ in a fresh process


def memory_of(name: str, n: int, steps: int) -> dict[str, float]:
    """By how much the process grew, and the processor time: forward and backward of one loss of n pairs."""
    loss = gca.loss("gca-ince", epsilon=0.1, steps=steps)

    def run(views: tuple[torch.Tensor, torch.Tensor]) -> None:
        if name == "gca.loss":
            loss(*views).backward()
        else:
            method = "stream" if name == "stream" else "auto"
            work.from_potentials(*views, steps=steps, method=method).backward()

    run(work.views(64))
    views, spent = work.views(n), []
    grown = extra_memory(lambda: spent.append(once(lambda: run(views))))
    return {"bytes": grown, "seconds": spent[0].cpu}


def main() -> None:
    """One target's rows, or one measurement that wants a process of its own, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*TARGETS, "memory"])
    parser.add_argument("--clock", choices=Spent._fields, default="cpu")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--name", choices=["gca.loss", "potentials", "stream"], default="gca.loss")
    parser.add_argument("--n", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=40)
    given = parser.parse_args()
    if given.clock == "cpu":
        torch.set_num_threads(1)
    if given.what == "memory":
        found: object = memory_of(given.name, given.n, given.steps)
    else:
        found = TARGETS[given.what](Clock(given.clock, given.quick))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
