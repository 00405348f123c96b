"""What a failure costs where static routes lead packets: what tracks them sees the next hop, and nothing beyond. Pure.

h1 -- e1 --X-- ia -- x -- h2     e1 takes ib. x has heard nothing: ia, its next hop, is well, and so it sends on to ia,
         `---- ib ---`           which has no other way. BGP would tell x; static routes tell nobody.
"""

from __future__ import annotations

from testbed.faults.catalogue import FAULTS, cut_links, failed
from testbed.spec import SwitchSide, Topology
from testbed.theory import bgp
from testbed.theory.forwarding import Forwarding
from testbed.theory.laws import Longest
from testbed.theory.outage_bound import OutageBound, of_law

#: The faults after which a machine's links still have carrier.
_SILENT = ("silent_loss", "router_hang")


def outage(topology: Topology, fault: str, hit: str) -> OutageBound | str:
    """The outage of traffic between client and server both ways; text: there is no bound, and why."""
    group = topology.static[0]
    if FAULTS[fault].element in ("service", "BGP speaker"):
        if fault == "service_stop":
            return "BIRD takes its routes out of the kernel when it ends, before a neighbor notices that it has"
        return OutageBound(0.0, 0.0, "the kernel forwards without its daemon", tolerance_s=bgp.PAUSE_S)
    gone = failed(topology, fault, hit, {})
    if gone is None:
        return f"theory does not say what {fault} costs"
    silent = frozenset(link.name for link in cut_links(topology, fault, hit)) if fault in _SILENT else frozenset()
    forwarding = Forwarding(topology, frozenset() if silent else gone.down, silent, SwitchSide(), None)
    for ends in (topology.pair, topology.pair[::-1]):
        way = forwarding.way(*ends)
        if way.connected is not True:
            where = way.machines[-1] if way.machines else ends[0]
            lost = f"packets from {ends[0]} to {ends[1]} are lost at {where}"
            return f"{lost}: what tracks the routes up to there does not see why"
    if not silent:
        return OutageBound(0.0, 0.0, "carrier takes the next hop out at each end", tolerance_s=bgp.PAUSE_S)
    one = bgp.watching(group)
    return of_law(Longest((one, one)), f"BFD {group.bfd_mult} x {group.bfd_ms} ms, the later end", bgp.PAUSE_S)
