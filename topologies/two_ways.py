"""Two hosts that are joined by several ways; no two ways have a link or a switch in common.

    ends=hosts: each host has one link to every way, which is a row of `length` switches

                h1-eth0   s1-eth1  +------+              +------+  s1-eth2   h2-eth0
               +-------------------|  s1  |--- ... ------|      |-------------------+
               |                   +------+              +------+                   |
           +--------+                  | s1-eth3             |                  +--------+
           |   h1   |   peer_links     |                     |                  |   h2   |
           | bond0  |                  | s2-eth3             |                  | bond0  |
           +--------+              +------+              +------+               +--------+
            10.0.0.1               |  s2  |--- ... ------|      |                10.0.0.2
               +-------------------|      |              |      |-------------------+
                h1-eth1   s2-eth1  +------+              +------+  s2-eth2   h2-eth1

    ends=switches: each host has one link to a switch of its own, and the ways lead from one to the other

                                   +------+              +------+
      +----+        +----+   +-----|  s1  |--- ... ------|      |-----+   +----+        +----+
      | h1 |--------| e1 |---+     +------+              +------+     +---| e2 |--------| h2 |
      +----+        +----+   +-----|  s2  |--- ... ------|      |-----+   +----+        +----+
                                   +------+              +------+

    ends=lag (length=0, which is then the default): as ends=switches, and the ways are the links of a LAG

      +----+        +----+  e1-eth2           e2-eth2  +----+        +----+
      | h1 |--------| e1 |=============================| e2 |--------| h2 |
      +----+        +----+  e1-eth3           e2-eth3  +----+        +----+

Survives the loss of all ways but one; without ends=hosts e1 and e2 are single points of failure. Peer links join the
first switches of the ways, from each to the next, and the last ones: then the switches next to a host are one LACP
system, and the ways lead on where only one host sees a failure. Without them each way is a network of its own. With
length=0 the ways are links between the hosts, or between e1 and e2. In mode hsr the ways are rows of HSR nodes, n1, n2
and so on, instead of switches: with the hosts one ring.
"""

from __future__ import annotations

import dataclasses
import itertools

from testbed.errors import SpecError
from testbed.spec import Addressing, BondOptions, Cable, LagOptions, Topology
from testbed.spec.wiring import CORE, Wiring

ENDS = ("hosts", "switches", "lag")
#: bonding.rst, 12.2: these may have a network for each member. So may active-backup, if its monitor sees whole ways.
_SEPARATE_MODES = ("balance-rr", "broadcast")
_ADAPTIVE = ("balance-tlb", "balance-alb")
#: Modes whose ways have nothing in common: peer links would join them.
_APART_MODES = ("prp",)
#: Modes whose ways are subnets, which may be joined, to no use.
_ROUTED_MODES = ("ecmp", "mptcp")


def two_ways(
    *,
    ways: int = 2,
    length: int = -1,
    ends: str = "hosts",
    peer_links: int = -1,
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    addressing: Addressing = Addressing(),
    bonding: BondOptions = BondOptions(),
    lag: LagOptions = LagOptions(),
) -> Topology:
    """Two hosts joined by ``ways`` of ``length`` switches each (-1: one, or none with ends=lag).

    ``peer_links`` is 0, 1 or -1: what the mode wants, 0 for those whose ways are apart (prp, hsr, ecmp, mptcp), else 1.
    """
    if length == -1:
        length = 0 if ends == "lag" else 1
    _check(ways, length, ends, peer_links)
    net = Wiring(cable=cable, bonding=bonding, lag=lag, rx_coalesce_us=rx_coalesce_us, addressing=addressing)
    if ends != "hosts":
        _between_switches(net, ways, length, lag=ends == "lag")
    elif bonding.mode == "hsr":
        return _ring(net, ways, length, peer_links)
    elif length == 0:
        _back_to_back(net, ways, bonding.mode)
    else:
        joined = peer_links if peer_links >= 0 else int(bonding.mode not in (*_APART_MODES, *_ROUTED_MODES))
        _check_mode(bonding, joined)
        _between_hosts(net, ways, length, joined)
    return net.topology("two_ways")


def _rows(net: Wiring, ways: int, length: int) -> list[list[str]]:
    """The switches of each way, in the order of the way."""
    names = net.switches(ways * length) if length else []
    return [names[way * length : (way + 1) * length] for way in range(ways)]


def _between_hosts(net: Wiring, ways: int, length: int, peer_links: int) -> None:
    rows = _rows(net, ways, length)
    near, far = [row[0] for row in rows], [row[-1] for row in rows]
    for host, own, system in (("h1", near, "left"), ("h2", far, "right")):
        net.bonded(host, own, system=CORE if length == 1 else system, lag=bool(peer_links))
    for row in rows:
        for one, other in itertools.pairwise(row):
            net.join(one, other)
    if peer_links:
        for side in [near] if length == 1 else [near, far]:
            for one, other in itertools.pairwise(side):
                net.join(one, other)


