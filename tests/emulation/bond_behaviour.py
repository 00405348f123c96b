"""Inside a guest: bonds over veths, cut and repaired one member at a time; what they did, as JSON on the last line.

    bond ---- member ---- far end (up: the member has carrier; down: it has none)

Every bond has cables of its own, so that many fit into one guest. The monitor checks every 10 ms.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from pyroute2 import IPRoute

from testbed.emulation import bonds
from testbed.emulation.waiting import wait_for
from testbed.spec import Bond

_ETH_P_ALL, _ETH_P_ARP, _ETH_P_IPV6, _ETH_P_IP, _ETH_P_SLOW = 0x0003, 0x0806, 0x86DD, 0x0800, 0x8809
_SOL_PACKET, _PACKET_IGNORE_OUTGOING, _SO_TIMESTAMPNS = 263, 23, 35
_TEST_TYPE = 0x88B5  # IEEE 802: local experimental EtherType 1
_PREFIX = 24


class Rig:
    """One bond with its cables."""

    made = 0

    def __init__(self, netlink: IPRoute, count: int = 2, address: str = "", **options: Any) -> None:
        Rig.made += 1
        number = Rig.made
        self.netlink = netlink
        self.members = tuple(f"m{number}{letter}" for letter in "abcd"[:count])
        self.macs = tuple(f"02:00:00:00:{number:02x}:0{place}" for place in range(1, count + 1))
        for member, mac in zip(self.members, self.macs, strict=True):
            netlink.link("add", ifname=member, kind="veth", address=mac, peer={"ifname": f"{member}-far"})
            self._set(f"{member}-far", up=True)
        self.bond = Bond(self.members, f"bond{number}", **{"miimon_ms": 10, **options})
        self.index = bonds.create(netlink, self.bond, self.macs[0])
        if address:
            netlink.addr("add", index=self.index, address=address, prefixlen=_PREFIX)
        if self.bond.active_member < 0 and self.bond.mode in ("active-backup", "balance-alb"):
            self.settle()

    def _set(self, name: str, *, up: bool) -> None:
        (index,) = self.netlink.link_lookup(ifname=name)
        self.netlink.link("set", index=index, state="up" if up else "down")

    def shown(self) -> bonds.Shown:
        """What /proc/net/bonding shows."""
        with open(f"/proc/net/bonding/{self.bond.name}") as file:
            return bonds.parse(file.read())

    def active(self) -> str:
        """The letter of the active member, as the kernel reports it."""
        return (self.shown().active_member or "-")[-1]

    def wait_active(self, letter: str) -> None:
        """Wait until this member is the active one, checking every half millisecond."""
        wait_for("the change", lambda: "" if self.active() == letter else letter, deadline_s=5, step_s=0.0005)

    def settle(self) -> None:
        """Wait until the monitor has detected the state of every cable, and the bond has chosen its active member."""
        wait_for("the monitor", lambda: "" if self._seen() else "its check", deadline_s=5, step_s=0.001)
        time.sleep(0.05)

    def _seen(self) -> bool:
        reported = {member.name: member.mii_up for member in self.shown().members}
        return all(
            reported[name] == bool(self.netlink.link("get", ifname=name)[0].get_attr("IFLA_CARRIER"))
            for name in self.members
        )

    def cut(self, *letters: str) -> str:
        """Take the carrier from members. Returns the active member afterwards."""
        return self._cable(letters, up=False)

    def repair(self, *letters: str) -> str:
        """Give members their carrier back. Returns the active member afterwards."""
        return self._cable(letters, up=True)

    def _cable(self, letters: tuple[str, ...], *, up: bool) -> str:
        for letter in letters:
            self._set(f"{self.members['abcd'.index(letter)]}-far", up=up)
        self.settle()
        return self.active()


class Receiver:
    """Captures the frames that arrive at an interface: their times and octets."""

    def __init__(self, interface: str, protocol: int) -> None:
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        self._sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._sock.bind((interface, protocol))
        self._sock.setblocking(False)

    def received(self, wanted: Callable[[bytes], bool] = bool) -> list[tuple[float, bytes]]:
        """The time and octets of every ``wanted`` frame since the last call."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, control, _, _ = self._sock.recvmsg(2048, 64)
                seconds, nanoseconds = struct.unpack("qq", control[0][2][:16])
                if wanted(frame):
                    found.append((seconds + nanoseconds / 1e9, frame))
        return found


