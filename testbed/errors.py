"""The errors that a user may see. Each says what was found, what was wanted and what to type next."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class TestbedError(Exception):
    """Something that the user can correct.

    ``message`` says what was found and what was wanted; ``hint`` says what to type next. ``exit_code`` is the exit
    code of the command (1: a failure, 2: usage or specification, 3: the machine).
    """

    __test__ = False  # the name begins with "Test", but it is not one of pytest's
    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class SpecError(TestbedError):
    """A network, an experiment or an argument that is not possible; nothing was started."""

    exit_code = 2


class MachineError(TestbedError):
    """This machine lacks something that is needed."""

    exit_code = 3


class TrialError(TestbedError):
    """A trial that could not be completed; the message becomes the reason in its record."""


def unknown(kind: str, found: str, known: Iterable[str]) -> SpecError:
    """The error for an unknown name: lists the known ones and suggests the nearest."""
    names = sorted(known)
    near = get_close_matches(found, names, n=1)
    message = f"unknown {kind} {found!r}; the known ones are: {', '.join(names)}"
    return SpecError(message, f"Did you mean {near[0]!r}?" if near else "")
