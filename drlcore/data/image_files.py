"""Images of one size, in one folder for each class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drlcore.errors import DataError

Array = NDArray[Any]
# Pillow's for broken PNGs is a SyntaxError, for a header that asks for too much one of its own.
_UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


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
