"""The breakdown of an outage: the parts add up, and follow from the events as measure/breakdown.py defines them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.measure.breakdown import Breakdown, breakdown, marks
from testbed.measure.detection import first_taken_out
from testbed.measure.outage import Outage
from testbed.spec import Topology
from testbed.spec.bond import BondOptions
from topologies.single_switch import single_switch
from topologies.two_ways import two_ways

WINDOW = (10.0, 14.0)


def lasting(begin_s: float, outage_s: float, *, recovered: bool = True) -> Outage:
    return Outage(outage_s, outage_s, 100, recovered, begin_s=begin_s, interval_s=1e-3)


def topology(mode: str) -> Topology:
    return single_switch(bonding=BondOptions(mode=mode))


INSTANTS = st.one_of(st.none(), st.floats(9.0, 14.0))


@given(first=INSTANTS, second=INSTANTS, third=INSTANTS, length=st.floats(1e-6, 3.0))
def test_the_parts_add_up_to_the_outage_and_none_is_negative(
    first: float | None, second: float | None, third: float | None, length: float
) -> None:
    found = breakdown(lasting(9.9995, length), (first, second, third))
    parts = [found.detection_s, found.decision_s, found.programming_s, found.forwarding_s]
    known = [part for part in parts if part is not None]
    assert sum(known) == pytest.approx(length)
    assert min(known) >= 0
    for mark, part in zip((first, second, third), parts, strict=False):
        assert (part is None) == (mark is None or mark > 9.9995 + length)


def test_each_part_is_the_time_between_two_instants() -> None:
    found = breakdown(lasting(10.0, 0.110), (10.090, 10.100, 10.104))
    parts = (found.detection_s, found.decision_s, found.programming_s, found.forwarding_s)
    assert parts == pytest.approx((0.090, 0.010, 0.004, 0.006))


def test_there_is_no_breakdown_without_an_outage_or_a_recovery() -> None:
    assert breakdown(lasting(0.0, 0.0), (10.0, 10.0, 10.0)) == Breakdown()
    assert breakdown(lasting(10.0, 4.0, recovered=False), (10.0, 10.0, 10.0)) == Breakdown()


def bond(at: float, event: str, interface: str, new: object, host: str = "h1") -> dict[str, object]:
    return {"t_s": at, "source": "bond", "event": event, "host": host, "interface": interface, "old": None, "new": new}


BACKUP = [
    bond(9.0, "mii_status", "h1-eth0", "down"),  # before the fault: the fault is not the cause
    bond(10.04, "mii_status", "h1-eth1", "going_back"),
    bond(10.05, "mii_status", "h1-eth0", "going_down"),
    bond(10.09, "mii_status", "h1-eth0", "down"),
    bond(10.091, "role", "h1-eth0", "backup"),
    bond(10.092, "active_member", "bond0", ""),
    bond(10.093, "active_member", "bond0", "h1-eth1"),
    {"t_s": 10.0935, "source": "wire", "event": "gratuitous_arp", "interface": "h2-eth0", "direction": "in"},
    {"t_s": 10.094, "source": "wire", "event": "gratuitous_arp", "interface": "h1-eth1", "direction": "out"},
]


@pytest.mark.parametrize("element", ["s1-eth1", "h1-eth0", "h1-eth0--s1-eth1"])
@pytest.mark.parametrize("source", ["h1", "h2"])
def test_an_active_backup_bond_decides_for_both_directions(element: str, source: str) -> None:
    assert marks(BACKUP, topology("active-backup"), element, source, WINDOW) == (10.05, 10.093, 10.094)


def test_a_bond_that_hashes_announces_nothing() -> None:
    assert marks(BACKUP, topology("802.3ad"), "s1-eth1", "h1", WINDOW) == (10.05, 10.09, None)


def test_lacp_takes_a_member_out_by_its_role() -> None:
    events = [bond(12.5, "role", "h1-eth0", "backup")]
    assert marks(events, topology("802.3ad"), "s1-eth1", "h1", WINDOW) == (12.5, 12.5, None)


SWITCH: list[dict[str, object]] = [
    {"t_s": 10.001, "source": "carrier", "event": "carrier", "interface": "h1-eth0", "host": "h1", "new": False},
    {"t_s": 10.002, "source": "carrier", "event": "carrier", "interface": "s1-eth1", "switch": "s1", "new": False},
    {"t_s": 10.003, "source": "controller", "event": "port_status", "port": "1:1", "carrier": False},
    {"t_s": 10.004, "source": "controller", "event": "distribute", "lag": "lag-h2", "ports": ["1:3"]},
    {"t_s": 10.005, "source": "controller", "event": "distribute", "lag": "lag-h1", "ports": ["1:2"]},
    {"t_s": 10.006, "source": "controller", "event": "program", "dpid": 1, "group_mod": 1},
    {"t_s": 10.007, "source": "controller", "event": "programmed", "dpid": 1},
]


def test_the_switch_decides_for_what_it_sends_to_a_lag() -> None:
    assert marks(SWITCH, topology("802.3ad"), "s1-eth1", "h2", WINDOW) == (10.002, 10.005, 10.007)


def test_a_switch_that_receives_no_more_frames_detects_it_by_lacp() -> None:
    machine = {"source": "lacp", "event": "transition", "lag": "lag-h1", "port": "1:1"}
    events = [
        {"t_s": 11.0, **machine, "machine": "periodic", "new": "FAST_PERIODIC"},
        {"t_s": 12.8, **machine, "machine": "receive", "new": "EXPIRED"},
        *({**event, "t_s": float(str(event["t_s"])) + 3} for event in SWITCH[3:]),
    ]
    assert marks(events, topology("802.3ad"), "s1-eth1", "h2", WINDOW) == (12.8, 13.005, 13.007)


def test_without_events_there_are_no_marks() -> None:
    assert marks([], topology("802.3ad"), "s1-eth1", "h1", WINDOW) == (None, None, None)


def watched(at: float, host: str, old: str, new: str, source: str = "bfd") -> dict[str, object]:
    event = {"bfd": "session", "ospf": "neighbor"}[source]
    return {
        "t_s": at,
        "source": source,
        "event": event,
        "host": host,
        "interface": f"{host}-eth0",
        "old": old,
        "new": new,
    }


@pytest.mark.parametrize("source", ["bfd", "ospf"])
def test_where_the_ways_are_watched_the_sender_s_own_session_detects(source: str) -> None:
    """Each end detects by itself: the other's session does not count, nor one before the fault or that comes up."""
    found = two_ways(bonding=BondOptions(mode="ecmp", ecmp_detect="bfd"))
    events = [
        watched(9.9, "h2", "Up", "Down", source),
        watched(10.21, "h1", "Up", "Down", source),
        watched(10.25, "h2", "Init", "Up", source),
        watched(10.27, "h2", "Up", "Down", source),
    ]
    assert marks(events, found, "s1-eth1", "h1", WINDOW) == (10.21, None, None)
    assert marks(events, found, "s1-eth1", "h2", WINDOW) == (10.27, None, None)
    noticed = first_taken_out(events, *WINDOW)
    assert noticed is not None and noticed["t_s"] == 10.21
