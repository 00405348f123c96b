"""The switches' controller as a process of its own, which may crash, be halted, and start again."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

from testbed.controller import START_VARIABLE
from testbed.emulation.clocks import Clocks
from testbed.emulation.daemon import Daemon
from testbed.schemes.scheme import ProcessSpec

#: Open vSwitch tries to connect once a second at the least.
_RECONNECTS_S = 1.0
#: How long a controller may take to be loaded before its start, on a real clock.
_LOADED_S = 2.0


def controller(process: ProcessSpec, log: Path, clocks: Clocks) -> Daemon:
    """The process of a scheme; it is ready once it listens for switches, which it does from a drawn instant on."""
    at_s = clocks.start("controller", _RECONNECTS_S, clocks.ahead(_LOADED_S))
    start = {START_VARIABLE: str(round((clocks.origin_s + at_s) * 1e9))}
    process = dataclasses.replace(process, environment={**process.environment, **start})

    def missing() -> str:
        with socket.socket() as sock:
            refused = sock.connect_ex(("127.0.0.1", process.listens_on))
        return f"a listener on port {process.listens_on}" if refused else ""

    return Daemon("the controller", process.command, log, ready=missing, environment=process.environment)
