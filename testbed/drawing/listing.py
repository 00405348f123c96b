"""A network as a list: every node with its links, then bonds, LAGs and LACP systems."""

from __future__ import annotations

from collections.abc import Iterable

from testbed.drawing.roles import bgp_text, group_texts, said, static_text
from testbed.drawing.tiers import is_marked, members
from testbed.spec import Bgp, BgpSpeaker, Host, Router, Topology
from testbed.spec.bond import DRIVER_MODES


def rate_text(rate_mbps: float | None) -> str:
    """A link's rate as people write it, such as 10 Gbit/s."""
    if rate_mbps is None:
        return "no rate"
    return f"{rate_mbps / 1000:g} Gbit/s" if rate_mbps >= 1000 else f"{rate_mbps:g} Mbit/s"


def listing(topology: Topology, marks: Iterable[str] = ()) -> list[str]:
    """The lines of the list. A marked element's line ends in a cross."""
    marked = frozenset(marks)
    switches = {switch.name for switch in topology.switches}
    lines = []
    for host in topology.hosts:
        lines.append(_crossed(_host(host, " ".join(said(topology, host.name))), host.name in marked))
        addressed = topology.router(host.name) if host.loopback else None
        lines += _links(topology, topology.interfaces(host.name), marked, addressed)
        lines += [
            f"    forwards to {each.interface}  {each.address}"
            for each in topology.attachments(host.name)
            if each.address != host.address and not host.loopback
        ]
    for router in topology.lone_routers:
        tables = [
            f"{vrf} ({', '.join(each.interface for each in router.attachments if each.vrf == vrf)})"
            for vrf in router.vrfs
        ]
        shown = f", VRFs {', '.join(tables)}" if tables else ""
        lines.append(_crossed(f"{router.name}  {' '.join(said(topology, router.name))}{shown}", router.name in marked))
        lines += _links(topology, topology.interfaces(router.name), marked, router)
    for switch in topology.switches:
        own = topology.interfaces(switch.name)
        between = [i for i in own if topology.link_of(i).other(i)[0] in switches]
        text = f"{switch.name}  datapath {switch.dpid}, {_ports(topology, own)}"
        lines.append(_crossed(text, switch.name in marked))
        lines += _links(topology, between, marked)
    for system in topology.systems:
        lags = [lag for lag in topology.lags if lag.lacp != "off" and lag.system == system.name]
        if lags:
            lines.append(f"LACP system {system.name}  {system.system}, priority {system.priority}")
            lines += [f"    {lag.name}  {', '.join(lag.ports)}; key {lag.key}, {lag.lacp}, {lag.rate}" for lag in lags]
    lines += group_texts(topology)
    for group in topology.bgp:
        lines += [bgp_text(group), *(_speaker(group, each) for each in group.speakers)]
    for routes in topology.static:
        lines.append(static_text(routes))
        lines += [f"    {each.machine}  {each.prefix} by {', '.join(each.next_hops)}" for each in routes.routes]
    static = [lag for lag in topology.lags if lag.lacp == "off"]
    if static:
        lines += ["static LAGs", *(f"    {lag.name}  {', '.join(lag.ports)}" for lag in static)]
    return lines


def _speaker(group: Bgp, speaker: BgpSpeaker) -> str:
    """A speaker in a line: its neighbors, and what it announces of its own."""
    parts = [f"with {', '.join(each.beyond(speaker.machine) for each in group.of(speaker.machine))}"]
    if speaker.prefixes:
        parts.append(f"announces {', '.join(speaker.prefixes)}")
    if speaker.default_to:
        parts.append(f"a default route alone to {', '.join(speaker.default_to)}")
    if speaker.prepend:
        parts.append(f"its AS number {speaker.prepend} times more")
    return f"    {speaker.machine}  {'; '.join(parts)}"


def _ports(topology: Topology, own: Iterable[str]) -> str:
    """How many ports of a switch lead to hosts, and to routers where there are any."""
    far = [topology.link_of(interface).other(interface)[0] for interface in own]
    kinds = (("hosts", topology.hosts), ("routers", topology.lone_routers))
    counts = {what: sum(node in {each.name for each in nodes} for node in far) for what, nodes in kinds}
    return ", ".join(f"ports to {what}: {count}" for what, count in counts.items() if count or what == "hosts")


def _host(host: Host, role: str) -> str:
    bond, first = host.bond, "  ".join(filter(None, (host.name, host.address, role)))
    if bond is None:
        return first
    if bond.mode in DRIVER_MODES:  # it has no monitor and no option of bonds
        return f"{first}  {bond.name}: {bond.mode}"
    monitor = f"miimon {bond.miimon_ms} ms" if bond.miimon_ms else f"arp_interval {bond.arp_interval_ms} ms"
    if not bond.miimon_ms and not bond.arp_interval_ms:
        monitor = "no monitor"
    options = [bond.mode if bond.driver == "bonding" else f"{bond.driver}, {bond.mode}", monitor]
    if bond.mode == "802.3ad":
        options.append(f"LACP {bond.lacp_rate}")
    if bond.primary is not None:
        options.append(f"primary {bond.primary}")
    return f"{first}  {bond.name}: {', '.join(options)}"


def _links(
    topology: Topology, interfaces: Iterable[str], marked: frozenset[str], router: Router | None = None
) -> list[str]:
    lag_of = {port: lag.name for lag in topology.lags for port in lag.ports}
    in_lags = members(topology)
    links = [(i, topology.link_of(i)) for i in interfaces]
    rows = []
    for interface, link in links:
        other, far = link.other(interface)
        rate = rate_text(link.rate_mbps) + (f", {link.delay_ms:g} ms" if link.delay_ms else "")
        line = "=====" if link.name in in_lags else "-----"
        last = lag_of.get(interface, lag_of.get(far, "")) if router is None else router.attachment(interface).address
        rows.append((interface, line, far, other, rate, last))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        _crossed("    " + "  ".join(map(str.ljust, row, widths)).rstrip(), is_marked(link, marked))
        for row, (_, link) in zip(rows, links, strict=True)
    ]


def _crossed(text: str, marked: bool) -> str:
    return f"{text}  ✗" if marked else text
