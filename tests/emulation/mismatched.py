"""A host that speaks LACP to a switch that does not.

h1 (802.3ad) ===== s1 (LAG without LACP) ===== h2 (802.3ad)
"""

from __future__ import annotations

from dataclasses import replace

from testbed.spec import Topology
from topologies.single_switch import single_switch


def mismatched() -> Topology:
    """The topology single_switch, with the LAGs' LACP turned off."""
    right = single_switch()
    return replace(right, name="mismatched", lags=tuple(replace(lag, lacp="off") for lag in right.lags))
