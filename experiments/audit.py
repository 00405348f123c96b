"""Audit: which elements of a network are single points of failure, and how long is the outage when another one fails?

Question      When one element fails permanently (a link, an interface, a router, a server, a switch, the controller),
              can the protected hosts still reach each other, and how long is the outage until they do?
Factors       The element; two that fail at once are joined by a plus sign. `testbed audit TOPOLOGY` takes every element
              in turn. The controller is killed and started again after controller_down_s, as a process supervisor
              does; a switch's connection to it (c0-s1) is away for as long. A time beyond LACP's timeout shows what
              then happens to the LAGs, and to a host on a switch that alone has lost the controller.
Procedure     1. Constant-rate UDP probes run both ways between the protected hosts (of more than three, between each
                 and the next), from several ports, so that hashes spread them over the members.
              2. At an instant drawn at random over one period of the link monitor, the element fails.
              3. After the longest outage that theory allows, single datagrams test which hosts still reach each other,
                 on all ports. The network has survived if all of them arrive between the protected hosts, and all
                 probes have resumed.
              4. The element is repaired. The probes continue until every bond is complete again.
              Of a topology with a web service, requests of its client take the place of probes and datagrams: the
              service has survived if those of the last 250 ms before the repair are answered within 500 ms.
Expectation   testbed/theory/reachability.py, of a web service testbed/theory/chain.py, computes from the specification
              alone what goes on; every trial records whether it agrees. The outage keeps the bound of what notices it:
              the hosts' monitor, VRRP, BFD, health checks.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed import schemes
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.errors import SpecError
from testbed.experiment.experiment import Experiment
from testbed.faults.elements import Element, named
from testbed.lab import steps
from testbed.measure.audit import by_probes, by_requests
from testbed.measure.raw import controller_trouble, not_aggregated, read_timeline
from testbed.observe.probe import Flow, probing
from testbed.observe.reach import reaching
from testbed.observe.requests import check
from testbed.spec import Topology
from testbed.theory import chain, gateways, reachability, redundancy

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

#: Flows of each pair of hosts and direction.
_FLOWS = 4
#: Ports of receivers and senders, so chosen that layer3+4 spreads the flows of a pair over two or four members: the
#: places in _SPREAD differ from their own numbers in all four ways that two bits can.
_TO_PORT, _FROM_PORT = 8192, 12288
_SPREAD = (0, 2, 3, 1)
#: Up to this many hosts are probed each with each other; of more, each with the next.
_MESH_HOSTS = 3
#: Before a failure LACP has been quiet for more than a second: it sends three LACPDUs in one at the most (IEEE
#: 802.1AX-2014, 6.4.16), and the next is to be sent at once.
_BEFORE_S, _RESUMED_S, _AFTER_S = 1.2, 0.5, 0.3
_REJOIN_DEADLINE_S = 15.0
#: How long the client of a web service waits for an answer.
_TIMEOUT_S = 2.0
#: How long an element is down where theory gives no bound.
_UNKNOWN_S = 1.0

#: The fault that is injected into each kind of element (testbed.faults.catalogue), with its parameters.
FAULTS: dict[str, tuple[str, dict[str, str]]] = {
    "link": ("carrier_loss", {}),
    "member": ("carrier_loss", {}),
    "interface": ("carrier_loss", {"side": "host"}),
    "node": ("host_reboot", {}),
    **dict.fromkeys(("router", "balancer", "server"), ("router_crash", {})),
    "switch": ("switch_crash", {}),
    "controller": ("controller_crash", {}),
    "control": ("controller_cut", {}),
}


def probed_pairs(topology: Topology) -> list[tuple[str, str]]:
    """The pairs of protected hosts between which probes run."""
    hosts = topology.protected_hosts()
    if len(hosts) <= _MESH_HOSTS:
        return list(itertools.combinations(hosts, 2))
    return list(zip(hosts, [*hosts[1:], hosts[0]], strict=True))


def failing(topology: Topology, case: Any) -> list[Element]:
    """The elements that fail in a case. Errors: SpecError for one that the topology does not have."""
    return [named(topology, name, schemes.chosen(case).side) for name in str(case["element"]).split("+")]


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why the element of a case cannot fail in that network; None if it can."""
    try:
        failing(topology, case)
    except SpecError as error:
        return f"{error.message} (testbed audit TOPOLOGY takes every element in turn)"
    if topology.entry:
        try:
            check(float(case["probe_interval_ms"]) / 1e3, _TIMEOUT_S)
        except SpecError as error:
            return error.message
        return chain.unreached(topology, schemes.chosen(case).side)
    pairs = probed_pairs(topology)
    return next((why for pair in pairs if (why := gateways.blocked_either_way(topology, *pair))), None)


def _expected(topology: Topology, case: Any) -> dict[reachability.Pair, reachability.Expectation]:
    names = [element.name for element in failing(topology, case)]
    down_s = float(case["controller_down_s"])
    return redundancy.expected(topology, names, side=schemes.chosen(case).side, controller_down_s=down_s)


def _lasting_s(topology: Topology, case: Any) -> float:
    """How long the elements are down: until the slowest monitor has detected it, and some more."""
    elements = failing(topology, case)
    bound = reachability.longest_bound(_expected(topology, case), topology.ends())
    lasting_s = _UNKNOWN_S if bound is None else bound.limit_s
    if any(element.kind in ("controller", "control") for element in elements):
        lasting_s = max(lasting_s, float(case["controller_down_s"]))
    return lasting_s + _RESUMED_S


def lasts_s(case: Mapping[str, Level], topology: Topology) -> float:
    """About how long a trial lasts on its own clock, in seconds."""
    return _BEFORE_S + _lasting_s(topology, case) + _AFTER_S


