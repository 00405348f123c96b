"""Every option of LAGs with every controller: it acts, which what the switch side shows makes seen, or it is refused.

For each controller what it shows is made by what it really is: our controller itself, on a simulated network; the
commands to Open vSwitch, through what it would answer.
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, cast

import pytest

from testbed.controller.forwarding import LAG_BASE
from testbed.errors import SpecError, TrialError
from testbed.measure.raw import controller_trouble
from testbed.run.prepare import Prepared, Request, prepare
from testbed.schemes import SCHEMES, Scheme, chosen, ovs_shown, requirements, testbed_lacp
from testbed.schemes.scheme import Live
from testbed.spec import Lag, LagOptions, Topology
from tests.controller.rig import Rig
from tests.controller.test_wrong_cable import wrong_cable
from tests.schemes.vswitchd import Vswitchd
from topologies.single_switch import single_switch

#: Another level than the default of each option, and what it needs besides.
LEVELS = {
    "lag_lacp": "passive",
    "lag_rate": "slow",
    "lag_min_links": "2",
    "lag_port_priorities": "100+200",
    "fallback": "individual",
    "mux": "coupled",
    "early_collecting": "false",
    "max_active": "1",
    "wait_to_restore_s": "3",
    "ovs_bond_mode": "active-backup",
}
OWN = "from os_ken.base.app_manager import OSKenApp\nclass App(OSKenApp): pass\n"


def documented() -> dict[str, set[str]]:
    """The controllers that carry out each option, by the table of docs/topologies.md."""
    text = (requirements.PROJECT / "docs" / "topologies.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \| [^|]* \| (`[^|]*`) \|$", text, re.MULTILINE)
    return {name: set(re.findall(r"`([\w-]+)`", controllers)) for name, controllers in rows}


DOCUMENTED = documented()


@pytest.fixture(autouse=True)
def with_ryu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As if `make setup-ryu` had been run."""
    monkeypatch.setattr(requirements, "RYU_PYTHON", tmp_path)


class Shown:
    """A live network whose switch side shows itself."""

    def __init__(self, scheme: Scheme, topology: Topology, built: Topology) -> None:
        """``topology`` is what was asked for, ``built`` what the switch side has."""
        self.topology, self.noted = topology, list[dict[str, Any]]()
        self.partners = {
            port.interface: (built.host_mac(far.node), 15)
            for port, far in ((port, built.far(port.interface)) for port in built.ports.values())
            if far.node in {host.name for host in built.hosts}
        }
        self.switch = Vswitchd(scheme.join(built), self.partners) if scheme.name == "ovs" else None
        self.rig = Rig(scheme.lags(built)) if scheme.name in ("testbed", "static") else None
        if self.rig:
            self.rig.answer()
            self.rig.run(4.0)

    def ask_switches(self, command: str, *_arguments: str) -> str:
        return self.switch.show(command) if self.switch else ""

    def groups(self, switch: str) -> str:
        """As ovs-ofctl(8) prints groups with --no-names."""
        assert self.rig is not None
        (dpid,) = (each.dpid for each in self.topology.switches if each.name == switch)
        lines = [
            f" group_id={number},type={group['kind']},"
            + ",".join(f"bucket=bucket_id:{i},actions=output:{b.get('port')}" for i, b in enumerate(group["buckets"]))
            for number, group in self.rig.state()["switches"][f"{dpid:x}"]["groups"].items()
        ]
        return "\n".join(["OFPST_GROUP_DESC reply (OF1.5) (xid=0x2):", *lines])

    def note(self, source: str, event: str, **details: Any) -> float:
        self.noted.append({"t_s": 1.0, "source": source, "event": event, **details})
        return 1.0


def read(monkeypatch: pytest.MonkeyPatch, name: str, topology: Topology, built: Topology | None = None) -> Any:
    """What the scheme reads back of a network that was asked for, if ``built`` is what there is."""
    scheme = SCHEMES[name]
    shown = Shown(scheme, topology, built or topology)
    state = json.dumps(shown.rig.state()) if shown.rig else ""
    monkeypatch.setattr(testbed_lacp.client, "ask", lambda _: state)
    return scheme.built(cast(Live, shown)), shown.noted


def prepared(controller: str, option: str) -> Prepared:
    settings = {"mode": "802.3ad", "controller": controller, option: LEVELS[option]}
    return prepare(Request("failover", "single_switch", settings, 1, 1, False, "auto", "virtual"), [])


def test_every_option_is_in_the_table() -> None:
    assert set(LEVELS) == set(LagOptions.settings()) == set(DOCUMENTED)


