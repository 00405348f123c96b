"""The switches' controller as a process of its own, which may crash, be halted, and start again."""

from __future__ import annotations

import socket
from pathlib import Path

from testbed.emulation.daemon import Daemon
from testbed.schemes.scheme import ProcessSpec


def controller(process: ProcessSpec, log: Path) -> Daemon:
    """The process of a scheme; it is ready once it listens for switches."""

    def missing() -> str:
        with socket.socket() as sock:
            refused = sock.connect_ex(("127.0.0.1", process.listens_on))
        return f"a listener on port {process.listens_on}" if refused else ""

    return Daemon("the controller", process.command, log, ready=missing, environment=process.environment)
