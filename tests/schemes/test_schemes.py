"""Schemes as values: their commands to Open vSwitch, what they refuse, which of them answers LACP."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from testbed.controller.config import load, parse, to_yaml
from testbed.controller.lacp_systems import systems
from testbed.errors import MachineError, SpecError
from testbed.lab.steps import noticed_s
from testbed.measure.raw import not_aggregated
from testbed.schemes import FACTOR, SCHEMES, chosen, requirements
from testbed.spec import Bond, BondOptions, Host, Lag, LagOptions, Link, Switch, Topology
from testbed.spec.wiring import Wiring
from tests.schemes.vswitchd import commands
from topologies.dual_switch import dual_switch
from topologies.single_switch import single_switch


def ring(*, mode: str = "802.3ad") -> Topology:
    """Two switches joined twice, a host bonded to both by one LAG."""
    links = [Link("h1", f"h1-eth{i}", f"s{i + 1}", f"s{i + 1}-eth1") for i in range(2)]
    links += [Link("s1", f"s1-eth{i}", "s2", f"s2-eth{i}") for i in (2, 3)]
    bond = Bond(("h1-eth0", "h1-eth1"), mode=mode)
    lags = (Lag("lag-h1", ("s1-eth1", "s2-eth1")),) if mode == "802.3ad" else ()
    switches = (Switch("s1", 1), Switch("s2", 2))
    return Topology("ring", (Host("h1", "10.0.0.1/24", bond),), switches, tuple(links), lags)


def test_the_catalogue_says_what_each_is() -> None:
    assert list(SCHEMES) == ["testbed", "ovs", "ryu-example", "static", "none", "rstp", "stp", "fast-failover"]
    summaries = [scheme.summary for scheme in SCHEMES.values()]
    assert len(set(summaries)) == len(summaries)
    assert all(summary.endswith(".") for summary in summaries)


def test_a_case_that_names_none_gets_ours() -> None:
    assert chosen({}) is SCHEMES["testbed"]
    assert chosen({"controller": "ovs"}) is SCHEMES["ovs"]


def test_an_unknown_controller_names_the_known_ones() -> None:
    with pytest.raises(SpecError) as caught:
        chosen({"controller": "ryu-exmple"})
    assert str(caught.value) == (
        "unknown controller 'ryu-exmple'; the known ones are:"
        " FILE.py, fast-failover, none, ovs, rstp, ryu-example, static, stp, testbed\n"
        "Did you mean 'ryu-example'?"
    )
    with pytest.raises(SpecError, match=r"unknown level of factor 'controller': 'odl'"):
        FACTOR.parse("odl")


def test_lacp_lags_become_balance_tcp_bonds() -> None:
    """ovs-vswitchd.conf.db(5): balance-tcp wants LACP at the other end; the names are its columns."""
    sent = commands(SCHEMES["ovs"].join(single_switch(bonding=BondOptions(lacp_rate="slow"))))
    (bond,) = (command for command in sent if command[:3] == ["add-bond", "s1", "lag-h2"])
    assert bond[3:] == [
        "s1-eth3",
        "s1-eth4",
        "lacp=active",
        "bond_mode=balance-tcp",
        "other_config:lacp-time=slow",
        'other_config:lacp-system-id="02:01:00:00:00:01"',
        "other_config:lacp-system-priority=32768",
    ]
    assert ["del-port", "s1", "s1-eth3"] in sent
    port = ["ofport_request=3", "other_config:lacp-port-id=3", "other_config:lacp-aggregation-key=2"]
    # IEEE 802.1AX-2014, 6.3.4: a port's priority where none is given; Open vSwitch's own default is 65535.
    assert ["set", "Interface", "s1-eth3", *port, "other_config:lacp-port-priority=32768"] in sent


def prioritised() -> Topology:
    """single_switch whose second LAG has port priorities."""
    topology = single_switch()
    first, second = topology.lags
    return dataclasses.replace(topology, lags=(first, dataclasses.replace(second, port_priorities=(200, 100))))


def test_port_priorities_reach_both_lacp_implementations() -> None:
    """ovs-vswitchd.conf.db(5): other_config:lacp-port-priority of the Interface."""
    set_ = [command for command in commands(SCHEMES["ovs"].join(prioritised())) if command[:2] == ["set", "Interface"]]
    assert {command[2]: command[-1] for command in set_ if "priority" in command[-1]} == {
        "s1-eth1": "other_config:lacp-port-priority=32768",
        "s1-eth2": "other_config:lacp-port-priority=32768",
        "s1-eth3": "other_config:lacp-port-priority=200",
        "s1-eth4": "other_config:lacp-port-priority=100",
    }
    lags = systems(parse(yaml.safe_load(to_yaml(prioritised())), "file"), 0.0)["core"].snapshot()["lags"]
    assert [port["priority"] for port in lags["lag-h2"]["ports"]] == [200, 100]  # type: ignore[index]
    assert [port["priority"] for port in lags["lag-h1"]["ports"]] == [32768, 32768]  # type: ignore[index]


@pytest.mark.parametrize("mode", ["balance-rr", "balance-xor", "broadcast"])
def test_static_lags_become_balance_slb_bonds_that_take_all_in(mode: str) -> None:
    """ovs-vswitchd.conf.db(5): balance-slb works without LACP; all-members-active takes group frames on all."""
    sent = commands(SCHEMES["ovs"].join(single_switch(bonding=BondOptions(mode=mode))))
    (bond,) = (command for command in sent if command[:3] == ["add-bond", "s1", "lag-h1"])
    assert bond[5:] == ["lacp=off", "bond_mode=balance-slb", "other_config:all-members-active=true"]


def test_a_lag_of_one_port_is_no_bond_but_speaks_lacp() -> None:
    sent = commands(SCHEMES["ovs"].join(single_switch(members=1)))
    assert not any(command[0] in ("add-bond", "del-port") for command in sent)
    assert any(command[:4] == ["set", "Port", "s1-eth1", "lacp=active"] for command in sent)


def test_without_lags_the_ports_stay_plain() -> None:
    assert SCHEMES["ovs"].join(single_switch(bonding=BondOptions(mode="active-backup"))) == []
    assert all(not SCHEMES[name].join(single_switch()) for name in ("testbed", "ryu-example", "static", "none"))


def test_static_takes_every_lag_without_lacp(tmp_path: Path) -> None:
    process = SCHEMES["static"].process(single_switch(), {}, tmp_path)
    assert process is not None and process.listens_on == 6653
    command = process.command
    assert command[1:3] == ("-m", "testbed.controller") and command[4] == "6653"
    assert {lag.lacp for lag in load(Path(command[3])).lags} == {"off"}


def test_which_schemes_answer_lacp() -> None:
    topology = single_switch()
    bond = topology.host("h1").bond
    assert bond is not None
    assert {name for name, scheme in SCHEMES.items() if scheme.answers(topology, bond)} == {
        "testbed",
        "ovs",
        "ryu-example",
    }
    unspoken = dataclasses.replace(topology, lags=tuple(dataclasses.replace(lag, lacp="off") for lag in topology.lags))
    assert not any(scheme.answers(unspoken, bond) for scheme in SCHEMES.values())


@pytest.fixture
def with_ryu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As if `make setup-ryu` had been run."""
    monkeypatch.setattr(requirements, "RYU_PYTHON", tmp_path)


