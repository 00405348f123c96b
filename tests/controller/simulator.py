"""Switches that forward by their groups and flows, and cables between them: enough to trace a frame.

It follows the OpenFlow Switch Specification 1.5.1: the matching flow of highest priority (5.3); a SELECT group's bucket
by the flow's hash, a FAILOVER group's first live bucket (5.6.1); no output to the port that a frame came in by, unless
the output names that port (5.9, ALL and the like; Open vSwitch: any output).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby

from testbed.controller.config import Configuration, PortId
from testbed.controller.fabric import Fabric
from testbed.controller.flow_tables import ALL, FAILOVER, SELECT, Bucket, Flow, Group, Place
from testbed.controller.forwarding import ADMIT, LEARN

BROADCAST = "ff:ff:ff:ff:ff:ff"
MAX_HOPS = 64


class Loop(AssertionError):
    """A frame is still under way after MAX_HOPS outputs."""


@dataclass(frozen=True)
class Frame:
    """Addresses, and a number that stands for whatever a switch hashes."""

    source: str
    target: str
    hash: int = 0


@dataclass
class Switch:
    """The tables of one switch."""

    groups: dict[int, Group] = field(default_factory=dict)
    flows: dict[Place, Flow] = field(default_factory=dict)
    _tables: dict[int, list[tuple[Place, Flow]]] = field(default_factory=dict)

    def put(self, groups: dict[int, Group], flows: dict[Place, Flow]) -> None:
        """Replace everything."""
        self.groups = groups
        self.flows = dict(sorted(flows.items(), key=lambda item: (item[0][0], -item[0][1])))
        self._tables = {table: list(found) for table, found in groupby(self.flows.items(), lambda item: item[0][0])}

    def find(self, table: int, fields: Mapping[str, object]) -> Flow | None:
        """The flow that a frame matches in a table. Also checks that no two flows of one priority match."""
        found: list[tuple[Place, Flow]] = []
        for place, flow in self._tables.get(table, ()):
            if found and place[1] < found[0][0][1]:
                break
            if _matches(place, fields):
                found.append((place, flow))
        assert len({flow for _, flow in found}) <= 1, f"which one? {[place for place, _ in found]}"
        return found[0][1] if found else None


def _matches(place: Place, fields: Mapping[str, object]) -> bool:
    for name, wanted in place[2]:
        found = fields.get(name)
        if isinstance(wanted, tuple):
            value, mask = (_number(part) for part in wanted)
            if _number(found) & mask != value:
                return False
        elif found != wanted:
            return False
    return True


def _number(value: object) -> int:
    return int(value.replace(":", ""), 16) if isinstance(value, str) else int(str(value))


class World:
    """A fabric, switches with its groups and flows, cables between them, and hosts at all other ports."""

    def __init__(self, configuration: Configuration, ports: Mapping[int, int]) -> None:
        """``ports``: how many each switch has, from 1."""
        self.fabric = Fabric(configuration)
        self.switches = {dpid: Switch() for dpid in ports}
        self.cable = {a: b for ends in configuration.links for a, b in (ends, ends[::-1])}
        self.dead: set[PortId] = set()
        self.learned: Counter[str] = Counter()
        self.detached: int | None = None  # a switch that has lost its controller
        for dpid, count in ports.items():
            self.fabric.connect(dpid)
            for number in range(1, count + 1):
                self.fabric.set_port(dpid, number, True)
        for name, members in configuration.ports.items():
            self.fabric.set_collecting(name, members)
            self.fabric.set_distributing(name, members)
        self.settle()

    def settle(self) -> None:
        """Compute and program until nothing changes any more."""
        again = self.fabric.conclude()
        self.program()
        while again:
            again = self.fabric.widen()
            self.program()

    def program(self) -> None:
        """Program what has changed."""
        for dpid in self.fabric.take_changes():
            if dpid != self.detached:
                self.program_one(dpid)

    def program_one(self, dpid: int) -> None:
        """Program one switch with the fabric's current parts."""
        parts = self.fabric.parts[dpid].values()
        groups = [item for part in parts for item in part.groups.items()]
        flows = [item for part in parts for item in part.flows.items()]
        assert len(dict(groups)) == len(groups), "a group is in two parts"
        assert len(dict(flows)) == len(flows), "a flow is in two parts"
        self.switches[dpid].put(dict(groups), dict(flows))

    def cut(self, port: PortId) -> None:
        """A cable fails: the switches detect it, the controller is not yet notified."""
        self.dead |= {port, self.cable.get(port, port)}

    def notify(self, port: PortId, carrier: bool) -> None:
        """Notify the controller of a port's carrier and, if it is in a LAG, of the resulting LACP state."""
        fabric = self.fabric
        fabric.set_port(*port, carrier)
        edge = fabric.edge(port)
        if isinstance(edge, str):
            up = tuple(each for each in fabric.lags[edge].ports if fabric.ports[each[0]].get(each[1]))
            fabric.set_distributing(edge, up)
            fabric.set_collecting(edge, up)

    def send(self, port: PortId, frame: Frame) -> Counter[PortId]:
        """Count the copies at the hosts' ports when a host sends this frame into a port."""
        out: Counter[PortId] = Counter()
        todo = [] if port in self.dead else [(port, 0)]
        while todo:
            (dpid, number), hops = todo.pop()
            if hops > MAX_HOPS:
                raise Loop(f"{frame} from {port}")
            for exit_port in self._through((dpid, number), frame):
                if exit_port in self.dead or exit_port == (dpid, number):
                    continue
                if exit_port in self.cable:
                    todo.append((self.cable[exit_port], hops + 1))
                else:
                    out[exit_port] += 1
        return out

    def _through(self, port: PortId, frame: Frame) -> list[PortId]:
        """The ports that a switch sends a frame to that came in by ``port``."""
        dpid, number = port
        switch, metadata, table, out = self.switches[dpid], 0, ADMIT, []
        while True:
            fields = {"in_port": number, "eth_src": frame.source, "eth_dst": frame.target, "metadata": metadata}
            flow = switch.find(table, fields)
            if flow is None:
                return out
            for kind, value in flow.actions:
                if kind == "controller":
                    assert table == LEARN
                    if dpid == self.detached:
                        return out
                    self.learned[frame.source] += 1
                    if self.fabric.learn(frame.source, port):
                        self.settle()
                        if flow.goto is None:
                            return self._through(port, frame)
                elif kind == "group":
                    out += [(dpid, exit_port) for exit_port in self._group(dpid, value, frame)]
                else:
                    out.append((dpid, value))
            if flow.metadata is not None:
                value, mask = flow.metadata
                metadata = metadata & ~mask | value
            if flow.goto is None:
                return out
            assert flow.goto > table, "a frame continues in later tables only (5.5)"
            table = flow.goto

    def _lives(self, dpid: int, bucket: Bucket) -> bool:
        if bucket.port is not None:
            return (dpid, bucket.port) not in self.dead
        group = self.switches[dpid].groups[bucket.group or 0]
        return any(self._lives(dpid, each) for each in group.buckets)

    def _group(self, dpid: int, number: int, frame: Frame) -> list[int]:
        group = self.switches[dpid].groups[number]
        buckets = list(group.buckets)
        if group.kind != ALL:
            buckets = [bucket for bucket in buckets if self._lives(dpid, bucket)]
            if group.kind == FAILOVER:
                buckets = buckets[:1]
            elif buckets:
                assert group.kind == SELECT
                buckets = [buckets[(frame.hash + dpid) % len(buckets)]]  # each switch has its own hash
        out: list[int] = []
        for bucket in buckets:
            if bucket.port is not None:
                out.append(bucket.port)
            else:
                out += self._group(dpid, bucket.group or 0, frame)
        return out
