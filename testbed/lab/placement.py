"""Which member carries which flow: choosing the ports of flows so that it is known beforehand.

h1  --- the bond's hash ---> member --- switch --- the select group's hash ---> member ---> h2
        theory.member_of_flow                      asked of the switch itself (ofproto/trace)

Where the hosts are on different switches each switch on the way is asked, from the port by which the flow comes in.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from testbed import theory
from testbed.errors import TrialError
from testbed.observe.hosts import EPHEMERAL_PORTS

if TYPE_CHECKING:
    from testbed.emulation.network import Network

_FIRST_SERVER_PORT = 5201
#: Below the kernel's own range of ephemeral ports, from which iperf3's control connections get theirs.
_CLIENT_PORTS = range(10_000, 32_768)
_TRIES = 20_000
#: With this many ports each of eight members is almost certainly found.
_PORTS_TRIED = 200

#: Of the source and of the target.
Addresses = tuple[str, str]


class Placement:
    """Predicts the members of flows from host ``source`` to host ``target``.

    Where the scheme sends to LAGs by select groups the switches can be asked. ``protocol``: of the flows to choose.
    """

    def __init__(self, network: Network, source: str, target: str, *, protocol: str = "tcp") -> None:
        self._network = network
        self._protocol = protocol
        topology = network.topology
        self._source, self._target = topology.host(source), topology.host(target)
        self._macs = topology.host_mac(source), topology.host_mac(target)
        self._entries = [topology.far(end) for end in topology.members(source)]
        self._exits = [topology.far(end).interface for end in topology.members(target)]
        lags = topology.lags if network.scheme.side.groups else ()
        self._has_group = any(set(lag.ports) <= set(self._exits) for lag in lags)

    def flow(
        self, client_port: int, server_port: int, addresses: Addresses | None = None, *, connected: bool = True
    ) -> theory.Tuple5:
        """The flow between these ports of the two hosts, as the source's bond sees it; between their own addresses,
        unless others are given."""
        vlan = self._source.vlan or None
        ends = addresses or (self._source.ip, self._target.ip)
        return theory.Tuple5(*self._macs, *ends, client_port, server_port, vlan=vlan, connected=connected)

    def exit_member(self, flow: theory.Tuple5, entry: int, protocol: str = "tcp") -> int | None:
        """The place of the target's member that a flow leaves by which came in on the source's member ``entry``.

        None where the switches send by no group. Errors: TrialError if the switch sends it elsewhere.
        """
        path = self.path(flow, entry, protocol)
        return self._exits.index(path[-1]) if path else None

    def path(self, flow: theory.Tuple5, entry: int, protocol: str = "tcp") -> list[str]:
        """The switches' interfaces by which a flow leaves them one after the other, up to the target's own.

        Empty where the switches send by no group. Errors: TrialError if they send it elsewhere.
        """
        if not self._has_group:
            return []
        topology, port, text = self._network.topology, self._entries[entry], _match(flow, protocol)
        switches = {switch.name for switch in topology.switches}
        found: list[str] = []
        while port.node in switches and len(found) < len(switches):
            trace = self._network.ovs.appctl("ofproto/trace", port.node, f"in_port={port.number},{text}")
            ports = topology.interfaces(port.node)
            taken = [ports[int(number) - 1] for number in re.findall(r"output:(\d+)", trace)]
            if len(taken) != 1:
                raise TrialError(f"the switch {port.node} does not send flow {text} by one port:\n{trace}")
            found.append(taken[0])
            if taken[0] in self._exits:
                return found
            port = topology.far(taken[0])
        raise TrialError(f"the switches do not send flow {text} to the target, but by {', '.join(found)}")

    @property
    def asked(self) -> bool:
        """Whether the switches can say by which member of the target a flow continues."""
        return self._has_group

    @property
    def predictable(self) -> bool:
        """Whether the source's bond places flows by a hash that can be computed."""
        return self._first(1, 1) is not None

    def _first(self, port: int, target_port: int) -> int | None:
        """The place of the source's member that carries the datagrams from one port to another."""
        flow = self.flow(port, target_port, connected=False)
        return theory.member_of_flow(self._source.bond, flow) if self._source.bond else None

    def source_port(
        self, place: int | None, target_port: int, chance: random.Random, *, at_target: bool = False
    ) -> tuple[int, int] | None:
        """A port from which a flow of datagrams to ``target_port`` is on the member ``place`` of the source, where that
        is `predictable`, or of the target, where the switch can be `asked`; and that place.

        Any place will do if it is None. None if there seems to be no such port, as where the hash takes no ports in.
        """
        for _ in range(_PORTS_TRIED):
            port = chance.choice(EPHEMERAL_PORTS)
            found = self._first(port, target_port)
            if at_target:
                found = self.exit_member(self.flow(port, target_port, connected=False), found or 0, "udp")
            if found is not None and place in (None, found):
                return port, found
        return None

    def choose(
        self, count: int, chance: random.Random, *, even: bool, between: Sequence[Addresses] = ()
    ) -> list[dict[str, Any]]:
        """``count`` flows' ports with their predicted members; evenly placed at both ends, or as chance has it.

        Where the hosts have several addresses the flows are ``between`` these, in turn.
        """
        flows: list[dict[str, Any]] = []
        used: Counter[tuple[str, int | str | None]] = Counter()
        first_most, second_most = self._fair_shares(count)
        clients: set[int] = set()
        for turn in range(_TRIES):
            if len(flows) == count:
                return flows
            client_port = chance.choice(_CLIENT_PORTS)
            server_port = _FIRST_SERVER_PORT + len(flows)
            if client_port in clients:
                continue
            # Where the hash uses addresses, another try needs other addresses.
            ends = between[(turn if even else len(flows)) % len(between)] if between else None
            flow = self.flow(client_port, server_port, ends)
            if even and not self._open(flow, used, first_most):
                continue
            first = self._entry(flow)
            path = self.path(flow, first or 0, self._protocol)
            second = self._exits.index(path[-1]) if path else None
            if even and not self._even(path, second, used, second_most):
                continue
            clients.add(client_port)
            used.update([("first", first), ("second", second), *(("port", port) for port in path)])
            given = {"source_ip": flow.source_ip, "target_ip": flow.target_ip} if ends else {}
            ports = {"client_port": client_port, "server_port": server_port}
            flows.append({**given, **ports, "member": first, "switch_member": second})
        raise TrialError(
            f"no even placement of {count} flows found in {_TRIES} tries; found {len(flows)}. A hash that takes no"
            " ports in needs hosts with more addresses: --set addresses=4, or --set placement=random"
        )

    def _fair_shares(self, count: int) -> tuple[int, int]:
        """The most flows that a member may get at each end, placed evenly."""
        here = len(self._entries)
        return -(-count // here), -(-count // len(self._exits))

    def _open(self, flow: theory.Tuple5, used: Counter[tuple[str, int | str | None]], most: int) -> bool:
        """Whether the source's member of a flow still takes one; asked before the switch is."""
        first = self._entry(flow)
        return first is None or used["first", first] < most

    def _even(
        self, path: Sequence[str], second: int | None, used: Counter[tuple[str, int | str | None]], most: int
    ) -> bool:
        """Whether one more flow by this path leaves the flows even.

        At one switch each of the target's members takes its fair share. Over several switches it is not known how many
        flows come to each; so on each switch no port of a LAG gets ahead of the others.
        """
        if len(path) < 2:
            return second is None or used["second", second] < most
        for port in path:
            lag, node = self._network.topology.ports[port].lag, self._network.topology.owner(port)
            beside = [each for each in (lag.ports if lag else ()) if self._network.topology.owner(each) == node]
            if any(used["port", each] < used["port", port] for each in beside):
                return False
        return True

    def _entry(self, flow: theory.Tuple5) -> int | None:
        """The place of the source's member that carries the flow; None where no hash decides."""
        return theory.member_of_flow(self._source.bond, flow) if self._source.bond else None


def _match(flow: theory.Tuple5, protocol: str) -> str:
    """The flow's packets in the words of ovs-fields(7)."""
    six = ":" in flow.source_ip
    kind, prefix = (f"{protocol}6", "ipv6") if six else (protocol, "nw")
    words = [kind, f"dl_src={flow.source_mac}", f"dl_dst={flow.target_mac}"]
    words += [f"{prefix}_src={flow.source_ip}", f"{prefix}_dst={flow.target_ip}", "nw_ttl=64"]
    words += [f"{protocol}_src={flow.source_port}", f"{protocol}_dst={flow.target_port}"]
    if flow.vlan:
        words.append(f"dl_vlan={flow.vlan}")
    return ",".join(words)


def address_pairs(network: Network, source: str, target: str, count: int) -> list[Addresses]:
    """Give two hosts ``count`` addresses each, their own among them: all pairs of one of each."""
    ends = [[network.topology.host(name).ip, *network.add_addresses(name, count - 1)] for name in (source, target)]
    return [(a, b) for a in ends[0] for b in ends[1]]
