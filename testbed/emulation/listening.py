"""Waiting until servers listen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from testbed.emulation.waiting import wait_for

if TYPE_CHECKING:
    from testbed.emulation.network import Network

_DEADLINE_S = 60.0
_LISTEN = "0A"  # include/net/tcp_states.h: TCP_LISTEN


def wait_listening(network: Network, host: str, ports: Sequence[int]) -> None:
    """Wait until TCP sockets of ``host`` listen on all these ports (proc(5), net/tcp).

    Errors: TrialError naming the missing ones.
    """

    def missing() -> str:
        lines = [line.split() for name in ("tcp", "tcp6") for line in network.read(host, name).splitlines()[1:]]
        have = {int(line[1].rpartition(":")[2], 16) for line in lines if line[3] == _LISTEN}
        return ", ".join(f"port {port} of {host}" for port in ports if port not in have)

    wait_for("the servers listened", missing, deadline_s=_DEADLINE_S)
