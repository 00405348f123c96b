"""Stateful failover: how many connections survive when what carries them fails, and how long do they stop?

Question      Of many TCP connections through a pair of firewalls, or of load balancers, how many go on when another one
              takes over, and how long does each stop?
Factors       What fails, and how: of a network with both the firewalls, or the balancers (`of`). Whether the firewalls
              share what they know of connections (`firewall_sync`), translate addresses (`firewall_nat`), and may pick
              up a connection in its middle (`firewall_loose`); whether balancers of layer 4 do (`balancer_sync`);
              VRRP's interval (`vrrp_advert_ms`), and any other argument of the topology.
Procedure     1. The client opens the sessions, one after the other, and sends a numbered message on each every
                 interval: to the server, or to a service that balancers place, whose servers send it back.
              2. The first firewall or balancer fails at an instant drawn at random over VRRP's interval, for as long as
                 TCP by theory may need to go on, and a second more. Then it is repaired.
Measurement   A session survives if a message of it arrived before the repair. Its stall is the longest time between two
              of its messages (messages.csv).
Expectation   The network is away for as long as VRRP needs (theory/vrrp.py). With shared state, or where the middle of
              a connection is picked up, every session goes on with TCP's next try after that (RFC 6298: each is twice
              as far away as the one before). Otherwise none does (theory/sessions.py): its packets belong to no
              connection that is known, and firewalls drop them; a balancer refuses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed import schemes, stats, theory
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment
from testbed.lab import steps
from testbed.measure.outage import load_probe, outage
from testbed.measure.raw import controller_trouble, event_of, read_json, read_timeline
from testbed.observe.messages import PORTS, connections, talking
from testbed.observe.messages import sessions as echoed
from testbed.spec import Balancer, Firewall, Topology, Vrrp
from testbed.theory import OutageBound, chain, gateways, sessions, vrrp

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

FAULTS = ("router_crash", "router_hang")
#: Which machines fail: those that there are, of a network with both the firewalls; or the ones that are named.
ANY, FIREWALLS, BALANCERS = "any", "firewalls", "balancers"
#: How long messages go before the earliest fault, how long they have to go on before the repair, and after it.
_BEFORE_S, _RESUMED_S, _AFTER_S = 1.0, 1.0, 1.0
#: Balancers of layer 4 tell each other of a connection some seconds after it began.
_TOLD_S = sessions.SYNC_TOLD_S + 1.0
#: What is taken for all sessions: as the firewalls tell each other of a connection after it has begun.
_ALL = 0.99
#: A round trip through the network, without its links' delay, takes less.
_SHORT_S = 0.002
_MOST = (len(PORTS), "each has a port of its own")


def _group(topology: Topology, of: Any) -> Firewall | Balancer:
    """What carries the sessions, and fails: of a network with both the firewalls, unless others are asked for."""
    return topology.balancers[0] if of == BALANCERS or not topology.firewalls else topology.firewalls[0]


def _shared(topology: Topology, of: Any) -> Vrrp:
    """The VRRP group of the machines that carry the sessions."""
    group = _group(topology, of)
    return topology.shared_by(group.machines if isinstance(group, Balancer) else group.routers)


def _stall_s(trial: Trial) -> float:
    """The longest stall by theory of a session that survives."""
    found = vrrp.outage(_shared(trial.topology, trial.case["of"]), str(trial.case["fault"]))
    away_s = found.limit_s if isinstance(found, OutageBound) else 0.0
    # Four links there and four back; through lines, two switches, firewalls and balancers ten there and seven back.
    links = 17 if trial.topology.firewalls and trial.topology.balancers else 8
    delay_s = links * trial.topology.links[0].delay_ms / 1e3
    return theory.longest_stall_s(away_s, _SHORT_S + delay_s)


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why no firewall or balancer can be replaced in that network, or no session begun; None if one can."""
    for of, found in ((FIREWALLS, topology.firewalls), (BALANCERS, topology.balancers)):
        if case["of"] == of and not found:
            return f"of={of}: topology {topology.name} has none"
    if not topology.firewalls and not topology.balancers:
        return f"topology {topology.name} has no group of firewalls or balancers"
    if len(_shared(topology, case["of"]).routers) < 2:
        return f"{_shared(topology, case['of']).routers[0]} is alone: no other one takes over"
    if topology.entry:
        return chain.unreached(topology, schemes.chosen(case).side)
    return gateways.blocked(topology, topology.client, topology.server)


