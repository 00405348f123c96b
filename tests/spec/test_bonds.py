"""Bonds as values: what the kernel would refuse is refused, with the reason; teamd's configuration; netlink's input."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import pytest

from testbed import theory
from testbed.emulation import bonds, teams
from testbed.emulation.teamd_config import config
from testbed.errors import SpecError, TrialError
from testbed.spec import bond
from testbed.spec.bond import MODES, Bond, BondOptions

MEMBERS = ("h1-eth0", "h1-eth1")
ARP: dict[str, Any] = {"mode": "active-backup", "miimon_ms": 0, "arp_interval_ms": 100}


def refused(**options: Any) -> str:
    """The error for a bond with these options."""
    with pytest.raises(SpecError) as caught:
        Bond(MEMBERS, **options)
    return caught.value.message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "active-backup", "lacp_rate": "slow"}, "lacp_rate=slow cannot be had in mode active-backup, only in"),
        ({"mode": "balance-xor", "lacp_active": False}, "lacp_active=false cannot be had in mode balance-xor"),
        ({"mode": "balance-rr", "lacp_strict": True}, "lacp_strict=true cannot be had in mode balance-rr"),
        ({"mode": "broadcast", "coupled_control": False}, "coupled_control=false cannot be had in mode broadcast"),
        ({"mode": "balance-tlb", "ad_user_port_key": 3}, "ad_user_port_key=3 cannot be had in mode balance-tlb"),
        ({"mode": "balance-alb", "ad_actor_sys_prio": 3}, "ad_actor_sys_prio=3 cannot be had in mode balance-alb"),
        ({"mode": "balance-rr", "actor_port_prio": "1+2"}, "actor_port_prio=1+2 cannot be had in mode balance-rr"),
        (
            {"mode": "balance-rr", "ad_actor_system": "02:00:00:00:00:01"},
            "ad_actor_system=02:00:00:00:00:01 cannot be had in mode balance-rr",
        ),
        ({"mode": "balance-xor", "broadcast_neighbor": True}, "broadcast_neighbor=true cannot be had in mode"),
        ({"mode": "802.3ad", "primary_member": 1}, "primary_member=1 cannot be had in mode 802.3ad, only in active-"),
        ({"mode": "balance-rr", "active_member": 1}, "active_member=1 cannot be had in mode balance-rr"),
        ({"mode": "802.3ad", "prio": "1+2"}, "prio=1+2 cannot be had in mode 802.3ad"),
        ({"mode": "802.3ad", "packets_per_slave": 3}, "packets_per_slave=3 cannot be had in mode 802.3ad"),
        ({"mode": "802.3ad", "tlb_dynamic_lb": False}, "tlb_dynamic_lb=false cannot be had in mode 802.3ad"),
        ({"mode": "802.3ad", "miimon_ms": 0, "arp_interval_ms": 9}, "arp_interval_ms=9 cannot be had in mode 802.3ad"),
        ({"mode": "balance-alb", "miimon_ms": 0, "arp_interval_ms": 9}, "arp_interval_ms=9 cannot be had in mode bal"),
        ({"arp_interval_ms": 100}, "miimon_ms=100 and arp_interval_ms=100: a bond has one monitor, MII's or ARP's"),
        ({**ARP, "arp_ip_target": "", "ns_ip6_target": ""}, "arp_interval_ms=100 has no target: arp_ip_target and"),
        ({**ARP, "updelay_ms": 100}, "updelay_ms=100 needs miimon_ms, which is 0: the delays are counted in checks"),
        ({**ARP, "downdelay_ms": 100}, "downdelay_ms=100 needs miimon_ms, which is 0"),
        ({**ARP, "peer_notif_delay_ms": 100}, "peer_notif_delay_ms=100 needs miimon_ms, which is 0"),
        ({"mode": "active-backup", "arp_validate": "all"}, "arp_validate=all needs arp_interval_ms, which is 0"),
        ({"mode": "active-backup", "arp_missed_max": 3}, "arp_missed_max=3 needs arp_interval_ms, which is 0"),
        ({"mode": "active-backup", "arp_all_targets": "all"}, "arp_all_targets=all needs arp_interval_ms, which is 0"),
        ({"mode": "active-backup", "arp_ip_target": "10.0.0.9"}, "arp_ip_target=10.0.0.9 needs arp_interval_ms, which"),
        ({**ARP, "arp_ip_target": "10.0.0.300"}, "arp_ip_target: '10.0.0.300' is not the IPv4 address of a host"),
        ({**ARP, "arp_ip_target": "255.255.255.255"}, "arp_ip_target: '255.255.255.255' is not the IPv4 address of"),
        ({**ARP, "ns_ip6_target": "ff02::1"}, "ns_ip6_target: 'ff02::1' is not the IPv6 address of a host"),
        ({**ARP, "arp_ip_target": "10.0.0.2+10.0.0.2"}, "addresses of arp_ip_target must be different from each other"),
        (
            {**ARP, "arp_ip_target": "+".join(f"10.0.0.{i}" for i in range(1, 18))},
            "arp_ip_target has 17 addresses; the",
        ),
        ({"num_grat_arp": 256}, "num_grat_arp is 256; wanted 0 to 255"),
        ({**ARP, "arp_missed_max": 0}, "arp_missed_max is 0; wanted 1 to 255"),
        ({"peer_notif_delay_ms": 300_001}, "peer_notif_delay_ms is 300001; wanted 0 to 300000"),
        ({"ad_actor_sys_prio": 0}, "ad_actor_sys_prio is 0; wanted 1 to 65535"),
        ({"ad_user_port_key": 1024}, "ad_user_port_key is 1024; wanted 0 to 1023"),
        ({"mode": "balance-rr", "packets_per_slave": 65536}, "packets_per_slave is 65536; wanted 0 to 65535"),
        ({"mode": "balance-tlb", "lp_interval_s": 0}, "lp_interval_s is 0; wanted 1 to 2147483647"),
        ({"miimon_ms": -1}, "miimon_ms is -1; wanted 0 to 2147483647"),
        ({"ad_actor_system": "01:00:5e:00:00:01"}, "ad_actor_system '01:00:5e:00:00:01' is not a MAC address of one"),
        ({"xmit_hash_policy": "layer4"}, "unknown xmit_hash_policy 'layer4'; the known ones are: encap2+3, encap3+4,"),
        ({"mode": "bonding"}, "unknown mode 'bonding'"),
        ({"driver": "lagg"}, "unknown driver of a bond 'lagg'; the known ones are: bonding, hsr, mptcp, nexthop, team"),
        (
            {"mode": "active-backup", "prio": "5"},
            "prio of bond 'bond0' is '5', 1 numbers; wanted 2, one for each member",
        ),
        ({"mode": "active-backup", "prio": "5+x"}, "prio '5+x' is not numbers joined by '+', one for each member"),
        ({"actor_port_prio": "0+1"}, "actor_port_prio is 0; wanted 1 to 65535"),
        ({"queue_id": "2+2"}, "queue_id of bond 'bond0' is '2+2': two members cannot share a queue but 0"),
        (
            {"mode": "active-backup", "primary_member": 2},
            "primary_member of bond 'bond0' is 2; wanted a place among its",
        ),
        (
            {"mode": "active-backup", "active_member": 2},
            "active_member of bond 'bond0' is 2; wanted a place among its 2",
        ),
        ({"min_links": 3}, "min_links of bond 'bond0' is 3, but it has 2 members: it would never have carrier"),
    ],
)
def test_impossible_options_are_refused_with_the_reason(options: dict[str, Any], message: str) -> None:
    assert refused(**options).startswith(message)


def test_a_bond_needs_members_each_once() -> None:
    with pytest.raises(SpecError, match=r"bond 'bond0' has no member; wanted one interface or more"):
        Bond(())
    with pytest.raises(SpecError, match=r"members of bond 'bond0' must be different .* found twice: h1-eth0"):
        Bond(("h1-eth0", "h1-eth0"))


def test_the_document_has_every_option() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "bonds.md").read_text()
    for name, option, default, _ in bond.options(BondOptions()):
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        assert f"| {shown or '-'} |" in row, name
        if option.since > (6, 0):
            assert f"{option.since[0]}.{option.since[1]}" in row, name


def test_an_option_that_was_not_set_is_no_error_in_any_mode() -> None:
    for mode in MODES:
        Bond(MEMBERS, mode=mode)


def test_every_option_of_the_kernel_has_an_attribute_of_its_own() -> None:
    from testbed.emulation.bondlink import BondData, MemberData

    known = {name.removeprefix("IFLA_") for name, _ in (*BondData.nla_map, *MemberData.nla_map)}
    used = [
        ("BOND_SLAVE_" if option.each else "BOND_") + option.attribute
        for _, option, _, _ in bond.options(BondOptions())
        if set(option.modes) & set(MODES)  # those of other drivers have none of bonding's
    ]
    assert len(set(used)) == len(used)
    assert set(used) <= known
    # The rest are attributes that the kernel only reports, and use_carrier, which can only be 1.
    assert {name for name in known - set(used) if not name.startswith("BOND_SLAVE_")} == {
        *("BOND_UNSPEC", "BOND_USE_CARRIER", "BOND_AD_INFO"),
    }


def test_only_what_differs_from_the_kernels_default_is_sent() -> None:
    assert bonds.attributes(Bond(MEMBERS, mode="active-backup")) == {"BOND_MODE": 1, "BOND_MIIMON": 100}
    assert bonds.attributes(Bond(MEMBERS)) == {
        **{"BOND_MODE": 4, "BOND_MIIMON": 100, "BOND_XMIT_HASH_POLICY": 1, "BOND_AD_LACP_RATE": 1},
    }


def test_the_arp_monitor_turns_the_other_off() -> None:
    found = bonds.attributes(Bond(MEMBERS, **ARP), ("10.0.0.2", "2001:db8::2"))
    assert (found["BOND_MIIMON"], found["BOND_ARP_INTERVAL"]) == (0, 100)
    assert found["BOND_ARP_IP_TARGET"] == {"attrs": [("TARGET_0", "10.0.0.2")]}
    assert found["BOND_NS_IP6_TARGET"] == {"attrs": [("TARGET_0", "2001:db8::2")]}


def test_options_that_a_kernel_is_too_old_for_are_named() -> None:
    options = BondOptions(lacp_active=False, lacp_strict=True, ad_select="actor_port_prio")
    assert bond.newer(options, (5, 16)) == [
        "lacp_strict=True (since Linux 7.2)",
        "ad_select=actor_port_prio (since Linux 6.18)",
    ]
    assert bond.newer(options, (7, 3)) == []
    assert bond.newer(BondOptions(), (3, 13)) == []


def test_a_kernel_that_ignores_an_option_is_reported_with_the_version_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "release", lambda: "6.1.0")
    value = Bond(MEMBERS, lacp_strict=True)
    with pytest.raises(TrialError) as caught:
        bonds._compare(value, "bond0", {"BOND_LACP_STRICT": 1}, {"IFLA_BOND_MODE": 4})
    assert caught.value.message == (
        "bond0: the kernel has IFLA_BOND_LACP_STRICT = None, wanted 1;"
        " this kernel is 6.1.0, and these options are newer: lacp_strict=True (since Linux 7.2)"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "balance-tlb"}, "bond=team has no counterpart of mode balance-tlb: no runner of teamd moves flows"),
        ({"mode": "balance-alb"}, "bond=team has no counterpart of mode balance-alb"),
        ({"miimon_ms": 50}, "bond=team cannot have miimon_ms: the kernel notifies it of carrier by events"),
        ({"miimon_ms": 0}, "bond=team cannot have miimon_ms: the kernel notifies it of carrier by events"),
        ({"num_grat_arp": 3}, "bond=team cannot have num_grat_arp: the driver retries an announcement without a pause"),
        (
            {"mode": "balance-rr", "packets_per_slave": 3},
            "bond=team: teamd has no counterpart of packets_per_slave=3; wanted 1, 0",
        ),
        (
            {"xmit_hash_policy": "encap2+3"},
            "bond=team: teamd has no counterpart of xmit_hash_policy=encap2+3; wanted layer2",
        ),
        (
            {"mode": "active-backup", "primary_reselect": "better"},
            "bond=team: teamd has no counterpart of primary_reselect=",
        ),
    ],
)
def test_what_teamd_does_not_have_is_refused(options: dict[str, Any], message: str) -> None:
    assert refused(driver="team", **options).startswith(message)


@pytest.mark.parametrize(("packets", "name"), [(1, "roundrobin"), (0, "random")])
def test_members_in_turn_or_by_chance_are_two_runners(packets: int, name: str) -> None:
    """bonding.rst: packets_per_slave=0 chooses a member by chance; teamd.conf(5): random, roundrobin."""
    bond = Bond(MEMBERS, driver="team", mode="balance-rr", packets_per_slave=packets)
    assert config(bond, mac="02:00:00:00:01:01")["runner"] == {"name": name}


def test_teamds_configuration_has_the_meaning_of_the_options() -> None:
    lacp = config(Bond(MEMBERS, driver="team", min_links=2, updelay_ms=200), mac="02:00:00:00:01:01")
    assert (lacp["device"], lacp["hwaddr"]) == ("bond0", "02:00:00:00:01:01")
    assert lacp["runner"] == {
        **{"name": "lacp", "active": True, "fast_rate": True, "sys_prio": 65535, "min_ports": 2},
        **{"tx_hash": ["ip", "l4"], "agg_select_policy": "lacp_prio_stable"},
    }
    assert lacp["link_watch"] == {"name": "ethtool", "delay_up": 200, "delay_down": 0}
    options = {**ARP, "primary_member": 1, "prio": "7+8", "primary_reselect": "failure"}
    value = Bond(MEMBERS, driver="team", **options)
    backup = config(value, mac="02:00:00:00:01:01", ip="10.0.0.1", targets=("10.0.0.2",), vlan=5)
    assert backup["ports"] == {"h1-eth0": {"prio": 7, "sticky": True}, "h1-eth1": {"prio": 2**31 - 1, "sticky": True}}
    (watch,) = backup["link_watch"]
    assert (watch["name"], watch["interval"], watch["missed_max"], watch["vlanid"]) == ("arp_ping", 100, 2, 5)
    assert (watch["source_host"], watch["target_host"]) == ("10.0.0.1", "10.0.0.2")


def test_the_state_of_teamd_is_read() -> None:
    text = """{"runner": {"active_port": "h1-eth1"}, "setup": {"runner_name": "activebackup"}, "ports": {
        "h1-eth1": {"link": {"up": true}, "link_watches": {"up": true}},
        "h1-eth0": {"link": {"up": true}, "link_watches": {"up": false}}}}"""
    shown = teams.parse(text)
    assert shown.active_member == "h1-eth1"
    assert shown.not_carrying("active-backup") == ["h1-eth0 has no link by MII"]


def test_the_member_of_a_teams_flow_cannot_be_predicted() -> None:
    flow = theory.Tuple5("02:00:00:00:01:01", "02:00:00:00:02:01", "10.0.0.1", "10.0.0.2", 40000, 5201)
    assert theory.member_of_flow(Bond(MEMBERS), flow) is not None
    assert theory.member_of_flow(Bond(MEMBERS, driver="team"), flow) is None
