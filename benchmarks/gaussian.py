"""The Gaussian theory, measured: what descent finds against the closed forms, and what batches make of it.

    python benchmarks/gaussian.py [--write] [--draws 5]

Three tables. Population losses: the worst relative error of A (and of B where it is identified) over random covariances
and starts, 5 x 4 dimensions, correlations .95, .8, .6, .3. Batches: the coupling that minimises the mean batch loss of
a scalar pair, which the population puts at sigma (conditional) and h(sigma) (joint). Samples: the error of sampled
Sinkhorn plans, which falls like 1 / sqrt(n).
"""

import argparse
import math
from pathlib import Path
from typing import Any

import machine
import torch

import gca_playground as gca

TABLE = Path(__file__).parent / "tables" / "gaussian.md"
SIGMA = (0.95, 0.8, 0.6, 0.3)
RANKS = (1, 2, 3, 4)
ROWS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("T1", "conditional", "dot", {"weights": (1.0, 1.0)}),
    ("T1", "conditional", "dot", {"weights": (2.0, 0.0)}),
    ("T1", "conditional", "dot", {"weights": (0.3, 1.7)}),
    ("T1", "spectral", "dot", {}),
    ("T2", "joint", "dot", {}),
    ("T3", "conditional", "squared_euclidean", {"weights": (2.0, 0.0)}),
    ("T4", "conditional", "squared_euclidean", {"weights": (0.0, 2.0)}),
    ("T5", "conditional", "squared_euclidean", {}),
    ("T6", "joint", "squared_euclidean", {}),
    ("T7", "joint", "signed", {}),
    ("T8", "sinkhorn", "dot", {}),
    ("T8", "sinkhorn", "squared_euclidean", {}),
    ("T9", "wasserstein", "dot", {}),
    ("T9", "conditional_mmd", "dot", {}),
]
BATCHES = (16, 64, 256)


def main() -> None:
    """Measure, print the tables, and write them if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    parser.add_argument("--draws", type=int, default=5, help="covariances and starts a cell")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    draws = arguments.draws
    head = f"# The Gaussian theory, measured\n\n{machine.described()}. {draws} draws a cell.\n"
    text = "\n".join([head, learned(draws), biases(100 * draws), samples(4 * draws)])
    print(text)
    if arguments.write:
        TABLE.write_text(text, encoding="utf-8")


def learned(draws: int) -> str:
    """Errors of A / B and of the loss, the worst over the draws."""
    lines = [
        "## Learned against closed form\n",
        "| | loss | tilting | knobs | " + " | ".join(f"r = {rank}" for rank in RANKS) + " | loss value |",
        "|---" * 9 + "|",
    ]
    for key, loss, tilting, knobs in ROWS:
        cells = [errors(loss, tilting, knobs, rank, draws) for rank in RANKS]
        words = ", ".join(f"{name} {value}" for name, value in knobs.items())
        shown = " | ".join(f"{a:.0e}" + (f" / {b:.0e}" if identified(key, tilting) else "") for a, b, _ in cells)
        lines.append(f"| {key} | {loss} | {tilting} | {words} | {shown} | {max(cell[2] for cell in cells):.0e} |")
    return "\n".join(lines) + "\n"


def identified(key: str, tilting: str) -> bool:
    """Whether the self-term B is there and seen by the loss."""
    return tilting != "dot" and key != "T8"


def errors(loss: str, tilting: str, knobs: dict[str, Any], rank: int, draws: int) -> tuple[float, float, float]:
    """Worst relative error of A, of B, and worst absolute error of the loss."""
    worst = (0.0, 0.0, 0.0)
    for seed in range(draws):
        truth = gca.gaussian.Gaussian.from_correlations(SIGMA, n_u=5, n_v=4, seed=seed)
        exact = gca.gaussian.closed_form(loss, truth, rank=rank, tilting=tilting, **knobs)
        found = gca.gaussian.fit(loss, truth, rank=rank, tilting=tilting, seed=100 + seed, **knobs)
        here = (
            ((found.A - exact.A).norm() / exact.A.norm()).item(),
            ((found.B - exact.B).norm() / exact.B.norm().clamp_min(1e-300)).item(),
            abs(found.loss - exact.loss),
        )
        worst = tuple(max(pair) for pair in zip(worst, here, strict=True))
    return worst


def biases(draws: int) -> str:
    """The minimiser of the mean batch loss of a scalar pair."""
    lines = [
        "## What batches make of the coupling: conditional / joint\n",
        f"The mean over {draws} batches of 256, and as many pairs in smaller ones.\n",
        "| sigma | " + " | ".join(f"batch {size}" for size in BATCHES) + " | population |",
        "|---" * (len(BATCHES) + 2) + "|",
    ]
    for sigma in (0.3, 2 / 3, 0.9):
        cells = [
            " / ".join(f"{minimiser(name, sigma, size, draws):.3f}" for name in ("conditional", "joint"))
            for size in BATCHES
        ]
        lines.append(f"| {sigma:.3f} | " + " | ".join(cells) + f" | {sigma:.3f} / {gca.gaussian.h(sigma).item():.3f} |")
    return "\n".join(lines) + "\n"


def minimiser(name: str, sigma: float, size: int, draws: int) -> float:
    """Bisection on the slope of the mean loss; as many pairs for each batch size."""
    truth, loss = gca.gaussian.Gaussian(1.0, sigma, 1.0), gca.gaussian.batch_loss(name)
    batches = [truth.sample(size, seed=seed) for seed in range(draws * (BATCHES[-1] // size))]
    low, high = 0.0, 2.0
    for _ in range(12):
        m = torch.tensor((low + high) / 2, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(torch.stack([loss(m * u @ v.mT) for u, v in batches]).mean(), m)
        low, high = (low, m.item()) if slope > 0 else (m.item(), high)
    return (low + high) / 2


def samples(draws: int) -> str:
    """Sampled Sinkhorn against the exact cross-covariance, d = 3, epsilon = .35."""
    truth = gca.gaussian.Gaussian.from_correlations((0.1, 0.1, 0.1), seed=0)
    exact = gca.gaussian.entropic_cross_covariance(truth.u, truth.v, epsilon=0.35)
    sizes = (50, 100, 200, 400, 800)
    found = [math.sqrt(sum(error(truth, exact, n, seed) ** 2 for seed in range(draws)) / draws) for n in sizes]
    x, y = torch.tensor(sizes).double().log(), torch.tensor(found).double().log()
    exponent = (((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()).item()
    lines = [
        "## Sampled Sinkhorn against the exact plan\n",
        "| n | " + " | ".join(map(str, sizes)) + " | exponent |",
        "|---" * (len(sizes) + 2) + "|",
        "| relative error | " + " | ".join(f"{value:.3f}" for value in found) + f" | {exponent:.2f} |",
    ]
    return "\n".join(lines) + "\n"


def error(truth: gca.gaussian.Gaussian, exact: torch.Tensor, n: int, seed: int) -> float:
    """The relative error of the plan between n and n independent points."""
    u, v = truth.u.sample(n, seed=2 * seed), truth.v.sample(n, seed=2 * seed + 1)
    P = gca.solve(gca.squared_euclidean_cost(u, v), epsilon=0.35, tol=1e-6).matrix / n
    return (((u - u.mean(0)).mT @ P @ (v - v.mean(0)) - exact).norm() / exact.norm()).item()


if __name__ == "__main__":
    main()