@pytest.mark.usefixtures("with_ryu")
@pytest.mark.parametrize("name", ["ovs", "ryu-example"])
def test_a_lag_on_two_switches_is_refused(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        SCHEMES[name].check(ring())
    assert str(caught.value) == (
        f"LAG 'lag-h1' is on the switches s1, s2; controller {name} knows LAGs on one switch only\n"
        "Use --set controller=testbed."
    )


@pytest.mark.usefixtures("with_ryu")
@pytest.mark.parametrize("name", ["ovs", "ryu-example", "none"])
def test_a_loop_of_switches_is_refused_where_no_protocol_breaks_it(name: str) -> None:
    with pytest.raises(SpecError, match=r"link s1-eth3--s2-eth3 closes a loop of switches"):
        SCHEMES[name].check(ring(mode="active-backup"))
    SCHEMES[name].check(dual_switch())  # one link between its switches


def test_a_lag_between_switches_is_no_loop_for_a_bond() -> None:
    topology = ring(mode="active-backup")
    lags = (Lag("a", ("s1-eth2", "s1-eth3")), Lag("b", ("s2-eth2", "s2-eth3")))
    SCHEMES["ovs"].check(dataclasses.replace(topology, lags=lags))


@pytest.mark.usefixtures("with_ryu")
def test_the_example_takes_no_lag_of_one_port() -> None:
    with pytest.raises(SpecError, match=r"LAG 'lag-h1' has one port; controller ryu-example takes two or more"):
        SCHEMES["ryu-example"].check(single_switch(members=1))


def test_without_ryu_it_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "RYU_PYTHON", requirements.PROJECT / ".venv-ryu" / "no-python")
    with pytest.raises(MachineError) as caught:
        SCHEMES["ryu-example"].check(single_switch())
    assert str(caught.value) == ("Ryu is not installed: there is no .venv-ryu/no-python\nType: make setup-ryu")


