"""What the name of a part does not tell: that it was changed."""

from __future__ import annotations

import hashlib
import inspect
from contextlib import suppress
from typing import Any


def revision(part: Any) -> int | str:
    """The count of its changes; of an own class or function a fingerprint of its source.

    With that of the own classes it inherits from.
    """
    if part.__module__.startswith("drlcore."):
        return getattr(part, "revision", 0)
    theirs = ("drlcore", "torch", "pydantic", "abc", "builtins")
    classes = inspect.getmro(part) if inspect.isclass(part) else [part]
    own = [each for each in classes if each.__module__.partition(".")[0] not in theirs]
    return hashlib.sha256("".join(map(_source, own)).encode()).hexdigest()[:12]


def _source(part: Any) -> str:
    """What ``part`` says; of a class typed in a notebook or at a prompt what its members say."""
    with suppress(OSError, TypeError):
        source = inspect.getsource(part)
        if not inspect.isclass(part) or f"class {part.__name__}" in source:
            return source  # Python 3.13 has lines of some file for a class typed at a prompt
    if inspect.isfunction(part):
        constants = [each for each in part.__code__.co_consts if not inspect.iscode(each)]
        return f"{part.__code__.co_code.hex()} {constants}"
    said = {
        name: _source(value) if inspect.isfunction(value) else repr(value)
        for name, value in vars(part).items()
        if name == "__init__" or not name.startswith(("__", "_abc"))
    }
    return f"{part.__qualname__} {said}"
