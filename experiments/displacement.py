"""Displacement: what does the failure of a member do to the flows that were not on it?

Question      Of many flows, which share leaves its member when one of N fails, and when it returns?
Factors       Where flows are placed and a member fails: by the client's bond (host), by the switch that sends to the
              server (switch), or by a balancer on the client (IPVS with Maglev hashing), which has as many servers as
              the client has members, all of them addresses of the server. The mode, what controls the switches, the
              number of members, the number of flows, and any other argument of the topology. Option: which member
              fails.
Procedure     1. Each flow from the client to the server, a source port of its own, is asked for its place: one packet
                 of it is sent, and packet sockets see on which of the members it is. Nothing is inferred from
                 addresses or counters.
              2. The cable of one member, drawn by chance, loses its carrier; of the balancer one server is taken out.
                 Once both ends must have detected it, the flows are asked again.
              3. The cable is repaired. Once every member carries traffic the flows are asked a third time.
Expectation   theory.displacement for the rule by which flows are placed. A hash modulo N, as in bonds, moves N - 1 of N
              flows: 1/N had to move, the others, (N - 2)/N, move in vain, and all of them back when the member returns.
              A select group with the highest score moves 1/N, none in vain, and those back. A bond of Open vSwitch
              moves the buckets of the member that fails; they stay away until load makes the bond rebalance. The team
              driver gives a member that returns the last place in its order, so that flows may stay astray. Routes with
              several next hops move a quarter to a half, a resilient group of them its buckets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import schemes, theory
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.emulation.ipvs import balanced
from testbed.errors import SpecError
from testbed.experiment.experiment import Experiment
from testbed.lab import steps
from testbed.measure.displaced import displaced
from testbed.measure.raw import Event, controller_trouble, event_of, not_aggregated, read_json, read_timeline
from testbed.observe import flow_places
from testbed.observe.hosts import EPHEMERAL_PORTS
from testbed.spec import Lag, Topology

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

_SERVER_PORT = 5201
PLACED_BY = ("host", "switch", "balancer")
#: What the switch side may take after the bonds' members are back.
_SETTLED_S = 0.5


def _members(case: Mapping[str, Level], topology: Topology) -> tuple[str, ...]:
    """The members that flows are placed on: the client's, or those that the switch sends to the server by."""
    return topology.members(topology.server if case["placed_by"] == "switch" else topology.client)


def _lag(topology: Topology) -> Lag | None:
    """The switches' LAG to the server."""
    return topology.ports[topology.far(topology.members(topology.server)[0]).interface].lag


def _rule(case: Mapping[str, Level], topology: Topology) -> str:
    """The rule by which flows are placed. Errors: SpecError with the reason why there is none."""
    if case["placed_by"] == "host":
        return theory.host_rule(topology.bond(topology.client))
    lag = _lag(topology)
    rule = schemes.chosen(case).placing(lag) if lag is not None else ""
    if not rule:
        raise SpecError(
            f"controller={case['controller']} places no flows between {topology.client} and {topology.server} on the"
            " members of a LAG by a hash of their ports",
            "Use --set placed_by=host, or --set controller=testbed or ovs with a mode that makes a LAG.",
        )
    return rule


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why nothing can be displaced in that network by theory's rules; None if it can."""
    members, failed = len(_members(case, topology)), int(case.get("failed", 0))
    if members < 2:
        return f"{members} member: when it fails no other is left"
    if failed > members:
        return f"failed={failed}: there are {members} members"
    if case["placed_by"] == "balancer":
        client = topology.host(topology.client)
        return None if client.ip_version == 4 else "placed_by=balancer: its servers have IPv4 addresses"
    try:
        _rule(case, topology)
    except SpecError as error:
        return error.message
    return None


def procedure(lab: Lab) -> None:
    """Inside: ask for all flows' places before, during and after a failure."""
    if lab.case["placed_by"] == "balancer":
        _balanced(lab)
        return
    members = _members(lab.case, lab.topology)
    ports = lab.random.sample(EPHEMERAL_PORTS, int(lab.case["flows"]))
    failed = int(lab.case.get("failed", 0)) or lab.random.randrange(len(members)) + 1
    if lab.case["placed_by"] == "switch" and (lag := _lag(lab.topology)) is not None:
        lab.write("entries.json", lab.scheme.entries(lab, lag))
    flows = flow_places.FlowPlaces(lab.network, *lab.pair, members, ports, _SERVER_PORT)
    asked = {"before": flows.ask()}
    with lab.fault("carrier_loss", steps.far_end(lab, members[failed - 1])):
        lab.sleep_until(lab.now() + steps.noticed_s(lab, "carrier_loss") + _SETTLED_S)
        asked["during"] = flows.ask()
    for host in lab.pair:
        steps.wait_back(lab, host)
    lab.sleep_until(lab.now() + _SETTLED_S)
    asked["after"] = flows.ask()
    flow_places.write(lab.raw / "places.csv", asked)


