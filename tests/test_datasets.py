"""The data is what was published, is split as promised, and bad data is refused."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from drlcore.data import paths
from drlcore.data.datasets import (
    DATASETS,
    Dataset,
    Split,
    available,
    from_arrays,
    load_dataset,
    require,
)
from drlcore.data.factors import FACTORS, measure_factors
from drlcore.data.idx import read_idx
from drlcore.data.image_files import read_image_folder
from drlcore.data.sources import MNIST_MD5
from drlcore.errors import DataError, ParameterError

Array = NDArray[Any]
CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def parts(data: Dataset) -> tuple[Split, Split, Split]:
    return data.train, data.validation, data.test


def idx(array: Array) -> bytes:
    code = CODES[array.dtype.str[1:]]
    header = struct.pack(f">4B{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def arrays(**changes: Any) -> dict[str, Any]:
    """Arrays of a small dataset, two classes of 20 and 5; the first pixel numbers the image."""
    x = np.random.default_rng(0).integers(0, 256, (50, 6, 5), np.uint8)
    x[:, 0, 0] = np.arange(50)
    y = np.arange(50) % 2
    return {"x_train": x[:40], "y_train": y[:40], "x_test": x[40:], "y_test": y[40:]} | changes


# The datasets of the repository


@pytest.mark.parametrize("name", ["mnist", "digits", "toy", "colored-mnist"])
def test_every_dataset_keeps_the_contract(name: str) -> None:
    data = load_dataset(name)
    assert data is load_dataset(name) and data.name == name
    assert len(data.checksum) == 16 and int(data.checksum, 16) >= 0
    for part in parts(data):
        assert part.x.dtype == torch.float32 and part.x.shape == (len(part.y), *data.shape)
        assert part.x.isfinite().all()
        assert part.y.dtype == torch.int64
        assert set(part.y.tolist()) == set(range(data.n_classes))


@pytest.mark.parametrize("name", ["mnist", "digits"])
def test_images_are_scaled_and_parts_disjoint_and_balanced(name: str) -> None:
    data = load_dataset(name)
    for part in parts(data):
        assert part.x.min() == -1 and part.x.max() == 1
    seen = [{image.tobytes() for image in part.x.numpy()} for part in parts(data)]
    assert len(set.union(*seen)) == sum(len(part.y) for part in parts(data))
    train, held_out = (torch.bincount(part.y) for part in parts(data)[:2])
    expected = (train + held_out) * len(data.validation.y) / (train + held_out).sum()
    assert (held_out - expected).abs().max() <= 1


def test_mnist_is_the_published_one() -> None:
    data = load_dataset("mnist")
    assert data.shape == (1, 28, 28) and data.n_classes == 10
    assert [len(part.y) for part in parts(data)] == [54_000, 6_000, 10_000]
    for file, md5 in MNIST_MD5.items():
        content = gzip.decompress((paths.mnist() / f"{file}.gz").read_bytes())
        assert hashlib.md5(content).hexdigest() == md5
    labels = torch.cat([data.train.y, data.validation.y])
    published = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(labels).tolist() == published
    assert data.test.y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    raw = read_idx(paths.mnist() / "t10k-images-idx3-ubyte.gz")
    assert torch.equal(((data.test.x[:, 0] + 1) * 127.5).round().byte(), torch.from_numpy(raw))


@pytest.mark.parametrize(
    ("name", "checksum"),
    [
        ("mnist", "1e35582d42a90940"),
        ("digits", "67fb90c43837fed0"),
        ("colored-mnist", "1e40e8c497dbbaf2"),
    ],
)
def test_committed_artefacts_were_made_from_this_data(name: str, checksum: str) -> None:
    assert load_dataset(name).checksum == checksum


def test_the_split_of_mnist_never_changes() -> None:
    held_out = load_dataset("mnist").validation
    drawn = hashlib.sha256(held_out.y.numpy().astype("<i8").tobytes()).hexdigest()
    assert drawn.startswith("38efb16708910fd4")


def test_digits() -> None:
    data = load_dataset("digits")
    assert data.shape == (1, 8, 8) and data.n_classes == 10
    assert [len(part.y) for part in parts(data)] == [1077, 360, 360]


def test_toy() -> None:
    data = load_dataset("toy")
    assert data.shape == (2,)
    assert [len(part.y) for part in parts(data)] == [10_000, 2_000, 5_000]
    for part in parts(data):
        assert set(part.factors) == {"coarse", "middle", "fine"}
        assert part.y.tolist() == part.factors["coarse"].tolist()
    assert not torch.equal(data.train.x[:2_000], data.validation.x)


def test_factors_are_measured_from_the_images() -> None:
    part = load_dataset("digits").test
    assert tuple(part.factors) == FACTORS and len(part.factors) == len(FACTORS)
    measured = measure_factors((part.x[:, 0].numpy() + 1) / 2)
    for name, values in part.factors.items():
        assert values == pytest.approx(measured[name]), name
    assert part.factors["ink"] is part.factors["ink"]
    with pytest.raises(KeyError):
        part.factors["colour"]


@pytest.mark.parametrize("name", ["MNIST", "cifar", "", "images.txt", "npz", 3, None])
def test_unknown_names_are_refused(name: Any) -> None:
    known = ", ".join(DATASETS) + ", or the path of a .npz, a .npy or a folder of pictures"
    for ask in (load_dataset, available, require):
        with pytest.raises(ParameterError, match=re.escape(known)):
            ask(name)


# Damaged files


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with MNIST's four files, free to be damaged; returns their folder."""
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for file in MNIST_MD5:
        os.symlink(paths.mnist() / f"{file}.gz", folder / f"{file}.gz")
    monkeypatch.setenv("DRLCORE_ROOT", str(tmp_path))
    return folder


