"""A user's own file, executed in a process that can touch nothing of this machine: what it gives, as if it were ours.

    topology("mine.py", path)      # a topology function: calling it asks the process
    experiment("mine.py", path)    # an Experiment whose functions ask the process

The process (testbed.experiment.user_process) is started when the file is first asked for and lives as long as what it
gave. If the file ends it, or takes too long, that is an error of the file; the next question starts another.
"""

from __future__ import annotations

import inspect
import json
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from testbed.backends import confined
from testbed.errors import MachineError, SpecError, TrialError
from testbed.experiment import user_code
from testbed.experiment.experiment import Experiment
from testbed.experiment.user_values import decoded, encoded
from testbed.spec import Topology

_MODULE = "testbed.experiment.user_process"
#: The limits of wall time, in seconds: to load the file and for most questions, and to measure one trial.
LIMIT_S, MEASURE_LIMIT_S = 120.0, 300.0
_Function = TypeVar("_Function", bound=Callable[..., Any])
_HINT = "Correct the file. What a file can do when it is executed: docs/concepts.md"
_ERRORS: dict[str, Callable[[str, str], Exception]] = {
    "SpecError": SpecError,
    "MachineError": MachineError,
    "TrialError": TrialError,
    "ValueError": lambda message, _: ValueError(message),
}


class _File:
    """The process that executes a user's file."""

    def __init__(self, kind: str, name: str, path: Path, directories: Sequence[Path], limit_s: float) -> None:
        self._kind, self._name, self.path, self._limit_s = kind, name, path, limit_s
        # A symbolic link's own directory, and the one of the file that it leads to.
        self._directories = [path.absolute().parent, path.resolve().parent, *directories]
        self._process: confined.Process | None = None
        self._lock = threading.RLock()
        self.given: Any = None
        self.shown = user_code.shown(path.absolute())

    def ask(self, ask: str, *, purpose: str = "", **more: Any) -> Any:
        """The decoded answer's value. Errors: what the file is wrong in, as the kind that ``purpose`` needs."""
        limit_s = MEASURE_LIMIT_S if purpose == "measure" else self._limit_s
        with self._lock:
            process = self._running()
            question = {"ask": ask, **more, **({"purpose": purpose} if purpose else {})}
            return self._answer(process, question, limit_s, purpose)

    def start(self) -> Any:
        """What the file gives when it is executed, still as JSON."""
        with self._lock:
            self._running()
        return self.given

    def _running(self) -> confined.Process:
        if self._process is None or self._process.ended:
            process = confined.Process(_MODULE, [self._kind, self._name], self._directories)
            self.given = self._answer(process, {"ask": "load"}, self._limit_s, "")
            self._process = process
        return self._process

    def _answer(self, process: confined.Process, question: Mapping[str, Any], limit_s: float, purpose: str) -> Any:
        """Errors: TrialError of ``measure``, otherwise SpecError, or what the process answers."""
        in_trial = purpose == "measure"
        name = self.path.name if in_trial else self.shown
        try:
            text = process.ask(json.dumps(question), limit_s)
        except confined.Ended as error:
            raise self._error(f"{name}: {purpose} {error}" if purpose else f"{name} {error}", in_trial) from None
        finally:
            sys.stderr.write(process.printed())
        try:
            answer = json.loads(text)
            if "error" not in answer:
                return answer["value"]
            kind, message, hint = (confined.printable(str(answer[key])) for key in ("error", "message", "hint"))
            made = _ERRORS[kind](message, hint)
        except (ValueError, TypeError, KeyError, RecursionError):
            raise self._error(f"{name} answers in the place of the testbed", in_trial) from None
        if isinstance(made, ValueError) and purpose != "read":
            raise self._error(message, in_trial)
        raise made

    def _error(self, what: str, in_trial: bool) -> SpecError | TrialError:
        return TrialError(what) if in_trial else SpecError(what, _HINT)


def topology(name: str, path: Path, limit_s: float = LIMIT_S) -> Callable[..., Topology]:
    """The topology function of a user's file; ``name`` is as it was typed, ``path`` the file in it.

    Its keyword arguments are those that ``--set`` may vary. Errors: SpecError, with file and line if the file cannot
    be loaded; MachineError if this machine cannot confine a process.
    """
    file = _File("topology", name, path, (), limit_s)
    given = file.start()

    def network(**levels: Any) -> Topology:
        answer = file.ask("build", levels=encoded(levels))
        found: Topology = _checked(file, lambda: decoded(answer), Topology)
        return found

    def named() -> Callable[..., Topology]:
        arguments = decoded(given["arguments"]).items()
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [inspect.Parameter(key, keyword, default=value) for key, value in arguments]
        network.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return _named(network, file, given["name"], given["line"], decoded(given["doc"]))

    named_network: Callable[..., Topology] = _checked(file, named)
    return named_network


def experiment(name: str, path: Path, directories: Sequence[Path] = (), limit_s: float = LIMIT_S) -> Experiment:
    """The experiment of a user's file, which may read ``directories`` besides its own: the run that it is measured in.

    Its ``procedure`` is for the place of a trial alone, which loads the file itself. Errors: as of `topology`.
    """
    file = _File("experiment", name, path, directories, limit_s)

    def proxy(number: int, purpose: str, known: Mapping[str, Any]) -> Callable[..., Any]:
        def function(*values: Any) -> Any:
            answer = file.ask("call", number=number, purpose=purpose, arguments=encoded(values))
            return _checked(file, lambda: decoded(answer))

        return _named(function, file, known["name"], known["line"], None)

    given = file.start()
    found: Experiment = _checked(file, lambda: decoded(given, proxy), Experiment)
    return found


def _checked(file: _File, work: Callable[[], Any], kind: type[Any] = object) -> Any:
    """What ``work`` makes of an answer, if it is of that kind: the file may have changed our code in its process."""
    try:
        found = work()
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise SpecError(f"{file.shown} answers in the place of the testbed: {error}", _HINT) from error
    if not isinstance(found, kind):
        raise SpecError(f"{file.shown} answers in the place of the testbed, with {user_code.type_name(found)}", _HINT)
    return found


def _named(function: _Function, file: _File, name: str, line: int | None, doc: str | None) -> _Function:
    """``function`` with the name, the module, the file and the line of the one that it stands for."""
    module = ModuleType(f"user file {file.path.absolute()}", doc)
    module.__file__ = str(file.path.absolute())
    if doc is not None or module.__name__ not in sys.modules:
        sys.modules[module.__name__] = module
    function.__name__, function.__module__ = name, module.__name__
    setattr(function, user_code.LINE, line)
    return function
