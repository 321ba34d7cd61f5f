"""Images as floats in [-1, 1], or in 8 bits of which only those asked for become floats."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._pytree import tree_map_only

from drlcore.data.accept import Array

LARGE = 2**28  # numbers of images, a GB as floats; more are kept in 8 bits


class Pixels(Tensor):
    """uint8 images that are a float32 tensor in [-1, 1] to whoever uses them.

    An index gives plain floats of these images, a slice and ``split`` Pixels of them, ``to`` plain
    floats of all. All else is done with those, to the same bits, so it takes the memory that is
    saved here.

    Args:
        images: uint8, shape (N, C, H, W), in memory or a mapped file; not copied.
        places: which of them, in this order: int64, shape (n,).

    Example:
        >>> import numpy as np
        >>> from drlcore.data.pixels import Pixels
        >>> x = Pixels(np.full((3, 1, 2, 2), 255, dtype=np.uint8), np.arange(3))
        >>> x.shape, x.dtype, float(x[:2].mean())
        (torch.Size([3, 1, 2, 2]), torch.float32, 1.0)
    """

    images: NDArray[np.uint8]
    places: NDArray[np.int64]

    # Results are what torch makes of floats, not Pixels.
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, images: NDArray[np.uint8], places: NDArray[np.int64]) -> Pixels:
        shape = (len(places), *images.shape[1:])
        made: Pixels = Tensor._make_wrapper_subclass(cls, shape, dtype=torch.float32)
        made.images, made.places = np.asarray(images), places
        return made

    def floats(self) -> Tensor:
        """All of them as a plain tensor."""
        return scaled(self.images[self.places])

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        return self.floats().to(*args, **kwargs)

    def numpy(self, *, force: bool = False) -> NDArray[np.float32]:
        return self.floats().numpy()

    def __getitem__(self, key: Any) -> Tensor:  # noqa: D105
        if isinstance(key, slice):
            return Pixels(self.images, self.places[key])
        if isinstance(key, tuple) or key is None or key is Ellipsis:
            return self.floats()[key]
        places = self.places[key.numpy() if isinstance(key, Tensor) else key]
        return scaled(self.images[places])

    def split(self, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
        if dim != 0 or not isinstance(split_size, int):
            return self.floats().split(split_size, dim)
        return tuple(self[i : i + split_size] for i in range(0, max(1, len(self)), split_size))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]  # noqa: D105
        plain, named = tree_map_only(cls, cls.floats, (args, kwargs or {}))
        return func(*plain, **named)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]  # noqa: D105
        return f"Pixels of shape {tuple(self.shape)}"


def scaled(images: Array, signed: bool = False) -> Tensor:
    """float32 in [-1, 1]: uint8 from 0 to 255; floats, unless they are ``signed``, from 0 to 1."""
    x = torch.from_numpy(images.astype(np.float32))
    if images.dtype == np.uint8:
        return x.div_(127.5).sub_(1)
    return x if signed else x.mul_(2).sub_(1)


def as_tensor(images: Array, signed: bool = False, places: Array | None = None) -> Tensor:
    """The images at ``places`` as ``scaled``; ``Pixels`` where they are many, and uint8.

    Those in memory are copied if there are ``places``; mapped ones, and all without, are not.
    """
    if images.dtype != np.uint8 or images.size <= LARGE:
        return scaled(images if places is None else images[places], signed)
    if places is not None and not _mapped(images):
        images, places = images[places], None
    return Pixels(images, np.arange(len(images)) if places is None else places)


def _mapped(array: Any) -> bool:
    """Whether it is a view of a mapped file."""
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(array, np.memmap)
