"""The switch side as a factor: what steers the switches, behind one interface.

An arm says which process is started for the switches, if any, and which OpenFlow the bridges speak to it; how the
bridges' ports are joined; what LACP its answers are worth; and what is to be kept of it at the end of a trial.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import testbed
from testbed.controller import HTTP_PORT
from testbed.controller.config import to_yaml
from testbed.design.factor import Factor, Level
from testbed.errors import MachineError, SpecError, unknown
from testbed.spec import Bond, Lag, Topology

PROJECT = Path(testbed.__file__).resolve().parent.parent
#: The Python of the environment that holds Ryu, and no os-ken; `make setup-ryu` makes it.
RYU_PYTHON = PROJECT / ".venv-ryu" / "bin" / "python"

#: What our controller does when it is started again: go on where it was, or begin anew.
RESTARTS = ("resume", "fresh")


class Arm:
    """What is on the other side of the hosts' links."""

    #: The OpenFlow version that the bridges speak to a controller; None: they forward by themselves.
    openflow: str | None = None
    #: Whether its LAGs negotiate by LACP.
    lacp = False
    #: Whether frames leave towards a LAG by a select group, which says which member a flow takes.
    groups = False
    #: Whether it hears of a port that is down; otherwise only LACP's timeout tells it.
    port_status = True
    #: What ovs-vswitchd is asked at the end of a trial (ovs-appctl), for the raw files.
    shown: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """What it is, in one line."""
        return (inspect.getdoc(self) or "").splitlines()[0]

    def seen(self, topology: Topology) -> Topology:
        """The topology as this arm takes it."""
        return topology

    def check(self, topology: Topology) -> None:
        """Errors: SpecError or MachineError if this arm cannot serve such a network, or not on this machine."""

    def command(self, topology: Topology, scratch: Path, port: int, framework: str) -> list[str]:
        """The process to start before the switches, which listens on ``port``; empty: none."""
        del topology, scratch, port, framework
        return []

    def environment(self, case: Mapping[str, Level], scratch: Path) -> dict[str, str]:
        """The environment variables that this process needs besides our own."""
        del case, scratch
        # Every address of the trial's own network, which nothing else is in: each switch comes by one of its own.
        return {"PYTHONPATH": str(PROJECT), "TESTBED_CONTROLLER_LISTEN": "0.0.0.0"}

    def join(self, topology: Topology) -> list[str]:
        """What to tell ovs-vsctl once the bridges have all links as ports of their own; empty: nothing."""
        del topology
        return []

    def answers(self, topology: Topology, bond: Bond) -> bool:
        """Whether the bond's members have one LACP partner: in this arm, or the bond of another host."""
        far = {topology.link_of(member).other(member)[1] for member in bond.members}
        bonds = [host.bond for host in topology.hosts if host.bond is not None]
        if any(other.mode == "802.3ad" and far <= set(other.members) for other in bonds):
            return True
        lags = self.seen(topology).lags if self.lacp else ()
        return any(lag.lacp != "off" and far <= set(lag.ports) for lag in lags)


class Ours(Arm):
    """The testbed's own controller: LACP for the switches' LAGs, select groups, learning."""

    openflow = "OpenFlow15"
    lacp = groups = True

    def command(self, topology: Topology, scratch: Path, port: int, framework: str) -> list[str]:
        """``framework`` is what the application runs on: ``os-ken``, or ``ryu`` for Ryu 4.34."""
        if framework not in ("os-ken", "ryu"):
            raise unknown("framework", framework, ("os-ken", "ryu"))
        start = ryu() if framework == "ryu" else [sys.executable]
        return [*start, "-m", "testbed.controller", _configured(self.seen(topology), scratch), str(port)]

    def environment(self, case: Mapping[str, Level], scratch: Path) -> dict[str, str]:
        """Where its state is seen, and, unless ``restart`` of the case is ``fresh``, where it is kept."""
        restart = str(case.get("restart", "resume"))
        if restart not in RESTARTS:
            raise unknown("restart", restart, RESTARTS)
        kept = {"TESTBED_CONTROLLER_STATE": str(scratch / "controller.state")} if restart == "resume" else {}
        return {**super().environment(case, scratch), "TESTBED_CONTROLLER_HTTP": str(HTTP_PORT), **kept}


class Static(Ours):
    """The testbed's own controller with every LAG static: no LACP, a port with carrier is in use."""

    lacp = False

    def seen(self, topology: Topology) -> Topology:
        """Every LAG without LACP."""
        lags = tuple(dataclasses.replace(lag, lacp="off") for lag in topology.lags)
        return dataclasses.replace(topology, lags=lags)


class Plain(Arm):
    """A plain learning switch: Open vSwitch by itself, which knows of no LAG."""

    def check(self, topology: Topology) -> None:
        """Nothing keeps its frames from going round."""
        _no_circle(topology, "none", bonded=False)


