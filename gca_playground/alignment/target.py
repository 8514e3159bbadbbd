"""T: which matching do we want?"""

from __future__ import annotations

import torch
from torch import Tensor

from gca_playground._boundary import as_count, near

TARGETS = ("pairs",)
"""The targets that ``Alignment(target=...)`` knows by name."""


def pairs(n: int, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None) -> Tensor:
    """Row i belongs to column i: the identity (n, n), of mass n."""
    return torch.eye(as_count(n, name="n", least=1), dtype=dtype, device=device)


def target_for(name: str, like: Tensor) -> Tensor:
    """The named target in the shape (..., n, m), type and device of a plan.

    Raises: ValueError when the target is not defined for that shape.
    """
    check_target(name)
    n, m = like.shape[-2:]
    if n != m:
        raise ValueError(f"the target 'pairs' needs as many rows as columns, got n = {n} and m = {m}")
    return pairs(n, dtype=like.dtype, device=like.device)


def check_target(name: object) -> None:
    """Raises: ValueError with near names for a target nobody knows."""
    if name not in TARGETS:
        raise ValueError(near(name, TARGETS, what="target"))
