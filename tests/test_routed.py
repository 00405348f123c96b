"""The words for ip(8) that join the ways of hosts by routing (ip-route(8), ip-nexthop(8))."""

from __future__ import annotations

import re
from typing import Any

import pytest

from testbed.emulation.routed import routes, ways
from testbed.errors import SpecError
from testbed.spec import BondOptions
from topologies.two_ways import two_ways


def test_each_way_has_a_subnet_and_the_host_an_address_that_no_way_owns() -> None:
    topology = two_ways(ways=3, bonding=BondOptions(mode="ecmp"))
    lines = ways(topology, topology.host("h2"))
    assert [line for line in lines if line.startswith("address")] == [
        "address add 10.64.0.2/16 dev h2-eth0",
        "address add 10.65.0.2/16 dev h2-eth1",
        "address add 10.66.0.2/16 dev h2-eth2",
    ]
    assert lines[-2:] == ["link add dev nexthop0 type dummy", "link set dev nexthop0 up"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ecmp_detect": "bfd", "ecmp_group": "resilient"}, "ecmp_group=resilient does not go with ecmp_detect=bfd"),
        ({"ecmp_bfd_ms": 50}, "ecmp_bfd_ms=50 needs ecmp_detect=bfd"),
        ({"ecmp_detect": "routing", "ecmp_bfd_mult": 5}, "ecmp_bfd_mult=5 needs ecmp_detect=bfd"),
        ({"ecmp_detect": "bfd", "ecmp_dead_s": 5}, "ecmp_dead_s=5 needs ecmp_detect=routing"),
        ({"ecmp_detect": "routing", "ecmp_hello_s": 4}, "ecmp_dead_s is 4, and ecmp_hello_s 4; wanted more"),
        ({"ecmp_detect": "bfd", "ecmp_bfd_ms": 5}, "ecmp_bfd_ms is 5; wanted 10 to 60000"),
        ({"ecmp_detect": "frr"}, "ecmp_detect"),
        ({"mode": "802.3ad", "ecmp_detect": "bfd"}, "ecmp_detect"),
    ],
)
def test_what_watches_the_ways_has_its_own_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        two_ways(bonding=BondOptions(**{"mode": "ecmp", **options}))


def test_a_multipath_route_has_a_next_hop_by_each_way() -> None:
    topology = two_ways(bonding=BondOptions(mode="ecmp"))
    assert routes(topology, topology.host("h1")) == [
        "route replace 10.0.0.2/32 src 10.0.0.1 nexthop via 10.64.0.2 dev h1-eth0 nexthop via 10.65.0.2 dev h1-eth1"
    ]


def test_a_resilient_group_is_of_the_ways_that_have_carrier() -> None:
    topology = two_ways(ways=3, bonding=BondOptions(mode="ecmp", ecmp_group="resilient", ecmp_buckets=32))
    lines = routes(topology, topology.host("h1"), (0, 2))
    ids = [line.split()[3] for line in lines[:2]]
    assert [line.split()[4:] for line in lines[:2]] == [
        ["via", "10.64.0.2", "dev", "h1-eth0"],
        ["via", "10.66.0.2", "dev", "h1-eth2"],
    ]
    group = lines[2].split()
    assert group[4:] == ["group", "/".join(ids), "type", "resilient", "buckets", "32"]
    assert lines[3] == f"route replace 10.0.0.2/32 src 10.0.0.1 nhid {group[3]}"
    assert len({*ids, group[3]}) == 3


def test_multipath_tcp_has_its_own_address_by_the_first_way_and_announces_the_others() -> None:
    topology = two_ways(ways=3, bonding=BondOptions(mode="mptcp"))
    host = topology.host("h1")
    assert host.bond is not None and host.bond.name == "h1-eth0"
    lines = ways(topology, host)
    assert [line for line in lines if line.startswith("address")] == [
        "address add 10.65.0.1/16 dev h1-eth1",
        "address add 10.66.0.1/16 dev h1-eth2",
    ]
    assert lines[-3:] == [
        "mptcp limits set subflows 4 add_addr_accepted 2",
        "mptcp endpoint add 10.65.0.1 dev h1-eth1 signal",
        "mptcp endpoint add 10.66.0.1 dev h1-eth2 signal",
    ]
    backup = two_ways(bonding=BondOptions(mode="mptcp", mptcp_backup=True))
    assert ways(backup, backup.host("h2"))[-1] == "mptcp endpoint add 10.65.0.2 dev h2-eth1 signal backup"
