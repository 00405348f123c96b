"""What crossed the links, as events of the timeline: LACP's state octets, announcements, paths of probes. Pure."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from typing import Any

from testbed.lacp import Lacpdu, PduError, State, decode, unwrap
from testbed.observe import bpf
from testbed.observe.taps import Frame, Wire
from testbed.spec import Topology

Event = dict[str, Any]
_ANNOUNCEMENTS = {"arp": "gratuitous_arp", "neighbour": "unsolicited_neighbour_advertisement"}


def events(wire: Wire, topology: Topology, origin_s: float) -> list[Event]:
    """Everything that the wire told, in seconds since ``origin_s``, in no order."""
    found = [*_lacp(wire, topology, origin_s), *_announcements(wire, origin_s), *_paths(wire, topology, origin_s)]
    for interface, count in wire.dropped.items():
        found.append({"t_s": 0.0, "source": "wire", "event": "unseen", "interface": interface, "frames": count})
    return found


def _lacp(wire: Wire, topology: Topology, origin_s: float) -> Iterator[Event]:
    """Changes of what each end of a link says of itself and of its partner (IEEE 802.1AX-2014, 6.4.2.3)."""
    known: dict[str, tuple[State, State]] = {}
    for frame in sorted((f for f in wire.frames if f.kind == "lacpdu"), key=lambda f: f.at):
        with contextlib.suppress(PduError, ValueError):
            pdu = decode(unwrap(frame.octets))
            if not isinstance(pdu, Lacpdu):
                continue
            sender = _sender(frame, topology)
            states = pdu.actor.state, pdu.partner.state
            if states != known.get(sender):
                old = known.get(sender, (State(0), State(0)))
                known[sender] = states
                yield {
                    "t_s": round(frame.at - origin_s, 9),
                    "source": "lacp",
                    "event": "lacpdu",
                    "interface": sender,
                    "actor_state": int(states[0]),
                    "partner_state": int(states[1]),
                    "actor": _change(old[0], states[0]),
                    "partner": _change(old[1], states[1]),
                }


def _sender(frame: Frame, topology: Topology) -> str:
    if frame.direction == "out":
        return frame.interface
    return topology.link_of(frame.interface).other(frame.interface)[1]


def _change(old: State, new: State) -> list[str]:
    """The bits that were set and cleared, such as ["+COLLECTING", "-DEFAULTED"]."""
    bits = ((flag.name or "", flag) for flag in State)
    return [("+" if new.has(flag) else "-") + name for name, flag in bits if new.has(flag) != old.has(flag)]


def _announcements(wire: Wire, origin_s: float) -> Iterator[Event]:
    """Who told the switches, and by which link, where an address is now."""
    for frame in wire.frames:
        if event := _ANNOUNCEMENTS.get(frame.kind):
            yield {
                "t_s": round(frame.at - origin_s, 9),
                "source": "wire",
                "event": event,
                "interface": frame.interface,
                "direction": frame.direction,
                "address": str(ipaddress.ip_address(bpf.announced(frame.octets))),
            }


def _paths(wire: Wire, topology: Topology, origin_s: float) -> Iterator[Event]:
    """The first and the last packet of each run of a probe's packets on a link."""
    hosts = {host.ip: host.name for host in topology.hosts}
    for run in wire.runs:
        flow = f"{hosts.get(run.source_ip, run.source_ip)}>{hosts.get(run.target_ip, run.target_ip)}"
        where = {"flow": flow, "number": run.number, "interface": run.interface, "direction": run.direction}
        for event, at, sequence in (("first_packet", run.first_s, run.first), ("last_packet", run.last_s, run.last)):
            yield {"t_s": round(at - origin_s, 9), "source": "probe", "event": event, **where, "seq": sequence}
