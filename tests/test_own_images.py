"""A user's own images: found once, known by content, refused at once if a notebook would fail."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from drlcore.data import own_images, paths
from drlcore.data.datasets import available, identity, load_dataset, title
from drlcore.data.npz import read_npz
from drlcore.data.own_images import CLASSES, LARGEST, LARGEST_IMAGE, NEIGHBOURS
from drlcore.errors import DataError, ParameterError
from drlcore.paper.experiments import (
    CodeCurve,
    Downstream,
    Experiment,
    ForwardSDE,
    LatentSpace,
    NoiseDial,
    SemiSupervised,
    StartHere,
)
from drlcore.paper.presets import PRESETS
from drlcore.probes.static import NEIGHBOURS as PROBED
from drlcore.training.run import RunParameters

Array = NDArray[Any]
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
EVERY = (StartHere, ForwardSDE, LatentSpace, NoiseDial, CodeCurve, Downstream, SemiSupervised)


def images(
    n: int = 200, n_test: int = 40, shape: tuple[int, ...] = (6, 5), classes: int = 2, seed: int = 0
) -> dict[str, Array]:
    x = np.random.default_rng(seed).integers(0, 256, (n + n_test, *shape), np.uint8)
    y = np.concatenate([np.arange(n) % classes, np.arange(n_test) % classes])
    return {"x_train": x[:n], "y_train": y[:n], "x_test": x[n:], "y_test": y[n:]}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own data set, ``mine.npz`` in the current folder."""
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "mine.npz", **images())
    return tmp_path / "mine.npz"


# Which file a name means


@pytest.mark.parametrize("cls", [LatentSpace, Downstream])
@pytest.mark.parametrize("spelling", ["mine.npz", "./mine.npz", "sub/../mine.npz", "{}"])
def test_every_spelling_of_a_path_is_one_absolute_path(
    own: Path, cls: type[LatentSpace], spelling: str
) -> None:
    (own.parent / "sub").mkdir()
    assert cls(preset="smoke", dataset=spelling.format(own)).dataset == str(own)