def _frame(destination: str, payload: bytes) -> bytes:
    return bytes.fromhex(destination.replace(":", "")) + bytes(6) + struct.pack("!H", _TEST_TYPE) + payload


def _send(interface: str, frames: list[bytes]) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((interface, 0))
        for frame in frames:
            sock.send(frame)


def reselect(netlink: IPRoute) -> dict[str, list[str]]:
    """The active member at first and after each of: cut a, repair a, cut b, repair b; a is the primary."""
    found = {}
    for policy in ("always", "better", "failure"):
        rig = Rig(netlink, mode="active-backup", primary_reselect=policy)
        found[policy] = [rig.active(), rig.cut("a"), rig.repair("a"), rig.cut("b"), rig.repair("b")]
    return found


def priorities(netlink: IPRoute) -> dict[str, list[str]]:
    """The active member of three with priorities 1, 5, 3 and no primary, after some steps; or with a as primary."""
    found = {}
    steps = {"always": ("-b", "-c", "+c", "+b"), "failure": ("-a", "+a", "-b", "+b")}
    for policy, events in steps.items():
        rig = Rig(netlink, 3, mode="active-backup", primary_member=-1, prio="1+5+3", primary_reselect=policy)
        found[policy] = [rig.active(), *(rig.cut(e[1]) if e[0] == "-" else rig.repair(e[1]) for e in events)]
    rig = Rig(netlink, 3, mode="active-backup", primary_member=0, prio="1+3+5")
    found["primary"] = [rig.active(), rig.cut("a"), rig.cut("c"), rig.repair("a")]
    return found


def set_manually(netlink: IPRoute) -> dict[str, Any]:
    """The active member was set manually: which one stays active; and the error for a member without carrier."""
    rig = Rig(netlink, mode="active-backup", primary_member=-1, primary_reselect="failure")
    steps = [rig.active()]
    for step in ("b", "a", "b"):
        bonds.set_active(netlink, rig.bond, rig.members["ab".index(step)])
        steps.append(rig.active())
    steps += [rig.cut("a"), rig.repair("a")]
    always = Rig(netlink, mode="active-backup", primary_member=-1)
    bonds.set_active(netlink, always.bond, always.members[1])
    returned = [always.active(), always.cut("a"), always.repair("a")]
    rig.cut("a")
    try:
        bonds.set_active(netlink, rig.bond, rig.members[0])
    except Exception as error:
        return {"steps": steps, "always": returned, "error": str(error)}
    return {"steps": steps, "always": returned, "error": ""}


def announcements(netlink: IPRoute) -> list[dict[str, Any]]:
    """Gratuitous ARPs and unsolicited neighbour advertisements on the new member's wire after a failover."""
    found = []
    for count, delay_ms, vlan in ((0, 0, 0), (1, 0, 0), (3, 50, 0), (5, 0, 0), (2, 30, 7)):
        address = f"192.0.2.{Rig.made + 1}"
        rig = Rig(
            netlink,
            address="" if vlan else address,
            mode="active-backup",
            num_grat_arp=count,
            peer_notif_delay_ms=delay_ms,
        )
        index = rig.index
        if vlan:
            netlink.link("add", ifname=f"{rig.bond.name}.{vlan}", kind="vlan", link=index, vlan_id=vlan)
            (index,) = netlink.link_lookup(ifname=f"{rig.bond.name}.{vlan}")
            netlink.link("set", index=index, state="up")
            netlink.addr("add", index=index, address=address, prefixlen=_PREFIX)
        netlink.addr("add", index=index, address=f"2001:db8::{Rig.made:x}", prefixlen=64, flags=2)  # IFA_F_NODAD
        time.sleep(0.5)
        receiver = Receiver(f"{rig.members[1]}-far", _ETH_P_ALL)
        rig.cut("a")
        time.sleep(1)
        own = socket.inet_aton(address)

        def arp(frame: bytes, own: bytes = own) -> bool:
            return frame[12:14] == b"\x08\x06" and frame[28:32] == own == frame[38:42]

        frames = receiver.received()
        arps = [at for at, frame in frames if arp(frame)]
        # ICMPv6 type 136 in IPv6 to all nodes (RFC 4861, 4.4)
        advertisements = [at for at, frame in frames if frame[12:14] == b"\x86\xdd" and frame[54] == 136]
        found.append(
            {
                "count": count,
                "delay_ms": delay_ms,
                "vlan": vlan,
                "arps": len(arps),
                "advertisements": len(advertisements),
                "gaps_ms": [round((b - a) * 1e3) for a, b in itertools.pairwise(arps)],
            }
        )
    return found


