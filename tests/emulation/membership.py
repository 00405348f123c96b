"""Members of LAGs: which one carries which flow, and the outage of flows when a member fails.

A user's own experiment, given by path, for topologies with the bonded hosts h1 and h2. Flows are UDP datagrams,
distinguished by their source port. Taps on the members of both hosts show the member of each flow.

    h1 --- left: a member of h1 ---> switch(es) --- arrived: a member of h2 ---> h2      and the other way round

The fault hits the first member of h1. A flow is on it if it leaves h1 by it, or arrives at h1 by it.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from taps import Seen, open_taps

from testbed import theory
from testbed.design.factor import Factor
from testbed.design.trial import Measured, Trial
from testbed.errors import TrialError
from testbed.experiment.experiment import Experiment
from testbed.lab.placement import Placement
from testbed.observe.probe import Flow, probing

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

PORT, FIRST_PORT, FLOWS = 7000, 40000, 64
_DIRECTIONS = (("h1", "h2"), ("h2", "h1"))
_NUD_PERMANENT = 0x80  # linux/neighbour.h
_ARRIVAL_S = 0.05
_REST_S = 0.5
#: This long after its timeout both ends of a link have timed out their partner: EXPIRED lasts 3 s (6.4.12).
_FORGOTTEN_S = 4.0
#: How long each flap is down and up: faster than LACP can follow, and so slow that the member joins again.
FLAPS_S = ((0.02, 0.03), (0.15, 0.15), (0.3, 0.7), (0.02, 1.9), (0.3, 3.5), (0.02, 0.02), (1.2, 3.5))


class Way(NamedTuple):
    """The members by which the copies of a datagram left the sender, and arrived."""

    left: list[str]
    arrived: list[str]


def _port(seen: Seen) -> int | None:
    """The source port of one of our datagrams; None for any other frame."""
    frame = seen.frame
    ours = len(frame) >= 42 and frame[12:14] == b"\x08\x00" and frame[23] == socket.IPPROTO_UDP
    return int.from_bytes(frame[34:36], "big") if ours and frame[36:38] == PORT.to_bytes(2, "big") else None


def paths(lab: Lab, source: str, target: str) -> dict[int, Way]:
    """Send a datagram of each flow, and capture the members that it crosses."""
    found = {port: Way([], []) for port in range(FIRST_PORT, FIRST_PORT + FLOWS)}
    members = {member: host for host in (source, target) for member in lab.members(host)}
    with open_taps({member: lab.network.pid(host) for member, host in members.items()}) as taps:
        for port in found:
            with lab.network.socket(source) as sock:
                sock.bind(("", port))
                sock.sendto(b"x", (lab.topology.host(target).ip, PORT))
        lab.sleep_until(lab.now() + _ARRIVAL_S)
        for seen in taps.drain():
            if (number := _port(seen)) in found and seen.outgoing == (members[seen.interface] == source):
                path = found[number]
                (path.left if seen.outgoing else path.arrived).append(seen.interface)
    return found


def _predicted(lab: Lab, source: str, target: str, port: int) -> Way:
    """By the driver's documented hash, and by the switch's own trace."""
    topology = lab.topology
    here, there = topology.host(source), topology.host(target)
    macs = topology.host_mac(source), topology.host_mac(target)
    flow = theory.Tuple5(*macs, here.ip, there.ip, port, PORT)
    assert here.bond is not None
    first = theory.member_of_flow(here.bond, flow)
    assert first is not None
    second = Placement(lab.network, source, target).exit_member(flow, first, "udp")
    return Way([lab.members(source)[first]], [] if second is None else [lab.members(target)[second]])


def share(lab: Lab) -> None:
    """Which members do flows cross, and which were predicted?"""
    rows = []
    for source, target in _DIRECTIONS:
        for port, path in paths(lab, source, target).items():
            predicted = _predicted(lab, source, target, port)
            rows.append({"way": f"{source}>{target}", "port": port, "seen": path, "predicted": predicted})
    lab.write("share.json", rows)


@contextlib.contextmanager
def _probed(lab: Lab, member: str, *, on_it: bool, each: int) -> Iterator[None]:
    """Probe ``each`` flows in either direction while the block runs, all of them on the member or none."""
    with contextlib.ExitStack() as stack:
        flows = []
        for source, target in _DIRECTIONS:
            known = paths(lab, source, target).items()
            chosen = [port for port, way in known if (member in (*way.left, *way.arrived)) == on_it]
            if len(chosen) < each:
                raise TrialError(f"of {FLOWS} flows from {source} {len(chosen)} will do; wanted {each}")
            _make_known(lab, source, target)
            receiver = stack.enter_context(lab.network.socket(target))
            receiver.bind(("", PORT))
            for port in chosen[:each]:
                sender = stack.enter_context(lab.network.socket(source))
                sender.bind(("", port))
                destination = (lab.topology.host(target).ip, PORT)
                flows.append(Flow(f"{source}>{target} {port}", sender, receiver, destination))
        interval_s = float(lab.case["probe_interval_ms"]) / 1e3
        with probing(flows, interval_s, lab.raw / "probe.csv", clocks=lab.clocks, tail_s=0.2):
            _rest(lab, _REST_S)
            yield
            _rest(lab, _REST_S)


def _make_known(lab: Lab, source: str, target: str) -> None:
    """Give a host a permanent neighbour entry of another: an ARP request would add the outage of its reply's path."""
    bond = lab.topology.host(source).bond
    assert bond is not None
    netlink = lab.network.netlink(source)
    (index,) = netlink.link_lookup(ifname=bond.name)
    address, mac = lab.topology.host(target).ip, lab.topology.host_mac(target)
    netlink.neigh("replace", dst=address, lladdr=mac, ifindex=index, state=_NUD_PERMANENT)


