"""No case names a level that its network has not: what is typed is built or refused, what is brought along is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import SpecError
from testbed.experiment import discovery, settle
from testbed.experiment.plan import build_from_settings, factor_levels, list_cases, topology_defaults
from testbed.run import prepare

#: Its networks are 802.3ad with two members, whatever is asked for.
FIXED = """
from testbed.spec.wiring import Wiring

def fixed():
    net = Wiring()
    (switch,) = net.switches(1)
    for host in ("web", "db"):
        net.bonded(host, [switch] * 2)
    return net.topology("fixed")
"""
#: It has arguments and uses the mode alone.
DEAF = """
from testbed.spec import BondOptions
from testbed.spec.wiring import Wiring

def deaf(*, members=2, servers=3, bonding=BondOptions()):
    net = Wiring(bonding=BondOptions(mode=bonding.mode))
    (switch,) = net.switches(1)
    for host in ("web", "db"):
        net.bonded(host, [switch] * 2)
    return net.topology("deaf")
"""
EXPERIMENT = """
from testbed.experiment import Experiment, Factor, Measured

def procedure(lab): pass
def measure(raw, trial): return Measured({{}})

def own():
    return Experiment(name="own", title="t", question="q", topology="single_switch", procedure=procedure,
                      measure=measure, figures=(), factors=({factors},))
"""


def prepared(experiment: str, topology: str | None = None, **settings: str) -> prepare.Prepared:
    return prepare.prepare(
        prepare.Request(experiment, topology, settings, None, 1, False, "auto", "virtual"), ["testbed", "run"]
    )


def levels(found: prepare.Prepared, name: str) -> list[object]:
    return list(dict.fromkeys(trial.case.get(name) for trial in found.planned(1)))


def refusal(experiment: str, topology: str | None = None, **settings: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        prepared(experiment, topology, **settings)
    return caught.value


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Two topology files, by name."""
    for name, text in (("fixed", FIXED), ("deaf", DEAF)):
        (tmp_path / f"{name}.py").write_text(text)
    return {name: str(tmp_path / f"{name}.py") for name in ("fixed", "deaf")}


@pytest.mark.slow
def test_a_mode_that_the_network_cannot_take_is_what_the_network_has(files: dict[str, str]) -> None:
    found = prepared("failover", files["fixed"])
    assert [trial.case["mode"] for trial in found.planned(1)] == ["802.3ad"]
    assert found.changed == ("mode: topology 'fixed' has no argument 'mode'; its network has mode=802.3ad",)
    assert {bond.mode for host in found.planned(1)[0].topology.hosts if (bond := host.bond)} == {"802.3ad"}


def test_members_that_the_network_cannot_take_are_one_level(files: dict[str, str]) -> None:
    assert levels(prepared("aggregation", files["fixed"]), "members") == [2]


@pytest.mark.slow
def test_a_typed_level_is_there_or_refused(files: dict[str, str]) -> None:
    assert levels(prepared("failover", files["fixed"], mode="802.3ad"), "mode") == ["802.3ad"]
    error = refusal("failover", files["fixed"], mode="active-backup")
    assert error.message == (
        "mode=active-backup: topology 'fixed' has no argument 'mode'; its network has mode=802.3ad"
    )
    assert "--set mode=802.3ad" in error.hint and "bonding: BondOptions" in error.hint
    mixed = prepared("failover", files["fixed"], members="1,2")
    assert levels(mixed, "members") == [2]
    assert all("members=1: topology 'fixed' has no argument 'members'" in text for text in mixed.left_out)
    assert mixed.left_out


def test_a_network_without_bonds_has_no_mode() -> None:
    found = prepared("failover", "unprotected")
    assert len(found.planned(1)) == 1 and "mode" not in found.planned(1)[0].case
    assert found.changed == ("mode: topology 'unprotected' has no argument 'mode'; nothing in its network has it",)
    assert "nothing in its network has such an option" in refusal("failover", "unprotected", mode="802.3ad").message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"members": "1,2,4"}, "members=1: the network of topology 'deaf' is the same with members=2"),
        ({"members": "4"}, "members=4: the network of topology 'deaf' is the same with members=2"),
        ({"servers": "5"}, "servers=5: the network of topology 'deaf' is the same with servers=3"),
        ({"miimon_ms": "20"}, "miimon_ms=20: in the network of topology 'deaf' it is 100"),
    ],
)
def test_an_argument_that_a_topology_ignores_is_noticed(
    files: dict[str, str], settings: dict[str, str], message: str
) -> None:
    assert message in refusal("failover", files["deaf"], **settings).message


