"""Images from files one has: MNIST in its IDX format, CIFAR-10 in its binary version. Nothing is downloaded.

Sources of the formats: LeCun, Cortes and Burges, "The MNIST database", its description of IDX; Krizhevsky, "The
CIFAR-10 dataset", section "Binary version".
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from gca_playground._boundary import as_count
from gca_playground.learning.laws import known
from gca_playground.learning.modalities import two_modalities
from gca_playground.learning.pairs import Pairs

SPLITS = ("train", "test")
MNIST_FILES = {"train": "train", "test": "t10k"}
IDX_BYTES = 0x08
"""The type of IDX files of unsigned bytes, the only one that MNIST and its relatives use."""
CIFAR_FILES = {"train": tuple(f"data_batch_{k}.bin" for k in range(1, 6)), "test": ("test_batch.bin",)}
CIFAR_SHAPE = (3, 32, 32)
CIFAR_RECORD = 1 + 3 * 32 * 32
"""Bytes of a record: the label, then the red, green and blue planes."""


def mnist(folder: str | Path, kind: str = "label", *, split: str = "train", n: int | None = None) -> Pairs:
    """MNIST, or any set in its files (Fashion-MNIST, KMNIST), as two modalities.

    Given: ``folder`` with ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte`` ("t10k-..." for the test split),
    as they are or with ``.gz``; ``kind``: "label": image (n, 784) in [0, 1] and label, one-hot (n, 10), or "halves";
    ``n``: the first so many; None: all.
    Raises: FileNotFoundError that lists the names looked for; ValueError for a file of another format, a truncated one,
    and for as many labels as there are not images.
    """
    stem = MNIST_FILES[known("split", split, SPLITS)]
    images = read_idx(_found(folder, f"{stem}-images-idx3-ubyte", f"{stem}-images.idx3-ubyte"), dimensions=3)
    labels = read_idx(_found(folder, f"{stem}-labels-idx1-ubyte", f"{stem}-labels.idx1-ubyte"), dimensions=1)
    if len(images) != len(labels):
        raise ValueError(f"{folder} holds {len(images)} images and {len(labels)} labels of the split {split!r}")
    return _as_pairs("mnist", images[:, None], labels, kind=kind, n=n)


def cifar10(folder: str | Path, kind: str = "label", *, split: str = "train", n: int | None = None) -> Pairs:
    """CIFAR-10 as two modalities, from ``data_batch_1.bin`` to ``data_batch_5.bin``, or ``test_batch.bin``.

    Given: ``folder`` that holds the files of the binary version, as they are or with ``.gz``, or its folder
    ``cifar-10-batches-bin``; ``kind``: "label": image (n, 3072) in [0, 1], colour by colour, and label, one-hot
    (n, 10), or "halves"; ``n``: the first so many; None: all. Raises: as ``mnist``.
    """
    inner = Path(folder) / "cifar-10-batches-bin"
    home = inner if inner.is_dir() else Path(folder)
    paths = [_found(home, name) for name in CIFAR_FILES[known("split", split, SPLITS)]]
    records = np.concatenate([_records(path) for path in paths])
    return _as_pairs("cifar10", records[:, 1:].reshape(-1, *CIFAR_SHAPE), records[:, 0], kind=kind, n=n)


def read_idx(path: str | Path, *, dimensions: int) -> np.ndarray:
    """An IDX file of unsigned bytes, gzipped or not, as an array of so many dimensions.

    Raises: ValueError for another magic number, and where the file is shorter or longer than its header says.
    """
    path = Path(path)
    data, head = _read(path), 4 + 4 * dimensions
    magic = bytes([0, 0, IDX_BYTES, dimensions])
    if data[:4] != magic:
        wanted, got = int.from_bytes(magic), int.from_bytes(data[:4])
        raise ValueError(f"{path} is no IDX file of bytes in {dimensions} dimensions: magic {got}, not {wanted}")
    if len(data) < head:
        raise ValueError(f"{path} is truncated: its header has {head} bytes, the file {len(data)}")
    shape = tuple(np.frombuffer(data[4:head], dtype=">u4").astype(int).tolist())
    size = int(np.prod(shape, dtype=object))
    if len(data) - head != size:
        what = "truncated" if len(data) - head < size else "too long"
        raise ValueError(f"{path} is {what}: {shape} takes {size} bytes after the header, there are {len(data) - head}")
    return np.frombuffer(data, dtype=np.uint8, offset=head).reshape(shape)


def _records(path: Path) -> np.ndarray:
    data = _read(path)
    if not data or len(data) % CIFAR_RECORD:
        raise ValueError(
            f"{path} is truncated or of another format: records have {CIFAR_RECORD} bytes, the file {len(data)}"
        )
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, CIFAR_RECORD)


def _as_pairs(name: str, images: np.ndarray, labels: np.ndarray, *, kind: str, n: int | None) -> Pairs:
    count = len(images) if n is None else as_count(n, name="n", least=1)
    if not 0 < count <= len(images):
        raise ValueError(f"n must be in [1, {len(images)}], the images of the files, got {n}")
    if labels.max() > 9:
        raise ValueError(f"labels of {name} are 0 to 9, got {labels.max()}: perhaps a file of another format")
    x: Float32[Tensor, "n c h w"] = torch.from_numpy(images[:count].astype(np.float32)).div_(255)
    y: Int64[Tensor, " n"] = torch.from_numpy(labels[:count].astype(np.int64))
    return two_modalities(f"{name}, {kind}", x, y, kind=kind, classes=10)


def _found(folder: str | Path, *names: str) -> Path:
    """The first of these files that is there, as it is or gzipped."""
    tried = [name + end for name in names for end in ("", ".gz")]
    for name in tried:
        if (Path(folder) / name).is_file():
            return Path(folder) / name
    raise FileNotFoundError(f"none of {', '.join(tried)} is in {Path(folder).resolve()}")


def _read(path: Path) -> bytes:
    if path.suffix != ".gz":
        return path.read_bytes()
    try:
        return gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is truncated or no gzip file: {error}") from error
