"""A folder of pictures: read the same wherever it lies, and what was done is said."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from drlcore.__main__ import main
from drlcore.data import picture_folder
from drlcore.data.datasets import identity, load_dataset, title
from drlcore.data.pictures import read_pictures
from drlcore.data.splits import Dataset
from drlcore.errors import DataError, ParameterError
from drlcore.paper.experiments import NoiseDial

Array = NDArray[Any]
RNG = np.random.default_rng(0)


def picture(width: int = 8, height: int = 6, mode: str = "RGB") -> Image.Image:
    whole = RNG.integers(0, 256, (height, width, 4), np.uint8)
    return Image.fromarray(whole).convert("RGB").convert(mode)


def filled(folder: Path, *where: str, n: int = 30, mode: str = "L") -> Path:
    """``n`` pictures in each of the folders ``where`` below ``folder``."""
    for below in where or ("",):
        (folder / below).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            picture(mode=mode).save(folder / below / f"{i:03}.png")
    return folder


def bytes_of(data: Dataset) -> set[bytes]:
    parts = (data.train, data.validation, data.test)
    return {((x + 1) * 127.5).round().byte().numpy().tobytes() for p in parts for x in p.x}


# Arrangements


def test_sub_folders_are_the_classes(tmp_path: Path) -> None:
    filled(tmp_path / "pets", "dog", "cat", "cat/old")
    (tmp_path / "pets" / "notes.txt").write_text("of no interest")
    (tmp_path / "pets" / ".hidden.png").write_text("hidden")
    data = load_dataset(str(tmp_path / "pets"))
    assert data.name == "pets" and data.classes == ("cat", "dog") and data.shape == (1, 6, 8)
    assert [len(p.y) for p in (data.train, data.validation, data.test)] == [64, 8, 18]
    assert data.test.y.sum() == 6 and data.train.y[:3].tolist().count(1) == 1
    assert data.notes == (
        "1 files that are no pictures ignored",
        "labels are names: cat, dog",
        "no test part: drawn from the training images, a fifth of them",
    )
    for part in (data.train, data.validation, data.test):  # each with its class
        for x, y in zip(part.x, part.y, strict=True):
            pixels = ((x[0] + 1) * 127.5).round().byte().numpy()
            of_class = (tmp_path / "pets" / data.classes[y]).rglob("*.png")
            assert any(np.array_equal(np.asarray(Image.open(file)), pixels) for file in of_class)


def test_without_sub_folders_there_are_no_labels(tmp_path: Path) -> None:
    data = picture_folder.read(filled(tmp_path / "a"))
    assert not data.labelled and data.notes[0] == "no sub-folders, so no labels"
    nested = picture_folder.read(filled(tmp_path / "b", "photos"))
    assert not nested.labelled and nested.notes[0] == "one sub-folder, photos, so no labels"


@pytest.mark.parametrize(
    ("train", "test", "val"), [("train", "test", "val"), ("Training", "testing", "validation")]
)
def test_parts_by_name(tmp_path: Path, train: str, test: str, val: str) -> None:
    for part, n in ((train, 30), (test, 5), (val, 4)):
        filled(tmp_path, f"{part}/a", f"{part}/b", n=n)
    data = picture_folder.read(tmp_path)
    assert [len(p.y) for p in (data.train, data.validation, data.test)] == [60, 8, 10]
    shutil.rmtree(tmp_path / val)
    without = picture_folder.read(tmp_path)
    assert [len(p.y) for p in (without.train, without.validation, without.test)] == [54, 6, 10]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (("", "cat"), "pictures both beside sub-folders .000.png. and in them .cat/000.png."),
        (("train", "cat"), "cat stands beside train/: are these parts, or classes"),
        (("train", ""), r"000\.png stands beside train/"),
        (("test",), "there is test/ but no train/"),
        (("train", "training"), "train/ and training/ are the same part; join them"),
        (("train/a", "train/b", "test"), "one part has sub-folders and another none"),
        (("train/a", "train/b", "test/c"), "y_test has the class c, which y_train lacks: .* a, b"),
        ((".hidden",), "no pictures in it; taken are .png"),
    ],
)
def test_arrangements_with_two_readings_are_refused(
    tmp_path: Path, where: tuple[str, ...], said: str
) -> None:
    filled(tmp_path / "mine", *where, n=20)
    with pytest.raises(DataError, match=said) as caught:
        picture_folder.read(tmp_path / "mine")
    assert "\n" not in str(caught.value)


def test_classes_may_be_called_test_where_no_train_is(tmp_path: Path) -> None:
    assert picture_folder.read(filled(tmp_path, "test", "exam")).classes == ("exam", "test")


def test_no_folder_and_an_empty_part(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone: no such folder"):
        picture_folder.read(tmp_path / "gone")
    filled(tmp_path, "train")
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match="no pictures of part test in it"):
        picture_folder.read(tmp_path)


# The same folder is the same data


def test_the_order_of_the_file_system_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path / "one", "b", "a")
    here = identity(str(tmp_path / "one"))
    other = tmp_path / "other"
    for file in sorted((tmp_path / "one").rglob("*.png"), reverse=True):
        (other / file.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, other / file.parent.name)
    assert identity(str(other)) == here
    walk = os.walk

    def backwards(*given: Any, **options: Any) -> Any:
        for where, folders, files in walk(*given, **options):
            folders.sort(reverse=True)
            yield where, folders, sorted(files, reverse=True)

    monkeypatch.setattr(os, "walk", backwards)
    assert picture_folder.read(tmp_path / "one").checksum == here.removeprefix("own-")


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    filled(tmp_path / "store", "x", "y")
    (tmp_path / "mine").mkdir()
    for name in ("x", "y"):
        (tmp_path / "mine" / name).symlink_to(tmp_path / "store" / name)
    (tmp_path / "store" / "x" / "up").symlink_to(tmp_path / "store")
    data = picture_folder.read(tmp_path / "mine")
    assert data.classes == ("x", "y") and len(bytes_of(data)) == 60


def test_what_is_no_folder_of_pictures_is_not_walked_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, "a", "b")
    monkeypatch.setattr(picture_folder, "_FILES", 60)
    assert picture_folder.read(tmp_path).n_classes == 2
    monkeypatch.setattr(picture_folder, "_FILES", 59)
    with pytest.raises(DataError, match="more than 59 files; allowed: a folder of pictures"):
        picture_folder.read(tmp_path)


def test_a_changed_folder_is_read_again(tmp_path: Path) -> None:
    filled(tmp_path, "a", "b")
    first = load_dataset(str(tmp_path))
    assert load_dataset(f"{tmp_path}/") is first
    picture(mode="L").save(tmp_path / "a" / "more.png")
    assert load_dataset(str(tmp_path)).checksum != first.checksum
    (tmp_path / "a" / "more.png").unlink()
    assert load_dataset(str(tmp_path)).checksum == first.checksum
    found = (tmp_path / "b" / "003.png").stat()
    picture(mode="L").save(tmp_path / "b" / "003.png")
    os.utime(tmp_path / "b" / "003.png", ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    assert load_dataset(str(tmp_path)).checksum != first.checksum


def test_notebooks_take_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path / "v1.2", "a", "b")
    monkeypatch.chdir(tmp_path)
    dial = NoiseDial(preset="smoke", dataset="v1.2/")
    assert dial.dataset == str(tmp_path / "v1.2") and dial.data_title == title("v1.2") == "v1.2"
    assert "v1.2: labels are names: a, b; no test part" in str(dial)
    with pytest.raises(DataError, match="^nowhere/: no such file or folder$"):
        load_dataset("nowhere/")


# Kinds of pictures


def only(image: Image.Image | Path, **options: Any) -> tuple[Array, tuple[str, ...]]:
    found = read_pictures([image], **options)
    return found.x[0], found.notes


@pytest.mark.parametrize("ending", ["png", "webp", "gif", "bmp", "tiff", "TIF", "jpeg"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_format(tmp_path: Path, ending: str, mode: str) -> None:
    image = Image.new(mode, (8, 6), "white")
    image.paste("black", (0, 0, 4, 3))
    options: dict[str, Any] = {"lossless": True} if ending == "webp" else {"quality": 100}
    image.save(tmp_path / f"a.{ending}", **({} if ending in ("gif", "bmp") else options))
    x, _ = only(tmp_path / f"a.{ending}")
    assert x.shape[1:] == (6, 8)
    np.testing.assert_allclose(x[0], np.asarray(image.convert("L")), atol=3)


def test_exif_turns_a_picture_upright(tmp_path: Path) -> None:
    image = picture(8, 6)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    image.save(tmp_path / "a.png", exif=exif)
    x, notes = only(tmp_path / "a.png")
    np.testing.assert_array_equal(x, np.rot90(np.asarray(image), -1).transpose(2, 0, 1))
    assert notes == ("1 of 1 turned upright, as their EXIF says",)


@pytest.mark.parametrize("mode", ["I;16", "I"])
def test_16_bits_become_8(tmp_path: Path, mode: str) -> None:
    values = RNG.integers(0, 65536, (6, 8)).astype(np.uint16)
    image = Image.fromarray(values if mode == "I;16" else values.astype(np.int32))
    assert image.mode == mode
    image.save(tmp_path / "a.tif")
    x, notes = only(tmp_path / "a.tif")
    np.testing.assert_array_equal(x[0], np.rint(values / 257))
    assert notes == ("1 of 1 of 16 bits: made 8",)


def with_alpha(mode: str) -> tuple[Image.Image, Array]:
    raw = RNG.integers(0, 256, (6, 8, 4), np.uint8)
    alpha = raw[..., 3:] / 255
    if mode == "RGBA":
        colour = raw[..., :3]
    else:
        raw, colour = raw[..., [0, 3]], raw[..., :1]
    return Image.fromarray(raw, mode), (colour * alpha + 255 * (1 - alpha)).transpose(2, 0, 1)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pictures_stand_on_white(tmp_path: Path, mode: str) -> None:
    image, expected = with_alpha(mode)
    image.save(tmp_path / "a.png")
    x, notes = only(tmp_path / "a.png")
    np.testing.assert_allclose(x, expected, atol=1.01)
    assert notes == ("1 of 1 with an opacity: put on white",)


def test_a_transparent_palette_stands_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (8, 6), 0)
    image.putpalette([0, 0, 0, 250, 10, 20])
    image.paste(1, (0, 0, 4, 6))
    image.save(tmp_path / "a.gif", transparency=0)
    x, notes = only(tmp_path / "a.gif")
    assert (x[:, :, 4:] == 255).all() and x[:, 0, 0].tolist() == [250, 10, 20]
    assert "1 of 1 with an opacity: put on white" in notes


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 6), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    x, notes = only(tmp_path / "a.tif")
    assert x[:, 0, 0].tolist() == [255, 0, 0] and notes == ("1 of 1 CMYK: made RGB",)


def test_of_an_animation_the_first_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("L", (8, 6), value) for value in (10, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    x, notes = only(tmp_path / "a.gif")
    assert (x == 10).all() and notes == ("1 of 1 animated or of several pages: the first is taken",)


def test_grey_stays_grey_where_all_are() -> None:
    assert read_pictures([picture(mode="L"), picture(mode="1")]).x.shape[1] == 1
    mixed = read_pictures([picture(mode="L"), picture()])
    assert mixed.x.shape[1] == 3 and mixed.notes == ("1 of 2 grey: made RGB",)
    assert (mixed.x[0, 0] == mixed.x[0, 1]).all()


# Sizes


@pytest.mark.parametrize(
    ("sizes", "expected", "said"),
    [
        ([(8, 6), (8, 6)], (6, 8), None),
        ([(64, 64)], (64, 64), None),
        ([(64, 2)], (2, 64), None),
        ([(65, 64)], (32, 32), "65 x 64: resized and cut to 32 x 32"),
        ([(8, 6), (6, 8)], (32, 32), "sizes from 6 x 8 to 8 x 6: resized and cut to 32 x 32"),
        ([(128, 128)], (64, 64), "128 x 128: resized and cut to 64 x 64"),
        ([(500, 128), (128, 129)], (64, 64), "sizes from 128 x 129 to 500 x 128"),
        ([(500, 127)], (32, 32), "500 x 127"),
    ],
)
def test_sizes(sizes: list[tuple[int, int]], expected: tuple[int, int], said: str | None) -> None:
    found = read_pictures([picture(*size) for size in sizes])
    assert found.x.shape == (len(sizes), 3, *expected)
    assert bool(found.notes) == (said is not None)
    assert said is None or found.notes[0].startswith(said)


def test_the_middle_is_cut_out() -> None:
    image = Image.new("L", (300, 100), 0)
    image.paste(255, (100, 0, 200, 100))
    x, _ = only(image)
    assert x.shape == (1, 32, 32) and (x >= 230).all()


def test_a_size_can_be_chosen() -> None:
    x, notes = only(picture(8, 8), image_size=16)
    assert x.shape == (3, 16, 16) and notes == ("8 x 8: resized and cut to 16 x 16",)
    assert only(picture(8, 8), image_size=8)[1] == ()
    for size in (1, 257):
        with pytest.raises(ParameterError, match=f"image_size = {size}; allowed: 2 to 256"):
            read_pictures([picture()], image_size=size)


def test_more_than_fits_is_refused_unread() -> None:
    three = [picture()] * 3
    assert len(read_pictures(three, largest=3 * 3 * 8 * 6).x) == 3
    with pytest.raises(
        DataError, match="3 pictures of 8 x 6 are 432 numbers; allowed: 431; choose"
    ):
        read_pictures(three, largest=3 * 3 * 8 * 6 - 1)


# What cannot be read


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def bomb(path: Path) -> None:
    Image.new("1", (200, 200)).save(path)


UNREADABLE: dict[str, Callable[[Path], object]] = {
    "not a readable picture (cannot identify": lambda path: path.write_text("no picture"),
    "not a readable picture": truncated,
    "could be decompression bomb": bomb,
    "floats of unknown scale": lambda path: Image.new("F", (8, 6)).save(path, "tiff"),
}


@pytest.mark.parametrize("said", UNREADABLE)
def test_an_unreadable_picture_is_named(
    tmp_path: Path, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30_000)  # 40,000 only warn
    filled(tmp_path)
    UNREADABLE[said](tmp_path / "007.png")
    with pytest.raises(DataError) as caught:
        picture_folder.read(tmp_path)
    message = str(caught.value)
    assert "007.png: not a readable picture" in message and said in message
    assert "skip_unreadable=True" in message and "\n" not in message
    data = picture_folder.read(tmp_path, skip_unreadable=True)
    assert len(bytes_of(data)) == 29
    assert any("1 unreadable pictures left out, the first: " in note for note in data.notes)


def test_where_none_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(DataError, match="no readable pictures, the first: "):
        picture_folder.read(tmp_path, skip_unreadable=True)


# Once to a file


def test_a_folder_is_converted_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(tmp_path / "pets", "dog", "cat")
    folder, file = str(tmp_path / "pets"), str(tmp_path / "pets.npz")
    assert main(["images", folder, file]) == 0
    assert f"{file}: x_train (60, 1, 6, 8), y_train (60,)" in capsys.readouterr().out
    assert identity(file) == identity(folder)
    assert load_dataset(file).classes == load_dataset(folder).classes == ("cat", "dog")
    (tmp_path / "pets" / "dog" / "000.png").write_text("no picture")
    assert main(["images", folder, file]) == 1
    assert "--skip-unreadable" in capsys.readouterr().err
    assert main(["images", folder, file, "--skip-unreadable", "--image-size", "16"]) == 0
    out = capsys.readouterr().out
    assert "x_train (59, 1, 16, 16)" in out and "1 unreadable pictures left out" in out
    assert main(["images", folder, str(tmp_path / "pets.txt")]) == 1
    assert "does not end in .npz" in capsys.readouterr().err
