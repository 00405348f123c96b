"""Fast-failover groups as a scheme: groups and flows, BFD's settings, what it refuses, what it reads back."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from testbed.errors import SpecError, TrialError
from testbed.schemes import SCHEMES, chosen
from testbed.schemes.fast_failover import FastFailoverGroups
from testbed.spec import Addressing, BondOptions, FastFailover, Topology
from topologies.back_to_back import back_to_back
from topologies.dual_switch import dual_switch
from topologies.ring import ring
from topologies.two_ways import two_ways

SCHEME = SCHEMES["fast-failover"]
WAYS = two_ways(ends="switches")


def program(switch: str, topology: Topology = WAYS) -> tuple[dict[int, str], list[str]]:
    """The groups of a switch by their number, and its flows."""
    found = SCHEME.program(topology, switch)
    assert found is not None
    groups = (re.fullmatch(r"group_id=(\d+),type=ff,(.*)", text) for text in found.groups)
    return {int(each[1]): each[2] for each in groups if each}, list(found.flows)


def sent(switch: str, match: str) -> str:
    """What the group of the flow with this match does."""
    groups, flows = program(switch)
    (flow,) = (flow for flow in flows if re.fullmatch(rf"priority=\d+,{re.escape(match)},actions=group:\d+", flow))
    return groups[int(flow.rpartition(":")[2])]


def test_the_best_way_first_then_the_next_with_a_mark() -> None:
    """h2 is 02:00:00:00:02:01; a detour's first mark is 02:03, one detour, host 2."""
    assert sent("e1", "dl_dst=02:00:00:00:02:01") == (
        "bucket=watch_port:2,actions=output:2,bucket=watch_port:3,actions=set_field:02:03:00:01:00:02->eth_dst,output:3"
    )


def test_what_has_no_other_way_goes_back_by_in_port() -> None:
    """OpenFlow 1.3, A.2.1: a frame goes out by the port that it came in by only if OFPP_IN_PORT says so."""
    assert sent("s1", "in_port=1,dl_dst=02:00:00:00:02:01") == (
        "bucket=watch_port:2,actions=output:2,bucket=watch_port:1,actions=set_field:02:03:00:01:00:02->eth_dst,in_port"
    )


def test_what_comes_back_takes_the_next_way() -> None:
    marked = "in_port=2,dl_dst=02:03:00:01:00:02"
    assert sent("e1", marked) == "bucket=watch_port:3,actions=set_field:02:03:00:02:00:02->eth_dst,output:3"


def test_the_last_switch_writes_the_host_s_own_address() -> None:
    _, flows = program("e2")
    assert "priority=200,dl_dst=02:00:00:00:02:01,actions=output:1" in flows
    mark = "dl_dst=02:03:00:00:00:02/ff:ff:00:00:ff:ff"
    assert f"priority=200,{mark},actions=set_field:02:00:00:00:02:01->eth_dst,output:1" in flows


def test_requests_for_an_address_go_to_its_host() -> None:
    broadcast = "arp,dl_dst=ff:ff:ff:ff:ff:ff,arp_tpa=10.0.0.2"
    assert sent("e1", broadcast) == sent("e1", "dl_dst=02:00:00:00:02:01")
    _, flows = program("e1", two_ways(ends="switches", addressing=Addressing(ip=6)))
    assert any("icmp6,icmp_type=135" in flow and "nd_target=2001:db8::2" in flow for flow in flows)


def test_after_as_many_detours_as_switches_there_is_no_further() -> None:
    assert sent("s1", "in_port=1,dl_dst=02:03:00:04:00:02") == "bucket=watch_port:2,actions=output:2"
    assert not any("02:03:00:05" in text for switch in ("e1", "s1") for text in program(switch)[0].values())


def test_bfd_watches_every_port_between_switches() -> None:
    """ovs-vswitchd.conf.db(5): the keys of the column bfd of Interface."""
    scheme = chosen({"controller": "fast-failover", "bfd_ms": 50, "bfd_mult": 4})
    first = scheme.starts(WAYS)[0]
    settings = ["bfd:min_tx=50", "bfd:min_rx=50", "bfd:mult=4", "bfd:enable=true"]
    assert (first.name, first.period_s) == ("bfd e1", 0.05)
    assert list(first.words) == [
        "set",
        "Interface",
        "e1-eth2",
        *settings,
        "--",
        "set",
        "Interface",
        "e1-eth3",
        *settings,
    ]
    assert chosen({"controller": "fast-failover", "bfd_ms": 0}).starts(WAYS) == []


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"bfd_ms": -1}, "bfd_ms is -1; wanted 0 or more"),
        ({"bfd_ms": 60_001}, "bfd_ms is 60001; wanted 60000 or less"),
        ({"bfd_mult": 0}, "bfd_mult is 0; wanted 1 or more"),
        ({"bfd_mult": 256}, "bfd_mult is 256; wanted 255 or less"),
        ({"bfd_ms": 0, "bfd_mult": 4}, "bfd_mult=4: with bfd_ms=0 there is no BFD"),
    ],
)
def test_what_bfd_has_not_is_refused(given: dict[str, Any], what: str) -> None:
    """RFC 5880, 4.1: Detect Mult is an octet, and must not be 0."""
    with pytest.raises(SpecError, match=what):
        chosen({"controller": "fast-failover", **given})


def test_bonded_hosts_are_refused() -> None:
    SCHEME.check(ring(dual_homed=False))
    SCHEME.check(back_to_back())
    with pytest.raises(
        SpecError, match=r"host 'h1' has a bond, and controller fast-failover knows each host at one port"
    ):
        SCHEME.check(dual_switch(bonding=BondOptions(mode="active-backup")))


def shown(port: str, **other: str) -> str:
    """bfd/show of a port, in the form of Open vSwitch 3.1 (bfd_put_details, lib/bfd.c)."""
    values = {"forwarding": "true", "mult": "3", "tx": "100", "remote": "3", **other}
    return (
        f"---- {port} ----\n  Forwarding: {values['forwarding']}\n  Detect Multiplier: {values['mult']}\n"
        f"  Concatenated Path Down: false\n  TX Interval: Approx {values['tx']}ms\n  RX Interval: Approx 100ms\n\n"
        f"  Local Flags: none\n  Remote Detect Multiplier: {values['remote']}\n"
    )


PORTS = [port for switch in ("e1", "e2") for port in (f"{switch}-eth2", f"{switch}-eth3")]
PORTS += [f"s{way}-eth{end}" for way in (1, 2) for end in (1, 2)]


def live(**other: str) -> Any:
    text = "".join(shown(port, **(other if port == "s2-eth1" else {})) for port in PORTS)
    return SimpleNamespace(topology=WAYS, ask_switches=lambda command: {"bfd/show": text}[command])


def test_it_has_converged_when_every_session_is_up_at_its_interval() -> None:
    assert SCHEME.missing(live()) == ""
    assert SCHEME.missing(live(forwarding="false")) == "s2-eth1 has Forwarding false"
    assert SCHEME.missing(live(tx="1000")) == "s2-eth1 has TX Interval Approx 1000ms"
    assert FastFailoverGroups(FastFailover(bfd_ms=0)).missing(live(forwarding="false")) == ""


def test_the_multiplier_of_both_ends_is_read_back() -> None:
    SCHEME.built(live())
    with pytest.raises(TrialError, match="BFD of s2-eth1 has Remote Detect Multiplier 5, wanted 3"):
        SCHEME.built(live(remote="5"))
