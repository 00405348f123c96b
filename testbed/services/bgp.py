"""BIRD 2 as a speaker of BGP (RFC 4271), with BFD beside each session where that is wanted (RFC 5882).

    own prefixes:  direct (subnets of its interfaces, addresses on lo), static (all others)
    sessions:      one protocol for each neighbor, n1, n2 ... in the order of the specification
    kernel:        what it has by BGP becomes routes of the kernel; with ECMP all equal ones at once (merge paths)

A session ends at once when its interface loses carrier (check link). BIRD tries again after a second or two, not
after one to five minutes as by default (error wait time), so that a line that is repaired soon carries traffic again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.services import bird as shared
from testbed.services.bird import BirdService
from testbed.spec import Bgp, BgpSpeaker, Topology
from testbed.spec.bgp import DEFAULT

#: Lines of the log about a session, after `debug { states, events }`.
_BGP = re.compile(
    r"^([\d.]+) <TRACE> n(\d+): (BGP session established|BGP session closed|BFD session down|Link down"
    r"|State changed to down)",
    re.MULTILINE,
)
_HELD = re.compile(r"^([\d.]+) <\w+> n(\d+): (Error: Hold timer expired)", re.MULTILINE)
_EVENTS = {
    "BGP session established": "established",
    "BGP session closed": "closed",
    "BFD session down": "bfd_down",
    "Link down": "link_down",
    "State changed to down": "left",
    "Error: Hold timer expired": "hold_expired",
}


@dataclass(frozen=True)
class Neighbor:
    """A session as its speaker has it: by its own ``interface`` and address, with a neighbor's address and AS number.

    ``next_hop`` is what it gives as its next hop there (empty: itself); ``default``: it announces a default route only.
    """

    name: str
    interface: str
    own: str
    address: str
    asn: int
    next_hop: str
    default: bool


@dataclass(frozen=True)
class SpeakerService(BirdService):
    """The BIRD of a BGP speaker.

    ``attached``: the interfaces whose subnets it announces, lo for its own addresses there; ``others``: the prefixes
    that it announces always. ``source``: the address that its own packets have, if it is not an interface's.
    """

    identifier: str
    speaker: BgpSpeaker
    neighbors: tuple[Neighbor, ...]
    attached: tuple[str, ...]
    others: tuple[str, ...]
    source: str
    group: Bgp

    @property
    def period_s(self) -> float:
        return float(self.group.keepalive_s)

    @property
    def slow_s(self) -> float:
        """A session of BFD begins with four packets, which are a second or more apart (RFC 5880, 6.8.3)."""
        return 4 * max(1.0, self.group.bfd_ms / 1e3) if self.group.bfd_ms else 0.0

    def settings(self) -> Mapping[str, str]:
        """With ECMP a flow is placed by its addresses and ports (networking/ip-sysctl.rst)."""
        return {"ipv4/fib_multipath_hash_policy": "1"} if self.group.ecmp else {}

    def configuration(self, directory: Path) -> str:
        return configuration(self, directory)

    def files(self, directory: Path) -> Mapping[str, str]:
        """Beside its configuration the same again, and the one with which it announces nothing (`bird.withdrawn`)."""
        usual, nothing = self.configuration(directory), configuration(self, directory, announces=False)
        both = {shared.USUAL: usual, shared.WITHDRAWN: nothing}
        if self.speaker.by_hand:
            return {"bird.conf": nothing, f"{shared.BY_HAND}{shared.HELD}": "", **both}
        return {"bird.conf": usual, **both}

    def once(self, directory: Path) -> Sequence[str]:
        """Its anycast address is on its loopback interface."""
        del directory
        own = self.speaker.anycast
        return ["ip", "address", "replace", f"{own}/32", "dev", "lo"] if own else []

    def missing(self, directory: Path) -> str:
        """It answers: its sessions wait for the other speakers, which may not have started."""
        try:
            shared.asked(directory / "bird.ctl", "show status")
        except OSError as error:
            return f"an answer at its control socket: {error}"
        return ""

    def unsettled(self, log: str, now: float) -> str:
        """The sessions that are not established, or that BFD does not watch yet."""
        del now
        last = {int(number): _EVENTS[text] for _, number, text in _BGP.findall(log)}
        seen = {address: state for _, address, _, state in shared.SESSION.findall(log)}
        waiting = [
            each.name
            for number, each in enumerate(self.neighbors, start=1)
            if last.get(number) != "established" or (self.group.bfd_ms and seen.get(each.address) != "Up")
        ]
        return f"no session with {' and '.join(waiting)}" if waiting else ""

    def events(self, log: str) -> Iterator[dict[str, Any]]:
        yield from shared.bfd_events(log, {each.address: each.interface for each in self.neighbors})
        for at, number, text in (*_BGP.findall(log), *_HELD.findall(log)):
            neighbor = self.neighbors[int(number) - 1]
            yield {
                "time": float(at),
                "source": "bgp",
                "event": _EVENTS[text],
                "interface": neighbor.interface,
                "neighbor": neighbor.name,
            }


def of(topology: Topology) -> list[SpeakerService]:
    """The BIRD of every BGP speaker."""
    groups = [group for group in topology.bgp if group.daemon == "bird"]
    return [_of(topology, group, speaker) for group in groups for speaker in group.speakers]


def neighbors(topology: Topology, group: Bgp, speaker: BgpSpeaker) -> tuple[Neighbor, ...]:
    """The sessions of a speaker, in the order of the specification."""
    found = []
    for session in group.of(speaker.machine):
        name = session.beyond(speaker.machine)
        own = topology.attachment(speaker.machine, session.subnet)
        there = topology.attachment(name, session.subnet)
        found.append(
            Neighbor(
                name,
                own.interface,
                own.ip,
                there.ip,
                group.speaker(name).asn,
                speaker.next_hop_in(session.subnet),
                name in speaker.default_to,
            )
        )
    return tuple(found)


def _of(topology: Topology, group: Bgp, speaker: BgpSpeaker) -> SpeakerService:
    attached = {each.subnet: each.interface for each in topology.attachments(speaker.machine)}
    source = topology.loopback(speaker.machine)
    attached |= {f"{own}/32": "lo" for own in (source, speaker.anycast) if own}
    return SpeakerService(
        speaker.machine,
        topology.bgp_identifier(speaker.machine),
        speaker,
        neighbors(topology, group, speaker),
        tuple(dict.fromkeys(attached[each] for each in speaker.prefixes if each in attached)),
        tuple(each for each in speaker.prefixes if each not in attached),
        source,
        group,
    )


def configuration(service: SpeakerService, directory: Path, *, announces: bool = True) -> str:
    """The text of bird.conf; that of withdrawn.conf if it ``announces`` nothing."""
    group = service.group
    text = shared.head(service.identifier, directory) + _own(service) + _kernel(service)
    if group.bfd_ms:
        interfaces = ", ".join(f'"{each}"' for each in dict.fromkeys(n.interface for n in service.neighbors))
        text += shared.bfd(interfaces, group.bfd_ms, group.bfd_mult)
    return text + "".join(
        _session(service, n, number, announces=announces) for number, n in enumerate(service.neighbors, start=1)
    )


def _own(service: SpeakerService) -> str:
    """The prefixes of the speaker itself."""
    text = ""
    if service.attached:
        interfaces = ", ".join(f'"{each}"' for each in service.attached)
        wanted = ", ".join(each for each in service.speaker.prefixes if each not in service.others)
        text += f"""\
