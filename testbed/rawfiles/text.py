"""What a trial wrote, as text for a terminal and as values."""

from __future__ import annotations

import json
import math
from typing import Any

from testbed.rawfiles.limits import DIGITS, JSON_BYTES, NAME_BYTES


def printable(text: str, most: int = 4000) -> str:
    """The text for a terminal or a record: control characters but the end of a line are shown as escapes such as
    ``\\x1b``, and what is beyond ``most`` characters is left out."""
    shown = "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape", "surrogatepass").decode()
        for each in text[:most]
    )
    return shown if len(text) <= most else f"{shown} ... ({len(text) - most} more characters)"


def shown_name(name: str) -> str:
    """The name of a file in a message: in one line, without control characters."""
    return printable(name, NAME_BYTES).replace("\n", "\\n")


def loads(text: str | bytes) -> Any:
    """JSON (RFC 8259) whose numbers are finite. Errors: ValueError, also for what nests too deep."""
    if len(text) > JSON_BYTES:
        raise ValueError(f"it has more than {JSON_BYTES} octets")
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_finite, parse_int=_counted)
    except RecursionError:
        raise ValueError("it nests too deep") from None


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number in JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:DIGITS]} is too large")
    return value


def _counted(text: str) -> int:
    if len(text) > DIGITS:
        raise ValueError(f"the number {text[:DIGITS]}... is too large")
    return int(text)
