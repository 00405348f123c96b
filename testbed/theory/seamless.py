"""Redundancy without a switch-over: every frame by two ways at once, of which the first to arrive counts. Pure.

IEC 62439-3:2021, clause 4 (PRP: two networks) and clause 5 (HSR: both ways round a ring): as long as one of the two
ways works, no frame is lost, whatever the other one does to frames, and at its return none is either.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from testbed.spec import Link, Topology
from testbed.theory.outage_bound import OutageBound

#: Nothing is detected and nothing is moved, so no time passes.
SEAMLESS = OutageBound(0.0, 0.0, "every frame goes both ways", tolerance_s=0.0)
#: The faults of one way.
FAULTS_OF_A_WAY = ("carrier_loss", "switch_crash", "flapping", "silent_loss", "lossy", "slow")

#: How long a node remembers which frames of another it has handed up (IEC 62439-3:2021, table 8, EntryForgetTime). The
#: driver counts from the first frame of a block of numbers, and keeps so many blocks (net/hsr/hsr_framereg.h, 7.3).
FORGET_S = 0.400
BLOCK_NUMBERS, BLOCKS = 128, 64


def most_duplicated(apart_s: float, frames_per_s: float) -> float:
    """The most of a node's frames, 0 to 1, that are delivered twice, if the copies by one way come ``apart_s`` later.

    The standard wants no legitimate frame rejected and lets some second copies pass (4.1.10.3). The driver takes a
    second copy for new if its block has been forgotten since the first one came: at more than 320 frames a second
    never, as long as copies are less than 0.4 s apart less the time that a block takes to fill.
    """
    fills_s = BLOCK_NUMBERS / frames_per_s
    if apart_s <= 0:
        return 0.0
    if apart_s * frames_per_s >= (BLOCKS - 1) * BLOCK_NUMBERS:
        return 1.0
    late_s = min(apart_s, fills_s + apart_s - FORGET_S)
    lives_s = min(fills_s, FORGET_S)
    return 0.0 if late_s <= 0 else min(1.0, math.ceil(late_s * frames_per_s) / (lives_s * frames_per_s))


def reached(topology: Topology, failed: Collection[str], silent: Collection[str], a: str, b: str) -> bool | None:
    """Whether every frame of host ``a`` reaches host ``b`` by one of its two ways; None if it is not known.

    A way is known to work if it leads on whatever part of it is silent, and not to if it leads nowhere: in a network
    that has more ways than one in itself, frames may take the silent one.
    """
    found = [reaches(topology, failed, silent, member, a, b) for member in topology.members(a)]
    return True if True in found else None if None in found else False


def untouched(topology: Topology, lost: Collection[str], a: str, b: str) -> bool:
    """Whether one of the two ways from ``a`` to ``b`` has none of the ``lost`` elements: then nothing there changes."""
    for member in topology.members(a):
        first = topology.link_of(member)
        part = _part(topology, first, topology.links, a, b)
        own = part.union(
            *((link.name, link.a_interface, link.b_interface) for link in links_of_way(topology, member, a, b))
        )
        if _joined(topology, first, topology.links, a, b) and own.isdisjoint(lost):
            return True
    return False


def links_of_way(topology: Topology, member: str, a: str, b: str) -> list[Link]:
    """Every link that what ``a`` sends by this member may cross."""
    first = topology.link_of(member)
    part = _part(topology, first, topology.links, a, b)
    return [first, *(link for link in topology.links if link is not first and {link.a, link.b} & part)]


def reaches(
    topology: Topology, failed: Collection[str], silent: Collection[str], member: str, a: str, b: str
) -> bool | None:
    """Whether frames that ``a`` sends by this member reach ``b``."""
    first = topology.link_of(member)
    up = [link for link in topology.links if link.elements.isdisjoint(failed)]
    if first not in up or not _joined(topology, first, up, a, b):
        return False
    sound = [link for link in up if link.name not in silent]
    if first not in sound or not _joined(topology, first, sound, a, b):
        return False
    crossed = _part(topology, first, up, a, b)
    return True if all(link in sound for link in up if {link.a, link.b} <= crossed) else None


def _part(topology: Topology, first: Link, links: Collection[Link], a: str, b: str) -> set[str]:
    """The nodes that pass on what ``a`` sends by its link ``first``: switches, and nodes of its ring."""
    passing = {switch.name for switch in topology.switches} | topology.relays() - {a, b}
    found = {first.a, first.b} & passing
    while more := {
        node for link in links if {link.a, link.b} & found for node in (link.a, link.b) if node in passing - found
    }:
        found |= more
    return found


def _joined(topology: Topology, first: Link, links: Collection[Link], a: str, b: str) -> bool:
    part = _part(topology, first, links, a, b)
    return b in (first.a, first.b) or any(b in (link.a, link.b) and {link.a, link.b} & part for link in links)
