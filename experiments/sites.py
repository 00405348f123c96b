"""One service at two sites: how long does a client not reach it when its site fails?

Question      How long do packets of a client go to a site that is gone, until BGP leads them to the other one (anycast,
              RFC 4786)?
Factors       What fails, and how: the site's router or its server loses power or hangs, a cable is pulled or carries
              nothing any more, the server's BIRD ends in order, is killed or halted, the server withdraws its address,
              as a health check does. Whether it is the site or its server alone (`place`). Whether both sites serve, or
              the second one only while the first is gone (`sites`). BGP's and BFD's times.
Procedure     1. Two clients in different parts of the internet send UDP packets to the service's address every probe
                 interval. Both servers have it; a packet that arrives at either has arrived.
              2. One trial injects many faults in one network, each at the site of the first client, at an instant drawn
                 at random over several intervals of what watches the sessions.
              3. A fault lasts until by theory the clients must have been led to the other site, and some more. Then it
                 is repaired, and the next one follows once all sessions are established, and all routes in the kernels,
                 as before.
Measurement   Detection: from the fault until a speaker whose session is dead drops it. Outage: the longest gap of the
              first client's packets; of the second one's apart. Reversion: the same when the site returns.
Expectation   theory/sites.py. The last speaker before what failed notices: at once by its carrier, or by BFD or the
              hold time; and tells those before it. A router that loses its server's cable withdraws the subnet there,
              too, and TCP may hold the second of two messages for 40 ms. A client of the other site notices nothing.
              What withdraws the address while its server still answers loses nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import schemes
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.errors import SpecError
from testbed.experiment.experiment import Experiment
from testbed.lab import routes, switchover
from testbed.measure import sites as measured
from testbed.observe.probe import PORTS, Flow, probing
from testbed.spec import Topology
from testbed.theory import sites as theory

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

FAULTS = (
    "router_crash",
    "router_hang",
    "site_loss",
    "carrier_loss",
    "silent_loss",
    "service_stop",
    "service_crash",
    "service_pause",
    "route_withdrawal",
)
#: Options of health checks, which none of these faults is noticed by.
_OF_CHECKS = ("site_check_ms", "site_timeout_ms", "site_fall", "site_rise")


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why there is no site to lose in that network; None if there is."""
    if len(theory.servers(topology)) < 2 or not theory.trail(topology, topology.client):
        return (
            f"topology {topology.name} has no service at several sites that {topology.client} reaches by their routers"
        )
    for name in _OF_CHECKS:
        if name in case:
            return (
                f"{name}={case[name]}: a site here fails by its routes, not by a check; type: testbed run site_failover"
            )
    try:
        theory.element(topology, str(case["fault"]), str(case["place"]))
    except SpecError as error:
        return f"{error.message}. {error.hint}" if error.hint else error.message
    return None


@contextlib.contextmanager
def _flows(lab: Lab) -> Iterator[list[Flow]]:
    """A flow from each client to the service, which all servers receive."""
    address = theory.service(lab.topology)
    with contextlib.ExitStack() as stack:
        found = []
        for port, client in zip(PORTS, lab.pair, strict=False):
            sender, *receivers = (
                stack.enter_context(lab.socket(host)) for host in (client, *theory.servers(lab.topology))
            )
            for receiver in receivers:
                receiver.bind((address, port))
            found.append(Flow(f"{client}>service", sender, receivers[0], (address, port), tuple(receivers[1:])))
        yield found


def lasts_s(case: Mapping[str, Level], topology: Topology) -> float:
    """About how long a trial lasts on its own clock, in seconds."""
    return routes.again_s(topology, case, theory.outage(topology, str(case["fault"]), str(case["place"])))


def procedure(lab: Lab) -> None:
    """Inside: fail the first client's site again and again, with probes to the service."""
    fault, place = str(lab.case["fault"]), str(lab.case["place"])
    element = theory.element(lab.topology, fault, place)
    edge = theory.trail(lab.topology, lab.client)[1]
    interval_s = float(lab.case["probe_interval_ms"]) / 1e3

    def hops() -> list[list[str]]:
        return [routes.in_use(lab, edge, theory.service(lab.topology))]

    routes.wait_settled(lab, "all routes are there")
    with _flows(lab) as probed, probing(probed, interval_s, lab.raw / "probe.csv", clocks=lab.clocks):
        routes.fail_again(
            lab,
            element,
            theory.outage(lab.topology, fault, place),
            hops,
            meanwhile=lambda begun_s: switchover.over(lab, begun_s),
            repaired=lambda: switchover.back(lab),
        )


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    return measured.measure(raw, trial, float(trial.case["probe_interval_ms"]) / 1e3)


def sites() -> Experiment:
    """The experiment."""
    return Experiment(
        name="sites",
        title="One service at two sites",
        question="How long does a client not reach a service when its site fails?",
        topology="two_sites",
        factors=(
            Factor("fault", FAULTS, "what happens at the client's site", ("router_crash", "router_hang"), known=FAULTS),
            Factor("place", theory.PLACES, "the site, or its server alone", ("site",), known=theory.PLACES),
            schemes.FACTOR,
            Factor("bgp_bfd_ms", (0, 100), "BFD's interval; 0: none", (100,), network=True),
            Factor("faults", (20,), "faults in one trial", (5,), least=1),
            Factor("probe_interval_ms", (1.0,), "time between two probe packets of a flow", least=0.1),
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
