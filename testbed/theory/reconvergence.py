"""How long a spanning tree takes to find another way after a failure (IEEE 802.1D). Pure.

    h1 -- s1 ----X---- s2 -- h2        the tree's way fails
           |           |               T_L    until the bridge below has lost it: at once, or when hellos stay out
          s4 --------- s3              T_PA   a proposal and an agreement between each two bridges (802.1D-2004, 17.8),
               alternate                      until the bridge with an alternate port has passed its way on

IEC 62439-1:2010, clause 8, counts a ring in the same way: T_L + (number of bridges) x T_PA. STP has timers in place of
the handshake.
"""

from __future__ import annotations

from collections.abc import Collection

from testbed.spec import Link, SpanningTree, Topology
from testbed.theory.laws import Sum
from testbed.theory.outage_bound import RELEARN_PAUSE_S, OutageBound, of_law
from testbed.theory.spanning import Tree, tree_of

#: ovs-vswitchd goes round its main loop every half a second unless an event wakes it, and counts RSTP's seconds and
#: forgets addresses there only (rstp_run, ofproto/ofproto-dpif.c; seen with Open vSwitch 3.1): each may be as late.
WAKE_S = 0.5
#: A host without an answer from its neighbour for some seconds asks for the address again once a second (RetransTimer,
#: RFC 4861, 10; arp(7), retrans_time), and sends nothing else meanwhile: so much later it goes on.
ASKED_AGAIN_S = 1.0
#: Received information is kept for so many Hello Times (802.1D-2004, 17.21.23).
KEPT_HELLOS = 3
#: A port without a BPDU for so long is an edge port, if AutoEdge is set (802.1D-2004, Table 17-1, Migrate Time).
MIGRATE_S = 3.0
#: A BPDU on the wire, in octets: the shortest frame (IEEE 802.3, 3.2.7 and 4.4.2).
_BPDU_BYTES = 84
#: A port that gets no agreement waits for Hello Time, then learns for as long (802.1D-2004, 17.20.5).
_UNAGREED_HELLOS = 2

Ends = tuple[Collection[str], Collection[str]]


def ends_of(topology: Topology, pair: tuple[str, str]) -> Ends:
    """The switches that each of two hosts has links to."""
    first, second = ({topology.far(i).node for i in topology.members(host)} for host in pair)
    return first, second


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
    before, after = tree_of(topology, protocol), tree_of(topology, protocol, gone, lost | silent)
    below = before.below(gone, lost | silent)
    if not _hit(before, below, gone, lost | silent, ends):
        return OutageBound(0.0, 0.0, "the tree's way stays as it is")
    if after.depth > protocol.max_age_s:
        return f"a bridge is then farther from the root than max_age_s={protocol.max_age_s} lets information go"
    if after.circle(below):
        return "what is left of the lost part has a circle, in which old information of the root may go round"
    if protocol.protocol == "stp":
        return _by_timers(before, after, below, gone, lost, silent, ends)
    exchanges = 2 * len(below) - 1
    if not gone.isdisjoint(before.root_of.values()):
        exchanges *= 2  # what a bridge still knows of the lost root has to be given up on the way as well
    handshake_s = exchanges * _transit_s(after, below) + _told_s(before, after, ends)
    label = f"{len(below)} bridges agree one after the other"
    if silent:
        label = f"no BPDU for {KEPT_HELLOS} x {protocol.hello_s} s, then {label}"
        longest_s = float(KEPT_HELLOS * protocol.hello_s)
        # The last hello is up to a Hello Time old, and the first of the seconds that are counted is cut short.
        law = Sum(longest_s - protocol.hello_s - 1.0, (float(protocol.hello_s), 1.0))
        found = of_law(law, label, 2 * WAKE_S + ASKED_AGAIN_S + handshake_s)
        if len(silent) > 1 or lost or gone:
            found = OutageBound(0.0, longest_s, label, tolerance_s=2 * WAKE_S + ASKED_AGAIN_S + handshake_s)
    else:
        # A bridge beyond forgets addresses when its main loop turns: no event tells it to (rstp_run, FIXME there).
        found = OutageBound(0.0, handshake_s, label, tolerance_s=WAKE_S + RELEARN_PAUSE_S)
    if protocol.edge_ports == "none" and any(not below.isdisjoint(switches) for switches in ends):
        longest_s = found.bound_s + _UNAGREED_HELLOS * protocol.hello_s
        label = f"{found.label}; a port to a host waits {_UNAGREED_HELLOS} x {protocol.hello_s} s"
        return OutageBound(found.low_s, longest_s, label, tolerance_s=found.tolerance_s + WAKE_S)
    return found


