"""What there is to solve: a cost, a temperature, two sides. Checked once, here.

    P = exp((f_i + g_j - C_ij) / epsilon)

minimises ``<C, P> + epsilon sum P (log P - 1)`` plus what the two constraints charge. With the product reference
the entropy is ``KL(P | a x b)``, which is the same problem at the cost ``C - epsilon log(a_i b_j)``; the potentials
keep their meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gca_playground._boundary import as_epsilon, as_float_tensor, near
from gca_playground._shapes import Allowed, Cost, Side
from gca_playground.transport.constraint import EXACT, FREE, Bounded, Constraint
from gca_playground.transport.cost import LazyCost
from gca_playground.transport.marginal import Marginal
from gca_playground.transport.source import MatrixSource, Source, factors, finite_cost

REFERENCES = ("counting", "product")


@dataclass(frozen=True, eq=False)
class Problem:
    """A checked problem. ``source`` gives the effective cost: reference included, inf where a pair is forbidden.

    ``temperature`` is epsilon as the tensor that wants a gradient, None where none does. ``like`` has the shape, type
    and device of the cost; its numbers do not matter.
    """

    source: Source
    epsilon: float
    rows: Marginal
    cols: Marginal
    total: float | Tensor | None
    like: Tensor
    temperature: Tensor | None = None

    @property
    def cost(self) -> Cost:
        """The cost as a matrix (..., n, m); built on first use where it was lazy."""
        return self.source.matrix

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the cost."""
        return self.like.dtype

    @property
    def shape(self) -> torch.Size:
        """(..., n, m)."""
        return self.like.shape

    @property
    def wants_gradient(self) -> bool:
        """Whether anybody will ask for a derivative."""
        return self.temperature is not None or any(x.requires_grad for x in self.source.inputs)

    @property
    def wide(self) -> torch.dtype:
        """The precision of potentials: float64 wherever the device has it."""
        return self.rows.mass.dtype

    def start(self) -> tuple[Tensor, Tensor]:
        """``f = g = 0``."""
        return torch.zeros_like(self.rows.mass), torch.zeros_like(self.cols.mass)


def make_problem(
    cost: object,
    *,
    epsilon: object,
    rows: Constraint,
    cols: Constraint,
    a: object,
    b: object,
    forbidden: object,
    reference: str,
    total: bool,
    streamed: bool | None = None,
) -> Problem:
    """Check everything a user can get wrong and say it in words. See ``solve`` for the arguments."""
    if reference not in REFERENCES:
        raise ValueError(near(reference, REFERENCES, what="reference"))
    lazy = isinstance(cost, LazyCost) and forbidden is None and reference == "counting"
    factored = factors(cost, streamed=streamed) if lazy else None  # type: ignore[arg-type]
    if streamed and factored is None:
        raise ValueError(
            "method='stream' needs the embeddings of two views, such as CosineCost(z, w) with z (n, d) and w (m, d), "
            f"without forbidden pairs or another reference; got {type(cost).__name__}"
        )
    # Where the matrix is not needed, something of its shape and type is.
    matrix = _checked_cost(cost) if factored is None else factored.like.new_zeros(()).expand(factored.shape)
    eps = as_epsilon(epsilon)
    allowed = _checked_allowed(forbidden, matrix)
    mass_rows, mass_cols = _masses(matrix, a, b)
    given = a is not None or b is not None  # the usual masses agree, and none is 0
    if given and (total or rows == cols == EXACT):
        _check_equal_totals(mass_rows, mass_cols, "total mass" if total else "both marginals exact")
        # What rounding left between the totals would keep the potentials moving for ever.
        mass_cols = mass_cols * (mass_rows.sum(-1, keepdim=True) / mass_cols.sum(-1, keepdim=True))
    _check_bounds(rows, cols, mass_rows, mass_cols)
    product = reference == "product"
    totals = (mass_rows.sum(-1), mass_cols.sum(-1)) if given else (float(matrix.shape[-2]),) * 2
    sides = (
        Marginal(rows, mass_rows, totals[0], eps, _dead(mass_rows) if given and (product or rows != FREE) else None),
        Marginal(cols, mass_cols, totals[1], eps, _dead(mass_cols) if given and (product or cols != FREE) else None),
    )
    if not total:
        _check_reachable(allowed, *sides)
    temperature = epsilon if isinstance(epsilon, Tensor) and epsilon.requires_grad else None
    source: Source | None = factored
    if source is None:
        scale = eps if temperature is None else temperature
        effective = _effective_cost(matrix, scale, allowed, sides if product else None)
        if total and effective.isposinf().all(-1).all(-1).any():
            raise ValueError(f"at least one pair must be allowed, got none in shape {tuple(matrix.shape)}")
        source = MatrixSource(effective)
    like = matrix.detach() if matrix.requires_grad else matrix
    return Problem(source, eps, *sides, mass_rows.sum(-1) if total else None, like, temperature)


