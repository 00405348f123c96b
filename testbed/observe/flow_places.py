"""On which member is each of many flows: asked by one packet of each.

UDP sockets, one after the other ---> hash ---> member  <-- packet socket: from which port does a packet come?

Each flow comes from a port of its own, so that a route, a bond and a switch have the ports to hash. (A raw socket would
do with one for all, but routes do not see the ports that it writes.) All go to one port of the server. The packets
leave in bursts, so far apart that no queue fills. Packet sockets on the members read them in batches.
"""

from __future__ import annotations

import contextlib
import csv
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.emulation.namespace import inside
from testbed.observe.flow_capture import flow_of
from testbed.observe.recvmmsg import PACKET_TYPE, Batches, timestamped

if TYPE_CHECKING:
    from testbed.emulation.network import Network

_ETH_P_ALL = 0x0003  # linux/if_ether.h: only a socket for all protocols sees what leaves
#: Flows of a burst, and the octets that one of their frames needs on the wire, at most.
_BURST, _WIRE_BYTES = 50, 100
#: How long the last packets may take.
_TAIL_S = 0.05


class FlowPlaces:
    """Asks for the places of UDP flows from ``source`` to one port of ``target`` on ``members``, those of either host.

    ``ports`` are the flows' source ports. With ``servers`` the packets go to ``address``, and a flow's place is not a
    member, but that of these addresses which a balancer rewrites it to.
    """

    def __init__(
        self,
        network: Network,
        source: str,
        target: str,
        members: Sequence[str],
        ports: Sequence[int],
        target_port: int,
        *,
        address: str = "",
        servers: Sequence[str] = (),
    ) -> None:
        self._network, self._source, self._target = network, source, target
        self._address, self._servers = address or network.topology.host(target).ip, servers
        self._members, self._ports, self._target_port = members, ports, target_port
        rates_mbps = [network.topology.link_of(member).rate_mbps or 1.0 for member in network.topology.members(source)]
        #: Twice as long as the slowest member needs for a burst.
        self._apart_s = 2 * _BURST * _WIRE_BYTES * 8 / (min(rates_mbps) * 1e6)
        own = members[0] in network.topology.members(source)
        self._kind = socket.PACKET_OUTGOING if own else socket.PACKET_HOST

    def ask(self) -> dict[int, list[int]]:
        """The packets of each flow, by its source port, that crossed each member now: one packet was sent of each."""
        found = {port: [0] * len(self._servers or self._members) for port in self._ports}
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(self._network.socket(self._target))
            server.bind(("", self._target_port))  # an open port: a closed one would answer
            taps = [stack.enter_context(self._tapped(member)) for member in self._members]
            batches = Batches()
            for begin in range(0, len(self._ports), _BURST):
                with inside(self._network.pid(self._source)):
                    for port in self._ports[begin : begin + _BURST]:
                        with socket.socket(server.family, socket.SOCK_DGRAM) as sender:
                            sender.bind(("", port))
                            sender.sendto(b"", (self._address, self._target_port))
                time.sleep(self._apart_s)
                self._drain(batches, taps, found)
            time.sleep(_TAIL_S)
            self._drain(batches, taps, found)
        return found

    @contextlib.contextmanager
    def _tapped(self, member: str) -> Iterator[socket.socket]:
        owner = self._network.topology.owner(member)
        with self._network.socket(owner, socket.AF_PACKET, socket.SOCK_RAW) as sock:
            timestamped(sock)
            sock.bind((member, _ETH_P_ALL))
            yield sock

    def _drain(self, batches: Batches, taps: Sequence[socket.socket], found: dict[int, list[int]]) -> None:
        for place, tap in enumerate(taps):
            for _, name, frame in batches.drain(tap):
                flow = flow_of(frame) if name[PACKET_TYPE] == self._kind else None
                if flow is not None and flow[0] == "udp" and flow[4] == self._target_port and flow[2] in found:
                    if not self._servers:
                        found[flow[2]][place] += 1
                    elif flow[3] in self._servers:
                        found[flow[2]][self._servers.index(flow[3])] += 1


def write(path: Path, asked: Mapping[str, Mapping[int, Sequence[int]]]) -> None:
    """A CSV file with a line for each flow: its source port, and the member that it was on each time it was asked for.

    Members are numbered from 0. A field is empty where none saw a packet; several are joined by a plus sign.
    """
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("source_port", *asked))
        for port in next(iter(asked.values()), {}):
            counts = (each[port] for each in asked.values())
            rows.writerow((port, *("+".join(str(n) for n, seen in enumerate(each) if seen) for each in counts)))
