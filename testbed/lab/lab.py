"""What an experiment's procedure works with: the live network, the clock, seeded chance, faults, the raw files."""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from socket import socket as Socket
from typing import Any

from pyroute2 import IPRoute

from testbed import inject
from testbed.design.factor import Level
from testbed.design.trial import Trial
from testbed.emulation.addresses import several
from testbed.emulation.controller_process import ControllerProcess, steered
from testbed.emulation.network import CONTROLLER_PORT, Network, built
from testbed.emulation.waiting import wait_for
from testbed.errors import TrialError
from testbed.faults.catalogue import checked
from testbed.faults.schedule import Schedule
from testbed.lab.placement import Placement
from testbed.observe import controller_client, queue_monitor
from testbed.observe.link_monitor import LinkMonitor, monitoring
from testbed.schemes import scheme
from testbed.spec import Topology

CONVERGENCE_DEADLINE_S = 60.0
#: Of so many hosts every two have to reach each other; of more, each the 1st, 2nd, 4th, 8th ... after it.
MESH_HOSTS = 16
_PORT = 4000


class Lab:
    """One trial's network and everything to experiment on it. Times are seconds since the trial began."""

    def __init__(self, trial: Trial, raw: Path, network: Network, watch: LinkMonitor, origin_s: float) -> None:
        self.trial = trial
        self.raw = raw
        self.network = network
        self.random = random.Random(trial.seed)
        self.origin_s = origin_s
        self._watch = watch
        self._events: list[dict[str, Any]] = []
        self._site = inject.Site(network, random.Random(f"faults {trial.seed}"), self.note)

    @property
    def case(self) -> Mapping[str, Level]:
        """The factor levels of this trial."""
        return self.trial.case

    @property
    def arm(self) -> scheme.Arm:
        """What steers the switches."""
        return self.network.arm

    @property
    def topology(self) -> Topology:
        """The network's specification."""
        return self.trial.topology

    def socket(self, host: str, family: int | None = None) -> Socket:
        """A UDP socket at a host; unless a family is given, of the family of the host's address."""
        return self.network.socket(host, family)

    def now(self) -> float:
        """Seconds since the trial began, on the trial's clock."""
        return time.time() - self.origin_s

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

    @contextlib.contextmanager
    def fault(self, name: str, element: str, **parameters: Level) -> Iterator[None]:
        """The named fault on ``element`` while the block runs (testbed.faults.catalogue).

        Both its instants enter the timeline.

        Errors: SpecError, before anything is done, for what the fault does not take.
        """
        every = checked(self.topology, name, element, parameters)
        told: dict[str, Any] = {"fault": name, "element": element, **({"parameters": every} if every else {})}
        with contextlib.ExitStack() as stack:
            befallen = inject.befallen(self._site, name, element, parameters)
            # An instant is noted before the act, so that nothing that the fault does comes before it.
            self.note("fault", "begin", **told)
            stack.enter_context(befallen)
            try:
                yield
            finally:
                self.note("fault", "end", **told)

    def play(self, schedule: Schedule) -> None:
        """Let the faults of a schedule come and go at their instants, counted from now; it enters the raw files.

        Returns when the last one has ended. Errors: SpecError, before anything is done, for what the network has not.
        """
        schedule.check(self.topology)
        (self.raw / "schedule.json").write_text(schedule.to_json())
        begun = self.now()
        with contextlib.ExitStack() as all_of_them:
            open_: dict[int, contextlib.ExitStack] = {}
            for at_s, number, begins in schedule.instants():
                self.sleep_until(begun + at_s)
                if begins:
                    strike = schedule.strikes[number]
                    open_[number] = all_of_them.enter_context(contextlib.ExitStack())
                    open_[number].enter_context(self.fault(strike.fault, strike.element, **strike.parameters))
                else:
                    open_.pop(number).close()

    def counters(self, interfaces: Sequence[str]) -> dict[str, Any]:
        """The kernel's counters of these interfaces, now."""
        return {"t_s": round(self.now(), 9), "interfaces": {i: self.network.statistics(i) for i in interfaces}}

    def members(self, host: str) -> tuple[str, ...]:
        """The host's member links' interfaces, or its only interface."""
        bond = self.topology.host(host).bond
        return bond.members if bond else self.topology.interfaces(host)

    def bonds(self) -> list[dict[str, Any]]:
        """What the kernel shows of every bond (/proc/net/bonding), now."""
        return [
            {
                "t_s": round(self.now(), 9),
                "host": host.name,
                "bond": host.bond.name,
                "text": self.network.bond_text(host.name),
            }
            for host in self.topology.hosts
            if host.bond is not None
        ]

    def answered(self, host: str) -> bool:
        """Whether the host's bond can do what its mode asks for: without LACP's answer, 802.3ad cannot."""
        bond = self.topology.host(host).bond
        return bond is None or bond.mode != "802.3ad" or self.arm.answers(self.topology, bond)

    def not_carrying(self, host: str, *, fully: bool = True) -> list[str]:
        """The members of a host's bond that do not carry traffic now, each with the reason.

        Unless ``fully``, a member with link by MII will do where nobody answers its LACP.
        """
        bond = self.topology.host(host).bond
        if bond is None:
            return []
        mode = bond.mode if fully or self.answered(host) else ""  # no mode: by MII alone
        return self.network.shown(host).not_carrying(mode)

    def wait_converged(self) -> None:
        """Wait until every member carries traffic, as far as the switches let it, and all hosts reach each other.

        Errors: TrialError past the deadline, naming what is missing. What the switches do not let aggregate is
        noted, not an error: that is a result.
        """
        hosts = [host.name for host in self.topology.hosts]
        wait_for(
            "the bonds come up",
            lambda: "; ".join(lack for host in hosts for lack in self.not_carrying(host, fully=False)),
            deadline_s=CONVERGENCE_DEADLINE_S,
            step_s=0.01 if len(hosts) <= MESH_HOSTS else 0.1,
        )
        wait_for(
            "the LAGs between switches come up",
            self._waiting_trunks,
            deadline_s=CONVERGENCE_DEADLINE_S,
            step_s=0.1,
        )
        self.network.set_wanted_active()
        self.note("network", "bonds_up")
        alone = {host: "; ".join(self.not_carrying(host)) for host in hosts if not self.answered(host)}
        for host, reason in alone.items():
            self.note("network", "not_aggregated", host=host, reason=reason)
        with contextlib.ExitStack() as stack:
            sockets = {host: stack.enter_context(self.network.socket(host)) for host in hosts}
            for sock in sockets.values():
                sock.bind(("", _PORT))
                sock.setblocking(False)
            wait_for(
                "the hosts reached each other"
                + (f" (without LACP partner: {'; '.join(alone.values())})" if alone else ""),
                lambda: self._unreached(sockets),
                deadline_s=CONVERGENCE_DEADLINE_S,
                step_s=0.1,
            )
        if self.network.controller is not None:
            self.network.ovs.configure_again()
        self.note("network", "converged")

    def _waiting_trunks(self) -> str:
        """The LAGs between switches that our controller does not yet send over all ports of; it logs when it does."""
        hosts = {host.name for host in self.topology.hosts}
        trunks = [
            lag
            for lag in self.topology.lags
            if lag.lacp != "off" and not any(self.topology.link_of(p).other(p)[0] in hosts for p in lag.ports)
        ]
        if not trunks or not (isinstance(self.arm, scheme.Ours) and self.arm.lacp):
            return ""
        sent = {e["lag"]: e["ports"] for e in self._controller_events() if e["event"] == "distribute"}
        return ", ".join(lag.name for lag in trunks if len(sent.get(lag.name, ())) < len(lag.ports))

    def place_flows(self, count: int, *, even: bool, protocol: str = "tcp", addresses: int = 1) -> list[dict[str, Any]]:
        """Ports for ``count`` flows from h1 to h2, with the member that each will be on at both ends.

        With more ``addresses`` than one both hosts get as many, and each flow names the two that it is between.
        Not every switch can be asked for its member: then it is None, and only the host's counts.
        """
        between = several(self.network, "h1", "h2", addresses) if addresses > 1 else ()
        placement = Placement(self.network, "h1", "h2", groups=self.arm.groups, protocol=protocol)
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

    def _unreached(self, sockets: Mapping[str, Socket]) -> str:
        """Send a datagram between every two hosts (of many: a sample); the pairs of which none has come 50 ms later."""
        pairs = meeting(list(sockets))
        for a, b in pairs:
            with contextlib.suppress(OSError):
                sockets[a].sendto(a.encode(), (self.topology.host(b).ip, _PORT))
        time.sleep(0.05)
        arrived = set()
        for host, sock in sockets.items():
            with contextlib.suppress(BlockingIOError):
                while True:
                    arrived.add((sock.recv(64).decode(), host))
        return ", ".join(f"{a} to {b}" for a, b in pairs if (a, b) not in arrived)

    def finish(self) -> None:
        """Write the timeline, of our own events, the kernel's and the controller's; and what the switches show."""
        if isinstance(self.arm, scheme.Ours) and self.network.controller is not None:
            self._keep_state()
        events = [*self._events, *self._watch.events(self.origin_s), *self._controller_events()]
        self._watch.write(self.raw, self.origin_s)
        events.sort(key=lambda event: event["t_s"])
        text = "".join(json.dumps(event) + "\n" for event in events)
        (self.raw / "timeline.jsonl").write_text(text)
        for command in self.arm.shown if self.topology.switches else ():
            (self.raw / f"{command.replace('/', '_')}.txt").write_text(self.network.ovs.appctl(command))

    def _keep_state(self) -> None:
        """Write what our controller knows and believes now, as it shows it; that it does not answer is noted."""
        try:
            state, metrics = controller_client.ask("/state"), controller_client.ask("/metrics")
        except TrialError as error:
            self.note("network", "state_not_shown", reason=error.message)
            return
        (self.raw / "controller_state.json").write_text(state)
        (self.raw / "controller_metrics.prom").write_text(metrics)

    def _controller_events(self) -> list[dict[str, Any]]:
        """What our controller has logged, on the trial's clock; other controllers write no events."""
        events = []
        log = self.raw / "controller.log"
        for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                event = json.loads(line)
                events.append({"t_s": round(event.pop("time") - self.origin_s, 9), **event})
        return events


