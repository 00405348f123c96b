"""How TCP flows get on, second by second and finer: what each has delivered, asked of the receiving kernel.

received  |             ....----     one sample a period; a flow that has not moved on is not written down
          |    ....-----
          +--------------------> t_s

The kernel tells by sock_diag(7), as ss(8) asks it: tcpi_bytes_received is what came in sequence and was acknowledged.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyroute2 import DiagSocket

from testbed.background import in_background
from testbed.emulation.namespace import inside
from testbed.emulation.waiting import wait_for

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

PERIOD_S = 0.005
_ESTABLISHED = 1 << 1  # include/net/tcp_states.h
_INFO = 1 << 1  # linux/inet_diag.h: INET_DIAG_INFO is 2, asked for by the bit below
_DEADLINE_S = 10.0

#: A flow by the ports of its client and its server.
Ports = tuple[int, int]


def _connections(kernel: DiagSocket) -> Iterator[tuple[Ports, Any]]:
    """The established connections of a host by their own and the other's port, with the kernel's struct tcp_info."""
    for family in (socket.AF_INET, socket.AF_INET6):  # a server that takes both has sockets of the second
        for told in kernel.get_sock_stats(family=family, states=_ESTABLISHED, extensions=_INFO):
            if (info := told.get_attr("INET_DIAG_INFO")) is not None:
                yield (told["idiag_sport"], told["idiag_dport"]), info


def round_trips_s(lab: Lab, host: str, flows: Sequence[Mapping[str, Any]]) -> list[float]:
    """The smoothed round-trip time of each of the flows that ``host`` sends, now."""
    wanted = _ports(flows)
    with inside(lab.network.pid(host)), DiagSocket() as kernel:
        return [info["tcpi_rtt"] / 1e6 for ports, info in _connections(kernel) if ports in wanted]


def _ports(flows: Sequence[Mapping[str, Any]]) -> set[Ports]:
    return {(int(flow["client_port"]), int(flow["server_port"])) for flow in flows}


class Progress:
    """What ``flows`` have delivered to a host so far."""

    def __init__(self, flows: set[Ports]) -> None:
        self._flows = flows
        self.delivered: dict[Ports, int] = {}

    def grown(self, kernel: DiagSocket) -> Iterator[tuple[Ports, int]]:
        """Ask the kernel; each flow that has got on since, with the octets that it has delivered."""
        for (server_port, client_port), info in _connections(kernel):
            flow = client_port, server_port
            octets = int(info["tcpi_bytes_received"])
            if flow in self._flows and octets > self.delivered.get(flow, 0):
                self.delivered[flow] = octets
                yield flow, octets

    def wait_begun(self) -> None:
        """Wait until every flow has delivered something. Errors: TrialError naming those that have not."""
        wait_for(
            "the flows began",
            lambda: ", ".join(f"from port {port[0]}" for port in sorted(self._flows - self.delivered.keys())),
            deadline_s=_DEADLINE_S,
            step_s=PERIOD_S,
        )


@contextlib.contextmanager
def progressing(lab: Lab, host: str, flows: Sequence[Mapping[str, Any]], path: Path) -> Iterator[Progress]:
    """Follow the flows (``client_port``, ``server_port``) that ``host`` receives while the block runs.

    ``path`` becomes a CSV file with the columns t_s, client_port, received_bytes.
    """
    progress = Progress(_ports(flows))

    def work(ended: threading.Event) -> None:
        # pyroute2 opens a socket for each thread that asks, so the thread itself must be in the host's namespace.
        with inside(lab.network.pid(host)), DiagSocket() as kernel, path.open("w") as file:
            file.write("t_s,client_port,received_bytes\n")
            due = time.monotonic()
            while not ended.wait(max(0.0, due - time.monotonic())):
                at = lab.now()
                for (client_port, _), octets in progress.grown(kernel):
                    file.write(f"{at:.9f},{client_port},{octets}\n")
                due += PERIOD_S

    with in_background("progress", work):
        yield progress