def procedure(lab: Lab) -> None:
    """Inside: open the sessions, fail the first firewall or balancer, repair it."""
    interval_s, count = float(lab.case["message_interval_ms"]) / 1e3, int(lab.case["sessions"])
    group, shared = _group(lab.topology, lab.case["of"]), _shared(lab.topology, lab.case["of"])
    entry, balanced = lab.topology.entry, isinstance(group, Balancer)
    with (
        echoed(lab.network, lab.client, entry, count)
        if entry
        else connections(lab.network, [lab.pair] * count) as opened,
        talking(opened, interval_s, lab.raw / "messages.csv", clocks=lab.clocks),
    ):
        lab.sleep_until(lab.now() + (_TOLD_S if balanced else _BEFORE_S))
        steps.wait_random_phase(lab, shared.advert_ms / 1e3)
        with lab.fault(str(lab.case["fault"]), shared.ranked[0]):
            lab.sleep_until(lab.now() + _stall_s(lab.trial) + interval_s + _RESUMED_S)
        lab.sleep_until(lab.now() + _AFTER_S)


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    interval_s = float(trial.case["message_interval_ms"]) / 1e3
    timeline, flows = read_timeline(raw / "timeline.jsonl"), load_probe(raw / "messages.csv")
    begin_s, end_s = (event_of(timeline, "fault", edge)["t_s"] for edge in ("begin", "end"))
    during = [outage(flow, interval_s, begin_s, end_s) for flow in flows]
    stalls = sorted(each.outage_s for each in during if each.recovered)
    share, bound_s = len(stalls) / len(during), _stall_s(trial)
    group = _group(trial.topology, trial.case["of"])
    expected, why = sessions.survive_balancer(group) if isinstance(group, Balancer) else sessions.survive(group)
    kept = share >= _ALL and stalls[-1] <= bound_s + 2 * interval_s if expected else share == 0
    found = stats.summary(stalls)
    metrics: dict[str, Any] = {
        "sessions": len(during),
        "survivors": len(stalls),
        "surviving_share": round(share, 6),
        "survive_by_theory": expected,
        "why": why,
        "stall_s": round(stalls[-1], 9) if stalls else None,
        "median_stall_s": round(found.median, 9) if found else None,
        "stalls_s": [round(each, 9) for each in stalls],
        "bound_s": round(bound_s, 9) if expected else None,
        "broken": len(read_json(raw / "messages.json")["broken"]),
        "within_bound": bool(kept),
    }
    return Measured(metrics, warnings=tuple(controller_trouble(timeline)))


def stateful_failover() -> Experiment:
    """The experiment."""
    return Experiment(
        name="stateful_failover",
        title="Stateful failover",
        question="How many connections survive when the firewall or balancer that carries them fails?",
        topology="firewall_pair",
        factors=(
            Factor("fault", ("router_crash",), "what happens to the firewall or balancer that is master", known=FAULTS),
            schemes.FACTOR,
            Factor(
                "of", (ANY,), "which of both fails; any: firewalls if there are any", known=(ANY, FIREWALLS, BALANCERS)
            ),
            Factor("firewall_sync", ("ftfw", "none"), "what firewalls tell each other of connections", network=True),
            Factor("balancer_sync", (True, False), "whether balancers tell each other of connections", network=True),
            Factor("vrrp_advert_ms", (100,), "interval of VRRP's advertisements", network=True),
            Factor("sessions", (100,), "TCP connections from the client to the server", (20,), least=1, most=_MOST),
            Factor("message_interval_ms", (100.0,), "time between two messages of a session", least=1.0),
        ),
        procedure=procedure,
        measure=read,
        figures=(),
        repetitions=10,
        quick_repetitions=1,
        limit_s=300.0,
        primary="surviving_share",
        not_applicable=not_applicable,
    )
