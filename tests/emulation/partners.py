"""One switch with a LAG of two ports for every way in which two LACP partners may be set up.

      +---------+  p0-eth0    s1-eth1  +------+
      |   p0    |======================|      |  LAG lag0: ours active fast, theirs active fast
      |  bond0  |======================|      |
      +---------+  p0-eth1    s1-eth2  |  s1  |
      +---------+                      |      |
      |   p1    |======================|      |  LAG lag1: ours active fast, theirs active slow
      |   ...   |======================|      |  ...
      +---------+                      +------+

The switch's LAGs are ours and are set up from the beginning; the other ends are Linux bonds, active and fast until an
experiment sets them up as it needs.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

from testbed.spec import BondOptions, Cable, Host, Lag, LagOptions, Switch, Topology


class Setup(NamedTuple):
    """How one end is set up: active or passive, and the LACP rate that it asks of its partner."""

    activity: str
    rate: str


ENDS = tuple(Setup(*words) for words in itertools.product(("active", "passive"), ("fast", "slow")))
#: All of them, ours first, except two passive ends, which never send (IEEE 802.1AX-2014, 6.4.13).
PAIRS = tuple(pair for pair in itertools.product(ENDS, ENDS) if "active" in (pair[0].activity, pair[1].activity))
MEMBERS = 2


def partners(*, lag: LagOptions = LagOptions()) -> Topology:
    """The network; ``lag`` has the other options of the switch's LAGs."""
    hosts: list[Host] = []
    links = []
    lags: list[Lag] = []
    cable, bonding = Cable(), BondOptions()
    for number, (ours, _) in enumerate(PAIRS):
        own = tuple(f"p{number}-eth{i}" for i in range(MEMBERS))
        ports = tuple(f"s1-eth{number * MEMBERS + i + 1}" for i in range(MEMBERS))
        hosts.append(Host(f"p{number}", f"10.0.0.{number + 1}/24", bonding.over(own)))
        links += [cable.between(f"p{number}", mine, "s1", port) for mine, port in zip(own, ports, strict=True)]
        lags.append(lag.over(f"lag{number}", ports, lacp=ours.activity, rate=ours.rate, key=number + 1))
    return Topology("partners", tuple(hosts), (Switch("s1", 1),), tuple(links), tuple(lags))