def _checked_cost(cost: object) -> Tensor:
    matrix = as_float_tensor(cost.matrix() if isinstance(cost, LazyCost) else cost, name="cost")
    if matrix.ndim < 2:
        raise ValueError(f"cost must be of shape (..., n, m), got {tuple(matrix.shape)}")
    if 0 in matrix.shape:
        raise ValueError(f"cost must have n >= 1 and m >= 1, got shape {tuple(matrix.shape)}")
    return finite_cost(matrix)


def _checked_allowed(forbidden: object, cost: Cost) -> Allowed | None:
    if forbidden is None:
        return None
    try:
        mask = torch.as_tensor(forbidden, device=cost.device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"forbidden must be a boolean tensor or array, got {type(forbidden).__name__}") from error
    if mask.dtype != torch.bool:
        raise TypeError(f"forbidden must be boolean, got {mask.dtype}")
    if mask.ndim < 2 or mask.shape[-2:] != cost.shape[-2:] or not _fits(mask, cost.shape):
        raise ValueError(f"forbidden must have the cost's shape {tuple(cost.shape)}, got {tuple(mask.shape)}")
    return ~mask.expand(cost.shape)


def _masses(cost: Cost, a: object, b: object) -> tuple[Tensor, Tensor]:
    """Unit mass a row and n/m a column; whichever is given decides the total of the other."""
    *batch, n, m = cost.shape
    if a is None and b is None:
        wide = wide_dtype(cost)
        return cost.new_full((*batch, n), 1.0, dtype=wide), cost.new_full((*batch, m), n / m, dtype=wide)
    if a is None:
        mass_cols = _checked_mass(b, cost, "b", m)
        return (mass_cols.sum(-1, keepdim=True) / n).expand(*batch, n), mass_cols
    mass_rows = _checked_mass(a, cost, "a", n)
    if b is None:
        return mass_rows, (mass_rows.sum(-1, keepdim=True) / m).expand(*batch, m)
    return mass_rows, _checked_mass(b, cost, "b", m)


def _checked_mass(mass: object, cost: Cost, name: str, size: int) -> Tensor:
    tensor = as_float_tensor(mass, name=name).detach().to(cost.device, wide_dtype(cost))
    shape = (*cost.shape[:-2], size)
    if tensor.ndim < 1 or tensor.shape[-1] != size or not _fits(tensor, shape):
        side = "row" if name == "a" else "column"
        raise ValueError(f"{name} must have one mass a {side}, {shape}, got {tuple(tensor.shape)}")
    bad = ~torch.isfinite(tensor) | (tensor < 0)
    if bad.any():
        found = f"{tensor[bad][0].item():g} ({int(bad.sum())} such)"
        raise ValueError(f"masses {name} must be finite and >= 0, got {found}")
    if (tensor.sum(-1) <= 0).any():
        raise ValueError(f"masses {name} must have a total > 0, got 0 in shape {tuple(tensor.shape)}")
    return tensor.expand(shape)


