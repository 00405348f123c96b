"""What bonds do in a guest, compared with the kernel's document (networking/bonding.rst) and the standard."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest

from testbed import theory
from testbed.design.trial import Trial
from testbed.results.result import Run
from tests.emulation.support import PROJECT, in_guest, side_by_side

#: The monitor checks every 10 ms, which the guest rounds up by a tick (docs/limits.md).
CHECK_MS = 11.0
#: Reading the kernel's state takes a little, in milliseconds.
READING_MS = 1.0


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What many bonds in one guest did (tests/emulation/bond_behaviour.py)."""
    script = (
        f"import sys; sys.path.insert(0, {str(PROJECT)!r})\nfrom tests.emulation import bond_behaviour as b\nb.main()"
    )
    printed = in_guest(tmp_path_factory.mktemp("bonds"), script, limit_s=300.0)
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """One flow between two bonds, without a switch where that is possible; the ARP monitor under silent loss."""
    place = tmp_path_factory.mktemp("runs")
    few = ("--repetitions", "1", "--seed", "3")
    short = ("--set", "members=2", "--set", "flows=1", "--set", "duration_s=1", "--set", "omit_s=0")
    flow = (*few, *short, "--set", "placement=random")
    # Frames that wait long in each card arrive in bursts from one member after the other, which TCP takes for loss.
    straight = (
        "--topology",
        "back_to_back",
        "--set",
        "rx_coalesce_us=20",
        "--set",
        "mode=balance-rr,balance-xor,802.3ad",
    )
    arp = ("--set", "fault=silent_loss", "--set", "miimon_ms=0", "--set", "arp_interval_ms=100")
    return side_by_side(
        (place / "straight", "aggregation", *flow, *straight),
        (place / "switched", "aggregation", *flow, "--set", "mode=active-backup,balance-tlb,balance-alb"),
        (place / "arp", "failover", *few, *arp, "--set", "mode=active-backup", "--set", "ip=4,6", "--set", "vlan=7"),
    )


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        ("always", ["a", "b", "a", "a", "a"]),  # a comes back whenever it can
        ("better", ["a", "b", "b", "a", "a"]),  # a is no faster than b
        ("failure", ["a", "b", "b", "a", "a"]),  # a comes back only when b fails
    ],
)
def test_the_primary_comes_back_as_primary_reselect_says(seen: dict[str, Any], policy: str, wanted: list[str]) -> None:
    assert seen["reselect"][policy] == wanted


def test_the_highest_priority_carries_where_there_is_no_primary(seen: dict[str, Any]) -> None:
    # a has 1, b has 5, c has 3: without b, without c as well, c is back, b is back.
    assert seen["priorities"]["always"] == ["b", "c", "a", "c", "b"]


def test_priorities_follow_primary_reselect(seen: dict[str, Any]) -> None:
    # The first to come up stays; without a the highest, b; a is back; without b the next, c; b is back: c stays.
    assert seen["priorities"]["failure"] == ["a", "b", "b", "c", "c"]


def test_the_primary_takes_precedence_over_any_priority(seen: dict[str, Any]) -> None:
    assert seen["priorities"]["primary"] == ["a", "c", "b", "a"]


def test_a_member_that_was_made_active_manually_stays_active(seen: dict[str, Any]) -> None:
    assert seen["set_manually"]["steps"] == ["a", "b", "a", "b", "b", "b"]


def test_without_a_primary_no_member_takes_over_again_even_with_reselection_always(seen: dict[str, Any]) -> None:
    assert seen["set_manually"]["always"] == ["b", "b", "b"]


def test_a_dead_member_is_not_made_the_active_one(seen: dict[str, Any]) -> None:
    assert re.fullmatch(r"bond 'bond\d+' does not make m\d+a its active member: .+", seen["set_manually"]["error"])


def test_announcements_are_as_many_as_num_grat_arp(seen: dict[str, Any]) -> None:
    found = seen["announcements"]
    assert [case["count"] for case in found] == [0, 1, 3, 5, 2]
    for case in found:
        assert case["arps"] == case["advertisements"] == case["count"], case


def test_announcements_keep_peer_notif_delay(seen: dict[str, Any]) -> None:
    """The delay is counted in checks of the monitor; without it there is one per check. The first announcement is
    between two checks, so the first gap is up to one check shorter."""
    for case in seen["announcements"]:
        wanted_ms = max(case["delay_ms"] / 10, 1) * CHECK_MS
        assert len(case["gaps_ms"]) == max(case["count"] - 1, 0)
        for place, gap_ms in enumerate(case["gaps_ms"]):
            least_ms = wanted_ms - (CHECK_MS if place == 0 else 0)
            assert least_ms - 1 <= gap_ms <= wanted_ms + 1, case


def test_delays_are_kept_and_counted_in_checks(seen: dict[str, Any]) -> None:
    for case in seen["delays"]:
        for delay_ms, took_ms in ((case["downdelay_ms"], case["down_ms"]), (case["updelay_ms"], case["up_ms"])):
            checks = delay_ms // 10
            assert checks * CHECK_MS - 1 <= took_ms <= (checks + 1) * CHECK_MS + READING_MS, case