@pytest.mark.parametrize("option", ["mux=coupled", "early_collecting=false", "max_active=1", "wait_to_restore_s=3"])
@pytest.mark.parametrize("controller", ["ovs", "static", "none"])
def test_a_controller_without_an_option_of_lags_refuses_it(controller: str, option: str) -> None:
    name, _, level = option.partition("=")
    settings = {"mode": "802.3ad", "controller": f"testbed,{controller}", name: level}
    found = prepared("failover", **settings)
    assert levels(found, "controller") == ["testbed"]
    assert found.left_out[0].endswith(f"controller {controller} has no option {name}")
    error = refusal("failover", **{**settings, "controller": controller})
    assert f"controller {controller} has no option {name}" in error.message


def test_an_option_without_effect_is_refused_with_the_reason() -> None:
    # bond_3ad_set_carrier(): with min_links=0 there are always enough ports.
    strict = {"mode": "802.3ad", "lacp_strict": "true"}
    assert "lacp_strict=true: it has no effect without min_links" in refusal("failover", **strict).message
    assert levels(prepared("failover", **strict, min_links="1"), "lacp_strict") == [True]
    # bonding.rst, xmit_hash_policy: balance-xor, 802.3ad and tlb use it.
    found = prepared("failover", xmit_hash_policy="layer2")
    assert levels(found, "mode") == ["802.3ad"]
    assert found.left_out[0].endswith("xmit_hash_policy=layer2: mode active-backup does not use it")


def test_a_factor_of_the_experiment_without_effect_is_dropped() -> None:
    # bonding.rst, primary_reselect: active-backup, balance-tlb and balance-alb have a primary.
    found = prepared("failback", mode="active-backup,802.3ad", back="itself")
    cases = [trial.case for trial in found.planned(1)]
    assert {case.get("primary_reselect") for case in cases if case["mode"] == "802.3ad"} == {None}
    assert len([case for case in cases if case["mode"] == "802.3ad"]) == 2  # by updelay_ms
    assert len([case for case in cases if case["mode"] == "active-backup"]) == 6
    assert found.changed == ("primary_reselect: mode 802.3ad does not use it",)


def test_a_team_takes_the_arp_monitor_as_a_bond_does() -> None:
    """teamd.conf(5): the link watch arp_ping has an interval; there is no other monitor beside it."""
    arp = {"bond": "team", "mode": "active-backup", "arp_interval_ms": "100"}
    (trial,) = prepared("failover", miimon_ms="0", **arp).planned(1)
    bond = trial.topology.bond("h1")
    assert (bond.driver, bond.arp_interval_ms, bond.miimon_ms) == ("team", 100, 0)
    assert "a bond has one monitor" in refusal("failover", **arp).message
    unmonitored = {"bond": "team", "mode": "active-backup", "miimon_ms": "0"}
    assert "bond=team cannot have miimon_ms" in refusal("failover", **unmonitored).message


def test_a_controller_without_a_switch_is_refused() -> None:
    found = prepared("failover", "back_to_back", controller="testbed,ovs")
    assert levels(found, "controller") == ["testbed"]
    assert found.left_out[0].endswith("controller=ovs: topology 'back_to_back' has no switch to control")
    assert "has no switch to control" in refusal("failover", "back_to_back", controller="ovs").message


def test_the_parameter_of_another_fault_is_refused() -> None:
    found = prepared("failover", fault="carrier_loss,lossy", loss_percent="5")
    assert levels(found, "fault") == ["lossy"]
    assert found.left_out[0].endswith("loss_percent: fault carrier_loss has no such parameter")


@pytest.mark.parametrize(
    ("experiment", "fault", "levels", "why"),
    [
        ("gateway", "lossy", {"loss_percent": "0"}, "loss_percent=0.0: no frame is lost"),
        ("routing", "slow", {"slow_delay_ms": "0"}, "slow_delay_ms=0.0: delay and rate are as they were"),
        ("routing", "slow", {"slow_rate_mbps": "1000"}, "is not below that of the link, 1000 Mbit/s"),
        ("health_checks", "slow", {"slow_delay_ms": "0"}, "delay and rate are as they were"),
        ("tcp_failover", "lossy", {"loss_percent": "0"}, "no frame is lost"),
    ],
)
def test_a_fault_that_changes_nothing_is_refused(experiment: str, fault: str, levels: dict[str, str], why: str) -> None:
    assert why in refusal(experiment, fault=fault, **levels).message


