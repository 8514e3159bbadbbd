"""Other people's code for the same work, each behind one call.

A peer that is not installed is left out, and the table says so: ``pip install pot ott-jax jax geomloss``; on a GPU also
``pip install flash-sinkhorn inf-cl``. Costs and masses go in as each peer wants them, ready, outside the clock. Peers
begin with the columns and the masses sum to 1: another order and another scale of the same work.
"""

import importlib.util
import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Act = Callable[[], object]
PACKAGES = {"POT": "ot", "OTT": "ott", "GeomLoss": "geomloss", "FlashSinkhorn": "flash_sinkhorn", "Inf-CL": "inf_cl"}


def installed(peer: str) -> bool:
    """Whether the peer can be imported."""
    return importlib.util.find_spec(PACKAGES[peer]) is not None


def missing(*names: str) -> list[str]:
    """Those of the peers that are not installed."""
    return [name for name in names if not installed(name)]


# ------------------------------------------------------------------------------------------ POT


def pot_forward(cost: Tensor, *, epsilon: float, iterations: int) -> dict[str, Act]:
    """POT's three ways to a plan: numpy, torch, and torch in the logarithm."""
    if not installed("POT"):
        return {}
    import ot

    n, m = cost.shape
    a, b = cost.new_full((n,), 1 / n), cost.new_full((m,), 1 / m)
    arrays = [x.numpy() for x in (a, b, cost)]
    knobs: dict[str, Any] = {"numItermax": iterations, "stopThr": 0.0, "warn": False}
    return {
        "POT numpy": lambda: ot.sinkhorn(*arrays, epsilon, **knobs),
        "POT torch": lambda: ot.sinkhorn(a, b, cost, epsilon, **knobs),
        "POT log": _quiet(lambda: ot.solve(cost, reg=epsilon, max_iter=iterations, tol=0.0).plan),
    }


def pot_converge(cost: Tensor, *, epsilon: float, tol: float, most: int) -> tuple[Act, dict[str, Any]]:
    """POT's numpy loop until a marginal misses by ``tol`` in all; then plan and iterations of the last run.

    POT measures the Euclidean norm of the miss, which is at least 1 / sqrt(m) of the sum of its parts.
    """
    import ot

    n, m = cost.shape
    tol = tol / math.sqrt(m)
    a, b = cost.new_full((n,), 1 / n).numpy(), cost.new_full((m,), 1 / m).numpy()
    array, last = cost.numpy(), {}

    def act() -> None:
        plan, log = ot.sinkhorn(a, b, array, epsilon, numItermax=most, stopThr=tol, warn=False, log=True)
        last.update(plan=torch.from_numpy(plan), iterations=log["niter"] + 1)

    return act, last


def pot_batch(costs: Tensor, *, epsilon: float, iterations: int) -> dict[str, Act]:
    """Many small problems at once, and one after the other."""
    if not installed("POT"):
        return {}
    import ot

    n, m = costs.shape[-2:]
    a, b = costs.new_full((n,), 1 / n).numpy(), costs.new_full((m,), 1 / m).numpy()
    arrays = list(costs.numpy())

    def one_by_one() -> None:
        for array in arrays:
            ot.sinkhorn(a, b, array, epsilon, numItermax=iterations, stopThr=0.0, warn=False)

    def at_once() -> object:
        return ot.solve_batch(costs, reg=epsilon, max_iter=iterations, tol=0.0)

    return {"POT solve_batch": _quiet(at_once), "POT loop": one_by_one}


def _quiet(act: Act) -> Act:
    """The act without its warning that so many iterations do not converge."""

    def silent() -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return act()

    return silent


# ------------------------------------------------------------------------------------------ OTT


def _jax() -> Any:
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


def ott_forward(cost: Tensor, *, epsilon: float, iterations: int) -> dict[str, Act]:
    """OTT's potentials, compiled and warm."""
    if not installed("OTT"):
        return {}
    run, array = _ott_solver(cost, epsilon, min_iterations=iterations, max_iterations=iterations, threshold=0.0)
    return {"OTT lse": lambda: run(array)}


