"""Arrays of an ``.npz`` from anywhere: headers are believed only as far as the file bears them out.

``numpy.load`` allocates what a header asks for and unpacks what a zip holds; a file of a few
kilobytes can ask for any amount of memory. No content here is read before every header is checked.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.lib import format as npy
from numpy.typing import NDArray

from drlcore.errors import DataError

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_RATIO, _SMALL = 200, 2**27  # images compress 2 to 50 times; below 128 MiB any ratio is harmless
_NUMBERS = "biufc"  # bool, integers, floats, complex


def read_npz(
    path: Path, keys: Sequence[str], largest: int, label: str | None = None
) -> list[NDArray[Any]]:
    """The arrays ``keys`` of an ``.npz``; whatever else it holds is left alone.

    Args:
        path: the file.
        keys: names of the arrays, in the order to be returned.
        largest: how many numbers of up to 8 bytes they may hold together.
        label: what messages call the file.

    Raises:
        DataError: one line: no ``.npz``, damaged or encrypted, lacking an array, an array of
            anything but numbers, more numbers than it stores or than ``largest``, or a small file
            that unpacks to a huge one.
    """
    label = label or str(path)
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            held = [name.removesuffix(".npy") for name in archive.namelist()]
            if missing := [key for key in keys if f"{key}.npy" not in archive.namelist()]:
                names = ", ".join(held[:10]) or "none"
                raise DataError(f"{label}: lacks the arrays {', '.join(missing)}; it holds {names}")
            total = sum(_numbers(archive, key, label) for key in keys)
            size, unpacked = (path.stat().st_size, sum(m.file_size for m in archive.infolist()))
            if unpacked > max(_SMALL, _RATIO * size):
                raise DataError(
                    f"{label}: {size:,} bytes unpack to {unpacked:,}, more than {_RATIO} times as "
                    "many, which images do not; save it with numpy.savez if these are some"
                )
            if total > largest:
                raise DataError(
                    f"{label}: {total:,} numbers in {', '.join(keys)}; allowed: {largest:,}, which "
                    f"take {4 * largest / 2**30:.3g} GiB as float32"
                )
            arrays = []
            for key in keys:
                with archive.open(f"{key}.npy") as member:
                    arrays.append(npy.read_array(member, allow_pickle=False))
            return arrays
    except DataError:
        raise
    except Exception as error:  # a broken file makes the zip and header readers raise anything
        what = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{label}: not a readable .npz of plain arrays ({what})") from None


def _numbers(archive: zipfile.ZipFile, key: str, label: str) -> int:
    """How many numbers the header of an array claims, once its member is as long as that.

    One of 16 bytes counts twice.
    """
    member = archive.getinfo(f"{key}.npy")
    if member.flag_bits & 1:
        raise DataError(f"{label}: {key} is encrypted; save it without a password")
    with archive.open(member) as file:
        version = npy.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"format version {version}")
        shape, _, dtype = _HEADERS[version](file)
        stored = member.file_size - file.tell()
    if dtype.kind not in _NUMBERS:
        raise DataError(f"{label}: {key} has type {str(dtype)[:60]}; allowed: plain numbers")
    if min(shape, default=0) < 0:
        raise DataError(f"{label}: {key} has shape {shape}; no side can be below 0")
    count = math.prod(shape)
    if count * dtype.itemsize != stored:
        raise DataError(
            f"{label}: the header of {key} names shape {shape} and type {dtype}, "
            f"{count * dtype.itemsize:,} bytes, but {stored:,} follow it"
        )
    return count * max(1, dtype.itemsize // 8)
