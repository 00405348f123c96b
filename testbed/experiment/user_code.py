"""Calling code in experiment and topology files: whatever goes wrong there is reported with its file and line.

Such a file is ordinary Python, ours and a user's own alike. An exception in it is for its author to correct, so it
becomes one line instead of a traceback: ``FILE, line N: ErrorType: text``.
"""

from __future__ import annotations

import functools
import inspect
import json
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from testbed.backends.environment import PROJECT
from testbed.design.trial import Measured, Trial
from testbed.errors import SpecError, TestbedError, TrialError

#: The attribute of a function that stands for one in a user's file: the line where that begins, or None.
LINE = "__first_line__"
#: What a trial's status may be.
_STATUSES = ("ok", "failed", "censored")
_CHECKED_BY = {"topology": "testbed show {}", "experiment": "testbed run {} --dry-run"}
_RETURNED = {"topology": "a Topology", "experiment": "an Experiment"}


@contextmanager
def loading(path: Path, kind: str) -> Iterator[None]:
    """Turn what a file of that kind, ``topology`` or ``experiment``, raises while it is loaded into a SpecError."""
    with _reporting(path, None, shown(path), SpecError, _wanted(kind, path)):
        yield


@contextmanager
def calling(function: Callable[..., Any], kind: str) -> Iterator[None]:
    """Turn what a function of such a file raises into a SpecError with file and line.

    The line is that of the innermost call in the function's own file; where there is none, as when an argument is
    missing, the line where the function begins. Errors of the testbed itself pass as they are.
    """
    path = file_of(function)
    with _reporting(path, _first_line(function, path), shown(path), SpecError, _wanted(kind, path)):
        yield


@contextmanager
def calling_in_trial(function: Callable[..., Any]) -> Iterator[None]:
    """The same for a function that is part of a trial: a TrialError, so that the trial fails and the run goes on.

    The file is named without its directory: a trial's record does not depend on where the file is.
    """
    path = file_of(function)
    with _reporting(path, _first_line(function, path), path.name, TrialError, ""):
        yield


def measured(measure: Callable[[Path, Trial], Measured], directory: Path, trial: Trial) -> Measured:
    """What an experiment's ``measure`` says of the raw files of a trial in ``directory``.

    Errors: TrialError for a raw file that is missing or damaged and, with file and line, for an exception or a result
    that no record can hold.
    """
    with calling_in_trial(measure):
        try:
            found = measure(directory, trial)
        except FileNotFoundError as error:
            missing = Path(str(error.filename))
            if not missing.is_relative_to(directory):
                raise
            raise TrialError(f"raw file {missing.name} is missing") from error
        if isinstance(found, Measured):
            json.dumps([found.metrics, found.reason, list(found.warnings)])  # or trials.jsonl cannot hold it
    if not isinstance(found, Measured):
        raise wrong_in_trial(measure, f"returned {type_name(found)}; wanted a Measured")
    if found.status not in _STATUSES:
        what = f"returned the status {found.status!r}; wanted one of {', '.join(_STATUSES)}"
        raise wrong_in_trial(measure, what)
    return found


def not_returned(function: Callable[..., Any], kind: str, value: object, hint: str = "") -> SpecError:
    """The error for a function that returned ``value`` where a topology or an experiment was wanted."""
    return wrong(function, kind, f"returned {type_name(value)}; wanted {_RETURNED[kind]}", hint)


def wrong(function: Callable[..., Any], kind: str, what: str, hint: str = "") -> SpecError:
    """The error for a function whose result cannot be used; ``what`` says what was found and what was wanted."""
    path = file_of(function)
    place = _place(shown(path), _first_line(function, path))
    return SpecError(f"{place}: {name_of(function)} {what}", hint or _hint(kind, path))


def wrong_in_trial(function: Callable[..., Any], what: str) -> TrialError:
    """The same for a function that is part of a trial."""
    path = file_of(function)
    return TrialError(f"{_place(path.name, _first_line(function, path))}: {name_of(function)} {what}")


def has_module(function: Callable[..., Any]) -> bool:
    """Whether a function says which module it is of; a method of a built-in type, for instance, does not."""
    return getattr(_inner(function), "__module__", None) in sys.modules


def module_of(function: Callable[..., Any]) -> ModuleType:
    """The module that holds the function; of a functools.partial, the module of the function in it."""
    return sys.modules[_inner(function).__module__]


def file_of(function: Callable[..., Any]) -> Path:
    """The file of the function's module."""
    module = module_of(function)
    return Path(getattr(module, "__file__", None) or module.__name__)


def name_of(function: Callable[..., Any]) -> str:
    """The function as messages name it: ``name()``."""
    return f"{getattr(_inner(function), '__name__', type(function).__name__)}()"


def type_name(value: object) -> str:
    """What a value is, in messages: None, or the name of its type."""
    return "None" if value is None else type(value).__name__


def shown(path: Path) -> str:
    """The path in messages: relative to the current directory or to the project where it is below one of them."""
    for base in (Path.cwd(), PROJECT):
        if path.is_relative_to(base):
            return str(path.relative_to(base))
    return str(path)


def typed(path: Path) -> str:
    """The path as one types it in a command."""
    return shlex.quote(shown(path))


def _inner(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def first_line(function: Callable[..., Any]) -> int | None:
    """The line where the definition of a function begins in the file of its module; None if it is not there."""
    return _first_line(function, file_of(function))


def _first_line(function: Callable[..., Any], path: Path) -> int | None:
    if hasattr(function, LINE):
        return getattr(function, LINE)  # type: ignore[no-any-return]
    code = getattr(inspect.unwrap(_inner(function)), "__code__", None)
    return code.co_firstlineno if code is not None and Path(code.co_filename) == path else None


def _hint(kind: str, path: Path) -> str:
    return f"Correct the file, then type: {_CHECKED_BY[kind].format(typed(path))}"


def _wanted(kind: str, path: Path) -> str:
    return f"Wanted: a file that gives {_RETURNED[kind]}. {_hint(kind, path)}"


def _place(name: str, line: int | None) -> str:
    return name if line is None else f"{name}, line {line}"


@contextmanager
def _reporting(
    path: Path, line: int | None, name: str, kind: type[SpecError] | type[TrialError], hint: str
) -> Iterator[None]:
    try:
        yield
    except TestbedError as error:
        if kind is SpecError or isinstance(error, kind):
            raise
        raise kind(error.message, error.hint) from error
    except (Exception, SystemExit) as error:  # sys.exit() in a file must not end the command without a word
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
        text = str(error)
        if isinstance(error, SyntaxError) and error.filename is not None and Path(error.filename) == path:
            lines, text = [error.lineno], error.msg
        what = ": ".join(part for part in (type(error).__name__, " ".join(text.split())) if part)
        raise kind(f"{_place(name, lines[-1] if lines else line)}: {what}", hint) from error
