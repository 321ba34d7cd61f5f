"""Validated parameters: strict types, no unknown names, one clear error line; parts by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from drlcore.errors import ParameterError

Part = TypeVar("Part")


class Registry(dict[str, Part]):
    """Parts by the name that parameters call them; open: ``ENCODERS["mine"] = MyEncoder``.

    Args:
        kind: what they are, for messages.

    Raises:
        ParameterError: when a name that is not registered is asked for; it lists those that are.
    """

    def __init__(self, kind: str, parts: Mapping[str, Part] | None = None) -> None:
        super().__init__(parts or {})
        self.kind = kind

    def __missing__(self, name: object) -> Part:  # noqa: D105
        known = ", ".join(self)
        raise ParameterError(f"unknown {self.kind} {name!r}; known are: {known}")

    def known(self, name: str) -> str:
        """``name``, if it is registered."""
        return name if self[name] is not None else name


class Parameters(BaseModel):
    """Base of every parameter set: frozen, strict, and closed to unknown names.

    Integers are taken where a real number is asked for; nothing else is converted.

    Raises:
        ParameterError: on construction, naming the parameter, the value and what is allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ParameterError(_explain(error, type(self))) from None

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``model_dump_json`` wrote. Raises ParameterError as the constructor does."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ParameterError(_explain(error, cls)) from None

    def updated(self, **changes: Any) -> Self:
        """A copy with ``changes`` made, validated again."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**{**fields, **changes})


def fingerprint(values: Mapping[str, Any]) -> str:
    """First 12 hex digits of the SHA-256 of ``values`` as canonical JSON."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _explain(error: ValidationError, model: type[BaseModel]) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = ", ".join(sorted(model.model_fields))
            lines.append(f"unknown parameter {name!r}; known are: {known}")
        elif name:
            lines.append(f"parameter {name!r} = {_shown(problem['input'])}: {problem['msg']}")
        else:
            lines.append(problem["msg"])
    return "; ".join(line.replace("Value error, ", "") for line in lines)


def _shown(value: object) -> str:
    """``value`` as it was typed, but no longer than a line of a message."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        return "a number of thousands of digits"
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"
