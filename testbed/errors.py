"""The errors that a user may see. Each says what was found, what was wanted and what to type next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
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


class UnknownName(SpecError):
    """A name that is none of the known ones. ``near`` are those that may have been meant, the likeliest first."""

    def __init__(self, kind: str, found: str, known: Iterable[str]) -> None:
        self.kind, self.found, self.known = kind, found, sorted(known)
        self.near = _near(found, self.known)
        meant = " or ".join(map(repr, self.near))
        super().__init__(
            f"unknown {kind} {found!r}; the known ones are: {', '.join(self.known)}",
            f"Did you mean {meant}?" if meant else "",
        )


def unknown(kind: str, found: str, known: Iterable[str]) -> UnknownName:
    """The error for an unknown name: lists the known ones and suggests those that may have been meant."""
    return UnknownName(kind, found, known)


#: What names are called elsewhere: by the kernel, by Mininet, by makers of switches, in short.
_ELSEWHERE = {
    "bandwidth": ("rate_mbps",),
    "bw": ("rate_mbps",),
    "dynamic": ("802.3ad",),
    "lacp": ("802.3ad",),
    "linkdown": ("carrier_loss",),
    "links": ("members",),
    "nics": ("members",),
    "openvswitch": ("ovs",),
    "primary": ("primary_member",),
    "roundrobin": ("balance-rr",),
    "ryu": ("ryu-example", "testbed"),
    "slaves": ("members",),
}
#: A part of a name that is shorter could be a part of anything.
_LEAST_LETTERS = 2


def _near(found: str, known: Sequence[str]) -> tuple[str, ...]:
    """The known names that may have been meant: one with another spelling, one called otherwise elsewhere, or up to
    three of which a part was given."""
    word = found.casefold()
    for name in known:
        if name.casefold() == word:
            return (name,)
    if elsewhere := tuple(name for name in _ELSEWHERE.get(re.sub(r"[\W_]", "", word), ()) if name in known):
        return elsewhere
    if close := get_close_matches(word, known, n=1):
        return tuple(close)
    parts = [name for name in known if word in name.casefold()] if len(word) >= _LEAST_LETTERS else []
    return tuple(sorted(parts, key=lambda name: (not name.startswith(word), len(name)))[:3])
