"""Messages through a failure: how long does an application wait that sends a small message every few milliseconds?

Question      TCP and Multipath TCP hide a failure from an application but for the time that it takes. How long does no
              message arrive, when the link that carries them fails, and is any lost?
Factors       The mode (`mptcp`: the connections are of Multipath TCP), the fault, what controls the switches, the time
              between two messages, and any other argument of the topology. Each parameter of a fault is a factor as
              well.
Procedure     1. The client and the server have a connection each to the other, and send a numbered message on it every
                 interval, whether or not the connection takes it at once (testbed/observe/messages.py).
              2. The member of the client that sends most is found by the kernel's counters.
              3. Its link fails at an instant drawn at random over one period of the mechanism that detects the fault.
              4. The fault lasts until TCP must have gone on by theory, or where nothing says when, for twelve seconds.
                 Then the link is repaired.
Measurement   Both ends' times of every message (messages.csv). The outage is the longest time between two messages that
              arrived, as an application sees it, as of any probe (RFC 6414, 3.6.3).
Expectation   TCP: the path is away as long as the experiment failover says; then the sender's next try gets through
              (theory.longest_stall_s; RFC 8985, RFC 6298), with the receiver's delayed acknowledgement of 40 ms in the
              round-trip time. PRP and HSR: nothing. Multipath TCP: data go on by another subflow after one to five of
              its retransmission timers of 200 ms and a round-trip time (testbed/theory/multipath.py), whether or not a
              link lost its carrier.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.failover import element_of, not_applicable
from testbed import schemes, theory
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment
from testbed.faults import catalogue
from testbed.lab import steps
from testbed.measure.detection import first_taken_out, since
from testbed.measure.outage import delay, load_probe, outage
from testbed.measure.prediction import predict
from testbed.measure.raw import controller_trouble, event_of, find, not_aggregated, read_json, read_timeline
from testbed.observe.messages import connections, talking
from testbed.spec import Topology
from testbed.spec.bond import EVERY_MODE

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

#: How long messages go before the earliest fault, how long they have to go on before the repair, and after it.
_BEFORE_S, _RESUMED_S, _AFTER_S = 1.0, 1.0, 1.0
#: How long a fault lasts where nothing says when messages go on.
_UNBOUNDED_S = 12.0
#: How long a receiver waits with an acknowledgement (Linux: TCP_DELACK_MIN) if messages come twice as often or more.
_DELAYED_MS = 40
_MOST_INTERVAL_MS = 20.0
#: A round trip of a short segment without its links' delay takes less than this.
_SHORT_S = 0.001


def _longest_s(trial: Trial, path: theory.OutageBound | None) -> float | None:
    """The longest time without a message by theory, when the path is away for at most so long; None: unknown.

    Of Multipath TCP ``path`` is what it takes to go on by another subflow, where links have no delay.
    """
    if path is None or path.limit_s == 0:
        return None if path is None else 0.0
    topology = trial.topology
    round_trip_s = theory.monitor_period_s(_DELAYED_MS) + 4 * _delay_s(topology) + _SHORT_S
    bonds = [bond for host in topology.pair if (bond := topology.host(host).bond) is not None]
    if any(bond.driver == "mptcp" for bond in bonds):
        found = [theory.handover(bond, "silent_loss", round_trip_s) for bond in bonds]
        return max(each.limit_s for each in found if isinstance(each, theory.OutageBound))
    return theory.longest_stall_s(path.limit_s, round_trip_s)


def _delay_s(topology: Topology) -> float:
    """The delay of the client's first link."""
    return topology.link_of(topology.members(topology.client)[0]).delay_ms / 1e3


def procedure(lab: Lab) -> None:
    """Inside: send messages both ways, inject the fault, repair."""
    sent(lab)


def sent(lab: Lab) -> str:
    """Send messages while the fault of the case is injected and repaired; the element that failed."""
    fault, (client, server) = str(lab.case["fault"]), lab.pair
    parameters = catalogue.parameters_of(fault, lab.case)
    interval_s = float(lab.case["message_interval_ms"]) / 1e3
    with (
        connections(lab.network, [(client, server), (server, client)]) as opened,
        talking(opened, interval_s, lab.raw / "messages.csv", clocks=lab.clocks),
    ):
        lab.sleep_until(lab.now() + _BEFORE_S)
        element = str(lab.case.get("element", "")) or element_of(lab.topology, fault, steps.carrying(lab, client))
        steps.wait_random_phase(lab, steps.period_s(lab, fault))
        with lab.fault(fault, element, **parameters):
            lab.sleep_until(lab.now() + _lasting_s(lab, fault, parameters))
        steps.wait_back(lab, client)
        lab.sleep_until(lab.now() + _AFTER_S)
    return element


