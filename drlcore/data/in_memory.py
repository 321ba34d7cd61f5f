"""A data set of whatever images are at hand: a path, arrays, pictures, or another library's."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from drlcore.data.accept import Channels
from drlcore.data.array_names import arranged
from drlcore.data.datasets import DATASETS, load_dataset
from drlcore.data.own_images import arrays_in, find, of_arrays, require_usable
from drlcore.data.paths import printable
from drlcore.data.picture_cache import read_once
from drlcore.data.picture_folder import read_arrays
from drlcore.data.splits import Dataset, from_arrays
from drlcore.errors import DataError

IMAGE_COLUMNS, LABEL_COLUMNS = ("image", "img", "path", "file"), ("label", "labels")
_TAKEN = (
    "a path (folder, .npz, .npy), an array or tensor of images, (images, labels), a dict of arrays "
    "as in an .npz, a list of PIL pictures or of paths, a DataFrame with a column path, file or "
    "image, a torch Dataset with a length, or a Hugging Face Dataset with a column image or img"
)
_PARTS = {"train": "train", "validation": "validation", "valid": "validation", "test": "test"}


def as_dataset(
    data: Any,
    name: str = "mine",
    *,
    channels: Channels | None = None,
    image_size: int | None = None,
    skip_unreadable: bool = False,
) -> Dataset:
    """A data set of ``data``; what was converted is in its ``notes``, its classes come mixed.

    Args:
        data: a path as for ``load_dataset``; an array or tensor of images; images and labels, as a
            pair; a mapping of arrays by the names of an ``.npz``; PIL pictures or paths, in a list;
            a pandas DataFrame with a column ``path``, ``file`` or ``image`` and maybe ``label``; a
            torch Dataset whose items are images or (image, label); a Hugging Face Dataset, or its
            parts by name.
        name: what to call it.
        channels, image_size, skip_unreadable: see ``from_arrays`` and ``pictures.read_pictures``.

    Raises:
        DataError: anything else, or images that cannot be used.
        ParameterError: a path or parameter that is none.

    Example:
        >>> import numpy as np
        >>> from drlcore.data.in_memory import as_dataset
        >>> x = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
        >>> data = as_dataset((x, ["cat", "dog"] * 30))
        >>> data.shape, data.classes, len(data.train.x), len(data.test.x)
        ((3, 8, 8), ('cat', 'dog'), 43, 12)
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str | os.PathLike):
        return replace(load_dataset(os.fspath(data)), name=name)
    how = _Reader(name, image_size, skip_unreadable)
    if isinstance(data, Mapping) and not _has_parts(data):
        made = of_arrays(name, data, channels=channels)
        require_usable(name, made)
        return made
    arrays, notes = how.arrays(data)
    made = from_arrays(name, **arrays, in_turn=True, channels=channels)
    require_usable(name, made)
    return replace(made, notes=(*notes, *made.notes))


def images_in(
    data: Any, image_size: int | None = None, name: str = "X"
) -> tuple[Any, tuple[str, ...]]:
    """The images of ``data`` alone, all that is to be trained on, as an array; and notes.

    Args:
        data: as for ``as_dataset``; of data with parts it is the training part.
        image_size: see ``pictures.read_pictures``.

    Raises:
        DataError: anything else, or pictures that cannot be read.
        ParameterError: a path that is none.
    """
    how = _Reader(name, image_size, skip_unreadable=False)
    if isinstance(data, Dataset):
        return torch.cat([data.train.x, data.validation.x]).numpy(), data.notes
    if isinstance(data, str | os.PathLike):
        path = None if os.fspath(data) in DATASETS else find(os.fspath(data))
        if path is None:
            return images_in(load_dataset(os.fspath(data)))
        if path.is_dir():
            arrays, notes = read_arrays(path, image_size)
            return arrays["x_train"], notes
        return arrays_in(path, printable(str(path)))[0]["x_train"], ()
    if isinstance(data, Mapping) and not _has_parts(data):
        return _plain(data[arranged(data, name)["x_train"]]), ()
    arrays, notes = how.arrays(data)
    return arrays["x_train"], notes


