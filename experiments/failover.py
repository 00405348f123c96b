"""Failover latency: how long does traffic stop when an element that carries it fails, and when it returns?

Question      How long is the outage of a constant-rate flow when the member link in use, its switch, a host or the
              controller fails, by any fault of the catalogue, and does the repair interrupt the flow again?
Factors       The bonding mode, the fault, what controls the switches, and any other argument of the topology
              (miimon_ms, arp_interval_ms, lacp_rate ...). Each parameter of a fault is a factor as well
              (`testbed list faults`), and so are element (what fails) and fault_s (for how long).
Procedure     1. The client and the server send each other a UDP packet every probe interval, with sequence numbers.
                 Where hashes decide and can be predicted, the ports are chosen so that both flows use one member of
                 the client.
              2. The member of the client that carries the traffic is found by the kernel's counters, not by theory.
                 Depending on the fault, it hits by default this member's cable, the switch at the other end, the
                 client, or the controller. If the client has no bond, and its switch several links to others, it
                 hits the one that carries the traffic, or the switch behind it.
              3. The fault begins at an instant drawn at random over one period of the mechanism that detects it (the
                 link monitor, or LACP).
              4. The fault ends one second after both ends must have detected it by theory. The trial continues until
                 the members carry traffic again. A flow that has not resumed before the repair is censored. A fault of
                 the controller or of a switch's software is shorter than LACP needs to detect it
                 (experiments/controller_loss.py has longer ones).
Expectation   theory.failover_bound for each case, with its source. carrier_loss: at most one monitoring interval (plus
              downdelay); modes that hash may be faster, because the driver takes the member out on the carrier event
              itself. silent_loss: with LACP between two of its periods and its timeout, with the ARP monitor a few of
              its intervals. Where no mechanism detects the fault, or no path is left, the trial is censored with the
              reason. testbed/theory/reachability.py computes which hosts must still reach each other.
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
from testbed.spec import Topology
from testbed.spec.bond import EVERY_MODE
from testbed.theory import trunks, ways

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

#: How long the flows have to resume before the repair, and how long the trial continues after the recovery.
_RESUMED_S, _AFTER_S = 1.0, 0.5
#: How long a trial continues after the controller was away: switches try to reconnect each second.
_RECONNECTED_S = 2.0
#: How long the loss of control lasts: less than LACP's timeout minus one period, rate fast.
_CONTROL = ("controller_crash", "controller_pause", "controller_cut", "switch_software_crash", "switch_restart")
_CONTROL_S = 1.5
#: How many periods a link flaps by default.
_FLAPS = 5


def element_of(topology: Topology, fault: str, member: str) -> str:
    """The element that a fault hits by default, when ``member`` of the client carries the traffic."""
    port = topology.link_of(member).other(member)[1]
    kind = catalogue.named(fault).element
    if kind == "cable" or kind == "any":
        return port
    return {"switch": topology.owner(port), "host": topology.client}.get(kind, catalogue.CONTROLLER)


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why the fault of a case does not apply to that network; None if it does. Errors: SpecError for bad parameters."""
    fault = str(case["fault"])
    bond = topology.host(topology.client).bond
    member = next(iter(ways.onward(topology, topology.client) or topology.members(topology.client)))
    element = str(case.get("element", "")) or element_of(topology, fault, member)
    if "controller" in catalogue.named(fault).element and not schemes.chosen(case).side.controller:
        return f"{fault}: with controller={case['controller']} no controller controls the switches"
    if fault == "none" and case.get("element"):
        return f"element={case['element']}: fault none fails no element"
    if fault == "lacp_loss" and (bond is None or bond.mode != "802.3ad"):
        return f"{fault}: mode {bond.mode} speaks no LACP" if bond else f"{fault}: {topology.client} has no bond"
    if lacks := catalogue.not_taken(fault, case):
        return lacks
    given = catalogue.valued(fault, catalogue.parameters_of(fault, case))
    try:
        catalogue.checked(topology, fault, element, given)
    except SpecError as error:
        return error.message
    return None