def _fits(tensor: Tensor, shape: Sequence[int]) -> bool:
    """Whether ``tensor.expand(shape)`` works."""
    sizes = zip(reversed(tensor.shape), reversed(shape), strict=False)
    return tensor.ndim <= len(shape) and all(size in (1, wanted) for size, wanted in sizes)


def _check_equal_totals(mass_rows: Tensor, mass_cols: Tensor, when: str) -> None:
    sum_a, sum_b = mass_rows.sum(-1), mass_cols.sum(-1)
    off = ((sum_a - sum_b).abs() / sum_a).max().item()
    if off > 1e-6:
        raise ValueError(
            f"with {when} the totals must agree: sum(a) = sum(b), "
            f"got {sum_a.flatten()[0].item():g} and {sum_b.flatten()[0].item():g}"
        )


def _check_bounds(rows: Constraint, cols: Constraint, mass_rows: Tensor, mass_cols: Tensor) -> None:
    """The intervals of total mass that the two sides admit must meet."""
    if not (isinstance(rows, Bounded) or isinstance(cols, Bounded)):
        return
    lo_a, hi_a = _interval(rows, mass_rows.sum(-1))
    lo_b, hi_b = _interval(cols, mass_cols.sum(-1))
    slack = 1 + 1e-6
    if (lo_a > hi_b * slack).any() or (lo_b > hi_a * slack).any():
        raise ValueError(
            "the bounds cannot hold: the rows' total must lie between sum(lo b) and sum(hi b), "
            f"got rows [{lo_a.max().item():g}, {hi_a.min().item():g}] "
            f"and columns [{lo_b.max().item():g}, {hi_b.min().item():g}]"
        )


def _interval(constraint: Constraint, total: Tensor) -> tuple[Tensor, Tensor]:
    if isinstance(constraint, Bounded):
        return total * constraint.lo, total * constraint.hi
    if constraint == EXACT:
        return total, total
    return torch.zeros_like(total), torch.full_like(total, torch.inf)


def _dead(mass: Side) -> Tensor | None:
    empty = mass == 0
    return empty if empty.any() else None


def _check_reachable(allowed: Allowed | None, rows: Marginal, cols: Marginal) -> None:
    """Every row and column that must or may hold mass has somewhere to put it."""
    if allowed is None and rows.dead is None and cols.dead is None:
        return
    live_rows = torch.ones_like(rows.mass, dtype=torch.bool) if rows.dead is None else ~rows.dead
    live_cols = torch.ones_like(cols.mass, dtype=torch.bool) if cols.dead is None else ~cols.dead
    open_pairs = live_rows[..., :, None] & live_cols[..., None, :]
    if allowed is not None:
        open_pairs = open_pairs & allowed
    for what, stuck in (
        ("row", live_rows & ~open_pairs.any(-1)),
        ("column", live_cols & ~open_pairs.any(-2)),
    ):
        if stuck.any():
            index = stuck.nonzero()[0].tolist()
            raise ValueError(
                f"every {what} needs at least one allowed pair, got nothing allowed for {what} "
                f"{index[0] if len(index) == 1 else tuple(index)} ({int(stuck.sum())} such)"
            )


def _effective_cost(
    cost: Cost, epsilon: float | Tensor, allowed: Allowed | None, product: tuple[Marginal, Marginal] | None
) -> Cost:
    if product is not None:
        # Where a mass is 0 the reference has none: the effective cost is inf.
        rows, cols = product
        cost = cost - (epsilon * (rows.log_mass[..., :, None] + cols.log_mass[..., None, :])).to(cost.dtype)
    return cost if allowed is None else cost.masked_fill(~allowed, torch.inf)


def wide_dtype(cost: Tensor) -> torch.dtype:
    """The precision in which potentials are kept: float64, except on devices that have none."""
    return cost.dtype if cost.device.type == "mps" else torch.float64
