"""Many images stay in 8 bits, and pictures are decoded once: less memory, the same bits."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from drlcore import DRL, DataError, RunParameters, from_arrays, train
from drlcore.data import picture_cache, picture_folder, pixels
from drlcore.data.in_memory import as_dataset
from drlcore.data.pixels import Pixels, scaled
from drlcore.data.splits import Dataset
from drlcore.training.run import build_model

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (60, 3, 8, 8), np.uint8)
PARTS = ("train", "validation", "test")


@pytest.fixture
def folder(tmp_path: Path, output: Path) -> Path:
    """Sixty pictures of two classes, with a test part."""
    for i, values in enumerate(BYTES):
        file = tmp_path / "many" / ("test" if i % 4 == 0 else "train") / "ab"[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values.transpose(1, 2, 0)).save(file)
    return tmp_path / "many"


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty are many."""
    monkeypatch.setattr(pixels, "LARGE", 1000)
    monkeypatch.setattr(picture_cache, "LARGE", 1000)
    monkeypatch.setattr(picture_cache, "_FEW", 10)


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and no picture can be opened any more."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a picture was opened")

    return lambda: monkeypatch.setattr(Image, "open", refuse)


def same(a: Dataset, b: Dataset) -> bool:
    parts = [(getattr(a, name), getattr(b, name)) for name in PARTS]
    equal = all(torch.equal(p.x[:], q.x[:]) and torch.equal(p.y, q.y) for p, q in parts)
    told = ("checksum", "shape", "classes", "notes")
    return equal and all(getattr(a, name) == getattr(b, name) for name in told)


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x[7],
        lambda x: x[torch.tensor([5, 1, 1])],
        lambda x: x[np.array([5, 1, 1])],
        lambda x: x[[0, 59]],
        lambda x: x[torch.arange(60) % 3 == 0],
        lambda x: x[:, 0],
        lambda x: x[None, 3:5],
        lambda x: x[10:50][::2][1:3].to("cpu"),
        lambda x: torch.cat(x.split(25)),
        lambda x: x.split(3, dim=1)[0],
        lambda x: torch.cat([x, x[:2]]),
        lambda x: (x + 1) / 2,
        lambda x: x.flatten(1).mean(1),
        lambda x: torch.from_numpy(x.numpy()),
        lambda x: torch.from_numpy(np.asarray(x)),
        lambda x: torch.stack([*x]),
        lambda x: torch.nn.Flatten()(x.detach().clone()),
    ],
)
def test_pixels_are_what_their_floats_are(use: Callable[[Tensor], Tensor]) -> None:
    x = Pixels(BYTES, np.arange(60))
    found, expected = use(x), use(scaled(BYTES))
    assert not isinstance(found, Pixels) and found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_a_part_of_pixels_is_no_copy() -> None:
    x = Pixels(BYTES, np.arange(60)[::-1])
    for part in (x[3:9], x.split(6)[2][:4]):
        assert isinstance(part, Pixels) and np.shares_memory(part.images, BYTES)
    assert len(x) == 60 and x.shape == BYTES.shape and "(60, 3, 8, 8)" in repr(x)


def test_many_arrays_are_kept_in_8_bits_and_are_theirs(
    many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, y = BYTES.copy(), np.arange(60) % 2
    data = from_arrays("mine", given, y, in_turn=True)
    given[:] = 0  # nothing that a user does later changes the data
    assert isinstance(data.train.x, Pixels)
    monkeypatch.setattr(pixels, "LARGE", 10**9)
    whole = from_arrays("mine", BYTES, y, in_turn=True)
    assert not isinstance(whole.train.x, Pixels) and same(data, whole)
    for name, values in data.test.factors.items():
        np.testing.assert_array_equal(values, whole.test.factors[name])


def test_a_folder_is_decoded_once(
    folder: Path, many: None, unread: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = picture_folder.read(folder)
    assert isinstance(data.train.x, Pixels)
    kept = sorted(picture_cache.folder().iterdir())
    assert [file.suffix for file in kept] == [".json", ".uint8"]
    assert kept[1].stat().st_size == BYTES.size
    unread()
    assert same(picture_folder.read(folder), data)
    assert same(picture_folder.read(folder, image_size=8), data)  # which they have
    monkeypatch.undo()
    monkeypatch.setenv("DRLCORE_OUTPUT", str(folder.parent))
    assert same(picture_folder.read(folder), data)  # few: as they always were


def test_a_changed_picture_is_decoded_anew(folder: Path, many: None) -> None:
    first = picture_folder.read(folder).checksum
    file = folder / "train" / "b" / "1.png"
    when = file.stat()
    Image.fromarray(255 - BYTES[1].transpose(1, 2, 0)).save(file)
    os.utime(file, ns=(when.st_atime_ns, when.st_mtime_ns))
    assert picture_folder.read(folder).checksum != first


def test_what_is_not_whole_does_not_count(folder: Path, many: None) -> None:
    data = picture_folder.read(folder)
    (kept,) = picture_cache.folder().glob("*.uint8")
    kept.unlink()  # what is mapped goes on being there
    kept.write_bytes(b"half of it")
    assert same(picture_folder.read(folder), data)
    (card,) = picture_cache.folder().glob("*.json")
    card.write_text("{")
    assert same(picture_folder.read(folder), data)


def test_unreadable_ones_are_left_out_of_the_file(folder: Path, many: None) -> None:
    file = folder / "train" / "a" / "10.bmp"
    Image.fromarray(BYTES[10].transpose(1, 2, 0)).save(file)
    file.write_bytes(file.read_bytes()[:-60])  # its header can be read
    with pytest.raises(DataError, match=r"10\.bmp: not a readable picture"):
        picture_folder.read(folder)
    assert not [*picture_cache.folder().iterdir()]
    first, again = (picture_folder.read(folder, skip_unreadable=True) for _ in range(2))
    assert same(first, again) and "1 unreadable pictures left out" in " ".join(first.notes)
    assert isinstance(again.train.x, Pixels)


def test_a_folder_that_cannot_be_written_is_said(folder: Path, many: None, output: Path) -> None:
    (output / "data").write_text("in the way")
    with pytest.raises(DataError, match="decoded pictures are kept there"):
        picture_folder.read(folder)


def test_a_list_of_paths_is_decoded_once(
    folder: Path, many: None, unread: Callable[[], None]
) -> None:
    files = sorted(map(str, folder.rglob("*.png")))
    data = as_dataset(files)
    unread()
    assert same(as_dataset(files), data) and isinstance(data.train.x, Pixels)


def test_training_is_the_same_bits(
    folder: Path, many: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunParameters(dataset="digits", steps=3, batch_size=8)  # of which only numbers are used
    found = []
    for large in (1000, 10**9):
        monkeypatch.setattr(pixels, "LARGE", large)
        data = picture_folder.read(folder)
        model = build_model(run, data)
        train(run, model, data, tmp_path / str(large), progress=False)
        found.append([*model.state_dict().values()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_the_estimator_keeps_them_in_8_bits(
    folder: Path, many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes, keys = [], []
    for large in (1000, 10**9):
        monkeypatch.setattr(pixels, "LARGE", large)
        drl = DRL(3, preset="smoke", steps=2, progress=False).fit(str(folder))
        codes.append(drl.transform(str(folder)))
        keys.append(drl.key_)
    assert len([*picture_cache.folder().glob("*.uint8")]) == 1  # transform's is that of fit
    assert keys[0] == keys[1] and np.array_equal(codes[0], codes[1])
