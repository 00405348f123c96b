"""What was built, read back from the kernel and compared with the specification, before an experiment begins.

A network that is not the one that the case names would give a wrong result under a right label.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_interface
from typing import Any

from testbed.emulation import addresses, bonds, shaping
from testbed.emulation.network import Network
from testbed.errors import TrialError
from testbed.spec import Bond, Host, Link
from testbed.spec.bond import idle, options

#: A delay is kept in steps of the kernel's, a rate in octets a second.
_NEAR = 1e-3
#: Options that name members or addresses: they are compared when the bond is made (testbed.emulation.bonds).
_KINDS = ("place", "mac", "ipv4", "ipv6")


def built(network: Network) -> dict[str, Any]:
    """Hosts, with address, VLAN and coalescing; bonds, with mode, options and members; and both ends of each link, with
    rate, delay and queue; as they are.

    Errors: TrialError naming the first thing that is other than specified.
    """
    found_bonds = {host.name: _bond(network, host.name, host.bond) for host in network.topology.hosts if host.bond}
    found_hosts = {host.name: _host(network, host) for host in network.topology.hosts}
    found_links = {}
    for interface, port in network.topology.ports.items():
        found = shaping.shaped(network.netlink(port.node), network.index(interface))
        _compare(interface, _wanted(port.link), found)
        found_links[interface] = found
    return {"hosts": found_hosts, "bonds": found_bonds, "links": found_links}


def _host(network: Network, host: Host) -> dict[str, Any]:
    """Its own address may be beside others that the kernel or the network gave it."""
    found = addresses.found(network.netlink(host.name), network.topology.carrier(host))
    for interface in network.topology.interfaces(host.name):
        found["rx_coalesce_us"] = shaping.coalesced_us(network.pid(host.name), interface)
        wanted = {"vlan": host.vlan, "rx_coalesce_us": host.rx_coalesce_us}
        _compare(f"{interface} of host {host.name}", wanted, found)
    if ip_interface(host.address) not in map(ip_interface, found["addresses"]):
        raise TrialError(f"host {host.name} was built with addresses {found['addresses']}, wanted {host.address}")
    return found


def _bond(network: Network, host: str, bond: Bond) -> dict[str, Any]:
    shown = network.bond(host).shown()
    _compare(f"bond {bond.name} of {host}", {"members": sorted(bond.members)}, {"members": _names(shown)})
    if bond.driver != "bonding":  # what else it was asked for was compared when it was made
        return {"members": _names(shown)}
    netlink = network.netlink(host)
    (index,) = netlink.link_lookup(ifname=bond.name)
    attributes = bonds.shown(netlink, index, "IFLA_INFO_DATA")
    wanted, found = dict[str, Any](), dict[str, Any]()
    for name, option, value, _ in options(bond):
        there = attributes.get(f"IFLA_BOND_{option.attribute}")
        if option.each or option.kind in _KINDS or idle(bond, name) or there is None:
            continue
        wanted[name] = value if name not in bonds.MULTIPLES else value // (bond.miimon_ms or 1) * (bond.miimon_ms or 1)
        found[name] = option.words[there] if option.words else bool(there) if option.kind == "truth" else there
    _compare(f"bond {bond.name} of {host}", wanted, found)
    return {"members": _names(shown), **found}


def _names(shown: bonds.Shown) -> list[str]:
    return sorted(member.name for member in shown.members)


def _wanted(link: Link) -> dict[str, Any]:
    queued = link.rate_mbps is not None or link.delay_ms > 0
    return {
        "rate_mbps": link.rate_mbps,
        "delay_ms": link.delay_ms,
        "queue_packets": link.queue_packets if queued else None,
        "qdisc": link.qdisc,
    }


def _compare(what: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        there = found.get(name)
        near = isinstance(value, float) and isinstance(there, float) and abs(there - value) <= _NEAR
        if there != value and not near:
            raise TrialError(f"{what} was built with {name} {there}, wanted {value}")
