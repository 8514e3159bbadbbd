import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

import gca_playground as gca
from gca_playground.learning.files import read_idx

DRAW = np.random.default_rng(0)
IMAGES = DRAW.integers(0, 256, (7, 28, 28), dtype=np.uint8)
LABELS = np.array([5, 0, 4, 1, 9, 2, 1], dtype=np.uint8)
COLOURS = DRAW.integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)
KINDS = np.array([6, 9, 9, 4, 1, 1], dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


def write_mnist(folder: Path, *, stem: str = "train", packed: bool = False, infix: str = "-") -> None:
    for what, array in (("images", IMAGES), ("labels", LABELS)):
        path = folder / f"{stem}-{what}{infix}idx{array.ndim}-ubyte"
        if packed:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(idx(array)))
        else:
            path.write_bytes(idx(array))


def records(images: np.ndarray, labels: np.ndarray) -> bytes:
    return b"".join(bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True))


def write_cifar(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for k in range(5):
        (folder / f"data_batch_{k + 1}.bin").write_bytes(records(COLOURS[k : k + 2], KINDS[k : k + 2]))
    (folder / "test_batch.bin").write_bytes(records(COLOURS[:3], KINDS[:3]))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("split", "stem"), [("train", "train"), ("test", "t10k")])
@pytest.mark.parametrize("infix", ["-", "."])
def test_mnist_is_read(tmp_path: Path, packed: bool, split: str, stem: str, infix: str) -> None:
    write_mnist(tmp_path, stem=stem, packed=packed, infix=infix)
    data = gca.datasets.mnist(tmp_path, split=split)
    torch.testing.assert_close(data.view1, torch.tensor(IMAGES.reshape(7, 784) / 255, dtype=torch.float32))
    assert data.view2.argmax(1).tolist() == data.labels.tolist() == LABELS.tolist()
    assert data.view2.sum(1).eq(1).all() and data.view2.shape == (7, 10)
    assert repr(data).startswith("Pairs('mnist, label': 7 pairs, 784-d and 10-d views")


def test_halves_are_left_and_right(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    data = gca.datasets.mnist(str(tmp_path), "halves", n=3)
    left, right = (half.view(3, 28, 14) * 255 for half in (data.view1, data.view2))
    assert torch.cat([left, right], -1).round().byte().numpy().tolist() == IMAGES[:3].tolist()


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-bin"])
def test_cifar_is_read(tmp_path: Path, inner: str) -> None:
    write_cifar(tmp_path / inner)
    data = gca.datasets.cifar10(tmp_path)
    assert data.labels.tolist() == [6, 9, 9, 9, 9, 4, 4, 1, 1, 1]
    torch.testing.assert_close(data.view1[3], torch.tensor(COLOURS[2].reshape(-1) / 255, dtype=torch.float32))
    assert gca.datasets.cifar10(tmp_path, split="test").labels.tolist() == [6, 9, 9]
    halves = gca.datasets.cifar10(tmp_path, "halves", split="test", n=2)
    left, right = (half.view(2, 3, 32, 16) for half in (halves.view1, halves.view2))
    torch.testing.assert_close(torch.cat([left, right], -1), torch.tensor(COLOURS[:2] / 255, dtype=torch.float32))


def test_such_pairs_can_be_learnt_from(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    data = gca.datasets.mnist(tmp_path)
    assert data.views([2, 2], torch.Generator())[0].equal(data.view1[[2, 2]])
    model = gca.crossmodal.fit(data.view1, data.view2, steps=2, batch=4)
    assert model.score(data.view1, torch.eye(10)).shape == (7, 10)


def test_a_missing_file_is_named_in_all_its_forms(tmp_path: Path) -> None:
    expected = "none of t10k-images-idx3-ubyte, t10k-images-idx3-ubyte.gz, t10k-images.idx3-ubyte, t10k-images.idx3-ub"
    with pytest.raises(FileNotFoundError, match=expected):
        gca.datasets.mnist(tmp_path, split="test")
    with pytest.raises(FileNotFoundError, match=r"none of data_batch_1.bin, data_batch_1.bin.gz is in /"):
        gca.datasets.cifar10(tmp_path)


def spoil(tmp_path: Path, content: bytes, name: str = "train-labels-idx1-ubyte") -> None:
    write_mnist(tmp_path)
    (tmp_path / name).write_bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(IMAGES), r"no IDX file of bytes in 1 dimensions: magic 2051, not 2049"),
        (b"", r"no IDX file of bytes in 1 dimensions: magic 0, not 2049"),
        (bytes([0, 0, 8, 1, 0, 0]), r"is truncated: its header has 8 bytes, the file 6"),
        (idx(LABELS)[:-2], r"is truncated: \(7,\) takes 7 bytes after the header, there are 5"),
        (idx(LABELS) + b"x", r"is too long: \(7,\) takes 7 bytes after the header, there are 8"),
        (idx(LABELS[:6]), r"holds 7 images and 6 labels of the split 'train'"),
        (idx(LABELS + 9), r"labels of mnist are 0 to 9, got 18"),
    ],
)
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    spoil(tmp_path, content)
    with pytest.raises(ValueError, match=message):
        gca.datasets.mnist(tmp_path)


def test_a_header_that_promises_too_much_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    path.write_bytes(bytes([0, 0, 8, 3]) + b"\xff" * 12)
    with pytest.raises(ValueError, match="is truncated"):
        read_idx(path, dimensions=3)


@pytest.mark.parametrize("content", [gzip.compress(idx(LABELS), mtime=0)[:-9], b"not gzip at all"])
def test_a_broken_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    write_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(content)
    with pytest.raises(ValueError, match="is truncated or no gzip file"):
        gca.datasets.mnist(tmp_path)


@pytest.mark.parametrize("content", [b"", b"x" * 3072])
def test_a_truncated_cifar_file_is_refused(tmp_path: Path, content: bytes) -> None:
    write_cifar(tmp_path)
    (tmp_path / "data_batch_3.bin").write_bytes(content)
    with pytest.raises(ValueError, match=r"data_batch_3.bin is truncated or of another format: records have 3073 byt"):
        gca.datasets.cifar10(tmp_path)


def test_arguments_are_checked(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    with pytest.raises(ValueError, match="unknown split 'tset': did you mean 'test'"):
        gca.datasets.mnist(tmp_path, split="tset")
    with pytest.raises(ValueError, match="unknown kind of pair 'half': did you mean 'halves'"):
        gca.datasets.mnist(tmp_path, "half")
    with pytest.raises(ValueError, match=r"n must be in \[1, 7\], the images of the files, got 8"):
        gca.datasets.mnist(tmp_path, n=8)


def test_the_digits_come_as_two_modalities() -> None:
    train, test = (gca.datasets.digit_pairs(split=split) for split in ("train", "test"))
    assert (len(train), len(test)) == (1297, 500)
    assert train.view1.equal(gca.datasets.load("digits", split="train", noise=0.0).x)
    assert train.view2.argmax(1).equal(train.labels)
    halves = gca.datasets.digit_pairs("halves", split="test")
    rows = torch.cat([halves.view1.view(500, 8, 4), halves.view2.view(500, 8, 4)], 2).flatten(1)
    assert rows.equal(test.view1)
    with pytest.raises(ValueError, match="unknown kind of pair 'labels': did you mean 'label'"):
        gca.datasets.digit_pairs("labels")
