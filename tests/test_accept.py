"""What users have: taken and said so, or refused with both readings named."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from drlcore import from_arrays
from drlcore.data.accept import accept_images
from drlcore.data.accept_labels import accept_labels
from drlcore.data.array_names import arranged
from drlcore.data.datasets import DATASETS, identity, load_dataset, n_classes
from drlcore.data.in_memory import as_dataset
from drlcore.data.label_splits import LabelSplit, label_split
from drlcore.data.splits import Dataset, Split, require_labels
from drlcore.errors import DataError, ParameterError

Array = NDArray[Any]
RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (60, 6, 5), np.uint8)
GREY[0, 0, :2] = 0, 255
COLOUR = RNG.integers(0, 256, (60, 3, 6, 5), np.uint8)
COLOUR[0, :, 0, :2] = 0, 255
ALPHA = RNG.integers(0, 256, (60, 1, 6, 5), np.uint8)
Y = np.arange(60) % 3
FAR_LEFT = np.moveaxis(COLOUR, 1, -1)
ON_WHITE = 255 - (255.0 - COLOUR) * ALPHA / 255
FOUR = ["x_train", "y_train", "x_test", "y_test"]

# What images hold, as bytes; then the notes.
IMAGES: list[tuple[str, Array, Array, list[str]]] = [
    ("(N, H, W) uint8", GREY, GREY[:, None], []),
    ("(N, 1, H, W)", GREY[:, None], GREY[:, None], []),
    ("(N, H, W, 1)", GREY[..., None], GREY[:, None], ["channels stand last"]),
    ("(N, 3, H, W)", COLOUR, COLOUR, []),
    ("(N, H, W, 3)", FAR_LEFT, COLOUR, ["channels stand last: moved first"]),
    (
        "RGBA, opaque",
        np.concatenate([COLOUR, np.full_like(ALPHA, 255)], 1),
        COLOUR,
        ["opacity of 1 everywhere: left out"],
    ),
    ("RGBA", np.concatenate([COLOUR, ALPHA], 1), ON_WHITE, ["opacity: put on white"]),
    (
        "RGBA last",
        np.moveaxis(np.concatenate([COLOUR, ALPHA], 1), 1, -1),
        ON_WHITE,
        ["channels stand last", "opacity: put on white"],
    ),
    ("RGBA floats", np.concatenate([COLOUR, ALPHA], 1) / 255, ON_WHITE, ["0 is black", "on white"]),
    (
        "RGBA signed",
        np.concatenate([COLOUR, ALPHA], 1) / 127.5 - 1,
        ON_WHITE,
        ["-1 is black", "put on white"],
    ),
    ("bool", GREY > 99, (GREY > 99)[:, None] * 255, ["bool: True is white, 255"]),
    ("uint16", GREY.astype(np.uint16) * 257, GREY[:, None], ["divided by 65,535"]),
    ("int64", GREY.astype(np.int64), GREY[:, None], ["integers from 0 to 255: 255 is white"]),
    ("int16", GREY.astype(np.int16), GREY[:, None], ["integers from 0 to 255"]),
    ("uint32", GREY.astype(np.uint32), GREY[:, None], ["integers from 0 to 255"]),
    ("floats to 1", GREY / 255, GREY[:, None], ["[0, 1]: 0 is black, 1 is white"]),
    ("float16", (GREY / 255).astype(np.float16), GREY[:, None], ["floats in [0, 1]"]),
    ("big-endian", (GREY / 255).astype(">f4"), GREY[:, None], ["floats in [0, 1]"]),
    ("signed floats", GREY / 127.5 - 1, GREY[:, None], ["[-1, 1]: -1 is black, 1 is white"]),
    ("whole floats to 255", GREY * 1.0, GREY[:, None], ["floats from 0 to 255: 255 is white"]),
    ("floats to 254.5", GREY * 1.0 - 0.5 * (GREY > 0), GREY[:, None], ["from 0 to 254.5"]),
]


def pixels(part: Split) -> Array:
    return ((part.x + 1) * 127.5).numpy()


@pytest.mark.parametrize(("form", "x", "expected", "notes"), IMAGES, ids=[i[0] for i in IMAGES])
def test_images_with_one_reading_are_taken_and_said(
    form: str, x: Array, expected: Array, notes: list[str]
) -> None:
    before = x.copy()
    data = from_arrays("mine", x[:50], Y[:50], x[50:], Y[50:])
    np.testing.assert_array_equal(x, before)
    assert data.shape == expected.shape[1:] and data.train.x.is_contiguous()
    np.testing.assert_allclose(pixels(data.test), expected[50:], atol=0.51)
    assert len(data.notes) == len(notes), data.notes
    for note, part in zip(data.notes, notes, strict=True):
        assert part in note


def test_whole_values_are_the_same_data_in_every_type() -> None:
    forms = [GREY, GREY * 1.0, GREY.astype(np.int64), GREY[:, None], GREY[..., None]]
    assert len({from_arrays("a", x, Y).checksum for x in forms}) == 1
    masks = [GREY > 99, (GREY > 99) * np.uint8(255)]
    assert len({from_arrays("a", x, Y).checksum for x in masks}) == 1


BAD_IMAGES: list[tuple[str, Any, str]] = [
    ("two channels", GREY[:, None].repeat(2, 1), "1, 3 or 4 channels"),
    ("two channels last", GREY[..., None].repeat(2, 3), "1, 3 or 4 channels"),
    ("one image", GREY[0], r"shape \(6, 5\); allowed: \(N, H, W\)"),
    ("flat images", GREY.reshape(60, 30), r"shape \(50, 30\)"),
    ("none", GREY[:0], r"shape \(0, 6, 5\)"),
    ("five axes", GREY[:, None, None], "allowed: .N, H, W."),
    (
        "both ends are channels",
        np.zeros((60, 3, 8, 4), np.uint8),
        r"\(N, C, H, W\) with 3 channels or \(N, H, W, C\) with 4; transpose .*channels='first'",
    ),
    ("integers of 0 and 1", (GREY > 99).astype(np.uint8), "masks, or nearly black .*astype.bool"),
    ("int64 of 0 and 1", (GREY > 99).astype(np.int64), "masks, or nearly black"),
    ("uint16 up to 255", GREY.astype(np.uint16), r"0 to 255, or nearly black ones of 0 to 65,535"),
    ("int32 of 16 bits", GREY.astype(np.int32) * 257, "from 0 to 65535; .*16-bit .* as uint16"),
    ("negative integers", GREY.astype(np.int16) - 128, "integers from -128 to 127"),
    ("floats to 1.5", GREY / 170, r"\[0, 1.5\]: images of 0 to 1 .* or nearly black ones of 0 to"),
    ("floats to 2", GREY / 127.5, "Clip them .*, or divide by 255"),
    ("floats to 256", GREY / 255 * 256, r"\[0, 256\]; allowed"),
    ("standardised", (GREY - 128.0) / 60, r"as if standardised: undo it"),
    ("signed to 255", GREY - 0.5, "as if standardised"),
    (
        "nan",
        np.where(GREY == 7, np.nan, GREY / 255),
        r"x_train has \d+ values of 1,500 that are na",
    ),
    ("inf", np.where(GREY == 7, np.inf, GREY / 255), "nan or infinite"),
    ("complex", GREY * 1j, "type complex128"),
    ("texts", GREY.astype(str), "type <U3; allowed: plain numbers"),
    ("objects", GREY.astype(object), "type object"),
    ("ragged", [[[1, 2], [3]], [[4]]], "x_train is no array"),
]


@pytest.mark.parametrize(("form", "x", "said"), BAD_IMAGES, ids=[b[0] for b in BAD_IMAGES])
def test_other_images_are_refused_in_one_line(form: str, x: Any, said: str) -> None:
    with pytest.raises(DataError, match=f"mine: .*{said}") as caught:
        from_arrays("mine", x[:50], Y[: len(x[:50])], x[50:] if len(x) > 50 else x, None)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_what_shape_does_not_tell_the_user_does() -> None:
    x = RNG.integers(0, 256, (60, 3, 8, 4), np.uint8)
    first, last = (from_arrays("a", x, Y, channels=c) for c in ("first", "last"))  # type: ignore
    assert first.shape == (3, 8, 4) and first.notes[0].startswith("no test part")
    assert last.shape == (3, 3, 8) and "put on white" in last.notes[1]
    with pytest.raises(DataError, match="1, 3 or 4 channels"):
        from_arrays("a", FAR_LEFT, Y, channels="first")
    with pytest.raises(ParameterError, match="channels = 'middle'; allowed: 'first', 'last'"):
        from_arrays("a", x, Y, channels="middle")  # type: ignore[arg-type]


def test_parts_may_have_their_channels_in_two_places() -> None:
    for x_train, x_test in ((COLOUR, FAR_LEFT), (FAR_LEFT, COLOUR)):
        data = from_arrays("a", x_train, Y, x_test, Y)
        np.testing.assert_allclose(pixels(data.test), COLOUR, atol=0.01)
        assert data.notes == ("channels stand last: moved first",)


def test_black_and_white_are_decided_over_all_parts() -> None:
    dark, bright = GREY // 2 / 255, GREY / 255
    found = accept_images("a", {"x_train": dark, "x_test": bright * 2 - 1})
    assert found.signed and found.notes == ("floats in [-1, 1]: -1 is black, 1 is white",)
    assert not accept_images("a", {"x_train": dark, "x_test": bright}).signed
    with pytest.raises(DataError, match=r"x_train and x_test hold floats in \[0, 1\.9"):
        accept_images("a", {"x_train": dark, "x_test": bright * 1.9})


@pytest.mark.parametrize(
    "name",
    ["accept", "accept_labels", "array_names", "in_memory", "picture_folder", "pictures", "splits"],
)
def test_the_examples_run(name: str) -> None:
    found = doctest.testmod(import_module(f"drlcore.data.{name}"))
    assert found.attempted > 0 and found.failed == 0


# Labels

NAMES = np.array(["cow", "ape", "bee"])[Y]
LABELS: list[tuple[str, Any, Array, tuple[str, ...], list[str]]] = [
    ("from 0", Y, Y, ("0", "1", "2"), []),
    ("uint8", Y.astype(np.uint8), Y, ("0", "1", "2"), []),
    ("tensor", torch.from_numpy(Y), Y, ("0", "1", "2"), []),
    ("from 1", Y + 1, Y, ("1", "2", "3"), ["labels 1, 2, 3 are classes 0 to 2"]),
    ("gaps", Y * 10 - 7, Y, ("-7", "3", "13"), ["labels -7, 3, 13 are classes"]),
    ("whole floats", Y * 1.0, Y, ("0", "1", "2"), []),
    ("column", Y[:, None], Y, ("0", "1", "2"), ["(N, 1): a column"]),
    ("one-hot", np.eye(3)[Y], Y, ("0", "1", "2"), ["one-hot rows"]),
    ("one-hot bool", np.eye(3, dtype=bool)[Y], Y, ("0", "1", "2"), ["one-hot rows"]),
    ("bool", Y > 0, (Y > 0) * 1, ("False", "True"), ["labels are names: False, True"]),
    ("str", NAMES, (Y + 2) % 3, ("ape", "bee", "cow"), ["labels are names: ape, bee, cow"]),
    ("bytes", NAMES.astype("S"), (Y + 2) % 3, ("ape", "bee", "cow"), ["labels are names"]),
    ("list of str", NAMES.tolist(), (Y + 2) % 3, ("ape", "bee", "cow"), ["labels are names"]),
    ("objects", NAMES.astype(object), (Y + 2) % 3, ("ape", "bee", "cow"), ["labels are names"]),
    ("Series", pd.Series(NAMES), (Y + 2) % 3, ("ape", "bee", "cow"), ["labels are names"]),
    ("category", pd.Series(NAMES, dtype="category"), (Y + 2) % 3, ("ape", "bee", "cow"), ["ape"]),
    ("object ints", (Y + 5).astype(object), Y, ("5", "6", "7"), ["5, 6, 7 are classes 0 to 2"]),
]


@pytest.mark.parametrize(
    ("form", "labels", "expected", "classes", "notes"), LABELS, ids=[each[0] for each in LABELS]
)
def test_labels_with_one_reading_are_classes_from_0(
    form: str, labels: Any, expected: Array, classes: tuple[str, ...], notes: list[str]
) -> None:
    data = from_arrays("mine", GREY, labels, GREY, labels)
    assert data.classes == classes and data.n_classes == len(classes) and data.labelled
    assert data.test.y.tolist() == expected.tolist() and data.test.y.dtype == torch.int64
    assert len(data.notes) == len(notes)
    for note, part in zip(data.notes, notes, strict=True):
        assert part in note


BAD_LABELS: list[tuple[str, Any, str]] = [
    ("too few", Y[:59], r"shape \(59,\) .* 60 labels, one for each image"),
    ("shares", np.full((60, 2), 0.5), "not whole"),
    ("several", np.ones((60, 3), int), "several labels an image, or shares"),
    ("none in a row", np.zeros((60, 3), int), "several labels an image"),
    ("reals", Y + 0.25, "not whole"),
    ("nan", np.where(Y == 0, np.nan, 1.0), "not whole"),
    ("missing", [None, *NAMES[1:]], "labels of type NoneType, str.*none missing"),
    ("mixed", [1, *NAMES[1:]], "labels of type int, str|y_train lacks|has 1"),
    ("dates", np.zeros(60, "M8[s]"), "type datetime64"),
    ("one class", np.zeros(60, int), "one class, 0; give two or more, or no labels"),
    ("-1 beside 0", Y - 1, "-1 beside 0: a class, or images without a label"),
    ("a table", np.zeros((60, 2, 2), int), r"shape \(60, 2, 2\)"),
]


@pytest.mark.parametrize(("form", "labels", "said"), BAD_LABELS, ids=[b[0] for b in BAD_LABELS])
def test_other_labels_are_refused_in_one_line(form: str, labels: Any, said: str) -> None:
    given = np.array(labels, object) if isinstance(labels, list) else labels
    with pytest.raises(DataError, match=f"mine: .*({said})") as caught:
        from_arrays("mine", GREY, given)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_parts_must_have_labels_of_one_kind() -> None:
    sizes = {"y_train": 2, "y_test": 2}
    with pytest.raises(DataError, match="y_train holds labels of type .* but y_test of int64"):
        accept_labels("a", {"y_train": ["x", "y"], "y_test": [0, 1]}, sizes)
    found = accept_labels("a", {"y_train": ["x", "y"], "y_test": ["y", "y"]}, sizes)
    assert found.parts["y_test"].tolist() == [1, 1]


# Parts that are not given


def test_without_labels_everything_else_is_there() -> None:
    data = from_arrays("mine", GREY)
    assert (data.n_classes, data.labelled, data.classes) == (0, False, ())
    assert [len(p.x) for p in (data.train, data.validation, data.test)] == [43, 5, 12]
    for part in (data.train, data.validation, data.test):
        assert not part.labelled and not part.first(3).labelled and part.y.sum() == 0
    assert data.notes[0] == "no labels" and "a fifth of them" in data.notes[1]
    assert from_arrays("b", GREY).checksum == data.checksum != from_arrays("b", GREY, Y).checksum
    with pytest.raises(DataError, match="^mine: has no labels; method 'csm' needs them$"):
        require_labels(data, "method 'csm'")
    with pytest.raises(DataError, match="a label split of images without labels"):
        label_split(data.train.y, LabelSplit(n_labels=2), data.n_classes)


def test_a_test_part_is_drawn_by_class_and_every_image_is_in_one_part() -> None:
    x = GREY.copy()
    x[:, 0, 0] = np.arange(60)
    data = from_arrays("mine", x, Y)
    assert torch.bincount(data.test.y).tolist() == [4, 4, 4]
    seen = [pixels(part)[:, 0, 0, 0].round().astype(int) for part in (data.train, data.test)]
    seen.append(pixels(data.validation)[:, 0, 0, 0].round().astype(int))
    assert sorted(np.concatenate(seen)) == list(range(60))
    for of_part, part in zip(seen, (data.train, data.test, data.validation), strict=True):
        assert (of_part % 3).tolist() == part.y.tolist()


def test_too_few_to_draw_a_part_from_are_refused() -> None:
    y = np.repeat([0, 1], [48, 12])
    with pytest.raises(DataError, match="class 1 has 12 training images; each needs at least 13"):
        from_arrays("mine", GREY, y)
    y = np.repeat([0, 1], [47, 13])
    assert torch.bincount(from_arrays("mine", GREY, y).train.y).min() >= 9
    with pytest.raises(DataError, match="there are 12 training images; it needs at least 13"):
        from_arrays("mine", GREY[:12])


def test_a_validation_part_that_is_given_is_kept() -> None:
    data = from_arrays("mine", GREY, Y, GREY[:9], Y[:9], x_validation=GREY[:6], y_validation=Y[:6])
    assert [len(p.x) for p in (data.train, data.validation, data.test)] == [60, 6, 9]
    other = from_arrays("mine", GREY, Y, GREY[:9], Y[:9])
    assert data.checksum != other.checksum
    with pytest.raises(DataError, match="there is y_validation but no x_validation"):
        from_arrays("mine", GREY, Y, y_validation=Y)
    with pytest.raises(DataError, match="no y_validation but y_train"):
        from_arrays("mine", GREY, Y, x_validation=GREY)


# Names of arrays


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([*FOUR, "labels"], FOUR),
        (["x_train"], ["x_train"]),
        (["X_train", "X_test"], ["x_train", "x_test"]),
        (["x_train", "x_val"], ["x_train", "x_validation"]),
        (["images", "author"], ["x_train"]),
        (["images", "labels"], ["x_train", "y_train"]),
        (["X", "y"], ["x_train", "y_train"]),
        (["data", "target"], ["x_train", "y_train"]),
        (["arr_0"], ["x_train"]),
        (["arr_0", "arr_1"], ["x_train", "y_train"]),
        (
            [f"{part}_{of}" for of in ("labels", "images") for part in ("test", "val", "train")],
            ["x_train", "y_train", "x_validation", "y_validation", "x_test", "y_test"],
        ),
    ],
)  # fmt: skip
def test_usual_names_are_known(held: list[str], expected: list[str]) -> None:
    found = arranged(held, "mine")
    assert list(found) == expected and set(found.values()) <= set(held)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ([], "holds the arrays none; allowed: x_train"),
        (["pictures"], "holds the arrays pictures; allowed: x_train .*, images"),
        (["y_train"], "holds the arrays y_train"),
        (["images", "y"], "images, y do not belong together"),
        (["images", "x_train"], "do not belong together"),
        (["x_train", "labels"], "do not belong together"),
        (["arr_0", "arr_1", "arr_2", "arr_3"], "do not belong together"),
        (["x", "X"], "holds both x and X; leave one out"),
    ],
)
def test_other_names_are_refused(held: list[str], said: str) -> None:
    with pytest.raises(DataError, match=f"^mine: .*{said}"):
        arranged(held, "mine")


def test_files_by_other_names(tmp_path: Path) -> None:
    path = str(tmp_path / "med.npz")
    np.savez(
        path, train_images=FAR_LEFT, train_labels=Y[:, None], val_images=FAR_LEFT[:12],
        val_labels=Y[:12, None], test_images=FAR_LEFT[:9], test_labels=Y[:9, None],
    )  # fmt: skip
    data = load_dataset(path)
    assert [len(p.x) for p in (data.train, data.validation, data.test)] == [60, 12, 9]
    assert "train_images is x_train" in data.notes[0] and "a column" in data.notes[2]
    np.savez(tmp_path / "names.npz", images=GREY, labels=NAMES)
    named = load_dataset(str(tmp_path / "names.npz"))
    assert named.classes == ("ape", "bee", "cow") and n_classes(str(tmp_path / "names.npz")) == 3
    np.save(tmp_path / "only.npy", GREY)
    only = load_dataset(str(tmp_path / "only.npy"))
    assert only.name == "only" and not only.labelled and only.notes[0] == "no labels"
    np.savez(tmp_path / "unnamed.npz", GREY)
    assert identity(str(tmp_path / "unnamed.npz")) == identity(str(tmp_path / "only.npy"))
    place = {x.tobytes(): i for i, x in enumerate(GREY)}
    order = [place[x.tobytes()] for x in pixels(only.train)[:, 0].round().astype(np.uint8)]
    assert order != sorted(order) and np.mean(order[:20]) == pytest.approx(29.5, abs=8)


@pytest.mark.parametrize("damage", ["text", "truncated", "object"])
def test_a_damaged_npy_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "bad.npy"
    np.save(path, GREY.astype(object) if damage == "object" else GREY, allow_pickle=True)
    if damage == "text":
        path.write_text("no array")
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    said = {"text": "not a readable .npy", "truncated": "1,799 follow", "object": "type object"}
    with pytest.raises(DataError, match=rf"bad\.npy: .*{said[damage]}"):
        load_dataset(str(path))


# Whatever is at hand


class Pairs(torch.utils.data.Dataset[Any]):
    def __init__(self, labelled: bool = True) -> None:
        self.labelled = labelled

    def __len__(self) -> int:
        return 60

    def __getitem__(self, i: int) -> Any:
        x = torch.from_numpy(COLOUR[i] / np.float32(255))
        return (x, int(Y[i])) if self.labelled else x


class ClassLabel:
    names = ("cow", "ape", "bee")


class Columns:
    """As a Hugging Face Dataset."""

    def __init__(self, **columns: Any) -> None:
        self.columns = columns
        self.features = {"label": ClassLabel()}

    @property
    def column_names(self) -> list[str]:
        return list(self.columns)

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]


PICTURES = [Image.fromarray(np.ascontiguousarray(x)) for x in FAR_LEFT]


@pytest.mark.parametrize(
    ("form", "given", "classes"),
    [
        ("array", COLOUR, 0),
        ("tensor", torch.from_numpy(COLOUR), 0),
        ("pair", (COLOUR, NAMES), 3),
        ("pair of tensors", (torch.from_numpy(COLOUR), torch.from_numpy(Y)), 3),
        ("dict", {"images": COLOUR, "labels": Y}, 3),
        ("list of arrays", list(COLOUR), 0),
        ("pictures", PICTURES, 0),
        ("pictures and labels", (PICTURES, NAMES), 3),
        ("torch Dataset", Pairs(), 3),
        ("torch Dataset without labels", Pairs(labelled=False), 0),
        ("Hugging Face", Columns(image=PICTURES, label=list(map(int, Y))), 3),
        ("Hugging Face without labels", Columns(img=PICTURES), 0),
        ("DataFrame", pd.DataFrame({"image": PICTURES, "label": NAMES}), 3),
    ],
)
def test_whatever_is_at_hand_becomes_the_same_images(form: str, given: Any, classes: int) -> None:
    data = as_dataset(given, name="things")
    assert data.name == "things" and data.shape == (3, 6, 5) and data.n_classes == classes
    assert (form == "Hugging Face") <= (data.classes == ("ape", "bee", "cow"))
    found = [
        pixels(part).round().astype(np.uint8) for part in (data.train, data.validation, data.test)
    ]
    assert {x.tobytes() for x in np.concatenate(found)} == {x.tobytes() for x in COLOUR}


def test_parts_and_paths(tmp_path: Path) -> None:
    def part(n: int) -> Columns:
        return Columns(image=PICTURES[:n], label=list(map(int, Y[:n])))

    data = as_dataset({"train": part(60), "test": part(12)})
    assert [len(p.x) for p in (data.train, data.validation, data.test)] == [54, 6, 12]
    with pytest.raises(DataError, match="has the parts train, extra; allowed: train, validation"):
        as_dataset({"train": part(60), "extra": part(12)})
    files = [tmp_path / f"{i}.png" for i in range(60)]
    for file, picture in zip(files, PICTURES, strict=True):
        picture.save(file)
    frame = pd.DataFrame({"path": list(map(str, files)), "label": NAMES})
    listed = as_dataset(frame)
    assert listed.checksum == as_dataset((files, NAMES)).checksum
    assert listed.checksum == as_dataset((COLOUR, NAMES)).checksum
    assert as_dataset(tmp_path, name="folder").name == "folder"
    assert as_dataset("digits").n_classes == 10 and as_dataset(listed) is listed
    files[3].write_text("no picture")
    with pytest.raises(DataError, match=r"3\.png: not a readable picture"):
        as_dataset(frame)
    kept = as_dataset(frame, skip_unreadable=True)
    assert sum(len(p.x) for p in (kept.train, kept.validation, kept.test)) == 59
    assert any("1 unreadable pictures left out" in note for note in kept.notes)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, "cannot take int; allowed: a path"),
        (None, "cannot take NoneType"),
        ([], "cannot take list"),
        ([1, 2], "cannot take a list of int"),
        ([GREY[0], GREY[0, :3]], r"images of shapes from \(3, 5\) to \(6, 5\)"),
        ((PICTURES, Y[:5]), "60 pictures but 5 labels"),
        (pd.DataFrame({"label": [1]}), "has the columns label; allowed: one of image, img"),
        (pd.DataFrame({"path": [1], "image": [1]}), "has the columns path, image"),
        ({"pictures": GREY}, "holds the arrays pictures"),
        (Columns(image=PICTURES, label=[-1] * 60), "has the label -1, which has no name"),
        (Columns(image=PICTURES, picture=PICTURES, img=PICTURES), "columns image, picture, img"),
        ((COLOUR[:20], None), "x_train has 16 images, 14 of them"),
    ],
)
def test_the_rest_is_refused_in_one_line(given: Any, said: str) -> None:
    with pytest.raises(DataError, match=f"^mine: .*{said}") as caught:
        as_dataset(given)
    assert "\n" not in str(caught.value)


def test_a_data_set_in_memory_is_known_by_its_images(monkeypatch: pytest.MonkeyPatch) -> None:
    data = as_dataset(COLOUR)
    monkeypatch.setitem(DATASETS, "mine", data)
    assert identity("mine") == f"own-{data.checksum}" and load_dataset("mine") is data
    assert isinstance(data, Dataset) and re.fullmatch("[0-9a-f]{16}", data.checksum)
