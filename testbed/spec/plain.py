"""Values of the specification made from plain data, such as JSON, with the types of their fields checked."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

_Value = TypeVar("_Value")


def made(cls: type[_Value], data: Any) -> _Value:
    """The dataclass ``cls`` with these fields: lists become tuples, and mappings the dataclasses that the types of the
    fields name. Errors: TypeError naming what is of another type, and what ``cls`` itself raises."""
    if not isinstance(data, Mapping):
        raise TypeError(f"{cls.__name__} is {data!r}")
    hints = _hints(typing.cast(Any, cls))
    fields = {name: _field(value, hints.get(name)) for name, value in data.items()}
    for name, value in fields.items():
        if name in hints and not fits(value, hints[name]):
            raise TypeError(f"{name} of {cls.__name__} is {value!r}")
    return cls(**fields)


def _field(value: Any, hint: Any) -> Any:
    """A value of a field, made as its type says."""
    if isinstance(value, list):
        return tuple(_field(each, hint) for each in value)
    inner = _inner(hint)
    return value if inner is None or value is None else made(inner, value)


@functools.cache
def _inner(hint: Any) -> Any:
    """The dataclass in a field's type: that itself, one of a union, or that of a tuple; None if there is none."""
    return next((each for each in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(each)), None)


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
