"""Symmetric matrices in double precision: roots, log-determinants, and what a covariance must obey."""

from __future__ import annotations

import torch
from torch import Tensor

from gca_playground._boundary import as_float_tensor

EPS = torch.finfo(torch.float64).eps


def as_double(value: object, *, name: str) -> Tensor:
    """A float64 tensor from a tensor, an array or nested numbers; plain numbers lose no digit on the way.

    Raises: TypeError, ValueError that name what came.
    """
    if isinstance(value, int | float | list | tuple) and not isinstance(value, bool):
        try:
            value = torch.tensor(value, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError) as error:
            kind = type(value).__name__
            raise TypeError(f"{name} must be a tensor or an array of numbers, got {kind}: {error}") from error
    tensor = as_float_tensor(value, name=name).double()
    if not tensor.isfinite().all():
        raise ValueError(f"{name} must be finite, got NaN or infinity in shape {tuple(tensor.shape)}")
    return tensor


def as_matrix(value: object, *, name: str, shape: tuple[int, int] | None = None) -> Tensor:
    """A float64 matrix; a number stands for 1 x 1. Raises: TypeError, ValueError with the two shapes."""
    matrix = as_double(value, name=name)
    matrix = matrix.reshape(1, 1) if matrix.ndim == 0 else matrix
    if matrix.ndim != 2 or 0 in matrix.shape or (shape is not None and tuple(matrix.shape) != shape):
        wanted = "a matrix" if shape is None else f"of shape {shape}"
        raise ValueError(f"{name} must be {wanted}, got shape {tuple(matrix.shape)}")
    return matrix


def as_vector(value: object | None, *, name: str, size: int) -> Tensor:
    """A float64 vector of that size; a number stands for a vector of one, None for zeros."""
    if value is None:
        return torch.zeros(size, dtype=torch.float64)
    vector = as_double(value, name=name)
    vector = vector.reshape(1) if vector.ndim == 0 else vector
    if tuple(vector.shape) != (size,):
        raise ValueError(f"{name} must be of shape ({size},), got {tuple(vector.shape)}")
    return vector


def as_symmetric(value: object, *, name: str, size: int | None = None) -> Tensor:
    """A symmetric float64 matrix. Raises: ValueError that names the largest asymmetry."""
    matrix = as_matrix(value, name=name, shape=None if size is None else (size, size))
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"{name} must be square, got shape {tuple(matrix.shape)}")
    off = (matrix - matrix.mT).abs().max().item()
    if off > 1e-8 * matrix.abs().max().item():
        raise ValueError(f"{name} must be symmetric, got entries that differ by {off:.3g} from their mirror image")
    return (matrix + matrix.mT) / 2


def as_covariance(value: object, *, name: str, size: int | None = None) -> Tensor:
    """A positive definite float64 matrix. Raises: ValueError that names the smallest eigenvalue."""
    cov = as_symmetric(value, name=name, size=size)
    check_positive(cov, name=name)
    return cov


def check_positive(cov: Tensor, *, name: str, hint: str = "") -> None:
    """Raise a ValueError that names the smallest eigenvalue where that is not above rounding."""
    values = torch.linalg.eigvalsh(cov.detach())
    smallest = values[0].item()
    if smallest <= len(cov) * EPS * values.abs().max().item():
        shape = tuple(cov.shape)
        raise ValueError(
            f"{name} must be positive definite, got smallest eigenvalue {smallest:.6g} in shape {shape}{hint}"
        )


def root(cov: Tensor, power: float = 0.5) -> Tensor:
    """The symmetric power of a positive semidefinite matrix; a negative power needs a definite one."""
    values, vectors = torch.linalg.eigh(cov)
    return (vectors * values.clamp_min(0.0) ** power) @ vectors.mT


def logdet(cov: Tensor) -> Tensor:
    """The log-determinant of a positive definite matrix; -inf where it is not one.

    So a log-partition function, minus half of it, is +inf where its integral diverges.
    """
    factor, failed = torch.linalg.cholesky_ex(cov)
    if failed.item():
        return torch.full((), -torch.inf, dtype=cov.dtype)
    return 2 * factor.diagonal().log().sum()


def eye_like(matrix: Tensor) -> Tensor:
    """The identity of the size of a square matrix."""
    return torch.eye(len(matrix), dtype=matrix.dtype)
