"""The frames on the links as events of the timeline: LACP's state octets, announcements, paths of probes. Pure."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from typing import Any

from testbed.lacp import Lacpdu, PduError, State, decode, unwrap
from testbed.observe import bpf
from testbed.observe.taps import Frame, Recording
from testbed.spec import Topology

Event = dict[str, Any]
_ANNOUNCEMENTS = {"arp": "gratuitous_arp", "neighbour": "unsolicited_neighbour_advertisement"}


def events(recording: Recording, topology: Topology, origin_s: float) -> list[Event]:
    """All events of a recording, in seconds since ``origin_s``, in no order."""
    found = [
        *_lacp(recording, topology, origin_s),
        *_announcements(recording, origin_s),
        *_paths(recording, topology, origin_s),
    ]
    for interface, count in recording.dropped.items():
        found.append({"t_s": 0.0, "source": "wire", "event": "unseen", "interface": interface, "frames": count})
    return found


def _lacp(recording: Recording, topology: Topology, origin_s: float) -> Iterator[Event]:
    """Changes of the actor state and the partner state that each end of a link sends (IEEE 802.1AX-2014, 6.4.2.3)."""
    known: dict[str, tuple[State, State]] = {}
    for frame in sorted((f for f in recording.frames if f.kind == "lacpdu"), key=lambda f: f.at):
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


def _announcements(recording: Recording, origin_s: float) -> Iterator[Event]:
    """Frames that announce the place of an address to the switches, each with its link."""
    for frame in recording.frames:
        if event := _ANNOUNCEMENTS.get(frame.kind):
            yield {
                "t_s": round(frame.at - origin_s, 9),
                "source": "wire",
                "event": event,
                "interface": frame.interface,
                "direction": frame.direction,
                "address": str(ipaddress.ip_address(bpf.announced(frame.octets))),
            }


def _paths(recording: Recording, topology: Topology, origin_s: float) -> Iterator[Event]:
    """The first and the last packet of each run of a probe's packets on a link."""
    hosts = {host.ip: host.name for host in topology.hosts}
    for run in recording.runs:
        flow = f"{hosts.get(run.source_ip, run.source_ip)}>{hosts.get(run.target_ip, run.target_ip)}"
        where = {"flow": flow, "number": run.number, "interface": run.interface, "direction": run.direction}
        for event, at, sequence in (("first_packet", run.first_s, run.first), ("last_packet", run.last_s, run.last)):
            yield {"t_s": round(at - origin_s, 9), "source": "probe", "event": event, **where, "seq": sequence}