class OpenVSwitchBonds(Arm):
    """Open vSwitch by itself, each LAG a bond of its own: LACP with balance-tcp, or balance-slb where it is static.

    balance-tcp hashes addresses and ports, and needs LACP. Of what works without it, ovs-vswitchd.conf.db(5) wants no
    LAG at the other end. balance-slb with all-members-active comes nearest to the static LAG of the modes balance-rr,
    balance-xor and broadcast: it takes all frames in on every member, where active-backup would drop those that come
    in on its backup members. It sends by the source's address alone: all frames of one host leave on one member.
    """

    lacp = True
    shown = ("lacp/show", "bond/show")

    def check(self, topology: Topology) -> None:
        """A bond of Open vSwitch is on one bridge, and nothing else keeps frames from going round."""
        _on_one_switch(topology.lags, topology, "ovs")
        _no_circle(topology, "ovs", bonded=True)

    def join(self, topology: Topology) -> list[str]:
        """Each LAG's ports into one bond, in one transaction with all others."""
        systems = {system.name: system for system in topology.systems}
        words: list[str] = []
        for lag in topology.lags:
            switch = topology.owner(lag.ports[0])
            settings = ["lacp=off", "bond_mode=balance-slb", "other_config:all-members-active=true"]
            if lag.lacp != "off":
                system = systems[lag.system]
                settings = [
                    f"lacp={lag.lacp}",
                    "bond_mode=balance-tcp",
                    f"other_config:lacp-time={lag.rate}",
                    f'other_config:lacp-system-id="{system.system}"',
                    f"other_config:lacp-system-priority={system.priority}",
                ]
            if len(lag.ports) > 1:
                for port in lag.ports:
                    words += ["--", "del-port", switch, port]
                words += ["--", "add-bond", switch, lag.name, *lag.ports, *settings]
            else:  # a bond of one is an ordinary port, which may speak LACP as well
                words += ["--", "set", "Port", lag.ports[0], *settings]
            for port in lag.ports:
                number = topology.port_no(port)
                words += ["--", "set", "Interface", port, f"ofport_request={number}"]
                words += [f"other_config:lacp-port-id={number}", f"other_config:lacp-aggregation-key={lag.key}"]
        return words[1:]


class RyuExample(Arm):
    """Ryu 4.34's own example, simple_switch_lacp_13, as it comes but for the LAGs that it is told of."""

    openflow = "OpenFlow13"
    lacp = True
    port_status = False

    def check(self, topology: Topology) -> None:
        """It takes LAGs of two ports or more on one switch, floods, and needs Ryu."""
        negotiated = [lag for lag in topology.lags if lag.lacp != "off"]
        _on_one_switch(negotiated, topology, "ryu-example")
        for lag in negotiated:
            if len(lag.ports) < 2:
                raise SpecError(f"LAG {lag.name!r} has one port; controller ryu-example takes two or more")
        _no_circle(topology, "ryu-example", bonded=False)
        ryu()

    def command(self, topology: Topology, scratch: Path, port: int, framework: str) -> list[str]:
        """The launcher that tells the example of the topology's LAGs (testbed.controller.example)."""
        del framework
        return [*ryu(), "-m", "testbed.controller", _configured(topology, scratch), str(port), "example"]


CONTROLLERS: dict[str, Arm] = {
    "testbed": Ours(),
    "ovs": OpenVSwitchBonds(),
    "ryu-example": RyuExample(),
    "static": Static(),
    "none": Plain(),
}
#: For every experiment's factors.
FACTOR = Factor("controller", ("testbed",), "what steers the switches", known=tuple(CONTROLLERS))


def chosen(case: Mapping[str, Level]) -> Arm:
    """The arm of a case; ours where the case names none. Errors: SpecError naming the known ones."""
    name = str(case.get(FACTOR.name, "testbed"))
    if name not in CONTROLLERS:
        raise unknown("controller", name, CONTROLLERS)
    return CONTROLLERS[name]


def ryu() -> list[str]:
    """The command that starts Ryu's Python. Errors: MachineError with what to type."""
    if not RYU_PYTHON.exists():
        raise MachineError(
            f"Ryu is not installed: there is no {RYU_PYTHON.relative_to(PROJECT)}", "Type: make setup-ryu"
        )
    return [str(RYU_PYTHON), "-W", "ignore"]  # eventlet's own advice not to use it


def _configured(topology: Topology, scratch: Path) -> str:
    path = scratch / "controller.yaml"
    path.write_text(to_yaml(topology))
    return str(path)


def _on_one_switch(lags: Iterable[Lag], topology: Topology, controller: str) -> None:
    for lag in lags:
        owners = sorted({topology.owner(port) for port in lag.ports})
        if len(owners) > 1:
            raise SpecError(
                f"LAG {lag.name!r} is on the switches {', '.join(owners)};"
                f" controller {controller} knows LAGs on one switch only",
                "Use --set controller=testbed.",
            )


def _no_circle(topology: Topology, controller: str, *, bonded: bool) -> None:
    """That the switches are joined as a tree; ``bonded``: the links of a LAG count as one."""
    islands = {switch.name: switch.name for switch in topology.switches}
    lag_of = {port: lag.name for lag in topology.lags for port in lag.ports} if bonded else {}
    joined: set[str] = set()
    for link in topology.links:
        if link.a not in islands or link.b not in islands:
            continue
        lag = lag_of.get(link.a_interface, link.name)
        if lag in joined:
            continue
        joined.add(lag)
        here, there = islands[link.a], islands[link.b]
        if here == there:
            raise SpecError(
                f"link {link.name} closes a circle of switches;"
                f" controller {controller} would let frames go round it for ever",
                "Use --set controller=testbed.",
            )
        islands = {name: there if island == here else island for name, island in islands.items()}
