"""What pyroute2 reads and writes of interfaces: the attributes of linux/if_link.h, whatever else was registered."""

from __future__ import annotations

import socket
import struct

import pytest
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from testbed.emulation import bondlink, hsrlink

#: linux/if_link.h: IFLA_BOND_ARP_IP_TARGET, IFLA_BOND_MISSED_MAX, IFLA_HSR_PROTOCOL.
ARP_IP_TARGET, MISSED_MAX, HSR_PROTOCOL = 8, 30, 7


def written(kind: str, *attributes: tuple[str, object]) -> bytes:
    """The octets of a message that makes an interface."""
    message = ifinfmsg()
    data = ("IFLA_INFO_DATA", {"attrs": list(attributes)})
    message["attrs"] = [("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", kind), data]})]
    message.encode()
    return bytes(message.data)


@pytest.mark.parametrize("last", ["bond", "hsr"])
def test_every_kind_stays_registered_whichever_comes_last(last: str) -> None:
    """A netlink attribute is its length, its number, and its value, padded to 4 octets (linux/netlink.h)."""
    {"bond": bondlink.register, "hsr": lambda: bondlink.register_kind("hsr", hsrlink.HsrData)}[last]()
    target = struct.pack("=HH", 8, 0) + socket.inet_aton("10.0.0.2")
    found = written(
        "bond", ("IFLA_BOND_ARP_IP_TARGET", {"attrs": [("TARGET_0", "10.0.0.2")]}), ("IFLA_BOND_MISSED_MAX", 3)
    )
    nested = 1 << 15  # NLA_F_NESTED, which may be set
    assert any(struct.pack("=HH", 4 + len(target), ARP_IP_TARGET | flag) + target in found for flag in (0, nested))
    assert struct.pack("=HHBxxx", 5, MISSED_MAX, 3) in found
    assert struct.pack("=HHBxxx", 5, HSR_PROTOCOL, 1) in written("hsr", ("IFLA_HSR_PROTOCOL", 1))