def ott_converge(cost: Tensor, *, epsilon: float, tol: float, most: int) -> tuple[Act, dict[str, Any]]:
    """OTT until a marginal misses by ``tol`` in all, compiled; the second value as for POT."""
    run, array = _ott_solver(cost, epsilon, max_iterations=most, threshold=tol)
    last: dict[str, Any] = {}

    def act() -> None:
        f, g, iterations = run(array)
        f, g = (torch.tensor(x.tolist(), dtype=cost.dtype) for x in (f, g))
        last.update(plan=((f[:, None] + g - cost) / epsilon).exp(), iterations=int(iterations))

    return act, last


def _ott_solver(cost: Tensor, epsilon: float, **knobs: Any) -> tuple[Callable[[Any], Any], Any]:
    jax = _jax()
    from ott.geometry import geometry
    from ott.solvers import linear

    def solve(array: Any) -> Any:
        found = linear.solve(geometry.Geometry(cost_matrix=array, epsilon=epsilon), **knobs)
        return found.f, found.g, found.n_iters

    array = jax.numpy.asarray(cost.numpy())
    compiled = jax.jit(solve).lower(array).compile()
    return lambda given: jax.block_until_ready(compiled(given)), array


def ott_gradient(z: Tensor, w: Tensor, *, epsilon: float, iterations: int) -> dict[str, Act]:
    """The matching gap of pairs, whose gradient in OTT is Danskin's: potentials as constants."""
    if not installed("OTT"):
        return {}
    jax = _jax()
    from ott.geometry import geometry
    from ott.solvers import linear

    def gap(z: Any, w: Any) -> Any:
        z, w = (x / jax.numpy.linalg.norm(x, axis=-1, keepdims=True) for x in (z, w))
        geom = geometry.Geometry(cost_matrix=1 - z @ w.T, epsilon=epsilon)
        knobs = {"min_iterations": iterations, "max_iterations": iterations, "threshold": 0.0}
        found = linear.solve(geom, use_danskin=True, **knobs)
        return ((1 - (z * w).sum(-1)).mean() - found.reg_ot_cost) / epsilon

    arrays = [jax.numpy.asarray(x.detach().numpy()) for x in (z, w)]
    run = jax.jit(jax.value_and_grad(gap, argnums=(0, 1))).lower(*arrays).compile()
    return {"OTT Danskin": lambda: jax.block_until_ready(run(*arrays))}


# ------------------------------------------------------------------------------------------ GeomLoss


def geomloss_forward(cost: Tensor, *, epsilon: float, iterations: int) -> dict[str, Act]:
    """GeomLoss' potentials of a cost matrix."""
    if not installed("GeomLoss"):
        return {}
    from geomloss import ot

    n, m = cost.shape
    a, b = cost.new_full((n,), 1 / n), cost.new_full((m,), 1 / m)
    return {"GeomLoss": lambda: ot.solve(cost, reg=epsilon, a=a, b=b, max_iter=iterations).potential_a}


# ------------------------------------------------------------------------------------------ on a GPU


def flash_sinkhorn(z: Tensor, w: Tensor, *, epsilon: float, iterations: int) -> Act:
    """FlashSinkhorn's potentials: squared Euclidean, halved as ours, rows and columns alternating."""
    from flash_sinkhorn import SamplesLoss

    knobs = {"half_cost": True, "use_epsilon_scaling": False, "eps": epsilon, "n_iters": iterations}
    solver = SamplesLoss("sinkhorn", backend="alternating", potentials=True, **knobs)
    return lambda: solver(z.detach(), w.detach())


def inf_cl(z: Tensor, w: Tensor, *, epsilon: float) -> Tensor:
    """Inf-CL's InfoNCE, which keeps nothing n x n."""
    from inf_cl import cal_flash_loss

    unit = torch.nn.functional.normalize
    return cal_flash_loss(unit(z, dim=-1) / epsilon, unit(w, dim=-1), head_dim=64)