def test_an_unknown_framework_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"unknown framework 'pox'; the known ones are: os-ken, ryu"):
        SCHEMES["testbed"].process(single_switch(), {"framework": "pox"}, tmp_path)


def test_an_unknown_restart_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"unknown restart 'never'; the known ones are: fresh, resume"):
        SCHEMES["testbed"].process(single_switch(), {"restart": "never"}, tmp_path)


def test_what_the_switch_side_can_do_agrees_with_what_the_scheme_starts(tmp_path: Path) -> None:
    """A controller of its own is a process that bridges speak OpenFlow to; without LAGs nothing answers LACP."""
    topology = single_switch()
    bond = topology.bond("h1")
    for name, scheme in SCHEMES.items():
        started = name != "ryu-example" and scheme.process(topology, {}, tmp_path) is not None
        assert scheme.side.controller == (scheme.openflow is not None) == (started or name == "ryu-example")
        assert scheme.side.negotiates == scheme.answers(topology, bond)
        assert scheme.side.lags or not (scheme.side.negotiates or scheme.side.groups)


@pytest.mark.parametrize(
    ("controller", "fault", "options", "least_s"),
    [
        ("testbed", "none", {}, 0.0),
        ("testbed", "carrier_loss", {"miimon_ms": 50, "downdelay_ms": 200}, 0.25),
        ("testbed", "silent_loss", {}, 3.0),  # IEEE 802.1AX, 6.4.4: Short_Timeout_Time
        ("testbed", "silent_loss", {"lacp_rate": "slow"}, 90.0),  # Long_Timeout_Time
        ("ryu-example", "carrier_loss", {}, 3.0),  # it does not monitor carrier: its LACP flow's idle timeout
        ("none", "silent_loss", {}, 3.0),
        ("testbed", "silent_loss", {"mode": "active-backup"}, 3.0),
    ],
)
def test_a_fault_lasts_until_it_must_have_been_detected(
    controller: str, fault: str, options: dict[str, Any], least_s: float
) -> None:
    topology, scheme = single_switch(bonding=BondOptions(**options)), SCHEMES[controller]
    bond = topology.host("h1").bond
    assert bond is not None
    answered = bond.mode != "802.3ad" or scheme.answers(topology, bond)
    lab: Any = SimpleNamespace(topology=topology, pair=topology.pair, scheme=scheme, answered=lambda _host: answered)
    # The kernel may take a little longer for each of its steps (theory.monitor_period_s): 4 ms of 100, so 4 %.
    assert least_s <= noticed_s(lab, fault) <= least_s * 1.04 + 0.5


