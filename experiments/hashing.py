"""Placement by hash: by which member does each flow leave, and does the driver's documented hash predict it?

Question      Is every flow on the member that the documented hash gives, and how evenly do hash policies spread flows
              with common patterns of ports?
Factors       Mode, xmit_hash_policy, members, flows, protocol; the source ports (random; even: consecutive even ones,
              as the kernel's connect() assigns them; kernel: those that connect() does assign); the number of
              addresses of each host; the number of VLANs that the client sends into; and any other argument of the
              topology.
Procedure     1. The client sends a few packets of each flow to the server: datagrams from an unconnected UDP socket, or
                 a TCP connection that is opened and closed.
              2. Packet sockets on every member of both hosts record every packet where it is. Nothing is inferred
                 from octet counts.
              3. The switch is asked by which member of the server it sends each flow on, where it can be asked.
Expectation   Every flow is on the member that theory.member_of_flow gives, and none is on two. layer2 and vlan+srcmac
              put all flows between two hosts on one member (of one VLAN). encap3+4 takes the hash that the kernel
              gave a packet, where it did: a connected socket's is drawn at random, and that of IPv6's flow label has a
              key drawn at boot. So TCP flows and all of IPv6 are spread but not predictable. Consecutive even ports
              would all be on one of two members if layer3+4 kept the lowest bit of its hash, as drivers did until 2017
              (``older_member_flows``). Today's drivers drop that bit.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed import schemes, theory
from testbed.design.factor import Factor
from testbed.design.trial import Measured, Trial
from testbed.emulation.addresses import add
from testbed.experiment.experiment import Experiment
from testbed.lab.placement import Placement, address_pairs
from testbed.measure.flow_members import FlowKey, MemberFlows, flows_by_member, packets_by_member
from testbed.measure.raw import controller_trouble, not_aggregated, read_json, read_timeline
from testbed.observe.flow_capture import capturing

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

_SERVER_PORT = 5201
_EPHEMERAL = (32768, 60999)  # net.ipv4.ip_local_port_range
_DATAGRAMS = 3
_IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h; ip(7)
_APART_S = 0.001
_SETTLED_S = 0.2

#: The VLAN of a flow, its source address, its target address.
Pair = tuple[int | None, str, str]


def procedure(lab: Lab) -> None:
    """Inside: send every flow, and record which members it crosses."""
    addresses, vlans = int(lab.case["addresses"]), int(lab.case["vlans"])
    pairs = _over_bond(lab, addresses) if vlans == 0 else _into_vlans(lab, vlans)
    stream = lab.case["protocol"] == "tcp"
    members = [*lab.members(lab.client), *lab.members(lab.server)]
    flows = []
    with contextlib.ExitStack() as stack:
        if vlans == 0:
            server = stack.enter_context(lab.network.socket(lab.server, kind=_kind(stream=stream)))
            server.bind(("", _SERVER_PORT))
            if stream:
                server.listen(1024)
        capture = stack.enter_context(capturing(lab.network, members))
        for number, port in enumerate(_ports(lab)):
            vlan, source, target = pairs[number % len(pairs)]
            with lab.network.socket(lab.client, kind=_kind(stream=stream)) as sock:
                if stream and not port:  # connect() is to choose the port, not bind()
                    sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
                sock.bind((source, port))
                _send(sock, target, stream=stream)
                port = sock.getsockname()[1]
                lab.sleep_until(lab.now() + _APART_S)
            flows.append({"source_ip": source, "source_port": port, "target_ip": target, "vlan": vlan})
            capture.drain()
        lab.sleep_until(lab.now() + _SETTLED_S)
        capture.drain()
        capture.write(lab.raw / "captured.csv")
        if vlans == 0:
            _ask_switch(lab, flows)
    lab.write("flows.json", flows)


def _ask_switch(lab: Lab, flows: list[dict[str, Any]]) -> None:
    """Add to each flow the member of the server that the switch says it uses, if the switch can be asked."""
    placement = Placement(lab.network, *lab.pair)
    for flow in flows:
        given = _tuple(lab.trial, flow)
        entry = theory.member_of_flow(lab.topology.bond(lab.client), given)
        flow["switch_member"] = placement.exit_member(given, entry or 0, str(lab.case["protocol"]))


def _kind(*, stream: bool) -> int:
    return socket.SOCK_STREAM if stream else socket.SOCK_DGRAM


def _send(sock: socket.socket, target: str, *, stream: bool) -> None:
    """Send a few packets of one flow; a connection is requested and not waited for."""
    if stream:
        sock.setblocking(False)
        sock.connect_ex((target, _SERVER_PORT))
    else:
        for _ in range(_DATAGRAMS):
            sock.sendto(b"x" * 64, (target, _SERVER_PORT))


def _ports(lab: Lab) -> list[int]:
    """The source ports; 0: the kernel is to choose."""
    count, (low, high) = int(lab.case["flows"]), _EPHEMERAL
    if lab.case["ports"] == "kernel":
        return [0] * count
    if lab.case["ports"] == "random":
        return lab.random.sample(range(low, high + 1), count)
    first = lab.random.randrange(low, high - 2 * count, 2)
    return list(range(first, first + 2 * count, 2))


def _over_bond(lab: Lab, count: int) -> list[Pair]:
    """Each of ``count`` addresses of the client with each of the server."""
    vlan = lab.topology.host(lab.client).vlan or None
    return [(vlan, *pair) for pair in address_pairs(lab.network, *lab.pair, count)]


def _into_vlans(lab: Lab, count: int) -> list[Pair]:
    """An interface of the client in each VLAN from 10 on, with a neighbour that has the server's MAC address."""
    netlink, bond = lab.network.netlink(lab.client), lab.topology.bond(lab.client)
    parent = netlink.link_lookup(ifname=bond.name)[0]
    pairs: list[Pair] = []
    for vlan in range(10, 10 + count):
        name = f"{bond.name}.{vlan}"
        netlink.link("add", ifname=name, kind="vlan", link=parent, vlan_id=vlan)
        index = netlink.link_lookup(ifname=name)[0]
        netlink.link("set", index=index, state="up")
        source, target = f"10.{vlan}.0.1", f"10.{vlan}.0.2"
        add(netlink, name, f"{source}/24")
        netlink.neigh("add", dst=target, lladdr=lab.topology.host_mac(lab.server), ifindex=index, state="permanent")
        pairs.append((vlan, source, target))
    return pairs


