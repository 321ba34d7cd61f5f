"""Arrays of an ``.npz`` or ``.npy`` from anywhere: headers count only as far as the file bears out.

``numpy.load`` allocates what a header asks for and unpacks what a zip holds; a file of a few
kilobytes can ask for any amount of memory. No content here is read before every header is checked.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from numpy.lib import format as npy
from numpy.typing import NDArray

from drlcore.errors import DataError

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_RATIO, _SMALL = 200, 2**27  # images compress 2 to 50 times; below 128 MiB any ratio is harmless
_PLAIN = "biufcUS"  # bool, integers, floats, complex, texts


def read_npz(
    path: Path,
    keys: Sequence[str] | Callable[[list[str]], Sequence[str]],
    largest: int,
    label: str | None = None,
) -> list[NDArray[Any]]:
    """The arrays ``keys`` of an ``.npz``; whatever else it holds is left alone.

    Args:
        path: the file.
        keys: names of the arrays, in the order to be returned; or what picks them from the names
            of all it holds, and may raise DataError.
        largest: how many numbers of up to 8 bytes they may hold together.
        label: what messages call the file.

    Raises:
        DataError: one line: no ``.npz``, damaged or encrypted, lacking an array, an array of
            anything but numbers and texts, more numbers than it stores or than ``largest``, or a
            small file that unpacks to a huge one.
    """
    label = label or str(path)
    with (
        one_line(label, ".npz of plain arrays"),
        path.open("rb") as file,
        zipfile.ZipFile(file) as archive,
    ):
        held = [name.removesuffix(".npy") for name in archive.namelist()]
        if callable(keys):
            keys = keys(held)
        if missing := [key for key in keys if f"{key}.npy" not in archive.namelist()]:
            names = ", ".join(held[:10]) or "none"
            raise DataError(f"{label}: lacks the arrays {', '.join(missing)}; it holds {names}")
        total = 0
        for key in keys:
            member = archive.getinfo(f"{key}.npy")
            if member.flag_bits & 1:
                raise DataError(f"{label}: {key} is encrypted; save it without a password")
            with archive.open(member) as content:
                total += _numbers(content, member.file_size, f"{label}: ", key)
        size, unpacked = (path.stat().st_size, sum(m.file_size for m in archive.infolist()))
        if unpacked > max(_SMALL, _RATIO * size):
            raise DataError(
                f"{label}: {size:,} bytes unpack to {unpacked:,}, more than {_RATIO} times as "
                "many, which images do not; save it with numpy.savez if these are some"
            )
        _require_fewer(total, largest, f"{label}: ", ", ".join(keys))
        arrays = []
        for key in keys:
            with archive.open(f"{key}.npy") as content:
                arrays.append(npy.read_array(content, allow_pickle=False))
        return arrays


def read_npy(path: Path, largest: int, label: str | None = None) -> NDArray[Any]:
    """The array of an ``.npy``; arguments and errors as for ``read_npz``."""
    label = label or str(path)
    with one_line(label, ".npy of a plain array"), path.open("rb") as file:
        total = _numbers(file, path.stat().st_size, f"{label}: ", "the array")
        _require_fewer(total, largest, f"{label}: ", "the array")
        file.seek(0)
        return npy.read_array(file, allow_pickle=False)


@contextmanager
def one_line(label: str, what: str) -> Iterator[None]:
    """Whatever reading ``label`` raises as a DataError that says it is no readable ``what``."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # a broken file makes the zip and header readers raise anything
        told = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{label}: not a readable {what} ({told})") from None


def _require_fewer(total: int, largest: int, label: str, keys: str) -> None:
    if total > largest:
        raise DataError(
            f"{label}{total:,} numbers in {keys}; allowed: {largest:,}, which take "
            f"{4 * largest / 2**30:.3g} GiB as float32"
        )


def _numbers(file: IO[bytes], size: int, label: str, key: str) -> int:
    """How many numbers the header of an array claims, once its ``size`` bytes are as long as that.

    One of 16 bytes counts twice.
    """
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"format version {version}")
    shape, _, dtype = _HEADERS[version](file)
    stored = size - file.tell()
    if dtype.kind not in _PLAIN:
        raise DataError(f"{label}{key} has type {str(dtype)[:60]}; allowed: plain numbers or texts")
    if min(shape, default=0) < 0:
        raise DataError(f"{label}{key} has shape {shape}; no side can be below 0")
    count = math.prod(shape)
    if count * dtype.itemsize != stored:
        raise DataError(
            f"{label}the header of {key} names shape {shape} and type {dtype}, "
            f"{count * dtype.itemsize:,} bytes, but {stored:,} follow it"
        )
    return count * max(1, dtype.itemsize // 8)