def test_what_did_not_aggregate_is_a_warning() -> None:
    events: list[dict[str, Any]] = [
        {"t_s": 1.0, "source": "network", "event": "converged"},
        {"t_s": 1.0, "source": "network", "event": "not_aggregated", "host": "h1", "reason": "h1-eth0 is alone"},
    ]
    assert not_aggregated(events) == ["the bond of h1 has no LACP partner: h1-eth0 is alone"]
    events[1]["carrying"] = ["h1-eth1", "h1-eth2"]
    assert not_aggregated(events) == ["the bond of h1 has an LACP partner for h1-eth1, h1-eth2 only: h1-eth0 is alone"]


def test_a_multi_chassis_lag_to_a_switch_is_refused_before_anything_starts() -> None:
    """Between two pairs of switches (M:M), and from a plain switch to a pair."""

    def joined(near: int) -> Topology:
        net = Wiring()
        *left, s3, s4 = net.switches(near + 2)
        net.bonded("h1", [left[0], left[-1]], system="west")
        net.bonded("h2", [s3, s4], system="east")
        if near == 2:
            net.join(*left)
        net.join(s3, s4)
        net.trunk([net.link(left[0], s3), net.link(left[-1], s4)], ("west", "east"), "core")
        return net.topology("joined")

    for near in (1, 2):
        with pytest.raises(SpecError, match=r"LAG 'core-(west|east)' leads to a switch but is on s\d, s\d; wanted it"):
            SCHEMES["testbed"].check(joined(near))
    for topology in (single_switch(), dual_switch(), ring()):
        SCHEMES["testbed"].check(topology)


def test_open_vswitch_takes_its_own_modes_and_lacp_fallback_and_no_other_scheme_does() -> None:
    """ovs-vswitchd.conf.db(5): bond_mode, other_config:lacp-fallback-ab; balance-tcp needs LACP."""

    def bond(mode: str, **options: str) -> list[str]:
        topology = single_switch(bonding=BondOptions(mode=mode), lag=LagOptions(**options))  # type: ignore[arg-type]
        SCHEMES["ovs"].check(topology)
        return next(each for each in commands(SCHEMES["ovs"].join(topology)) if each[0] == "add-bond")

    assert "bond_mode=active-backup" in bond("802.3ad", ovs_bond_mode="active-backup")
    assert bond("balance-xor", ovs_bond_mode="active-backup")[5:] == ["lacp=off", "bond_mode=active-backup"]
    assert "other_config:lacp-fallback-ab=true" in bond("active-backup", lacp="active", fallback="individual")
    assert not any("fallback" in word for word in bond("802.3ad"))
    with pytest.raises(SpecError, match="has fallback=static, which Open vSwitch has not"):
        bond("802.3ad", fallback="static")
    with pytest.raises(SpecError, match="balance-tcp needs LACP"):
        bond("balance-xor", ovs_bond_mode="balance-tcp")
    topology = single_switch(lag=LagOptions(ovs_bond_mode="active-backup"))
    for name in ("testbed", "static"):
        with pytest.raises(SpecError, match=rf"ovs_bond_mode=active-backup, which controller {name} has not"):
            SCHEMES[name].check(topology)


class OvsLive:
    """A live network of which only Open vSwitch's answers are known."""

    def __init__(self, topology: Topology, shown: str) -> None:
        self.topology, self.shown, self.told, self.noted = topology, shown, list[str](), list[str]()
        self.raw = Path()

    def ask_switches(self, command: str, *arguments: str) -> str:
        assert (command, *arguments) in (("bond/show",), ("lacp/show",), ("bridge/dump-flows", "s1"))
        return "" if command == "lacp/show" else self.shown

    def tell_switches(self, *words: str) -> None:
        self.told += words

    def groups(self, switch: str) -> str:
        raise AssertionError(switch)

    def note(self, source: str, event: str, **details: Any) -> float:
        self.noted.append(event)
        return 0.0

    def controller_events(self) -> list[Any]:
        return []


