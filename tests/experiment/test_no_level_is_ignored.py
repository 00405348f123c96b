"""No two levels of one factor give one network, unless they are refused, or the plan says so.

Every experiment, topology, and factor of networks, in dry form.

What is built is described here anew, from what each part is given: by the kernel's options of bonds, by the commands to
Open vSwitch, by the controller's configuration. Two cases of one description under two labels are a wrong result.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed import schemes, services
from testbed.controller.config import to_yaml
from testbed.design.trial import Trial
from testbed.errors import SpecError
from testbed.experiment import discovery, settle
from testbed.experiment.plan import topology_defaults
from testbed.run import prepare
from testbed.schemes import requirements
from testbed.spec import Lag, Topology
from testbed.spec.bond import EVERY_MODE, idle, options

# Each plans every level of a factor.
pytestmark = pytest.mark.slow

ROOT = requirements.PROJECT
EXPERIMENTS = sorted(path.stem for path in (ROOT / "experiments").glob("[!_]*.py"))
TOPOLOGIES = sorted(path.stem for path in (ROOT / "topologies").glob("[!_]*.py"))
#: Two levels of each argument that is no number and no truth value, or whose next number means nothing.
LEVELS: dict[str, tuple[str, str]] = {
    "mode": ("802.3ad", "active-backup"),
    "bond": ("bonding", "team"),
    "ad_select": ("stable", "count"),
    "arp_interval_ms": ("0", "100"),
    "lacp_rate": ("fast", "slow"),
    "lag_lacp": ("active", "passive"),
    "lag_rate": ("fast", "slow"),
    "lag_port_priorities": ("1+2", "2+1"),
    "fallback": ("none", "individual"),
    "mux": ("independent", "coupled"),
    "ovs_bond_mode": ("balance-tcp", "active-backup"),
    "qdisc": ("pfifo", "fq"),
    "ip": ("4", "6"),
    "xmit_hash_policy": ("layer2", "layer3+4"),
    "member_rates": ("100+100", "10+10"),
    "leaves": ("4", "2"),
    "hosts": ("4", "6"),
    "ends": ("hosts", "switches"),
    "peer_links": ("0", "1"),
    "ecmp_group": ("hash-threshold", "resilient"),
    "ecmp_detect": ("carrier", "bfd"),
    "tree_root": ("e1", "e2"),
    "edge_ports": ("admin", "none"),
    "bfd_ms": ("100", "50"),
    "vrrp_advert_ms": ("1000", "100"),
    "vrrp_priorities": ("200+100", "200+50"),
    "vrrp_bfd_ms": ("0", "100"),
    "vrrp_follow": ("track", "none"),
    "firewall_sync": ("ftfw", "none"),
    "balancer_layer": ("4", "7"),
    "balancer_kind": ("dr", "nat"),
    "balancer_scheduler": ("rr", "wlc"),
}


@pytest.fixture(autouse=True)
def with_ryu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As if `make setup-ryu` had been run."""
    monkeypatch.setattr(requirements, "RYU_PYTHON", tmp_path)


def described(trial: Trial) -> str:
    """What is built for a trial, and what else its procedure is given."""
    topology, case = trial.topology, dict(trial.case)
    scheme = schemes.chosen(case)
    own = {name: level for name, level in case.items() if name not in settle.SHARED}
    for name in topology_defaults(discovery.topology(topology.name)):
        own.pop(name, None)
    hosts = [dataclasses.asdict(dataclasses.replace(host, bond=None)) for host in topology.hosts]
    bonds = [
        [host.bond.driver, host.bond.name, *[(n, v) for n, _, v, _ in options(host.bond) if not idle(host.bond, n)]]
        for host in topology.hosts
        if host.bond
    ]
    links = [dataclasses.asdict(link) for link in topology.links]
    switches = [(switch.name, switch.dpid) for switch in topology.switches]
    daemons = [
        (each.node, each.name, dict(each.files(Path())), dict(each.settings()), list(each.command(Path())))
        for each in services.wanted(topology)
    ]
    switch_side = _switch_side(scheme.name, scheme.lags(topology))
    return json.dumps([own, hosts, bonds, links, switches, daemons, switch_side])


