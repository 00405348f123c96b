"""Two lines to the internet: how long does traffic stop when the line or the provider in use fails?

Question      How long do BGP speakers send into a line that is dead, by its carrier, by BFD, by the hold time?
Factors       What fails, and how: the cable is pulled or carries nothing any more, the provider loses power or hangs,
              its BIRD ends in order, is killed or halted, an operator withdraws its routes. Where a cable fails: the
              line between the edge and the provider, or the provider's uplink, beyond the next hop. The cable may
              also lose a part of its packets (lossy, loss_percent) or delay them (slow), for fault_s. What speaks BGP
              (bgp_daemon: BIRD or FRR), the hold and keepalive times, BFD's interval (bgp_bfd_ms, 0: none), ECMP, what
              providers announce (provider_routes). With routes_by=static nothing speaks BGP, and static_track says
              what takes a next hop out.
Procedure     1. The client and the server send each other UDP packets every probe interval, by one flow each way or
                 by several, which ECMP spreads over the lines.
              2. One trial injects many faults in one network, each on the provider that the client's edge prefers, at
                 an instant drawn at random over several intervals of what watches the sessions.
              3. A fault lasts until by theory both ends must have left the way, and the flows had time to resume.
                 Then it is repaired, and the next one follows once all sessions are established, and all routes
                 in the kernels, as before.
Measurement   Detection: from the fault until a speaker whose session is dead drops it, as its log says; there are two
              such speakers. Outage: the longest gap of any flow. Reversion: the same when the way returns. Whether
              the kernels at both ends have left the provider by the end of the fault. Of a cable that works in part:
              when the first speaker left it, how often one did, and which share of the packets was lost.
Expectation   theory/bgp.py. Lost carrier is an event at both ends. Silence is noticed by the hold time or by BFD, by
              each end at a time of its own, and each direction waits for its own: the outage is the longer one. A
              provider whose daemon alone fails forwards on, and its neighbors leave it without a loss. A default route
              says nothing of what lies beyond the provider. theory/brownouts.py: BFD leaves a lossy line at the first
              row of lost packets as long as its multiplier, and a slow one if the delay is longer than its time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import schemes
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment
from testbed.faults.catalogue import FAULTS as CATALOGUE
from testbed.faults.catalogue import OPTIONS, not_taken, parameters_of
from testbed.lab import routes
from testbed.measure import routing as measured
from testbed.observe.probe import flows, probing
from testbed.spec import Topology
from testbed.theory import brownouts, gateways, lines

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

FAULTS = (
    "carrier_loss",
    "silent_loss",
    "router_crash",
    "router_hang",
    "service_stop",
    "service_crash",
    "service_pause",
    "route_withdrawal",
    *brownouts.FAULTS,
)
#: What may be varied of the last two.
_PARAMETERS = ("loss_percent", "slow_delay_ms", "slow_rate_mbps")


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why nothing can be routed around in that network; None if something can."""
    if not (topology.bgp or topology.static):
        return f"topology {topology.name} has neither BGP speakers nor static routes"
    if not topology.bgp and case["fault"] == "route_withdrawal":
        return "route_withdrawal: the routes are static, and no BGP speaker withdraws one; type: --set routes_by=bgp"
    if not topology.bgp and case["fault"] in brownouts.FAULTS:
        return (
            f"{case['fault']}: the routes are static, and theory says only of a BGP session when it leaves a cable that"
            " works in part; type: --set routes_by=bgp"
        )
    if why := gateways.blocked_either_way(topology, *topology.pair):
        return why
    if lines.provider(topology) is None:
        return f"topology {topology.name} has no BGP speaker or static routes at the gateway of {topology.client}"
    if not lines.has_another(topology):
        return f"{topology.client} and {topology.server} have no way but that by {lines.provider(topology)}"
    if case["place"] == "uplink" and CATALOGUE[str(case["fault"])].element != "cable":
        return f"{case['fault']} hits the provider, not a cable: place=uplink has no effect on it"
    if case["place"] == "uplink" and lines.uplink(topology) is None:
        return f"topology {topology.name} has no cable beyond the provider"
    if "fault_s" in case and case["fault"] not in brownouts.FAULTS:
        return f"fault_s: fault {case['fault']} has none"
    return not_taken(str(case["fault"]), case) or None


def lasts_s(case: Mapping[str, Level], topology: Topology) -> float:
    """About how long a trial lasts on its own clock, in seconds."""
    fault = str(case["fault"])
    element = lines.element(topology, fault, str(case["place"]))
    return routes.again_s(topology, case, lines.outage(topology, fault, element, parameters_of(fault, case)))


def procedure(lab: Lab) -> None:
    """Inside: fail the way in use again and again, with probes between client and server."""
    fault = str(lab.case["fault"])
    element = lines.element(lab.topology, fault, str(lab.case["place"]))
    found = lines.outage(lab.topology, fault, element, parameters_of(fault, lab.case))
    ways = [lab.pair, lab.pair[::-1]] * int(lab.case["flows"])
    interval_s = float(lab.case["probe_interval_ms"]) / 1e3

    def hops() -> list[list[str]]:
        return [routes.in_use(lab, edge, lab.topology.host(to).ip) for edge, to in lines.edges(lab.topology)]

    routes.wait_settled(lab, "all routes are there")
    with flows(lab, ways) as probed, probing(probed, interval_s, lab.raw / "probe.csv", clocks=lab.clocks):
        routes.fail_again(lab, element, found, hops)


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    return measured.measure(raw, trial, float(trial.case["probe_interval_ms"]) / 1e3)


def routing() -> Experiment:
    """The experiment."""
    return Experiment(
        name="routing",
        title="Two lines to the internet",
        question="How long does traffic stop when the line or the provider in use fails?",
        topology="two_lines",
        factors=(
            Factor("fault", FAULTS, "what happens to the way in use", ("silent_loss", "carrier_loss"), known=FAULTS),
            Factor("place", ("line",), "the cable that fails: before or beyond the provider", known=lines.PLACES),
            schemes.FACTOR,
            Factor("bgp_bfd_ms", (0, 100), "BFD's interval; 0: none", (100,), network=True),
            Factor("faults", (20,), "faults in one trial", (5,), least=1),
            Factor("flows", (1,), "flows each way", least=1),
            Factor("probe_interval_ms", (1.0,), "time between two probe packets of a flow", least=0.1),
        ),
        options=(
            *(each for each in OPTIONS if each.name in _PARAMETERS),
            Factor("fault_s", (brownouts.LASTS_S,), "how long the fault lasts: lossy, slow", least=0.1),
        ),
        procedure=procedure,
        lasts_s=lasts_s,
        measure=read,
        figures=("detection",),
        repetitions=5,
        quick_repetitions=1,
        limit_s=1200.0,
        not_applicable=not_applicable,
    )
