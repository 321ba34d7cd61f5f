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
        base: what a part must be an instance of or, where ``parts`` are classes, a subclass of.
        parts: those that it begins with.

    Raises:
        ParameterError: when a name that is not registered is asked for; it lists those that are.
            When something else than a part is registered, or a part that has another name.
    """

    def __init__(self, kind: str, base: Any, parts: Mapping[str, Part]) -> None:
        super().__init__(parts)
        self.kind, self.base = kind, base
        self.classes = all(isinstance(part, type) for part in parts.values())
        self.of = " or ".join(each.__name__ for each in (base if type(base) is tuple else (base,)))

    def __setitem__(self, name: str, part: Part) -> None:  # noqa: D105
        kind: Any = part if isinstance(part, type) else type(part)
        if isinstance(part, type) != self.classes or not issubclass(kind, self.base):
            wanted = "a subclass" if self.classes else "an instance"
            raise ParameterError(
                f"{self.kind} {name!r} = {_shown(part)}; allowed: {wanted} of {self.of}"
            )
        if (own := getattr(part, "name", name)) != name:
            raise ParameterError(f"{self.kind} {name!r}: its own name is {own!r}; give it that one")
        super().__setitem__(name, part)

    def __missing__(self, name: object) -> Part:  # noqa: D105
        known = ", ".join(self)
        raise ParameterError(f"unknown {self.kind} {name!r}; known are: {known}")

    def known(self, name: str) -> str:
        """``name``, if it is registered."""
        if name not in self:
            self.__missing__(name)
        return name


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
