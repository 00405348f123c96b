"""Every experiment on every topology of ours: it is planned, or the error says why the two do not go together."""

from __future__ import annotations

import pytest

from testbed import schemes, theory
from testbed.errors import SpecError
from testbed.experiment import discovery
from testbed.run import prepare

EXPERIMENTS, TOPOLOGIES = discovery.names("experiments"), discovery.names("topologies")
#: Networks of routers, whose hosts have no bonds.
ROUTED = ("gateway_pair", "firewall_pair", "balancer_pair")
#: Networks whose balancers have the address of a service.
BALANCED = ("balancer_pair", "service")
#: Networks of BGP speakers, whose hosts have no bonds.
SPEAKING = ("two_lines", "two_sites")
#: Experiments that ask a service through balancers.
OF_BALANCERS = ("health_checks", "requests")
_NO_BOND = "has no host h1 with a bond"
_OF_ROUTERS = ("gateway", "stateful_failover", "routing", "sites", "site_failover")
_OF_ANY = ("audit", "chaos", "failover", "messages", "scaling", *_OF_ROUTERS, *OF_BALANCERS)
#: Independent switches form no LAG (802.1AX), and a mode that sends on both moves addresses between them (bonding.rst).
_NO_LAG = "its two independent switches cannot form one LAG"
#: What does not go together, and why. All else is planned with the experiment's own levels.
APART = {
    **{
        (name, topology): _NO_BOND
        for name in EXPERIMENTS
        for topology in ("unprotected", *ROUTED, *SPEAKING)
        if name not in _OF_ANY
    },
    **{(name, "service"): "has no host c with a bond" for name in EXPERIMENTS if name not in _OF_ANY},
    **{
        (name, "service"): "the firewalls f1 and f2 let c, which is outside, begin nothing"
        for name in ("failover", "messages")
    },
    ("gateway", "service"): "the gateway of c is no address of the VRRP group",
    ("routing", "service"): "the firewalls f1 and f2 let c, which is outside, begin nothing",
    **{
        ("routing", name): "has neither BGP speakers nor static routes"
        for name in TOPOLOGIES
        if name not in (*SPEAKING, "service")
    },
    ("routing", "two_sites"): "h1 and h2 have no way but that by x2",
    **{
        (experiment, name): "has no service at several sites"
        for experiment in ("sites", "site_failover")
        for name in TOPOLOGIES
        if name != "two_sites"
    },
    **{("audit", name): "testbed audit TOPOLOGY takes every element in turn" for name in SPEAKING},
    **{("gateway", name): "has no VRRP group" for name in TOPOLOGIES if name not in (*ROUTED, "service")},
    **{
        ("stateful_failover", name): "has no group of firewalls or balancers"
        for name in TOPOLOGIES
        if name not in ("firewall_pair", *BALANCED)
    },
    **{(name, each): "has no balancer" for name in OF_BALANCERS for each in TOPOLOGIES if each not in BALANCED},
    ("gateway", "balancer_pair"): "the gateway of h1 is no address of the VRRP group",
    ("gateway", "firewall_pair"): "vrrp_preempt=false: the router that returns stays backup",
    **{
        (name, "firewall_pair"): "the firewalls f1 and f2 let h2, which is outside, begin nothing"
        for name in ("audit", "chaos", "failover", "messages")
    },
    **{("atlas", name): "has no argument" for name in TOPOLOGIES if name != "two_ways"},
    ("hashing", "dual_switch"): _NO_LAG,
    ("displacement", "dual_switch"): _NO_LAG,
    ("lacp_timers", "dual_switch"): _NO_LAG,
    ("chaos", "dual_switch"): _NO_LAG,
    ("mlag", "dual_switch"): _NO_LAG,
    ("reordering", "dual_switch"): "its address would move back and forth between the two connected switches",
    ("controller_loss", "back_to_back"): "has no switch, so it has no controller",
    ("audit", "back_to_back"): "testbed audit TOPOLOGY takes every element in turn",
    ("audit", "leaf_spine"): "testbed audit TOPOLOGY takes every element in turn",
}
#: Of these, what goes together with other levels than the experiment's own.
TOGETHER = {
    ("chaos", "dual_switch"): {"mode": "active-backup"},
    ("mlag", "dual_switch"): {"mode": "active-backup"},
    ("audit", "back_to_back"): {"element": "h1-eth0"},
    ("audit", "leaf_spine"): {"element": "leaf1"},
    ("audit", "two_lines"): {"element": "ia"},
    ("audit", "two_sites"): {"element": "a"},
}


