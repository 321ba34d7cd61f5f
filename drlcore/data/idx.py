"""IDX, the file format of MNIST and Fashion-MNIST."""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drlcore.errors import DataError

_LARGEST = 2**28  # bytes; MNIST's largest file has 47 million
_IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path, expected_md5: str | None = None) -> NDArray[Any]:
    """Read an IDX file, the format of MNIST, gzip-compressed or not.

    Args:
        path: the file.
        expected_md5: hex MD5 of the uncompressed bytes; None takes any.

    Returns:
        An array of the shape and type the header names, in the machine's byte order.

    Raises:
        DataError: see ``unpacked``; or not IDX.
    """
    content = unpacked(path, expected_md5)
    start = 4 + 4 * content[3] if len(content) >= 4 else 4
    if len(content) < start or content[:2] != b"\0\0" or content[2] not in _IDX_TYPES:
        raise DataError(f"{path}: not an IDX file: it starts with {content[:4].hex() or 'nothing'}")
    dtype = np.dtype(_IDX_TYPES[content[2]])
    shape = tuple(np.frombuffer(content[4:start], ">u4").tolist())
    size = math.prod(shape) * dtype.itemsize
    if len(content) - start != size:
        raise DataError(
            f"{path}: the header names shape {shape}, {size} bytes, "
            f"but {len(content) - start} follow it"
        )
    data = np.frombuffer(content, dtype, offset=start) if size else np.empty(0, dtype)
    return data.reshape(shape).astype(dtype.newbyteorder("="))


def unpacked(path: Path, expected_md5: str | None = None) -> bytes:
    """What a file holds, gzip-compressed or not.

    Raises:
        DataError: no such file, truncated, more than 2^28 bytes, or another checksum. The message
            names the file, and the expected and found checksum.
    """
    wanted = f"; expected MD5 {expected_md5}" if expected_md5 else ""
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b" or path.suffix == ".gz"
        with gzip.open(path) if compressed else path.open("rb") as file:
            content = file.read(_LARGEST + 1)  # a small file can unpack to any size
    except FileNotFoundError:
        raise DataError(f"{path}: no such file{wanted}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not a whole gzip file ({error}){wanted}, found none") from None
    if len(content) > _LARGEST:
        raise DataError(f"{path}: unpacks to more than {_LARGEST:,} bytes{wanted}")
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if expected_md5 not in (None, found):
        raise DataError(f"{path}: wrong content{wanted}, found {found}")
    return content
