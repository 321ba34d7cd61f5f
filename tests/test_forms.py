"""CIFAR-10 is its images: in whatever form they are had, the same data set or none."""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path

import cifar_forms as had_as
import numpy as np
import pytest
import torch

from drlcore.__main__ import main
from drlcore.data import forms, paths, sources
from drlcore.data.canonical import KEYS, ordered
from drlcore.data.class_names import CIFAR10
from drlcore.data.datasets import available, identity, load_dataset
from drlcore.data.published import IMAGES, stored
from drlcore.data.splits import Dataset, array_checksum, stratified
from drlcore.errors import DataError, ParameterError

REAL = paths.root() / "data" / "cifar10"


def drawn(n: int, seed: int) -> tuple[had_as.Array, had_as.Array]:
    """Random images (N, 32, 32, 3), two of them alike, and balanced labels."""
    x = np.random.default_rng(seed).integers(0, 256, (n, 32, 32, 3), np.uint8)
    x[1] = x[0]
    return x, np.arange(n) * 7 % 10


ARRAYS = *drawn(100, 0), *drawn(20, 1)
CHECKSUM = array_checksum(*ordered(ARRAYS))


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in which these images are CIFAR-10; returns its data folder."""
    (tmp_path / "checkout" / "data" / "mnist").mkdir(parents=True)
    monkeypatch.setenv("DRLCORE_ROOT", str(tmp_path / "checkout"))
    monkeypatch.setitem(IMAGES, "cifar10", CHECKSUM)
    sources._published.cache_clear()
    return tmp_path / "checkout" / "data"


@pytest.fixture(scope="session")
def every_form(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return dict(had_as.every_form(ARRAYS, tmp_path_factory.mktemp("forms")))


NAMES = [
    "binary archive", "binary, unpacked", "python archive", "python, unpacked",
    *(f"pickled again, protocol {protocol}" for protocol in (2, 3, 4, 5)),
    "pictures, tar", "pictures, folder", "pictures, zip",
    "parquet", "parquet, in shards", "parquet, bytes alone",
    "what torchvision leaves", "a folder with the archive alone",
]  # fmt: skip


def take(path: Path) -> Dataset:
    """The data set ``cifar10`` once it has been taken from there."""
    assert main(["data", "cifar10", "--from", str(path)]) == 0
    sources._published.cache_clear()
    return load_dataset("cifar10")


def refused(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said of it; nothing is kept."""
    assert main(["data", "cifar10", "--from", str(path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("DataError: ") and not available("cifar10")
    assert not stored("cifar10").parent.exists()
    return line


def test_the_order_is_by_content_then_label() -> None:
    x, y, _, _ = ordered(ARRAYS)
    digests = [had_as.digest(image) for image in x]
    assert digests == sorted(digests) and x.flags.c_contiguous and x.dtype == np.uint8
    assert y.dtype == np.int64
    (at,) = (i for i in range(99) if digests[i] == digests[i + 1])
    assert y[at : at + 2].tolist() == [0, 7]  # of the two that are alike
    shuffled = np.random.default_rng(2).permutation(100)
    again = ordered((ARRAYS[0][shuffled], ARRAYS[1][shuffled], *ARRAYS[2:]))
    assert array_checksum(*again) == CHECKSUM


def test_every_form_is_tried(every_form: dict[str, Path]) -> None:
    assert [*every_form] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_form_is_the_same_data_set(
    name: str, every_form: dict[str, Path], checkout: Path
) -> None:
    data = take(every_form[name])
    assert data.checksum == CHECKSUM and data.name == identity("cifar10") == "cifar10"
    assert data.shape == (3, 32, 32) and data.classes == CIFAR10
    assert data.mirrored and data.notes == ()
    assert [len(part.y) for part in (data.train, data.validation, data.test)] == [90, 10, 20]
    x, y, x_test, y_test = ordered(ARRAYS)
    assert data.test.x.is_contiguous() and data.test.y.tolist() == y_test.tolist()
    pixels = ((data.test.x + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    assert torch.equal(pixels, torch.from_numpy(x_test))
    held_out = ((data.validation.x + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    assert torch.equal(held_out, torch.from_numpy(x[stratified(y)[1]]))
    assert [path.name for path in (checkout / "cifar10").iterdir()] == ["images.npz"]


def test_the_pickles_of_python_2_are_real_ones() -> None:
    batch = pickle.loads(had_as.pickled_by_python_2(*ARRAYS[:2]), encoding="bytes")
    x, y = ARRAYS[:2]
    assert batch[b"labels"] == y.tolist()
    np.testing.assert_array_equal(batch[b"data"].reshape(-1, 3, 32, 32), x.transpose(0, 3, 1, 2))


# Other content


def test_one_other_pixel_is_another_data_set(
    tmp_path: Path, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = ARRAYS[0].copy()
    x[50, 3, 4, 1] ^= 1
    other = array_checksum(*ordered((x, *ARRAYS[1:])))
    path = had_as.as_tar(had_as.pictures((x, *ARRAYS[1:])), tmp_path / "a.tar")
    said = refused(path, capsys)
    assert (
        str(path) in said and "100 of 10 classes for training and 20 of 10 classes for test" in said
    )
    assert f"checksum {other}; expected {CHECKSUM}" in said


def test_a_class_too_few_and_a_label_changed(
    tmp_path: Path, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y, x_test, y_test = ARRAYS
    kept = y != 3
    fewer = (x[kept], y[kept], x_test, y_test)
    said = refused(had_as.as_folder(had_as.pictures(fewer), tmp_path / "fewer"), capsys)
    assert "90 of 9 classes for training and 20 of 10 classes for test" in said
    swapped = y.copy()
    swapped[[4, 5]] = y[[5, 4]]
    files = had_as.batches((x, swapped, x_test, y_test), had_as.records, ".bin")
    assert f"expected {CHECKSUM}" in refused(had_as.as_folder(files, tmp_path / "swapped"), capsys)


def test_no_form_at_all(tmp_path: Path, checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    half = {name: content for name, content in had_as.pictures(ARRAYS).items() if name[1] == "r"}
    for path in (tmp_path / "nowhere", had_as.as_folder(half, tmp_path / "half")):
        assert str(path) in refused(path, capsys)
    said = refused(tmp_path / "half", capsys)
    for known in ("binary batch", "Python batch", "<class>/<name>.png", "Parquet"):
        assert known in said


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"train/plane/1.png": had_as.png(ARRAYS[0][0])}, r"no class is called 'plane'; airplane,"),
        (
            {"train/cat/1.png": had_as.png(ARRAYS[0][0][:31])},
            r"1\.png: not a readable picture \(32 x 31 pixels",
        ),
        ({"train/cat/1.png": had_as.png(ARRAYS[0][0])[:99]}, r"1\.png: not a readable picture"),
    ],
)
def test_other_pictures_are_named(tmp_path: Path, files: had_as.Files, said: str) -> None:
    whole = {**files, "test/cat/1.png": had_as.png(ARRAYS[0][0])}
    with pytest.raises(DataError, match=said):
        forms.read("cifar10", had_as.as_folder(whole, tmp_path))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (had_as.rows(picture=[b"?"], label=[1]), "columns picture, label; allowed: img or image"),
        (had_as.rows(img=[b"?"], label=[1]), "cannot identify image"),
        (
            had_as.rows(img=[had_as.png(ARRAYS[0][0])], label=[None]),
            "train.parquet: not a readable",
        ),
        (b"PAR1", "train.parquet: not a readable Parquet table"),
    ],
)
def test_other_tables_are_named(tmp_path: Path, table: bytes, said: str) -> None:
    files = {"train.parquet": table, "test.parquet": table}
    with pytest.raises(DataError, match=said):
        forms.read("cifar10", had_as.as_folder(files, tmp_path))


# Pickles


class Malicious:
    """Its pickle creates a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_that_would_create_a_file_creates_none(
    tmp_path: Path, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trap = tmp_path / "created"
    content = pickle.dumps({"data": Malicious(trap), "labels": [1]})
    pickle.loads(content)
    assert trap.exists()  # it does what it says
    trap.unlink()
    files = {**had_as.batches(ARRAYS, had_as.pickled(2)), "data_batch_3": content}
    said = refused(had_as.as_folder(files, tmp_path / "py"), capsys)
    assert "data_batch_3: not a readable CIFAR Python batch (it asks for " in said
    assert "which arrays are not made of; nothing of it was run" in said
    assert not trap.exists()


@pytest.mark.parametrize(
    "asked",
    [b"cos\nsystem\n", b"cbuiltins\neval\n", b"cbuiltins\ngetattr\n", b"cnumpy\nload\n",
     b"cnumpy.core.multiarray\nscalar\n", b"c_codecs\ndecode\n", b"cnumpy\nndarray.dump\n"],
)  # fmt: skip
def test_a_pickle_may_ask_for_nothing_else(tmp_path: Path, asked: bytes) -> None:
    content = b"\x80\x02" + asked + b"X\x01\x00\x00\x00a\x85R."
    files = {"data_batch_1": content, "test_batch": content}
    what = re.escape(asked[1:-1].decode().replace("\n", "."))
    with pytest.raises(DataError, match=f"it asks for {what}, which"):
        forms.read("cifar10", had_as.as_folder(files, tmp_path))


@pytest.mark.parametrize(
    "batch",
    [
        {"data": np.zeros((2, 3072), np.float32), "labels": [1, 2]},
        {"data": np.zeros((2, 3071), np.uint8), "labels": [1, 2]},
        {"data": np.zeros((2, 3072), np.uint8), "labels": [1]},
        {"data": np.zeros((2, 3072), np.uint8), "labels": ["a", "b"]},
        {"data": [1], "labels": [1]},
        {"labels": [1]},
        [1],
    ],
    ids=range(7),
)
def test_other_batches_are_named(tmp_path: Path, batch: object) -> None:
    content = pickle.dumps(batch, 2)
    files = {"data_batch_1": content, "test_batch": content}
    with pytest.raises(DataError, match="data_batch_1: not a readable CIFAR Python batch"):
        forms.read("cifar10", had_as.as_folder(files, tmp_path))


def test_arrays_in_column_order_are_read(tmp_path: Path) -> None:
    x, y = ARRAYS[:2]
    data = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
    content = pickle.dumps({"data": np.asfortranarray(data), "labels": y.tolist()}, 2)
    files = {"data_batch_1": content, "test_batch": content}
    found = forms.read("cifar10", had_as.as_folder(files, tmp_path))
    np.testing.assert_array_equal(found[0], x)


def test_a_file_of_any_size_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "_LARGEST", 50_000)
    files = had_as.batches(ARRAYS, had_as.records, ".bin")
    for path in (
        had_as.as_tar(files, tmp_path / "a.tar.gz", "w:gz"),
        had_as.as_zip(files, tmp_path / "a.zip"),
    ):
        with pytest.raises(DataError, match=r"bin has 61,460 bytes; allowed: 50,000"):
            forms.read("cifar10", path)


# What is kept


def test_what_is_kept_is_verified(
    checkout: Path, every_form: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    take(every_form["parquet"])
    path = stored("cifar10")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [f"{key}.npy" for key in KEYS]
    with np.load(path, allow_pickle=False) as held:
        arrays = {key: held[key] for key in KEYS}
    assert array_checksum(*arrays.values()) == CHECKSUM
    arrays["x_test"][0, 0, 0, 0] ^= 1
    np.savez(path, **arrays)
    sources._published.cache_clear()
    for content in (path.read_bytes(), path.read_bytes()[:5000]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"{re.escape(str(path))}: .*delete it, then 'make"):
            load_dataset("cifar10")
    path.unlink()
    with pytest.raises(DataError, match="fetch it with 'make data DATASET=cifar10', or add FROM="):
        load_dataset("cifar10")


def test_what_is_kept_is_not_fetched(
    checkout: Path, every_form: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = take(every_form["pictures, tar"])
    monkeypatch.setattr("drlcore.data.download.fetch", None)
    assert main(["data", "cifar10"]) == 0
    assert available("cifar10") and load_dataset("cifar10") is data


def test_what_is_of_the_repository_is_not_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "mnist", "--from", str(tmp_path)]) == 1
    assert "'mnist' is not taken from elsewhere; allowed: cifar10, " in capsys.readouterr().err
    assert main(["data", "--from", str(tmp_path)]) == 1
    assert "--from" in capsys.readouterr().err


def test_an_archive_as_own_images_is_told_the_command(tmp_path: Path) -> None:
    path = had_as.as_tar(had_as.pictures(ARRAYS), tmp_path / "cifar10-png.tar")
    with pytest.raises(ParameterError, match="make data DATASET=cifar10 FROM=path"):
        load_dataset(str(path))


@pytest.mark.skipif(not REAL.is_dir(), reason="CIFAR-10 is not here: make data DATASET=cifar10")
def test_cifar10_is_the_published_one() -> None:
    data = load_dataset("cifar10")
    assert data.checksum == IMAGES["cifar10"] == "c6623c8843488547"
    parts = (data.train, data.validation, data.test)
    assert [part.y.bincount().tolist() for part in parts] == [[n] * 10 for n in (4500, 500, 1000)]
    means = [part.x.mean((0, 2, 3)) / 2 + 0.5 for part in parts]
    whole = 0.9 * means[0] + 0.1 * means[1]
    assert whole.tolist() == pytest.approx([0.49139968, 0.48215841, 0.44653091], abs=1e-5)
