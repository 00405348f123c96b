"""The core with simulated switches and with hosts that speak LACP, on a clock that a test moves."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Collection, Hashable, Mapping
from typing import Any

import yaml

from testbed.controller.checkpoint import restore, save
from testbed.controller.config import PortId, parse, to_yaml
from testbed.controller.core import Core
from testbed.controller.flow_tables import Flow, Group, Part, Parts, Place, changes
from testbed.controller.state import core_state
from testbed.lacp import Effect, LagConfig, PortConfig, System, Transmit
from testbed.spec import Topology

_TRANSACTIONS = itertools.count(1)


class FakeSwitch:
    """A datapath that keeps its tables. Barriers are answered when the test says so."""

    def __init__(self) -> None:
        self.programmed = False
        self.sent: Counter[str] = Counter()
        self.groups: dict[int, Group] = {}
        self.table: dict[Place, Flow] = {}
        self.barriers: list[int] = []
        self.frames: list[tuple[int, bytes]] = []
        self.returned: list[tuple[int, bytes]] = []
        self._parts: Parts = {}

    @property
    def flows(self) -> int:
        return len(self.table)

    def replace(self, parts: Mapping[Hashable, Part]) -> None:
        self.groups, self.table, self._parts, self.programmed = {}, {}, {}, True
        self.program(parts)

    def program(self, parts: Mapping[Hashable, Part]) -> None:
        found = changes({name: self._parts.get(name, Part()) for name in parts}, parts)
        self.sent["group_mod"] += len(found.set_groups) + len(found.delete_groups)
        self.sent["flow_mod"] += len(found.set_flows) + len(found.delete_flows)
        self.groups |= found.set_groups
        self.table |= found.set_flows
        for place in found.delete_flows:
            del self.table[place]
        for number in found.delete_groups:
            del self.groups[number]
        self._parts |= parts
        whole = [item for part in self._parts.values() for item in part.flows.items()]
        assert self.table == dict(whole), "the changes add up to the parts"

    def send(self, port: int, frame: bytes) -> None:
        self.frames.append((port, frame))

    def hand_back(self, port: int, frame: bytes) -> None:
        self.returned.append((port, frame))

    def ask_barrier(self) -> int:
        self.barriers.append(next(_TRANSACTIONS))
        return self.barriers[-1]


class Rig:
    """A topology's core, its switches by datapath id, and a LACP system for each bonded host."""

    def __init__(self, topology: Topology) -> None:
        self.now = 0.0
        self.log: list[dict[str, Any]] = []
        self.topology = topology
        self.core = self.fresh_core()
        self.switches: dict[int, FakeSwitch] = {}
        self.unresponsive: set[int] = set()
        self._down: set[str] = set()
        self.hosts: dict[str, System] = {}
        for host in topology.hosts:
            if host.bond is not None:
                system = self.hosts[host.name] = System(topology.host_mac(host.name), 65535)
                system.add_lag(LagConfig("bond0", key=9, rate="slow" if host.bond.lacp_rate == "slow" else "fast"))
                for index, member in enumerate(host.bond.members):
                    system.add_port(PortConfig(member, "bond0", index + 1), self.now)
        for switch in topology.switches:
            self.connect(switch.dpid)

    def fresh_core(self) -> Core:
        """A controller that has seen no event yet."""
        return Core(parse(yaml.safe_load(to_yaml(self.topology)), "file"), self._note, self.now)

    def restart(
        self, away_s: float, *, cut: tuple[str, ...] = (), without: tuple[int, ...] = (), connect: bool = True
    ) -> None:
        """The controller dies; another one resumes from its state, and the switches except ``without`` connect to it.

        In between the hosts' timers run, and the cables with the ends ``cut`` fail.
        """
        state = json.loads(json.dumps(save(self.core)))
        until = self.now + away_s
        self._down |= set(cut)
        while self.now < until:
            self.now += min(0.05, until - self.now)
            for system in self.hosts.values():
                system.handle_timer(self.now)
        for each in cut:
            self._host_carrier(each, False)
        self.core = self.fresh_core()
        restore(self.core, state)
        self.core.resume(away_s, self.now)
        for dpid in [dpid for dpid in self.switches if dpid not in without and connect]:
            self.connect(dpid, self._down)

    def _note(self, source: str, event: str, **details: Any) -> None:
        self.log.append({"t_s": self.now, "source": source, "event": event, **details})

    def port(self, interface: str) -> PortId:
        """The switch port of that name."""
        dpid = next(s.dpid for s in self.topology.switches if s.name == self.topology.owner(interface))
        return dpid, self.topology.ports[interface].number

    def ports_of(self, dpid: int) -> list[str]:
        """The interfaces of a switch."""
        name = next(switch.name for switch in self.topology.switches if switch.dpid == dpid)
        return list(self.topology.interfaces(name))

    def connect(self, dpid: int, down: Collection[str] = ()) -> None:
        """A switch connects with all of its ports, these of them down. It has answered no barrier yet."""
        self.switches[dpid] = FakeSwitch()
        ports = {self.port(each)[1]: (each not in down, self.topology.ports[each].mac) for each in self.ports_of(dpid)}
        self.core.connect(dpid, self.switches[dpid], ports, self.now)
        for each in self.ports_of(dpid):
            self._host_carrier(each, each not in down)

    def disconnect(self, dpid: int) -> None:
        """The connection to a switch ends; the switch itself still forwards."""
        self.core.disconnect(dpid, self.switches.pop(dpid), self.now)

    def set_link(self, interface: str, up: bool) -> None:
        """A cable fails or is repaired; ``interface`` is an end of it on a switch."""
        link = self.topology.link_of(interface)
        for end in (link.a_interface, link.b_interface):
            (self._down.discard if up else self._down.add)(end)
            if any(self.topology.owner(end) == switch.name for switch in self.topology.switches):
                port = self.port(end)
                if port[0] in self.switches:
                    self.core.set_port(port, up, self.topology.ports[end].mac, self.now)
        self._host_carrier(interface, up)

    def _host_carrier(self, interface: str, up: bool) -> None:
        host, member = self.topology.link_of(interface).other(interface)
        if host in self.hosts:
            self._from_host(host, self.hosts[host].set_carrier(member, up, self.now))

    def _from_host(self, host: str, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Transmit):
                member = str(effect.port)
                port = self.port(self.topology.link_of(member).other(member)[1])
                if port[0] in self.switches:
                    self.core.receive(port, effect.frame(self.topology.ports[member].mac), self.now)

    def answer(self) -> None:
        """All switches but the unresponsive ones answer their barriers, until none is left."""
        while any(switch.barriers for dpid, switch in self.switches.items() if dpid not in self.unresponsive):
            for dpid, switch in self.switches.items():
                while switch.barriers and dpid not in self.unresponsive:
                    self.core.confirmed(dpid, switch.barriers.pop(0), self.now)

    def deliver(self) -> None:
        """Deliver the LACPDUs that are under way."""
        while frames := [(dpid, *item) for dpid, switch in self.switches.items() for item in switch.frames]:
            for switch in self.switches.values():
                switch.frames.clear()
            for dpid, number, frame in frames:
                here = next(each for each in self.ports_of(dpid) if self.port(each)[1] == number)
                node, far = self.topology.link_of(here).other(here)
                if node in self.hosts:
                    self._from_host(node, self.hosts[node].receive(far, frame[14:], self.now))
                elif self.port(far)[0] in self.switches:
                    self.core.receive(self.port(far), frame, self.now)

    def run(self, seconds: float, step_s: float = 0.05) -> None:
        """Let time pass: run the timers, deliver the LACPDUs and answer the barriers."""
        until = self.now + seconds
        while self.now < until:
            self.now += step_s
            self.core.handle_timer(self.now)
            for host, system in self.hosts.items():
                self._from_host(host, system.handle_timer(self.now))
            self.deliver()
            self.answer()

    def state(self) -> dict[str, Any]:
        """The controller's state as JSON values."""
        return core_state(self.core, self.now)

    def distributing(self, lag: str) -> set[PortId]:
        """The members that send frames."""
        return set(self.core.fabric.lags[lag].distributing)
