"""What the estimator is given, as tensors; and what it gives back, in the form it was given."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from drlcore.data.accept import accept_images
from drlcore.data.factors import image_factors
from drlcore.data.in_memory import images_in
from drlcore.data.pixels import as_tensor
from drlcore.data.splits import Dataset, Split, checksum_of
from drlcore.errors import DataError

_SOME = 500  # images made floats together
Layout = Literal["N H W", "N C H W", "N H W C"]
Scale = Literal["0 to 255", "0 to 1", "-1 to 1"]


class Form(BaseModel):
    """What images look like to their user.

    Attributes:
        shape: (C, H, W).
        layout: order of the axes; pictures from files are ``N H W``, in colour ``N H W C``.
        scale: black and white; of 0 to 255 they are uint8, else float32.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: tuple[int, int, int]
    layout: Layout
    scale: Scale

    def restored(self, x: Tensor) -> NDArray[Any]:
        """Images (N, C, H, W) in [-1, 1] as these are; what is beyond is cut."""
        values = x.clamp(-1, 1).numpy()
        if self.layout == "N H W":
            values = values[:, 0]
        elif self.layout == "N H W C":
            values = np.moveaxis(values, 1, -1)
        if self.scale == "-1 to 1":
            return values
        unit = (values + 1) / 2
        return unit if self.scale == "0 to 1" else np.rint(unit * 255).astype(np.uint8)


def images_of(
    given: Any, image_size: int | None, like: Form | None = None
) -> tuple[Tensor, Form, tuple[str, ...]]:
    """Images (N, C, H, W) in [-1, 1], what they looked like, and what was converted.

    Args:
        given: anything that ``data.in_memory`` takes; labels are left out.
        image_size: of pictures; see ``data.pictures``.
        like: the form of images seen before, in which these are read.

    Raises:
        DataError: images that cannot be read, or of another form.
    """
    if like is not None:
        image_size = like.shape[-1] if like.shape[-1] == like.shape[-2] else None
    found, notes = images_in(given, image_size)
    x = np.asarray(found)
    pictures = not isinstance(given, np.ndarray | Tensor)
    if like is not None and _as_before(x, like):
        values = np.moveaxis(x, -1, 1) if like.layout == "N H W C" else x
        values = values.reshape(len(x), *like.shape)
        signed = like.scale == "-1 to 1"
    else:
        accepted = accept_images("X", {"X": x})
        values, signed, notes = accepted.parts["X"], accepted.signed, (*notes, *accepted.notes)
    shape = values.shape[1:]
    if like is not None and shape != like.shape:
        if shape[0] != 1 or shape[1:] != like.shape[1:]:
            raise DataError(
                f"X holds images of shape {shape} (C, H, W); allowed: {like.shape}, as in the fit"
            )
        values = np.broadcast_to(values, (len(values), *like.shape))  # grey ones, in colour
    scale: Scale = "0 to 255" if values.dtype == np.uint8 else "-1 to 1" if signed else "0 to 1"
    moved = x.ndim == 4 and (pictures or x.shape[1:] != shape)
    layout: Layout = "N H W C" if moved else "N C H W"
    if x.ndim == 3 or (pictures and shape[0] == 1):
        layout = "N H W"
    form = Form(shape=values.shape[1:], layout=layout, scale=scale)
    return as_tensor(values, signed), form, notes


def _as_before(x: NDArray[Any], like: Form) -> bool:
    """Whether ``x`` is just as the images were before: then values tell nothing about the scale."""
    axes = {"N H W": like.shape[1:], "N C H W": like.shape}
    wanted = axes.get(like.layout, (*like.shape[1:], like.shape[0]))
    if x.shape[1:] != wanted:
        return False
    if like.scale == "0 to 255":
        return x.dtype == np.uint8
    low = -1 if like.scale == "-1 to 1" else 0
    return x.dtype.kind == "f" and bool(((x >= low) & (x <= 1)).all())


def unlabelled(x: Tensor) -> Dataset:
    """All of ``x`` to train on, known by content."""
    whole = Split(x, torch.zeros(len(x), dtype=torch.int64), image_factors(x))
    checksum = checksum_of(some.numpy() for some in x.split(_SOME))
    return _dataset(f"images-{checksum}", whole, checksum)


def without_images(name: str, shape: tuple[int, int, int]) -> Dataset:
    """What tells a network the form of its images, where there are none."""
    return _dataset(name, Split(torch.empty(0, *shape), torch.zeros(0, dtype=torch.int64), {}), "")


def _dataset(name: str, train: Split, checksum: str) -> Dataset:
    none = Split(train.x[:0], train.y[:0], {})  # first(0) would measure the factors of all
    return Dataset(name, tuple(train.x.shape[1:]), 0, train, none, none, checksum)
