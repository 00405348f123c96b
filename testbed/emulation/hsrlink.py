"""Interfaces of the kernel's hsr driver, for PRP and HSR, over netlink: made, read back, shown.

hsr0 ---- h1-eth0   port A      every frame that hsr0 sends leaves by both, each with the same sequence number;
     \\--- h1-eth1   port B      of two that arrive with one number hsr0 gets the first (net/hsr, IEC 62439-3)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink import NLM_F_REQUEST, genlmsg, nla
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.generic import GenericNetlinkSocket

from testbed.emulation import bondlink
from testbed.emulation.bonds import Member, Shown, shown
from testbed.emulation.namespace import inside
from testbed.errors import MachineError, TrialError
from testbed.spec import Bond

#: enum hsr_protocol (linux/hsr_netlink.h, HSR_PROTOCOL_*).
PROTOCOLS = ("hsr", "prp")
#: The version of HSR's tag: 1 is that of IEC 62439-3:2012 and later (net/hsr/hsr_main.h, enum hsr_version).
_HSR_VERSION = 1
_EOPNOTSUPP = 95
_ENOENT = 2
_GET_NODE_STATUS = 3  # linux/hsr_netlink.h, HSR_C_GET_NODE_STATUS
#: What of an interface's counters is shown (struct rtnl_link_stats64).
_COUNTERS = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")


class HsrData(nla):  # type: ignore[misc]  # pyroute2 has no types
    """IFLA_INFO_DATA of an interface of the hsr driver (linux/if_link.h)."""

    prefix = "IFLA_"
    nla_map = (
        ("IFLA_HSR_UNSPEC", "none"),
        ("IFLA_HSR_SLAVE1", "uint32"),
        ("IFLA_HSR_SLAVE2", "uint32"),
        ("IFLA_HSR_MULTICAST_SPEC", "uint8"),
        ("IFLA_HSR_SUPERVISION_ADDR", "l2addr"),
        ("IFLA_HSR_SEQ_NR", "uint16"),
        ("IFLA_HSR_VERSION", "uint8"),
        ("IFLA_HSR_PROTOCOL", "uint8"),
        ("IFLA_HSR_INTERLINK", "uint32"),
    )


class NodeStatus(genlmsg):  # type: ignore[misc]
    """A question or an answer about a node of the table, in the generic netlink family HSR (linux/hsr_netlink.h)."""

    nla_map = (
        ("HSR_A_UNSPEC", "none"),
        ("HSR_A_NODE_ADDR", "l2addr"),
        ("HSR_A_IFINDEX", "uint32"),
        ("HSR_A_IF1_AGE", "uint32"),
        ("HSR_A_IF2_AGE", "uint32"),
        ("HSR_A_NODE_ADDR_B", "l2addr"),
        ("HSR_A_IF1_SEQ", "uint16"),
        ("HSR_A_IF2_SEQ", "uint16"),
        ("HSR_A_IF1_IFINDEX", "uint32"),
        ("HSR_A_IF2_IFINDEX", "uint32"),
        ("HSR_A_ADDR_B_IFINDEX", "uint32"),
    )


bondlink.register_kind("hsr", HsrData)


def attributes(bond: Bond, members: dict[str, int]) -> dict[str, int]:
    """The attributes of the interface without IFLA_; ``members`` are the indices of the bond's members."""
    first, second = (members[name] for name in bond.members)
    found = {"HSR_SLAVE1": first, "HSR_SLAVE2": second, "HSR_PROTOCOL": PROTOCOLS.index(bond.mode)}
    return found | ({"HSR_VERSION": _HSR_VERSION} if bond.mode == "hsr" else {})


