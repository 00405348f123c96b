"""Hosts whose ways are joined by routing: who uses which way when some have failed, and who learns of it. Pure.

h1 --X-- s1 ----- h2      h1 sees its link fail and leaves the way at once (carrier); h2, whose link is up, goes on
   ----- s2 -----         sending a part of its flows by s1, and nothing that it has tells it: unless BFD does
                          (RFC 5880), or a routing protocol (OSPF, RFC 2328)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from testbed.design.factor import Level
from testbed.faults.cabling import link_named
from testbed.faults.catalogue import FAULTS, cut_links
from testbed.spec import Bond, Link, Topology
from testbed.spec.bond.options import OSPF_TICK_S
from testbed.spec.ways import lans
from testbed.theory.laws import Longest, Rest, Sum
from testbed.theory.multipath import handover
from testbed.theory.outage_bound import SWITCH_PAUSE_S, OutageBound, of_law, slowed
from testbed.theory.seamless import FAULTS_OF_A_WAY, links_of_way, reaches

#: A route leaves a next hop with the event of its interface (networking/ip-sysctl.rst, ignore_routes_with_linkdown).
AT_THE_EVENT = OutageBound(0.0, 0.0, "carrier event at the next hop's own interface", tolerance_s=SWITCH_PAUSE_S)

#: Packets of BIRD's BFD are apart by 75 to 90 % of the interval, at random, whatever the multiplier
#: (bfd_session_update_tx_interval, proto/bfd/bfd.c), and so are those of keepalived's (get_jitter,
#: keepalived/bfd/bfd_scheduler.c); RFC 5880, 6.8.7 allows 75 to 100 %.
BIRD_APART = (0.75, 0.90)
#: BIRD waits in whole milliseconds, and up to one more, for each timer (io_loop and birdloop_main): for the packet
#: that was sent last, and for the end of the detection time. The kernel's route is then another at once.
BIRD_S = 0.002
#: BIRD's OSPF announces its links and computes its routes at its next tick (ospf_disp).
TICK_S = float(OSPF_TICK_S)


def watched(bond: Bond | None) -> bool:
    """Whether something else than their carrier tells a host which of its ways work."""
    return bond is not None and bond.watched


def detection(bond: Bond) -> OutageBound:
    """How long a host sends by a way of which it hears nothing any more, by BFD, or by OSPF alone.

    BFD: the Detection Time, ecmp_bfd_mult intervals, less the age of the last packet (RFC 5880, 6.8.4). OSPF: the
    RouterDeadInterval less the age of the last hello, of which one comes each HelloInterval (RFC 2328, 10.2), and up to
    a tick. The neighbor may be earlier, and say so by another way.
    """
    if bond.ecmp_detect == "bfd":
        rest = _rest(bond)
        return of_law(rest, f"BFD {bond.ecmp_bfd_mult} x {bond.ecmp_bfd_ms} ms", SWITCH_PAUSE_S + BIRD_S)
    low_s, high_s = float(bond.ecmp_dead_s - bond.ecmp_hello_s), bond.ecmp_dead_s + TICK_S
    return OutageBound(low_s, high_s, f"OSPF, dead after {bond.ecmp_dead_s} s", tolerance_s=SWITCH_PAUSE_S + BIRD_S)


def watch_period_s(bond: Bond) -> float:
    """The time between two packets of what watches a way."""
    return bond.ecmp_bfd_ms / 1e3 if bond.ecmp_detect == "bfd" else max(TICK_S, float(bond.ecmp_hello_s))


def back_s(bond: Bond | None) -> float:
    """How much longer than a BFD session an adjacency takes to come up: hellos both ways, and on a network of several
    hosts the wait for its Designated Router, a RouterDeadInterval (RFC 2328, 9.1)."""
    return 2.0 * bond.ecmp_hello_s + bond.ecmp_dead_s if bond and watched(bond) and bond.ecmp_detect != "bfd" else 0.0


def bound(
    topology: Topology,
    fault: str,
    element: str,
    parameters: Mapping[str, Level],
    pair: tuple[str, str],
    senders: Collection[str] | None = None,
) -> OutageBound | str | None:
    """The outage when a fault hits a way between two hosts of which something watches the ways; text: there is no
    bound, and why. None: nothing watches them, or the fault is of another kind.

    ``senders`` are those of the two whose flows were on that way; None: both.
    """
    bond = topology.host(pair[0]).bond
    if bond is None or not watched(bond) or fault not in FAULTS_OF_A_WAY:
        return None
    found = detection(bond)
    name = "BFD" if bond.ecmp_detect == "bfd" else "OSPF"
    if fault == "lossy":
        return f"frames still pass; a host leaves the way when all of {name}'s packets in a row are lost"
    if fault == "slow":
        delayed = slowed(parameters)
        if isinstance(delayed, OutageBound) and delayed.bound_s >= found.low_s:
            return "the packets that watch the way come so late once that it may be left"
        return delayed
    by_cable = FAULTS[fault].element == "cable"
    links = (link_named(topology, element)[0],) if by_cable else cut_links(topology, fault, element)
    gone = {element} if fault == "switch_crash" else set()
    silent = fault == "silent_loss"
    hit = _hit(topology, pair, gone, links)
    if not hit:
        return OutageBound(0.0, 0.0, "no way between the two is hit")
    if fault == "flapping":
        if bond.ecmp_detect != "bfd":
            return "OSPF announces a link again after MinLSInterval, 5 s, at the earliest (RFC 2328, 12.4)"
        return OutageBound(0.0, found.bound_s, found.label, tolerance_s=found.tolerance_s)
    direction = str(parameters.get("direction", "both"))
    if silent and direction != "both":
        _, near, far = link_named(topology, element)
        deaf = near if direction == "to_host" else far
        return _one_way(topology, pair, links[0], deaf, bond, pair if senders is None else senders)
    seen = {host: not silent and all(_own(topology, host, way) in links for way in hit) for host in pair}
    slow = [host for host in (pair if senders is None else senders) if not seen[host]]
    delay_s = max(_delay_s(topology, topology.members(pair[0])[way], pair) for way in hit)
    return _left(bond, found, slow, told=any(seen.values()), delay_s=delay_s)


def _left(bond: Bond, found: OutageBound, slow: list[str], *, told: bool, delay_s: float) -> OutageBound:
    """The outage of what the hosts in ``slow`` send, which do not see the carrier; ``told``: the other one does."""
    tolerance_s = found.tolerance_s + delay_s
    if not slow:
        return AT_THE_EVENT
    if bond.ecmp_detect == "bfd":
        rest = _rest(bond)
        if len(slow) == 1:
            return of_law(rest, found.label, tolerance_s)
        return of_law(Longest((rest, rest)), f"{found.label}, the later end", tolerance_s)
    if told:
        return of_law(Sum(0.0, (TICK_S, TICK_S)), "OSPF, a tick at each end", tolerance_s)
    return OutageBound(found.low_s, found.bound_s, found.label, tolerance_s=tolerance_s)


def _one_way(
    topology: Topology, pair: tuple[str, str], link: Link, deaf: str, bond: Bond, senders: Collection[str]
) -> OutageBound:
    """The outage when a link loses the frames towards its interface ``deaf``: of the flows that go there.

    The host there hears nothing. BFD tells the other with its next packet, which is sent at once (bfd_session_timeout
    of BIRD); OSPF by a hello that does not name it any more, or by another way, at its own tick.
    """
    found = detection(bond)
    label = f"{found.label}, then the other end is told"
    longest_s = found.bound_s + (0.0 if bond.ecmp_detect == "bfd" else TICK_S)
    receivers = _beyond(topology, link, topology.owner(deaf), pair)
    if len(receivers) == 1 and receivers.isdisjoint(set(pair) - set(senders)) and len(senders) == 1:
        return OutageBound(0.0, 0.0, "flows in the other direction alone")
    if bond.ecmp_detect == "bfd" and len(receivers) == 1:
        return of_law(_rest(bond), label, found.tolerance_s)
    low_s = found.low_s if len(receivers) == 1 else 0.0
    return OutageBound(low_s, longest_s, label, tolerance_s=found.tolerance_s)


def _beyond(topology: Topology, link: Link, node: str, pair: tuple[str, str]) -> set[str]:
    """Those of the two hosts that reach a node by switches without this link."""
    others = [each for each in topology.links if each.name != link.name]
    part = lans(topology.switches, others).get(node, frozenset())
    near = {end for each in others if {each.a, each.b} & part for end in (each.a, each.b)}
    return {node, *near}.intersection(pair)


def _rest(bond: Bond) -> Rest:
    return bfd_rest(bond.ecmp_bfd_ms, bond.ecmp_bfd_mult)


def bfd_rest(interval_ms: int, multiplier: int, apart: tuple[float, float] = BIRD_APART) -> Rest:
    """What is left of BFD's Detection Time when packets stop coming (RFC 5880, 6.8.4, 6.8.7), which are ``apart`` by
    these shares of the interval: usually as BIRD and keepalived send them."""
    interval_s = interval_ms / 1e3
    return Rest(multiplier * interval_s, *(share * interval_s for share in apart))


def _own(topology: Topology, host: str, way: int) -> Link:
    return topology.link_of(topology.members(host)[way])


def _hit(topology: Topology, pair: tuple[str, str], gone: Collection[str], links: Collection[Link]) -> list[int]:
    """The ways between the two hosts that do not work without these switches and links."""
    failed = {*gone, *(link.name for link in links)}
    members = enumerate(topology.members(pair[0]))
    return [way for way, own in members if reaches(topology, failed, (), own, *pair) is not True]


def _delay_s(topology: Topology, member: str, pair: tuple[str, str]) -> float:
    """What the links of a way delay: a packet that was on it when it failed may come so much later."""
    return sum(link.delay_ms for link in links_of_way(topology, member, *pair)) / 1e3


def longest(topology: Topology, failed: Collection[str], lost: Collection[str], pair: tuple[str, str]) -> OutageBound:
    """The longest outage between two hosts in mode ecmp when these elements are ``lost``, of which the ``failed`` ones
    take the carrier of their neighbors' interfaces."""
    bond = topology.host(pair[0]).bond
    if bond is None or not watched(bond):
        return AT_THE_EVENT
    pairs = zip(topology.members(pair[0]), topology.members(pair[1]), strict=True)
    dead = [ends for ends in pairs if reaches(topology, lost, (), ends[0], *pair) is not True]
    if all(not _up(topology, failed, end) for ends in dead for end in ends):
        return AT_THE_EVENT
    found = detection(bond)
    return OutageBound(0.0, found.bound_s, found.label, tolerance_s=found.tolerance_s)


