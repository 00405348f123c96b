"""Timers as absolute deadlines: whoever calls passes the time in, nobody here reads a clock."""

from collections.abc import Mapping

from testbed.lacp.states import Timer


class Timers:
    """The timers of one port. A timer is stopped, running towards its deadline, or expired.

    Being expired is a level, not an event: it lasts until the timer is started or stopped again.
    """

    __slots__ = ("_deadlines", "_expired")

    def __init__(self) -> None:
        self._deadlines: dict[Timer, float] = {}
        self._expired: set[Timer] = set()

    def start(self, timer: Timer, seconds: float, now: float) -> None:
        """Let the timer expire `seconds` from now; with 0 it is expired at once."""
        self.start_until(timer, now + seconds, now)

    def start_until(self, timer: Timer, deadline: float, now: float) -> None:
        """Let the timer expire at `deadline`, which may have come already."""
        self.stop(timer)
        if deadline > now:
            self._deadlines[timer] = deadline
        else:
            self._expired.add(timer)

    def extend(self, timer: Timer, deadline: float) -> None:
        """Let a running timer not expire before `deadline`."""
        self._deadlines[timer] = max(self._deadlines[timer], deadline)

    def stop(self, timer: Timer) -> None:
        """Neither running nor expired any more."""
        self._deadlines.pop(timer, None)
        self._expired.discard(timer)

    def advance(self, now: float) -> None:
        """Let every timer expire whose deadline has come."""
        for timer in [timer for timer, deadline in self._deadlines.items() if deadline <= now]:
            del self._deadlines[timer]
            self._expired.add(timer)

    def expired(self, timer: Timer) -> bool:
        """Whether the timer ran out and was not started or stopped since."""
        return timer in self._expired

    def running(self, timer: Timer) -> bool:
        """Whether the timer has a deadline ahead."""
        return timer in self._deadlines

    def earliest(self) -> float | None:
        """The next deadline, or None when nothing runs."""
        return min(self._deadlines.values(), default=None)

    def restore(self, shown: Mapping[Timer, float | str]) -> None:
        """Be as another was when it gave this `snapshot`."""
        self._expired = {timer for timer, deadline in shown.items() if deadline == "expired"}
        self._deadlines = {timer: float(deadline) for timer, deadline in shown.items() if deadline != "expired"}

    def snapshot(self) -> dict[str, float | str]:
        """Deadlines in seconds on the caller's clock, or 'expired'; stopped timers are left out."""
        shown: dict[str, float | str] = {timer: "expired" for timer in self._expired}
        shown.update((str(timer), deadline) for timer, deadline in self._deadlines.items())
        return dict(sorted(shown.items()))
