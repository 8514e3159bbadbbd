"""The public door of the transport floor."""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor

from gca_playground._boundary import as_count, as_float_tensor, is_number, near
from gca_playground.transport import scaling
from gca_playground.transport.constraint import EXACT, Constraint, as_constraint
from gca_playground.transport.cost import LazyCost
from gca_playground.transport.kernel import METHODS, DenseKernel, Kernel
from gca_playground.transport.marginal import Marginal
from gca_playground.transport.plan import GRADIENTS, KEPT_STEPS, Plan
from gca_playground.transport.problem import Problem, make_problem
from gca_playground.transport.shortage import shortage
from gca_playground.transport.sinkhorn import HalfStep, converge, take
from gca_playground.transport.stream import StreamedKernel

Start = tuple[Tensor, Tensor] | None
"""The potentials to start from; None: 0."""
MOST_SCALINGS = 1000
"""Half-steps whose scalings the fast path keeps."""


class ConvergenceWarning(UserWarning):
    """The iteration stopped at ``max_steps`` before it reached its tolerance."""


def solve(
    cost: Tensor | LazyCost | object,
    *,
    epsilon: float | Tensor = 0.1,
    rows: Constraint | float | str | None = None,
    cols: Constraint | float | str | None = None,
    total: bool = False,
    steps: int | None = None,
    a: object = None,
    b: object = None,
    forbidden: object = None,
    reference: str = "counting",
    init: tuple[object, object] | Plan | None = None,
    tol: float = 1e-6,
    max_steps: int = 10_000,
    method: str = "auto",
    grad: str = "exact",
) -> Plan:
    """The entropic plan ``P = exp((f_i + g_j - C_ij) / epsilon)`` of a cost under two constraints.

    Given:
        cost: (..., n, m), finite; a tensor, an array, or a lazy cost such as ``CosineCost(z, w)``.
        epsilon: the regularisation (temperature), > 0, in cost units. A tensor of one number that requires a gradient
            gets one.
        rows, cols: ``EXACT`` (default), ``FREE``, ``Soft(rho)``, ``Bounded(lo, hi)`` or a number rho in [0, inf].
        total: constrain the total mass only (global softmax); not together with rows, cols or steps.
        steps: HALF-steps from f = g = 0, rows first (0: the raw kernel, 1: row softmax, 2: one Sinkhorn iteration);
            None: until converged. POT's sinkhorn and OTT begin with the columns: another plan until convergence.
        a, b: masses (..., n) and (..., m). Default: 1 a row, n/m a column, so that a row reads as probabilities; if
            only one is given the other side shares its total equally. They are constants: no gradient reaches them.
        forbidden: boolean (..., n, m); these pairs get no mass.
        reference: "counting" (entropy sum P (log P - 1)) or "product" (KL(P | a x b)).
        init: potentials (f, g) in cost units, or a Plan, to start from.
        tol: of convergence: the marginal error of the rows as ``Plan.row_error`` defines it (a soft side's divided by
            rho where rho > 1), and the change of the potentials / epsilon over an iteration.
        max_steps: half-steps after which convergence is given up with a ``ConvergenceWarning``. Where forbidden pairs
            leave no plan with these masses, it names the rows and columns concerned.
        method: "auto"; "scaling" (a fixed kernel; says so where that loses digits); "log" (log-sum-exp always);
            "newton" (at convergence: from the first iterations on, not only where the loop is slow); "stream" (nothing
            n x m is kept, forward or in the gradient; for lazy costs, and their default above 512 MB).
        grad: "exact" (through the half-steps taken, or of the limit), "implicit" (of the limit, also where the steps
            have not reached it), "envelope" (potentials as constants: the gradient of KL(T | P) only where the plan
            has the marginals of T) or "autograd" (a tape through every half-step: slow, the oracle of the others, and
            the only one with second derivatives; the others say that they have none).

    Returns: a ``Plan``, differentiable in the cost: exactly through its half-steps when ``steps`` is given, by implicit
    differentiation at convergence.

    Raises: TypeError or ValueError that names the law, the value and the shape.

    Source: Cuturi 2013; Chizat et al. 2018 for soft marginals; Sejourne et al. 2022 for the mass shift at convergence.
    """
    if method not in METHODS:
        raise ValueError(near(method, METHODS, what="method"))
    if grad not in GRADIENTS:
        raise ValueError(near(grad, GRADIENTS, what="gradient"))
    if not isinstance(total, bool):
        raise TypeError(f"total must be True or False, got {total!r}")
    if total and not (rows is None and cols is None and steps is None and init is None):
        raise ValueError("total=True constrains the total mass only: leave out rows, cols, steps and init")
    problem = make_problem(
        cost,
        epsilon=epsilon,
        rows=as_constraint(EXACT if rows is None else rows, side="rows"),
        cols=as_constraint(EXACT if cols is None else cols, side="cols"),
        a=a,
        b=b,
        forbidden=forbidden,
        reference=reference,
        total=total,
        streamed=True if method == "stream" else None,
    )
    if total:
        return _solve_total(problem, grad)
    start = None if init is None else _start(problem, init)
    if steps is None:
        return _solve_converged(problem, start, method=method, tol=tol, max_steps=max_steps, grad=grad)
    return _solve_steps(problem, start, as_count(steps, name="steps", least=0), method=method, grad=grad)