protocol direct {{
  ipv4 {{ import where net ~ [ {wanted} ]; }};
  interface {interfaces};
  check link yes;
}}
"""
    defaults = (DEFAULT,) if service.speaker.default_to else ()
    if others := dict.fromkeys((*service.others, *defaults)):
        routes = "".join(f"  route {prefix} blackhole;\n" for prefix in others)
        text += f"protocol static {{\n  ipv4;\n{routes}}}\n"
    return text


def _kernel(service: SpeakerService) -> str:
    source = f" krt_prefsrc = {service.source};" if service.source else ""
    merge = "  merge paths yes;\n" if service.group.ecmp else ""
    return f"""\
protocol kernel {{
  ipv4 {{ export filter {{ if source != RTS_BGP then reject;{source} accept; }}; }};
{merge}}}
"""


def _session(service: SpeakerService, neighbor: Neighbor, number: int, *, announces: bool) -> str:
    group, speaker = service.group, service.speaker
    own_default = f"net = {DEFAULT} && source = RTS_STATIC"
    steps = []
    if neighbor.default:
        steps.append(f"if !({own_default}) then reject;")
    elif speaker.default_to and DEFAULT not in speaker.announces:
        steps.append(f"if {own_default} then reject;")
    if not speaker.transit:
        steps.append("if source = RTS_BGP then reject;")
    steps += [*([f"bgp_path.prepend({speaker.asn});"] * speaker.prepend), "accept;"]
    said = f"filter {{ {' '.join(steps)} }}" if announces else "none"
    channel = ["import all;", f"export {said};"]
    if neighbor.next_hop:
        channel.append(f"next hop address {neighbor.next_hop};")
    elif neighbor.asn == speaker.asn:
        channel.append("next hop self;")
    lines = "\n    ".join(channel)
    watched = "  bfd yes;\n" if group.bfd_ms else ""
    return f"""\
protocol bgp n{number} {{
  description "{neighbor.name}";
  debug {{ states, events }};
  local {neighbor.own} as {speaker.asn};
  neighbor {neighbor.address} as {neighbor.asn};
  direct;
  hold time {group.hold_s};
  keepalive time {group.keepalive_s};
  connect delay time 1;
  connect retry time 2;
  error wait time 1, 2;
  check link yes;
{watched}  ipv4 {{
    {lines}
  }};
}}
"""
