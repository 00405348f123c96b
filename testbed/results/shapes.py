"""The shape of a run's files: the keys of run.json and of a line of trials.jsonl, and the kinds of their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Kind = tuple[str, Callable[[Any], bool]]

#: A metric whose name ends so is a number, null, or a list or mapping of them.
_WITH_UNIT = re.compile(r".*_(s|ms|mbps|bytes|ratio|percent)|lost|reordered|duplicated|retransmits|faults|strikes")
_TRUTHS = ("within_bound", "within_standard", "connected", "survived", "placement_as_predicted")
#: Larger numbers are beyond what arithmetic with fractions takes.
_MOST = 1 << 1000


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MOST


def _number(value: object) -> bool:
    return isinstance(value, float) or _whole(value)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _level(value: object) -> bool:
    return isinstance(value, str | bool) or _number(value)


def _factors(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(levels, list) and levels and all(map(_level, levels)) for levels in value.values()
    )


def _until(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, dict) and isinstance(value.get("metric"), str) and _number(value.get("relative"))


_TEXT: Kind = ("a text", lambda value: isinstance(value, str))
_TEXT_OR_NULL: Kind = ("a text or null", lambda value: value is None or isinstance(value, str))
_TEXTS: Kind = ("a list of texts", _texts)
_COUNT: Kind = ("a whole number from 0", lambda value: _whole(value) and value >= 0)
_MAPPING: Kind = ("an object", lambda value: isinstance(value, dict))
_MAPPING_OR_NULL: Kind = ("an object or null", lambda value: value is None or isinstance(value, dict))

_ALWAYS: Mapping[str, Kind] = {
    "experiment": _TEXT,
    "factors": ("an object that has for each factor its levels, as a list", _factors),
}
_MANIFEST: Mapping[str, Kind] = {
    **_ALWAYS,
    **dict.fromkeys(("title", "question", "topology", "drawing", "backend", "clock"), _TEXT),
    **dict.fromkeys(("left_out", "figures", "argv", "pairs"), _TEXTS),
    **dict.fromkeys(("commit", "code", "runtime"), _TEXT_OR_NULL),
    **dict.fromkeys(("tools", "digests", "machine"), _MAPPING),
    **dict.fromkeys(("kernel", "user_code"), _MAPPING_OR_NULL),
    "repetitions": ("a whole number from 1", lambda value: _whole(value) and 0 < value < 1 << 40),
    "seed": _COUNT,
    "until_ci": ("an object with metric and relative, or null", _until),
    "order": _TEXT,
}
_RECORD: Mapping[str, Kind] = {
    "experiment": _TEXT,
    "case": ("an object of levels", lambda value: isinstance(value, dict) and all(map(_level, value.values()))),
    "repetition": _COUNT,
    "seed": _COUNT,
    "status": ("ok, failed or censored", lambda value: value in ("ok", "failed", "censored")),
    "reason": _TEXT,
    "metrics": _MAPPING,
    "virtual_s": ("a number", _number),
    "wall_s": ("a number", _number),
    "warnings": _TEXTS,
    "raw": (
        "raw/ and a number from 1",
        lambda value: isinstance(value, str) and re.fullmatch(r"raw/0*[1-9][0-9]{0,11}", value) is not None,
    ),
}


def manifest_problem(manifest: object) -> str:
    """What is wrong with the content of run.json; empty if nothing."""
    if not isinstance(manifest, dict):
        return f"it holds {_shown(manifest)}; wanted an object"
    for name in _ALWAYS:
        if name not in manifest:
            return f"it has no {name}"
    return _problem(manifest, _MANIFEST)


def record_problem(record: object) -> str:
    """What is wrong with a line of trials.jsonl; empty if nothing."""
    if not isinstance(record, dict):
        return f"it holds {_shown(record)}; wanted an object"
    if set(record) != set(_RECORD):
        return f"its keys are {sorted(record)}"
    return _problem(record, _RECORD) or metrics_problem(record["metrics"])


def metrics_problem(metrics: Mapping[str, Any]) -> str:
    """What is wrong with a trial's metrics; empty if nothing."""
    for name, value in metrics.items():
        if _WITH_UNIT.fullmatch(name) and not _numbers(value):
            return f"its metric {name} is {_shown(value)}; wanted a number or null"
        if name in _TRUTHS and not (value is None or isinstance(value, bool)):
            return f"its metric {name} is {_shown(value)}; wanted true, false or null"
    return ""


def _problem(values: Mapping[str, Any], kinds: Mapping[str, Kind]) -> str:
    for name, (wanted, fits) in kinds.items():
        if name in values and not fits(values[name]):
            return f"its {name} is {_shown(values[name])}; wanted {wanted}"
    return ""


def _numbers(value: object) -> bool:
    if isinstance(value, dict | list):
        return all(map(_numbers, value.values() if isinstance(value, dict) else value))
    return value is None or _number(value)


def _shown(value: object) -> str:
    """A value in a message: what it is, and not all of it."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _MOST:
        return "a number of more than 300 digits"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