def test_a_path_is_looked_for_here_and_then_in_the_repository(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = own.parent / "notebooks" / "mine"
    elsewhere.mkdir(parents=True)
    (own.parent / "data" / "mnist").mkdir(parents=True)
    monkeypatch.setenv("DRLCORE_ROOT", str(own.parent))
    monkeypatch.chdir(elsewhere)
    assert LatentSpace(dataset="mine.npz").dataset == str(own)
    np.savez(elsewhere / "mine.npz", **images(seed=1))
    found = LatentSpace(dataset="mine.npz")
    assert found.dataset == str(elsewhere / "mine.npz")
    monkeypatch.chdir(own.parent)  # the batch runs here
    assert LatentSpace.from_json(found.model_dump_json()) == found


def test_without_a_checkout_only_the_current_folder_counts(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRLCORE_ROOT", str(own.parent / "nowhere"))
    assert LatentSpace(dataset="mine.npz").dataset == str(own)
    with pytest.raises(ParameterError, match=r"'dataset' = 'yours\.npz': known are"):
        LatentSpace(dataset="yours.npz")


def test_a_link_keeps_its_own_name(own: Path) -> None:
    (own.parent / "a8f3").write_bytes(own.read_bytes())
    (own.parent / "link.npz").symlink_to("a8f3")
    assert load_dataset("link.npz").name == "link"
    assert identity("link.npz") == identity("mine.npz")


def test_a_known_name_is_never_a_file(own: Path) -> None:
    own.rename(own.with_name("digits"))
    assert LatentSpace(dataset="digits").dataset == "digits"
    assert load_dataset("digits").shape == (1, 8, 8)
    own.with_name("digits").rename(own.with_name("digits.npz"))
    assert load_dataset("digits.npz").name == title("digits.npz") == "digits.npz"


@pytest.mark.parametrize(
    ("file", "name"),
    [("a.b.npz", "a.b"), ("toy.npz", "toy.npz"), ("$x^.npz", "_x^"), ("a\nb.npz", "a\ufffdb")],
)
def test_figures_call_a_file_by_its_stem(own: Path, file: str, name: str) -> None:
    own.rename(own.with_name(file))
    assert load_dataset(file).name == title(file) == name
    assert LatentSpace(dataset=file).data_title == Downstream(dataset=file).data_title == name


# The identity of data


def test_known_names_are_their_own_identity() -> None:
    assert [identity(name) for name in ("mnist", "digits", "cifar10")] == [
        "mnist", "digits", "cifar10",
    ]  # fmt: skip
    for name in ("cifar", "", "missing.npz"):
        with pytest.raises((ParameterError, DataError)):
            identity(name)


def test_own_data_is_known_by_its_content(own: Path) -> None:
    here = identity(str(own))
    assert here == f"own-{load_dataset(str(own)).checksum}" == identity("mine.npz")
    np.savez_compressed(own.with_name("other.npz"), **images(), note=np.zeros(3))
    assert identity("other.npz") == here
    order = {key: np.asfortranarray(array) for key, array in images().items()}
    np.savez(own.with_name("order.npz"), **order)
    assert identity("order.npz") == here


def test_an_edited_file_is_another_data_set(own: Path) -> None:
    before, found = identity("mine.npz"), own.stat()
    changed = images()
    changed["x_train"][3, 2, 1] ^= 1
    np.savez(own, **changed)
    os.utime(own, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    assert identity("mine.npz") != before


def test_a_run_s_key_follows_the_images_and_not_the_path(own: Path) -> None:
    def keys(name: str) -> list[str]:
        return [run.key for run in NoiseDial(preset="smoke", dataset=name).runs()]

    before, found = keys("mine.npz"), own.stat()
    np.savez_compressed(own.with_name("copy.npz"), **images())
    assert keys("./mine.npz") == keys(str(own)) == keys("copy.npz") == before
    np.savez(own, **images(seed=1))
    os.utime(own, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    of_toy = {run.key for run in NoiseDial(preset="smoke").runs() if run.dataset == "toy"}
    assert set(keys("mine.npz")) & set(before) == of_toy


def test_the_file_is_read_once(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = identity("mine.npz")
    monkeypatch.setattr(own_images, "read_npz", None)
    assert identity("mine.npz") == first and load_dataset(str(own)).name == "mine"


# What is no data set


@pytest.mark.parametrize("cls", EVERY)
@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("fm.gz", r"is a \.gz file"),
        ("fm.parquet", r"is a \.parquet file"),
        ("fm", "is a file without an ending"),
    ],
)
def test_what_exists_is_refused_as_what_it_is(
    own: Path, cls: type[Experiment], file: str, what: str
) -> None:
    own.with_name(file).write_bytes(b"something")
    said = rf"'dataset' = .*{what}; own .* an \.npz or \.npy file, or a folder of pictures"
    with pytest.raises(ParameterError, match=said) as caught:
        cls(dataset=file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["folder", "folder.npz"])
def test_an_empty_folder_holds_no_pictures(own: Path, name: str) -> None:
    own.with_name(name).mkdir()
    with pytest.raises(DataError, match=f"{name}: no pictures in it"):
        LatentSpace(dataset=name)


def test_a_pipe_is_refused_and_not_waited_for(own: Path) -> None:
    os.mkfifo(own.with_name("pipe.npz"))
    with pytest.raises(ParameterError, match="is no regular file"):
        LatentSpace(dataset="pipe.npz")


@pytest.mark.parametrize("cls", EVERY)
@pytest.mark.parametrize(
    "name",
    ["x" * 300, "x" * 300 + ".npz", "a/" * 3000, "a\0b", "a\0b.npz", "a\nb.npz", "mine.npz/x",
     "\ud800.npz", " ", "~", ",", "," * 5000],
)  # fmt: skip
def test_a_name_of_no_file_is_one_clear_line(own: Path, cls: type[Experiment], name: str) -> None:
    with pytest.raises(ParameterError, match="'dataset'") as caught:
        cls(dataset=name)
    assert "\n" not in str(caught.value)
    with pytest.raises((ParameterError, DataError)):
        load_dataset(name)


# Several names


def test_a_comma_may_belong_to_a_path(own: Path) -> None:
    path = own.with_name("a,b, c.npz")
    own.rename(path)
    assert Downstream(preset="smoke", dataset=path.name).dataset_names == [str(path)]
    for names in (f"digits,{path.name}", f"{path.name}, digits"):
        several = Downstream(preset="smoke", dataset=names)
        assert set(several.datasets) == {"digits", str(path)}
        assert (
            Downstream.from_json(several.model_dump_json()).dataset_names == several.dataset_names
        )


def test_the_whole_is_first_looked_at_as_one_path(own: Path) -> None:
    path = own.with_name("mine.npz,mine.npz")
    np.savez(path.open("wb"), **images(seed=1))
    assert Downstream(dataset=path.name).dataset_names == [str(path)]


@pytest.mark.parametrize("cls", [CodeCurve, Downstream, SemiSupervised])
@pytest.mark.parametrize("place", ["{},digits", "digits,{}"])
def test_every_name_is_checked_at_once(own: Path, cls: type[Experiment], place: str) -> None:
    with pytest.raises(ParameterError, match=r"'missing\.npz' is neither"):
        cls(preset="smoke", dataset=place.format("missing.npz"))
    own.with_name("bad.npz").write_bytes(b"no zip")
    with pytest.raises(DataError, match=r"bad\.npz: not a readable \.npz"):
        cls(preset="smoke", dataset=place.format("bad.npz"))


@pytest.mark.parametrize("names", ["digits," * 10**6, "," * 10**6, "digits," * 9000 + "x"])
def test_any_number_of_names_is_answered_at_once(names: str) -> None:
    with pytest.raises(ParameterError, match="'dataset' = .*(allowed: up to|is neither)"):
        Downstream(preset="smoke", dataset=names)


def test_one_file_counts_once_and_titles_are_told_apart(own: Path) -> None:
    assert Downstream(preset="smoke", dataset=f"mine.npz,./mine.npz,{own}").dataset_names == [
        str(own)
    ]
    (own.parent / "sub").mkdir()
    np.savez(own.parent / "sub" / "mine.npz", **images(seed=1))
    with pytest.raises(ParameterError, match="two data sets would both be called 'mine'"):
        Downstream(preset="smoke", dataset="mine.npz,sub/mine.npz")


# Every notebook can use it


def write(path: Path, **changes: Any) -> str:
    np.savez(path, **(images() | changes))
    return str(path)


FEW: list[tuple[dict[str, Any], str]] = [
    ({"y_test": np.zeros(40, int)}, "x_test has 40 images of 1 classes.*2 classes or more"),
    (images(n_test=1), "x_test has 1 images of 1 classes"),
    (images(n_test=2), "x_test has 2 images of 2 classes.*more images than classes"),
    (images(n=20), f"x_train has 20 images, 18 of them.*{NEIGHBOURS + 1} or more"),
    (images(n=100, classes=10), "x_train has 100 images of 10 classes.*more than 100"),
    (images(n=10 * CLASSES + 10, classes=CLASSES + 1, shape=(2, 2)), f"allowed: 2 to {CLASSES}"),
    (images(shape=(1, 1)), r"shape \(1, 1, 1\); allowed: 2 x 2 pixels or more"),
    (images(shape=(1, 28)), r"shape \(1, 1, 28\); allowed: 2 x 2"),
    (images(shape=(3, 9, 1)), r"3, 9, 1\), which is \(N, C, H, W\) with 3 channels or .* with 1"),
    (images(shape=(2, 6, 5)), "allowed: .* 1, 3 or 4 channels"),
    (images(40, 8, (513, 300)), r"153,900 values, .* 9\.2 GB.*65,536 values \(3\.9 GB\)"),
    ({"x_train": np.zeros((200, 6, 5), np.uint8)}, "all values of x_train are -1"),
    ({"x_train": np.array(3)}, "x_train has shape"),
    ({"x_train": np.full((200, 6, 5), np.nan)}, "6,000 values of 6,000 that are nan or inf"),
    ({"x_test": np.full((40, 6, 5), np.inf)}, "1,200 values of 1,200 that are nan or inf"),
    ({"x_train": np.zeros((200, 6, 5), complex)}, "x_train has type complex128"),
    ({"x_train": np.zeros((200, 6, 5), "i4,f4")}, "x_train has type"),
    ({"x_train": np.full((200, 6, 5), "a")}, "x_train has type <U1; allowed: plain numbers"),
    ({"x_train": np.zeros((200, 6, 5), "M8[s]")}, "x_train has type datetime64"),
    ({"y_test": np.full(40, 2**63, np.uint64)}, "y_test has shape .* below 2..63"),
    ({"y_train": np.arange(200) * 3}, "y_test has the class 1, .* 0 to 597, 200 of them"),
]


@pytest.mark.parametrize("cls", [StartHere, NoiseDial, Downstream])
@pytest.mark.parametrize(("changes", "message"), FEW)
def test_too_few_and_odd_images_are_refused_before_anything_is_trained(
    tmp_path: Path, cls: type[Experiment], changes: dict[str, Any], message: str
) -> None:
    path = write(tmp_path / "odd.npz", **changes)
    with pytest.raises(DataError, match=rf"odd\.npz: .*{message}") as caught:
        cls(preset="smoke", dataset=path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_the_limits_are_those_of_what_they_are_for() -> None:
    assert NEIGHBOURS == PROBED
    assert PRESETS["smoke"].comparison.protocol.images == CLASSES
    assert LARGEST_IMAGE == 256 * 256


def test_the_smallest_set_that_is_taken_holds_what_every_probe_asks_for(tmp_path: Path) -> None:
    data = load_dataset(write(tmp_path / "small.npz", **images(24, 3, (2, 2))))
    assert len(data.train.y) == NEIGHBOURS + 1
    for part in (data.validation, data.test):
        assert len(part.y) > len(part.y.unique()) == 2


@pytest.mark.parametrize("counts", [(3000, 3000, 3000), (8000, 300, 10), (10, 11, 600)])
def test_the_first_so_many_images_of_each_part_are_of_all_classes(
    tmp_path: Path, counts: tuple[int, ...]
) -> None:
    y = np.repeat(np.arange(3), counts)  # sorted, as a folder of classes would come
    x = np.arange(len(y), dtype="<u4").view(np.uint8).reshape(-1, 2, 2)  # numbers the image
    path = write(tmp_path / "sorted.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    data = load_dataset(path)
    for part in (data.train, data.validation, data.test):
        pixels = ((part.x + 1) * 127.5).round().byte().numpy()
        assert y[pixels.reshape(-1, 4).copy().view("<u4")[:, 0]].tolist() == part.y.tolist()
        assert part.y[:3].tolist() == [0, 1, 2]
        share = torch.bincount(part.y, minlength=3) / len(part.y)
        for n in (len(part.y) // 4, len(part.y) // 2):
            assert (torch.bincount(part.y[:n], minlength=3) - n * share).abs().max() < 2


def test_classes_too_small_for_a_label_split_are_refused_at_once(tmp_path: Path) -> None:
    y = np.repeat([0, 1, 2], [300, 300, 10])
    x = np.random.default_rng(0).integers(0, 256, (len(y), 6, 5), np.uint8)
    path = write(tmp_path / "rare.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    with pytest.raises(DataError, match="^rare: n_labels = .*class 2 has 9 of 549 images"):
        SemiSupervised(preset="smoke", dataset=path)
    assert Downstream(preset="smoke", dataset=path).datasets == [path]


# Files that lie


def member(header: str, content: bytes = b"", version: bytes = b"\1\0") -> bytes:
    text = header.encode()
    size = len(text).to_bytes(2 if version == b"\1\0" else 4, "little")
    return b"\x93NUMPY" + version + size + text + content


def zipped(path: Path, **members: bytes) -> None:
    whole = {}
    for key, array in images().items():
        stream = io.BytesIO()
        np.save(stream, array)
        whole[key] = stream.getvalue()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, content in (whole | members).items():
            archive.writestr(f"{key}.npy", content)


def header(shape: str, descr: str = "'|u1'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"


HUGE = "(1000000000000000,)"
LIES: dict[str, bytes] = {
    "names shape": member(header(HUGE)),
    "no side can be below 0": member(header("(-1, 6, 5)")),
    "has type object": member(header("(200,)", "'|O'"), bytes(1600)),
    "names shape .* but 7 follow": member(header("(2, 2, 2)"), bytes(7)),
    "names shape .* but 9 follow": member(header("(2, 2, 2)"), bytes(9)),
    "format version": member(header("(1,)"), bytes(1), b"\3\0"),
    "not a readable": member("{'descr': " + "(" * 9000),
    "plain arrays .*[hH]eader": member(header("(1,)") + " " * 20_000, bytes(1)),
    "plain arrays .*magic": b"no array",
    "plain arrays": b"",
}


@pytest.mark.parametrize("key", ["x_train", "y_test"])
@pytest.mark.parametrize("message", LIES)
def test_a_header_is_believed_only_as_far_as_the_file_bears_it_out(
    tmp_path: Path, key: str, message: str
) -> None:
    path = tmp_path / "lies.npz"
    zipped(path, **{key: LIES[message]})
    with pytest.raises(DataError, match=rf"lies\.npz: .*{message}") as caught:
        NoiseDial(preset="smoke", dataset=str(path))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def patched(path: Path, local: int, central: int, value: bytes) -> None:
    """Overwrite a field of every zip header, at its offset in the local and the central one."""
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\3\4", local), (b"PK\1\2", central)):
        at = content.find(mark)
        while at >= 0:
            content[at + offset : at + offset + len(value)] = value
            at = content.find(mark, at + 4)
    path.write_bytes(content)


def test_an_encrypted_file_is_refused(tmp_path: Path) -> None:
    zipped(tmp_path / "locked.npz")
    patched(tmp_path / "locked.npz", 6, 8, b"\1\0")
    with pytest.raises(DataError, match="is encrypted"):
        load_dataset(str(tmp_path / "locked.npz"))


def test_an_unknown_compression_is_refused(tmp_path: Path) -> None:
    zipped(tmp_path / "odd.npz")
    patched(tmp_path / "odd.npz", 8, 10, b"\x61\0")
    with pytest.raises(DataError, match="not a readable"):
        load_dataset(str(tmp_path / "odd.npz"))


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.npz"
    n = 150_000
    header_only = member(header(f"({n}, 30, 30)"))
    zipped(path, x_train=header_only + bytes(900 * n))
    assert path.stat().st_size < 2**20
    monkeypatch.setattr("numpy.lib.format.read_array", None)
    with pytest.raises(DataError, match="unpack to .*more than 200 times"):
        load_dataset(str(path))


def test_more_numbers_than_the_limit_are_refused_unread(tmp_path: Path) -> None:
    zipped(tmp_path / "many.npz")
    total = sum(array.size for array in images().values())
    assert len(read_npz(tmp_path / "many.npz", ARRAYS, total)) == 4
    double = {key: array.astype(np.longdouble) for key, array in images().items()}
    np.savez(tmp_path / "wide.npz", **double)
    with pytest.raises(DataError, match=rf"{total * np.longdouble().itemsize // 8:,} numbers"):
        read_npz(tmp_path / "wide.npz", ARRAYS, total)
    with pytest.raises(DataError, match=rf"{total:,} numbers .*allowed: {total - 1:,}"):
        read_npz(tmp_path / "many.npz", ARRAYS, total - 1)
    assert LARGEST * 4 == 2 * 2**30


# While it is read


def test_errors_while_reading_are_one_line(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanished(*_: Any) -> Any:
        raise FileNotFoundError(2, "No such file or directory", str(own))

    def forbidden(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(own))

    monkeypatch.setattr("drlcore.data.datasets._stamp", vanished)
    for ask in (load_dataset, identity):
        with pytest.raises(DataError, match=r"mine\.npz: No such file or directory$"):
            ask("mine.npz")
    monkeypatch.undo()
    monkeypatch.chdir(own.parent)
    os.utime(own, ns=(0, 12345))  # not the file of another test
    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(DataError, match=r"mine\.npz: .*Permission denied"):
        load_dataset("mine.npz")
    monkeypatch.undo()
    monkeypatch.setattr(Path, "stat", forbidden)
    with pytest.raises(DataError, match=r"mine\.npz: Permission denied"):
        LatentSpace(dataset=str(own))
    assert not available(str(own))


def test_a_run_can_be_made_of_a_path_that_is_not_there() -> None:
    assert RunParameters(dataset="nowhere.npz").dataset == "nowhere.npz"
    assert not available("nowhere.npz") and paths.root().is_dir()
