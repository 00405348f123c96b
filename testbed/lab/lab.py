"""What an experiment's procedure holds: the live network, the clock, seeded chance, faults, the raw files."""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from socket import socket as Socket
from typing import Any

from testbed import inject, schemes, services
from testbed.design.factor import Level
from testbed.design.trial import Trial
from testbed.emulation import readback
from testbed.emulation.builder import built
from testbed.emulation.clocks import Clocks
from testbed.emulation.controller_process import controller
from testbed.emulation.namespace import loopback_up
from testbed.emulation.network import Network
from testbed.emulation.waiting import wait_for
from testbed.errors import TrialError
from testbed.faults.catalogue import CheckedFault, checked
from testbed.faults.schedule import Schedule
from testbed.lab import convergence
from testbed.lab.placement import Placement, address_pairs
from testbed.observe import queue_monitor
from testbed.observe.link_monitor import LinkMonitor, monitoring
from testbed.schemes import Scheme
from testbed.services.running import Running, running
from testbed.spec import Topology
from testbed.theory import gateways, reachability


class Lab:
    """One trial's network and everything to experiment on it. Times are seconds since the trial began."""

    def __init__(
        self,
        trial: Trial,
        raw: Path,
        network: Network,
        watch: LinkMonitor,
        clocks: Clocks,
        services: Sequence[Running] = (),
    ) -> None:
        self.trial = trial
        self.raw = raw
        self.network = network
        self.random = random.Random(trial.seed)
        self.clocks = clocks
        self.services: Sequence[Running] = services
        self._watch = watch
        self._events: list[dict[str, Any]] = []
        self._built: dict[str, Any] = {}
        self._injection = inject.InjectionContext(network, random.Random(f"faults {trial.seed}"), self.note)

    @property
    def case(self) -> Mapping[str, Level]:
        """The factor levels of this trial."""
        return self.trial.case

    @property
    def scheme(self) -> Scheme:
        """What controls the switches."""
        return self.network.scheme

    @property
    def topology(self) -> Topology:
        """The network's specification."""
        return self.trial.topology

    @property
    def pair(self) -> tuple[str, str]:
        """The hosts that are measured: the client and the server."""
        return self.topology.pair

    @property
    def client(self) -> str:
        """The measured host that sends."""
        return self.topology.client

    @property
    def server(self) -> str:
        """The measured host that receives."""
        return self.topology.server

    @property
    def origin_s(self) -> float:
        """When the trial began, in seconds since the epoch."""
        return self.clocks.origin_s

    def socket(self, host: str, family: int | None = None) -> Socket:
        """A UDP socket at a host; unless a family is given, of the family of the host's address."""
        return self.network.socket(host, family)

    def now(self) -> float:
        """Seconds since the trial began, on the trial's clock."""
        return self.clocks.now()

    def sleep_until(self, at_s: float) -> None:
        """Let the network run until ``at_s`` of the trial's clock."""
        time.sleep(max(0.0, at_s - self.now()))

    def note(self, source: str, event: str, **details: Any) -> float:
        """Write an event into the timeline; returns its time."""
        at = self.now()
        self._events.append({"t_s": round(at, 9), "source": source, "event": event, **details})
        return at

    def write(self, name: str, value: Any) -> None:
        """A raw file in JSON."""
        (self.raw / name).write_text(json.dumps(value, indent=1) + "\n")

    def keep_built(self, **parts: Any) -> None:
        """Add to what was built, as it was read back; it enters the raw files."""
        self._built |= parts
        self.write("built.json", self._built)

    @contextlib.contextmanager
    def fault(self, name: str, element: str, **parameters: Level) -> Iterator[None]:
        """The named fault on ``element`` while the block runs (testbed.faults.catalogue).

        Both its instants enter the timeline.

        Errors: SpecError, before anything is done, for what the fault does not take.
        """
        with self._injected(checked(self.topology, name, element, parameters)):
            yield

    @contextlib.contextmanager
    def _injected(self, fault: CheckedFault) -> Iterator[None]:
        given = {"parameters": dict(fault.parameters)} if fault.parameters else {}
        details: dict[str, Any] = {"fault": fault.fault.name, "element": fault.element, **given}
        # An instant is noted before the change, so that nothing that the fault does comes before it.
        self.note("fault", "begin", **details)
        with inject.injected(self._injection, fault):
            try:
                yield
            finally:
                self.note("fault", "end", **details)

    def play(self, schedule: Schedule) -> None:
        """Begin and end the faults of a schedule at their instants, counted from now; it enters the raw files.

        Returns when the last one has ended. Errors: SpecError, before anything is done, for what the network has not.
        """
        faults = schedule.checked(self.topology)
        (self.raw / "schedule.json").write_text(schedule.to_json())
        start_s = self.now()
        with contextlib.ExitStack() as all_of_them:
            open_: dict[int, contextlib.ExitStack] = {}
            for at_s, number, begins in schedule.instants():
                self.sleep_until(start_s + at_s)
                if begins:
                    open_[number] = all_of_them.enter_context(contextlib.ExitStack())
                    open_[number].enter_context(self._injected(faults[number]))
                else:
                    open_.pop(number).close()

    def counters(self, interfaces: Sequence[str]) -> dict[str, Any]:
        """The kernel's counters of these interfaces, now."""
        return {"t_s": round(self.now(), 9), "interfaces": {i: self.network.statistics(i) for i in interfaces}}

    def members(self, host: str) -> tuple[str, ...]:
        """The host's member links' interfaces, or its only interface."""
        return self.topology.members(host)

    def bonds(self) -> list[dict[str, Any]]:
        """What the kernel shows of every bond (/proc/net/bonding), now."""
        return [
            {
                "t_s": round(self.now(), 9),
                "host": host.name,
                "bond": host.bond.name,
                "text": self.network.bond(host.name).text(),
            }
            for host in self.topology.hosts
            if host.bond is not None
        ]

    def answered(self, host: str) -> bool:
        """Whether the host's bond can do what its mode asks for: without a LACP partner, 802.3ad cannot."""
        return convergence.answered(self.network, host)

    def not_carrying(self, host: str, *, fully: bool = True) -> list[str]:
        """The members of a host's bond that do not carry traffic now, each with the reason (`convergence`)."""
        return convergence.not_carrying(self.network, host, fully=fully)

    def wait_converged(self) -> None:
        """Wait until every member carries traffic, as far as the switches let it, and all hosts reach each other.

        Hosts that by theory do not reach each other are not waited for. Errors: TrialError past the deadline, naming
        what is missing.
        """
        pairs = convergence.meeting([host.name for host in self.topology.hosts])
        expected = reachability.expected(self.topology, (), side=self.scheme.side, pairs=pairs)
        convergence.wait(
            self.network,
            lambda: self.scheme.missing(self),
            lambda: self.scheme.settle(self),
            self.note,
            {pair: each.connected for pair, each in expected.items()},
            apart=[
                pair for pair, each in expected.items() if not each.connected and gateways.apart(self.topology, *pair)
            ],
        )
        wait_for(
            "the services settle",
            lambda: "; ".join(filter(None, (each.unsettled() for each in self.services))),
            deadline_s=convergence.settled_by_s(self.services),
            step_s=0.1,
        )
        self.keep_built(lags=self.scheme.built(self))

    def place_flows(self, count: int, *, even: bool, protocol: str = "tcp", addresses: int = 1) -> list[dict[str, Any]]:
        """Ports for ``count`` flows from the client to the server, with the member that each will be on at both ends.

        With more ``addresses`` than one both hosts get as many, and each flow names the two that it is between.
        Not every switch can be asked for its member: then it is None, and only the host's counts.
        """
        between = address_pairs(self.network, *self.pair, addresses) if addresses > 1 else ()
        placement = Placement(self.network, *self.pair, protocol=protocol)
        return placement.choose(count, self.random, even=even, between=between)

    def wait_carrying(self, host: str, deadline_s: float) -> bool:
        """Wait until every member of the host's bond carries traffic again; the instant enters the timeline.

        A bond that does not get there within the deadline is noted as such, not an error: that is a result.
        """
        try:
            wait_for(
                "the members came back",
                lambda: "; ".join(self.not_carrying(host, fully=False)),
                deadline_s=deadline_s,
            )
        except TrialError as error:
            self.note("network", "not_rejoined", host=host, reason=error.message)
            return False
        self.note("network", "rejoined", host=host)
        return True

    def finish(self) -> None:
        """Write what the switches show; and the timeline, of our own events, the kernel's and the controller's."""
        self.scheme.collect(self)
        events = [*self._events, *self._watch.events(self.origin_s), *self.controller_events()]
        events += [event for service in self.services for event in service.events(self.origin_s)]
        self._watch.write(self.raw, self.origin_s)
        self.clocks.write(self.raw)
        events.sort(key=lambda event: event["t_s"])
        text = "".join(json.dumps(event) + "\n" for event in events)
        (self.raw / "timeline.jsonl").write_text(text)

    def ask_switches(self, command: str, *arguments: str) -> str:
        """What ovs-vswitchd answers to a command of ovs-appctl(8)."""
        return self.network.ovs.appctl(command, *arguments)

    def groups(self, switch: str) -> str:
        """The groups of a switch as ovs-ofctl(8) prints them."""
        return self.network.ovs.groups(switch)

    def tell_switches(self, *words: str) -> None:
        """Carry out commands of ovs-vsctl(8) in one transaction. Errors: TrialError with its output."""
        self.network.ovs.vsctl(*words)

    def controller_events(self) -> list[dict[str, Any]]:
        """What the controller has logged as JSON, on the trial's clock: ours does, and a user's own may."""
        events = []
        log = self.raw / "controller.log"
        for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                event = json.loads(line)
                named = {key: str(event.pop(key)) for key in ("source", "event")}
                events.append({"t_s": round(event.pop("time") - self.origin_s, 9), **named, **event})
        return events


