"""Hosts that a monitor, a LAG or a lost controller cuts off: by the kernel's document and the standard, by hand."""

from __future__ import annotations

import dataclasses

import pytest

from testbed.errors import SpecError
from testbed.schemes import SCHEMES
from testbed.spec import BondOptions, LagOptions, Topology
from testbed.spec.wiring import Wiring
from testbed.theory import UNMONITORED, reachability
from topologies.dual_switch import dual_switch
from topologies.mlag import mlag
from topologies.ring import ring
from topologies.single_switch import single_switch
from topologies.trunk import trunk


def found(topology: Topology, *failed: str, pair: tuple[str, str] = ("h1", "h2"), **more: object) -> bool | None:
    return reachability.expected(topology, failed, **more)[pair].connected  # type: ignore[arg-type]


def why(topology: Topology, *failed: str, pair: tuple[str, str] = ("h1", "h2")) -> str:
    return reachability.expected(topology, failed)[pair].why


def access(arp_validate: str, **more: object) -> Topology:
    """h1 and h3 on two access switches, which only s3 joins; both ask the gateway h2 behind it."""
    asking = {"miimon_ms": 0, "arp_interval_ms": 100, "arp_ip_target": "10.0.0.2", "arp_validate": arp_validate, **more}
    net = Wiring(bonding=BondOptions(mode="active-backup", **asking))  # type: ignore[arg-type]
    s1, s2, s3 = net.switches(3)
    net.bonded("h1", [s1, s2])
    net.single("h2", s3)
    net.bonded("h3", [s1, s2])
    net.join(s1, s3)
    net.join(s2, s3)
    return net.topology("access")


UPLINK = "s1-eth3--s3-eth2"


def test_without_validation_a_bond_takes_the_requests_of_others_for_answers() -> None:
    """bonding.rst, arp_validate: "... other hosts' ARP requests ... will cause the ARP monitor to believe the links are
    still up" where several bonds are behind one switch."""
    network = access("none")
    assert found(network) is True
    assert found(network, UPLINK) is False
    assert why(network, UPLINK) == (
        "the ARP monitor of h1 takes the frames of other hosts for answers (arp_validate=none), and stays with h1-eth0"
    )
    assert found(network, UPLINK, pair=("h1", "h3")) is True  # both stay where they are
    assert found(network, "s3", pair=("h1", "h3")) is True


def test_with_validation_a_bond_leaves_a_member_behind_which_no_target_is() -> None:
    network = access("all")
    assert found(network, UPLINK) is found(network, UPLINK, pair=("h1", "h3")) is True
    assert found(network, "s3", pair=("h1", "h3")) is False
    assert why(network, "s3", pair=("h1", "h3")) == (
        "no target of h1's ARP monitor answers, so it takes all members out"
    )
    bound = reachability.expected(network, [UPLINK])["h1", "h2"].bound
    assert bound is not None
    assert 0.25 < bound.bound_s < 0.36  # two and a half intervals, and one look (bond_time_in_interval)


def test_a_backup_member_that_nothing_validates_comes_back_by_what_other_bonds_ask_there() -> None:
    """arp_validate=active validates the active member only, and the primary is taken again as soon as it is up."""
    assert found(access("active"), UPLINK) is None
    assert "h1 goes back to h1-eth0" in why(access("active"), UPLINK)
    assert found(access("active", primary_reselect="failure"), UPLINK) is True
    assert found(access("active", primary_member=-1), UPLINK) is True


@pytest.mark.parametrize("targets", ["10.0.0.99", "10.0.0.98+10.0.0.99"])
def test_targets_that_are_nobodys_address_are_refused(targets: str) -> None:
    with pytest.raises(SpecError) as caught:
        access("all", arp_ip_target=targets)
    assert caught.value.message.startswith("the ARP monitor of bond 'bond0' on host 'h1' asks 10.0.0.9")
    assert "nothing answers, and the bond would flap" in caught.value.message


def test_one_such_target_among_others_matters_where_all_have_to_answer() -> None:
    with pytest.raises(SpecError, match=r"asks 10\.0\.0\.99, which is the address of no host here"):
        access("all", arp_ip_target="10.0.0.2+10.0.0.99", arp_all_targets="all")
    network = access("all", arp_ip_target="10.0.0.2+10.0.0.99")
    assert found(network) is True
    assert network.unanswered("h1") == ("10.0.0.99",)


@pytest.mark.parametrize(
    ("mode", "connected"),
    [
        ("active-backup", False),  # bonding.rst, "miimon": 0 disables it, and nothing else moves the active member
        ("balance-tlb", False),  # it sends by the others, and receives by the active one
        ("balance-alb", None),
        ("balance-xor", True),  # bond_slave_can_tx asks for the carrier
        ("balance-rr", True),
        ("broadcast", True),
        ("802.3ad", True),
    ],
)
def test_without_a_monitor_a_bond_never_leaves_its_active_member(mode: str, connected: bool | None) -> None:
    network = single_switch(bonding=BondOptions(mode=mode, miimon_ms=0))
    assert found(network) is True
    assert found(network, "h1-eth0--s1-eth1") is connected
    if connected is False:
        assert why(network, "h1-eth0--s1-eth1") == UNMONITORED
        assert found(network, "h1-eth1--s1-eth2") is True  # the backup


