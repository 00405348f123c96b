"""Two hosts, each bonded to two independent switches without a LAG.

                          +--------+
           h1-eth0  s1-eth1|   s1   |s1-eth2  h2-eth0
          +---------------+|        |+---------------+
          |                +--------+                |
      +--------+               | s1-eth3         +--------+
      |   h1   |     peer link |                 |   h2   |
      | bond0  |               | s2-eth3         | bond0  |
      +--------+           +--------+            +--------+
       10.0.0.1            |        |             10.0.0.2
          |                |   s2   |                |
          +---------------+|        |+---------------+
           h1-eth1  s2-eth1+--------+s2-eth2  h2-eth1

Survives the loss of any link and of either switch. balance-tlb, which sends on both members, needs the peer link;
balance-alb may need it. With peer_links=0 the switches are two separate networks, for the modes that send on both
(bonding.rst, sections 11 and 12): broadcast survives the same; balance-rr does not survive a failure that only one of
the hosts can detect.
"""

from __future__ import annotations

from testbed.errors import SpecError
from testbed.spec import Addressing, BondOptions, Cable, Topology
from testbed.spec.bond import DRIVER_MODES
from testbed.spec.wiring import Wiring

#: bonding.rst, "Switch Configuration": these need nothing of the switch. The other modes of "11.2 High Availability in
#: a Multiple Switch Topology" and "12.2 Maximum Throughput in a Multiple Switch Topology" need separate networks.
_JOINED_MODES = ("active-backup", "balance-tlb", "balance-alb")
_SEPARATE_MODES = ("balance-rr", "broadcast")


def dual_switch(
    *,
    peer_links: int = 1,
    member_rates: str = "",
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    addressing: Addressing = Addressing(),
    bonding: BondOptions = BondOptions(mode="active-backup"),
) -> Topology:
    """Two hosts with one member on each of two switches, which are connected by ``peer_links`` links (0 or 1)."""
    _check(bonding.mode, peer_links)
    net = Wiring(
        cable=cable, bonding=bonding, rx_coalesce_us=rx_coalesce_us, addressing=addressing, member_rates=member_rates
    )
    pair = net.switches(2)
    for host in ("h1", "h2"):
        net.bonded(host, pair, lag=False)
    if peer_links:
        net.join(*pair)
    return net.topology("dual_switch")


def _check(mode: str, peer_links: int) -> None:
    if peer_links not in (0, 1):
        raise SpecError(f"dual_switch takes peer_links 0 or 1, not {peer_links}: independent switches have no LAG")
    allowed = _JOINED_MODES if peer_links else _SEPARATE_MODES
    if mode in (*allowed, *DRIVER_MODES):  # what these need of the ways, every topology says
        return
    if mode in _JOINED_MODES:
        raise SpecError(
            f"dual_switch with peer_links=0 does not take mode {mode}:"
            " hosts that receive on one member only could not reach each other once they use different switches",
            f"Leave peer_links at 1, or use one of the modes {', '.join(_SEPARATE_MODES)}.",
        )
    reason = "its address would move back and forth between the two connected switches"
    if mode in ("802.3ad", "balance-xor"):
        reason = "its two independent switches cannot form one LAG"
    elsewhere = " or set peer_links=0" if mode in _SEPARATE_MODES else ""
    raise SpecError(
        f"dual_switch does not take mode {mode}: {reason}",
        f"Use one of the modes {', '.join(_JOINED_MODES)}; or --topology mlag, whose switches form one LAG{elsewhere}.",
    )