@dataclass(frozen=True)
class Ways:
    """Whether two hosts reach each other by all flows, None where it is a matter of a flow's hash; and why."""

    connected: bool | None
    why: str = ""


def between(topology: Topology, failed: Collection[str], silent: Collection[str], a: str, b: str) -> Ways:
    """What becomes of the flows between two hosts, of which each uses the ways whose link at its own end is up."""
    if {a, b} & set(failed):
        return Ways(False)
    pairs = list(zip(topology.members(a), topology.members(b), strict=True))
    works = {way for way, (own, _) in enumerate(pairs) if reaches(topology, failed, silent, own, a, b)}
    bonds = [bond for bond in (topology.host(a).bond, topology.host(b).bond) if bond is not None]
    if bonds[0].driver == "mptcp":
        if not works or len(works) == len(pairs):
            return Ways(bool(works))
        whys = [found for bond in bonds if isinstance(found := handover(bond, "silent_loss"), str)]
        return Ways(None, whys[0]) if whys else Ways(True)
    if watched(bonds[0]):
        return Ways(bool(works))
    used = {host: {way for way, ends in enumerate(pairs) if _up(topology, failed, ends[host])} for host in (0, 1)}
    if any(not ways & works for ways in used.values()):
        return Ways(False)
    lost = [(host, way) for host in (0, 1) for way in sorted(used[host] - works)]
    if not lost:
        return Ways(True)
    host, way = lost[0]
    name = (a, b)[host]
    return Ways(
        None,
        f"{name} goes on sending a part of its flows by {pairs[way][host]}, whose carrier is up:"
        " it learns of no failure beyond",
    )


def _up(topology: Topology, failed: Collection[str], interface: str) -> bool:
    return topology.link_of(interface).elements.isdisjoint(failed)
