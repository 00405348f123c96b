"""What the faults of one trial share: the live network, random numbers, the timeline, and what several need at once."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from testbed.emulation.network import Network
from testbed.inject.impairment import Impairment, Queue


class Note(Protocol):
    """Writes an event into the timeline; returns its time."""

    def __call__(self, source: str, event: str, **details: object) -> float: ...


class InjectionContext:
    """Where the faults of one trial act. ``rng`` is what they draw random numbers from."""

    def __init__(self, network: Network, rng: random.Random, note: Note) -> None:
        self.network = network
        self.rng = rng
        self.note = note
        #: By interface: what happens to the frames that it sends, and the queue that was found there.
        self.impairments: dict[str, list[Impairment]] = {}
        self.found_queues: dict[str, Queue] = {}
        self._shared: dict[Hashable, tuple[int, contextlib.ExitStack]] = {}

    @contextlib.contextmanager
    def shared(self, key: Hashable, make: Callable[[], AbstractContextManager[object]]) -> Iterator[None]:
        """What ``make`` gives lasts from the first block with this key to the last one.

        So an overlapping fault does not end what another one still needs, and the last one restores what the first
        one found.
        """
        count, stack = self._shared.get(key, (0, contextlib.ExitStack()))
        if count == 0:
            stack.enter_context(make())
        self._shared[key] = count + 1, stack
        try:
            yield
        finally:
            count, stack = self._shared[key]
            if count == 1:
                del self._shared[key]
                stack.close()
            else:
                self._shared[key] = count - 1, stack

    def holds(self, key: Hashable) -> bool:
        """Whether a block with this key is open."""
        return key in self._shared
