"""Members of unequal rates: in every topology with bonds, and refused where the driver would have to know them."""

from __future__ import annotations

import pytest

from testbed.errors import SpecError
from testbed.experiment import discovery
from testbed.experiment.plan import build_from_settings
from testbed.spec import Topology

BONDED = ("back_to_back", "dual_switch", "leaf_spine", "mlag", "ring", "single_switch", "trunk")


def built(name: str, **settings: str) -> Topology:
    return build_from_settings(discovery.topology(name), settings)


@pytest.mark.parametrize("name", BONDED)
def test_every_bond_has_a_member_of_each_rate(name: str) -> None:
    topology = built(name, mode="active-backup", member_rates="1000+100")
    for host in topology.protected_hosts():
        assert [topology.link_of(i).rate_mbps for i in topology.members(host)] == [1000, 100]
    between = [link for link in topology.links if not {link.a, link.b} & set(topology.protected_hosts())]
    assert all(link.rate_mbps != 100 for link in between)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "802.3ad"}, "links of one aggregator must run at one speed (IEEE 802.1AX-2014, 6.3.1)"),
        ({"mode": "balance-tlb"}, "the mode puts load on members by the speed that they report"),
        ({"mode": "balance-alb"}, "the mode puts load on members by the speed that they report"),
        ({"mode": "active-backup", "primary_reselect": "better"}, "primary_reselect=better compares the speeds"),
        ({"mode": "balance-rr", "members": "3"}, "member_rates has 2 rates, and the bond of host 'h1' 3 members"),
        ({"mode": "balance-rr", "member_rates": "1000+fast"}, "member_rates '1000+fast' is not numbers of Mbit/s"),
        ({"mode": "balance-rr", "member_rates": "1000+nan"}, "rate nan Mbit/s of link"),
        ({"mode": "balance-rr", "member_rates": "1000+0"}, "rate 0 Mbit/s of link"),
    ],
)
def test_what_the_driver_would_have_to_know_or_cannot_be_is_refused(settings: dict[str, str], message: str) -> None:
    """bonding.rst: ad_select, balance-tlb (speed by ethtool), primary_reselect=better. A veth reports 10 Gbit/s."""
    with pytest.raises(SpecError) as caught:
        built("single_switch", **{"member_rates": "1000+100", **settings})
    assert message in caught.value.message


@pytest.mark.parametrize("mode", ["balance-rr", "balance-xor", "broadcast", "active-backup"])
def test_the_other_modes_take_them(mode: str) -> None:
    built("single_switch", mode=mode, member_rates="1000+100")


def test_equal_rates_are_for_every_mode() -> None:
    assert built("single_switch", mode="802.3ad", member_rates="100+100").links[0].rate_mbps == 100


def test_hosts_without_bonds_have_no_members() -> None:
    with pytest.raises(SpecError, match="member_rates has no effect: no host has a bond here"):
        built("ring", dual_homed="false", member_rates="1000+100")
