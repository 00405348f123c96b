"""A multi-chassis LAG: how long does traffic stop when a part of it fails, and when that part returns?

Question      How long does traffic stop when a member, the peer link or one of the two switches of a multi-chassis LAG
              fails, and does its return interrupt the traffic again?
Factors       The element that fails, mode, lacp_rate, miimon_ms, and any other argument of the topology.
Procedure     1. h1 and h2, each connected to both switches by one LAG, send each other a UDP packet every probe
                 interval. So do h1 and h3, which is connected to s1 alone, unless s1 is to fail.
              2. At an instant drawn at random over the monitor's period the element fails: the cable of the member
                 that h1 sends on, all peer links, or a whole switch.
              3. One second after both ends must have detected the fault, the element is repaired. The trial continues
                 until every member carries traffic again.
Expectation   member, s1, s2: a host detects the loss of a switch as a loss of carrier: within one monitoring interval,
              and almost at once in modes that act on the carrier event. The switches' groups avoid a port that is down
              by themselves. peer_link: s2 leaves the LAGs. What h1 sends to h3 by way of s2 is lost until h1's bond
              has taken that member out, which takes one step of the driver's LACP machines (100 ms, of which the
              kernel makes 104 ms). The return costs almost nothing: a member is used once both ends collect.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import schemes
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.errors import SpecError
from testbed.experiment.experiment import Experiment
from testbed.faults import catalogue
from testbed.lab.steps import (
    BEFORE_S,
    carrying,
    far_end,
    noticed_s,
    period_s,
    probing_both_ways,
    wait_back,
    wait_random_phase,
)
from testbed.measure.failover import measure
from testbed.spec import Topology

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

#: What may fail: the fault and the element that it hits; none: the member in use.
ELEMENTS = {
    "member": ("carrier_loss", ""),
    "peer_link": ("peer_link_loss", "s1"),
    "s1": ("switch_crash", "s1"),
    "s2": ("switch_crash", "s2"),
}
_RESUMED_S, _AFTER_S = 1.0, 1.0
#: How long the LAGs are quiet before the fault: LACP sends three LACPDUs a second at the most (802.1AX, 6.4.16), and
#: the next one is to be sent at once.
_QUIET_S = 1.0


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why the element of a case cannot fail in that network; None if it can."""
    fault, element = ELEMENTS[str(case["element"])]
    member = topology.far(topology.bond(topology.client).members[0]).interface
    try:
        catalogue.checked(topology, fault, element or member, {})
    except SpecError as error:
        return f"element={case['element']}: {' '.join(str(error).split())}"
    return None


def procedure(lab: Lab) -> None:
    """Inside: probe, let one element fail, repair it."""
    what = str(lab.case["element"])
    fault, element = ELEMENTS[what]
    single = [host.name for host in lab.topology.hosts if host.bond is None and what != "s1"]  # s1 takes it along
    pairs = [lab.pair, *((lab.client, host) for host in single if host not in lab.pair)]
    with probing_both_ways(lab, float(lab.case["probe_interval_ms"]) / 1e3, pairs):
        used = carrying(lab, lab.client)
        lab.sleep_until(lab.now() + BEFORE_S + _QUIET_S)
        wait_random_phase(lab, period_s(lab, fault))
        with lab.fault(fault, element or far_end(lab, used)):
            lab.sleep_until(lab.now() + noticed_s(lab, fault) + _RESUMED_S)
        for host in lab.pair:
            wait_back(lab, host)
        lab.sleep_until(lab.now() + _AFTER_S)


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: a failover trial's metrics."""
    fault, _ = ELEMENTS[str(trial.case["element"])]
    interval_s = float(trial.case["probe_interval_ms"]) / 1e3
    return measure(raw, dataclasses.replace(trial, case={**trial.case, "fault": fault}), interval_s)


def mlag() -> Experiment:
    """The experiment."""
    return Experiment(
        name="mlag",
        title="Multi-chassis LAG",
        question="How long does traffic stop when a part of a multi-chassis LAG fails, and when it returns?",
        topology="mlag",
        factors=(
            Factor("mode", ("802.3ad",), "bonding mode of both hosts"),
            schemes.FACTOR,
            Factor("element", tuple(ELEMENTS), "what fails", known=tuple(ELEMENTS)),
            Factor("probe_interval_ms", (1.0,), "time between two probe packets of a flow", least=0.1),
        ),
        bonded=True,
        procedure=procedure,
        measure=read,
        figures=("outage", "ecdf", "lanes"),
        repetitions=10,
        quick_repetitions=2,
        limit_s=300.0,
        not_applicable=not_applicable,
    )
