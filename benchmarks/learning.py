"""What the controller spends on learning addresses, as their number behind one port grows.

Usage: python benchmarks/learning.py [--addresses 500 1000 2000]

Question      Does the controller spend the same processor time on each new address, however many it knows already?
Procedure     Two linked switches, without a network: each address sends one frame by one port, the controller programs
              both switches (its OpenFlow messages are made and thrown away), and each confirms at once.
Expectation   Yes: twice as many addresses take twice the time.

It prints a row for each number of addresses: processor time, time for each address, and the ratio of the latter to that
of the first row.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import os_ken.ofproto.ofproto_v1_5 as protocol
import os_ken.ofproto.ofproto_v1_5_parser as parser

from testbed.controller.config import parse
from testbed.controller.core import Core
from testbed.controller.datapath import Datapath

_CONFIGURATION = {
    "systems": {"core": {}},
    "switches": {"s1": {"dpid": 1}, "s2": {"dpid": 2}},
    "lags": {},
    "links": [{"a": "s1:1", "b": "s2:1"}],
}
_PORTS = {1: (True, "02:00:00:00:ff:01"), 2: (True, "02:00:00:00:ff:02")}


class Connection:
    """A switch that takes everything, and confirms it when asked by `confirm`."""

    ofproto, ofproto_parser = protocol, parser

    def __init__(self, dpid: int, core: Core) -> None:
        self.id, self._core, self._last, self._barriers = dpid, core, 0, list[int]()

    def send_msg(self, message: Any) -> None:
        """Take a message."""

    def set_xid(self, message: Any) -> None:
        """Number a message; only barriers have numbers."""
        self._last += 1
        message.set_xid(self._last)
        self._barriers.append(self._last)

    def confirm(self) -> None:
        """Answer all barriers."""
        barriers, self._barriers = self._barriers, []
        for transaction in barriers:
            self._core.confirmed(self.id, transaction, 0.0)


def processor_s(addresses: int) -> float:
    """The processor time that the controller takes to learn so many addresses."""
    core = Core(parse(_CONFIGURATION, "benchmark"), lambda *_, **__: None, 0.0)
    switches = [Connection(dpid, core) for dpid in (1, 2)]
    for switch in switches:
        core.connect(switch.id, Datapath(switch), _PORTS, 0.0)
    for _ in range(5):  # the link is used once both have confirmed that they accept frames from it
        for switch in switches:
            switch.confirm()
    begun = time.process_time()
    for number in range(addresses):
        core.learn((1, 2), bytes.fromhex(f"ffffffffffff02{number:010x}0800") + bytes(46), 0.0)
        for switch in switches:
            switch.confirm()
    spent = time.process_time() - begun
    assert len(core.fabric.addresses) == addresses
    return spent


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--addresses", type=int, nargs="+", default=[500, 1000, 2000, 4000], help="how many")
    print(f"{'addresses':>9} {'s':>8} {'ms each':>8} {'ratio':>6}", flush=True)
    first = 0.0
    for addresses in arguments.parse_args().addresses:
        spent = processor_s(addresses)
        first = first or spent / addresses
        print(f"{addresses:9} {spent:8.2f} {spent / addresses * 1e3:8.3f} {spent / addresses / first:6.2f}", flush=True)


if __name__ == "__main__":
    main()
