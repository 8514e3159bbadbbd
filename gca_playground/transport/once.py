"""A gradient of our own that has no gradient: whoever asks for a second derivative is told so.

Torch's own ``once_differentiable`` tells only where the incoming gradient wants one too. That of a loss is the number
1: its second derivative would be 0 without a word.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Backward = Callable[..., Any]


def once(backward: Backward) -> Backward:
    """For the backward of a ``torch.autograd.Function`` whose forward notes in ``ctx.given`` what it was given."""

    @functools.wraps(backward)
    def told(ctx: Any, *bars: Tensor | None) -> Any:
        if not torch.is_grad_enabled():
            return backward(ctx, *bars)
        with torch.no_grad():
            found = backward(ctx, *bars)
        roots = [x for x in (*ctx.given, *bars) if isinstance(x, Tensor) and x.requires_grad]
        return tuple(None if slope is None else _Refuse.apply(slope, *roots) for slope in found)

    return told


class _Refuse(torch.autograd.Function):
    """The same number, which says what it depends on, and not how."""

    @staticmethod
    def forward(ctx: Any, slope: Tensor, *roots: Tensor) -> Tensor:
        """The gradient as it is."""
        return slope.view_as(slope)

    @staticmethod
    def backward(ctx: Any, bar: Tensor) -> tuple[None, ...]:
        """Raises: NotImplementedError, always."""
        raise NotImplementedError(
            "this gradient cannot be differentiated again: grad='autograd' has second derivatives"
        )