def test_a_factor_of_other_experiments_is_said_to_be_theirs() -> None:
    hint = refusal("health_checks", fault="slow", slow_rate_mbps="1").hint
    assert hint.startswith("It is a factor of failover, messages, routing and tcp_failover: see")


STATIC = {"routes_by": "static", "fault": "router_crash"}


def test_bgp_options_that_the_experiment_brings_are_dropped_with_static_routes() -> None:
    found = prepared("routing", static_track="none,carrier,bfd", **STATIC | {"fault": "router_crash,router_hang"})
    assert len(found.planned(1)) == 6 and not found.left_out
    assert levels(found, "bgp_bfd_ms") == [None]
    assert found.changed == ("bgp_bfd_ms: it has no effect without routes_by=bgp",)


@pytest.mark.parametrize(
    "setting", ["bgp_hold_s=9", "bgp_keepalive_s=3", "bgp_bfd_ms=100", "bgp_ecmp=false", "provider_routes=all"]
)
def test_bgp_options_are_refused_by_name_with_static_routes(setting: str) -> None:
    """Their defaults, too: who types one thinks that it acts."""
    name, _, level = setting.partition("=")
    error = refusal("routing", **STATIC, **{name: level})
    assert error.message == f"{setting}: it has no effect without routes_by=bgp"
    assert error.hint == "Leave it out, or type: --set routes_by=bgp"


def test_options_of_static_routes_are_refused_without_them() -> None:
    assert refusal("routing", static_track="none").message.endswith("it has no effect without routes_by=static")
    assert refusal("routing", static_bfd_ms="100", **STATIC).message.endswith("no effect without static_track=bfd")
    assert refusal("routing", ip="6", **STATIC).message.startswith("ip=6 with routes_by=static; wanted ip=4")


@pytest.mark.parametrize(
    ("experiment", "topology", "levels", "why"),
    [
        ("requests", None, {"vrrp_follow": "none"}, "vrrp_follow=none: it has no effect without balancer_"),
        ("requests", None, {"vrrp_follow": "group"}, "vrrp_follow=group: it has no effect without balancer_"),
        ("requests", "service", {"bgp_ecmp": "true", "line": "single"}, "it has no effect without line=pair"),
        ("requests", "service", {"clients": "30"}, "clients=30: the subnet of c is one address"),
        ("sites", None, {"site_check_ms": "3000"}, "site_check_ms=3000: a site here fails by its routes"),
    ],
)
def test_an_option_without_a_use_in_its_network_is_refused(
    experiment: str, topology: str | None, levels: dict[str, str], why: str
) -> None:
    assert why in refusal(experiment, topology, **levels).message


def test_vrrp_follows_where_a_balancer_has_two_sides() -> None:
    two_sides = {"balancer_layer": "4", "balancer_kind": "nat"}
    assert levels(prepared("requests", vrrp_follow="none", **two_sides), "vrrp_follow") == ["none"]


@pytest.mark.parametrize(
    ("topology", "name", "holders"),
    [
        ("two_sites", "bgp_daemon", "two_lines"),
        ("service", "bgp_daemon", "two_lines"),
        ("two_sites", "bgp_ecmp", "service and two_lines"),
    ],
)
def test_a_topology_does_not_offer_an_option_that_it_cannot_use(topology: str, name: str, holders: str) -> None:
    assert name not in topology_defaults(discovery.topology(topology))
    with pytest.raises(SpecError, match=f"It is an argument of {holders}: see testbed list {name}"):
        build_from_settings(discovery.topology(topology), {name: "true"})


@pytest.mark.parametrize(
    ("experiment", "levels", "error"),
    [
        ("site_failover", {"sites": "by_hand", "site_fall": "3"}, "site_fall=3: it has no effect with sites=by_hand"),
        (
            "site_failover",
            {"sites_by": "dns", "site_check_ms": "1000"},
            "site_check_ms=2000 --set site_timeout_ms=1000",
        ),
        ("site_failover", {"faults": "1000"}, "type: --set faults="),
        ("gateway", {"vrrp_bfd_ms": "5"}, "vrrp_bfd_ms is 5; wanted 0 (no BFD), or 10 to 10000"),
        ("health_checks", {"servers": "300"}, "servers is 300; wanted 250 or less"),
        ("routing", {"routes_by": "static", "fault": "slow"}, "theory says only of a BGP session"),
    ],
)
def test_an_error_says_what_to_type(experiment: str, levels: dict[str, str], error: str) -> None:
    assert error in str(refusal(experiment, **levels))


