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
