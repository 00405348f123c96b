"""What the core needs from its caller: connected switches, and a log for events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Protocol

from testbed.controller.flow_tables import Group, Part

#: Takes an event for the log: its source, its name, and details.
Log = Callable[..., None]


class Datapath(Protocol):
    """A connected switch (see datapath.Datapath)."""

    sent: Counter[str]

    @property
    def programmed(self) -> bool: ...
    @property
    def groups(self) -> dict[int, Group]: ...
    @property
    def flows(self) -> int: ...
    def replace(self, parts: Mapping[Hashable, Part]) -> None: ...
    def program(self, parts: Mapping[Hashable, Part]) -> None: ...
    def send(self, port: int, frame: bytes) -> None: ...
    def hand_back(self, port: int, frame: bytes) -> None: ...
    def ask_barrier(self) -> int: ...
