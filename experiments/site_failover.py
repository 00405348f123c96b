"""Users of a service at two sites: what do they feel when their site fails, or the name server that leads to it?

Question      A client's requests go to its site by anycast or by DNS. How long do they fail when the site's server, its
              machine or its router fails, until BGP or DNS leads them to the other site? And how long do they succeed
              without the name server?
Factors       How clients are led (`sites_by`). What fails, and how: the web server is killed (its machine refuses
              connections) or halted (it takes them without an answer), a machine loses power or hangs; the server's,
              the site's router, or the name server (`place`). The interval of checks, how many failures in a row take a
              server out, and any other argument of the topology (site_timeout_ms, dns_ttl_s, bgp_bfd_ms, sites ...).
Procedure     1. The first client sends a request every interval, on a new connection each, to the anycast address, or
                 to the one that its resolver has, which keeps each answer for its TTL and no longer.
              2. One trial injects many faults in one network, each at an instant drawn at random over several intervals
                 of what has to detect it, and several TTLs.
              3. A fault lasts until by theory requests must go to the other site. Then it is repaired, and the next one
                 follows once the site is in use again.
Measurement   From the fault until the last request was sent that failed, or was late by an interval. Of the name
              server: until the first one.
Expectation   theory/site_failover.py. With an interval I and F failures in a row, a check finds a server that refuses
              after (F - 1) I to F I, evenly, and one that is silent a time-out later. By anycast the other site is used
              at once; by DNS a second later, and up to the TTL more. A machine or router that fails is BGP's matter
              with anycast (theory/sites.py), and one for checks and the TTL with DNS. Without its name server a client
              goes on for what is left of the TTL.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import schemes
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.errors import SpecError
from testbed.experiment.experiment import Experiment
from testbed.lab import routes, steps, switchover
from testbed.measure import site_failover as measured
from testbed.observe.names import Named
from testbed.observe.requests import check, requesting
from testbed.services import gdnsd
from testbed.spec import Topology
from testbed.spec.site import BY, NAME, ZONE
from testbed.theory import OutageBound, lines
from testbed.theory import site_failover as theory

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

FAULTS = ("service_crash", "service_pause", "router_crash", "router_hang", "site_loss")
#: How long a client waits for an answer; how long requests go on when all is settled.
_TIMEOUT_S, _RESUMED_S = 2.0, 0.5
#: A fault's instant is drawn over so many of the longest interval of checks and kept answers.
_INTERVALS = 4
#: The longest duration of a trial, on its own clock.
_LIMIT_S = 2400.0


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why there is no site to lose in that network; None if there is."""
    if not theory.first(topology):
        return f"topology {topology.name} has no service at several sites"
    try:
        check(float(case["request_interval_ms"]) / 1e3, _TIMEOUT_S)
        theory.element(topology, str(case["fault"]), str(case["place"]))
    except SpecError as error:
        return f"{error.message}. {error.hint}" if error.hint else error.message
    longest_s = lasts_s(case, topology)
    if longest_s > _LIMIT_S:
        fit = int(_LIMIT_S * int(case["faults"]) / longest_s)
        fewer = f"type: --set faults={fit}" if fit else "type a shorter dns_ttl_s, site_check_ms or switchover_s"
        return f"faults={case['faults']} would take up to {longest_s:.0f} s; wanted {_LIMIT_S:.0f} s or less; {fewer}"
    return None


def lasts_s(case: Mapping[str, Level], topology: Topology) -> float:
    """About how long a trial lasts on its own clock, in seconds."""
    return int(case["faults"]) * _each_s(topology, str(case["fault"]), str(case["place"]))


def _period_s(topology: Topology) -> float:
    """The longest interval of what has to detect a fault, or keeps an answer."""
    group = topology.sites[0]
    return max(group.check_ms / 1e3, float(group.ttl_s), lines.period_s(topology.bgp[0]))


def _lasts_s(topology: Topology, fault: str, place: str) -> float:
    """How long a fault lasts: until by theory no request fails any more, or all do, and some more."""
    found = theory.outage(topology, fault, place)
    longest_s = found.limit_s if isinstance(found, OutageBound) else steps.UNNOTICED_S
    if place == "names":  # by then every answer that was kept has ended
        longest_s = max(longest_s, float(topology.sites[0].ttl_s))
    return longest_s + _TIMEOUT_S + _RESUMED_S


def _each_s(topology: Topology, fault: str, place: str) -> float:
    """The longest time from one fault to the next, but for BGP's return."""
    back_s = 2 * theory.reinstated_s(topology.sites[0])
    return steps.BEFORE_S + _INTERVALS * _period_s(topology) + _lasts_s(topology, fault, place) + back_s


def _service(topology: Topology) -> tuple[str, int] | Named:
    """What a client asks: the anycast address, or the service's name."""
    group, port = topology.sites[0], topology.servers[0].port
    if not group.name_servers:
        return theory.service(topology), port
    servers = tuple((topology.host(name).ip, gdnsd.PORT) for name in group.name_servers)
    return Named(f"{NAME}.{ZONE}", port, servers)


def procedure(lab: Lab) -> None:
    """Inside: fail the first client's site again and again, with its requests to the service."""
    fault, place, topology = str(lab.case["fault"]), str(lab.case["place"]), lab.topology
    interval_s = float(lab.case["request_interval_ms"]) / 1e3
    routes.wait_settled(lab, "all routes are there")
    lab.sleep_until(lab.now() + theory.HELD_S)
    with requesting(
        lab.network,
        lab.client,
        _service(topology),
        interval_s,
        lab.raw / "requests.csv",
        clocks=lab.clocks,
        timeout_s=_TIMEOUT_S,
    ):
        for _ in steps.faults(
            lab,
            theory.element(topology, fault, place),
            period_s=_INTERVALS * _period_s(topology),
            lasts_s=_lasts_s(topology, fault, place),
            meanwhile=lambda begun_s: None if place == "names" else switchover.over(lab, begun_s),
        ):
            if place != "names":
                switchover.back(lab)
            routes.wait_as_before(lab)
            lab.sleep_until(lab.now() + theory.reinstated_s(topology.sites[0]))


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    return measured.measure(raw, trial, float(trial.case["request_interval_ms"]) / 1e3)


def site_failover() -> Experiment:
    """The experiment."""
    return Experiment(
        name="site_failover",
        title="Users of a service at two sites",
        question="What do users of a service at two sites feel when their site fails?",
        topology="two_sites",
        factors=(
            Factor("sites_by", BY, "how clients are led to a site", known=BY, network=True),
            Factor("fault", FAULTS, "what happens", FAULTS[:2], known=FAULTS),
            Factor("place", ("server",), "the server, the site's router, or the name server", known=theory.PLACES),
            schemes.FACTOR,
            Factor("site_check_ms", (2000,), "interval of the health checks", network=True),
            Factor("site_fall", (3,), "failures in a row that take a server out", network=True),
            Factor("bgp_bfd_ms", (100,), "BFD's interval; 0: none", network=True),
            Factor("faults", (20,), "faults in one trial", (5,), least=1),
            Factor("request_interval_ms", (20.0,), "time between two requests", least=4.0),
        ),
        procedure=procedure,
        lasts_s=lasts_s,
        measure=read,
        figures=("detection",),
        repetitions=5,
        quick_repetitions=1,
        limit_s=_LIMIT_S,
        primary="median_failed",
        not_applicable=not_applicable,
    )