def _tuple(trial: Trial, flow: dict[str, Any]) -> theory.Tuple5:
    macs = trial.topology.host_mac(trial.topology.client), trial.topology.host_mac(trial.topology.server)
    return theory.Tuple5(
        *macs,
        flow["source_ip"],
        flow["target_ip"],
        flow["source_port"],
        _SERVER_PORT,
        vlan=flow["vlan"],
        connected=trial.case["protocol"] == "tcp",
    )


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: measured beside predicted placement, from the raw files."""
    timeline = read_timeline(raw / "timeline.jsonl")
    bond, flows = trial.topology.bond(trial.topology.client), read_json(raw / "flows.json")
    predicted: dict[FlowKey, int | None] = {}
    onward: dict[FlowKey, int | None] = {}
    older = [0] * len(bond.members)
    for flow in flows:
        given = _tuple(trial, flow)
        key = (str(trial.case["protocol"]), given.source_ip, given.source_port, given.target_ip, given.target_port)
        predicted[key] = theory.member_of_flow(bond, given)
        onward[key] = flow.get("switch_member")
        older[theory.xmit_hash(bond.xmit_hash_policy, given, keep_lowest_bit=True) % len(older)] += 1
    found = flows_by_member(packets_by_member(raw / "captured.csv", bond.members, "out"), predicted, len(bond.members))
    sent_on = _sent_on(raw, trial, onward)
    metrics = {
        "flows": len(flows),
        "predicted_member_flows": found.predicted,
        "measured_member_flows": found.measured,
        "older_member_flows": older,
        "placed_as_predicted": found.matched,
        "switch_predicted_member_flows": sent_on and sent_on.predicted,
        "switch_measured_member_flows": sent_on and sent_on.measured,
        "switch_placed_as_predicted": sent_on and sent_on.matched,
        "split_flows": found.split + (sent_on.split if sent_on else 0),
        "members_used": sum(count > 0 for count in found.measured),
        "jain_index": round(theory.jain_index(found.measured), 6),
        "even_ports": sum(flow["source_port"] % 2 == 0 for flow in flows),
        "as_predicted": _as_predicted(found, sent_on),
    }
    return Measured(metrics, warnings=(*not_aggregated(timeline), *controller_trouble(timeline)))


def _sent_on(raw: Path, trial: Trial, onward: dict[FlowKey, int | None]) -> MemberFlows | None:
    """The members by which the flows arrived at the server; None if they were not to arrive."""
    bond = trial.topology.host(trial.topology.server).bond
    if bond is None or trial.case["vlans"]:
        return None
    return flows_by_member(packets_by_member(raw / "captured.csv", bond.members, "in"), onward, len(bond.members))


def _as_predicted(*ends: MemberFlows | None) -> bool | None:
    """Whether every packet crossed the member that was predicted for its flow; None where no end has a prediction."""
    known = [end for end in ends if end is not None and end.matched is not None]
    return all(end.matched == sum(end.measured) and end.split == 0 for end in known) if known else None


def hashing() -> Experiment:
    """The experiment."""
    return Experiment(
        name="hashing",
        title="Placement by hash",
        question="By which member does each flow leave, and does the driver's documented hash predict it?",
        topology="single_switch",
        factors=(
            Factor("mode", ("802.3ad",), "bonding mode of both hosts", known=theory.HASH_MODES),
            schemes.FACTOR,
            Factor(
                "xmit_hash_policy",
                ("layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4", "vlan+srcmac"),
                "what the bond's hash uses",
            ),
            Factor("members", (2, 4, 8), "member links of each host", (4,), least=1),
            Factor("protocol", ("udp",), "of the flows", known=("udp", "tcp")),
            Factor("ports", ("random", "even"), "source ports of the flows", known=("random", "even", "kernel")),
            Factor("addresses", (1, 4), "addresses of each host", (1,), least=1),
            Factor(
                "vlans",
                (0,),
                "VLANs that the client sends into; 0: none",
                least=0,
                most=(200, "each has a subnet of its own, 10.VLAN.0.0"),
            ),
            Factor(
                "flows",
                (64,),
                "flows from the client to the server",
                least=1,
                most=(14_000, "each has a port of its own, and even ports are half of the kernel's range"),
            ),
        ),
        bonded=True,
        procedure=procedure,
        measure=read,
        figures=("placement",),
        repetitions=3,
    )
