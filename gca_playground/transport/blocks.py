"""A kernel in blocks of rows: kept, or made anew at every passage.

One passage takes both half-steps of an iteration, each block serving the row step and then the column step while it is
in the cache; every second passage goes backwards, so that it begins with what the one before left there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from gca_playground._shapes import Matrix

_BLOCK_BYTES = 2**20
"""A block of rows of which a processor's own cache holds some, beside the vectors."""
_WHOLE_BYTES = 2**21
"""A kernel up to this size is one block."""

Block = tuple[int, Tensor, Tensor]
"""The number of a block, its rows (..., rows, m), and the same transposed."""


class Blocks:
    """A kernel in blocks of rows. ``sizes``: the rows of each, in order."""

    sizes: list[int]

    def passage(self, k: int) -> Iterable[Block]:
        """Every block once, in order where k is even and backwards where it is odd."""
        raise NotImplementedError


class KeptBlocks(Blocks):
    """A kernel that is there."""

    def __init__(self, kernel: Matrix) -> None:
        large = kernel.numel() * kernel.element_size() > _WHOLE_BYTES
        rows = kernel.shape[-2]
        if kernel.ndim == 2 and large and kernel.device.type == "cpu":
            rows = block_rows(kernel.shape[-1], kernel.element_size())
        parts = kernel.split(rows, -2) if rows < kernel.shape[-2] else (kernel,)
        self.sizes = [part.shape[-2] for part in parts]
        self.forth = [(i, part, part.mT) for i, part in enumerate(parts)]
        self.back = self.forth[::-1]

    def passage(self, k: int) -> list[Block]:
        """Every block once."""
        return self.back if k % 2 else self.forth


class StreamedBlocks(Blocks):
    """``exp(p q' / epsilon)`` made block by block in one buffer; each overwrites the one before.

    ``moderate``: no entry is so small that products with it would be slow.
    """

    def __init__(self, p: Tensor, q: Tensor, epsilon: float, *, moderate: bool) -> None:
        # Laid out: products with it are a fifth faster than with a view.
        self.turned, self.moderate = torch.div(q.mT, epsilon, out=q.new_empty(q.mT.shape)), moderate
        self.parts = p.split(block_rows(len(q), p.element_size()))
        self.sizes = [len(part) for part in self.parts]
        self.buffer = p.new_empty(self.sizes[0], len(q))

    def passage(self, k: int) -> Iterator[Block]:
        """Every block once."""
        numbers = range(len(self.parts))
        for i in reversed(numbers) if k % 2 else numbers:
            exponent = torch.mm(self.parts[i], self.turned, out=self.buffer[: self.sizes[i]])
            block = exponent.exp_() if self.moderate else exp_(exponent)
            yield i, block, block.mT


def exp_(exponent: Matrix) -> Matrix:
    """The exponential in place; what would be below the normal numbers, with which products are far slower, is 0."""
    return torch.threshold_(exponent.exp_(), torch.finfo(exponent.dtype).tiny, 0.0)


def block_rows(columns: int, bytes_each: int) -> int:
    """How many rows make a block."""
    return max(64, _BLOCK_BYTES // (columns * bytes_each))
