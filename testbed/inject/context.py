"""Where faults act: the live network, chance, the timeline; and what several faults may ask for at the same time."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from testbed.emulation.network import Network
    from testbed.inject.tc import Impairment, Queue


class Note(Protocol):
    """Writes an event into the timeline; returns its time."""

    def __call__(self, source: str, event: str, **details: object) -> float: ...


class Site:
    """One trial's network, as faults see it."""

    def __init__(self, network: Network, chance: random.Random, note: Note) -> None:
        self.network = network
        self.chance = chance
        self.note = note
        #: What befalls the frames that an interface sends, and the queue that was there before.
        self.queues: dict[str, list[Impairment]] = {}
        self.found_queues: dict[str, Queue] = {}
        self._shared: dict[Hashable, tuple[int, contextlib.ExitStack]] = {}

    @contextlib.contextmanager
    def shared(self, key: Hashable, make: Callable[[], AbstractContextManager[object]]) -> Iterator[None]:
        """What ``make`` gives lasts from the first block with this key to the last: overlapping faults do not
        end what another one still needs, and the last one restores what the first one found.
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
