"""CIFAR-10 in the forms that users have it in, each written from the same images."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from drlcore.data.class_names import CIFAR10

Array = NDArray[Any]
Arrays = tuple[Array, Array, Array, Array]
Files = dict[str, bytes]


def batches(arrays: Arrays, write: Callable[[Array, Array], bytes], ending: str = "") -> Files:
    """As published: five files of training images and one of test."""
    x, y, x_test, y_test = arrays
    files = {
        f"data_batch_{i + 1}{ending}": write(x[at], y[at])
        for i, at in enumerate(np.array_split(np.arange(len(y)), 5))
    }
    return {
        f"batches.meta{ending and '.txt'}": b"?",
        **files,
        f"test_batch{ending}": write(x_test, y_test),
    }


def records(x: Array, y: Array) -> bytes:
    """As cifar.html says: a label, then 1024 bytes of red, of green, of blue, row by row."""
    planes = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
    return np.concatenate([y.astype(np.uint8)[:, None], planes], axis=1).tobytes()


def pickled(protocol: int) -> Callable[[Array, Array], bytes]:
    """Batches as a Python 3 writes them, whose keys are str."""

    def write(x: Array, y: Array) -> bytes:
        data = np.ascontiguousarray(x.transpose(0, 3, 1, 2)).reshape(len(x), -1)
        return pickle.dumps({"labels": y.tolist(), "data": data}, protocol)

    return write


def pickled_by_python_2(x: Array, y: Array) -> bytes:
    """As published: by the opcodes that Python 2 wrote, with texts that were bytes."""
    data = np.ascontiguousarray(x.transpose(0, 3, 1, 2)).tobytes()
    shape = struct.pack("<cicic", b"J", len(x), b"J", 3072, b"\x86")
    no_fields = b"NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00"
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|" + no_fields + b"tb"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<i", len(data)) + data + b"tb"
    )
    labels = b"](" + b"".join(b"K" + bytes([label]) for label in y) + b"e"
    return b"\x80\x02}(U\x06labels" + labels + b"U\x04data" + array + b"u."


def png(image: Array) -> bytes:
    output = io.BytesIO()
    Image.fromarray(image).save(output, "PNG")
    return output.getvalue()


def pictures(arrays: Arrays) -> Files:
    x, y, x_test, y_test = arrays
    return {
        f"{part}/{CIFAR10[label]}/{i:05}.png": png(image)
        for part, images, labels in (("train", x, y), ("test", x_test, y_test))
        for i, (image, label) in enumerate(zip(images, labels, strict=True))
    }


def digest(image: Array) -> bytes:
    return hashlib.sha256(image.tobytes()).digest()


def rows(**columns: list[Any]) -> bytes:
    output = io.BytesIO()
    pq.write_table(pa.table(columns), output)
    return output.getvalue()


def parquet(column: str, shards: int = 1, bare: bool = False) -> Callable[[Arrays], Files]:
    """As on Hugging Face: a PNG and the name it had; or ``bare``, its bytes alone."""

    def table(x: Array, y: Array) -> bytes:
        encoded = [png(image) for image in x]
        images = (
            encoded if bare else [{"bytes": e, "path": f"{i}.png"} for i, e in enumerate(encoded)]
        )
        return rows(**{column: images, "label": y.tolist()})

    def write(arrays: Arrays) -> Files:
        x, y, x_test, y_test = arrays
        split = np.array_split(np.arange(len(y)), shards)
        files = {
            f"plain_text/train-{i:05}-of-{shards:05}.parquet": table(x[at], y[at])
            for i, at in enumerate(split)
        }
        return {**files, "plain_text/test-00000-of-00001.parquet": table(x_test, y_test)}

    return write


def as_folder(files: Files, place: Path) -> Path:
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place


def as_tar(files: Files, place: Path, mode: str = "w") -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(place, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return place


def as_zip(files: Files, place: Path) -> Path:
    with zipfile.ZipFile(place, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return place


def within(folder: str, files: Files) -> Files:
    return {f"{folder}/{name}": content for name, content in files.items()}


def every_form(arrays: Arrays, place: Path) -> Iterator[tuple[str, Path]]:
    """All of them, by what they are called in tests."""
    binary, python = "cifar-10-batches-bin", "cifar-10-batches-py"
    records_ = within(binary, batches(arrays, records, ".bin"))
    published = within(python, batches(arrays, pickled_by_python_2))
    yield "binary archive", as_tar(records_, place / "cifar-10-binary.tar.gz", "w:gz")
    yield "binary, unpacked", as_folder(records_, place / "bin") / binary
    yield "python archive", as_tar(published, place / "cifar-10-python.tar.gz", "w:gz")
    yield "python, unpacked", as_folder(published, place / "py") / python
    for protocol in (2, 3, 4, 5):
        again = as_folder(batches(arrays, pickled(protocol)), place / f"protocol-{protocol}")
        yield f"pickled again, protocol {protocol}", again
    yield "pictures, tar", as_tar(pictures(arrays), place / "cifar10-png.tar")
    yield "pictures, folder", as_folder(pictures(arrays), place / "png")
    yield "pictures, zip", as_zip(within("cifar", pictures(arrays)), place / "cifar10.zip")
    yield "parquet", as_folder(parquet("img")(arrays), place / "hub")
    yield "parquet, in shards", as_folder(parquet("image", 3)(arrays), place / "shards")
    yield "parquet, bytes alone", as_folder(parquet("image", bare=True)(arrays), place / "bare")
    root = as_folder(within(python, batches(arrays, pickled_by_python_2)), place / "root")
    as_tar(published, root / "cifar-10-python.tar.gz", "w:gz")
    yield "what torchvision leaves", root
    yield (
        "a folder with the archive alone",
        as_tar(published, place / "alone" / "a.tgz", "w:gz").parent,
    )
