"""Data sets that are not in the repository: their published files, and where these belong."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from drlcore.data import paths
from drlcore.errors import DataError

_TORONTO = "https://www.cs.toronto.edu/~kriz/"
_ZALANDO = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"


@dataclass(frozen=True)
class PublishedFile:
    """A file as its authors publish it.

    Attributes:
        name: file name, the same in ``data/<dataset>`` and at the address.
        site: the address up to the name.
        md5: hex MD5 of the file as it is downloaded, as published.
    """

    name: str
    site: str
    md5: str

    @property
    def url(self) -> str:
        return self.site + self.name


# Of the three versions that CIFAR is published in, the binary one: raw bytes in a tar, where the
# Python one is a pickle, which can run any code when it is read. The images are the same.
PUBLISHED: dict[str, tuple[PublishedFile, ...]] = {
    "cifar10": (
        PublishedFile("cifar-10-binary.tar.gz", _TORONTO, "c32a1d4ab5d03f1284b67883e8d87530"),
    ),
    "cifar100": (
        PublishedFile("cifar-100-binary.tar.gz", _TORONTO, "03b5dce01913d631647c71ecec9e9cb8"),
    ),
    "fashion-mnist": (
        PublishedFile("train-images-idx3-ubyte.gz", _ZALANDO, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        PublishedFile("train-labels-idx1-ubyte.gz", _ZALANDO, "25c81989df183df01b3e8a0aad5dffbe"),
        PublishedFile("t10k-images-idx3-ubyte.gz", _ZALANDO, "bef4ecab320f06d8554ea6380940ec79"),
        PublishedFile("t10k-labels-idx1-ubyte.gz", _ZALANDO, "bb300cfdad3c16e7a12a480ee83cd310"),
    ),
}
"""Files of the data sets that ``make data`` can fetch."""

BY_HAND = {
    "mini-imagenet": (
        ("train", "test"),
        "no stable address publishes it: unpack train.tar.gz and test.tar.gz of LP-DeepSSL "
        "(github.com/ahmetius/LP-DeepSSL, see 'Mini-Imagenet' there) in {folder}, so that it "
        "holds train/<class>/*.JPEG and test/<class>/*.JPEG: 100 classes, 500 and 100 images of "
        "84 x 84 each",
    ),
}
"""Folders of the data sets that cannot be fetched, and what a user does to have them."""

COMMITTED = ("mnist", "colored-mnist")
"""Made of files of the repository."""


def missing(name: str) -> list[Path]:
    """What is absent of a data set; empty for those that are part of the repository."""
    if name in PUBLISHED:
        wanted = [paths.published(name) / file.name for file in PUBLISHED[name]]
        return [path for path in wanted if not path.is_file()]
    folders = BY_HAND[name][0] if name in BY_HAND else ()
    wanted = [paths.published(name) / folder for folder in folders]
    return [path for path in wanted if not path.is_dir()]


def verified(name: str) -> list[Path]:
    """The files of a data set in ``PUBLISHED``, each with its published checksum.

    Raises:
        DataError: one has another; the message names the file and both checksums.
    """
    files = [(paths.published(name) / file.name, file.md5) for file in PUBLISHED[name]]
    for path, md5 in files:
        with path.open("rb") as content:
            found = hashlib.file_digest(content, "md5").hexdigest()
        if found != md5:
            raise DataError(
                f"{path}: wrong content; expected MD5 {md5}, found {found}; "
                f"fetch it again with 'make data DATASET={name}'"
            )
    return [path for path, _ in files]


def require(name: str) -> None:
    """Nothing if the files of a data set are there; reads none of them.

    Raises:
        DataError: one is absent. The message says which, and the command that fetches it or, where
            there is none, what to do.
    """
    if name in COMMITTED:
        paths.mnist()
    absent = missing(name)
    if not absent:
        return
    if name in BY_HAND:
        remedy = BY_HAND[name][1].format(folder=paths.published(name))
    else:
        remedy = f"fetch it with 'make data DATASET={name}'"
    raise DataError(f"dataset {name!r} is absent: no {absent[0]}; {remedy}")
