"""A flapping member: how much do the flows on it lose, and are the flows on the other members affected?

Question      What does a member cost whose carrier is lost and comes back periodically, and does updelay help?
Factors       Mode, period and duty of the flapping, the number of losses, updelay_ms, what controls the switches, and
              any other argument of the topology.
Procedure     1. Where a hash places flows, one flow of a UDP packet every probe interval runs over each member of the
                 client, in each direction. Its port is chosen by the driver's documented hash, and by asking the
                 switch. Elsewhere one flow runs each way.
              2. The cable of the member that carries the first flow flaps, from an instant drawn at random over the
                 monitor's period. Then it stays up until the member is back.
Measurement   Packets lost by the flows on the flapping member, and by all others; how often the bond took the member
              in again while it flapped.
Expectation   Flows on other members lose nothing, for any period: when the hash changes, they move to members that
              work. The flow on the flapping member loses packets each time that the bond takes the member in and it
              fails again: up to miimon in active-backup, almost nothing in 802.3ad, where the carrier event itself
              takes the member out and LACP's exchange keeps it out if it flaps fast. With updelay longer than the time
              with carrier the member stays out until the flapping ends: one outage instead of many.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed import schemes
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment
from testbed.faults import catalogue
from testbed.lab.placement import Placement
from testbed.lab.steps import BEFORE_S, carrying, far_end, noticed_s, period_s, wait_back, wait_random_phase
from testbed.measure.outage import load_probe, outage
from testbed.measure.raw import controller_trouble, event_of, not_aggregated, read_json, read_timeline
from testbed.observe.probe import PORTS, flows, probing
from testbed.spec import Topology

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

_AFTER_S = 1.0


def not_applicable(case: Mapping[str, Level], _topology: Topology) -> str | None:
    """None: every case applies. Errors: SpecError for a parameter of the flapping that is out of range."""
    catalogue.valued("flapping", catalogue.parameters_of("flapping", case))
    return None


def procedure(lab: Lab) -> None:
    """Inside: a flow on each member, one of which flaps."""
    bond = lab.topology.bond(lab.client)
    ways, ports, places = _spread(lab)
    settings = catalogue.parameters_of("flapping", lab.case)
    flapping_s = float(settings["count"]) * float(settings["period_ms"]) / 1e3
    with (
        flows(lab, ways, source_ports=ports) as found,
        probing(found, float(lab.case["probe_interval_ms"]) / 1e3, lab.raw / "probe.csv", clocks=lab.clocks),
    ):
        member = bond.members[0] if places else carrying(lab, lab.client)
        lab.write(
            "flows.json",
            [
                {"flow": flow.name, "member": bond.members[place] if places else member}
                for flow, place in zip(found, places or [0] * len(found), strict=True)
            ],
        )
        lab.sleep_until(lab.now() + BEFORE_S)
        wait_random_phase(lab, period_s(lab, "flapping"))
        with lab.fault("flapping", far_end(lab, member), **settings):
            lab.sleep_until(lab.now() + flapping_s + noticed_s(lab, "carrier_loss"))
        wait_back(lab, lab.client)
        lab.sleep_until(lab.now() + _AFTER_S)


def _spread(lab: Lab) -> tuple[list[tuple[str, str]], list[int] | None, list[int]]:
    """The flows: source and target, source port, and member of the client; no ports where no hash decides."""
    bond = lab.topology.bond(lab.client)
    there, back = Placement(lab.network, *lab.pair), Placement(lab.network, *lab.pair[::-1])
    count = len(bond.members)
    ways = [lab.pair] * count
    chosen = [there.source_port(place, PORTS[place], lab.random) for place in range(count)] if there.predictable else []
    if chosen and back.asked:
        ways += [lab.pair[::-1]] * count
        chosen += [back.source_port(at, PORTS[count + at], lab.random, at_target=True) for at in range(count)]
    found = [each for each in chosen if each is not None]
    if not lab.answered(lab.client) or len(found) < len(ways):
        return [lab.pair, lab.pair[::-1]], None, []
    return ways, [port for port, _ in found], [place for _, place in found]


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: what each flow lost."""
    timeline = read_timeline(raw / "timeline.jsonl")
    interval_s = float(trial.case["probe_interval_ms"]) / 1e3
    probed = {flow.name: flow for flow in load_probe(raw / "probe.csv")}
    members = {flow["flow"]: flow["member"] for flow in read_json(raw / "flows.json")}
    begin_s, end_s = (event_of(timeline, "fault", edge)["t_s"] for edge in ("begin", "end"))
    last_s = min(float(flow.sent_s[-1]) for flow in probed.values())
    outages = {name: outage(flow, interval_s, begin_s, last_s) for name, flow in probed.items()}
    flapped = next(iter(members.values()))
    on, off = (
        [outages[name] for name, member in members.items() if (member == flapped) is same] for same in (True, False)
    )
    metrics = {
        "outage_s": round(max(each.outage_s for each in on), 9),
        "lost": sum(each.lost for each in on),
        "outage_others_s": round(max(each.outage_s for each in off), 9) if off else None,
        "lost_others": sum(each.lost for each in off) if off else None,
        "others_unharmed": all(each.lost == 0 for each in off) if off else None,
        "returns": _returns(timeline, flapped, begin_s, end_s),
        "flows": {
            name: {"member": members[name], "outage_s": round(each.outage_s, 9), "lost": each.lost}
            for name, each in outages.items()
        },
    }
    warnings = (*not_aggregated(timeline), *controller_trouble(timeline))
    stopped = [name for name, each in outages.items() if not each.recovered]
    if stopped:
        return Measured(metrics, "censored", f"{', '.join(stopped)} did not resume", warnings)
    return Measured(metrics, warnings=warnings)


def _returns(timeline: list[dict[str, Any]], member: str, begin_s: float, end_s: float) -> int:
    """How often the bond took the member in again while the fault lasted."""
    return sum(
        event["source"] == "bond"
        and (event["event"], event["new"], event["interface"]) == ("role", "active", member)
        and begin_s <= event["t_s"] <= end_s
        for event in timeline
    )


def flapping() -> Experiment:
    """The experiment."""
    return Experiment(
        name="flapping",
        title="A flapping member",
        question="What does a flapping member cost, and are the flows on the other members affected?",
        topology="single_switch",
        factors=(
            Factor("mode", ("active-backup", "802.3ad"), "bonding mode of both hosts"),
            schemes.FACTOR,
            Factor("flap_period_ms", (100.0, 400.0, 2000.0), "from one loss of carrier to the next", (400.0,), least=2),
            Factor("flap_duty", (0.5,), "the part of each period without carrier"),
            Factor("flap_count", (10,), "how many times the carrier is lost", least=1),
            Factor("updelay_ms", (0, 2000), "how long a carrier must be present", least=0),
            Factor("probe_interval_ms", (1.0,), "time between two probe packets of a flow", least=0.1),
        ),
        bonded=True,
        procedure=procedure,
        measure=read,
        figures=("outage", "lanes"),
        repetitions=10,
        quick_repetitions=2,
        limit_s=300.0,
        not_applicable=not_applicable,
    )
