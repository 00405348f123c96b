"""Gateway redundancy: how long is the way out of a subnet lost when the router that leads it fails?

Question      How long until another router of a VRRP group has the virtual address, and how long does traffic stop?
Factors       What fails, and how: the router loses power or hangs, its daemon ends in order, is killed or halted, what
              it says by VRRP is lost while it lives (split brain), the cable on one side is pulled, or loses
              frames at random, as one that is overloaded does (loss_percent); it loses power, and what the next router
              first announces is lost (gratuitous ARP). The interval of VRRP's advertisements, and any other argument
              of the topology (vrrp_priorities, vrrp_preempt, vrrp_bfd_ms ...).
Procedure     1. The client and the server, in different subnets, send each other a UDP packet every probe interval,
                 or one side does, where firewalls let the other begin nothing. Where the routers serve several
                 tenants, each in a VRF (`tenants`), the others' hosts do so, too, and the client sends to theirs.
              2. One trial injects many faults in one network, each on the best router, at an instant drawn at random
                 over a whole interval of the advertisements.
              3. A fault lasts until by theory the next router must have taken over, and the flows had time to resume.
                 Then it is repaired, and the next one follows once the router is master again, or, without preemption,
                 the other way round.
Measurement   Take-over: from the fault to the first gratuitous ARP for the client's gateway on the link of another
              router. Outage: the longest gap of either flow. Reversion: the same when the router returns. Of other
              tenants the outage, and how many packets went from one tenant to another.
Expectation   theory/vrrp.py, from RFC 5798: the master says every A that it lives; a backup waits for 3A and its skew.
              At a random instant the last word is up to A old, so the take-over is uniform in (2A + skew, 3A + skew].
              A router that ends in order says so: the skew is left. A kernel that forwards on loses nothing. A router
              that hung is master again at once and announces nothing: hosts stay with the other, which forwards.
              Where each advertisement is lost with the probability p, the other router is master beside the best one
              after each run of three or more that are lost, p^3 (1 - p) for each that is sent.
              With BFD the other router waits for BFD's packets instead (RFC 5880), and 30 ms and its skew more.
              Where the first announcements are lost, hosts learn of the new master by the second ones, 5 s later. A
              tenant whose master is another router notices nothing, and no packet leaves its VRF.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import schemes
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.emulation.waiting import wait_for
from testbed.experiment.experiment import Experiment
from testbed.faults import catalogue
from testbed.lab import steps
from testbed.measure import gateway as measured
from testbed.observe.probe import flows, probing
from testbed.spec import Topology, Vrrp
from testbed.theory import gateways, vrrp

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

FAULTS = (
    "router_crash",
    "router_hang",
    "split_brain",
    "announcement_loss",
    "service_stop",
    "service_crash",
    "service_pause",
    "carrier_loss",
    "lossy",
)
#: What a trial has left for its network to start, in seconds.
_START_S = 400.0
#: So many Advertisements are sent while some are lost at random.
_ADVERTS = measured.ADVERTS
#: The options of such a cable, and of announcements that are lost.
_OPTIONS = tuple(
    option for option in catalogue.OPTIONS if option.name in ("loss_percent", "loss_direction", "announcement_lost_ms")
)
#: How long the flows have to resume before the repair, and how long the network rests after the return.
_RESUMED_S, _AFTER_S = 0.5, 0.5
#: Over how many intervals of BFD the instant of a fault is drawn.
_INTERVALS = 4
#: How long a router may take to be master again, beside what VRRP waits for.
_BACK_S = 10.0
#: The longest trial, in seconds of its own clock.
_LIMIT_S = 7200.0


def _element(topology: Topology, fault: str) -> str:
    """What a fault hits of the best router: the router, its daemon, or its cable on the client's side."""
    router = measured.best(topology)
    if fault.startswith("service_"):
        return f"{router}:keepalived"
    near = topology.host(topology.client).subnet
    return topology.attachment(router, near).interface if fault in ("carrier_loss", "lossy") else router


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why no router can be replaced in that network; None if one can."""
    if not topology.vrrp:
        return f"topology {topology.name} has no VRRP group"
    group = measured.group_of(topology)
    if len(group.routers) < 2:
        return (
            "vrrp_priorities has one number: the group has one router, and no other to take over; join numbers by '+':"
            " --set vrrp_priorities=200+100"
        )
    if topology.host(topology.client).gateway not in group.ips:
        return f"the gateway of {topology.client} is no address of the VRRP group: no traffic of its goes through it"
    if why := gateways.parted(topology, *topology.pair):
        return why
    if lacks := catalogue.not_taken(str(case["fault"]), case):
        return lacks
    each_s = _each_s(group, case) + _back_s(group)
    if int(case["faults"]) * each_s > _LIMIT_S - _START_S:
        return (
            f"faults={case['faults']}: each takes up to {each_s:.0f} s, and a trial lasts {_LIMIT_S:g} s or less; type:"
            f" --set faults={int((_LIMIT_S - _START_S) / each_s)}"
        )
    best = measured.best(topology)
    if case["fault"] == "lossy" and best not in {router.name for router in topology.lone_routers}:
        return f"{best} has a bond: what it says by VRRP goes by a member that a hash chooses"
    if best not in {router.name for router in topology.lone_routers}:
        if case["fault"] == "carrier_loss":
            return f"{best} has a bond: it keeps its addresses when it loses one member"
        if int(case["faults"]) > 1:
            return (
                f"{best} has a bond: while LACP begins anew no host hears what it announces at its return, and traffic"
                " stays with the other router (docs/services.md); type: --set faults=1"
            )
    if not group.preempt:
        return "vrrp_preempt=false: the router that returns stays backup, and a second fault of it moves nothing"
    return None


def lasts_s(case: Mapping[str, Level], topology: Topology) -> float:
    """About how long a trial lasts on its own clock, in seconds."""
    group = measured.group_of(topology)
    back_s = group.advert_ms / 1e3 + group.preempt_delay_s + group.startup_delay_s + _AFTER_S
    return steps.faults_last_s(case, period_s=_draws_s(group), lasts_s=_each_s(group, case), after_s=back_s)


def _draws_s(group: Vrrp) -> float:
    """Over how long a fault's instant is drawn. BFD's packets are random, too: one interval after a session began would
    not show all phases alike."""
    return vrrp.period_s(group) * (_INTERVALS if group.bfd_ms else 1)


def _each_s(group: Vrrp, case: Mapping[str, Level]) -> float:
    """How long each fault lasts."""
    fault = str(case["fault"])
    if fault == "lossy":
        return _ADVERTS * group.advert_ms / 1e3
    given = catalogue.parameters_of(fault, case)
    laws = [vrrp.takeover(group, fault, given), vrrp.outage(group, fault, given)]
    return max(steps.UNNOTICED_S if isinstance(each, str) else each.limit_s for each in laws) + _RESUMED_S


def _back_s(group: Vrrp) -> float:
    """How long the best router may take to be master again."""
    return _BACK_S + 4 * group.advert_ms / 1e3 + group.preempt_delay_s + group.startup_delay_s


def procedure(lab: Lab) -> None:
    """Inside: fail the best router again and again, with probes between client and server."""
    fault, group = str(lab.case["fault"]), measured.group_of(lab.topology)
    element = _element(lab.topology, fault)
    ways = [each for each in (lab.pair, lab.pair[::-1]) if not gateways.blocked(lab.topology, *each)]
    own, *others = gateways.tenants(lab.topology) or [lab.pair]
    for other in others:
        ways += [other, other[::-1], (own[0], other[0]), (other[0], own[0])]
    interval_s = float(lab.case["probe_interval_ms"]) / 1e3
    with flows(lab, ways) as probed, probing(probed, interval_s, lab.raw / "probe.csv", clocks=lab.clocks):
        for _ in steps.faults(lab, element, period_s=_draws_s(group), lasts_s=_each_s(group, lab.case)):
            wait_for(
                f"{measured.best(lab.topology)} is master again",
                lambda: _lacking(lab),
                deadline_s=_back_s(group),
                step_s=0.1,
            )
            lab.note("network", "master_again", router=measured.best(lab.topology))
            lab.sleep_until(lab.now() + group.advert_ms / 1e3 + _AFTER_S)


def _lacking(lab: Lab) -> str:
    """The virtual addresses that the best router has not, and what the others wait for."""
    router = measured.best(lab.topology)
    own = {each.get_attr("IFA_ADDRESS") for each in lab.network.netlink(router).get_addr()}
    wanted = [address.partition("/")[0] for address in measured.group_of(lab.topology).addresses]
    waits = (each.unsettled() for each in lab.services)
    return ", ".join(each for each in (*(address for address in wanted if address not in own), *waits) if each)


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    return measured.measure(raw, trial, float(trial.case["probe_interval_ms"]) / 1e3)


def gateway() -> Experiment:
    """The experiment."""
    return Experiment(
        name="gateway",
        title="Gateway redundancy",
        question="How long is the way out of a subnet lost when the router that leads it fails?",
        topology="gateway_pair",
        factors=(
            Factor("fault", FAULTS, "what happens to the best router", ("router_crash", "service_stop"), known=FAULTS),
            schemes.FACTOR,
            Factor("vrrp_advert_ms", (1000, 100), "interval of VRRP's advertisements", (1000,), network=True),
            Factor("faults", (20,), "faults in one trial", (5,), least=1),
            Factor("probe_interval_ms", (1.0,), "time between two probe packets of a flow", least=0.1),
        ),
        options=_OPTIONS,
        procedure=procedure,
        lasts_s=lasts_s,
        measure=read,
        figures=("detection",),
        repetitions=5,
        quick_repetitions=1,
        limit_s=_LIMIT_S,
        not_applicable=not_applicable,
    )
