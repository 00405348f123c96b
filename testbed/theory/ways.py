"""How long traffic stops when a fault hits what lies between the switches, and a protocol of theirs has to act. Pure.

    h1 -- s1 ----X---- s2 -- h2        the tree's way fails
           |           |               T_L    until the bridge below has lost it: at once, or when hellos stay out
          s4 --------- s3              T_PA   a proposal and an agreement between each two bridges (IEEE 802.1D-2004,
               alternate               17.8), until the bridge with an alternate port has passed its way on

IEC 62439-1:2010, clause 8, counts a ring in the same way: T_L + (number of bridges) x T_PA. Where the switches have
fast-failover groups instead, the one beside the failure acts as soon as it knows (testbed.theory.detours).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from testbed.design.factor import Level
from testbed.faults.cabling import link_named
from testbed.faults.catalogue import FAULTS, cut_links
from testbed.spec import Link, SpanningTree, SwitchSide, Topology
from testbed.theory.detours import Detours
from testbed.theory.laws import Longest, Rest, Sum
from testbed.theory.outage_bound import RELEARN_PAUSE_S, OutageBound, of_law
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
    protocol = side.tree or side.detour
    if protocol is None or len(topology.switches) < 2 or kind not in ("cable", "switch", "any"):
        return None
    if fault in _UNFELT:
        return OutageBound(0.0, 0.0, f"{fault}: the kernel's datapath goes on")
    if fault == "switch_restart":
        return "nothing says how soon the tables of a restarted switch are filled again"
    if kind != "cable":
        gone = frozenset({element} if fault == "switch_crash" else ())
        lost = frozenset(() if gone else (link.name for link in cut_links(topology, fault, element)))
        return _parted(topology, side, pair, gone=gone, lost=lost)
    link, near, _ = link_named(topology, element)
    if not hosts.isdisjoint((link.a, link.b)):
        return None
    if fault == "slow":
        return _slowed(side, float(parameters.get("delay_ms", FAULTS[fault].parameters[0].default)) / 1e3)
    if fault == "lossy":
        return f"frames still pass; a switch leaves the link when {_missed(side)} in a row are lost"
    if fault == "silent_loss":
        return _silenced(topology, side, pair, link, near, str(parameters.get("direction", "both")))
    found = _parted(topology, side, pair, lost=frozenset({link.name}))
    if fault == "flapping" and side.tree and isinstance(found, OutageBound) and found.bound_s > 0:
        if side.tree.protocol == "stp":
            return "at each return the bridges go back to the link, and listen and learn again"
        return (
            f"each flap takes BPDUs, of which a port sends {side.tree.hold_count} at once and then one a second"
            " (hold_count): when they are used up, the bridges wait"
        )
    return found


def watch_period_s(side: SwitchSide, fault: str) -> float:
    """The period of what watches the ways between switches, if a silent one has to be noticed; 0: nothing periodic."""
    if fault not in ("silent_loss", "lossy"):
        return 0.0
    return float(side.tree.hello_s) if side.tree else side.detour.bfd_ms / 1e3 if side.detour else 0.0


def _missed(side: SwitchSide) -> str:
    """What has to be lost in a row before a switch leaves a link."""
    if side.tree is None:
        return f"{side.detour.bfd_mult if side.detour else 0} of BFD's packets"
    if side.tree.protocol == "stp":
        return f"all hellos of Max Age, {side.tree.max_age_s} s,"
    return f"{_KEPT_HELLOS} hellos"


def _slowed(side: SwitchSide, delay_s: float) -> OutageBound | str:
    watch = side.detour
    if watch and watch.bfd_ms and delay_s >= (watch.bfd_mult - 1) * watch.bfd_ms / 1e3:
        return "BFD's packets come so late once that the session may go down"
    return OutageBound(0.0, delay_s, f"{delay_s * 1e3:g} ms of added delay")


def _parted(
    topology: Topology,
    side: SwitchSide,
    pair: tuple[str, str],
    *,
    gone: frozenset[str] = frozenset(),
    lost: frozenset[str] = frozenset(),
) -> OutageBound | str:
    """The outage when switches are gone, or links have lost carrier."""
    if side.tree is not None:
        return reconvergence(topology, side.tree, gone=gone, lost=lost, ends=ends_of(topology, pair))
    links = (link.name for link in topology.links if not gone.isdisjoint((link.a, link.b)))
    return detoured(topology, side, pair, lost=lost.union(links))


def _silenced(
    topology: Topology, side: SwitchSide, pair: tuple[str, str], link: Link, near: str, direction: str
) -> OutageBound | str:
    """The outage when a link loses all frames, or those in one direction, and keeps its carrier."""
    if side.tree is not None:
        role = Tree(topology, side.tree).roles[near]
        heard = {"to_host": role != "Designated", "from_host": role == "Designated"}.get(direction, True)
        if not heard:
            return "only designated ports say hello: a loss of what the other end sends is never noticed"
        silent = frozenset({link.name})
        return reconvergence(topology, side.tree, silent=silent, ends=ends_of(topology, pair))
    deaf = {"to_host": (near,), "from_host": (link.other(near)[1],)}.get(direction, (near, link.other(near)[1]))
    return detoured(topology, side, pair, deaf=deaf)


def detoured(
    topology: Topology,
    side: SwitchSide,
    pair: tuple[str, str],
    *,
    lost: Collection[str] = (),
    deaf: Collection[str] = (),
) -> OutageBound | str:
    """The outage by fast-failover groups when links have lost carrier, or ports hear nothing any more.

    A port that hears nothing knows bfd_mult intervals after the last packet, of which each is up to a quarter shorter
    than the interval (RFC 5880, 6.8.4 and 6.8.7). One that hears, but is not heard, is told by the other's next packet.
    """
    watch, detours = side.detour, Detours(topology)
    assert watch is not None
    ways = [detours.way(*pair) or [], detours.way(*pair[::-1]) or []]
    silent = {topology.link_of(port).name for port in deaf}
    if not any(set(way) & silent for way in ways):
        hit = any(not set(way).isdisjoint(lost) for way in ways)
        if not hit:
            return OutageBound(0.0, 0.0, "the way stays as it is")
        return OutageBound(0.0, 0.0, "port down: the next bucket", tolerance_s=RELEARN_PAUSE_S)
    if not watch.bfd_ms:
        return "without BFD (bfd_ms=0) a switch knows of a lost carrier only"
    interval_s, label = watch.bfd_ms / 1e3, f"BFD {watch.bfd_mult} x {watch.bfd_ms} ms"
    most_s = interval_s if watch.bfd_mult > 1 else 0.9 * interval_s
    rest = Rest(watch.bfd_mult * interval_s, 0.75 * interval_s, most_s)
    if len(deaf) == 1:
        longest_s = rest.high_s + interval_s
        return OutageBound(rest.low_s, longest_s, f"{label}, then the other end is told", tolerance_s=RELEARN_PAUSE_S)
    if all(set(way) & silent for way in ways):
        return of_law(Longest((rest, rest)), f"{label}, the later end", RELEARN_PAUSE_S)
    return of_law(rest, label, RELEARN_PAUSE_S)


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
    if protocol.protocol == "stp":
        return _by_timers(before, after, below, gone, lost, silent, ends)
    exchanges = 2 * len(below) - 1
    if not gone.isdisjoint(before.root_of.values()):
        exchanges *= 2  # what a bridge still knows of the lost root has to be given up on the way as well
    handshake_s = exchanges * _transit_s(after, below)
    label = f"{len(below)} bridges agree one after the other"
    if silent:
        label = f"no BPDU for {_KEPT_HELLOS} x {protocol.hello_s} s, then {label}"
        longest_s = _KEPT_HELLOS * protocol.hello_s + handshake_s
        # The last hello is up to a Hello Time old, and the first of the seconds that are counted is cut short.
        law = Sum(longest_s - protocol.hello_s - 1, (float(protocol.hello_s), 1.0))
        found = of_law(law, label, 2 * WAKE_S)
        if len(silent) > 1 or lost or gone:
            found = OutageBound(0.0, longest_s, label, tolerance_s=2 * WAKE_S)
    else:
        found = OutageBound(0.0, handshake_s, label, tolerance_s=RELEARN_PAUSE_S)
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

    A bridge that sees its root port go, and has another port to the rest, begins at once. Otherwise the information of
    the root has to be older than Max Age first (8.6.15); it was renewed up to a Hello Time before.
    """
    protocol = before.protocol
    waits_s = 2.0 * protocol.forward_delay_s
    heads = [name for name in below if before.above(name) not in below]
    ready = all(any(_far(link, name) not in below for link in after.links[name]) for name in heads)
    label = f"listening and learning, {protocol.forward_delay_s} s each"
    if ready and not silent and gone.isdisjoint(before.root_of.values()):
        found = of_law(Sum(waits_s), label, 3 * WAKE_S)
    else:
        law = Sum(waits_s + protocol.max_age_s - protocol.hello_s, (float(protocol.hello_s),))
        found = of_law(law, f"Max Age {protocol.max_age_s} s, then {label}", 4 * WAKE_S)
    if _hit(before, (), gone, lost | silent, ends):
        return found
    return OutageBound(0.0, found.bound_s, found.label, tolerance_s=found.tolerance_s)


def _far(link: Link, node: str) -> str:
    return link.b if link.a == node else link.a


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
