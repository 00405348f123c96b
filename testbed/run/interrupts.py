"""Ctrl-C while threads work: as an event that is asked for, because an exception could leave a lock of theirs held."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Who interrupts again after so many seconds does not want to wait for the tidying up.
_PATIENCE_S = 10.0


@contextlib.contextmanager
def deferred(event: threading.Event) -> Iterator[None]:
    """Set ``event`` for each signal that would raise KeyboardInterrupt while the block runs.

    After `_PATIENCE_S` a further one does raise it. Only the main thread handles signals; in another this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    first_s: float | None = None
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    handled = {number: handler for number, handler in before.items() if callable(handler)}

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal first_s
        if first_s is not None and time.monotonic() - first_s > _PATIENCE_S:
            handled[signal.Signals(number)](number, frame)
            return
        with contextlib.suppress(KeyboardInterrupt):
            handled[signal.Signals(number)](number, frame)
        first_s = first_s or time.monotonic()
        event.set()

    for number in handled:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