class _Reader:
    """Turns what is given into arrays of images and of labels."""

    def __init__(self, name: str, image_size: int | None, skip_unreadable: bool) -> None:
        self.name, self.image_size, self.skip = name, image_size, skip_unreadable

    def arrays(self, data: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Arrays as ``from_arrays`` calls them: of Hugging Face Datasets by part, or of one."""
        if not isinstance(data, Mapping):
            x, y, said = self.images_and_labels(data)
            return {"x_train": x, "y_train": y}, said
        if "train" not in data or any(part not in _PARTS for part in data):
            shown = ", ".join(map(str, data))
            raise DataError(f"{self.name}: has the parts {shown}; allowed: train, validation, test")
        arrays: dict[str, Any] = {}
        notes: list[str] = []
        for part, of_part in data.items():
            x, y, said = self.images_and_labels(of_part)
            arrays |= {f"x_{_PARTS[part]}": x, f"y_{_PARTS[part]}": y}
            notes += [f"{part}: {note}" for note in said]
        return arrays, tuple(notes)

    def images_and_labels(self, data: Any) -> tuple[Any, Any, tuple[str, ...]]:
        """Images as an array, labels or None, and notes."""
        if isinstance(data, pd.DataFrame) or _is_hugging_face(data):
            return self._columns(data)
        if isinstance(data, tuple) and len(data) == 2:
            return self._of_pair(data[0], data[1])
        if isinstance(data, np.ndarray | torch.Tensor):
            return _plain(data), None, ()
        if isinstance(data, Sequence) and not isinstance(data, str | bytes):
            return self._of_pair(data, None)
        if isinstance(data, torch.utils.data.Dataset) and hasattr(data, "__len__"):
            items = [data[i] for i in range(len(data))]
            if items and all(isinstance(item, tuple | list) and len(item) == 2 for item in items):
                return self._of_pair([x for x, _ in items], [_scalar(y) for _, y in items])
            return self._of_pair(items, None)
        raise self._refused(data)

    def _columns(self, data: Any) -> tuple[Any, Any, tuple[str, ...]]:
        names = list(data.columns if isinstance(data, pd.DataFrame) else data.column_names)
        images = [column for column in IMAGE_COLUMNS if column in names]
        labels = [column for column in LABEL_COLUMNS if column in names]
        if len(images) != 1 or len(labels) > 1:
            shown = ", ".join(map(str, names))[:200]
            raise DataError(
                f"{self.name}: has the columns {shown}; allowed: one of "
                f"{', '.join(IMAGE_COLUMNS)}, and label if there are any"
            )
        y: Any = list(data[labels[0]]) if labels else None
        called = getattr(getattr(data, "features", {}).get(labels[0]), "names", None) if y else None
        if called:
            if odd := [label for label in y if not 0 <= label < len(called)]:
                raise DataError(
                    f"{self.name}: has the label {odd[0]}, which has no name; leave images without "
                    "a label out, or remove the column"
                )
            y = [called[label] for label in y]
        return self._of_pair(list(data[images[0]]), y)

    def _of_pair(self, images: Any, labels: Any) -> tuple[Any, Any, tuple[str, ...]]:
        if isinstance(images, np.ndarray | torch.Tensor):
            return _plain(images), _plain(labels), ()
        listed = list(images) if isinstance(images, Sequence) else []
        if not listed:
            raise self._refused(images)
        if all(isinstance(each, np.ndarray | torch.Tensor) for each in listed):
            arrays = [_plain(each) for each in listed]
            shapes = {each.shape for each in arrays}
            if len(shapes) > 1:
                low, high = min(shapes), max(shapes)
                raise DataError(
                    f"{self.name}: images of shapes from {low} to {high}; they must agree, or come "
                    "as PIL pictures, which are resized"
                )
            return np.stack(arrays), _plain(labels), ()
        if not all(isinstance(each, str | os.PathLike | Image.Image) for each in listed):
            raise self._refused(images)
        pictures = [each if isinstance(each, Image.Image) else Path(each) for each in listed]
        found = read_once(pictures, self.image_size, self.skip, self.name)
        if labels is None:
            return found.x, None, found.notes
        y = _plain(labels)
        if len(y) != len(pictures):
            raise DataError(
                f"{self.name}: {len(pictures)} pictures but {len(y)} labels; allowed: one for each"
            )
        return found.x, [y[place] for place in found.read], found.notes

    def _refused(self, data: Any) -> DataError:
        kind = type(data).__name__
        if isinstance(data, list) and data:
            kind = f"a list of {type(data[0]).__name__}"
        return DataError(f"{self.name}: cannot take {kind}; allowed: {_TAKEN}")


def _has_parts(data: Mapping[str, Any]) -> bool:
    """Whether it holds Hugging Face Datasets by part."""
    return bool(data) and all(map(_is_hugging_face, data.values()))


def _is_hugging_face(data: Any) -> bool:
    """Whether it looks like a Dataset of the library ``datasets``, which need not be there."""
    return isinstance(getattr(data, "column_names", None), list) and hasattr(data, "features")


def _plain(values: Any) -> Any:
    """A tensor as an array."""
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values


def _scalar(label: Any) -> Any:
    """A label of no dimensions as what it holds."""
    return label.item() if isinstance(label, np.generic | torch.Tensor) else label
