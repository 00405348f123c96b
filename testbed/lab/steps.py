"""Steps that procedures share: probes both ways, which member carries traffic, when to inject a fault, the return."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from testbed import theory
from testbed.design.factor import Level
from testbed.lab.placement import Placement
from testbed.observe.probe import PORTS, flows, probing

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

#: How long a flow runs before the earliest fault, in seconds.
BEFORE_S = 0.5
#: How long a fault lasts that nothing is known to notice, in seconds.
UNNOTICED_S = 3.0
#: How long a member may take to come back, after whatever LACP waits for first.
REJOIN_DEADLINE_S = 10.0


@contextlib.contextmanager
def probing_both_ways(
    lab: Lab,
    interval_s: float,
    pairs: Sequence[tuple[str, str]] | None = None,
    *,
    source_ports: Sequence[int] | None = None,
) -> Iterator[None]:
    """A constant-rate probe between each pair of hosts, in both directions, into probe.csv while the block runs.

    The pair is the measured one unless ``pairs`` are given.
    ``source_ports`` are those of the flows of all pairs, then of those back; otherwise the kernel chooses them.
    """
    forth = [lab.pair] if pairs is None else list(pairs)
    ways = [*forth, *((target, source) for source, target in forth)]
    with (
        flows(lab, ways, source_ports=source_ports) as found,
        probing(found, interval_s, lab.raw / "probe.csv", origin_s=lab.origin_s),
    ):
        yield


def ports_of_one_member(lab: Lab) -> list[int] | None:
    """Ports for a flow from the client to the server and one back that cross one member of the client, drawn by chance:
    so a fault of that member hits both. None where no hash decides, or the switch cannot be asked for its own."""
    client, server = lab.pair
    there, back = Placement(lab.network, client, server), Placement(lab.network, server, client)
    if not (lab.answered(client) and there.predictable and back.asked):
        return None
    first = there.source_port(None, PORTS[0], lab.random)
    second = first and back.source_port(first[1], PORTS[1], lab.random, at_target=True)
    return [first[0], second[0]] if first and second else None


def carrying(lab: Lab, host: str, seconds: float = 0.1) -> str:
    """The member of ``host`` that sends the most packets during the next ``seconds``; it enters the timeline."""
    members = lab.members(host)
    before = lab.counters(members)["interfaces"]
    lab.sleep_until(lab.now() + seconds)
    after = lab.counters(members)["interfaces"]
    used = max(members, key=lambda name: after[name]["tx_packets"] - before[name]["tx_packets"])
    lab.note("network", "member_in_use", interface=used)
    return used


def far_end(lab: Lab, member: str) -> str:
    """The interface at the other end of a member's link: the switch port that a fault takes."""
    return lab.topology.far(member).interface


def wait_random_phase(lab: Lab, period_s: float) -> None:
    """Let a time go by drawn uniformly from ``period_s``: what then happens falls on each phase alike."""
    lab.sleep_until(lab.now() + lab.random.uniform(0, period_s))


def noticed_s(lab: Lab, fault: str, **parameters: Level) -> float:
    """How long it takes, at most, until both ends of a member's link have noticed the fault."""
    client, _ = lab.pair
    bond, lacp = lab.topology.host(client).bond, lab.answered(client)
    lag = lab.topology.ports[lab.topology.far(bond.members[0]).interface].lag if bond else None
    rate = lag.rate if lag else ""
    bound = theory.failover_bound(bond, fault, lacp=lacp, lag_rate=rate, parameters=parameters) if bond else None
    longest_s = bound.limit_s if bound else UNNOTICED_S
    if bond and bond.miimon_ms and fault != "none":
        # The event may have moved the traffic before the monitor looks.
        longest_s = max(longest_s, theory.mii_bound(bond.miimon_ms, bond.downdelay_ms).bound_s)
    if bond and fault == "lacp_loss":
        # Its outage lies between the two ends' timeouts, each of which takes as long as with silence.
        silent = theory.failover_bound(bond, "silent_loss", lacp=lacp, lag_rate=rate)
        longest_s = max(longest_s, silent.limit_s if silent else 0.0)
    if bond and bond.mode == "802.3ad" and fault != "none" and not lab.scheme.side.port_status:
        longest_s = max(longest_s, theory.lacp_bound(bond.lacp_rate).limit_s)
    return longest_s


def lacp_period_s(lab: Lab, host: str) -> float:
    """The longest time between two LACPDUs to the host's bond; 0 where LACP is not spoken."""
    bond = lab.topology.host(host).bond
    return theory.LACP_PERIOD_S[bond.lacp_rate] if bond and bond.mode == "802.3ad" else 0.0


def period_s(lab: Lab, fault: str) -> float:
    """One whole period of the monitor that has to notice the fault, so that it falls on every phase alike."""
    client, _ = lab.pair
    bond, lacp_s = lab.topology.host(client).bond, lacp_period_s(lab, client)
    if lacp_s and fault in ("silent_loss", "lacp_loss"):
        return lacp_s
    return (bond.miimon_ms or bond.arp_interval_ms if bond else 100) / 1e3


def wait_back(lab: Lab, host: str) -> bool:
    """Wait until every member of the host carries traffic again, as the kernel reports."""
    bond = lab.topology.host(host).bond
    updelay_s = bond.updelay_ms / 1e3 if bond else 0.0
    return lab.wait_carrying(host, REJOIN_DEADLINE_S + lacp_period_s(lab, host) + updelay_s)