def lasting_s(lab: Lab, fault: str, element: str, parameters: Mapping[str, Level]) -> float:
    """How long the fault lasts: until both ends of a link must have detected it, and the flows had time to resume."""
    if asked_s := float(lab.case.get("fault_s", 0.0)):
        return asked_s
    if fault in _CONTROL:
        return _CONTROL_S
    noticed_s = steps.noticed_s(lab, fault, parameters, element) + _RESUMED_S
    if fault == "flapping":
        every = catalogue.valued(fault, parameters)
        # It ends in the middle of a time with carrier: a flap that has only just begun would show nothing.
        flaps = (int(every["count"]) or _FLAPS) - (1 - float(every["duty"])) / 2
        return flaps * float(every["period_ms"]) / 1e3
    return noticed_s


def _in_use(lab: Lab, direction: Level) -> str:
    """The client's member that carries the traffic, in the ``direction`` that the fault hits; without a bond, and with
    several ways on, the port to the next switch that does."""
    if ways.onward(lab.topology, lab.client):
        return steps.way_in_use(lab)
    sends = lab.scheme.side.groups and direction != "to_host"
    return (steps.carrying if sends else steps.receiving)(lab, lab.client)


def procedure(lab: Lab) -> None:
    """Inside: probe, inject the fault, repair."""
    probed(lab)


def probed(lab: Lab) -> str:
    """Probe while the fault of the case is injected and repaired; the element that failed."""
    fault = str(lab.case["fault"])
    parameters = catalogue.parameters_of(fault, lab.case)
    with steps.probing_exposed(lab, float(lab.case["probe_interval_ms"]) / 1e3):
        # Where the switch cannot be asked, a flow to the server is on every member: those back decide which one fails.
        element = str(lab.case.get("element", "")) or element_of(
            lab.topology, fault, _in_use(lab, parameters.get("direction", ""))
        )
        lab.sleep_until(lab.now() + steps.BEFORE_S)
        steps.wait_random_phase(lab, steps.period_s(lab, fault, element))
        with lab.fault(fault, element, **parameters):
            lab.sleep_until(lab.now() + lasting_s(lab, fault, element, parameters))
        recovered(lab, fault)
    return element


def recovered(lab: Lab, fault: str) -> None:
    """Wait until all members carry traffic again after a fault, and until what was cut off is connected again."""
    for host in lab.topology.hosts:
        if host.bond is not None:
            steps.wait_back(lab, host.name)
    away = fault in _CONTROL or fault == "switch_crash"
    side = lab.scheme.side
    back_s = trunks.back_s(lab.topology, side) if ways.onward(lab.topology, lab.client) else 0.0
    after_s = max(_RECONNECTED_S if away else _AFTER_S, ways.settled_s(side, fault), back_s)
    lab.sleep_until(lab.now() + after_s)


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    return measure(raw, trial, interval_s=float(trial.case["probe_interval_ms"]) / 1e3)


def failover() -> Experiment:
    """The experiment."""
    return Experiment(
        name="failover",
        title="Failover latency",
        question="How long does traffic stop when an element that carries it fails, and when it returns?",
        topology="single_switch",
        factors=(
            Factor("mode", ("active-backup", "802.3ad"), "mode of both hosts", known=EVERY_MODE),
            schemes.FACTOR,
            Factor("fault", ("carrier_loss",), "the fault that is injected", known=catalogue.OF_LINKS),
            Factor("probe_interval_ms", (1.0,), "time between two probe packets of a flow", least=0.1),
        ),
        options=(
            Factor("element", ("",), "what fails, by name; none: what carries the traffic of the client"),
            Factor("fault_s", (0.0,), "how long the fault lasts; 0: until it must have been detected", least=0.0),
            *catalogue.options_of(catalogue.OF_LINKS),
        ),
        procedure=procedure,
        measure=read,
        figures=("outage", "ecdf", "matrix", "split", "lanes"),
        repetitions=20,
        quick_repetitions=1,
        limit_s=300.0,
        not_applicable=not_applicable,
        both_ways=True,
    )