def _switch_side(controller: str, topology: Topology) -> Any:
    """What the switches, or what controls them, are told of the network, as far as it can act."""
    if controller == "ovs":
        return schemes.SCHEMES["ovs"].join(topology)
    if controller in ("testbed", "static"):
        told = yaml.safe_load(to_yaml(topology))
        if not any(_on_several(topology, lag) for lag in topology.lags if lag.lacp != "off"):
            for switch in told["switches"].values():  # docs/lacp.md, "A parted network": it is of LAGs on several
                del switch["isolate"]
        for lag in told["lags"].values():
            if lag["lacp"] == "off":
                told[lag["system"]] = None
                lag |= dict.fromkeys(set(lag) - {"ports", "lacp", "min_links"})
        return told
    return [sorted(lag.ports) for lag in topology.lags if lag.lacp != "off"] if controller == "ryu-example" else None


def _on_several(topology: Topology, lag: Lag) -> bool:
    return len({topology.owner(port) for port in lag.ports}) > 1


def levels(name: str, default: Any) -> tuple[str, str]:
    """Two levels of an argument."""
    if name in LEVELS:
        return LEVELS[name]
    if isinstance(default, bool):
        return ("true", "false")
    if isinstance(default, int | float):
        return (settle.shown(default), settle.shown(default + 1))
    return (settle.shown(default), f"{default}x")


def planned(experiment: str, topology: str, settings: dict[str, str]) -> prepare.Prepared | None:
    """The run; None if it is refused, which must have a reason."""
    request = prepare.Request(experiment, topology, settings, 1, 1, True, "auto", "virtual")
    try:
        return prepare.prepare(request, [])
    except SpecError as error:
        assert error.message
        return None


