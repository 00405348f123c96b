"""What lies between the switches: where a host's traffic goes on, and how long a fault there stops it. Pure.

Where a protocol of the switches has to act: a spanning tree (testbed.theory.reconvergence), fast-failover groups
(testbed.theory.detours), or a LAG between switches (testbed.theory.trunks).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from testbed.design.factor import Level
from testbed.faults.cabling import link_named
from testbed.faults.catalogue import FAULTS, cut_links
from testbed.spec import Link, SpanningTree, SwitchSide, Topology
from testbed.theory import routed, trunks
from testbed.theory.detours import detoured, detours_of
from testbed.theory.outage_bound import RELEARN_PAUSE_S, OutageBound, slowed
from testbed.theory.reconvergence import ASKED_AGAIN_S, KEPT_HELLOS, MIGRATE_S, WAKE_S, ends_of, reconvergence
from testbed.theory.spanning import Tree

#: The faults that do not change what the kernel's datapath does with flows that it has.
_UNFELT = ("switch_software_crash", "none")
#: A session that is not up sends once a second (RFC 5880, 6.8.3), and needs three packets: Down, Init, Up (6.2).
_SESSION_UP_S = 3.0


def onward(topology: Topology, host: str) -> tuple[str, ...]:
    """The ports by which the switch of a host without a bond goes on to others; none if it has no other, or one."""
    if topology.host(host).bond is not None:
        return ()
    switches = {switch.name for switch in topology.switches}
    near = topology.far(topology.members(host)[0]).node
    found = tuple(i for i in topology.interfaces(near) if near in switches and topology.far(i).node in switches)
    return found if len(found) > 1 else ()


def outage(
    topology: Topology,
    side: SwitchSide,
    fault: str,
    element: str,
    parameters: Mapping[str, Level],
    pair: tuple[str, str],
    senders: Collection[str] | None = None,
) -> OutageBound | str | None:
    """The outage between two hosts when a fault hits ways that are watched as a whole: by protocols of the switches
    (`bound`), or by the hosts, of which ``senders`` sent by the way that fails (testbed.theory.routed)."""
    found = bound(topology, side, fault, element, parameters, pair)
    return routed.bound(topology, fault, element, parameters, pair, senders) if found is None else found


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
    if protocol is None:
        return trunks.bound(topology, side, fault, element, parameters)
    if len(topology.switches) < 2 or kind not in ("cable", "switch", "any"):
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
    if fault == "lacp_loss":
        return OutageBound(0.0, 0.0, "no LACP is spoken between the switches")
    if fault == "miscabling":
        return "with another cable the network is another"
    if fault == "slow":
        return _slowed(side, slowed(parameters))
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


def returned(side: SwitchSide, fault: str) -> OutageBound | None:
    """The outage when a fault of the ways between switches ends; None: no protocol has to act.

    RSTP goes back by the same handshake, STP by its timers: a port that was forwarding is blocked as soon as a better
    one is there, which then listens and learns. Fast-failover groups go back when the session is up again, over a way
    that works. Software that was away begins anew: RSTP has to find its edge ports, which takes MigrateTime, BFD to
    bring its sessions up.
    """
    anew = fault in ("switch_software_crash", "switch_restart")
    if side.tree is not None and side.tree.protocol == "stp":
        longest_s = 2.0 * side.tree.forward_delay_s + side.tree.hello_s
        return OutageBound(
            0.0, longest_s, "a hello, then listening and learning", tolerance_s=4 * WAKE_S + ASKED_AGAIN_S
        )
    if side.tree is not None:
        found_s = MIGRATE_S if side.tree.edge_ports != "none" else side.tree.max_age_s + 1.0 * side.tree.hello_s
        label = "until the ports to hosts are found to be edge ports" if anew else "a handshake"
        return OutageBound(0.0, found_s if anew else 0.0, label, tolerance_s=3 * WAKE_S)
    if side.detour is not None:
        label = "until the sessions are up again" if anew else "back when the session is up"
        longest_s = _SESSION_UP_S if anew and side.detour.bfd_ms else 0.0
        return OutageBound(0.0, longest_s, label, tolerance_s=RELEARN_PAUSE_S)
    return None


def settled_s(side: SwitchSide, fault: str) -> float:
    """How long after a fault of the ways between switches traffic is where it was before, at most; 0: not known."""
    found = returned(side, fault)
    if found is None:
        return 0.0
    return found.limit_s + (_SESSION_UP_S if side.detour else float(side.tree.hello_s) if side.tree else 0.0)


def watch_period_s(side: SwitchSide, fault: str) -> float:
    """The period of what watches the ways between switches, if a silent one has to be noticed; 0: nothing periodic.

    STP's law depends on the age of the last hello even where a carrier is lost.
    """
    if side.tree is not None and side.tree.protocol == "stp":
        return float(side.tree.hello_s)
    if fault not in ("silent_loss", "lossy"):
        return 0.0
    return float(side.tree.hello_s) if side.tree else side.detour.bfd_ms / 1e3 if side.detour else 0.0


def _missed(side: SwitchSide) -> str:
    """What has to be lost in a row before a switch leaves a link."""
    if side.tree is None:
        return f"{side.detour.bfd_mult if side.detour else 0} of BFD's packets"
    if side.tree.protocol == "stp":
        return f"all hellos of Max Age, {side.tree.max_age_s} s,"
    return f"{KEPT_HELLOS} hellos"


def _slowed(side: SwitchSide, found: OutageBound | str) -> OutageBound | str:
    watch = side.detour
    if isinstance(found, str) or not watch or not watch.bfd_ms:
        return found
    if found.bound_s >= (watch.bfd_mult - 1) * watch.bfd_ms / 1e3:
        return "BFD's packets come so late once that the session may go down"
    return found


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
    assert side.detour is not None
    return detoured(topology, side.detour, pair, lost=lost.union(links))


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
    assert side.detour is not None
    return detoured(topology, side.detour, pair, deaf=deaf)


def by_tree(
    topology: Topology,
    tree: SpanningTree,
    pair: tuple[str, str],
    failed: Collection[str],
    *,
    up: Collection[str],
    silent: Collection[str],
) -> OutageBound | None:
    """The outage between two hosts until a spanning tree has another way, whatever has failed; None: no bound.

    ``up`` are the links with carrier, of which ``silent`` carry nothing.
    """
    hosts = {host.name for host in topology.hosts}
    between = [link.name for link in topology.links if hosts.isdisjoint((link.a, link.b))]
    gone = frozenset(failed).intersection(switch.name for switch in topology.switches)
    lost = frozenset(between).difference(up)
    mute = frozenset(silent).intersection(between)
    found = reconvergence(topology, tree, gone=gone, lost=lost, silent=mute, ends=ends_of(topology, pair))
    return found if isinstance(found, OutageBound) else None


def left(
    topology: Topology, side: SwitchSide, pair: tuple[str, str], *, up: Collection[str], silent: Collection[str]
) -> tuple[bool, OutageBound | str | None]:
    """Whether two hosts with one link each still reach each other by fast-failover groups, and after which outage.

    ``up`` are the links with carrier, of which ``silent`` carry nothing.
    """
    watch = side.detour
    assert watch is not None
    own = [topology.link_of(i).name for host in pair for i in topology.interfaces(host)]
    if not set(own) <= set(up) or not set(own).isdisjoint(silent):
        return False, None
    dead = {link.name for link in topology.links}.difference(up)
    detours = detours_of(topology)
    for way in (detours.way(*ends, dead.union(silent if watch.bfd_ms else ())) for ends in (pair, pair[::-1])):
        if way is None or not set(way).isdisjoint(silent):
            return False, None if watch.bfd_ms else "without BFD (bfd_ms=0) nothing watches the ways"
    deaf = [i for link in topology.links if link.name in silent for _, i in link.ends]
    return True, detoured(topology, watch, pair, lost=dead, deaf=deaf)
