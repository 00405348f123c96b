"""What every service is, as a value: files that are written for it, a program, what it says of itself and of its work.

    value (Service)                         live (testbed.services.running)
    node, name                              a directory of the trial for each, which it has for itself
    files, command                          written there; started in the node's namespaces, at a drawn instant
    missing: what it lacks, by its own      waited for
    control interface
    unsettled: what is still under way;     waited for before an experiment begins
    unjoined: who it has yet to meet
    events: what its log says               the timeline; all its files become raw files

A daemon's socket, process id and log are named by its command, never left to its defaults: nodes share /run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True)
class Service(ABC):
    """One daemon on the node ``node``."""

    #: Its name on its node; its log is NAME.log.
    name: ClassVar[str]
    #: The program of its command (testbed.backends.readiness.SERVICES has its Debian package).
    program: ClassVar[str]

    node: str

    @property
    @abstractmethod
    def period_s(self) -> float:
        """The longest period of its own timers: its start is drawn over it."""

    @property
    def slow_s(self) -> float:
        """How much longer its configuration may make its start than a daemon of short timers takes, in seconds."""
        return 0.0

    @abstractmethod
    def files(self, directory: Path) -> Mapping[str, str]:
        """The files that it reads, by their names in ``directory``."""

    def settings(self) -> Mapping[str, str]:
        """What it needs of its machine's kernel: files below /proc/sys/net, and their text."""
        return {}

    def once(self, directory: Path) -> Sequence[str]:
        """A command that is carried out when the machine boots, before the daemon starts; empty: none."""
        del directory
        return ()

    @abstractmethod
    def command(self, directory: Path) -> Sequence[str]:
        """What starts it in the foreground, with everything that it reads and writes in ``directory``; empty: it is no
        daemon, and done with `once`."""

    def environment(self, directory: Path) -> Mapping[str, str]:
        """What its environment has beside the trial's own."""
        del directory
        return {}

    @abstractmethod
    def missing(self, directory: Path) -> str:
        """What its control interface says is lacking until it has begun its work; empty when nothing is."""

    def unsettled(self, log: str, now: float) -> str:
        """What its start has still under way at ``now`` (seconds since the epoch), by its log; empty for nothing."""
        del log, now
        return ""

    def unjoined(self, directory: Path) -> str:
        """What it lacks of others of its kind, which may start later, by its control interface; empty: nothing."""
        del directory
        return ""

    def events(self, log: str) -> Iterator[dict[str, Any]]:
        """What happened by its log, for the timeline: ``time`` (seconds since the epoch), ``source``, ``event``."""
        del log
        yield from ()