def test_a_lag_with_lacp_before_a_host_that_speaks_none() -> None:
    """SONiC and others: a server that boots over the network is cut off unless the LAG falls back."""

    def silent(mode: str, fallback: str, members: int = 2) -> Topology:
        lag = LagOptions(lacp="active", fallback=fallback)
        return single_switch(members=members, bonding=BondOptions(mode=mode), lag=lag)

    assert found(silent("active-backup", "none")) is False
    assert why(silent("active-backup", "none")) == "LAG lag-h1 speaks LACP and h1 does not (fallback=none)"
    assert found(silent("balance-xor", "none")) is False
    assert found(silent("active-backup", "individual", members=1)) is True
    assert found(silent("active-backup", "individual")) is None  # which port the LAG chooses, and which the bond
    assert found(silent("active-backup", "static")) is None  # the bond drops what comes in by its backup
    assert found(silent("balance-xor", "static")) is True
    assert found(silent("active-backup", "individual"), "h1-eth0", "h2-eth0") is True
    every = single_switch(bonding=BondOptions(mode="active-backup", all_slaves_active=True), lag=LagOptions(lacp="off"))
    assert found(every) is True


def test_open_vswitch_in_active_backup_drops_what_comes_in_by_its_backup_members() -> None:
    """ovs-vswitchd.conf.db(5), bond_mode; with LACP it takes frames in on every member."""
    side = SCHEMES["ovs"].side
    lag = LagOptions(ovs_bond_mode="active-backup")
    assert found(single_switch(bonding=BondOptions(mode="balance-xor"), lag=lag), side=side) is None
    assert found(single_switch(bonding=BondOptions(mode="broadcast"), lag=lag), side=side) is True
    assert found(single_switch(lag=lag), side=side) is True
    assert found(single_switch(members=1, bonding=BondOptions(mode="balance-xor"), lag=lag), side=side) is True


def test_min_links_of_a_lag_takes_the_host_out() -> None:
    network = single_switch(lag=LagOptions(min_links=2))
    assert found(network) is True
    assert found(network, "h1-eth0") is False
    assert found(single_switch(members=3, lag=LagOptions(min_links=2)), "h1-eth0") is True


def three_parts() -> Topology:
    """Leaves 1 to 4 around a spine, and no other link: without the spine each leaf is a part of its own."""
    net = Wiring()
    (spine,) = net.switches(1, "spine")
    leaves = net.switches(4, "leaf")
    net.bonded("h1", [leaves[0], leaves[1]], system="west")
    net.bonded("h2", [leaves[0], leaves[1]], system="west")
    net.bonded("h3", [leaves[2], leaves[3]], system="east")
    net.bonded("h4", [leaves[2], leaves[3]], system="east")
    for leaf in leaves:
        net.link(leaf, spine)
    return net.topology("three_parts")


def test_in_more_parts_than_two_every_lag_uses_the_best_of_its_own() -> None:
    """Both hosts of a pair of leaves use the leaf where both have carrier, whatever other parts there are."""
    network = three_parts()
    assert found(network, "spine1", pair=("h1", "h2")) is True
    assert found(network, "spine1", pair=("h3", "h4")) is True
    assert found(network, "spine1", pair=("h1", "h3")) is False
    # h3 has only leaf4 left: h4 has to use that one, too, though leaf3 is the first.
    assert found(network, "spine1", "h3-eth0", pair=("h3", "h4")) is True
    assert found(network, "spine1", "h3-eth0", "h4-eth1", pair=("h3", "h4")) is False
    assert found(network, "leaf3-eth3", "leaf4-eth3", "h3-eth0", pair=("h3", "h4")) is True


def test_a_switch_that_alone_loses_the_controller() -> None:
    """Nothing sends LACPDUs from it: its members time out, and a host that has no other switch is not heard."""
    network = mlag()
    for switch in ("c0-s1", "c0-s2"):
        assert found(network, switch, controller_down_s=1.5) is True  # less than the timeout less a period
        assert found(network, switch, controller_down_s=2.5) is None
        assert found(network, switch) is True
    assert found(network, "c0-s1", pair=("h1", "h3")) is False  # h3 is on s1, which sends by members nobody listens on
    assert found(network, "c0-s2", pair=("h1", "h3")) is True
    slow = mlag(bonding=BondOptions(lacp_rate="slow"))
    assert found(slow, "c0-s1", pair=("h1", "h3"), controller_down_s=10.0) is True
    assert found(trunk(), "c0-s1") is False  # all of h1's members, and the trunk
    assert found(ring(), "c0-s2") is True
    backup = dual_switch()
    assert found(backup, "c0-s1") is True  # without LACP the flows in place stay right
    with pytest.raises(SpecError, match="unknown element 'c0-s1'"):
        found(network, "c0-s1", side=SCHEMES["none"].side)


def test_two_bonds_time_out_one_after_the_other() -> None:
    bound = reachability.expected(mlag(), ["c0-s1"])["h1", "h2"].bound
    assert bound is not None
    assert bound.bound_s == pytest.approx(1.0 + 0.104)  # a period of LACPDUs and a step of the driver


def test_a_host_with_a_mode_of_its_own_counts_by_that() -> None:
    network = single_switch(bonding=BondOptions(mode="active-backup"))
    first, second = network.hosts
    assert second.bond is not None
    blind = dataclasses.replace(second, bond=dataclasses.replace(second.bond, miimon_ms=0))
    mixed = dataclasses.replace(network, hosts=(first, blind))
    assert found(mixed, "h1-eth0") is True
    assert found(mixed, "h2-eth0") is False
