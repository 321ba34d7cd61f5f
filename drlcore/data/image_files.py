"""Published image formats: CIFAR's binary records in a tar, and one folder of images a class."""

from __future__ import annotations

import math
import re
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drlcore.errors import DataError

Array = NDArray[Any]
CIFAR_SHAPE = (3, 32, 32)
# Pillow's for broken PNGs is a SyntaxError, for a header that asks for too much one of its own.
_UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
_RECORDS = re.compile(r"(?:^|/)(?:(train|data_batch_\d+)|(?:test|test_batch))\.bin$")


def read_cifar(path: Path, label_bytes: int) -> tuple[Array, Array, Array, Array]:
    """The images of a CIFAR binary archive; nothing is unpacked on disk.

    A record is ``label_bytes`` labels and an image's 3,072 bytes: channel, row, column.
    Training records are those of ``data_batch_1.bin``, ``..._2.bin`` and so on (CIFAR-10) or
    ``train.bin`` (CIFAR-100); test records those of ``test_batch.bin`` or ``test.bin``.

    Args:
        path: the ``.tar.gz``.
        label_bytes: 1 for CIFAR-10; 2 for CIFAR-100, whose labels are the coarse class, which is
            left out, and the class.

    Returns:
        x_train uint8 (N, 3, 32, 32), y_train uint8 (N,), x_test, y_test.

    Raises:
        DataError: no such file, not a whole archive, lacking records, or broken ones.
    """
    training: dict[str, bytes] = {}
    test: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                found = _RECORDS.search(member.name)
                content = archive.extractfile(member) if found and member.isfile() else None
                if found and content:
                    (training if found[1] else test)[member.name] = content.read()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path}: not a whole tar.gz archive ({error})") from None
    for part, files in (("training", training), ("test", test)):
        if not files:
            raise DataError(f"{path}: not a CIFAR binary archive: no {part} records in it")
    return *_records(path, training, label_bytes), *_records(path, test, label_bytes)


def _records(path: Path, files: dict[str, bytes], label_bytes: int) -> tuple[Array, Array]:
    size = label_bytes + math.prod(CIFAR_SHAPE)
    for name, content in files.items():
        if not content or len(content) % size:
            raise DataError(
                f"{path}: {name} has {len(content)} bytes, not a multiple of a record's {size}"
            )
    whole = b"".join(files[name] for name in sorted(files))
    records = np.frombuffer(whole, np.uint8).reshape(-1, size)
    return records[:, label_bytes:].reshape(-1, *CIFAR_SHAPE), records[:, label_bytes - 1]


def read_image_folder(folder: Path, size: int) -> tuple[Array, Array, list[str]]:
    """Images sorted into one folder for each class, all ``size`` x ``size`` pixels.

    Args:
        folder: holds ``<class>/<image>``, in any format that Pillow reads; grey ones become RGB.
        size: height and width, pixels.

    Returns:
        x uint8 (N, 3, size, size), y int64 (N,), and the classes. A class's label is its place in
        alphabetical order; images are ordered by class, then file name.

    Raises:
        DataError: no such folder, no images, one that cannot be read or has another size.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    files = [
        (label, file)
        for label, name in enumerate(classes)
        for file in sorted((folder / name).iterdir())
        if not file.name.startswith(".")
    ]
    if not files:
        raise DataError(f"{folder}: no images in it; expected <class>/<image>")
    x = np.empty((len(files), 3, size, size), np.uint8)
    for place, (_, file) in zip(x, files, strict=True):
        try:
            with Image.open(file) as image:
                if image.size != (size, size):  # asked before the pixels are unpacked
                    found = " x ".join(map(str, image.size))
                    raise DataError(f"{file}: {found} pixels; allowed: {size} x {size}")
                place[:] = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
        except _UNREADABLE as error:
            raise DataError(f"{file}: not a readable image ({error})") from None
    return x, np.array([label for label, _ in files]), classes