def _balanced(lab: Lab) -> None:
    """The same of a balancer's servers."""
    count = len(_members(lab.case, lab.topology))
    *servers, service = lab.network.add_addresses(lab.server, count + 1)
    ports = lab.random.sample(EPHEMERAL_PORTS, int(lab.case["flows"]))
    failed = int(lab.case.get("failed", 0)) or lab.random.randrange(count) + 1
    with balanced(lab.network, lab.client, service, _SERVER_PORT, servers) as balancer:
        flows = flow_places.FlowPlaces(
            lab.network, *lab.pair, lab.members(lab.client), ports, _SERVER_PORT, address=service, servers=servers
        )
        asked = {"before": flows.ask()}
        balancer.remove(servers[failed - 1])
        lab.note("balancer", "removed", server=servers[failed - 1])
        asked["during"] = flows.ask()
        balancer.add(servers[failed - 1])
        lab.note("balancer", "added", server=servers[failed - 1])
        asked["after"] = flows.ask()
    flow_places.write(lab.raw / "places.csv", asked)
    lab.write("servers.json", servers)


def _law(raw: Path, trial: Trial, timeline: Sequence[Event]) -> tuple[int, int, theory.Displacement]:
    """How many members or servers there are, which one failed, and what theory says."""
    if trial.case["placed_by"] == "balancer":
        servers = [str(address) for address in read_json(raw / "servers.json")]
        failed = servers.index(event_of(timeline, "balancer", "removed")["server"])
        return len(servers), failed, theory.maglev_displacement([(each, _SERVER_PORT) for each in servers], failed)
    members = [trial.topology.far(member).interface for member in _members(trial.case, trial.topology)]
    failed = members.index(event_of(timeline, "fault", "begin")["element"])
    rule, entries = _rule(trial.case, trial.topology), _entries(raw, trial, members)
    return len(members), failed, theory.displacement(rule, len(members), failed, entries)


def _entries(raw: Path, trial: Trial, ports: Sequence[str]) -> list[int]:
    """The entries of a table for each member, before the failure: of the switch's as it was, of a resilient group's by
    theory. None where no table places flows."""
    if trial.case["placed_by"] == "host":
        bond = trial.topology.bond(trial.topology.client)
        resilient = bond.mode == "ecmp" and bond.ecmp_group == "resilient"
        return theory.resilient_entries(len(ports), bond.ecmp_buckets) if resilient else []
    path = raw / "entries.json"
    found = read_json(path) if path.exists() else {}
    return [int(found[port]) for port in ports] if found else []


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the shares of flows that were displaced, beside theory's."""
    timeline = read_timeline(raw / "timeline.jsonl")
    members, failed, law = _law(raw, trial, timeline)
    found = displaced(raw / "places.csv", members, failed)
    within = all(
        abs(found.share(what) - share) <= law.margin(share, found.flows) + 1e-9 for what, share in law.shares().items()
    )
    metrics = {
        "flows": found.flows,
        "unseen_flows": found.unseen,
        "measured_member_flows": found.members,
        "failed_member": failed,
        **{f"{what}_share": round(found.share(what), 6) for what in law.shares()},
        **{f"law_{what}_share": round(share, 6) for what, share in law.shares().items()},
        "law": law.label,
        "within_law": within,
    }
    unseen = (f"{found.unseen} flows were not seen on one member each time",) if found.unseen else ()
    return Measured(metrics, warnings=(*unseen, *not_aggregated(timeline), *controller_trouble(timeline)))


def displacement() -> Experiment:
    """The experiment."""
    return Experiment(
        name="displacement",
        title="Displacement of flows",
        question="What does the failure of a member do to the flows that were not on it?",
        topology="single_switch",
        factors=(
            Factor("placed_by", ("host", "switch"), "what places the flows", known=PLACED_BY),
            Factor("mode", ("802.3ad",), "bonding mode of both hosts"),
            schemes.FACTOR,
            Factor("members", (2, 3, 4, 8, 16), "member links of each host", (4,), least=1),
            Factor("flows", (10_000,), "flows from the client to the server", (1000,), least=1, most=_MOST_FLOWS),
        ),
        options=(Factor("failed", (0,), "the member that fails, counted from 1; 0: drawn by chance", least=0),),
        bonded=True,
        procedure=procedure,
        measure=read,
        figures=("displacement",),
        repetitions=3,
        primary="moved_share",
        not_applicable=not_applicable,
    )


_MOST_FLOWS = (len(EPHEMERAL_PORTS), "each has a source port of its own, of those that the kernel gives")
