"""Data sets a user fetches: their published formats, and what happens while they are absent."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import struct
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from drlcore.__main__ import main
from drlcore.data import forms, sources
from drlcore.data.datasets import DATASETS, Dataset, available, load_dataset, require
from drlcore.data.image_files import read_image_folder
from drlcore.data.published import BY_HAND, IMAGES, PUBLISHED, PublishedFile
from drlcore.errors import DataError, ParameterError
from drlcore.paper.experiments import EXPERIMENTS, LatentSpace, plan
from drlcore.paper.experiments.base import ImageExperiment, image_datasets

Array = NDArray[Any]
FETCHED = [*PUBLISHED, *BY_HAND]
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without any of these data sets; returns its data folder."""
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    monkeypatch.setenv("DRLCORE_ROOT", str(tmp_path))
    return tmp_path / "data"


Publish = Callable[[str, dict[str, bytes]], None]


@pytest.fixture
def publish(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Puts files in place as if their content were the published one."""

    def put(name: str, files: dict[str, bytes]) -> None:
        (checkout / name).mkdir(exist_ok=True)
        entries = []
        for file in PUBLISHED[name]:
            (checkout / name / file.name).write_bytes(files[file.name])
            unpacked = file.unpacked and hashlib.md5(gzip.decompress(files[file.name])).hexdigest()
            md5 = hashlib.md5(files[file.name]).hexdigest()
            entries.append(replace(file, md5=md5, unpacked=unpacked))
        monkeypatch.setitem(PUBLISHED, name, tuple(entries))
        monkeypatch.delitem(IMAGES, name, raising=False)

    return put


def images(
    n: int, classes: int, seed: int, shape: tuple[int, ...] = (32, 32, 3)
) -> tuple[Array, Array]:
    """Random images (N, H, W, C), the first pixel numbering them, and balanced labels."""
    x = np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8)
    x.reshape(n, -1)[:, 0] = np.arange(n)
    return x, (np.arange(n) * 7 % classes).astype(np.uint8)


def record(image: Array, *labels: int) -> bytes:
    """As cifar.html says: the labels, then 1024 bytes of red, of green, of blue, row by row."""
    return bytes(labels) + b"".join(
        bytes(int(image[row, column, channel]) for row in range(32) for column in range(32))
        for channel in range(3)
    )


def archive(files: dict[str, bytes], folder: str = "cifar") -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz") as tar:
        directory = tarfile.TarInfo(folder)
        directory.type = tarfile.DIRTYPE
        tar.addfile(directory)
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return output.getvalue()


def by_number(images: Array) -> list[int]:
    """The order of Fashion-MNIST, as published."""
    return list(range(len(images)))


def by_content(images: Array) -> list[int]:
    """The order of CIFAR."""
    digests = [hashlib.sha256(image.transpose(1, 2, 0).tobytes()).digest() for image in images]
    return sorted(range(len(images)), key=digests.__getitem__)


def check_contract(
    data: Dataset,
    x_train: Array,
    y_train: Array,
    x_test: Array,
    y_test: Array,
    in_order: Callable[[Array], list[int]] = by_content,
) -> None:
    """The parts hold exactly these images (N, C, H, W), numbered by their first value, in order."""
    numbers = []
    for part, x, y in (
        (data.train, x_train, y_train),
        (data.validation, x_train, y_train),
        (data.test, x_test, y_test),
    ):
        assert part.x.dtype == torch.float32 and part.y.dtype == torch.int64
        pixels = ((part.x + 1) * 127.5).round().byte()
        at = pixels.flatten(1)[:, 0].numpy()
        assert torch.equal(pixels, torch.from_numpy(x[at]))
        assert part.y.tolist() == y[at].tolist()
        assert at.tolist() == [number for number in in_order(x) if number in at]
        numbers.append(at.tolist())
        assert all(np.isfinite(values).all() for values in part.factors.values())
    assert sorted(numbers[0] + numbers[1]) == list(range(len(x_train)))
    assert numbers[2] == in_order(x_test)
    share = np.bincount(y_train) / 10
    assert np.abs(np.bincount(data.validation.y) - share).max() < 1


# CIFAR


def test_cifar10(publish: Publish, checkout: Path) -> None:
    (x, y), (x_test, y_test) = images(100, 10, 0), images(20, 10, 1)
    records = [record(image, label) for image, label in zip(x, y, strict=True)]
    batches = {f"data_batch_{i + 1}.bin": b"".join(records[20 * i : 20 * i + 20]) for i in range(5)}
    test = b"".join(record(image, label) for image, label in zip(x_test, y_test, strict=True))
    shuffled = {key: batches[key] for key in sorted(batches, reverse=True)}
    files = {
        "batches.meta.txt": b"cat\n",
        "test_batch.bin": test,
        **shuffled,
        "readme.html": b"<p>",
    }
    publish("cifar10", {"cifar-10-binary.tar.gz": archive(files)})
    data = load_dataset("cifar10")
    assert data is load_dataset("cifar10") and data.name == "cifar10"
    assert data.shape == (3, 32, 32) and data.n_classes == 10
    check_contract(data, x.transpose(0, 3, 1, 2), y, x_test.transpose(0, 3, 1, 2), y_test)
    assert len(list(checkout.rglob("*.bin"))) == 0  # nothing is unpacked


def test_cifar100_takes_the_fine_label(publish: Publish) -> None:
    (x, y), (x_test, y_test) = images(120, 4, 0), images(12, 4, 1)
    files = {
        "train.bin": b"".join(record(image, 9, label) for image, label in zip(x, y, strict=True)),
        "test.bin": b"".join(
            record(im, 9, label) for im, label in zip(x_test, y_test, strict=True)
        ),
        "fine_label_names.txt": b"apple\n",
    }
    publish("cifar100", {"cifar-100-binary.tar.gz": archive(files)})
    data = load_dataset("cifar100")
    assert data.shape == (3, 32, 32) and data.n_classes == 4
    check_contract(data, x.transpose(0, 3, 1, 2), y, x_test.transpose(0, 3, 1, 2), y_test)


RECORD = bytes(3073)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>404</html>", "neither a folder nor a whole tar or zip"),
        (archive({"data_batch_1.bin": RECORD, "test_batch.bin": RECORD})[:-60], "ended before"),
        (gzip.compress(b"no tar in it"), "neither a folder nor a whole tar or zip"),
        (archive({"data_batch_1.bin": RECORD}), "no images of train and test"),
        (archive({"my_data_batch_1.bin": RECORD, "test_batch.bin": RECORD}), "no images of train"),
        (
            archive({"data_batch_1.bin": RECORD[1:], "test_batch.bin": RECORD}),
            "3072 bytes, not .* record's 3073",
        ),
        (archive({"data_batch_1.bin": RECORD, "test_batch.bin": b""}), "0 bytes, not"),
    ],
    ids=range(7),  # the bytes of an archive hold the time of its making
)
def test_other_archives_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "cifar.tar.gz"
    with pytest.raises(DataError, match="No such file"):
        forms.read("cifar10", path)
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{re.escape(str(path))}: .*{message}"):
        forms.read("cifar10", path)


def test_a_record_of_cifar100_has_two_labels(tmp_path: Path) -> None:
    path = tmp_path / "cifar.tar.gz"
    path.write_bytes(archive({"train.bin": b"\1\2" + RECORD[1:], "test.bin": b"\3" + RECORD}))
    x_train, y_train, x_test, y_test = forms.read("cifar100", path)
    assert x_train.shape == x_test.shape == (1, 32, 32, 3)
    assert y_train.tolist() == [2] and y_test.tolist() == [0]
    path.write_bytes(archive({"train.bin": RECORD, "test.bin": RECORD}))
    with pytest.raises(DataError, match="3074"):
        forms.read("cifar100", path)


# Fashion-MNIST


def idx(array: Array) -> bytes:
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), 1)


def fashion() -> tuple[dict[str, bytes], tuple[Array, Array, Array, Array]]:
    (x, y), (x_test, y_test) = images(100, 10, 0, (28, 28)), images(20, 10, 1, (28, 28))
    names = [file.name for file in PUBLISHED["fashion-mnist"]]
    arrays = (x, y, x_test, y_test)
    return {name: idx(array) for name, array in zip(names, arrays, strict=True)}, arrays


def test_fashion_mnist(publish: Publish) -> None:
    files, (x, y, x_test, y_test) = fashion()
    publish("fashion-mnist", files)
    data = load_dataset("fashion-mnist")
    assert data.shape == (1, 28, 28) and data.n_classes == 10
    check_contract(data, x[:, None], y, x_test[:, None], y_test, in_order=by_number)


def test_a_file_of_another_checksum_is_refused(publish: Publish, checkout: Path) -> None:
    files, _ = fashion()
    publish("fashion-mnist", files)
    file = PUBLISHED["fashion-mnist"][2]
    path = checkout / "fashion-mnist" / file.name
    damaged = bytearray(gzip.decompress(path.read_bytes()))
    damaged[-9] ^= 1
    path.write_bytes(gzip.compress(damaged))
    with pytest.raises(DataError) as caught:
        load_dataset("fashion-mnist")
    for told in (
        str(path),
        str(file.unpacked),
        hashlib.md5(damaged).hexdigest(),
        "make data DATASET=fashion",
    ):
        assert told in str(caught.value)


def test_how_a_file_is_compressed_does_not_matter(publish: Publish, checkout: Path) -> None:
    files, (x, y, x_test, y_test) = fashion()
    publish("fashion-mnist", files)
    first, second, third, _ = (checkout / "fashion-mnist" / name for name in files)
    first.write_bytes(gzip.compress(gzip.decompress(first.read_bytes()), 9))
    for path in (second, third):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    data = load_dataset("fashion-mnist")
    check_contract(data, x[:, None], y, x_test[:, None], y_test, in_order=by_number)
    before = sorted((checkout / "fashion-mnist").iterdir())
    assert main(["data", "fashion-mnist"]) == 0  # asks no server
    assert sorted((checkout / "fashion-mnist").iterdir()) == before


def test_files_are_taken_from_elsewhere(
    publish: Publish, checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, _ = fashion()
    publish("fashion-mnist", files)
    (checkout / "fashion-mnist").rename(tmp_path / "theirs")
    theirs = tmp_path / "theirs"
    missing = theirs / PUBLISHED["fashion-mnist"][3].name
    held = missing.read_bytes()
    missing.unlink()
    assert main(["data", "fashion-mnist", "--from", str(theirs)]) == 1
    assert f"{missing}: no such file" in capsys.readouterr().err
    assert not available("fashion-mnist") and not (checkout / "fashion-mnist").exists()
    missing.with_suffix("").write_bytes(gzip.decompress(held))
    assert main(["data", "fashion-mnist", "--from", str(theirs)]) == 0
    assert load_dataset("fashion-mnist").shape == (1, 28, 28)


# mini-ImageNet


@pytest.fixture
def mini(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three classes of 10 and 2 JPEGs, each of one colour, the class's."""
    monkeypatch.setattr(sources, "_MINI_IMAGENET", {"train": 10, "test": 2})
    monkeypatch.setattr(sources, "_MINI_IMAGENET_CLASSES", 3)
    for part, n in (("train", 10), ("test", 2)):
        for label, name in enumerate(("n01532829", "n01558993", "n13133613")):
            folder = checkout / "mini-imagenet" / part / name
            folder.mkdir(parents=True)
            for i in range(n):
                picture = Image.new("RGB", (84, 84), (80 * label, 20 * i, 200))
                picture.save(folder / f"image_{i}.JPEG", quality=95)
    (checkout / "mini-imagenet" / "train" / "n01532829" / ".DS_Store").write_bytes(b"")
    return checkout / "mini-imagenet"


def test_mini_imagenet(mini: Path) -> None:
    data = load_dataset("mini-imagenet")
    assert data.shape == (3, 84, 84) and data.n_classes == 3
    assert [len(part.y) for part in (data.train, data.validation, data.test)] == [27, 3, 6]
    assert sorted(data.validation.y.tolist()) == [0, 1, 2]
    assert data.test.y.tolist() == [0, 0, 1, 1, 2, 2]
    assert set(data.train.y[:9].tolist()) == {0, 1, 2}  # not class by class, as the files are
    for part in (data.train, data.validation, data.test):
        red, green, blue = (part.x + 1).mul(127.5).unbind(1)
        assert torch.allclose(red, 80.0 * part.y[:, None, None], atol=4)
        assert torch.allclose(blue, torch.full_like(blue, 200.0), atol=4)
        assert (green - green[:, :1, :1]).abs().max() <= 4
    everything = torch.cat([data.train.x, data.validation.x])[:, 1, 0, 0].add(1).mul(127.5 / 20)
    assert torch.bincount(everything.round().long()).tolist() == [3] * 10


def test_an_image_folder_is_read_in_alphabetical_order(tmp_path: Path) -> None:
    for name, value in (("b/2.png", 20), ("b/1.png", 10), ("a/9.png", 90)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture = np.full((5, 5), value, np.uint8)
        picture[0, 3] = 7
        Image.fromarray(picture).save(tmp_path / name)  # grey
    x, y, classes = read_image_folder(tmp_path, 5)
    assert classes == ["a", "b"] and y.tolist() == [0, 1, 1]
    assert x.dtype == np.uint8 and x.shape == (3, 3, 5, 5)
    assert x[:, :, 1, 1].tolist() == [[90] * 3, [10] * 3, [20] * 3]
    assert (x[:, :, 0, 3] == 7).all() and (x == 7).sum() == 9


def test_other_image_folders_are_refused(mini: Path, tmp_path: Path) -> None:
    path = mini / "train" / "n01558993" / "image_3.JPEG"
    whole = path.read_bytes()
    for content in (b"", b"text", whole[:300]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"{re.escape(str(path))}: not a readable image"):
            load_dataset("mini-imagenet")
    Image.new("RGB", (84, 83)).save(path)
    with pytest.raises(DataError, match=r"image_3\.JPEG: 84 x 83 pixels; allowed: 84 x 84"):
        load_dataset("mini-imagenet")
    path.unlink()
    with pytest.raises(DataError, match=r"train: 3 classes of 9 to 10 images; expected 3 of 10"):
        load_dataset("mini-imagenet")
    path.write_bytes(whole)
    (mini / "test" / "n01532829").rename(mini / "test" / "n00000000")
    with pytest.raises(DataError, match="the same classes; n00000000 is in one"):
        load_dataset("mini-imagenet")
    with pytest.raises(DataError, match="no such folder"):
        read_image_folder(tmp_path / "nowhere", 84)
    (tmp_path / "empty" / "class").mkdir(parents=True)
    with pytest.raises(DataError, match="no images in it"):
        read_image_folder(tmp_path / "empty", 84)


# Absent files


@pytest.mark.parametrize("name", FETCHED)
def test_absent_data_stops_everything_before_training(name: str, checkout: Path) -> None:
    assert name in DATASETS and name in image_datasets()
    assert not available(name)
    remedy = f"make data DATASET={name}" if name in PUBLISHED else "LP-DeepSSL"
    asks: list[Callable[[], object]] = [
        lambda: require(name),
        lambda: load_dataset(name),
        lambda: plan({"dataset": name, "preset": "smoke"}),
        lambda: LatentSpace.from_json(f'{{"dataset": "{name}"}}'),
    ]
    takes_images = [
        e for e in EXPERIMENTS.values() if "dataset" in e.model_fields and e.needs_images
    ]
    assert any(issubclass(experiment, ImageExperiment) for experiment in takes_images)
    asks += [lambda e=e: e.from_notebook({"dataset": name}) for e in takes_images]  # type: ignore[misc]
    for ask in asks:
        with pytest.raises(DataError) as caught:
            ask()
        message = str(caught.value)
        assert name in message and str(checkout / name) in message and remedy in message
        assert "\n" not in message


def test_validation_of_a_name_reads_no_images(publish: Publish, checkout: Path) -> None:
    publish("cifar10", {"cifar-10-binary.tar.gz": b"not an archive"})
    assert available("cifar10")
    assert LatentSpace(dataset="cifar10").dataset == "cifar10"
    with pytest.raises(DataError, match="neither a folder nor a whole tar"):
        load_dataset("cifar10")


def test_one_of_four_files_is_not_enough(publish: Publish, checkout: Path) -> None:
    publish("fashion-mnist", fashion()[0])
    assert available("fashion-mnist")
    (checkout / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="no .*t10k-labels-idx1-ubyte.gz; fetch it with 'make data"):
        require("fashion-mnist")


@pytest.mark.parametrize("name", ["mnist", "digits", "colored-mnist"])
def test_data_of_the_repository_is_always_there(name: str) -> None:
    assert available(name) and LatentSpace(dataset=name).base().dataset == name


@pytest.mark.parametrize("name", ["toy", "cifar", "missing.npz"])
def test_an_experiment_names_what_it_takes(name: str) -> None:
    known = ", ".join(image_datasets())
    with pytest.raises(ParameterError, match=f"'dataset' = '{name}': known are {known}, or"):
        LatentSpace(dataset=name)


def test_published_files_are_named_once_and_never_committed() -> None:
    files: list[PublishedFile] = [file for entry in PUBLISHED.values() for file in entry]
    assert len({file.md5 for file in files}) == len({file.url for file in files}) == len(files)
    for file in files:
        assert re.fullmatch(r"[0-9a-f]{32}", file.md5)
        assert file.url.startswith("https://") and file.url.endswith(f"/{file.name}")
    shipped = {"mnist", "digits", "toy", "colored-mnist"}
    assert shipped | set(FETCHED) == set(DATASETS) and not shipped & set(FETCHED)
    for name in FETCHED:
        ignored = ["git", "-C", str(ROOT), "check-ignore", "-q", f"data/{name}/any"]
        assert subprocess.run(ignored).returncode == 0, name


def test_the_list_of_datasets(
    checkout: Path, mini: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data"]) == 0
    listed = dict(line.split() for line in capsys.readouterr().out.splitlines())
    absent = set(PUBLISHED)
    assert listed == {name: "absent" if name in absent else "here" for name in DATASETS}
    assert available("mini-imagenet")
