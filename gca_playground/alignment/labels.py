"""One label a row: classes or domains, as numbers or words."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def same_label(labels: object) -> Tensor:
    """True where two rows have one label, (n, n)."""
    given = as_labels(labels)
    return given[:, None] == given[None, :]


def as_labels(labels: object) -> Tensor:
    """Numbers or words as a tensor (n,). Raises: TypeError, ValueError for what is not one label a row."""
    if labels is None or isinstance(labels, str | bytes):
        raise TypeError(f"labels must be one a row, (n,), got {labels!r}")
    try:
        given = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError):
        given = _numbered(labels)
    if given.ndim != 1 or len(given) == 0:
        raise ValueError(f"labels must be one a row, (n,), got shape {tuple(given.shape)}")
    if given.isnan().any():
        raise ValueError(f"labels must not be NaN, got {int(given.isnan().sum())} such")
    return given


def _numbered(labels: object) -> Tensor:
    """Words as numbers."""
    if not isinstance(labels, Iterable):
        raise TypeError(f"labels must be one a row, (n,), got {labels!r:.60}")
    words = list(labels)
    number = {word: k for k, word in enumerate(dict.fromkeys(words))}
    return torch.tensor([number[word] for word in words])