def _ring(net: Wiring, ways: int, length: int, peer_links: int) -> Topology:
    """The two hosts and the nodes of both ways as one ring of HSR; what the hosts send each other has to survive."""
    if ways != 2:
        raise SpecError(f"two_ways in mode hsr has 2 ways, not {ways}: a node has two ports (IEC 62439-3, 5.1)")
    if peer_links >= 0:
        raise SpecError("two_ways takes no peer_links in mode hsr: its ways are one ring", "Leave peer_links out.")
    names = [f"n{number + 1}" for number in range(2 * length)]
    one, other = (["h1", *row, "h2"] for row in (names[:length], names[length:]))
    steps = [*itertools.pairwise(one), *itertools.pairwise(other)]
    links = [net.link(*step) for step in steps]
    for node in ("h1", "h2", *names):
        own = [(step, pair) for step, pair in zip(steps, links, strict=True) if node in step]
        net.bond(node, [pair if step[0] == node else pair[::-1] for step, pair in own])
    return dataclasses.replace(net.topology("two_ways"), protected=("h1", "h2"))


def _back_to_back(net: Wiring, ways: int, mode: str) -> None:
    if mode in _ADAPTIVE:
        raise SpecError(
            f"two_ways with length=0 does not take mode {mode}: it would send on members on which the other bond,"
            " which chooses its members by itself, receives nothing",
            "Use another mode, or --set length=1.",
        )
    net.back_to_back("h1", "h2", ways)


def _between_switches(net: Wiring, ways: int, length: int, *, lag: bool) -> None:
    for name in ("e1", "e2"):
        net.switch(name)
    net.single("h1", "e1")
    net.single("h2", "e2")
    if lag:
        net.join("e1", "e2", members=ways, name="ways")
        return
    for row in _rows(net, ways, length):
        for one, other in itertools.pairwise(["e1", *row, "e2"]):
            net.join(one, other)


def _check(ways: int, length: int, ends: str, peer_links: int) -> None:
    if ways < 2:
        raise SpecError(f"two_ways needs 2 ways or more, not {ways}", "For one: --topology unprotected.")
    if length < 0:
        raise SpecError(f"length of the ways is {length}; wanted 0 switches or more")
    if ends not in ENDS:
        raise SpecError(
            f"two_ways has ends={ends!r}; wanted hosts, switches or lag", "For example: --set ends=switches"
        )
    if ends == "lag" and length:
        raise SpecError(
            f"two_ways with ends=lag has length=0, not {length}: LACP is between the two ends of a link"
            " (IEEE 802.1AX-2014, 6.1.1)",
            "Leave length out, or type: --set length=0",
        )
    if peer_links not in (-1, 0, 1):
        raise SpecError(
            f"two_ways takes peer_links 0, 1 or -1 (what the mode wants), not {peer_links}: two switches are joined by"
            " one link, as independent switches have no LAG",
            "For example: --set peer_links=1",
        )
    if peer_links >= 0 and (ends != "hosts" or length == 0):
        what = f"ends={ends}, where the ways end at one switch" if ends != "hosts" else "length=0: there is no switch"
        raise SpecError(f"two_ways takes no peer_links with {what}", "Leave peer_links out.")


def _check_mode(bonding: BondOptions, peer_links: int) -> None:
    """Errors: SpecError for a mode that separate ways do not carry."""
    mode = bonding.mode
    if mode in _ROUTED_MODES:
        return
    if peer_links and mode in _APART_MODES:
        raise SpecError(
            f"two_ways with peer_links=1 does not take mode {mode}: its two networks are independent"
            " (IEC 62439-3, 4.1)",
            "Leave peer_links out.",
        )
    if peer_links or mode in (*_SEPARATE_MODES, *_APART_MODES) or (mode == "active-backup" and bonding.arp_interval_ms):
        return
    reason, hint = "its switches, without a link to each other, cannot form one LAG", ""
    if mode == "active-backup":
        reason = (
            "of a failure that one host alone can see the other learns nothing,"
            " and the two would use different ways; an ARP monitor sees the whole way"
        )
        hint = " Or: --set arp_interval_ms=100 --set miimon_ms=0"
    elif mode in _ADAPTIVE:
        reason = "hosts that receive on one member only could not reach each other once they use different ways"
    raise SpecError(
        f"two_ways with peer_links=0 does not take mode {mode}: {reason}", f"Type: --set peer_links=1.{hint}"
    )
