"""Barriers: wait until switches have processed what was sent to them. Pure.

A switch answers a barrier request once it has processed all earlier messages (OpenFlow Switch Specification 1.5.1,
barrier message). A round is one barrier to each of several switches, and what to do when the last of them has answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: How long a switch may take to answer, in seconds.
TIMEOUT_S = 1.0


@dataclass
class _Round:
    """The switches that have not answered, each with the transaction id of its barrier; until when; what follows."""

    missing: dict[int, int]
    deadline: float
    then: Callable[[], None]


class Barriers:
    """The rounds of barriers that are under way. Times are seconds on the caller's clock."""

    def __init__(self) -> None:
        self._rounds: list[_Round] = []

    def begin(
        self, asked: Mapping[int, int], then: Callable[[], None], now: float, timeout_s: float = TIMEOUT_S
    ) -> None:
        """Start a round: ``asked`` gives each switch's transaction id. With no switch ``then`` is called at once."""
        self._rounds.append(_Round(dict(asked), now + timeout_s, then))
        self._finish()

    def reply(self, dpid: int, transaction: int) -> None:
        """A switch has answered the barrier with this transaction id."""
        for waiting in self._rounds:
            if waiting.missing.get(dpid) == transaction:
                del waiting.missing[dpid]
        self._finish()

    def drop(self, dpid: int) -> None:
        """Stop waiting for a switch."""
        for waiting in self._rounds:
            waiting.missing.pop(dpid, None)
        self._finish()

    def restart(self, now: float) -> None:
        """Give all switches their whole time again: their answers may have arrived and not been read."""
        for waiting in self._rounds:
            waiting.deadline = max(waiting.deadline, now + TIMEOUT_S)

    def late(self, now: float) -> set[int]:
        """The switches that have not answered in time."""
        return {dpid for waiting in self._rounds if waiting.deadline <= now for dpid in waiting.missing}

    def next_deadline(self) -> float | None:
        """When to call `late` next; None while no switch has to answer."""
        return min((waiting.deadline for waiting in self._rounds), default=None)

    def _finish(self) -> None:
        done = [waiting for waiting in self._rounds if not waiting.missing]
        self._rounds = [waiting for waiting in self._rounds if waiting.missing]
        for waiting in done:
            waiting.then()