def procedure(lab: Lab) -> None:
    """Inside: probe, let the elements fail, test which hosts reach each other, repair."""
    (_asked if lab.topology.entry else _probed)(lab)


def _probed(lab: Lab) -> None:
    topology, interval_s = lab.topology, float(lab.case["probe_interval_ms"]) / 1e3
    hosts = [host.name for host in topology.hosts]
    pairs = list(itertools.combinations(hosts, 2)) if len(hosts) <= 16 else probed_pairs(topology)
    with contextlib.ExitStack() as stack:
        reach = stack.enter_context(reaching(lab.network, hosts, _FLOWS))
        flows = _flows(lab, stack)
        with probing(flows, interval_s, lab.raw / "probe.csv", clocks=lab.clocks, tail_s=0.1):
            with _failed(lab):
                lost = reach.lost(pairs)
            lab.write("reach.json", [{"pair": list(pair), "lost": count} for pair, count in lost.items()])
            _wait_back(lab)


def _asked(lab: Lab) -> None:
    """The same for a web service: requests of its client instead of probes."""
    interval_s = float(lab.case["probe_interval_ms"]) / 1e3
    with steps.asking(lab, interval_s, timeout_s=_TIMEOUT_S):
        with _failed(lab):
            pass
        _wait_back(lab)


@contextlib.contextmanager
def _failed(lab: Lab) -> Iterator[None]:
    """The elements fail; the block runs once what by theory goes on must have gone on; then they are repaired."""
    elements = failing(lab.topology, lab.case)
    lab.sleep_until(lab.now() + _BEFORE_S)
    steps.wait_random_phase(lab, steps.longest_period_s(lab))
    with contextlib.ExitStack() as broken:
        for element in elements:
            fault, parameters = FAULTS[element.kind]
            broken.enter_context(lab.fault(fault, element.hit, **parameters))
        lab.sleep_until(lab.now() + _lasting_s(lab.topology, lab.case))
        yield


def _wait_back(lab: Lab) -> None:
    """Wait until all bonds carry on all members again."""
    for host in lab.topology.hosts:
        lab.wait_carrying(host.name, _REJOIN_DEADLINE_S)
    lab.sleep_until(lab.now() + _AFTER_S)


def _flows(lab: Lab, stack: contextlib.ExitStack) -> list[Flow]:
    flows: list[Flow] = []
    for a, b in probed_pairs(lab.topology):
        for source, target in ((a, b), (b, a)):
            for number in range(_FLOWS):
                first = 2 * len(_SPREAD) * (len(flows) // len(_SPREAD))
                sender, receiver = (stack.enter_context(lab.network.socket(host)) for host in (source, target))
                sender.bind(("", _FROM_PORT + first + 2 * _SPREAD[number]))
                receiver.bind(("", _TO_PORT + first + 2 * number))
                address = (lab.topology.host(target).ip, _TO_PORT + first + 2 * number)
                flows.append(Flow(f"{source}>{target}:{number}", sender, receiver, address))
    return flows


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: whether the protected hosts still reached each other, their outages, and whether theory agrees."""
    topology, case = trial.topology, trial.case
    interval_s = float(case["probe_interval_ms"]) / 1e3
    elements, expected = failing(topology, case), _expected(topology, case)
    timeline = read_timeline(raw / "timeline.jsonl")
    begin_s = min(line["t_s"] for line in timeline if line["source"] == "fault" and line["event"] == "begin")
    end_s = min(line["t_s"] for line in timeline if line["source"] == "fault" and line["event"] == "end")
    look = by_requests if topology.entry else by_probes
    seen = look(raw, topology, expected, begin_s, end_s, interval_s=interval_s)
    must = reachability.must_connect(expected, topology.ends())
    # Where it is not known whether they reach each other, nor is how soon.
    bound = reachability.longest_bound(expected, topology.ends()) if must else None
    metrics = {
        "element": "+".join(element.name for element in elements),
        "kind": "+".join(element.kind for element in elements),
        "survived": seen.survived,
        "outage_s": round(seen.outage_s, 9),
        "return_outage_s": round(seen.return_outage_s, 9),
        "lost": seen.lost,
        "apart": seen.apart,
        "expected_connected": must,
        "agrees_with_oracle": reachability.agrees(must, seen.survived),
        "oracle_differs": seen.differs,
        "bound_s": None if bound is None else round(bound.bound_s, 9),
        "within_bound": None if bound is None else seen.survived and bound.holds(seen.outage_s, interval_s, low=False),
    }
    warnings = (*not_aggregated(timeline), *controller_trouble(timeline))
    if not seen.survived:
        names = ", ".join(seen.apart) or "a probe's flow"
        return Measured(metrics, "censored", f"not before the repair: {names}", warnings)
    return Measured(metrics, warnings=warnings)


def audit() -> Experiment:
    """The experiment."""
    return Experiment(
        name="audit",
        title="Single points of failure",
        question="Which elements are single points of failure, and how long is the outage when another one fails?",
        topology="mlag",
        factors=(
            Factor(
                "element",
                ("s1",),
                "what fails: a link, an interface, a node, a switch, c0, c0-s1; two are joined by a plus",
            ),
            schemes.FACTOR,
            Factor("controller_down_s", (1.5,), "time after which a killed controller is started again", least=0.0),
            Factor("probe_interval_ms", (5.0,), "time between two probe packets of a flow", least=0.1),
        ),
        procedure=procedure,
        lasts_s=lasts_s,
        measure=read,
        figures=("elements",),
        limit_s=200.0,
        not_applicable=not_applicable,
    )
