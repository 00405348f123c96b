"""Requests through a failure: what do the users of a web service feel when a load balancer, or something else, fails?

Question      Users ask a service at a constant rate. How many of their requests fail, how many are late, and how long
              is none answered, when the balancer that has the service's address fails?
Factors       What fails, and how: the balancer loses power or hangs; a daemon on it ends in order, is killed or halted
              (HAProxy at layer 7, keepalived at layer 4; `element` names another, or any element of the network).
              Whether connections are kept alive, how long a client waits, how many clients there are; the layer, VRRP's
              interval, and any other argument of the topology (balancer_stick, balancer_peers ...).
Procedure     1. The client sends a request every interval (testbed/observe/requests.py).
              2. The fault begins at an instant drawn at random over VRRP's interval, or the script's that asks HAProxy
                 whether it lives. It lasts as long as by theory another balancer needs, and the last request waits.
              3. It is repaired; requests go on for as long.
Measurement   Every request's time counts from when it was due (requests.csv). Take-over: from the fault to the first
              gratuitous ARP for the service's address by another balancer.
Expectation   theory/balancers.py: VRRP moves the address after three advertisements and the skew; the skew alone where
              the daemon that ends says so. HAProxy is asked every second whether it lives. Until then every request
              fails, or waits for its client's next SYN, a second later: then it is late. Of several clients the other
              balancer sends those to the server that they had before of whom it was told, or whose address decides; of
              n servers one in n of the others, by chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed import schemes
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.errors import SpecError
from testbed.experiment.experiment import Experiment
from testbed.faults import catalogue
from testbed.lab import steps
from testbed.measure.impact import rounded
from testbed.measure.raw import controller_trouble, event_of, read_json, read_timeline
from testbed.measure.requests import Request, felt, load_requests, same_server
from testbed.observe.requests import check
from testbed.spec import Topology, Vrrp
from testbed.spec.balancer import ALIVE_S
from testbed.theory import OutageBound, balancers, chain
from testbed.theory.outage_bound import REROUTE_PAUSE_S

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

FAULTS = ("router_crash", "router_hang", "service_stop", "service_crash", "service_pause")
#: How long requests go before the fault, after the service is back by theory, and after the repair.
_BEFORE_S, _RESUMED_S, _AFTER_S = 1.0, 0.5, 1.0
#: How long a fault lasts of which theory does not say how long the service is away.
_UNBOUNDED_S = 5.0
#: The most clients: a subnet has no more addresses for hosts.
_MOST = (150, "the client's subnet has no more addresses")
#: More requests than this may be counted on the other side of an instant: one, at each end.
_EDGES = 2
#: About how many requests each client sends before the fault; those that sent none are not counted.
_EACH = 3
#: How far from its expectation a number may be that chance makes, in standard deviations: 1 of 16,000 is beyond.
_DEVIATIONS = 4.0


def _element(case: Mapping[str, Level], topology: Topology) -> str:
    """What fails: what the case names, or the best balancer, or the daemon on it that places requests."""
    if named := str(case.get("element", "")):
        return named
    group = topology.balancers[0]
    best = topology.shared_by(group.machines).ranked[0]
    daemon = "haproxy" if group.layer == 7 else "keepalived"
    return f"{best}:{daemon}" if str(case["fault"]).startswith("service_") else best


def _bound(trial: Trial) -> OutageBound | str:
    """How long the service is away by theory."""
    topology, element = trial.topology, _element(trial.case, trial.topology)
    group, (machine, _, daemon) = topology.balancers[0], element.partition(":")
    shared = topology.shared_by(group.machines)
    if machine != shared.ranked[0]:
        return f"theory does not say how long the service is away without {element}"
    if len(shared.routers) < 2:
        return f"no balancer is left without {machine}"
    return balancers.outage(group, shared, str(trial.case["fault"]), daemon)


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why no service can be asked in that network, or the element cannot fail; None if it can."""
    if not topology.balancers:
        return f"topology {topology.name} has no balancer"
    if case["keep_alive"] and topology.balancers[0].layer == 4:
        return "keep_alive=true at layer 4: a connection that stands is for stateful_failover"
    if case["keep_alive"] and int(case["clients"]) > 1:
        return "keep_alive=true with clients: a connection that stands has one client"
    try:
        check(float(case["request_interval_ms"]) / 1e3, float(case["timeout_s"]))
        if int(case["clients"]) > 1 and topology.host(topology.client).address.endswith(("/32", "/128")):
            return f"clients={case['clients']}: the subnet of {topology.client} is one address; type: --set clients=1"
        catalogue.checked(topology, str(case["fault"]), _element(case, topology), {})
    except SpecError as error:
        return error.message
    return chain.unreached(topology, schemes.chosen(case).side)