#: As Open vSwitch 3.1 answers bond/show, shortened.
BOND_SHOW = """---- lag-h1 ----
bond_mode: balance-tcp
lacp_status: negotiated
active-backup primary: <none>

member s1-eth1: enabled
  active member
  may_enable: true

member s1-eth2: disabled
  may_enable: false
---- lag-h2 ----
member s1-eth3: enabled
member s1-eth4: enabled
"""


def test_open_vswitch_is_up_when_every_member_of_a_bond_with_a_partner_is_enabled() -> None:
    scheme = SCHEMES["ovs"]
    assert scheme.missing(OvsLive(single_switch(), BOND_SHOW)) == "s1-eth2"
    assert scheme.missing(OvsLive(single_switch(), BOND_SHOW.replace("disabled", "enabled"))) == ""
    silent = single_switch(bonding=BondOptions(mode="active-backup"), lag=LagOptions(lacp="active"))
    assert scheme.missing(OvsLive(silent, BOND_SHOW)) == ""  # these are never enabled
    assert scheme.missing(OvsLive(single_switch(members=1), "")) == ""


#: As Open vSwitch 3.1 answers bridge/dump-flows, shortened: two bonds' buckets, and an ordinary flow.
DUMP_FLOWS = """duration=8s, n_packets=8078, n_bytes=345348, priority=0,actions=NORMAL
table_id=254, duration=2s, n_packets=42, n_bytes=1764, priority=20,recirc_id=0x1,dp_hash=0xe9/0xff,actions=output:3
table_id=254, duration=2s, n_packets=36, n_bytes=1512, priority=20,recirc_id=0x1,dp_hash=0x9e/0xff,actions=output:4
table_id=254, duration=2s, n_packets=36, n_bytes=1512, priority=20,recirc_id=0x1,dp_hash=0x9f/0xff,actions=output:4
table_id=254, duration=2s, n_packets=28, n_bytes=1176, priority=20,recirc_id=0x2,dp_hash=0xec/0xff,actions=output:1
"""


def test_the_buckets_of_a_bond_are_counted_by_port() -> None:
    scheme, topology = SCHEMES["ovs"], single_switch()
    h1, h2 = topology.lags
    assert scheme.entries(OvsLive(topology, DUMP_FLOWS), h1) == {"s1-eth1": 1, "s1-eth2": 0}
    assert scheme.entries(OvsLive(topology, DUMP_FLOWS), h2) == {"s1-eth3": 1, "s1-eth4": 2}


def test_a_scheme_says_by_which_rule_it_places_flows_on_a_lag() -> None:
    lacp, static = single_switch().lags[0], single_switch(bonding=BondOptions(mode="balance-xor")).lags[0]
    assert {name: scheme.placing(lacp) for name, scheme in SCHEMES.items() if scheme.placing(lacp)} == {
        "testbed": "scores",
        "static": "scores",
        "ovs": "buckets",
    }
    assert SCHEMES["ovs"].placing(static) == ""  # balance-slb: by the source's address


def test_bonds_of_open_vswitch_choose_their_buckets_again_once_all_members_are_enabled() -> None:
    """ofproto/bond.c, bond_reconfigure: another hash basis resets the buckets."""
    live = OvsLive(single_switch(), BOND_SHOW)
    SCHEMES["ovs"].settle(live)
    assert commands(live.told) == [
        ["set", "Port", name, "other_config:bond-hash-basis=1"] for name in ("lag-h1", "lag-h2")
    ]
    assert live.noted == ["buckets_spread"]
    backup = OvsLive(single_switch(lag=LagOptions(ovs_bond_mode="active-backup")), BOND_SHOW)
    SCHEMES["ovs"].settle(backup)
    assert (backup.told, backup.noted) == ([], [])
