"""How long traffic stops when a fault hits what lies between the switches, and a protocol of theirs has to act. Pure.

    h1 -- s1 ----X---- s2 -- h2        the tree's way fails
           |           |               T_L    until the bridge below has lost it: at once, or when hellos stay out
          s4 --------- s3              T_PA   a proposal and an agreement between each two bridges (IEEE 802.1D-2004,
               alternate               17.8), until the bridge with an alternate port has passed its way on

IEC 62439-1:2010, clause 8, counts a ring in the same way: T_L + (number of bridges) x T_PA.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from testbed.design.factor import Level
from testbed.faults.cabling import link_named
from testbed.faults.catalogue import FAULTS, cut_links
from testbed.spec import Link, SpanningTree, SwitchSide, Topology
from testbed.theory.outage_bound import RELEARN_PAUSE_S, OutageBound
from testbed.theory.spanning import Tree

#: ovs-vswitchd goes round its main loop every half a second unless an event wakes it, and counts RSTP's seconds and
#: forgets addresses there only (rstp_run, ofproto/ofproto-dpif.c; seen with Open vSwitch 3.1): each may be as late.
WAKE_S = 0.5
#: A BPDU on the wire, in octets: the shortest frame (IEEE 802.3, 3.2.7 and 4.4.2).
_BPDU_BYTES = 84
#: A port that gets no agreement waits for Hello Time, then learns for as long (802.1D-2004, 17.20.5).
_UNAGREED_HELLOS = 2
#: Received information is kept for so many Hello Times (802.1D-2004, 17.21.23).
_KEPT_HELLOS = 3
#: The faults that do not change what the kernel's datapath does with flows that it has.
_UNFELT = ("switch_software_crash", "none")

Ends = tuple[Collection[str], Collection[str]]


def ends_of(topology: Topology, pair: tuple[str, str]) -> Ends:
    """The switches that each of two hosts has links to."""
    first, second = ({topology.far(i).node for i in topology.members(host)} for host in pair)
    return first, second


def onward(topology: Topology, host: str) -> tuple[str, ...]:
    """The ports by which the switch of a host without a bond goes on to others; none if it has no other, or one."""
    if topology.host(host).bond is not None:
        return ()
    switches = {switch.name for switch in topology.switches}
    near = topology.far(topology.members(host)[0]).node
    found = tuple(i for i in topology.interfaces(near) if near in switches and topology.far(i).node in switches)
    return found if len(found) > 1 else ()


def bound(
    topology: Topology,
    side: SwitchSide,
    fault: str,
    element: str,
    parameters: Mapping[str, Level],
    pair: tuple[str, str],
) -> OutageBound | str | None:
    """The outage between two hosts when a fault hits the ways between switches; text: there is no bound, and why.

    None: no protocol of the switches has to act, or the fault hits something else.
    """
    hosts = {host.name for host in topology.hosts}
    kind = FAULTS[fault].element
    if side.tree is None or len(topology.switches) < 2 or kind not in ("cable", "switch", "any"):
        return None
    if fault in _UNFELT:
        return OutageBound(0.0, 0.0, f"{fault}: the kernel's datapath goes on")
    if fault == "switch_restart":
        return "nothing says how soon the tables of a restarted switch are filled again"
    links: tuple[Link, ...] = ()
    if kind == "cable":
        link, near, _ = link_named(topology, element)
        if not hosts.isdisjoint((link.a, link.b)):
            return None
        links = (link,)
        if fault == "lossy":
            return f"frames still pass; a bridge leaves the link when {_KEPT_HELLOS} hellos in a row are lost"
        if fault == "slow":
            delay_s = float(parameters.get("delay_ms", FAULTS[fault].parameters[0].default)) / 1e3
            return OutageBound(0.0, delay_s, f"{delay_s * 1e3:g} ms of added delay")
        if fault == "silent_loss":
            direction = str(parameters.get("direction", "both"))
            role = Tree(topology, side.tree).roles[near]
            heard = {"to_host": role != "Designated", "from_host": role == "Designated"}.get(direction, True)
            if not heard:
                return "only designated ports say hello: a loss of what the other end sends is never noticed"
            names = frozenset({link.name})
            return reconvergence(topology, side.tree, silent=names, ends=ends_of(topology, pair))
    elif fault != "switch_crash":
        links = cut_links(topology, fault, element)
    gone = frozenset({element} if fault == "switch_crash" else ())
    lost = frozenset(link.name for link in links)
    found = reconvergence(topology, side.tree, gone=gone, lost=lost, ends=ends_of(topology, pair))
    if fault == "flapping" and isinstance(found, OutageBound) and found.bound_s > 0:
        return (
            f"each flap takes BPDUs, of which a port sends {side.tree.hold_count} at once and then one a second"
            " (hold_count): when they are used up, the bridges wait"
        )
    return found


def reconvergence(
    topology: Topology,
    protocol: SpanningTree,
    *,
    gone: frozenset[str] = frozenset(),
    lost: frozenset[str] = frozenset(),
    silent: frozenset[str] = frozenset(),
    ends: Ends,
) -> OutageBound | str:
    """The outage between hosts on these switches when switches are gone, links have lost carrier or fallen silent."""
    before, after = Tree(topology, protocol), Tree(topology, protocol, gone, lost | silent)
    below = before.below(gone, lost | silent)
    if not _hit(before, below, gone, lost | silent, ends):
        return OutageBound(0.0, 0.0, "the tree's way stays as it is")
    if after.depth > protocol.max_age_s:
        return f"a bridge is then farther from the root than max_age_s={protocol.max_age_s} lets information go"
    if after.circle(below):
        return "what is left of the lost part has a circle, in which old information of the root may go round"
    exchanges = 2 * len(below) - 1
    if not gone.isdisjoint(before.root_of.values()):
        exchanges *= 2  # what a bridge still knows of the lost root has to be given up on the way as well
    handshake_s = exchanges * _transit_s(after, below)
    label = f"{len(below)} bridges agree one after the other"
    if silent:
        label = f"no BPDU for {_KEPT_HELLOS} x {protocol.hello_s} s, then {label}"
        longest_s = _KEPT_HELLOS * protocol.hello_s + handshake_s
        shortest_s = 0.0 if len(silent) > 1 or lost or gone else longest_s - handshake_s - protocol.hello_s - 1
        found = OutageBound(shortest_s, longest_s, label, tolerance_s=2 * WAKE_S)
    else:
        found = OutageBound(0.0, handshake_s, label, tolerance_s=RELEARN_PAUSE_S)
    if protocol.edge_ports == "none" and any(not below.isdisjoint(switches) for switches in ends):
        longest_s = found.bound_s + _UNAGREED_HELLOS * protocol.hello_s
        label = f"{found.label}; a port to a host waits {_UNAGREED_HELLOS} x {protocol.hello_s} s"
        return OutageBound(found.low_s, longest_s, label, tolerance_s=found.tolerance_s + WAKE_S)
    return found


def _hit(tree: Tree, below: Collection[str], gone: Collection[str], out: Collection[str], ends: Ends) -> bool:
    """Whether the way between any two of these switches fails, or leads over a bridge that has to find another root
    port, which holds back its other ports meanwhile."""
    for one in ends[0]:
        for other in ends[1]:
            links = tree.between(one, other)
            if links is None:
                continue
            nodes = {one, other} | {
                node for each in tree.topology.links if each.name in links for node in (each.a, each.b)
            }
            if not nodes.isdisjoint(below) or not nodes.isdisjoint(gone) or not set(out).isdisjoint(links):
                return True
    return False


def _transit_s(tree: Tree, among: Collection[str]) -> float:
    """The longest time that a BPDU takes over a link of these switches."""
    links = [link for name in among for link in tree.links[name]]
    times = (
        link.delay_ms / 1e3 + (_BPDU_BYTES * 8 / (link.rate_mbps * 1e6) if link.rate_mbps else 0.0) for link in links
    )
    return max(times, default=0.0)
