"""The controller's configuration: it reads what topologies write, and errors name what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from testbed.controller.config import parse, to_yaml
from testbed.errors import SpecError
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
        (("lags", "right", "max_active"), -1, "max_active is -1; wanted 0 or more"),
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
