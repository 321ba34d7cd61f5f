"""The forms that CIFAR is had in, each read to the same images: no form is the data set itself.

Everything is read in memory; nothing is unpacked on disk, and no code in a file is run.
"""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from drlcore.data.canonical import Arrays
from drlcore.data.cifar_batches import read_pickled, read_records
from drlcore.data.class_names import CIFAR10
from drlcore.data.npz import one_line
from drlcore.data.paths import printable
from drlcore.data.picture_folder import walk
from drlcore.data.pictures import ENDINGS
from drlcore.data.splits import Array
from drlcore.errors import DataError

_SIDE = 32
_COLUMNS = (("img", "image"), ("label", "labels"))
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
_LARGEST = 2**28  # bytes of a file; the largest form of CIFAR has 184 million in all
Part = tuple[Array, Array]  # x uint8 (N, 32, 32, 3) and y (N,)


@dataclass(frozen=True)
class Form:
    """A form that images and their labels are kept in.

    Attributes:
        name: what messages call one of its files.
        called: what these are called, for messages.
        files: what their paths match; with the group ``test`` for images of that part.
        read: x uint8 (N, 32, 32, 3) and y (N,) of a file's content and path.
    """

    name: str
    called: str
    files: re.Pattern[str]
    read: Callable[[bytes, re.Match[str]], Part]


def read(name: str, path: Path) -> Arrays:
    """The images of the data set ``name`` in whatever form they are at ``path``, in any order.

    Args:
        name: ``cifar10``, in any of ``FORMS``, or ``cifar100``.
        path: a folder, a tar, compressed or not, or a zip. Of a folder that holds no form itself
            the archives in it are looked into; other files are left alone.

    Returns:
        x_train uint8 (N, 32, 32, 3), y_train (N,), x_test, y_test.

    Raises:
        DataError: no such file, none of the forms, or a file that cannot be read.
    """
    for place in (path, *_archives(path)):
        label = printable(str(place))
        with one_line(label, "archive or folder"), _files(place) as contents:
            for form in FORMS[name]:
                found = [match for file in contents if (match := form.files.search(file))]
                parts = [[m for m in found if bool(m["test"]) == test] for test in (False, True)]
                if all(parts):
                    (x, y), test = (_joined(label, form, part, contents) for part in parts)
                    return x, y, *test
    known = ", ".join(f"{form.name} ({form.called})" for form in FORMS[name])
    raise DataError(
        f"{printable(str(path))}: no images of train and test; {name} is taken from a folder, tar "
        f"or zip of one of: {known}"
    )


def _archives(path: Path) -> list[Path]:
    """Those in a folder."""
    if not path.is_dir():
        return []
    return sorted(path / each for each in walk(path) if each.lower().endswith(_ARCHIVES))


Contents = dict[str, Callable[[], bytes]]


@contextmanager
def _files(path: Path) -> Iterator[Contents]:
    """The files of a folder or archive by their path in it; each is read when called."""
    if path.is_dir():
        yield {Path(each).as_posix(): (path / each).read_bytes for each in sorted(walk(path))}
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as zipped:
            sizes = {member.filename: member.file_size for member in zipped.infolist()}
            yield {name: partial(_unzipped, zipped, name, sizes[name]) for name in sizes}
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as tarred:
            yield {m.name: partial(_untarred, tarred, m) for m in tarred if m.isfile()}
    else:
        raise DataError(f"{printable(str(path))}: neither a folder nor a whole tar or zip")


def _unzipped(archive: zipfile.ZipFile, name: str, size: int) -> bytes:
    _require_small(name, size)
    return archive.read(name)


def _untarred(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    _require_small(member.name, member.size)
    content = archive.extractfile(member)
    return content.read() if content else b""


def _require_small(name: str, size: int) -> None:
    if size > _LARGEST:  # a small archive can hold a file of any size
        raise ValueError(f"{name} has {size:,} bytes; allowed: {_LARGEST:,}")


def _joined(label: str, form: Form, files: list[re.Match[str]], contents: Contents) -> Part:
    parts = []
    for match in files:
        content = contents[match.string]()
        with one_line(f"{label}: {printable(match.string)}", form.name):
            x, y = form.read(content, match)
            if len(x) != len(y):
                raise ValueError(f"{len(x)} images but {len(y)} labels")
        parts.append((x, np.asarray(y, np.int64)))
    x, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return x, y


def _picture(content: bytes) -> Array:
    """Shape (32, 32, 3)."""
    with Image.open(io.BytesIO(content)) as image:
        if image.size != (_SIDE, _SIDE):  # asked before the pixels are unpacked
            raise ValueError(f"{image.width} x {image.height} pixels; allowed: {_SIDE} x {_SIDE}")
        return np.asarray(image.convert("RGB"))


def _of_class(content: bytes, match: re.Match[str]) -> Part:
    if match["label"] not in CIFAR10:
        raise ValueError(f"no class is called {match['label']!r}; {', '.join(CIFAR10)} are")
    return _picture(content)[None], np.array([CIFAR10.index(match["label"])])


def _rows(content: bytes, _: re.Match[str]) -> Part:
    """Rows as Hugging Face keeps them: a picture's bytes, or these and a path, and a number."""
    from pyarrow import BufferReader
    from pyarrow.parquet import ParquetFile

    with ParquetFile(BufferReader(content)) as file:
        held = file.schema_arrow.names
        columns = [name for names in _COLUMNS for name in names if name in held]
        if len(columns) != len(_COLUMNS):
            raise ValueError(f"columns {', '.join(held)}; allowed: img or image, and label")
        images, labels = (file.read([name])[name].to_pylist() for name in columns)
    encoded = [image["bytes"] if isinstance(image, dict) else image for image in images]
    return np.stack([_picture(each) for each in encoded]), np.array(labels, np.int64)


def _batches(
    name: str, train: str, test: str, called: str, read: Callable[[bytes, re.Match[str]], Part]
) -> Form:
    """A form of files whose whole names are these; a hidden one's begins otherwise."""
    return Form(name, called, re.compile(rf"(?:^|/)(?:{train}|(?P<test>{test}))$"), read)


_SPLIT = r"(?:train|(?P<test>test))"
_PICTURE = rf"(?:^|/){_SPLIT}/(?P<label>[^/]+)/[^/.][^/]*(?:{'|'.join(map(re.escape, ENDINGS))})$"
_TABLE = rf"(?:^|[/_-]){_SPLIT}(?:[-_.][^/]*|/[^/.][^/]*)?\.parquet$"
FORMS = {
    "cifar10": (
        _batches(
            "CIFAR binary batch", r"data_batch_\d+\.bin", r"test_batch\.bin",
            "data_batch_1.bin, ..., test_batch.bin", partial(read_records, label_bytes=1),
        ),
        _batches(
            "CIFAR Python batch", r"data_batch_\d+", "test_batch",
            "data_batch_1, ..., test_batch", read_pickled,
        ),
        Form("picture", "train|test/<class>/<name>.png", re.compile(_PICTURE), _of_class),
        Form("Parquet table", "train*|test*.parquet", re.compile(_TABLE), _rows),
    ),
    "cifar100": (
        _batches(
            "CIFAR binary batch", r"train\.bin", r"test\.bin",
            "train.bin, test.bin", partial(read_records, label_bytes=2),
        ),
    ),
}  # fmt: skip
"""By data set, in the order that they are looked for."""
