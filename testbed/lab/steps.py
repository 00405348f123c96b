"""Steps that procedures share: probes, requests, which member carries traffic, when to inject a fault, the return."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from testbed import theory
from testbed.design.factor import Level
from testbed.emulation.waiting import wait_for
from testbed.faults.catalogue import parameters_of
from testbed.lab.placement import Placement
from testbed.observe.hosts import EPHEMERAL_PORTS
from testbed.observe.probe import PORTS, flows, probing
from testbed.observe.requests import requesting
from testbed.theory import clocks, routed, trunks, ways

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

#: How long a flow runs before the earliest fault, in seconds.
BEFORE_S = 0.5
#: How long a web service may take to answer for the first time.
_ANSWERED_S = 20.0
#: So many clients are drawn for as many requests; then the same ones follow again.
_DRAWS = 4096
#: How long a fault lasts that no known mechanism detects, in seconds.
UNNOTICED_S = 3.0
#: So many flows come back where the switch cannot be asked which member they take, from ports as a kernel chooses them.
_RETURN_FLOWS = 8
#: How long a member may take to come back, after what LACP waits for first.
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
        probing(found, interval_s, lab.raw / "probe.csv", clocks=lab.clocks),
    ):
        yield


def faults(
    lab: Lab,
    element: str,
    *,
    period_s: float,
    lasts_s: float,
    meanwhile: Callable[[float], object] = lambda begun_s: None,
    before_repair: Callable[[], object] = lambda: None,
) -> Iterator[None]:
    """Inject the case's ``fault`` into an element as often as its ``faults`` says, and repair it; yields after each.

    Its parameters are those that the case sets. Each begins at an instant drawn over ``period_s`` and lasts
    ``lasts_s``; ``meanwhile`` is called while it lasts with the time of its beginning, ``before_repair`` at its end.
    """
    fault = str(lab.case["fault"])
    parameters = parameters_of(fault, lab.case)
    for _ in range(int(lab.case["faults"])):
        lab.sleep_until(lab.now() + BEFORE_S)
        wait_random_phase(lab, period_s)
        begun_s = lab.now()
        with lab.fault(fault, element, **parameters):
            until_s = lab.now() + lasts_s
            meanwhile(begun_s)
            lab.sleep_until(until_s)
            before_repair()
        yield


def faults_last_s(case: Mapping[str, Level], *, period_s: float, lasts_s: float, after_s: float) -> float:
    """About how long a case's `faults` take on the trial's clock, with ``after_s`` from each repair to the next one."""
    return int(case["faults"]) * (BEFORE_S + period_s / 2 + lasts_s + after_s)


@contextlib.contextmanager
def asking(
    lab: Lab, interval_s: float, *, timeout_s: float, keep_alive: bool = False, clients: int = 1
) -> Iterator[None]:
    """The client asks the topology's web service every interval, into requests.csv, while the block runs.

    Of several ``clients``, which are addresses of its host, one drawn at random sends each request. It begins once the
    service answers. Errors: TrialError if it does not in time.
    """
    assert lab.topology.entry is not None, "the topology has no web service"
    sources: list[str] = []
    if clients > 1:
        own = [lab.topology.host(lab.client).ip, *lab.network.add_addresses(lab.client, clients - 1)]
        sources = [lab.random.choice(own) for _ in range(_DRAWS)]
    wait_answered(lab)
    with requesting(
        lab.network,
        lab.client,
        lab.topology.entry,
        interval_s,
        lab.raw / "requests.csv",
        clocks=lab.clocks,
        keep_alive=keep_alive,
        timeout_s=timeout_s,
        sources=sources,
    ):
        yield


def wait_answered(lab: Lab) -> None:
    """Wait until the topology's web service takes a connection of the client. Errors: TrialError if it does not in
    time."""
    wait_for("the service answers", lambda: _unanswered(lab), deadline_s=_ANSWERED_S, step_s=0.1)


def _unanswered(lab: Lab) -> str:
    """What is wrong with a connection to the service; empty: it was made."""
    assert lab.topology.entry is not None
    with lab.network.socket(lab.client, socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(_ANSWERED_S / 10)
        try:
            sock.connect(lab.topology.entry)
        except OSError as error:
            return str(error)
    return ""


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


def exposed_flows(lab: Lab) -> tuple[list[tuple[str, str]], list[int] | None]:
    """The flows of a probe of which at least one in each direction crosses one member of the client: the pairs of
    hosts, and the source ports; None: the kernel chooses these, where no hash decides.

    Where the switch can be asked, two flows do. Elsewhere one flow to the server crosses each member of the client, and
    so many flows back that one of them crosses the member that fails, if that is one that `receiving` names.
    """
    client, server = lab.pair
    there, back = Placement(lab.network, client, server), Placement(lab.network, server, client)
    if (ports := ports_of_one_member(lab)) is not None:
        return [lab.pair, lab.pair[::-1]], ports
    if not (lab.answered(client) and there.predictable) or back.asked:
        return [lab.pair, lab.pair[::-1]], None
    members = range(len(lab.members(client)))
    found = [there.source_port(place, PORTS[place], lab.random) for place in members]
    forth = [each[0] for each in found if each is not None]
    ways = [lab.pair] * len(forth) + [lab.pair[::-1]] * _RETURN_FLOWS
    return ways, [*forth, *lab.random.sample(EPHEMERAL_PORTS, _RETURN_FLOWS)]


@contextlib.contextmanager
def probing_exposed(lab: Lab, interval_s: float) -> Iterator[None]:
    """A constant-rate probe by `exposed_flows`, into probe.csv while the block runs."""
    ways, ports = exposed_flows(lab)
    with (
        flows(lab, ways, source_ports=ports) as found,
        probing(found, interval_s, lab.raw / "probe.csv", clocks=lab.clocks),
    ):
        yield


def receiving(lab: Lab, host: str, seconds: float = 0.1) -> str:
    """The member of ``host`` that receives the most packets during the next ``seconds``; it enters the timeline."""
    return _busiest(lab, host, "rx_packets", seconds)


def carrying(lab: Lab, host: str, seconds: float = 0.1) -> str:
    """The member of ``host`` that sends the most packets during the next ``seconds``; it enters the timeline."""
    return _busiest(lab, host, "tx_packets", seconds)


def _busiest(lab: Lab, host: str, counter: str, seconds: float) -> str:
    return _most(lab, lab.members(host), (counter,), seconds)


def _most(lab: Lab, interfaces: Sequence[str], counters: Sequence[str], seconds: float) -> str:
    before = lab.counters(interfaces)["interfaces"]
    lab.sleep_until(lab.now() + seconds)
    after = lab.counters(interfaces)["interfaces"]
    used = max(interfaces, key=lambda name: sum(after[name][each] - before[name][each] for each in counters))
    lab.note("network", "member_in_use", interface=used)
    return used


def way_in_use(lab: Lab, seconds: float = 0.1) -> str:
    """The port of the client's switch to another switch that has the most packets in both directions during the next
    ``seconds``: what a switch floods goes out by other ports too, but comes in by none.

    It enters the timeline. For a client without a bond: its cable has no second, the ways behind its switch may have.
    """
    ports = ways.onward(lab.topology, lab.client)
    return _most(lab, ports, ("tx_packets", "rx_packets"), seconds)


def far_end(lab: Lab, member: str) -> str:
    """The interface at the other end of a member's link: the switch port that a fault takes."""
    return lab.topology.far(member).interface