def _solve_total(problem: Problem, grad: str) -> Plan:
    free = torch.zeros_like(problem.cols.mass)
    sums = StreamedKernel(problem.source, problem.epsilon, wide=problem.wide).rows(free)
    level = torch.log(problem.total) - sums.logsumexp(-1)  # type: ignore[arg-type]
    f = (problem.epsilon * level)[..., None].expand_as(problem.rows.mass)
    last = HalfStep(f, torch.zeros_like(problem.cols.mass), f)
    return Plan(problem, 1, True, last, grad=grad)


def _solve_steps(problem: Problem, start: Start, steps: int, *, method: str, grad: str) -> Plan:
    warm = start is not None
    if method != "log" and 1 <= steps <= MOST_SCALINGS:
        found = scaling.run(problem, None if start is None else start[1], steps)
        if found is not None:
            return Plan(problem, steps, False, found, found, warm, grad)
    kernel, (f, g) = _kernel(problem, method), start or problem.start()
    if steps <= KEPT_STEPS or problem.wants_gradient:
        states = take(problem, kernel, f, g, steps)
        return Plan(problem, steps, False, states[-1], states, warm, grad)
    states = take(problem, kernel, f, g, KEPT_STEPS)
    last = states[-1]
    for done in range(KEPT_STEPS, steps, KEPT_STEPS):
        last = take(problem, kernel, last.f, last.g, min(KEPT_STEPS, steps - done))[-1]
    return Plan(problem, steps, False, last, states, warm, grad)


def _kernel(problem: Problem, method: str) -> Kernel:
    if problem.source.streamed:
        return StreamedKernel(problem.source, problem.epsilon, wide=problem.wide)
    return DenseKernel(problem.cost, problem.epsilon, wide=problem.wide, method=method)


def _solve_converged(problem: Problem, start: Start, *, method: str, tol: float, max_steps: int, grad: str) -> Plan:
    _check_tol(tol, problem.dtype)
    kernel, (f, g) = _kernel(problem, method), start or problem.start()
    found = converge(problem, kernel, f, g, tol=tol, max_steps=as_count(max_steps, name="max_steps", least=1))
    plan = Plan(problem, found.steps, found.reached, HalfStep(found.f, found.g, found.f), grad=grad)
    if not found.reached:
        lack = shortage(problem, found.f, found.g)
        cure = "raise epsilon, tol or max_steps" if lack is None else f"no plan has these masses: {lack}"
        warnings.warn(
            f"not converged to tol = {tol:g} after {found.steps} half-steps at epsilon = {problem.epsilon:g}: "
            f"row error {plan.row_error:.2g}, column error {plan.col_error:.2g}; {cure}",
            ConvergenceWarning,
            stacklevel=3,
        )
    return plan


def _start(problem: Problem, init: object) -> tuple[Tensor, Tensor]:
    f, g = problem.start()
    if isinstance(init, Plan):
        init = (init.last.f, init.last.g)
    if not isinstance(init, tuple | list) or len(init) != 2:
        raise TypeError(f"init must be a Plan or a pair of potentials (f, g), got {type(init).__name__}")
    return _potential(init[0], f, problem.rows, "f"), _potential(init[1], g, problem.cols, "g")


def _potential(value: object, like: Tensor, side: Marginal, name: str) -> Tensor:
    potential = as_float_tensor(value, name=f"init {name}").detach().to(like)
    if potential.shape != like.shape:
        raise ValueError(f"init {name} must have shape {tuple(like.shape)}, got {tuple(potential.shape)}")
    if potential.isnan().any() or potential.isposinf().any():
        raise ValueError(f"init {name} must hold no NaN and no +inf")
    # What was empty where the start comes from need not be so here.
    revived = potential.isneginf() if side.dead is None else potential.isneginf() & ~side.dead
    return potential.masked_fill(revived, 0.0)


def _check_tol(tol: float, dtype: torch.dtype) -> None:
    if not is_number(tol):
        raise TypeError(f"tol must be a number, got {tol!r}")
    if not (tol > 0 and math.isfinite(tol)):
        raise ValueError(f"tol must be > 0 and finite, got {tol!r}")
    if dtype == torch.float32 and tol < 1e-6:
        raise ValueError(f"tol must be >= 1e-6 in float32, which tells no less apart, got {tol:g}: use a float64 cost")
