"""What ends a command from outside: SIGTERM (timeout, a batch system) and SIGHUP (a closed terminal) are Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

#: The exit code of a command that was interrupted, whether by Ctrl-C or by one of these.
INTERRUPTED = 130
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def treat_as_ctrl_c() -> None:
    """From now on the first SIGTERM or SIGHUP raises KeyboardInterrupt; later ones do not disturb the tidying up.

    A signal that is ignored stays so: nohup(1) asks for that.
    """
    # Asked for now: of a terminal that is gone isatty() is false.
    shown = [stream.fileno() for stream in (sys.stdout, sys.stderr) if stream is not None and stream.isatty()]

    def interrupt(number: int, _frame: FrameType | None) -> None:
        for each in _SIGNALS:
            if signal.getsignal(each) is not signal.SIG_IGN:
                signal.signal(each, lambda *_: None)  # not SIG_IGN, which children would inherit
        if number == signal.SIGHUP:
            for descriptor in shown:  # what would go to the terminal goes nowhere
                os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        raise KeyboardInterrupt

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)