def refused(folder: Path, file: str, content: bytes | None) -> str:
    """What ``load_dataset`` says once ``file`` is absent or holds ``content`` instead."""
    path = folder / f"{file}.gz"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_dataset("mnist")
    message = str(caught.value)
    assert str(path) in message and MNIST_MD5[file] in message
    assert "git checkout -- data/mnist" in message and "\n" not in message
    return message


def test_a_missing_file(checkout: Path) -> None:
    assert "no such file" in refused(checkout, "train-images-idx3-ubyte", None)


@pytest.mark.parametrize("content", [b"<html>404</html>", bytes(100), b"\x1f"])
def test_a_file_that_is_not_gzip(checkout: Path, content: bytes) -> None:
    message = refused(checkout, "train-images-idx3-ubyte", content)
    assert "not a whole gzip file" in message


def test_an_empty_file(checkout: Path) -> None:
    message = refused(checkout, "train-images-idx3-ubyte", b"")
    assert f"found {hashlib.md5(b'').hexdigest()}" in message


@pytest.mark.parametrize("kept", [0.0005, 0.5, 0.9999])
def test_a_truncated_file(checkout: Path, kept: float) -> None:
    whole = (checkout / "train-images-idx3-ubyte.gz").read_bytes()
    message = refused(checkout, "train-images-idx3-ubyte", whole[: int(kept * len(whole))])
    assert "not a whole gzip file" in message


def test_a_corrupted_byte_of_the_compressed_file(checkout: Path) -> None:
    damaged = bytearray((checkout / "t10k-labels-idx1-ubyte.gz").read_bytes())
    damaged[2000] ^= 1
    refused(checkout, "t10k-labels-idx1-ubyte", bytes(damaged))


def test_a_corrupted_label(checkout: Path) -> None:
    damaged = bytearray(gzip.decompress((checkout / "train-labels-idx1-ubyte.gz").read_bytes()))
    damaged[-1] ^= 1
    message = refused(checkout, "train-labels-idx1-ubyte", gzip.compress(damaged))
    assert f"found {hashlib.md5(damaged).hexdigest()}" in message


