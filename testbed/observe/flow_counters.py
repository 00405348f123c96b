"""How many packets of which flow cross which member, counted by the kernel where they leave and where they arrive.

h1's member --> egress: a filter for each flow, which counts     ...     ingress: the same --> h2's member

A filter (tc-u32(8)) sees every packet and copies none. So flows at line rate can be counted, which a packet socket
(flow_capture) cannot do. Both write the same file. A frame that an injected loss drops at the sending interface does
not cross the member and is not counted; a frame that a queue behind the hook drops is.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.emulation.clsact import COUNTING, EGRESS, INGRESS
from testbed.observe import bpf
from testbed.observe.flow_capture import COLUMNS

if TYPE_CHECKING:
    from testbed.emulation.network import Network

_ETH_P_ALL = 0x0003  # linux/if_ether.h: whatever tag a frame carries
_HOOKS = {"out": EGRESS, "in": INGRESS}
#: Octets of the IP header, which the ports follow. Neither TCP nor UDP of these hosts comes with IP options.
_IP_HEADER = {4: 20, 6: 40}

Ports = tuple[int, int]  # of the client and of the server


class FlowCounters:
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
        #: By interface: the flow that the filter of each priority counts.
        self._counted: dict[str, dict[int, Ports]] = {}

    def attach(self, stack: contextlib.ExitStack) -> None:
        """Add the filters; leaving ``stack`` removes them."""
        bond = self._ends[0].bond
        tag = bpf.HSR_TAG_BYTES if bond is not None and bond.mode == "hsr" else 0
        offset = tag + _IP_HEADER[6 if ":" in self._ends[0].ip else 4]
        for interface, direction in self._places:
            node, index, hook = (
                self._network.topology.owner(interface),
                self._network.index(interface),
                _HOOKS[direction],
            )
            own = self._network.clsact.priorities(node, index, hook, COUNTING, len(self._flows))
            priorities = stack.enter_context(own)
            self._counted[interface] = dict(zip(priorities, self._flows, strict=True))
            for priority, (client, server) in self._counted[interface].items():
                self._network.netlink(node).tc(
                    "add-filter",
                    "u32",
                    index,
                    parent=hook,
                    prio=priority,
                    protocol=_ETH_P_ALL,
                    target=0,
                    keys=[f"0x{client << 16 | server:08x}/0xffffffff+{offset}"],
                    action={"kind": "gact", "action": "ok"},
                )

    def packets(self) -> Iterator[tuple[str, str, Ports, int]]:
        """Interface, direction, flow, and how many of its packets the filters have counted."""
        for interface, direction in self._places:
            netlink = self._network.netlink(self._network.topology.owner(interface))
            for message in netlink.get_filters(self._network.index(interface), parent=_HOOKS[direction]):
                flow, action = self._counted[interface].get(message["info"] >> 16), _action(message)
                if flow is not None and action is not None:
                    yield interface, direction, flow, _count(action)

    def write(self, path: Path, protocol: str) -> None:
        """The counts as CSV, in the columns of a capture."""
        with path.open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(COLUMNS)
            for interface, direction, (client, server), packets in self.packets():
                source, target = self._addresses[client, server]
                rows.writerow((interface, direction, protocol, source, client, target, server, packets))


def _action(message: Any) -> Any:
    """The action of a u32 filter, or None: the kernel lists the tables that hold filters as well."""
    options = message.get_attr("TCA_OPTIONS")
    actions = options.get_attr("TCA_U32_ACT") if options is not None else None
    return actions.get_attr("TCA_ACT_PRIO_1") if actions is not None else None


def _count(action: Any) -> int:
    return int(action.get_attr("TCA_ACT_STATS").get_attr("TCA_STATS_BASIC")["packets"])


@contextlib.contextmanager
def counting(network: Network, source: str, target: str, flows: Sequence[Mapping[str, Any]]) -> Iterator[FlowCounters]:
    """Count the packets of these flows on every member while the block runs.

    Each flow has ``client_port`` and ``server_port``, and may have ``source_ip`` and ``target_ip`` other than the
    hosts' own. No two flows have the same two ports.
    """
    with contextlib.ExitStack() as stack:
        counters = FlowCounters(network, source, target, flows)
        counters.attach(stack)
        yield counters


#: The former name, which users' experiments import.
tallied = counting