def test_frames_of_backup_members_are_dropped_unless_all_are_active(seen: dict[str, Any]) -> None:
    assert seen["duplicates"] == {"False": 0, "True": 5}


@pytest.mark.parametrize("packets", [1, 4])
def test_members_take_turns(seen: dict[str, Any], packets: int) -> None:
    turns = [(place, len(list(group))) for place, group in itertools.groupby(seen["turns"][str(packets)])]
    # Earlier frames may have started the first turn.
    assert {length for _, length in turns[1:-1]} == {packets}
    assert turns[0][1] <= packets
    assert all(after == (before + 1) % 3 for (before, _), (after, _) in itertools.pairwise(turns))


def test_addresses_follow_fail_over_mac(seen: dict[str, Any]) -> None:
    """The addresses of the bond, of member a and of member b, each by the member that had it first."""
    found = seen["addresses"]
    assert found["none"] == {"before": ["a", "a", "a"], "after": ["a", "a", "a"]}
    assert found["active"] == {"before": ["a", "a", "b"], "after": ["b", "a", "b"]}
    assert found["follow"] == {"before": ["a", "a", "b"], "after": ["a", "b", "a"]}


def test_lacpdus_contain_the_options_of_the_actor(seen: dict[str, Any]) -> None:
    for actor, port_priority in zip(seen["lacpdus"]["actors"], (10, 20), strict=True):
        assert (actor["priority"], actor["system"]) == (7, "02:00:00:00:99:01")
        assert actor["port_priority"] == port_priority
        # bonding.rst, ad_user_port_key: the upper ten bits; the lowest is for full duplex
        assert (actor["key"] >> 6, actor["key"] & 1) == (5, 1)


def test_a_passive_bond_speaks_only_when_spoken_to(seen: dict[str, Any]) -> None:
    assert seen["lacpdus"]["active"] > 0
    assert seen["lacpdus"]["passive"] == 0


def test_lacp_rate_is_the_timeout_bit(seen: dict[str, Any]) -> None:
    # IEEE 802.1AX-2014, 6.4.2.3: LACP_Timeout is set for the short timeout
    assert seen["lacpdus"]["short_timeout"] == {"slow": False, "fast": True}


def test_carrier_needs_min_links_and_lacp_strict_a_partner(seen: dict[str, Any]) -> None:
    assert seen["carrier_of_aggregators"] == {"min_links=1": True, "min_links=2": False, "lacp_strict": False}


def test_memberships_are_reported_again_as_often_as_resend_igmp_says(seen: dict[str, Any]) -> None:
    assert seen["memberships"] == {"0": 0, "1": 1, "3": 3}


#: What ip(8) calls an option; and what it prints for a value, where that is not the value.
SHOWN = {"peer_notif_delay": "peer_notify_delay", "num_grat_arp": "num_peer_notif"}
SHOWN |= {"lacp_rate": "ad_lacp_rate", "lacp_active": "ad_lacp_active"}


def test_ip_shows_every_option_as_it_was_set(seen: dict[str, Any]) -> None:
    for case in seen["readings"]:
        for option, value in case["asked"].items():
            name = option.removesuffix("_ms").removesuffix("_s")
            wanted = "off" if (option, value) == ("lacp_active", False) else value
            if option in ("updelay_ms", "downdelay_ms"):
                wanted = value // 10 * 10  # bonding.rst: rounded down to a multiple of miimon
            assert case["shown"][SHOWN.get(name, name)] == wanted, (option, case)
        if case["asked"].get("arp_interval_ms"):
            assert case["shown"]["arp_ip_target"] == ["192.0.2.250", "192.0.2.251"]
            assert case["shown"]["ns_ip6_target"] == ["2001:db8::99"]


def test_one_tcp_flow_exceeds_one_link_in_balance_rr_alone(runs: list[Run]) -> None:
    one_mbps = theory.ideal_mbps("active-backup", 2, 1000.0)
    found = {
        str(record.case["mode"]): record.metrics["goodput_mbps"] for record in (*runs[0].records, *runs[1].records)
    }
    assert found.pop("balance-rr") > 1.2 * one_mbps
    assert len(found) == 5
    for mode, goodput_mbps in found.items():
        assert goodput_mbps <= 1.01 * one_mbps, mode


def test_the_arp_monitor_sees_silent_loss_within_its_bound(runs: list[Run]) -> None:
    assert [record.case["ip"] for record in runs[2].records] == [4, 6]
    for record in runs[2].records:
        assert record.status == "ok", record.reason
        trial = Trial.from_json((runs[2].path / record.raw / "trial.json").read_text())
        bond = trial.topology.host("h1").bond
        assert bond is not None
        assert record.metrics["outage_s"] <= theory.arp_bound(bond).limit_s + 0.002, record.case
        assert record.metrics["detection_s"] > 0.2, record.case
