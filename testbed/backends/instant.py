"""Waiting until an absolute instant of the clock that a trial runs by: what came before does not shift it."""

from __future__ import annotations

import ctypes
import errno
import os

_libc = ctypes.CDLL(None, use_errno=True)
_CLOCK_REALTIME, _TIMER_ABSTIME = 0, 1  # linux/time.h
_PR_SET_TIMERSLACK, _PR_GET_TIMERSLACK = 29, 30  # linux/prctl.h


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def wait_until_ns(at_ns: int) -> None:
    """Sleep until ``at_ns`` nanoseconds since the epoch (clock_nanosleep(2), TIMER_ABSTIME); no longer if it is past.

    A relative sleep would begin when the clock was read, so that it ends later by whatever its caller did before. For
    this wait the kernel's timer slack is 1 ns (prctl(2), PR_SET_TIMERSLACK).
    """
    at = _Timespec(*divmod(at_ns, 10**9))
    slack_ns = _libc.prctl(_PR_GET_TIMERSLACK, 0, 0, 0, 0)
    _libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    try:
        while failure := _libc.clock_nanosleep(_CLOCK_REALTIME, _TIMER_ABSTIME, ctypes.byref(at), None):
            if failure != errno.EINTR:
                raise OSError(failure, f"clock_nanosleep: {os.strerror(failure)}")
    finally:
        _libc.prctl(_PR_SET_TIMERSLACK, slack_ns, 0, 0, 0)
