"""Values of the specification made from plain data, such as JSON, with the types of their fields checked."""

from __future__ import annotations

import functools
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

_Value = TypeVar("_Value")


def made(cls: type[_Value], data: Mapping[str, Any]) -> _Value:
    """The dataclass ``cls`` with these fields; lists become tuples. Errors: TypeError naming a field of another type,
    and what ``cls`` itself raises."""
    hints = _hints(typing.cast(Any, cls))
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    for name, value in fields.items():
        if name in hints and not fits(value, hints[name]):
            raise TypeError(f"{name} of {cls.__name__} is {value!r}")
    return cls(**fields)


@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a field's type: a class, a union of them, or a tuple of one. A number must be finite."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(fits(each, arguments[0]) for each in value)
    if arguments:
        return any(fits(value, each) for each in arguments)
    if hint in (int, float):
        kind = int if hint is int else int | float
        return isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)
    if hint is types.NoneType:
        return value is None
    return isinstance(value, hint)