def test_a_whole_copy_is_the_same_data(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths.mnist() == checkout
    path = checkout / "t10k-images-idx3-ubyte.gz"
    content = gzip.decompress(path.read_bytes())
    path.unlink()
    path.write_bytes(gzip.compress(content, 1))  # other compression, same content
    copy = load_dataset("mnist")
    monkeypatch.delenv("DRLCORE_ROOT")
    assert copy.checksum == load_dataset("mnist").checksum


# IDX


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(CODES)).flatmap(
        lambda kind: hnp.arrays(np.dtype(kind), hnp.array_shapes(min_dims=0, min_side=0))
    )
)
def test_idx_round_trip(tmp_path_factory: pytest.TempPathFactory, array: Array) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.gz"
    content = idx(array)
    path.write_bytes(gzip.compress(content, 1))
    found = read_idx(path, hashlib.md5(content).hexdigest())
    assert found.dtype == array.dtype and found.dtype.isnative and found.flags.writeable
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file: it starts with nothing"),
        (b"\0\0\x08", "not an IDX file: it starts with 000008"),
        (b"\0\1\x08\1" + bytes(4), "not an IDX file: it starts with 00010801"),
        (b"\0\0\x07\1" + bytes(4), "not an IDX file: it starts with 00000701"),
        (b"\0\0\x08\3" + bytes(8), "not an IDX file: it starts with 00000803"),
        (idx(np.zeros((2, 3), "u1"))[:-1], r"shape \(2, 3\), 6 bytes, but 5 follow"),
        (idx(np.zeros(2, "f4")) + b"\0", r"shape \(2,\), 8 bytes, but 9 follow"),
    ],
)
def test_a_file_that_is_not_idx(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match=message):
        read_idx(path)


def test_a_small_file_that_unpacks_to_a_huge_one_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, array = tmp_path / "a.gz", np.zeros(1000, "u1")
    path.write_bytes(gzip.compress(idx(array)))
    monkeypatch.setattr("drlcore.data.idx._LARGEST", 1008)
    np.testing.assert_array_equal(read_idx(path), array)
    monkeypatch.setattr("drlcore.data.idx._LARGEST", 1007)
    with pytest.raises(DataError, match="a.gz: unpacks to more than 1,007 bytes; expected MD5 0"):
        read_idx(path, "0")


def test_an_image_that_claims_too_much_is_refused_by_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cat").mkdir()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setattr(Image.Image, "convert", None)  # the pixels stay unread
    for side, message in ((9, "9 x 9 pixels; allowed: 84"), (30, "not a readable image")):
        Image.new("1", (side, side)).save(tmp_path / "cat" / "a.png")
        with pytest.raises(DataError, match=rf"a\.png: {message}"):
            read_image_folder(tmp_path, 84)


# A user's own images


def test_own_images_from_memory() -> None:
    given = arrays()
    data = from_arrays("mine", **given)
    assert data.name == "mine" and data.shape == (1, 6, 5) and data.n_classes == 2
    assert [len(part.y) for part in parts(data)] == [36, 4, 10]
    assert data.validation.y.sum() == 2
    whole = torch.from_numpy(given["x_train"])[:, None]
    numbers = []
    for part in parts(data)[:2]:
        pixels = ((part.x + 1) * 127.5).round().byte()
        numbers.append(pixels[:, 0, 0, 0].tolist())
        assert torch.equal(pixels, whole[numbers[-1]]) and numbers[-1] == sorted(numbers[-1])
        assert torch.equal(part.y, torch.tensor(numbers[-1]) % 2)
    assert sorted(numbers[0] + numbers[1]) == list(range(40))
    assert np.isfinite(data.train.factors["thickness"]).all()


def test_own_images_in_every_allowed_form() -> None:
    x = {key: value for key, value in arrays().items() if key[0] == "x"}
    as_bytes = from_arrays("a", **arrays())
    for forms in (
        {key: value / 255 for key, value in x.items()},
        {key: (value / 127.5 - 1).astype(np.float32) for key, value in x.items()},
        {key: value[:, None] for key, value in x.items()},
        {key: torch.from_numpy(value) for key, value in x.items()},
    ):
        same = from_arrays("a", **arrays(**forms))
        assert torch.allclose(same.train.x, as_bytes.train.x, atol=1e-6)
        assert torch.equal(same.validation.y, as_bytes.validation.y)
    colour = {key: np.stack([value] * 3, 1) for key, value in x.items()}
    assert from_arrays("a", **arrays(**colour)).shape == (3, 6, 5)


def test_own_arrays_are_not_changed() -> None:
    x = np.random.default_rng(0).random((50, 1, 6, 5), np.float32)
    before = x.copy()
    from_arrays("a", **arrays(x_train=x[:40], x_test=x[40:]))
    np.testing.assert_array_equal(x, before)


