"""The forms that CIFAR is had in, and how the images of each are read."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from drlcore.data.canonical import Arrays
from drlcore.data.class_names import CIFAR10
from drlcore.data.splits import Array
from drlcore.errors import DataError

SHAPE = (32, 32, 3)
Read = Callable[[bytes, re.Match[str]], tuple[Array, Array]]


@dataclass(frozen=True)
class Form:
    """A form that images and labels are kept in.

    Attributes:
        pattern: of the names of its files; group 1 is ``train`` or ``test``.
        read: of a file's content and its name x uint8 (N, 32, 32, 3) and y (N,).
    """

    pattern: re.Pattern[str]
    read: Read


def read(path: Path) -> Arrays:
    """The images of a tar of pictures, in the order that they are found in.

    Raises:
        DataError: no form that is known, or a file that cannot be read.
    """
    parts: dict[str, list[tuple[Array, Array]]] = {"train": [], "test": []}
    for name, content in _files(path):
        for form in FORMS:
            if found := form.pattern.search(name):
                parts[found[1]].append(form.read(content, found))
    if not all(parts.values()):
        raise DataError(f"{path}: no images of train and of test in it")
    (x_train, y_train), (x_test, y_test) = (
        map(np.concatenate, zip(*of_part, strict=True)) for of_part in parts.values()
    )
    return x_train, y_train, x_test, y_test


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file of an archive."""
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if content := archive.extractfile(member):
                    yield member.name, content.read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise DataError(f"{path}: not a whole archive ({error})") from None


def _picture(content: bytes, found: re.Match[str]) -> tuple[Array, Array]:
    if found[2] not in CIFAR10:
        raise DataError(f"{found[0]}: no class is called {found[2]!r}; {', '.join(CIFAR10)} are")
    with Image.open(io.BytesIO(content)) as image:
        x = np.asarray(image.convert("RGB"))
    return x[None], np.array([CIFAR10.index(found[2])])


FORMS = (Form(re.compile(r"(?:^|/)(train|test)/([^/]+)/[^/]+\.png$"), _picture),)
