"""Waiting for conditions with a deadline: the one place that sleeps until something happens."""

from __future__ import annotations

import time
from collections.abc import Callable

from testbed.errors import TrialError


def wait_for(
    what: str | Callable[[], str], missing: Callable[[], str], *, deadline_s: float, step_s: float = 0.01
) -> None:
    """Wait until ``missing()`` returns an empty text, at most ``deadline_s`` seconds of the trial's clock.

    ``missing`` says what is still lacking; past the deadline that becomes the error, after ``what`` as it is then.
    """
    end = time.monotonic() + deadline_s
    while lacking := missing():
        if time.monotonic() >= end:
            said = what if isinstance(what, str) else what()
            raise TrialError(f"{said}: not within {deadline_s:g} s; still missing: {lacking}")
        time.sleep(step_s)