def alike(found: prepare.Prepared) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The cases of a run that are built alike, though their labels differ."""
    first: dict[str, dict[str, Any]] = {}
    pairs = []
    for trial in found.planned(1):
        text = described(trial)
        if text in first:
            pairs.append((first[text], dict(trial.case)))
        first.setdefault(text, dict(trial.case))
    return pairs


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize(
    ("controller", "mode"),
    [*((name, "802.3ad") for name in schemes.SCHEMES), ("testbed", "active-backup"), ("ovs", "balance-xor")],
)
def test_no_argument_of_a_topology_is_ignored(topology: str, controller: str, mode: str) -> None:
    """failover has every controller; each argument of the topology, and each option that topologies share."""
    arguments = topology_defaults(discovery.topology(topology))
    acted = 0
    for name, default in {**settle.SHARED, **arguments}.items():
        given = {"controller": controller, "mode": mode} if "mode" in arguments else {"controller": controller}
        found = planned("failover", topology, {**given, name: ",".join(levels(name, default))})
        if found is not None:
            assert not alike(found), name
            acted += 1
    assert acted or planned("failover", topology, {"controller": controller, "mode": mode}) is None


@pytest.mark.parametrize(
    ("experiment", "settings", "own"),
    [
        ("failover", {"mode": "prp"}, {"ways", "length", "ends"}),
        ("failover", {"mode": "hsr", "length": "0"}, {"rate_mbps", "ip"}),
        ("failover", {"mode": "ecmp"}, {"ways", "length", "ecmp_group", "ecmp_buckets"}),
        ("failover", {"mode": "ecmp", "ecmp_detect": "bfd"}, {"ways", "ecmp_detect", "ecmp_bfd_ms", "ecmp_bfd_mult"}),
        ("failover", {"mode": "ecmp", "ecmp_detect": "routing"}, {"length", "ecmp_hello_s", "ecmp_dead_s"}),
        ("messages", {"mode": "mptcp"}, {"ways", "length", "mptcp_backup", "mptcp_stale_losses"}),
        *(
            ("failover", {"ends": "switches", "controller": name}, {"ways", "length", *scheme.reads})
            for name, scheme in schemes.SCHEMES.items()
            if scheme.options
        ),
    ],
)
def test_no_argument_of_two_ways_is_ignored(experiment: str, settings: dict[str, str], own: set[str]) -> None:
    """By each technique that is not a bond with a LAG; ``own`` are arguments that act with it."""
    arguments = topology_defaults(discovery.topology("two_ways"))
    options = {name: factor.levels[0] for name, factor in schemes.OPTIONS.items()}
    for name, default in {**settle.SHARED, **arguments, **options}.items():
        found = planned(experiment, "two_ways", {**settings, name: ",".join(levels(name, default))})
        assert found is not None or name not in own, name
        if found is not None:
            assert not alike(found), name


#: The factors that are two_ways' own.
WAYS = {"ways": ("2", "3"), "length": ("0", "1", "2"), "ends": ("hosts", "switches", "lag"), "peer_links": ("0", "1")}
#: What cannot be, by mode, controller and the factors of two_ways that are given; else it is left to the code.
IMPOSSIBLE: list[tuple[str, Callable[[str, str, dict[str, str]], bool]]] = [
    ("PRP: two LANs, not joined (IEC 62439-3, 4.1)", lambda m, _, g: m == "prp" and _more(g, "peer_links", "1")),
    ("HSR: one ring, two ports (IEC 62439-3, 5.1)", lambda m, _, g: m == "hsr" and _more(g, "peer_links", "0", "1")),
    ("a host with one link has no mode", lambda _, __, g: g.get("ends") in ("switches", "lag")),
    ("groups know a host at one port", lambda _, c, __: c == "fast-failover"),
    (
        "one LAG needs one system",
        lambda m, _, g: m in ("802.3ad", "balance-xor") and g.get("peer_links") == "0",
    ),
    (
        "who has LAGs on one switch only",
        lambda m, c, g: (m, g.get("peer_links")) == ("802.3ad", "1") and c in ("ovs", "ryu-example"),
    ),
    (
        "a static LAG's address moves from port to port of bridges",
        lambda m, c, g: (m, g.get("peer_links")) == ("balance-xor", "1") and c in ("rstp", "stp"),
    ),
]


def _more(given: dict[str, str], peer_links: str, *others: str) -> bool:
    return given.get("ways") == "3" or given.get("peer_links") in (peer_links, *others)


@pytest.mark.parametrize("controller", schemes.SCHEMES)
@pytest.mark.parametrize("mode", EVERY_MODE)
def test_every_factor_of_two_ways_acts_or_is_refused_in_each_mode_with_each_controller(
    mode: str, controller: str
) -> None:
    """Each level makes a network of its own, or is left out with its reason; what cannot be is always left out."""
    for name, own in WAYS.items():
        asked = {"mode": mode, "controller": controller, name: ",".join(own)}
        found = planned("messages" if mode == "mptcp" else "failover", "two_ways", asked)
        made = {settle.shown(trial.case[name]) for trial in found.planned(1)} if found else set()
        for level in own:
            why = [reason for reason, cannot in IMPOSSIBLE if cannot(mode, controller, {name: level})]
            assert not (why and level in made), (name, level, why)
            assert (
                found is None
                or level in made
                or any(re.search(rf" {name}={level}[ :]", left) for left in found.left_out)
            )
        assert found is None or not alike(found), name


@pytest.mark.parametrize("controller", schemes.SCHEMES)
def test_ways_that_are_a_lag_are_others_than_ways_apart_or_refused(controller: str) -> None:
    """Without LAGs at the switches both are the same network, and with those that flood freely a loop."""
    found = planned("failover", "two_ways", {"ends": "lag,switches", "length": "0", "controller": controller})
    assert found is None or not alike(found)
    made = {trial.case["ends"] for trial in found.planned(1)} if found else set()
    both = {"lag", "switches"}
    assert made == {"testbed": both, "static": both, "ovs": {"lag"}}.get(controller, set())


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_no_factor_of_an_experiment_is_ignored(experiment: str, topology: str) -> None:
    """As it comes, and each of its factors that is of the network with one level more."""
    value = discovery.experiment(experiment)
    found = planned(experiment, topology, {})
    assert found is None or not alike(found)
    for factor in (*value.factors, *value.options):
        if factor.name in settle.SHARED or factor.network:
            found = planned(experiment, topology, {factor.name: ",".join(levels(factor.name, factor.levels[0]))})
            assert found is None or not alike(found), factor.name


def test_two_cases_of_one_network_are_noticed() -> None:
    """The test can fail: with a level that no part is given, two cases are alike."""
    found = planned("failover", "mlag", {"mode": "802.3ad", "controller": "static"})
    assert found is not None
    (trial,) = found.planned(1)
    other = dataclasses.replace(
        trial,
        case={**trial.case, "isolate": False},
        topology=dataclasses.replace(
            trial.topology, switches=tuple(dataclasses.replace(s, isolate=False) for s in trial.topology.switches)
        ),
    )
    assert described(trial) == described(other)
    lags = tuple(dataclasses.replace(lag, min_links=2) for lag in trial.topology.lags)
    assert described(trial) != described(
        dataclasses.replace(trial, topology=dataclasses.replace(trial.topology, lags=lags))
    )


@pytest.mark.parametrize(
    ("topology", "settings"),
    [
        ("mlag", {"mode": "active-backup"}),
        ("mlag", {"mode": "802.3ad", "controller": "static"}),
        ("mlag", {"mode": "active-backup", "controller": "ovs"}),
        ("ring", {"dual_homed": "false"}),
    ],
)
def test_isolation_without_a_lag_on_several_switches_is_refused(topology: str, settings: dict[str, str]) -> None:
    """docs/lacp.md, "A parted network": the controller takes LAGs with LACP out of all parts but one."""
    with pytest.raises(SpecError, match=f"the network of topology '{topology}' is the same with isolate="):
        prepare.prepare(
            prepare.Request(
                "failover", topology, {**settings, "isolate": "true,false"}, 1, 1, False, "auto", "virtual"
            ),
            [],
        )


@pytest.mark.parametrize(
    ("experiment", "settings", "reason"),
    [
        ("failover", {"fault": "none", "element": "s1-eth1"}, "element=s1-eth1: fault none fails no element"),
        ("tcp_failover", {"fault": "none", "element": "s1-eth1"}, "element=s1-eth1: fault none fails no element"),
        ("scaling", {"probe_interval_ms": "5"}, "probe_interval_ms=5.0: with probes=0 nothing is probed"),
        (
            "chaos",
            {"schedule": "carrier_loss s1-eth1 1 for 0.5", "events": "3"},
            "events=3: it is of a schedule that is drawn, and here one is given",
        ),
    ],
)
def test_a_factor_of_an_experiment_that_another_makes_idle_is_refused(
    experiment: str, settings: dict[str, str], reason: str
) -> None:
    with pytest.raises(SpecError) as caught:
        prepare.prepare(prepare.Request(experiment, None, settings, 1, 1, True, "auto", "virtual"), [])
    assert reason in caught.value.message


@pytest.mark.parametrize(
    ("experiment", "topology", "settings", "reason"),
    [
        ("requests", None, {"balancer_layer": "7", "balancer_sync": "true"}, "no effect without balancer_layer=4"),
        ("requests", None, {"balancer_layer": "7", "balancer_kind": "dr"}, "no effect without balancer_layer=4"),
        ("requests", None, {"balancer_layer": "4", "balancer_redispatch": "false"}, "without balancer_layer=7"),
        ("requests", None, {"balancer_layer": "7", "balancer_peers": "false"}, "without balancer_stick=true"),
        ("requests", "service", {"balancer": "single", "balancer_sync": "true"}, "no effect without balancer=pair"),
        ("requests", "service", {"firewall": "single", "firewall_sync": "ftfw"}, "no effect without firewall=pair"),
        ("stateful_failover", None, {"firewall_loose": "false"}, "no effect without firewall_nat=false"),
        ("gateway", None, {"vrrp_bfd_mult": "3"}, "no effect without vrrp_bfd_ms"),
        ("routing", None, {"bgp_bfd_ms": "0", "bgp_bfd_mult": "3"}, "no effect without bgp_bfd_ms"),
    ],
)
def test_an_option_that_another_makes_idle_is_refused_at_every_level(
    experiment: str, topology: str | None, settings: dict[str, str], reason: str
) -> None:
    """Also at the level that it has by default, which cannot be told from one that nobody set."""
    with pytest.raises(SpecError, match=reason):
        prepare.prepare(prepare.Request(experiment, topology, settings, 1, 1, True, "auto", "virtual"), [])


def test_an_option_that_the_experiment_brings_is_left_out_where_it_is_idle() -> None:
    request = prepare.Request(
        "stateful_failover", "balancer_pair", {"balancer_layer": "7,4"}, 1, 1, False, "auto", "virtual"
    )
    cases = [dict(trial.case) for trial in prepare.prepare(request, []).planned(1)]
    assert [(case["balancer_layer"], case.get("balancer_sync")) for case in cases] == [(7, None), (4, True), (4, False)]