@contextlib.contextmanager
def opened(trial: Trial, raw: Path, scratch: Path) -> Iterator[Lab]:
    """The trial's network, built, with its controller; the timeline is written when the block is left.

    The case says what controls the switches (``controller``, testbed.schemes).
    """
    clocks = Clocks.begun(trial.seed)
    loopback_up()
    scheme, topology = schemes.chosen(trial.case), trial.topology
    process = scheme.process(topology, trial.case, scratch) if topology.switches else None
    daemon = controller(process, raw / "controller.log", clocks) if process else None
    # A bond of the kernel stands still until the clocks start: what runs on top of it starts after that.
    wanted = services.wanted(topology)
    first = [service for service in wanted if not _stands_still(topology, service.node)]
    late = [service for service in wanted if service not in first]
    with (
        daemon or contextlib.nullcontext(),
        built(topology, scratch / "ovs", scheme, clocks) as network,
        running(first, network, scratch, raw) as daemons,
        monitoring(network) as watch,
        queue_monitor.monitoring(network, raw / "queues.json") if trial.clock == "real" else contextlib.nullcontext(),
    ):
        network.controller = daemon
        lab = Lab(trial, raw, network, watch, clocks, daemons)
        try:
            lab.keep_built(**readback.built(network))
            network.start_clocks()
            with running(late, network, scratch, raw) as others:
                lab.services = (*daemons, *others)
                yield lab
        finally:
            lab.finish()


def _stands_still(topology: Topology, machine: str) -> bool:
    """Whether the interfaces of a machine are up only once the network's clocks start."""
    bond = next((host.bond for host in topology.hosts if host.name == machine), None)
    return bond is not None and bond.driver in ("bonding", "team")
