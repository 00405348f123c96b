"""A configuration file's YAML, read and written: duplicate keys are errors, and each value has the type that is wanted.

Every error is a SpecError that names the place, says what was found and what was wanted.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import yaml

from testbed.errors import SpecError, unknown

_SHOWN = 60


class _Loader(yaml.SafeLoader):
    """YAML's plain values. A key may be there once; anchors and tags have no use here."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, f"alias *{event.anchor}; write it out", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        lines: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is not text", key_node.start_mark)
            key, line = key_node.value, key_node.start_mark.line + 1
            if key in lines:
                found = f"key {key!r} of line {lines[key]} again"
                raise yaml.constructor.ConstructorError(None, None, found, key_node.start_mark)
            lines[key] = line
        return super().construct_mapping(node, deep)


def read(text: str, where: str) -> Any:
    """The value of a YAML text. Errors: SpecError with the line."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise SpecError(f"{where}{line}: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise SpecError(f"{where} is not YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise SpecError(f"{where} is nested too deeply; wanted four keys with plain values") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # A number or a date that the pattern takes and Python does not, or a tag on what it does not fit.
        raise SpecError(f"{where} has a value that cannot be read: {shown(str(error))}") from error


def written(value: object) -> str:
    """Plain values as YAML text."""
    return str(yaml.safe_dump(value, sort_keys=False))


def shown(value: object) -> str:
    """A value in a message: as Python writes it, but not endlessly."""
    text = value if isinstance(value, str) else _text_of(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _text_of(value: object) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits
        return f"a {type(value).__name__} too long to show"


def wrong(place: str, value: object, wanted: str) -> SpecError:
    """The error for a value of another type or range."""
    found = repr(shown(value)) if isinstance(value, str) else shown(value)
    return SpecError(f"{place} is {found}; wanted {wanted}")


def mapping(value: Any, where: str) -> dict[str, Any]:
    """Names with values."""
    if not isinstance(value, dict):
        kind = "nothing" if value is None else type(value).__name__
        raise SpecError(f"{where} holds {kind}; wanted names with values")
    for key in value:
        if not isinstance(key, str):
            raise SpecError(f"{where} has the key {shown(key)}, which YAML does not take for text; write it in quotes")
    return value


def only(value: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Errors: SpecError naming a key that is not one of ``known``."""
    known = tuple(known)
    for key in value:
        if key not in known:
            raise unknown(f"key in {where}:", shown(key), known)


def listed(value: Any, place: str, wanted: str) -> list[Any]:
    """A list."""
    if not isinstance(value, list):
        raise wrong(place, value, wanted)
    return value


def whole(value: Any, place: str, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise wrong(place, value, f"a whole number from {low} to {high}")
    return value


def seconds(value: Any, place: str) -> float:
    """A finite number of seconds, 0 or more."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong(place, value, "a number of seconds")
    if not 0 <= value <= 1e9:  # not a number is refused as well
        raise wrong(place, value, "0 to 1e9 seconds")
    return float(value)


def truth(value: Any, place: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong(place, value, "true or false")
    return value


def text(value: Any, place: str, wanted: str = "text") -> str:
    """A text."""
    if not isinstance(value, str):
        raise wrong(place, value, f"{wanted}, in quotes where YAML takes it for something else")
    return value
