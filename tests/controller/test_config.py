"""The controller's configuration: it reads what topologies write, and errors name what is wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.controller import values
from testbed.controller.config import load, parse, to_yaml
from testbed.controller.lacp_systems import systems
from testbed.errors import SpecError
from testbed.spec import LagOptions, Topology
from topologies.mlag import mlag
from topologies.single_switch import single_switch
from topologies.trunk import trunk


def test_a_topology_without_links_between_switches_has_none() -> None:
    found = parse(yaml.safe_load(to_yaml(single_switch())), "file")
    assert found.links == ()
    assert found.link_edges == frozenset()


def test_a_peer_link_of_one_cable_joins_two_ports() -> None:
    found = parse(yaml.safe_load(to_yaml(mlag())), "file")
    assert found.links == (((1, 3), (2, 3)),)
    assert found.trunks == (((1, 3), (2, 3)),)
    assert found.ports["lag-h1"] == ((1, 1), (2, 1))


def test_cables_of_two_lags_make_one_link() -> None:
    found = parse(yaml.safe_load(to_yaml(trunk(trunk_members=3))), "file")
    assert found.links == (((1, 3), (2, 3)), ((1, 4), (2, 4)), ((1, 5), (2, 5)))
    assert found.trunks == (("trunk-s1", "trunk-s2"),)


def valid() -> dict[str, Any]:
    """Three switches in a row; the first link is of two cables."""
    return {
        "systems": {"core": {}, "other": {"system": "02:00:00:00:fe:02"}},
        "switches": {f"s{i}": {"dpid": i} for i in (1, 2, 3)},
        "lags": {
            "left": {"ports": ["s1:1", "s1:2"], "key": 1},
            "right": {"ports": ["s2:1", "s2:2"], "system": "other", "key": 1},
        },
        "links": [{"a": "s1:1", "b": "s2:1"}, {"a": "s1:2", "b": "s2:2"}, {"a": "s2:3", "b": "s3:1"}],
    }


def test_the_valid_one_is_valid() -> None:
    assert parse(valid(), "file").trunks == (("left", "right"), ((2, 3), (3, 1)))


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("links",), {"a": "s1:1"}, "file: links holds dict; wanted a list such as [{a: s1:3, b: s2:3}]"),
        (("links", 2), "s2:3", "file: links[2] holds str; wanted names with values"),
        (("links", 2), {"a": "s2:3"}, "file: links[2] is {'a': 's2:3'}; wanted two ports such as {a: s1:3, b: s2:3}"),
        (("links", 2, "c"), 1, "unknown key in file: links[2]: 'c'"),
        (("links", 2, "b"), "s9:1", "unknown switch of port 's9:1' in file: links[2]: 's9'"),
        (("links", 2, "b"), "s3:x", "file: links[2]: port 's3:x' has no port number"),
        (("links", 2, "b"), "s2:4", "file: links[2] joins s2:3 and s2:4; wanted ports of two switches"),
        (("links", 2, "a"), "s1:2", "file: port s1:2 is an end of two links"),
        (("links", 0, "b"), "s2:4", "file: a link joins LAG 'left' to port s2:4, which is in no LAG"),
        (("links", 1), {"a": "s1:3", "b": "s3:3"}, "file: LAG 'left' leads to a switch and elsewhere as well"),
        (("lags", "right", "system"), "core", "file: key 1 is that of two LAGs of LACP system 'core'"),
        (("lags", "right", "ports"), ["s2:1", "s2:1"], "ports of LAG 'right' must be different"),
        (("lags", "right", "ports"), ["s2:1", "s1:2"], "file: port s1:2 is in two LAGs, or twice in one"),
        (("lags", "right", "mux"), "both", "unknown mux 'both'; the known ones are: coupled, independent"),
        (("lags", "right", "max_active"), -1, "lags.right.max_active is -1; wanted a whole number from 0 to 65535"),
        (("lags", "right", "fallback"), "hope", "unknown fallback 'hope'"),
        (("systems", "other"), {}, "file: system id 02:01:00:00:00:01 is that of two systems"),
        (("switches", "s3", "dpid"), 2, "file: datapath id 2 is that of two switches"),
        (("switches", "s3", "isolate"), "no", "file: switches.s3.isolate is 'no'; wanted true or false"),
    ],
)
def test_what_is_wrong_is_named(path: tuple[Any, ...], value: Any, text: str) -> None:
    config = valid()
    here: Any = config
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    with pytest.raises(SpecError) as error:
        parse(config, "file")
    assert text in error.value.message


def test_a_lag_between_switches_is_on_one_switch_at_each_end() -> None:
    config = valid()
    config["lags"]["left"]["ports"] = ["s1:1", "s3:2"]
    config["links"][1]["a"] = "s3:2"
    with pytest.raises(SpecError) as error:
        parse(config, "file")
    assert error.value.message == "file: LAG 'left' leads to a switch but is on s1, s3; wanted it on one switch"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("switches: {s1: {dpid: 1}, s1: {dpid: 2}}", ", line 1: key 's1' of line 1 again"),
        ("systems: {}\nswitches: {}\nsystems: {}", ", line 3: key 'systems' of line 1 again"),
        ("switches: {s1: {dpid: 1, dpid: 1}}", ", line 1: key 'dpid' of line 1 again"),
        ("switches: {[a]: {}}", ", line 1: a key is not text"),
        ("switches: &a {s1: *a}", ", line 1: alias *a; write it out"),
        ("systems: {core: !!python/name:os.system x}", ", line 1: could not determine a constructor for the tag"),
        ("switches: {s1: {dpid: 1", ", line 1: "),
        ("switches: {1: {dpid: 1}}", ": switches has the key 1, which YAML does not take for text; write it in quotes"),
        ("switches: {yes: {dpid: 1}}", ": switches has the key True, which YAML does not take for text"),
        ("switches: {s1: {dpid: 2001-99-99}}", " has a value that cannot be read: "),
        ("switches: {s1: {dpid: 0b_}}", " has a value that cannot be read: "),
        ("a: " + "[" * 5000, " is nested too deeply; wanted four keys with plain values"),
        ("\x00", " is not YAML: "),
        ("", " holds nothing; wanted names with values"),
        ("[]", " holds list; wanted names with values"),
        ("switches: []", ": switches holds list; wanted names with values"),
        ("switches: 0", ": switches holds int; wanted names with values"),
        ("links: false", ": links holds bool; wanted a list"),
        ("switches: {s1: }", ": switches.s1 holds nothing; wanted names with values"),
        ("switches: {s1: {}}", ": switches.s1.dpid is None; wanted a whole number from 1 to 18446744073709551615"),
        ("switches: {s1: {dpid: 18446744073709551616}}", ": switches.s1.dpid is 18446744073709551616; wanted a whole"),
        ("switches: {s1: {dpid: true}}", ": switches.s1.dpid is True; wanted a whole number"),
        ("switches: {s1: {dpid: 1.0}}", ": switches.s1.dpid is 1.0; wanted a whole number"),
        ("switches: {a name that is far too long: {dpid: 1}}", "switches.a name that is far too long: switch name"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_one_message(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "controller.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as error:
        load(path)
    assert message in error.value.message
    assert "\n" not in error.value.message


def lag(option: str, value: str) -> str:
    """A file with one LAG that has one option."""
    ports = "" if option == "ports" else "ports: [s1:1, s1:2], "
    return f"{{systems: {{core: {{}}}}, switches: {{s1: {{dpid: 1}}}}, lags: {{one: {{{ports}{option}: {value}}}}}}}"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("ports", "s1:1", "lags.one.ports is 's1:1'; wanted a list of ports such as [s1:1, s1:2]"),
        ("ports", "[1]", "lags.one.ports is [1]; wanted a list of ports"),
        ("ports", "null", "lags.one.ports is None; wanted a list of ports"),
        ("ports", "[]", "lags.one: LAG 'one' has no port"),
        ("ports", '["s1:²"]', "lags.one: port 's1:²' has no port number; wanted SWITCH:NUMBER with a number from 1"),
        ("ports", '["s1:65281"]', "lags.one: port 's1:65281' has no port number; wanted SWITCH:NUMBER"),
        ("ports", f'["s1:{"9" * 5000}"]', "lags.one: port 's1:999"),
        ("ports", '["s1:0"]', "lags.one: port 's1:0' has no port number"),
        ("key", "0", "lags.one.key is 0; wanted a whole number from 1 to 65535"),
        ("key", "'1'", "lags.one.key is '1'; wanted a whole number from 1 to 65535"),
        ("min_links", "65536", "lags.one.min_links is 65536; wanted a whole number from 1 to 65535"),
        ("min_links", "2.0", "lags.one.min_links is 2.0; wanted a whole number"),
        ("max_active", "[1]", "lags.one.max_active is [1]; wanted a whole number from 0 to 65535"),
        ("early_collecting", "1", "lags.one.early_collecting is 1; wanted true or false"),
        ("wait_to_restore_s", "10s", "lags.one.wait_to_restore_s is '10s'; wanted a number of seconds"),
        ("wait_to_restore_s", ".nan", "lags.one.wait_to_restore_s is nan; wanted 0 to 1e9 seconds"),
        ("wait_to_restore_s", ".inf", "lags.one.wait_to_restore_s is inf; wanted 0 to 1e9 seconds"),
        ("rate", "1", "lags.one.rate is 1; wanted text, in quotes"),
        ("rate", "quick", "lags.one: unknown LACP rate 'quick'; the known ones are: fast, slow"),
        ("mux", "null", "lags.one.mux is None; wanted text"),
        ("lacp", "3", "lags.one.lacp is 3; wanted text"),
        ("system", "7", "lags.one.system is 7; wanted text"),
        ("system", "edge", "lags.one: 'edge'; the known ones are: core"),
        ("port_priorities", "100", "lags.one.port_priorities is 100; wanted a list of port priorities"),
        (
            "port_priorities",
            "[1, 65536]",
            "lags.one.port_priorities[1] is 65536; wanted a whole number from 0 to 65535",
        ),
        ("port_priorities", "[1]", "lags.one: LAG 'one' has 2 ports and 1 port_priorities; wanted one for each port"),
        ("speed", "1", "lags.one: 'speed'; the known ones are: "),
    ],
)
def test_each_option_of_a_lag_has_its_type_and_range(tmp_path: Path, option: str, value: str, message: str) -> None:
    path = tmp_path / "controller.yaml"
    path.write_text(lag(option, value))
    with pytest.raises(SpecError) as error:
        load(path)
    assert message in error.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{system: 2}", "systems.core.system is 2; wanted a MAC address such as"),
        ("{system: 10:20:30:40:50:10}", "wanted a MAC address"),
        ("{system: '02:00'}", "systems.core: system id '02:00' of LACP system 'core' is not a MAC address"),
        (
            "{system: '00:00:00:00:00:00'}",
            "system id 00:00:00:00:00:00 of LACP system 'core' is not the address of one",
        ),
        (
            "{system: '01:80:c2:00:00:02'}",
            "system id 01:80:c2:00:00:02 of LACP system 'core' is not the address of one",
        ),
        ("{priority: '1'}", "systems.core.priority is '1'; wanted a whole number from 0 to 65535"),
        ("{priority: 65536}", "systems.core.priority is 65536; wanted a whole number from 0 to 65535"),
    ],
)
def test_a_system_is_one_address_with_a_priority(text: str, message: str) -> None:
    with pytest.raises(SpecError) as error:
        parse(values.read(f"systems: {{core: {text}}}", "file"), "file")
    assert message in error.value.message


def test_what_yaml_writes_in_other_ways_is_read() -> None:
    text = "systems: {core: {system: '02:00:00:00:00:AB'}}\nswitches: {s1: {dpid: 0x10}}\n"
    text += "lags: {one: {ports: ['s1:1'], lacp: off}}"
    found = parse(values.read(text, "file"), "file")
    assert (found.systems[0].system, found.switches[0].dpid, found.lags[0].lacp) == ("02:00:00:00:00:ab", 16, "off")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "controller.yaml"
    path.write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(SpecError, match="is not text in UTF-8"):
        load(path)
    with pytest.raises(SpecError, match="cannot be read: Is a directory"):
        load(tmp_path)
    with pytest.raises(SpecError, match="cannot be read: No such file"):
        load(tmp_path / "none.yaml")


topologies = st.builds(
    lambda members, lag, priorities: _prioritised(trunk(members=members, lag=lag), priorities),
    st.integers(1, 3),
    st.builds(
        LagOptions,
        mux=st.sampled_from(["independent", "coupled"]),
        early_collecting=st.booleans(),
        max_active=st.integers(0, 3),
        fallback=st.sampled_from(["none", "individual", "static"]),
        wait_to_restore_s=st.floats(0, 1e9),
    ),
    st.integers(0, 65535),
)


def _prioritised(topology: Topology, first: int) -> Topology:
    lags = (dataclasses.replace(lag, port_priorities=tuple(first for _ in lag.ports)) for lag in topology.lags)
    return dataclasses.replace(topology, lags=tuple(lags))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["s1:1", "core"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of every value in a configuration."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(spot for key, each in inner for spot in spots(each, (*path, key)))]


@settings(max_examples=150)
@given(st.data(), anything)
def test_any_value_in_any_place_is_read_or_refused(data: st.DataObject, value: Any) -> None:
    """What is accepted can be run: its LACP systems can be made."""
    config: Any = valid() | {"systems": {**valid()["systems"], "core": {"priority": 1}}}
    for option, good in {"rate": "slow", "min_links": 1, "port_priorities": [1, 2], "wait_to_restore_s": 0.5}.items():
        config["lags"]["left"][option] = good
    path = data.draw(st.sampled_from(spots(config)))
    here = holder = {"root": config}
    for step in ("root", *path)[:-1]:
        here = here[step]
    here[("root", *path)[-1]] = value
    try:
        found = parse(holder["root"], "file")
    except SpecError as error:
        assert "file" in error.message
    else:
        systems(found, 0.0)


TAGS = [
    f"!!{tag} " for tag in ["int", "float", "bool", "null", "timestamp", "binary", "set", "omap", "pairs", "map", "seq"]
]


@settings(max_examples=150)
@given(
    st.data(),
    st.text(max_size=6) | st.sampled_from([*"{}[]:,&*!|>'\"%@`#-?\n\t", *TAGS, "&a", "*a", "<<: ", "0x"]),
)
def test_any_text_in_any_place_of_a_file_is_read_or_refused(data: st.DataObject, text: str) -> None:
    whole = yaml.safe_dump(valid(), sort_keys=False)
    at = data.draw(st.integers(0, len(whole)))
    cut = data.draw(st.integers(0, 4))
    try:
        systems(parse(values.read(whole[:at] + text + whole[at + cut :], "file"), "file"), 0.0)
    except SpecError as error:
        assert "file" in error.message


@pytest.mark.slow
@given(topologies)
def test_what_a_topology_writes_is_what_is_read(topology: Topology) -> None:
    found = parse(values.read(to_yaml(topology), "file"), "file")
    for lag, read in zip(topology.lags, found.lags, strict=True):
        assert dataclasses.replace(read, ports=lag.ports) == lag
    assert (found.switches, found.systems) == (topology.switches, topology.systems)
