"""When a bond is complete: all of its members carry traffic, but for those that the switch side has stand by."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from testbed.emulation.bonds import Member, Shown
from testbed.emulation.network import Network
from testbed.experiment import discovery
from testbed.experiment.plan import build_topology
from testbed.lab import convergence
from testbed.schemes import SCHEMES

#: IEEE 802.1AX-2014, 6.4.2.3: activity, timeout, aggregation, synchronization, collecting, distributing; and without
#: the last three, as a port that stands by.
ACTIVE, STANDBY = 0x3F, 0x07


@pytest.mark.parametrize(
    ("max_active", "controller", "states", "complete"),
    [
        (0, "testbed", [ACTIVE, ACTIVE], True),
        (0, "testbed", [ACTIVE, STANDBY], False),
        (1, "testbed", [ACTIVE, STANDBY], True),
        (1, "testbed", [STANDBY, STANDBY], False),
        (2, "testbed", [ACTIVE, STANDBY, STANDBY], False),
        (1, "testbed", [ACTIVE, None], False),  # its link is down: it could not take over
    ],
)
def test_members_beyond_max_active_stand_by(
    max_active: int, controller: str, states: list[int | None], complete: bool
) -> None:
    topology = build_topology(
        discovery.topology("single_switch"), {"mode": "802.3ad", "members": len(states), "max_active": max_active}
    )
    members = tuple(
        Member(name, state is not None, 1, state, state)
        for name, state in zip(topology.members("h1"), states, strict=True)
    )
    bond = SimpleNamespace(shown=lambda: Shown(None, 1, members))
    network = SimpleNamespace(topology=topology, scheme=SCHEMES[controller], bond=lambda _: bond)
    assert (convergence.not_carrying(cast(Network, network), "h1") == []) is complete


@pytest.mark.parametrize(
    ("peer_links", "up", "complete"),
    [
        (0, [True, False], True),  # each way is a network of its own: on the other one nobody asks
        (0, [False, True], True),
        (0, [False, False], False),
        (1, [True, False], False),  # what the other host's active member asks is flooded to the backup as well
        (1, [True, True], True),
    ],
)
def test_a_backup_with_an_arp_monitor_is_up_by_what_others_ask(peer_links: int, up: list[bool], complete: bool) -> None:
    """bonding.rst, arp_validate: backup members are validated by the broadcast requests that come by the active one."""
    arguments = {"mode": "active-backup", "arp_interval_ms": 100, "miimon_ms": 0, "peer_links": peer_links}
    topology = build_topology(discovery.topology("two_ways"), arguments)
    members = tuple(Member(n, state, None, None, None) for n, state in zip(topology.members("h1"), up, strict=True))
    bond = SimpleNamespace(shown=lambda: Shown(None, None, members))
    network = SimpleNamespace(topology=topology, scheme=SCHEMES["testbed"], bond=lambda _: bond)
    assert (convergence.not_carrying(cast(Network, network), "h1") == []) is complete
