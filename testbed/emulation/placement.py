"""Which member carries which flow: choosing the ports of flows so that it is known beforehand.

h1  --- the bond's hash ---> member --- switch --- the select group's hash ---> member ---> h2
        theory.member_of_flow                      asked of the switch itself (ofproto/trace)
"""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from testbed import theory
from testbed.errors import TrialError

if TYPE_CHECKING:
    from testbed.emulation.network import Network

_FIRST_SERVER_PORT = 5201
#: Below the kernel's own range of ephemeral ports, from which iperf3's control connections get theirs.
_CLIENT_PORTS = range(10_000, 32_768)
_TRIES = 20_000


class Placement:
    """Predicts the members of flows from host ``source`` to host ``target``.

    ``groups``: the switches send to LAGs by select groups, which can be asked. ``protocol``: of the flows to choose.
    """

    def __init__(
        self, network: Network, source: str, target: str, *, groups: bool = True, protocol: str = "tcp"
    ) -> None:
        self._network = network
        self._protocol = protocol
        topology = network.topology
        self._source, self._target = topology.host(source), topology.host(target)
        self._macs = topology.host_mac(source), topology.host_mac(target)
        ends = self._source.bond.members if self._source.bond else topology.interfaces(source)
        self._entries = [topology.link_of(end).other(end) for end in ends]
        far = self._target.bond.members if self._target.bond else topology.interfaces(target)
        self._exits = [topology.link_of(end).other(end)[1] for end in far]
        self._has_group = groups and any(set(lag.ports) <= set(self._exits) for lag in topology.lags)

    def flow(self, client_port: int, server_port: int, *, connected: bool = True) -> theory.Tuple5:
        """The flow between these ports of the two hosts, as the source's bond sees it."""
        vlan = self._source.vlan or None
        ends = (*self._macs, self._source.ip, self._target.ip, client_port, server_port)
        return theory.Tuple5(*ends, vlan=vlan, connected=connected)

    def members(self, client_port: int, server_port: int) -> tuple[int | None, int | None]:
        """The places of the source's member and of the target's member that carry the flow.

        None where no hash decides.
        """
        flow = self.flow(client_port, server_port)
        first = theory.member_of_flow(self._source.bond, flow) if self._source.bond else None
        return first, self.exit_member(flow, first or 0, self._protocol)

    def exit_member(self, flow: theory.Tuple5, entry: int, protocol: str = "tcp") -> int | None:
        """The place of the target's member that a flow leaves by which came in on the source's member ``entry``.

        None where the switches send by no group. Errors: TrialError if the switch sends it elsewhere.
        """
        if not self._has_group:
            return None
        switch, port = self._entries[entry]
        text = f"in_port={self._network.topology.port_no(port)},{_match(flow, protocol)}"
        trace = self._network.ovs.appctl("ofproto/trace", switch, text)
        ports = self._network.topology.interfaces(switch)
        taken = [ports[int(number) - 1] for number in re.findall(r"output:(\d+)", trace)]
        if len(taken) != 1 or taken[0] not in self._exits:
            raise TrialError(f"the switch {switch} does not send flow {text} to one member of the target:\n{trace}")
        return self._exits.index(taken[0])

    def choose(self, count: int, chance: random.Random, *, even: bool) -> list[dict[str, Any]]:
        """``count`` flows' ports with their predicted members; evenly placed at both ends, or as chance has it."""
        flows: list[dict[str, Any]] = []
        used: Counter[tuple[str, int | None]] = Counter()
        first_most, second_most = self._fair_shares(count)
        clients: set[int] = set()
        for _ in range(_TRIES):
            if len(flows) == count:
                return flows
            client_port = chance.choice(_CLIENT_PORTS)
            server_port = _FIRST_SERVER_PORT + len(flows)
            if client_port in clients:
                continue
            if even and self._source.bond and not self._open(client_port, server_port, used, first_most):
                continue
            first, second = self.members(client_port, server_port)
            if even and second is not None and used["second", second] >= second_most:
                continue
            clients.add(client_port)
            used["first", first] += 1
            used["second", second] += 1
            flows.append(
                {"client_port": client_port, "server_port": server_port, "member": first, "switch_member": second}
            )
        raise TrialError(f"no even placement of {count} flows found in {_TRIES} tries; found {len(flows)}")

    def _fair_shares(self, count: int) -> tuple[int, int]:
        """The most flows that a member may get at each end, placed evenly."""
        here = len(self._entries)
        return -(-count // here), -(-count // len(self._exits))

    def _open(self, client_port: int, server_port: int, used: Counter[tuple[str, int | None]], most: int) -> bool:
        """Whether the source's member for these ports still takes a flow; asked before the switch is."""
        assert self._source.bond is not None
        first = theory.member_of_flow(self._source.bond, self.flow(client_port, server_port))
        return first is None or used["first", first] < most


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