def planned(experiment: str, topology: str, settings: dict[str, str]) -> prepare.Prepared:
    return prepare.prepare(prepare.Request(experiment, topology, settings, 1, 1, False, "auto", "virtual"), [])


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_runs_on_every_topology_or_says_why_not(experiment: str, topology: str) -> None:
    if why := APART.get((experiment, topology)):
        with pytest.raises(SpecError) as caught:
            planned(experiment, topology, {})
        assert why in caught.value.message and caught.value.hint
        if (experiment, topology) not in TOGETHER:
            return
    found = planned(experiment, topology, TOGETHER.get((experiment, topology), {}))
    for trial in found.planned(1):
        network = trial.topology
        client = network.host(network.client)
        bond = next((host.bond for host in (client, *network.hosts) if host.bond is not None), None)
        if "mode" in trial.case:
            assert bond is not None and bond.mode == trial.case["mode"]
            # What the bonds and the switch side can do is known to theory for every case.
            lacp = schemes.chosen(trial.case).side.negotiates
            assert theory.failover_bound(bond, "carrier_loss", lacp=lacp) is not None
        if "members" in trial.case and topology in ("single_switch", "trunk", "back_to_back"):
            assert len(network.members(network.client)) == trial.case["members"]
        if "miimon_ms" in trial.case:
            assert bond is not None and bond.miimon_ms == trial.case["miimon_ms"]


@pytest.mark.slow
def test_hosts_on_different_switches_are_a_pair_of_any_experiment_about_bonds() -> None:
    for experiment in ("aggregation", "hashing", "tcp_failover", "failover", "flapping", "reordering"):
        for topology, pair in (("leaf_spine", "h1,h4"), ("trunk", "h2,h1"), ("ring", "h2,h1")):
            found = planned(experiment, topology, {"pair": pair})
            assert {trial.topology.pair for trial in found.planned(1)} == {tuple(pair.split(","))}


@pytest.mark.parametrize(
    ("experiment", "topology", "settings", "why"),
    [
        (
            "audit",
            "service",
            {"element": "f1", "probe_interval_ms": "1"},
            "2000 may wait at a time; wanted 900 or fewer",
        ),
        ("requests", "balancer_pair", {"pair": "w1,w2"}, "w1 is a part of the web service, and cannot be its client"),
        ("routing", "service", {"firewall_nat": "false"}, "let c, which is outside, begin nothing"),
    ],
)
def test_what_a_topology_cannot_show_is_refused(
    experiment: str, topology: str, settings: dict[str, str], why: str
) -> None:
    with pytest.raises(SpecError) as caught:
        planned(experiment, topology, settings)
    assert why in caught.value.message


@pytest.mark.parametrize(
    ("experiment", "settings", "why"),
    [
        ("gateway", {"vrrp_priorities": "100"}, "the group has one router, and no other to take over"),
        ("stateful_failover", {"pair": "h2,h1"}, "let h2, which is outside, begin nothing"),
        ("atlas", {"technique": "prp", "message_interval_ms": "5"}, "messages are sent over mptcp alone"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_starts(
    experiment: str, settings: dict[str, str], why: str
) -> None:
    with pytest.raises(SpecError) as caught:
        prepare.prepare(prepare.Request(experiment, None, settings, 1, 1, False, "auto", "virtual"), [])
    assert why in caught.value.message


def test_a_trial_that_would_take_too_long_is_refused() -> None:
    """A resolver that keeps answers for ten minutes, and twenty faults."""
    with pytest.raises(SpecError) as caught:
        planned("site_failover", "two_sites", {"sites_by": "dns", "dns_ttl_s": "600"})
    assert "faults=20 would take up to" in caught.value.message