def _by_timers(
    before: Tree,
    after: Tree,
    below: Collection[str],
    gone: frozenset[str],
    lost: frozenset[str],
    silent: frozenset[str],
    ends: Ends,
) -> OutageBound:
    """The outage with STP: a new port listens and learns for Forward Delay each (IEEE 802.1D-1998, 8.4).

    A bridge that sees its root port go, and hears of the root by another port, begins at once. Otherwise another bridge
    has to begin: it does not believe the worse information that it is told then (8.6.2.2, supersedes), until that of
    its port is older than Max Age (8.6.15); it was renewed up to a Hello Time before.

    Open vSwitch counts its timers when its main loop turns, by the time since the turn before (stp_tick, lib/stp.c). So
    one that begins in between is cut short by up to a turn: that of Max Age, and that of listening; and a hello is up
    to a turn late.
    """
    protocol = before.protocol
    waits_s = 2.0 * protocol.forward_delay_s
    heads = [name for name in below if before.above(name) not in below]
    ready = all(any(_hears(before, below, link, name) for link in after.links[name]) for name in heads)
    label = f"listening and learning, {protocol.forward_delay_s} s each"
    if ready and not silent and gone.isdisjoint(before.root_of.values()):
        found = OutageBound(waits_s - WAKE_S, waits_s, label, tolerance_s=3 * WAKE_S + ASKED_AGAIN_S)
    else:
        longest_s = waits_s + protocol.max_age_s
        label = f"Max Age {protocol.max_age_s} s, then {label}"
        low_s = longest_s - protocol.hello_s - 3 * WAKE_S
        found = OutageBound(low_s, longest_s, label, tolerance_s=4 * WAKE_S + ASKED_AGAIN_S)
    if _hit(before, (), gone, lost | silent, ends):
        return found
    return OutageBound(0.0, found.bound_s, found.label, tolerance_s=found.tolerance_s)


def _hears(before: Tree, below: Collection[str], link: Link, name: str) -> bool:
    """Whether a bridge hears of the root by this link as well: at the designated port of a link nobody says hello."""
    return link.beyond(name) not in below and before.roles[link.end(name)] != "Designated"


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


def _told_s(before: Tree, after: Tree, ends: Ends) -> float:
    """What the handshake is not: the topology change has to go along the new way, for what lies beyond still sends by
    the old one (802.1D-2004, 17.11); and the first frame takes longer than those before it if the way is longer."""
    found = [0.0]
    for one in ends[0]:
        for other in ends[1]:
            if one in after.switches and other in after.switches and (way := after.between(one, other)) is not None:
                old = before.between(one, other) or []
                own = {name for name in after.switches if any(name in (x.a, x.b) for x in _links(after, way))}
                longer_s = _delay_s(after, way) - _delay_s(before, old)
                found.append(len(way) * _transit_s(after, own) + max(0.0, longer_s))
    return max(found)


def _links(tree: Tree, names: Collection[str]) -> list[Link]:
    return [link for link in tree.topology.links if link.name in names]


def _delay_s(tree: Tree, names: Collection[str]) -> float:
    return sum(link.delay_ms for link in _links(tree, names)) / 1e3


def _transit_s(tree: Tree, among: Collection[str]) -> float:
    """The longest time that a BPDU takes over a link of these switches."""
    links = [link for name in among for link in tree.links[name]]
    times = (
        link.delay_ms / 1e3 + (_BPDU_BYTES * 8 / (link.rate_mbps * 1e6) if link.rate_mbps else 0.0) for link in links
    )
    return max(times, default=0.0)
