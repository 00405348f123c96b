"""The LAGs that lead to hosts: what the mode wants, what `--set` asks for, and what has no effect and is refused."""

from __future__ import annotations

import pytest

from testbed.errors import SpecError
from testbed.experiment import discovery
from testbed.experiment.plan import build_from_settings
from testbed.spec import Lag, LagOptions, Topology


def built(name: str = "single_switch", **settings: str) -> Topology:
    """A shipped topology by what is typed after ``--set``."""
    return build_from_settings(discovery.topology(name), settings)


def lags(name: str = "single_switch", **settings: str) -> list[Lag]:
    return [lag for lag in built(name, **settings).lags if lag.name.startswith("lag-")]


def refused(name: str = "single_switch", **settings: str) -> str:
    with pytest.raises(SpecError) as caught:
        built(name, **settings)
    return str(caught.value)


@pytest.mark.parametrize("name", ["single_switch", "mlag", "trunk", "ring", "leaf_spine"])
def test_every_topology_with_lags_takes_their_options(name: str) -> None:
    found = lags(name, lag_lacp="passive", lag_rate="slow", members="2")
    assert found
    assert {(lag.lacp, lag.rate, lag.min_links, lag.port_priorities) for lag in found} == {("passive", "slow", 1, ())}
    trunks = [lag for lag in built(name, lag_lacp="passive").lags if not lag.name.startswith("lag-")]
    # Of two passive ends neither would begin (IEEE 802.1AX-2014, 6.4.13): switches stay active to each other.
    assert {lag.lacp for lag in trunks} <= {"active"}


def test_without_them_the_lag_is_what_the_mode_and_the_bond_want() -> None:
    assert [(lag.lacp, lag.rate) for lag in lags(mode="802.3ad", lacp_rate="slow")] == [("active", "slow")] * 2
    assert [lag.lacp for lag in lags(mode="balance-xor")] == ["off", "off"]
    assert lags(mode="active-backup") == []


def test_a_lag_may_be_before_a_bond_that_wants_none_and_another_kind_before_one_that_does() -> None:
    """A server that boots over the network speaks no LACP, and neither does a LAG that was made static by mistake."""
    assert [
        (lag.lacp, lag.fallback) for lag in lags(mode="active-backup", lag_lacp="active", fallback="individual")
    ] == [("active", "individual")] * 2
    assert [lag.lacp for lag in lags(mode="802.3ad", lag_lacp="off")] == ["off", "off"]
    assert [lag.lacp for lag in lags(mode="balance-xor", lag_lacp="active")] == ["active", "active"]


def test_priorities_and_min_links_are_those_of_each_hosts_lag() -> None:
    found = lags(members="3", lag_port_priorities="300+200+100", lag_min_links="2")
    assert [(lag.port_priorities, lag.min_links) for lag in found] == [((300, 200, 100), 2)] * 2
    assert [lag.port_priorities for lag in built("trunk", lag_port_priorities="2+1").lags if "trunk" in lag.name] == [
        (),
        (),
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "active-backup", "lag_rate": "slow"}, "lag_rate has no effect: no host has a LAG here"),
        ({"mode": "balance-rr", "lag_rate": "slow"}, "lag_rate has no effect: the LAGs are static"),
        ({"lag_lacp": "off", "lag_port_priorities": "1+2"}, "lag_port_priorities has no effect: the LAGs are static"),
        ({"lag_port_priorities": "1"}, "LAG 'lag-h1' has 2 ports and 1 port_priorities; wanted one for each port"),
        ({"lag_port_priorities": "1+x"}, "lag_port_priorities '1+x' is not numbers joined by '+'"),
        ({"lag_port_priorities": "1+65536"}, "port priority 65536 of LAG 'lag-h1' is not between 0 and 65535"),
        ({"lag_min_links": "3"}, "min_links of LAG 'lag-h1' is 3, but it has 2 ports: it would never be used"),
        ({"lag_min_links": "0"}, "lag_min_links is 0; wanted 1 or more"),
        ({"lag_lacp": "on"}, "unknown lag_lacp 'on'"),
        ({"lag_rate": "medium"}, "unknown lag_rate 'medium'"),
        ({"ovs_bond_mode": "balance-rr"}, "unknown ovs_bond_mode 'balance-rr'"),
    ],
)
def test_what_has_no_effect_or_no_sense_is_refused(settings: dict[str, str], message: str) -> None:
    assert message in refused(**settings)


def test_a_ring_of_hosts_without_bonds_has_no_lag_to_set() -> None:
    assert "lag_lacp has no effect: no host has a LAG here" in refused("ring", dual_homed="false", lag_lacp="active")


def test_options_that_are_not_of_a_topology_are_unknown_to_it() -> None:
    """dual_switch and back_to_back have no LAG at all."""
    for name in ("dual_switch", "back_to_back"):
        assert "unknown argument of the topology: 'lag_lacp'" in refused(name, lag_lacp="active")


def test_a_lag_made_by_the_options_has_all_of_their_values() -> None:
    options = LagOptions(mux="coupled", max_active=1, fallback="static", wait_to_restore_s=2.0)
    lag = options.over("any", ("s1-eth1",))
    assert (lag.mux, lag.max_active, lag.fallback, lag.wait_to_restore_s) == ("coupled", 1, "static", 2.0)