def delays(netlink: IPRoute) -> list[dict[str, Any]]:
    """From the cut, or the repair, to the change of the active member, for a down and an up delay."""
    found = []
    for down_ms, up_ms in ((0, 0), (55, 0), (0, 200)):
        rig = Rig(netlink, mode="active-backup", downdelay_ms=down_ms, updelay_ms=up_ms)
        took = []
        for up, wanted in ((False, "b"), (True, "a")):
            time.sleep(0.0037)
            began = time.monotonic()
            rig._set(f"{rig.members[0]}-far", up=up)
            rig.wait_active(wanted)
            took.append(round((time.monotonic() - began) * 1e3, 3))
        found.append({"downdelay_ms": down_ms, "updelay_ms": up_ms, "down_ms": took[0], "up_ms": took[1]})
    return found


def duplicates(netlink: IPRoute) -> dict[str, int]:
    """How many a bond accepts of five frames that arrive at its backup member."""
    found = {}
    for accepted in (False, True):
        rig = Rig(netlink, mode="active-backup", all_slaves_active=accepted)
        receiver = Receiver(rig.bond.name, _TEST_TYPE)
        _send(f"{rig.members[1]}-far", [_frame("ff:ff:ff:ff:ff:ff", bytes(50))] * 5)
        time.sleep(0.01)
        found[str(accepted)] = len(receiver.received())
    return found


def turns(netlink: IPRoute) -> dict[str, list[int]]:
    """The member, by its place, of each of 24 frames that a balance-rr bond of three sends."""
    found = {}
    for packets in (1, 4):
        rig = Rig(netlink, 3, mode="balance-rr", packets_per_slave=packets)
        time.sleep(0.1)
        receivers = [Receiver(f"{member}-far", _TEST_TYPE) for member in rig.members]
        _send(rig.bond.name, [_frame("02:00:00:00:ff:01", bytes([number]) + bytes(49)) for number in range(24)])
        time.sleep(0.01)
        places = {frame[14]: place for place, receiver in enumerate(receivers) for _, frame in receiver.received()}
        found[str(packets)] = [places[number] for number in range(24)]
    return found


def addresses(netlink: IPRoute) -> dict[str, dict[str, Any]]:
    """MAC addresses of bond and members, before and after a failover, by their letters."""
    found = {}
    for policy in ("none", "active", "follow"):
        rig = Rig(netlink, mode="active-backup", fail_over_mac=policy)

        def macs(rig: Rig = rig) -> list[str]:
            names = (rig.bond.name, *rig.members)
            shown = [netlink.link("get", ifname=name)[0].get_attr("IFLA_ADDRESS") for name in names]
            return ["ab"[rig.macs.index(mac)] for mac in shown]

        before = macs()
        rig.cut("a")
        found[policy] = {"before": before, "after": macs()}
    return found


def lacpdus(netlink: IPRoute) -> dict[str, Any]:
    """What the LACPDUs of a bond contain (IEEE 802.1AX-2014, figure 6-7), and whether a passive one sends any."""
    configured = Rig(
        netlink,
        mode="802.3ad",
        ad_actor_sys_prio=7,
        ad_actor_system="02:00:00:00:99:01",
        ad_user_port_key=5,
        actor_port_prio="10+20",
    )
    quiet = {word: Rig(netlink, mode="802.3ad", lacp_active=word == "active") for word in ("active", "passive")}
    rates = {word: Rig(netlink, mode="802.3ad", lacp_rate=word) for word in ("slow", "fast")}
    receivers = [Receiver(f"{member}-far", _ETH_P_SLOW) for member in configured.members]
    by_rate = {word: Receiver(f"{rig.members[0]}-far", _ETH_P_SLOW) for word, rig in rates.items()}
    time.sleep(5)  # a member that joins sends LACPDUs first
    counted = {word: Receiver(f"{rig.members[0]}-far", _ETH_P_SLOW) for word, rig in quiet.items()}
    time.sleep(35)
    actors = []
    for receiver in receivers:
        _, frame = receiver.received()[-1]
        priority, system, key, port_priority = struct.unpack_from("!H6sHH", frame, 18)
        actors.append({"priority": priority, "system": system.hex(":"), "key": key, "port_priority": port_priority})
    return {
        "actors": actors,
        **{word: len(receiver.received()) for word, receiver in counted.items()},
        "short_timeout": {word: bool(receiver.received()[-1][1][32] & 2) for word, receiver in by_rate.items()},
    }