def wait_random_phase(lab: Lab, period_s: float) -> None:
    """Wait until an instant drawn uniformly over ``period_s``, so that what follows falls on every phase alike."""
    lab.clocks.wait("fault", period_s)


def noticed_s(lab: Lab, fault: str, parameters: Mapping[str, Level] = MappingProxyType({}), element: str = "") -> float:
    """How long it takes, at most, until both ends of a member's link have detected the fault.

    Of a fault on ``element`` between switches, or where the hosts watch whole ways: until traffic has another way.
    """
    client, _ = lab.pair
    if element and (found := ways.outage(lab.topology, lab.scheme.side, fault, element, parameters, lab.pair)):
        return UNNOTICED_S if isinstance(found, str) else found.limit_s
    bond, lacp = lab.topology.host(client).bond, lab.answered(client)
    lag = lab.topology.ports[lab.topology.far(bond.members[0]).interface].lag if bond else None
    rate = lag.rate if lag else ""
    bound = theory.failover_bound(bond, fault, lacp=lacp, lag_rate=rate, parameters=parameters) if bond else None
    longest_s = bound.limit_s if bound else UNNOTICED_S
    if bond and bond.miimon_ms and fault != "none":
        # The event may have moved the traffic before the monitor checks.
        longest_s = max(longest_s, theory.mii_bound(bond.miimon_ms, bond.downdelay_ms).bound_s)
    if bond and fault == "lacp_loss":
        # Its outage lies between the two ends' timeouts, each of which takes as long as with a silent loss.
        silent = theory.failover_bound(bond, "silent_loss", lacp=lacp, lag_rate=rate)
        longest_s = max(longest_s, silent.limit_s if silent else 0.0)
    if bond and bond.mode == "802.3ad" and fault != "none" and not lab.scheme.side.port_status:
        longest_s = max(longest_s, theory.lacp_bound(bond.lacp_rate).limit_s)
    side = lab.scheme.side
    return longest_s + (0.0 if side.lags and side.controller else theory.REVALIDATION_S)


def lacp_period_s(lab: Lab, host: str) -> float:
    """The longest time between two LACPDUs of a link at the host's rate; 0 where the bond does not use LACP."""
    bond = lab.topology.host(host).bond
    if bond is None or bond.mode != "802.3ad":
        return 0.0
    return clocks.lacpdu_period_s(bond.lacp_rate, driver=bond.driver == "bonding")


def period_s(lab: Lab, fault: str, element: str = "") -> float:
    """One whole period of what has to detect the fault at the client, so that it falls on every phase alike.

    Of a fault on ``element`` between switches: of the protocol by which these watch each other.
    """
    side = lab.scheme.side
    if element and ways.bound(lab.topology, side, fault, element, {}, lab.pair) is not None:
        watched_s = ways.watch_period_s(side, fault) or trunks.period_s(lab.topology, side, fault, element)
        return watched_s or clocks.look_period_s(None)
    bond = lab.topology.host(lab.client).bond
    return clocks.noticing_period_s(bond, fault, lacp=lab.answered(lab.client))


def longest_period_s(lab: Lab) -> float:
    """The longest period of any host's link monitor."""
    return max(clocks.look_period_s(host.bond) for host in lab.topology.hosts)


def wait_back(lab: Lab, host: str) -> bool:
    """Wait until every member of the host carries traffic again, as the kernel reports."""
    bond = lab.topology.host(host).bond
    updelay_s = (bond.updelay_ms / 1e3 if bond else 0.0) + routed.back_s(bond)
    return lab.wait_carrying(host, REJOIN_DEADLINE_S + lacp_period_s(lab, host) + updelay_s)
