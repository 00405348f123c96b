"""How many packets of which flow cross which member: counted by the kernel where they leave and where they arrive.

h1's member --> egress: a filter for each flow, which counts     ...     ingress: the same --> h2's member

A filter (tc-u32(8)) sees every packet and copies none, so that flows at line rate can be counted, other than with a
packet socket (capture). Both write the same file.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.observe.flow_capture import COLUMNS

if TYPE_CHECKING:
    from testbed.emulation.network import Network

_ETH_P_ALL = 0x0003  # linux/if_ether.h: whatever tag a frame carries
#: linux/pkt_sched.h: TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS) and TC_H_MIN_INGRESS.
_PARENTS = {"out": 0xFFFF_FFF3, "in": 0xFFFF_FFF2}
#: Octets of the IP header: behind it lie the ports. Neither TCP nor UDP of these hosts comes with IP options.
_IP_HEADER = {4: 20, 6: 40}

Ports = tuple[int, int]  # of the client and of the server


class Tally:
    """The filters of some flows from one host to another on all members of both."""

    def __init__(self, network: Network, source: str, target: str, flows: Sequence[Mapping[str, Any]]) -> None:
        topology = network.topology
        self._network = network
        self._ends = topology.host(source), topology.host(target)
        self._flows: list[Ports] = [(int(flow["client_port"]), int(flow["server_port"])) for flow in flows]
        own = {"source_ip": self._ends[0].ip, "target_ip": self._ends[1].ip}
        given = [{**own, **flow} for flow in flows]
        self._addresses = {
            ports: (flow["source_ip"], flow["target_ip"]) for ports, flow in zip(self._flows, given, strict=True)
        }
        self._places = [
            (interface, direction)
            for host, direction in zip(self._ends, ("out", "in"), strict=True)
            for interface in (host.bond.members if host.bond else topology.interfaces(host.name))
        ]

    def attach(self, stack: contextlib.ExitStack) -> None:
        """Put the filters on; leaving ``stack`` takes them off."""
        offset = _IP_HEADER[6 if ":" in self._ends[0].ip else 4]
        for interface, direction in self._places:
            netlink, index = self._netlink(interface), self._network.index(interface)
            netlink.tc("add", "clsact", index)
            stack.callback(netlink.tc, "del", "clsact", index)
            for number, (client, server) in enumerate(self._flows, 1):
                netlink.tc(
                    "add-filter",
                    "u32",
                    index,
                    parent=_PARENTS[direction],
                    prio=number,
                    protocol=_ETH_P_ALL,
                    target=0,
                    keys=[f"0x{client << 16 | server:08x}/0xffffffff+{offset}"],
                    action={"kind": "gact", "action": "ok"},
                )

    def _netlink(self, interface: str) -> Any:
        return self._network.netlink(self._network.topology.owner(interface))

    def packets(self) -> Iterator[tuple[str, str, Ports, int]]:
        """Interface, direction, flow and the packets of it that the filters have counted."""
        for interface, direction in self._places:
            filters = self._netlink(interface).get_filters(self._network.index(interface), parent=_PARENTS[direction])
            for told in filters:
                if action := _action(told):
                    number = told["info"] >> 16  # the priority is the flow's number
                    yield interface, direction, self._flows[number - 1], _count(action)

    def write(self, path: Path, protocol: str) -> None:
        """The counts as CSV, in the columns of a capture."""
        with path.open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(COLUMNS)
            for interface, direction, (client, server), packets in self.packets():
                source, target = self._addresses[client, server]
                rows.writerow((interface, direction, protocol, source, client, target, server, packets))


def _action(told: Any) -> Any:
    """The action of a filter, or None: tables that hold filters are listed as well."""
    options = told.get_attr("TCA_OPTIONS")
    actions = options.get_attr("TCA_U32_ACT") if options is not None else None
    return actions.get_attr("TCA_ACT_PRIO_1") if actions is not None else None


def _count(action: Any) -> int:
    return int(action.get_attr("TCA_ACT_STATS").get_attr("TCA_STATS_BASIC")["packets"])


@contextlib.contextmanager
def tallied(network: Network, source: str, target: str, flows: Sequence[Mapping[str, Any]]) -> Iterator[Tally]:
    """Count the packets of these flows on every member while the block runs; no two of them have the same ports."""
    with contextlib.ExitStack() as stack:
        tally = Tally(network, source, target, flows)
        tally.attach(stack)
        yield tally
