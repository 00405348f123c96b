"""Switches of a network as values, the LACP systems they speak for, and what the switch side of a network can do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from testbed.errors import SpecError
from testbed.spec import validation
from testbed.spec.addressing import system_id
from testbed.spec.fast_failover import FastFailover
from testbed.spec.spanning import SpanningTree


@dataclass(frozen=True)
class Switch:
    """An Open vSwitch bridge with the kernel datapath, controlled over OpenFlow.

    ``isolate``: where failed links between switches have parted the network, the switch keeps its ports of a LAG that
    is on several switches out of it, if the LAG has ports in a better part of the network.
    """

    name: str
    dpid: int
    isolate: bool = True

    def __post_init__(self) -> None:
        validation.name("switch", self.name)
        if not 0 < self.dpid < 1 << 64:
            raise SpecError(f"datapath id {self.dpid} of switch {self.name!r} is not between 1 and 2^64-1")


@dataclass(frozen=True)
class LacpSystem:
    """One LACP actor system of the switch side (IEEE 802.1AX-2014, 6.3.2): an identity and its priority."""

    name: str
    system: str = system_id(1)
    priority: int = 32768

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", self.system):
            raise SpecError(f"system id {self.system!r} of LACP system {self.name!r} is not a MAC address")
        if self.system == "00:00:00:00:00:00" or int(self.system[:2], 16) & 1:
            raise SpecError(
                f"system id {self.system} of LACP system {self.name!r} is not the address of one system; wanted an"
                " individual MAC address such as 02:00:00:00:00:01 (IEEE 802.1AX-2014, 6.3.2)"
            )
        if not 0 <= self.priority <= 65535:
            raise SpecError(f"priority {self.priority} of LACP system {self.name!r} is not between 0 and 65535")


@dataclass(frozen=True, kw_only=True)
class SwitchSide:
    """What the switch side of a network can do, whatever carries it out.

    ``lags``: the ports of a LAG are one port to it; a plain learning switch has none. ``negotiates``: it speaks LACP
    for those LAGs that want it. ``controller``: a process of its own controls the switches, and may fail alone.
    ``groups``: frames leave to a LAG by a select group, which can be asked which member a flow takes.
    ``port_status``: it is notified when a port loses carrier; otherwise only LACP's timeout shows that. ``known``:
    false if it is not known what it does at all, so theory says nothing. ``tree``: the protocol by which the switches
    agree which of the links between them forward, ``detour`` what watches the links of their fast-failover groups, if
    they have one or the other.
    """

    lags: bool = True
    negotiates: bool = True
    controller: bool = True
    groups: bool = True
    port_status: bool = True
    known: bool = True
    tree: SpanningTree | None = None
    detour: FastFailover | None = None

    @property
    def learns(self) -> bool:
        """Whether switches learn addresses by themselves: they have no LAGs, and no groups whose flows know them."""
        return not self.lags and self.detour is None