def _rest(lab: Lab, seconds: float) -> None:
    lab.sleep_until(lab.now() + seconds)


def halted(lab: Lab) -> None:
    """The member loses carrier while the controller is stopped; it continues before LACP times out."""
    member = lab.members("h1")[0]
    assert lab.network.controller is not None
    counters = []
    with _probed(lab, member, on_it=True, each=1):
        lab.note("network", "halted")
        lab.network.controller.halt()
        counters.append(lab.counters((member,)))
        _rest(lab, _REST_S)
        counters.append(lab.counters((member,)))
        with lab.fault("carrier_loss", _far(lab, member)):
            _rest(lab, _ARRIVAL_S)
            counters.append(lab.counters((member,)))
            _rest(lab, _REST_S)
            counters.append(lab.counters((member,)))
            lab.note("network", "goes_on")
            lab.network.controller.resume()
            _rest(lab, _REST_S)
    lab.write("halted.json", counters)


def silent(lab: Lab) -> None:
    """The member's link loses all frames, at any phase of LACP's period, and is repaired."""
    member = lab.members("h1")[0]
    bond = lab.topology.host("h1").bond
    assert bond is not None
    bound = theory.bonding_lacp_bound(bond.lacp_rate)
    with _probed(lab, member, on_it=True, each=1):
        _rest(lab, lab.random.uniform(0, theory.LACP_PERIOD_S[bond.lacp_rate]))
        with lab.fault("silent_loss", _far(lab, member)):
            _rest(lab, bound.limit_s + _FORGOTTEN_S)
        if not lab.wait_carrying("h1", bound.limit_s):
            raise TrialError(f"{member} did not come back")
        _rest(lab, _REST_S)  # the switch still has to receive its LACPDU
        before = lab.counters((member,))
        _rest(lab, _REST_S)
        lab.write("returned.json", [before, lab.counters((member,))])


def flap(lab: Lab) -> None:
    """The member's carrier is lost and comes back while flows on other members are probed."""
    member = lab.members("h1")[0]
    with _probed(lab, member, on_it=False, each=2):
        for down_s, up_s in FLAPS_S:
            with lab.fault("carrier_loss", _far(lab, member)):
                _rest(lab, down_s)
            _rest(lab, up_s)


def _far(lab: Lab, member: str) -> str:
    return lab.topology.link_of(member).other(member)[1]


_PARTS = {"share": share, "halted": halted, "silent": silent, "flap": flap}


def procedure(lab: Lab) -> None:
    """Inside: the part that the case names."""
    _PARTS[str(lab.case["part"])](lab)


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the tests read the raw files themselves."""
    del raw
    return Measured({"part": trial.case["part"]})


def membership() -> Experiment:
    """The experiment."""
    return Experiment(
        name="membership",
        title="Members of LAGs",
        question="Do all members carry the predicted flows, and are other flows unaffected when one fails?",
        topology="single_switch",
        factors=(
            Factor("part", ("share",), "what is tested", known=tuple(_PARTS)),
            Factor("probe_interval_ms", (2.0,), "time between two probe packets of a flow"),
        ),
        procedure=procedure,
        measure=read,
        figures=(),
        limit_s=300.0,
    )