def own(tmp_path: Path, factors: str) -> str:
    (tmp_path / "own.py").write_text(EXPERIMENT.format(factors=factors))
    return str(tmp_path / "own.py")


@pytest.mark.slow
def test_a_name_with_two_meanings_is_refused(tmp_path: Path, files: dict[str, str]) -> None:
    error = refusal(own(tmp_path, "Factor('servers', (1, 2), 'requests at a time')"), files["deaf"])
    assert "deaf() has an argument 'servers', and the experiment has a factor of that name" in error.message
    assert "Factor('servers', ..., network=True)" in error.hint
    meant = own(tmp_path, "Factor('spines', (1, 2), 'spines', network=True)")
    networks = [len(trial.topology.switches) for trial in prepared(meant, "leaf_spine").planned(1)]
    assert networks == [5, 6]
    shared = prepared(own(tmp_path, "Factor('members', (2, 3), 'member links')"))
    assert [len(trial.topology.links) for trial in shared.planned(1)] == [4, 6]


@pytest.mark.parametrize("text", ["h1,h3", "h1+h3"])
def test_a_named_pair_is_measured(text: str) -> None:
    (trial,) = prepared("failover", "mlag", pair=text, mode="802.3ad").planned(1)
    assert trial.topology.pair == ("h1", "h3") and trial.case["pair"] == "h1+h3"
    network = build_from_settings(discovery.topology("mlag"), {"pair": text})
    assert network.protected_hosts() == ("h1", "h3")


def test_several_pairs_are_levels() -> None:
    found = prepared("failover", "leaf_spine", pair="h1+h2,h1+h3", mode="802.3ad")
    assert [trial.topology.pair for trial in found.planned(1)] == [("h1", "h2"), ("h1", "h3")]


@pytest.mark.parametrize("text", ["h1", "h1,h1", "h1,h2,h3", "h1+h2+h3", "+", "h1+h2,h3"])
def test_what_is_no_pair_is_refused_with_an_example(text: str) -> None:
    error = refusal("failover", "mlag", pair=text)
    assert "is not a pair of two different hosts" in error.message and "--set pair=h1,h2" in error.hint


def test_a_pair_is_of_hosts_that_are_there() -> None:
    assert "unknown host of topology 'mlag' in pair h1+h9: 'h9'" in refusal("failover", "mlag", pair="h1,h9").message
    assert "no host h3 with a bond" in refusal("miimon", "mlag", pair="h3,h1").message
    assert "measures the whole network" in refusal("scaling", pair="h1,h2").message


def test_too_many_trials_and_links_are_refused_before_anything_is_built() -> None:
    with pytest.raises(SpecError, match="are 2000000 trials; wanted 100000 at most: a trial takes some seconds"):
        prepare.prepare(prepare.Request("failover", None, {}, 1_000_000, 1, False, "auto", "virtual"), [])
    assert "number of links is 4097; wanted 4096 or less" in refusal("failover", members="100000").message
    assert "is too large; wanted 512 at most" in refusal("aggregation", flows="100000").message


def test_every_shared_option_can_be_read_from_a_network() -> None:
    """An option that is added to bonds, LAGs, cables or addresses is compared as well."""
    network = build_from_settings(discovery.topology("single_switch"), {"mode": "802.3ad"})
    negotiated = [name for name in settle.SHARED if name in settle._LAG or name in settle._CABLE]
    for name in (*negotiated, "ip", "vlan", "rx_coalesce_us", "mode", "miimon_ms", "bond", "lacp_rate", "members"):
        assert settle.present(network, name), name


def test_factors_of_a_run_are_those_of_its_cases() -> None:
    experiment, topology = discovery.experiment("failover"), discovery.topology("unprotected")
    found = list_cases(experiment, topology, factor_levels(experiment, topology, {}, quick=False))
    assert "mode" not in found.levels() and found.levels()["fault"] == ("carrier_loss",)