@pytest.mark.parametrize("option", LEVELS)
@pytest.mark.parametrize("controller", [*SCHEMES, "app.py"])
def test_an_option_acts_or_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, controller: str, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("app.py").write_text(OWN)
    if controller not in DOCUMENTED[option]:
        with pytest.raises(SpecError) as caught:
            prepared(controller, option)
        assert caught.value.message.endswith(f": controller {controller} has no option {option}")
        assert chosen({"controller": controller}).why_no_option in caught.value.message
        assert "docs/topologies.md" in caught.value.hint
        return
    (trial,) = prepared(controller, option).planned(1)[:1]
    plain = single_switch()
    assert trial.topology != plain
    assert set(read(monkeypatch, controller, trial.topology)[0]) == {"lag-h1", "lag-h2"}
    with pytest.raises(TrialError, match=r"LAG lag-h1 was built with \w+ .+, wanted "):
        read(monkeypatch, controller, trial.topology, plain)


@pytest.mark.parametrize("option", LEVELS)
@pytest.mark.parametrize("controller", SCHEMES)
def test_an_option_that_a_topology_gives_its_lags_acts_or_is_refused(controller: str, option: str) -> None:
    (trial,) = prepared(next(name for name in SCHEMES if name in DOCUMENTED[option]), option).planned(1)[:1]
    refused = controller not in DOCUMENTED[option] and option not in ("lag_lacp", "lag_rate")
    refused |= (controller, option) == ("ryu-example", "lag_rate")
    if controller == "fast-failover" and not refused:
        with pytest.raises(SpecError, match="host 'h1' has a bond, and controller fast-failover knows"):
            SCHEMES[controller].check(trial.topology)
        return
    if not refused:
        SCHEMES[controller].check(trial.topology)
        return
    with pytest.raises(SpecError, match=rf"LAG 'lag-h1' has \w+=.+, which controller {controller} has not: \w+"):
        SCHEMES[controller].check(trial.topology)


def test_a_typed_option_that_the_network_has_anyway_is_refused_as_well(tmp_path: Path) -> None:
    """A topology without arguments, whose LAGs have an option that the controller does not carry out."""
    (tmp_path / "fixed.py").write_text(
        "from testbed.spec import LagOptions\nfrom testbed.spec.wiring import Wiring\n"
        "def fixed():\n    net = Wiring(lag=LagOptions(mux='coupled'))\n    (s,) = net.switches(1)\n"
        "    for host in ('a', 'b'):\n        net.bonded(host, [s] * 2)\n    return net.topology('fixed')\n"
    )
    settings = {"mode": "802.3ad", "controller": "static", "mux": "coupled"}
    request = Request("failover", str(tmp_path / "fixed.py"), settings, 1, 1, False, "auto", "virtual")
    with pytest.raises(SpecError, match="its LAGs are static: controller static has no option mux"):
        prepare(request, [])
    del settings["mux"]
    with pytest.raises(SpecError, match="has mux=coupled, which controller static has not: its LAGs are static"):
        prepare(request, [])


def test_an_option_of_lacp_on_a_static_lag_is_refused_unless_it_is_of_all_lags() -> None:
    static = Lag("a", ("s1-eth1", "s1-eth2"), lacp="off", max_active=1)
    other = dataclasses.replace(static, name="b", ports=("s1-eth3", "s1-eth4"), lacp="active", key=2)
    with pytest.raises(SpecError, match=r"LAG 'a' has max_active=1, an option of LACP, and is static"):
        SCHEMES["testbed"].check(dataclasses.replace(single_switch(), lags=(static,)))
    SCHEMES["testbed"].check(dataclasses.replace(single_switch(), lags=(static, other)))


def test_ryus_example_takes_no_static_lag() -> None:
    with pytest.raises(SpecError, match="LAG 'lag-h1' is static; controller ryu-example has LAGs with LACP only"):
        SCHEMES["ryu-example"].check(single_switch(lag=LagOptions(lacp="off")))


@pytest.mark.parametrize(("option", "level"), [("fallback", "individual"), ("ovs_bond_mode", "active-backup")])
def test_open_vswitch_has_no_bond_of_one_port(option: str, level: str) -> None:
    topology = single_switch(members=1, lag=LagOptions(**{option: level}))  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=f"LAG 'lag-h1' has one port, .*: it has no {option}"):
        SCHEMES["ovs"].check(topology)


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("mode", ["off", "active"])
def test_the_bonds_of_open_vswitch_are_read_back(monkeypatch: pytest.MonkeyPatch, members: int, mode: str) -> None:
    topology = single_switch(members=members, lag=LagOptions(lacp=mode))
    found, noted = read(monkeypatch, "ovs", topology)
    assert found["lag-h1"]["lacp"] == mode and not noted
    if mode == "active":  # the port priority where none is given: IEEE 802.1AX-2014, 6.3.4
        assert set(found["lag-h1"]["port_priorities"].values()) == {0x8000}