def meeting(hosts: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of hosts, in order of sending, that have to reach each other before an experiment begins."""
    count = len(hosts)
    if count <= MESH_HOSTS:
        return [(a, b) for a in hosts for b in hosts if a != b]
    steps = [1 << power for power in range(count.bit_length()) if 1 << power < count]
    return [(hosts[place], hosts[(place + step) % count]) for step in steps for place in range(count)]


@contextlib.contextmanager
def opened(trial: Trial, raw: Path, scratch: Path) -> Iterator[Lab]:
    """The trial's network, built, with its controller; the timeline is written when the block is left.

    The case says what steers the switches (``controller``, testbed.schemes.scheme), and what our own controller
    runs on (``framework``: os-ken, or ryu).
    """
    origin = time.time()
    with IPRoute() as netlink:
        netlink.link("set", index=netlink.link_lookup(ifname="lo")[0], state="up")
    arm = scheme.chosen(trial.case)
    command = (
        []
        if not trial.topology.switches
        else arm.command(trial.topology, scratch, CONTROLLER_PORT, str(trial.case.get("framework", "os-ken")))
    )
    process = ControllerProcess(command, raw / "controller.log", arm.environment(trial.case, scratch))
    with (
        steered(process) if command else contextlib.nullcontext(),
        built(trial.topology, scratch / "ovs", arm) as network,
        monitoring(network) as watch,
        queue_monitor.monitoring(network, raw / "queues.json") if trial.clock == "real" else contextlib.nullcontext(),
    ):
        network.controller = process if command else None
        lab = Lab(trial, raw, network, watch, origin)
        try:
            yield lab
        finally:
            lab.finish()