def test_the_checksum_follows_every_array() -> None:
    given = arrays()
    checksums = {from_arrays("a", **given).checksum}
    assert checksums == {from_arrays("b", **arrays()).checksum}
    for key, array in given.items():
        changed = array.copy()
        changed.flat[3] = 1 - changed.flat[3] if key[0] == "y" else changed.flat[3] ^ 1
        checksums.add(from_arrays("a", **(given | {key: changed})).checksum)
    assert len(checksums) == 5


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(10, 30), min_size=2, max_size=8))
def test_every_class_is_in_both_parts(counts: list[int]) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    data = from_arrays("a", **arrays(x_train=np.zeros((len(y), 6, 5), np.uint8), y_train=y))
    for part in (data.train, data.validation):
        assert set(part.y.tolist()) == set(range(len(counts)))


BAD: list[tuple[dict[str, Any], str]] = [
    ({"x_train": np.zeros((40, 30), np.uint8)}, r"x_train has shape \(40, 30\)"),
    ({"x_test": np.zeros((10, 32, 32, 3), np.uint8)}, "they must agree"),
    ({"x_test": np.zeros((0, 6, 5), np.uint8)}, r"x_test has shape \(0, 6, 5\)"),
    ({"x_train": np.zeros((40, 6, 5), np.int64)}, "x_train holds int64 .* they must agree"),
    ({"x_train": np.zeros((40, 6, 5), bool)}, "x_train holds bool .* they must agree"),
    ({"x_test": np.zeros((10, 6, 6), np.uint8)}, "they must agree"),
    ({"x_test": np.zeros((10, 6, 5))}, "they must agree"),
    ({"x_test": None}, "there is y_test but no x_test"),
    ({"y_test": None}, "no y_test but y_train; give labels of all parts"),
    ({"y_train": None}, "no y_train but y_test"),
    ({"y_train": np.zeros(39, int)}, "y_train has shape .39,. .*allowed: 40 labels"),
    ({"y_test": np.full(10, -1)}, "y_test has the class -1, which y_train lacks"),
    ({"y_test": np.array(["a"] * 10)}, "y_train holds labels of type int64 but y_test of <U1"),
    ({"y_test": np.full(10, 2)}, "y_test has the class 2"),
    ({"y_train": np.zeros(40, int)}, "y_train has one class, 0"),
    ({"y_train": np.arange(40) % 2 * 2}, "y_test has the class 1, which .* lacks: it has 0, 2"),
    ({"y_train": np.array([0] * 31 + [1] * 9)}, "class 1 has 9 training images.* at least 10"),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_other_arrays_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"mine: .*{message}"):
        from_arrays("mine", **arrays(**changes))


@pytest.mark.parametrize("fraction", [0, -0.1, 0.51, float("nan")])
def test_other_fractions_are_refused(fraction: float) -> None:
    with pytest.raises(ParameterError, match="validation = "):
        from_arrays("mine", **arrays(), validation=fraction)


def test_own_images_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, **arrays(), note=np.zeros(3))
    data = load_dataset(str(path))
    assert data is load_dataset(str(path)) and data.name == "mine"
    assert data.checksum == from_arrays("mine", **arrays()).checksum
    np.savez_compressed(path, **arrays(y_test=np.arange(10) // 9))
    os.utime(path, (0, 0))
    assert load_dataset(str(path)).test.y.sum() == 1  # read again


def test_a_file_of_other_arrays_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "mine.npz")
    assert not available(path)
    with pytest.raises(DataError, match="no such file"):
        load_dataset(path)
    np.savez(path, x_train=np.zeros(3), labels=np.zeros(3))
    with pytest.raises(DataError, match="x_train, labels; .* do not belong together; allowed: x_t"):
        load_dataset(path)


@pytest.mark.parametrize("damage", ["text", "empty", "truncated", "flipped", "objects", "npy"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, **arrays())
    whole = bytearray(path.read_bytes())
    if damage == "text":
        path.write_text("not a zip")
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        whole[600] ^= 255
        path.write_bytes(whole)
    elif damage == "objects":
        np.savez(path, allow_pickle=True, **arrays(y_test=np.array([None] * 10)))
    else:
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    message = "y_test has type object" if damage == "objects" else "not a readable .npz of plain"
    with pytest.raises(DataError, match=re.escape(f"mine.npz: {message}")):
        load_dataset(str(path))
