"""Timers as absolute deadlines. The caller passes the time; nothing here reads a clock."""

from collections.abc import Mapping

from testbed.lacp.states import Timer


class Timers:
    """The timers of one port. A timer is stopped, running towards its deadline, or expired.

    Expired is a level, not an event: it lasts until the timer is started or stopped again.
    """

    __slots__ = ("_deadlines", "_expired")

    def __init__(self) -> None:
        self._deadlines: dict[Timer, float] = {}
        self._expired: set[Timer] = set()

    def start(self, timer: Timer, seconds: float, now: float) -> None:
        """Start the timer: it expires `seconds` from now; with 0 it expires at once."""
        self.start_until(timer, now + seconds, now)

    def start_until(self, timer: Timer, deadline: float, now: float) -> None:
        """Start the timer: it expires at `deadline`, which may have passed already."""
        self.stop(timer)
        if deadline > now:
            self._deadlines[timer] = deadline
        else:
            self._expired.add(timer)

    def extend(self, timer: Timer, deadline: float) -> None:
        """Postpone the expiry of a running timer to `deadline`, if that is later."""
        self._deadlines[timer] = max(self._deadlines[timer], deadline)

    def stop(self, timer: Timer) -> None:
        """Stop the timer: it is neither running nor expired."""
        self._deadlines.pop(timer, None)
        self._expired.discard(timer)

    def advance(self, now: float) -> None:
        """Expire every timer whose deadline has come."""
        for timer in [timer for timer, deadline in self._deadlines.items() if deadline <= now]:
            del self._deadlines[timer]
            self._expired.add(timer)

    def expired(self, timer: Timer) -> bool:
        """Whether the timer has expired and was not started or stopped since."""
        return timer in self._expired

    def running(self, timer: Timer) -> bool:
        """Whether the timer has a deadline ahead."""
        return timer in self._deadlines

    def earliest(self) -> float | None:
        """The next deadline; None while no timer runs."""
        return min(self._deadlines.values(), default=None)

    def restore(self, shown: Mapping[Timer, float | str]) -> None:
        """Restore the timers from a `snapshot`."""
        self._expired = {timer for timer, deadline in shown.items() if deadline == "expired"}
        self._deadlines = {timer: float(deadline) for timer, deadline in shown.items() if deadline != "expired"}

    def snapshot(self) -> dict[str, float | str]:
        """Deadlines in seconds on the caller's clock, or 'expired'; stopped timers are left out."""
        shown: dict[str, float | str] = {timer: "expired" for timer in self._expired}
        shown.update((str(timer), deadline) for timer, deadline in self._deadlines.items())
        return dict(sorted(shown.items()))
