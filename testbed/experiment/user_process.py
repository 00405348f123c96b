"""In the confined process (testbed.backends.confined): executes a user's file, answers what the testbed asks about it.

Usage: python -m testbed.experiment.user_process KIND FILE

KIND is topology or experiment. Each question is a line of JSON on standard input, each answer one on the standard
output that the process was started with; what the file itself prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from testbed.backends import confined
from testbed.errors import MachineError, SpecError, TrialError
from testbed.experiment import discovery, user_code
from testbed.experiment.plan import build_topology, topology_defaults
from testbed.experiment.user_values import decoded, encoded

_ERRORS = (SpecError, MachineError, TrialError, ValueError)
#: What to say of a file that asked the system for what it does not get.
_HINT = "Where the file is executed it sees its own directory, can write nothing and has no network: docs/concepts.md"


class _Answers:
    """What the file gave so far: its topology function, or the functions in its experiment."""

    def __init__(self, kind: str, name: str) -> None:
        self._kind, self._name = kind, name
        self._topology: Callable[..., Any] | None = None
        self._functions: list[Callable[..., Any]] = []

    def load(self) -> Any:
        """Execute the file. The answer holds the experiment, or the arguments of the topology function."""
        own = discovery.file_of(self._name)
        if own is not None and "mininet" in own[0].read_text(errors="replace"):
            from testbed.emulation import unstarted  # it loads all of Mininet

            unstarted.forbid()
        if self._kind == "experiment":
            return encoded(discovery.load_experiment(self._name), self._functions)
        self._topology = discovery.load_topology(self._name)
        return {
            "doc": user_code.module_of(self._topology).__doc__,
            "name": user_code.name_of(self._topology).removesuffix("()"),
            "line": user_code.first_line(self._topology),
            "arguments": encoded(topology_defaults(self._topology)),
        }

    def build(self, levels: Any) -> Any:
        """The network that the topology function returns."""
        assert self._topology is not None
        return encoded(build_topology(self._topology, decoded(levels)))

    def call(self, number: int, purpose: str, arguments: Any) -> Any:
        """What a function of the experiment returns; ``purpose`` is the field of the experiment that it is in."""
        function, values = self._functions[number], decoded(arguments)
        if purpose == "measure":
            return encoded(user_code.measured(function, *values))
        wrong_level = None
        with user_code.calling(function, "experiment"):
            try:
                return encoded(function(*values))
            except ValueError as error:
                if purpose != "read":
                    raise
                wrong_level = error
        raise ValueError(str(wrong_level))  # Factor.parse says what was wanted


def main(kind: str, name: str) -> None:
    """Answer questions until there are no more."""
    questions, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)  # what a file prints is no answer
    sys.argv = [name]
    confined.set_limits()
    print(confined.READY, file=answers, flush=True)
    state = _Answers(kind, name)
    for line in questions:
        question = json.loads(line)
        try:
            found = {"value": getattr(state, question.pop("ask"))(**question)}
        except _ERRORS as error:
            found = {"error": _kind_of(error), "message": getattr(error, "message", str(error))}
            found["hint"] = _HINT if isinstance(error.__cause__, OSError) else getattr(error, "hint", "")
        except KeyboardInterrupt:  # raised by the file: no signal comes here
            os._exit(130)
        sys.stdout.flush()
        print(json.dumps(found), file=answers, flush=True)


def _kind_of(error: BaseException) -> str:
    """The first of _ERRORS that it is; it may be a kind of that."""
    return next(kind.__name__ for kind in _ERRORS if isinstance(error, kind))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
