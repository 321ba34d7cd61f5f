"""Pictures of any kind and size, from files or in memory, as one array."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from drlcore.data import paths
from drlcore.errors import DataError, ParameterError

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
KEPT, SMALL, LARGE = 64, 32, 64  # pictures of one size up to KEPT stay as they are
LARGEST_SIDE = 256
_GREY = ("1", "L", "LA", "La")
# Pillow's for broken PNGs is a SyntaxError, for a header that asks for too much ones of its own.
_UNREADABLE = (
    OSError, ValueError, SyntaxError, EOFError, TypeError, IndexError, KeyError, OverflowError,
    MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip
# Pillow unpacks and resizes side by side, all else takes turns. A thread is given _TASK pictures at
# a time; of a block all are decoded before the next one is begun.
_THREADS, _TASK, _BLOCK = 8, 20, 1000
Shape = tuple[int, int, int, int]
Found = TypeVar("Found")
_TURNED = (5, 6, 7, 8)  # EXIF orientations that lie on their side


@dataclass(frozen=True)
class Pictures:
    """Pictures of one size.

    Attributes:
        x: uint8, shape (N, C, H, W), C = 1 where all are grey, else 3.
        read: which of those given they are, int64 (N,): all but the unreadable ones.
        notes: what was done to them, a line each.
    """

    x: NDArray[np.uint8]
    read: NDArray[np.int64]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Header:
    size: tuple[int, int]
    grey: bool
    marks: tuple[str, ...]


def in_memory(blocks: Iterator[NDArray[np.uint8]], shape: Shape) -> NDArray[np.uint8]:
    """The blocks in one array; ``shape`` is theirs together, or has more rows."""
    x, n = np.empty(shape, np.uint8), 0
    for block in blocks:
        x[n : n + len(block)] = block
        n += len(block)
    return x[:n]


def read_pictures(
    given: Sequence[Path | Image.Image],
    image_size: int | None = None,
    skip_unreadable: bool = False,
    label: str = "pictures",
    largest: int | None = None,
    keep: Callable[[Iterator[NDArray[np.uint8]], Shape], NDArray[np.uint8]] = in_memory,
) -> Pictures:
    """All of them in one array: upright, 8 bits, grey or RGB, on white where they are transparent.

    Pictures of one size up to 64 x 64 stay as they are. Others are resized, the shorter side to
    ``image_size``, and the middle is cut out. Files are decoded on all cores.

    Args:
        given: files, or pictures in memory.
        image_size: side of the square, 2 to 256; None for 64 where every side is 128 or more, else
            32.
        skip_unreadable: leave out what cannot be read, with a note.
        label: what messages call them.
        largest: how many numbers they may be together; None for any.
        keep: makes ``x`` of blocks of them, in order, and the shape they have if all can be read.

    Raises:
        DataError: one that cannot be read, or none that can, or too many.
        ParameterError: an impossible size.

    Example:
        >>> from PIL import Image
        >>> from drlcore.data.pictures import read_pictures
        >>> found = read_pictures([Image.new("RGB", (40, 30)), Image.new("L", (50, 50))])
        >>> found.x.shape, found.notes[0]
        ((2, 3, 32, 32), 'sizes from 40 x 30 to 50 x 50: resized and cut to 32 x 32')
    """
    if image_size is not None and not 2 <= image_size <= LARGEST_SIDE:
        raise ParameterError(f"image_size = {image_size}; allowed: 2 to {LARGEST_SIDE}")
    reading = _Reading(given, skip_unreadable)
    headers = dict(each for found in reading.each(_header, range(len(given))) for each in found)
    if not headers:
        raise DataError(f"{label}: no readable pictures{_first(reading.unread)}")
    sizes = {header.size for header in headers.values()}
    width, height = _target(sizes, image_size)
    resized = sizes != {(width, height)}
    grey = all(header.grey for header in headers.values())
    shape = (len(headers), 1 if grey else 3, height, width)
    if largest is not None and (total := int(np.prod(shape, dtype=object))) > largest:
        raise DataError(
            f"{label}: {len(headers):,} pictures of {width} x {height} are {total:,} numbers; "
            f"allowed: {largest:,}; choose a smaller image_size"
        )

    def pixels(image: Image.Image) -> NDArray[np.uint8]:
        plain = _plain(image).convert("L" if grey else "RGB")
        if resized:
            plain = ImageOps.fit(plain, (width, height), method=Image.Resampling.LANCZOS)
        values = np.asarray(plain)
        return values[None] if grey else values.transpose(2, 0, 1)

    read: list[int] = []

    def blocks() -> Iterator[NDArray[np.uint8]]:
        for found in reading.each(pixels, [*headers]):
            if found:
                read.extend(place for place, _ in found)
                yield np.stack([values for _, values in found])

    x = keep(blocks(), shape)
    if not read:
        raise DataError(f"{label}: no readable pictures{_first(reading.unread)}")
    notes = []
    if resized:
        ordered = sorted(sizes, key=lambda size: (size[0] * size[1], size))
        low, high = (" x ".join(map(str, size)) for size in (ordered[0], ordered[-1]))
        said = low if len(sizes) == 1 else f"sizes from {low} to {high}"
        notes.append(f"{said}: resized and cut to {width} x {height}")
    counts = Counter(mark for place in read for mark in headers[place].marks)
    if not grey and (of_grey := sum(headers[place].grey for place in read)):
        counts["grey: made RGB"] = of_grey
    notes += [f"{n} of {len(read)} {mark}" for mark, n in sorted(counts.items())]
    if reading.unread:
        notes.append(f"{len(reading.unread)} unreadable pictures left out{_first(reading.unread)}")
    return Pictures(x, np.array(read, np.int64), tuple(notes))


@dataclass(frozen=True)
class _Reading:
    """Pictures that are opened one after the other; ``unread`` says by place which cannot be."""

    given: Sequence[Path | Image.Image]
    skip: bool
    unread: dict[int, str] = field(default_factory=dict)

    def each(
        self, work: Callable[[Image.Image], Found], places: Sequence[int]
    ) -> Iterator[list[tuple[int, Found]]]:
        """``work`` of the pictures at ``places``, in order, so many at a time.

        Raises:
            DataError: the first that cannot be read, in one line, unless they are skipped.
        """
        # A picture in memory may be there twice, and is no more than one thread's.
        files = all(isinstance(picture, Path) for picture in self.given)
        cores = min(_THREADS, os.cpu_count() or 1) if files else 1
        with warnings.catch_warnings(), ThreadPoolExecutor(cores) as pool:
            warnings.simplefilter("ignore")  # of odd metadata, which says nothing of the pixels
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            for start in range(0, len(places), _BLOCK):
                block = places[start : start + _BLOCK]
                found = []
                tasks = (block[i : i + _TASK] for i in range(0, len(block), _TASK))
                for done in pool.map(lambda task: [self._tried(work, at) for at in task], tasks):
                    for place, result, error in done:
                        if error is None:
                            found.append((place, result))
                        else:
                            self._say(place, error)
                yield found

    def _tried(
        self, work: Callable[[Image.Image], Found], place: int
    ) -> tuple[int, Any, Exception | None]:
        """``work`` of a picture, or why Pillow cannot read it."""
        try:
            with _opened(self.given[place]) as image:
                return place, work(image), None
        except (DataError, *_UNREADABLE) as error:
            return place, None, error

    def _say(self, place: int, error: Exception) -> None:
        picture = self.given[place]
        name = paths.printable(str(picture) if isinstance(picture, Path) else f"picture {place}")
        what = " ".join(str(error).split())[:200] or type(error).__name__
        self.unread[place] = f"{name} ({what})"
        if not self.skip:
            raise DataError(
                f"{name}: not a readable picture ({what}); remove it, or leave such pictures out: "
                "skip_unreadable=True, --skip-unreadable"
            ) from None


def _first(unread: dict[int, str]) -> str:
    return f", the first: {next(iter(unread.values()))}" if unread else ""


def _target(sizes: set[tuple[int, int]], image_size: int | None) -> tuple[int, int]:
    """Width and height that all pictures get."""
    if image_size is not None:
        return image_size, image_size
    if len(sizes) == 1 and max(only := next(iter(sizes))) <= KEPT:
        return only
    side = LARGE if min(map(min, sizes)) >= 2 * LARGE else SMALL
    return side, side


@contextmanager
def _opened(picture: Path | Image.Image) -> Iterator[Image.Image]:
    if isinstance(picture, Path):
        with Image.open(picture) as image:
            yield image
    else:
        yield picture


def _header(image: Image.Image) -> _Header:
    """What is known of a picture before its pixels are unpacked."""
    width, height = image.size
    if min(width, height) < 1:
        raise ValueError(f"{width} x {height} pixels")
    turned = image.getexif().get(0x0112, 1)
    sixteen = image.mode.startswith("I")
    marks = {
        "turned upright, as their EXIF says": turned in range(2, 9),
        "with an opacity: put on white": _transparent(image),
        "of 16 bits: made 8": sixteen,
        f"{image.mode}: made RGB": image.mode in ("CMYK", "YCbCr", "LAB", "HSV"),
        "animated or of several pages: the first is taken": getattr(image, "n_frames", 1) > 1,
    }
    size = (height, width) if turned in _TURNED else (width, height)
    found = tuple(mark for mark, there in marks.items() if there)
    return _Header(size, image.mode in _GREY or sixteen, found)


def _transparent(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _plain(image: Image.Image) -> Image.Image:
    """Upright, in mode L or RGB."""
    upright: Any = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        values = np.asarray(upright).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"integers from {values.min()} to {values.max()}; allowed: 16 bits")
        return Image.fromarray(np.rint(values / 257).astype(np.uint8))
    if upright.mode == "F":
        raise ValueError("pixels are floats of unknown scale; save it with 8 or 16 bits")
    if not _transparent(upright):
        return upright.convert("L" if upright.mode in _GREY else "RGB")
    grey = upright.mode in _GREY
    white = Image.new("RGBA", upright.size, "white")
    flat = Image.alpha_composite(white, upright.convert("RGBA"))
    return flat.convert("L" if grey else "RGB")
