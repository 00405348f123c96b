"""Which routes BGP speakers have once they have settled: each the best path to every prefix (RFC 4271, 9.1). Pure.

x announces P: (65030)      ia: P by x, path 65030           e1: P by ia, path 65010 65030   the shortest path; of equal
                            ib: P by x, path 65030               P by ib, path 65020 65030   ones the lower identifier
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from testbed.spec import Bgp, BgpSession, BgpSpeaker, Topology
from testbed.spec.bgp import DEFAULT


@dataclass(frozen=True)
class Path:
    """A path to a prefix: its AS numbers, the address to send to, and the neighbor that it is from (empty: own)."""

    numbers: tuple[int, ...]
    next_hop: str
    neighbor: str
    internal: bool = False


#: Of every speaker, for every prefix, the paths that it uses: the best one, or with ECMP all that are as good.
Routes = Mapping[str, Mapping[str, Sequence[Path]]]


def settled(topology: Topology, group: Bgp, up: Collection[BgpSession], own: Mapping[str, Collection[str]]) -> Routes:
    """The routes of a group's speakers by the sessions that are ``up``; ``own`` are the prefixes that each has now.

    It ends: a path only gets longer on its way, and the shortest one wins.
    """
    found: dict[str, dict[str, list[Path]]] = {each.machine: {} for each in group.speakers}
    while True:
        heard = {each.machine: _heard(topology, group, each, up, own, found) for each in group.speakers}
        if heard == found:
            return found
        found = heard


def _heard(
    topology: Topology,
    group: Bgp,
    speaker: BgpSpeaker,
    up: Collection[BgpSession],
    own: Mapping[str, Collection[str]],
    before: Routes,
) -> dict[str, list[Path]]:
    """What a speaker uses, by what its neighbors used before."""
    paths: dict[str, list[Path]] = {}
    for session in group.of(speaker.machine):
        if session in up:
            for prefix, path in _announced(topology, group, session, speaker, own, before):
                paths.setdefault(prefix, []).append(path)
    return {
        prefix: _chosen(topology, group, known) for prefix, known in paths.items() if prefix not in own[speaker.machine]
    }


def _announced(
    topology: Topology,
    group: Bgp,
    session: BgpSession,
    receiver: BgpSpeaker,
    own: Mapping[str, Collection[str]],
    before: Routes,
) -> list[tuple[str, Path]]:
    """What the neighbor says in a session, as its receiver takes it: without the paths that it is in itself."""
    sender = group.speaker(session.beyond(receiver.machine))
    if sender.by_hand:
        return []
    internal = sender.asn == receiver.asn
    next_hop = sender.next_hop_in(session.subnet) or topology.attachment(sender.machine, session.subnet).ip
    said: list[tuple[str, Path | None]] = [(prefix, None) for prefix in own[sender.machine]]
    if sender.transit:
        said += [(prefix, paths[0]) for prefix, paths in before[sender.machine].items()]
    if receiver.machine in sender.default_to:
        said = [(DEFAULT, None)]
    found = []
    for prefix, path in said:
        if path is not None and (path.neighbor == receiver.machine or (path.internal and internal)):
            continue
        numbers = path.numbers if path is not None else ()
        numbers = (sender.asn,) * sender.prepend + numbers
        if not internal:
            numbers = (sender.asn, *numbers)
        if receiver.asn not in numbers:
            found.append((prefix, Path(numbers, next_hop, sender.machine, internal)))
    return found


def _chosen(topology: Topology, group: Bgp, known: Sequence[Path]) -> list[Path]:
    """The best paths: the shortest, from another AS rather than one's own (RFC 4271, 9.1.2.2), by the lowest identifier
    unless equal ones are used at once."""
    least = min((len(path.numbers), path.internal) for path in known)
    good = [path for path in known if (len(path.numbers), path.internal) == least]
    ranked = sorted(good, key=lambda path: (int(_identifier(topology, path)), ipaddress.ip_address(path.next_hop)))
    return ranked if group.ecmp else ranked[:1]


def _identifier(topology: Topology, path: Path) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(topology.bgp_identifier(path.neighbor))
