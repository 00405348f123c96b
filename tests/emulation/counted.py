"""Inside a guest: two flows, one on each member of h1, are counted while a silent loss hits the first member.

Usage: python -m tests.emulation.counted

    within          counting |-------------------|        fault_first   counting     |------|
                    fault           |-----|                             fault    |------|

    counting_first  counting |------|
                    fault        |------|

Prints one JSON object: the dumps before and after everything, and for each arrangement what arrived in each phase, what
was counted, and the times around the fault's instants.
"""

from __future__ import annotations

import contextlib
import csv
import json
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed.design.trial import Trial
from testbed.emulation.clsact import COUNTING, EGRESS
from testbed.lab.lab import Lab, opened
from testbed.observe.flow_counters import counting
from testbed.spec import BondOptions
from tests.emulation.dumps import queues
from topologies.single_switch import single_switch

COUNT = 20
_APART_S, _ARRIVAL_S = 0.001, 0.1


class Arrangement:
    """What happens in one arrangement of counting and fault."""

    def __init__(self, lab: Lab, flows: Sequence[Mapping[str, Any]], element: str) -> None:
        self._lab, self._flows, self._element = lab, flows, element
        self.arrived: dict[str, list[int]] = {}
        self.counted: list[dict[str, str]] = []
        self.times_s: list[float] = []
        self.alone: dict[str, list[str]] = {}

    def send(self, phase: str) -> None:
        """Send ``COUNT`` datagrams of each flow, and count those that arrive."""
        target = self._lab.topology.host("h2").ip
        with contextlib.ExitStack() as stack:
            pairs = []
            for flow in self._flows:
                sender, receiver = (stack.enter_context(self._lab.network.socket(host)) for host in ("h1", "h2"))
                sender.bind(("", flow["client_port"]))
                receiver.bind(("", flow["server_port"]))
                receiver.setblocking(False)
                pairs.append((sender, receiver, (target, flow["server_port"])))
            for _ in range(COUNT):
                for sender, _, address in pairs:
                    sender.sendto(b"x", address)
                time.sleep(_APART_S)
            time.sleep(_ARRIVAL_S)
            self.arrived[phase] = [self._waiting(receiver) for _, receiver, _ in pairs]

    def _waiting(self, receiver: Any) -> int:
        found = 0
        with contextlib.suppress(BlockingIOError):
            while receiver.recv(8):
                found += 1
        return found

    def count(self, stack: contextlib.ExitStack) -> Any:
        """Count packets until ``stack`` is left."""
        return stack.enter_context(counting(self._lab.network, "h1", "h2", self._flows))

    def write(self, counters: Any) -> None:
        """Keep what has been counted."""
        path = self._lab.raw / "captured.csv"
        counters.write(path, "udp")
        with path.open(newline="") as file:
            self.counted = list(csv.DictReader(file))

    def fault(self, stack: contextlib.ExitStack) -> None:
        """The silent loss hits until ``stack`` is left."""
        self._now()
        stack.callback(self._now)
        stack.enter_context(self._lab.fault("silent_loss", self._element))
        self._now()
        stack.callback(self._now)

    def add_nothing(self) -> None:
        """Ask for priorities on the first member, which has filters now, and add none."""
        network, (interface, *_) = self._lab.network, self._lab.members("h1")
        with network.clsact.priorities("h1", network.index(interface), EGRESS, COUNTING, 2):
            pass

    def dump(self) -> None:
        """Keep a dump of what the fault alone has made."""
        self.alone = dump(self._lab)

    def _now(self) -> None:
        self.times_s.append(round(self._lab.now(), 9))  # as the timeline has it


def within(each: Arrangement) -> None:
    """The fault begins and ends while packets are counted."""
    with contextlib.ExitStack() as counting:
        counters = each.count(counting)
        each.send("before")
        with contextlib.ExitStack() as fault:
            each.fault(fault)
            each.send("during")
        each.send("after")
        each.write(counters)


def fault_first(each: Arrangement) -> None:
    """Counting begins during the fault and outlasts it."""
    with contextlib.ExitStack() as counting, contextlib.ExitStack() as fault:
        each.fault(fault)
        each.dump()
        counters = each.count(counting)
        each.send("during")
        fault.close()
        each.send("after")
        each.write(counters)


def counting_first(each: Arrangement) -> None:
    """The fault begins while packets are counted, and outlasts that."""
    with contextlib.ExitStack() as fault, contextlib.ExitStack() as counting:
        counters = each.count(counting)
        each.send("before")
        each.fault(fault)
        each.send("during")
        each.write(counters)
        each.add_nothing()
        counting.close()
        each.dump()
        each.send("uncounted")


def dump(lab: Lab) -> dict[str, list[str]]:
    """The queues and filters of every node, without the numbers that the kernel gives to actions (tc-actions(8))."""
    return {
        node: [re.sub(r"\bindex \d+ ref\b", "ref", line) for line in queues(lab, node)] for node in ("h1", "h2", "s1")
    }


ARRANGEMENTS = (within, fault_first, counting_first)


def main() -> None:
    """Print what happened in each arrangement."""
    topology = single_switch(bonding=BondOptions(mode="802.3ad", xmit_hash_policy="layer3+4"))
    trial = Trial(1, "", {"controller": "testbed"}, 0, 1, topology)
    raw = Path("/tmp/trial")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch, opened(trial, raw, Path(scratch)) as lab:
        lab.wait_converged()
        flows = sorted(lab.place_flows(2, even=True, protocol="udp"), key=lambda flow: int(flow["member"]))
        members = {host: lab.members(host) for host in ("h1", "h2")}
        found["flows"] = [
            {**flow, "out": members["h1"][flow["member"]], "in": members["h2"][flow["switch_member"]]} for flow in flows
        ]
        _, element = topology.link_of(members["h1"][0]).other(members["h1"][0])
        found["before"] = dump(lab)
        for arrange in ARRANGEMENTS:
            each = Arrangement(lab, flows, element)
            arrange(each)
            found[arrange.__name__] = {
                "arrived": each.arrived,
                "counted": each.counted,
                "times_s": each.times_s,
                "alone": each.alone,
            }
        found["after"] = dump(lab)
    lines = (raw / "timeline.jsonl").read_text().splitlines()
    found["faults"] = [event for event in map(json.loads, lines) if event["source"] == "fault"]
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
