"""Sampling the progress of TCP flows: the octets that each has delivered, by the receiving kernel.

received  |             ....----     one sample a period, of each flow that has progressed since its last sample
          |    ....-----
          +--------------------> t_s

The kernel reports it by sock_diag(7), as to ss(8): tcpi_bytes_received counts the octets that came in sequence and were
acknowledged.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.background import in_background
from testbed.emulation.netlink import diag_socket
from testbed.emulation.waiting import wait_for

if TYPE_CHECKING:
    from testbed.emulation.network import Network

PERIOD_S = 0.005
COLUMNS = ("t_s", "client_port", "received_bytes")
_ESTABLISHED = 1 << 1  # include/net/tcp_states.h
_INFO = 1 << 1  # linux/inet_diag.h: INET_DIAG_INFO is 2, requested by the bit below
_DEADLINE_S = 10.0

#: A flow by the ports of its client and its server.
Ports = tuple[int, int]


def _connections(kernel: Any) -> Iterator[tuple[Ports, Any]]:
    """The established connections of a host: its own and the other's port, with the kernel's struct tcp_info."""
    for family in (socket.AF_INET, socket.AF_INET6):  # a server of both has sockets of the second
        for message in kernel.get_sock_stats(family=family, states=_ESTABLISHED, extensions=_INFO):
            if (info := message.get_attr("INET_DIAG_INFO")) is not None:
                yield (message["idiag_sport"], message["idiag_dport"]), info


def round_trips_s(network: Network, host: str, flows: Sequence[Mapping[str, Any]]) -> list[float]:
    """The smoothed round-trip time of each of the flows that ``host`` sends, now."""
    wanted = _ports(flows)
    with diag_socket(network.pid(host)) as kernel:
        return [info["tcpi_rtt"] / 1e6 for ports, info in _connections(kernel) if ports in wanted]


def _ports(flows: Sequence[Mapping[str, Any]]) -> set[Ports]:
    return {(int(flow["client_port"]), int(flow["server_port"])) for flow in flows}


class Progress:
    """The octets that ``flows`` have delivered to a host so far."""

    def __init__(self, flows: set[Ports]) -> None:
        self._flows = flows
        self.delivered: dict[Ports, int] = {}

    def sample(self, kernel: Any) -> Iterator[tuple[Ports, int]]:
        """Each flow that has progressed since the last sample, with the octets that it has delivered in all."""
        for (server_port, client_port), info in _connections(kernel):
            flow = client_port, server_port
            octets = int(info["tcpi_bytes_received"])
            if flow in self._flows and octets > self.delivered.get(flow, 0):
                self.delivered[flow] = octets
                yield flow, octets

    def wait_started(self) -> None:
        """Wait until every flow has delivered something. Errors: TrialError naming those that have not."""
        wait_for(
            "the flows started",
            lambda: ", ".join(f"from port {port[0]}" for port in sorted(self._flows - self.delivered.keys())),
            deadline_s=_DEADLINE_S,
            step_s=PERIOD_S,
        )


@contextlib.contextmanager
def progressing(
    network: Network,
    host: str,
    flows: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    origin_s: float,
    period_s: float = PERIOD_S,
) -> Iterator[Progress]:
    """Sample the flows (``client_port``, ``server_port``) that ``host`` receives, every ``period_s`` of the block.

    ``path`` becomes a CSV file with the ``COLUMNS``; its times are seconds since ``origin_s``.
    """
    progress = Progress(_ports(flows))

    def work(ended: threading.Event) -> None:
        with diag_socket(network.pid(host)) as kernel, path.open("w") as file:
            file.write(",".join(COLUMNS) + "\n")
            due = time.monotonic()
            while not ended.wait(max(0.0, due - time.monotonic())):
                at = time.time() - origin_s
                for (client_port, _), octets in progress.sample(kernel):
                    file.write(f"{at:.9f},{client_port},{octets}\n")
                due += period_s

    with in_background("progress", work):
        yield progress