def _lasting_s(lab: Lab, fault: str, parameters: Mapping[str, Level]) -> float:
    if asked_s := float(lab.case.get("fault_s", 0.0)):
        return asked_s
    bond = lab.topology.host(lab.client).bond
    if bond is not None and bond.driver == "mptcp":
        longest_s = _longest_s(lab.trial, theory.failover_bound(bond, fault, parameters=parameters))
        return _UNBOUNDED_S if longest_s is None else longest_s + _RESUMED_S
    noticed_s = steps.noticed_s(lab, fault, parameters)
    return theory.longest_stall_s(noticed_s, theory.monitor_period_s(_DELAYED_MS)) + _RESUMED_S


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    interval_s = float(trial.case["message_interval_ms"]) / 1e3
    timeline, flows = read_timeline(raw / "timeline.jsonl"), load_probe(raw / "messages.csv")
    begin, end = (event_of(timeline, "fault", edge) for edge in ("begin", "end"))
    last_s = min(float(flow.sent_s[-1]) for flow in flows)
    during = {flow.name: outage(flow, interval_s, begin["t_s"], end["t_s"]) for flow in flows}
    after = [outage(flow, interval_s, end["t_s"], last_s) for flow in flows]
    worst = max(during.values(), key=lambda each: each.outage_s)
    predicted = predict(trial, begin, end, answered=find(timeline, "network", "not_aggregated") is None)
    bound_s = _longest_s(trial, predicted.bound)
    resumed = all(each.recovered for each in during.values())
    delays = [found for flow in flows if (found := delay(flow, begin["t_s"], end["t_s"]).max_s) is not None]
    broken = read_json(raw / "messages.json")["broken"]
    metrics: dict[str, Any] = {
        "outage_s": round(worst.outage_s, 9),
        "reversion_outage_s": round(max(each.outage_s for each in after), 9),
        "delay_during_max_s": round(max(delays), 9) if delays else None,
        "lost": sum(flow.lost for flow in flows),
        "broken": len(broken),
        "noticed_s": since(begin, first_taken_out(timeline, begin["t_s"], end["t_s"])),
        "path_bound_s": None if predicted.bound is None else round(predicted.bound.bound_s, 9),
        "bound_s": None if bound_s is None else round(bound_s, 9),
        "why_no_bound": None if bound_s is not None else predicted.why or "theory has none",
        "within_bound": None if bound_s is None else resumed and worst.outage_s <= bound_s + 2 * interval_s,
        "connected": resumed,
        "connected_by_theory": predicted.connected,
        "flows": {name: {"outage_s": round(each.outage_s, 9), "lost": each.lost} for name, each in during.items()},
    }
    warnings = (*not_aggregated(timeline), *controller_trouble(timeline))
    if broken:
        text = "; ".join(f"{name}: {why}" for name, why in broken.items())
        return Measured(metrics, "censored", f"a connection broke: {text}", warnings)
    if not resumed:
        stopped = ", ".join(name for name, each in during.items() if not each.recovered)
        why = f": {predicted.why}" if predicted.why else ""
        return Measured(metrics, "censored", f"no message of {stopped} arrived before the repair{why}", warnings)
    return Measured(metrics, warnings=warnings)


def messages() -> Experiment:
    """The experiment."""
    return Experiment(
        name="messages",
        title="Messages through a failure",
        question="How long does no message arrive that an application sends over TCP or Multipath TCP?",
        topology="two_ways",
        factors=(
            Factor("mode", ("active-backup", "802.3ad", "mptcp"), "mode of both hosts", known=EVERY_MODE),
            schemes.FACTOR,
            Factor("fault", ("carrier_loss",), "the fault that is injected", known=catalogue.OF_LINKS),
            Factor(
                "message_interval_ms",
                (5.0,),
                "time between two messages of a connection",
                least=0.1,
                most=(_MOST_INTERVAL_MS, "then acknowledgements would wait longer than 40 ms, and the law be another"),
            ),
        ),
        options=(
            Factor("element", ("",), "what fails, by name; none: the member of the client that sends most"),
            Factor("fault_s", (0.0,), "how long the fault lasts; 0: until messages must go on again", least=0.0),
            *catalogue.options_of(catalogue.OF_LINKS),
        ),
        procedure=procedure,
        measure=read,
        figures=("outage", "ecdf", "matrix"),
        repetitions=20,
        quick_repetitions=1,
        limit_s=300.0,
        messages=True,
        not_applicable=not_applicable,
        both_ways=True,
    )
