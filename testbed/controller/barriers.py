"""Waiting until switches have confirmed what they were told: a barrier to each, an answer from each. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: How long a switch may take to answer, in seconds; then it is not waited for.
PATIENCE_S = 1.0


@dataclass
class _Round:
    """Switches that have not answered yet, by the transaction id of the answer; until when; what follows."""

    missing: dict[int, int]
    deadline: float
    then: Callable[[], None]


class Confirmations:
    """The rounds of barriers that are under way. What follows a round is done when its last switch has answered."""

    def __init__(self) -> None:
        self._rounds: list[_Round] = []

    def begin(
        self, asked: Mapping[int, int], then: Callable[[], None], now: float, patience_s: float = PATIENCE_S
    ) -> None:
        """These switches were asked, each under this transaction id; ``then`` follows, at once if there is none."""
        self._rounds.append(_Round(dict(asked), now + patience_s, then))
        self._finish()

    def answer(self, dpid: int, transaction: int) -> None:
        """A switch has confirmed."""
        for waiting in self._rounds:
            if waiting.missing.get(dpid) == transaction:
                del waiting.missing[dpid]
        self._finish()

    def leave(self, dpid: int) -> None:
        """A switch is not waited for any more."""
        for waiting in self._rounds:
            waiting.missing.pop(dpid, None)
        self._finish()

    def renew(self, now: float) -> None:
        """Give all switches their whole time again: what they have answered may still have to be read."""
        for waiting in self._rounds:
            waiting.deadline = max(waiting.deadline, now + PATIENCE_S)

    def late(self, now: float) -> set[int]:
        """The switches that should have answered by now."""
        return {dpid for waiting in self._rounds if waiting.deadline <= now for dpid in waiting.missing}

    def next_deadline(self) -> float | None:
        """When to ask for `late` next."""
        return min((waiting.deadline for waiting in self._rounds), default=None)

    def _finish(self) -> None:
        done = [waiting for waiting in self._rounds if not waiting.missing]
        self._rounds = [waiting for waiting in self._rounds if waiting.missing]
        for waiting in done:
            waiting.then()
