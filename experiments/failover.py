"""Failover latency: how long does traffic stop when something that carries it fails, and when it comes back?

Question      How long is the outage that a constant-rate flow feels when the member link in use, its switch, a host or
              the controller fails in any way that there is, and does the repair disturb it again?
Factors       The bonding mode, the fault, what controls the switches, and anything that the topology lets vary
              (miimon_ms, arp_interval_ms, lacp_rate ...). Each parameter of a fault is a factor as well
              (`testbed list faults`), and so are element, what fails, and fault_s, for how long.
Procedure     1. Two bonded hosts send each other a UDP packet every millisecond, with sequence numbers. Where hashes
                 decide and can be foretold, both flows have ports that put them on one member of h1.
              2. The member of h1 that carries the traffic is found by the kernel's counters, not by theory. Unless
                 told otherwise, its cable fails, or the switch at its other end, or h1, or the controller.
              3. At an instant drawn at random over one period of what is to notice it (the link monitor, or LACP),
                 the fault strikes.
              4. When it has lasted longer than theory says that anybody needs to notice, it ends, and the trial goes
                 on until the members carry traffic again. A flow that has not resumed by then is censored. The loss of
                 what controls a switch lasts shorter than LACP needs to notice (experiments/controller_loss.py is
                 about longer ones).
Expectation   theory.failover_bound for each cell, with its source: carrier_loss evenly up to one period of the monitor
              (plus downdelay) in active-backup, nothing where the members are one LAG, because driver and switch act
              on the event itself; silent_loss with LACP until the later of the two ends has timed out, with the ARP
              monitor a few of its intervals. Where nothing notices, or nothing is left, the trial is censored and says
              why. Which hosts must still reach each other is what testbed/theory/reachability.py says.
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
from testbed.faults import catalogue
from testbed.lab import steps
from testbed.measure.failover import measure
from testbed.spec import MODES, Topology

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

#: How long the flows must have had to resume before the repair, and how long the trial goes on when all is well again.
_RESUMED_S, _AFTER_S = 1.0, 0.5
#: How long a trial goes on after whoever controls the switches was away: they try to connect again each second.
_RECONNECTED_S = 2.0
#: The loss of control: less than LACP's timeout less a period, rate fast.
_CONTROL = ("controller_crash", "controller_pause", "controller_cut", "switch_software_crash", "switch_restart")
_CONTROL_S = 1.5
#: So many of its periods a flapping link flaps, unless it is told how many.
_FLAPS = 5


def element_of(topology: Topology, fault: str, member: str) -> str:
    """What a fault befalls unless told otherwise, when ``member`` of h1 carries the traffic."""
    port = topology.link_of(member).other(member)[1]
    kind = catalogue.named(fault).element
    if kind == "cable" or kind == "any":
        return port
    return {"switch": topology.owner(port), "host": topology.client}.get(kind, catalogue.CONTROLLER)


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why the fault of a case cannot be in that network; None if it can. Errors: SpecError for bad parameters."""
    fault = str(case["fault"])
    bond = topology.host(topology.client).bond
    member = bond.members[0] if bond else topology.interfaces(topology.client)[0]
    element = str(case.get("element", "")) or element_of(topology, fault, member)
    if "controller" in catalogue.named(fault).element and not schemes.chosen(case).side.controller:
        return f"{fault}: with controller={case['controller']} no controller controls the switches"
    if fault == "lacp_loss" and (bond is None or bond.mode != "802.3ad"):
        return f"{fault}: mode {case['mode']} speaks no LACP"
    given = catalogue.valued(fault, catalogue.parameters_of(fault, case))
    try:
        catalogue.checked(topology, fault, element, given)
    except SpecError as error:
        return error.message
    return None


def _lasting_s(lab: Lab, fault: str, parameters: Mapping[str, Level]) -> float:
    """How long the fault lasts: until both ends of a link must have noticed it, and the flows have had their time."""
    if asked_s := float(lab.case.get("fault_s", 0.0)):
        return asked_s
    if fault in _CONTROL:
        return _CONTROL_S
    noticed_s = steps.noticed_s(lab, fault, **parameters) + _RESUMED_S
    if fault == "flapping":
        every = catalogue.valued(fault, parameters)
        # It ends in the middle of the carrier's presence: another flap that only just begins would say nothing.
        flaps = (int(every["count"]) or _FLAPS) - (1 - float(every["duty"])) / 2
        return flaps * float(every["period_ms"]) / 1e3
    return noticed_s


def procedure(lab: Lab) -> None:
    """Inside: probe, strike, repair."""
    fault = str(lab.case["fault"])
    parameters = catalogue.parameters_of(fault, lab.case)
    ports = steps.ports_of_one_member(lab)
    with steps.probing_both_ways(lab, float(lab.case["probe_interval_ms"]) / 1e3, source_ports=ports):
        element = str(lab.case.get("element", "")) or element_of(lab.topology, fault, steps.carrying(lab, lab.client))
        lab.sleep_until(lab.now() + steps.BEFORE_S)
        steps.wait_random_phase(lab, steps.period_s(lab, fault))
        with lab.fault(fault, element, **parameters):
            lab.sleep_until(lab.now() + _lasting_s(lab, fault, parameters))
        for host in lab.topology.hosts:
            if host.bond is not None:
                steps.wait_back(lab, host.name)
        away = fault in _CONTROL or fault == "switch_crash"
        lab.sleep_until(lab.now() + (_RECONNECTED_S if away else _AFTER_S))


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    return measure(raw, trial, interval_s=float(trial.case["probe_interval_ms"]) / 1e3)


def failover() -> Experiment:
    """The experiment."""
    return Experiment(
        name="failover",
        title="Failover latency",
        question="How long does traffic stop when something that carries it fails, and when it returns?",
        topology="single_switch",
        factors=(
            Factor("mode", ("active-backup", "802.3ad"), "bonding mode of both hosts", known=MODES),
            schemes.FACTOR,
            Factor("fault", ("carrier_loss",), "what goes wrong", known=tuple(catalogue.FAULTS)),
            Factor("probe_interval_ms", (1.0,), "time between two probe packets of a flow", least=0.1),
        ),
        options=(
            Factor("element", ("",), "what fails, by name; none: what carries the traffic of h1"),
            Factor("fault_s", (0.0,), "how long the fault lasts; 0: until it must have been noticed", least=0.0),
            *catalogue.OPTIONS,
        ),
        procedure=procedure,
        measure=read,
        figures=("outage", "ecdf", "matrix", "split", "lanes"),
        repetitions=20,
        quick_repetitions=1,
        limit_s=300.0,
        not_applicable=not_applicable,
    )