def test_a_group_without_a_port_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    topology = single_switch()
    shown = Shown(SCHEMES["static"], topology, topology)
    assert shown.rig is not None
    monkeypatch.setattr(testbed_lacp.client, "ask", lambda _: json.dumps(shown.rig.state()))  # type: ignore[union-attr]
    assert SCHEMES["static"].built(cast(Live, shown))["lag-h2"]["group"] == ["s1-eth3", "s1-eth4"]
    shown.rig.set_link("s1-eth4", False)
    with pytest.raises(TrialError, match=r"LAG lag-h2 was built with group \['s1-eth3'\], wanted"):
        SCHEMES["static"].built(cast(Live, shown))


#: As Open vSwitch 3.1 prints them.
GROUPS = """OFPST_GROUP_DESC reply (OF1.5) (xid=0x2):
 group_id=65536,type=select,bucket=bucket_id:0,watch_port:1,actions=output:1,bucket=bucket_id:1,actions=output:2
 group_id=1048576,type=all,bucket=bucket_id:0,actions=group:65536
"""
FLOWS = """duration=7s, n_packets=3, in_port=2,dl_src=02:00:00:00:01:01,dl_type=0x8809,actions=CONTROLLER:65535
duration=7s, n_packets=3, priority=1,in_port=3,dl_dst=02:00:00:00:01:01,actions=output:1
duration=9s, n_packets=3, priority=0,actions=CONTROLLER:65535
"""


def test_groups_and_flows_of_switches_are_read() -> None:
    assert ovs_shown.select_groups(GROUPS) == {LAG_BASE: [1, 2]}
    assert ovs_shown.lacp_ports(FLOWS) == [2]


class Flows:
    """A live network of which only the flows are known."""

    def __init__(self, topology: Topology, ports: list[int]) -> None:
        self.topology, self.ports = topology, ports

    def ask_switches(self, command: str, *arguments: str) -> str:
        assert (command, arguments) == ("bridge/dump-flows", ("s1",))
        return "".join(FLOWS.splitlines()[0].replace("in_port=2", f"in_port={port}") + "\n" for port in self.ports)


def test_a_port_that_ryus_example_does_not_serve_is_noticed() -> None:
    scheme, topology = SCHEMES["ryu-example"], single_switch()
    found = scheme.built(cast(Live, Flows(topology, [1, 2, 3, 4])))
    assert found["lag-h2"] == {"ports": ["s1-eth3", "s1-eth4"]}
    with pytest.raises(TrialError, match=r"LAG lag-h2 was built with ports \['s1-eth3'\], wanted"):
        scheme.built(cast(Live, Flows(topology, [1, 2, 3])))


@pytest.mark.parametrize("name", [name for name, scheme in SCHEMES.items() if not scheme.side.lags])
def test_a_plain_switch_with_a_bond_is_noticed(name: str) -> None:
    topology = single_switch()
    shown = Shown(SCHEMES["none"], topology, topology)
    shown.switch = switch = Vswitchd([""])
    shown.ask_switches = lambda command, *_: switch.show(command) if command in ("bond/show", "lacp/show") else ""  # type: ignore[method-assign]
    assert SCHEMES[name].built(cast(Live, shown)) == {}
    switch.bonds = Vswitchd(SCHEMES["ovs"].join(topology)).bonds
    with pytest.raises(TrialError, match="built with the bonds lag-h1, lag-h2, wanted none"):
        SCHEMES[name].built(cast(Live, shown))


def test_a_cable_in_a_wrong_lag_of_open_vswitch_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    topology = wrong_cable()
    _, noted = read(monkeypatch, "ovs", topology)
    assert [(event["lag"], event["port"]) for event in noted] == [("lag-h2", "s1-eth3")]
    assert noted[0]["partner"] == topology.host_mac("h1")
    assert controller_trouble(noted) == [
        "port s1-eth3 of LAG lag-h2 leads to another partner than the LAG's other ports: is the cable in a wrong port?"
    ]


def test_a_port_with_another_partner_is_not_waited_for() -> None:
    topology = wrong_cable()
    shown = Shown(SCHEMES["ovs"], topology, topology)
    answers = {
        "bond/show": shown.ask_switches("bond/show").replace("s1-eth3: enabled", "s1-eth3: disabled"),
        "lacp/show": shown.ask_switches("lacp/show"),
    }
    shown.ask_switches = lambda command, *_: answers[command]  # type: ignore[method-assign]
    assert SCHEMES["ovs"].missing(cast(Live, shown)) == ""
    answers["bond/show"] = answers["bond/show"].replace("s1-eth5: enabled", "s1-eth5: disabled")
    assert SCHEMES["ovs"].missing(cast(Live, shown)) == "s1-eth5"


def test_of_two_partners_on_as_many_ports_the_attached_one_is_right() -> None:
    text = "---- lag ----\n" + "".join(
        f"member: s1-eth{port}: current {attached}\n  partner sys_id: 02:00:00:00:0{port}:01\n  partner key: 15\n"
        for port, attached in ((1, "detached"), (2, "attached"))
    )
    (section,) = ovs_shown.sections(text).values()
    assert ovs_shown.wrong_cables(section) == {"s1-eth1": ("02:00:00:00:01:01", 15)}