def procedure(lab: Lab) -> None:
    """Inside: ask the service while something fails and is repaired."""
    group, case = lab.topology.balancers[0], lab.case
    shared, found = lab.topology.shared_by(group.machines), _bound(lab.trial)
    interval_s, timeout_s = float(case["request_interval_ms"]) / 1e3, float(case["timeout_s"])
    away_s = found.limit_s if isinstance(found, OutageBound) else _UNBOUNDED_S
    clients = int(case["clients"])
    with steps.asking(lab, interval_s, timeout_s=timeout_s, keep_alive=bool(case["keep_alive"]), clients=clients):
        lab.sleep_until(lab.now() + max(_BEFORE_S, _EACH * clients * interval_s))
        steps.wait_random_phase(lab, max(shared.advert_ms / 1e3, ALIVE_S if group.layer == 7 else 0.0))
        with lab.fault(str(case["fault"]), _element(case, lab.topology)):
            lab.sleep_until(lab.now() + away_s + timeout_s + _RESUMED_S)
        lab.sleep_until(lab.now() + timeout_s + _AFTER_S)


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    topology, case = trial.topology, trial.case
    interval_s, timeout_s = float(case["request_interval_ms"]) / 1e3, float(case["timeout_s"])
    timeline, requests = read_timeline(raw / "timeline.jsonl"), load_requests(raw / "requests.csv")
    begin_s, end_s = (event_of(timeline, "fault", edge)["t_s"] for edge in ("begin", "end"))
    during, last_s = felt(requests, begin_s, end_s, interval_s=interval_s), max(one.due_s for one in requests)
    after = felt(requests, end_s, last_s, interval_s=interval_s)
    bound, daemon = _bound(trial), _element(case, topology).partition(":")[2]
    group = topology.balancers[0]
    shared = topology.shared_by(group.machines)
    taken_s = next(
        (
            event["t_s"]
            for event in timeline
            if (event["source"], event["event"]) == ("wire", "gratuitous_arp")
            and (event["direction"], event["address"]) == ("out", group.address)
            and topology.owner(event["interface"]) != shared.ranked[0]
            and begin_s <= event["t_s"] < end_s
        ),
        None,
    )
    away = isinstance(bound, OutageBound) and bound.bound_s > 0
    back_s = taken_s if away and taken_s is not None else begin_s
    refused_s = balancers.refused_s(shared, daemon, back_s - begin_s)
    kept = _kept(raw, trial, requests, begin_s, end_s, moved=taken_s is not None)
    predicted = balancers.failing([one.due_s for one in requests], begin_s, back_s, timeout_s, refused_s)
    metrics: dict[str, Any] = {
        "takeover_s": None if taken_s is None else rounded(taken_s - begin_s),
        **during.metrics(),
        "failed_after": after.failed_requests,
        "longest_gap_after_s": rounded(after.longest_gap_s),
        "low_s": rounded(bound.low_s) if isinstance(bound, OutageBound) else None,
        "bound_s": rounded(bound.bound_s) if isinstance(bound, OutageBound) else None,
        "expected_s": rounded(bound.expected_s) if isinstance(bound, OutageBound) else None,
        "why_no_bound": bound if isinstance(bound, str) else None,
        "failed_by_theory": predicted if isinstance(bound, OutageBound) else None,
        **kept,
        "within_bound": None,
    }
    if isinstance(bound, OutageBound):
        gap = bound.holds(during.longest_gap_s, interval_s)
        failed = abs(during.failed_requests - predicted) <= (_EDGES if away else 0)
        returned = after.failed_requests == 0 and after.longest_gap_s <= _back_s(shared, case, interval_s)
        if case["fault"] == "router_hang" and not shared.refresh_s:
            returned = True  # nobody announces the address, and theory does not say when the client asks for it
        metrics["within_bound"] = gap and failed and returned and kept["kept_as_predicted"] is not False
    return Measured(metrics, warnings=tuple(controller_trouble(timeline)))


def _kept(
    raw: Path, trial: Trial, requests: list[Request], begin_s: float, end_s: float, *, moved: bool
) -> dict[str, Any]:
    """Of several clients, how many stayed with their server, and whether theory has as many."""
    names = ("clients_seen", "clients_kept", "kept_share_by_theory", "kept_as_predicted")
    if int(trial.case["clients"]) < 2:
        return dict.fromkeys(names)
    group = trial.topology.balancers[0]
    kept, seen = same_server(requests, read_json(raw / "clients.json"), begin_s, end_s)
    # While the address stays where it is, only a table of clients keeps them: round robin goes on.
    share = balancers.kept_share(group) if moved or not group.stick else 1.0
    agrees = None
    if share is not None:
        agrees = abs(kept - share * seen) <= _DEVIATIONS * (seen * share * (1 - share)) ** 0.5
    return dict(zip(names, (seen, kept, share if share is None else rounded(share), agrees), strict=True))


def _back_s(shared: Vrrp, case: Mapping[str, Level], interval_s: float) -> float:
    """The longest time without an answer after the repair.

    A balancer that hung is master still, and the other one gives up the address at its first word: who has learnt that
    one does not reach the service until the master announces the address again.
    """
    away_s = shared.refresh_s + shared.advert_ms / 1e3 if case["fault"] == "router_hang" else 0.0
    return away_s + 2 * interval_s + REROUTE_PAUSE_S


def requests() -> Experiment:
    """The experiment."""
    return Experiment(
        name="requests",
        title="Requests through a failure",
        question="What do the users of a web service feel when its load balancer fails?",
        topology="balancer_pair",
        factors=(
            Factor("fault", ("router_crash", "service_crash"), "what happens to the best balancer", known=FAULTS),
            schemes.FACTOR,
            Factor("balancer_layer", (4, 7), "4: connections (IPVS); 7: requests (HAProxy)", network=True),
            Factor("vrrp_advert_ms", (1000, 100), "interval of VRRP's advertisements", (100,), network=True),
            Factor("request_interval_ms", (20.0,), "time between two requests", least=2.0),
            Factor("keep_alive", (False,), "whether a connection carries more than one request"),
            Factor("timeout_s", (2.0,), "how long a client waits for an answer", least=0.1),
            Factor("clients", (1,), "addresses from which requests come, at random", least=1, most=_MOST),
        ),
        options=(Factor("element", ("",), "what fails, by name; none: the best balancer, or its daemon"),),
        procedure=procedure,
        measure=read,
        figures=(),
        repetitions=10,
        quick_repetitions=1,
        limit_s=300.0,
        primary="longest_gap_s",
        not_applicable=not_applicable,
    )
