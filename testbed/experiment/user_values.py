"""The values that pass between the testbed and the process that executes a user's file, as JSON.

Values of our own arrive as they were. A function arrives as one that asks the process; what is of any other type
arrives as an object whose type has the same name, so that a message can name it. Texts arrive without characters that
could command a terminal.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from testbed.backends.confined import printable
from testbed.design.factor import Factor
from testbed.design.trial import Measured, Trial
from testbed.experiment import user_code
from testbed.experiment.experiment import Experiment
from testbed.spec import Topology

#: Makes the function that asks the process: from its number, what it is for, and what is known of it.
Proxy = Callable[[int, str, Mapping[str, Any]], Callable[..., Any]]
#: The dataclasses that pass field by field.
_CLASSES: dict[str, type[Any]] = {each.__name__: each for each in (Experiment, Factor)}


def encoded(value: Any, functions: list[Callable[..., Any]] | None = None, purpose: str = "") -> Any:
    """A value as JSON has it. Functions in it are added to ``functions``; None: the value has none.

    ``purpose`` is the field that the value is in. Errors: TypeError or ValueError for metrics that no record can hold.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        return {"values": [encoded(each, functions, purpose) for each in value]}
    if isinstance(value, Mapping):
        return {"mapping": [[encoded(key), encoded(each, functions, purpose)] for key, each in value.items()]}
    if isinstance(value, Path):
        return {"path": str(value)}
    if isinstance(value, Topology | Trial):
        return {type(value).__name__: value.to_json()}
    if isinstance(value, Measured):
        fields = {**vars(value), "warnings": list(value.warnings)}
        return {"Measured": json.loads(json.dumps(fields))}
    if type(value) in _CLASSES.values():
        fields = {each.name: encoded(getattr(value, each.name), functions, each.name) for each in _fields(value)}
        return {type(value).__name__: fields}
    if callable(value) and functions is not None:
        functions.append(value)
        known = {"name": user_code.name_of(value).removesuffix("()"), "line": user_code.first_line(value)}
        return {"function": len(functions) - 1, "purpose": purpose, **known}
    return {"other": type(value).__name__}


def decoded(data: Any, proxy: Proxy | None = None) -> Any:
    """The value of what `encoded` returned. Errors: SpecError, TypeError, ValueError or KeyError for anything else."""
    if not isinstance(data, dict):
        return printable(data) if isinstance(data, str) else data
    ((kind, found), *more) = data.items()
    if kind == "values":
        return tuple(decoded(each, proxy) for each in found)
    if kind == "mapping":
        return {decoded(key): decoded(each, proxy) for key, each in found}
    if kind == "path":
        return Path(found)
    if kind in ("Topology", "Trial"):
        return (Topology if kind == "Topology" else Trial).from_json(found)
    if kind == "Measured":
        texts = {"reason": printable(found["reason"]), "warnings": tuple(map(printable, found["warnings"]))}
        return Measured(**{**found, **texts})
    if kind == "function" and proxy is not None:
        return proxy(found, data["purpose"], dict(more))
    if kind == "other":
        return type(str(found), (), {})()
    return _CLASSES[kind](**{name: decoded(each, proxy) for name, each in found.items()})


def _fields(value: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(value)