def create(netlink: IPRoute, bond: Bond) -> None:
    """Make the interface over its two members and set all of them up. It takes the address of the first.

    Errors: MachineError if the kernel has no such driver; TrialError if it does not take the interface as asked.
    """
    members = {name: int(netlink.link_lookup(ifname=name)[0]) for name in bond.members}
    wanted = attributes(bond, members)
    try:
        netlink.link("add", ifname=bond.name, kind="hsr", **{name.lower(): value for name, value in wanted.items()})
    except NetlinkError as error:
        if error.code == _EOPNOTSUPP:
            raise MachineError(
                f"this kernel has no driver hsr, which mode {bond.mode} needs (CONFIG_HSR)",
                "Type: testbed kernel build; or on this machine: modprobe hsr",
            ) from None
        raise TrialError(f"{bond.name!r}: the kernel refuses {wanted}: {error.args[-1]}") from None
    (index,) = netlink.link_lookup(ifname=bond.name)
    found = shown(netlink, index, "IFLA_INFO_DATA")
    for name, value in wanted.items():
        if name != "HSR_VERSION" and found.get(f"IFLA_{name}") != value:  # the kernel does not tell the version
            raise TrialError(f"{bond.name}: the kernel has IFLA_{name} = {found.get(f'IFLA_{name}')}, wanted {value}")
    for each in (*members.values(), index):
        netlink.link("set", index=each, state="up")


class HsrPorts:
    """A live interface of the hsr driver; ``netlink`` acts in its host's namespace, where process ``pid`` is."""

    def __init__(self, bond: Bond, netlink: Callable[[], IPRoute], pid: int) -> None:
        self._bond, self._netlink, self._pid = bond, netlink, pid

    def unknown(self, others: Mapping[str, str]) -> list[str]:
        """Those of the ``others``, which have these addresses, that the node does not know as one node each.

        A node of HSR sends by each port from an address of its own. Until its first supervision frame has come by both
        ways, its copies count as frames of two nodes, and both are delivered (hsr_handle_sup_frame in net/hsr). With
        PRP both ports have one address.
        """
        if self._bond.mode != "hsr":
            return []
        index = int(self._link(self._bond.name)["index"])
        with inside(self._pid), GenericNetlinkSocket() as sock:
            sock.bind("HSR", NodeStatus)
            return [name for name, address in others.items() if not _merged(sock, index, address)]

    def text(self) -> str:
        """The interface and its ports as JSON: protocol, carrier, counters.

        Of the frames that both ports received, those that ``rx_packets`` of the interface does not count were second
        copies, or supervision frames (IEC 62439-3, 4.2.7.6).
        """
        links = {name: self._link(name) for name in (self._bond.name, *self._bond.members)}
        shown = {
            name: {
                "carrier": bool(link.get_attr("IFLA_CARRIER")),
                **{each: int(link.get_attr("IFLA_STATS64")[each]) for each in _COUNTERS},
            }
            for name, link in links.items()
        }
        data = dict(links[self._bond.name].get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA")["attrs"])
        protocol = PROTOCOLS[data["IFLA_HSR_PROTOCOL"]]
        return json.dumps({"protocol": protocol, "ports": list(self._bond.members), "interfaces": shown}, indent=1)

    def shown(self) -> Shown:
        """The ports of the interface as the kernel has them, those with carrier as usable."""
        link = self._link(self._bond.name)
        data = dict(link.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA")["attrs"])
        ports = [data[f"IFLA_HSR_SLAVE{place}"] for place in (1, 2)]
        found = [self._netlink().get_links(index)[0] for index in ports if index]
        return Shown(
            None,
            None,
            tuple(
                Member(str(each.get_attr("IFLA_IFNAME")), bool(each.get_attr("IFLA_CARRIER")), None, None, None)
                for each in found
            ),
        )

    def set_active(self, member: str) -> None:
        """Errors: TrialError: both ports are always in use."""
        raise TrialError(
            f"{self._bond.name!r} has no active member: mode {self._bond.mode} uses both, not {member} alone"
        )

    def _link(self, name: str) -> Any:
        netlink = self._netlink()
        (index,) = netlink.link_lookup(ifname=name)
        return netlink.get_links(index)[0]


def _merged(sock: Any, index: int, address: str) -> bool:
    """Whether the table of the interface has the node with this address of port A, and knows its address of port B."""
    question = NodeStatus()
    question["cmd"], question["version"] = _GET_NODE_STATUS, 1
    question["attrs"] = [("HSR_A_IFINDEX", index), ("HSR_A_NODE_ADDR", address)]
    try:
        (answer,) = sock.nlm_request(question, msg_type=sock.prid, msg_flags=NLM_F_REQUEST)
    except NetlinkError as error:
        if error.code == _ENOENT:
            return False
        raise
    return answer.get_attr("HSR_A_NODE_ADDR_B") is not None