def carrier_of_aggregators(netlink: IPRoute) -> dict[str, bool]:
    """Whether an 802.3ad bond without a partner has carrier: each aggregator has one member."""
    found = {}
    cases: dict[str, dict[str, Any]] = {
        "min_links=1": {"min_links": 1},
        "min_links=2": {"min_links": 2},
        "lacp_strict": {"lacp_strict": True, "min_links": 1},
    }
    for key, options in cases.items():
        rig = Rig(netlink, mode="802.3ad", **options)
        time.sleep(3)
        found[key] = bool(netlink.link("get", ifname=rig.bond.name)[0].get_attr("IFLA_CARRIER"))
    return found


def memberships(netlink: IPRoute) -> dict[str, int]:
    """IGMP reports on the new member's wire after a failover, for resend_igmp 0, 1 and 3."""
    found = {}
    for count in (0, 1, 3):
        address = f"198.51.100.{Rig.made + 1}"
        rig = Rig(netlink, address=address, mode="active-backup", resend_igmp=count)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            group = struct.pack("4s4si", socket.inet_aton("239.1.2.3"), bytes(4), rig.index)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            time.sleep(3)  # the reports of joining have been sent
            receiver = Receiver(f"{rig.members[1]}-far", _ETH_P_IP)
            rig.cut("a")
            time.sleep(3)
            found[str(count)] = len(receiver.received(lambda frame: frame[23] == socket.IPPROTO_IGMP))
    return found


def readings(netlink: IPRoute) -> list[dict[str, Any]]:
    """What ip(8), an independent program, shows of bonds with every option set."""
    wanted: list[dict[str, Any]] = [
        {"mode": "balance-rr", "packets_per_slave": 7, "resend_igmp": 9, "all_slaves_active": True},
        {
            **{"mode": "active-backup", "updelay_ms": 250, "downdelay_ms": 219, "peer_notif_delay_ms": 330},
            **{"primary_reselect": "better", "fail_over_mac": "follow", "num_grat_arp": 3},
        },
        {
            **{"mode": "active-backup", "miimon_ms": 0, "arp_interval_ms": 70, "arp_validate": "filter_active"},
            **{"arp_all_targets": "all", "arp_missed_max": 9},
        },
        {"mode": "balance-xor", "xmit_hash_policy": "vlan+srcmac"},
        {
            **{"mode": "802.3ad", "lacp_rate": "slow", "lacp_active": False, "min_links": 2, "ad_select": "count"},
            **{"ad_actor_sys_prio": 77, "ad_user_port_key": 33, "ad_actor_system": "02:00:00:00:98:01"},
        },
        {"mode": "balance-tlb", "tlb_dynamic_lb": False, "lp_interval_s": 3, "xmit_hash_policy": "layer2+3"},
    ]
    found = []
    for options in wanted:
        Rig.made += 1
        names = tuple(f"r{Rig.made}{letter}" for letter in "ab")
        for name in names:
            netlink.link("add", ifname=name, kind="veth", peer={"ifname": f"{name}-far"})
        bond = Bond(names, f"bond{Rig.made}", **{"miimon_ms": 10, **options})
        targets = ("192.0.2.250", "192.0.2.251", "2001:db8::99") if bond.arp_interval_ms else ()
        bonds.create(netlink, bond, f"02:00:00:01:00:{Rig.made:02x}", targets)
        answer = subprocess.run(
            ["ip", "-d", "-j", "link", "show", bond.name], check=True, capture_output=True, text=True
        )
        found.append({"asked": options, "shown": json.loads(answer.stdout)[0]["linkinfo"]["info_data"]})
    return found


@contextlib.contextmanager
def _sections(found: dict[str, Any]) -> Iterator[None]:
    try:
        yield
    finally:
        print(json.dumps(found))


def main() -> None:
    """Run all parts in turn, and print what they found."""
    found: dict[str, Any] = {}
    parts = (
        *(reselect, priorities, set_manually, announcements, delays, duplicates, turns, addresses, lacpdus),
        *(carrier_of_aggregators, memberships, readings),
    )
    with IPRoute() as netlink, _sections(found):
        for part in parts:
            found[part.__name__] = part(netlink)
