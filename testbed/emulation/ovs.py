"""An Open vSwitch of the trial's own: its database, its sockets, its processes, in its own directory."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from testbed.emulation import ovs_client
from testbed.emulation.clocks import Clocks
from testbed.emulation.daemon import Daemon
from testbed.emulation.ovsdb import Bridge, Database
from testbed.errors import MachineError, TrialError

_SCHEMAS = ("/usr/share/openvswitch/vswitch.ovsschema", "/usr/local/share/openvswitch/vswitch.ovsschema")
#: ovs-vswitchd counts processors, and so starts threads that handle packets, only once CLOCK_MONOTONIC has
#: passed 10 s; in a guest that has just booted it would run with none.
_OVS_NEEDS_MONOTONIC_S = 11.0
#: How often ovs-vswitchd looks at every flow in the kernel (ovs-vswitchd.conf.db(5), other_config:max-revalidator).
_REVALIDATED_S = 0.5


def _schema() -> str:
    for name in _SCHEMAS:
        if Path(name).exists():
            return name
    raise MachineError("Open vSwitch is not installed", "Type: apt-get install openvswitch-switch")


class OpenVSwitch:
    """An ovsdb-server and an ovs-vswitchd with all their files in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        database = directory / "db.sock"
        remote = f"--remote=p{self.database}"
        self.server = self._daemon("ovsdb-server", lambda: database, str(directory / "conf.db"), remote)
        self.vswitchd = self._daemon("ovs-vswitchd", self._control, self.database)
        self._rows = Database(self.database, lambda: self.vswitchd.pid is not None)

    @property
    def database(self) -> str:
        """The database's socket, as Open vSwitch's programs take it."""
        return f"unix:{self.directory}/db.sock"

    def environment(self) -> dict[str, str]:
        """The variables by which Open vSwitch's programs connect to this one and to no other."""
        names = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")
        return {name: str(self.directory) for name in names}

    def appctl(self, command: str, *arguments: str) -> str:
        """Ask ovs-vswitchd (ovs-appctl(8)), without starting a program. Errors: TrialError with its answer."""
        if self.vswitchd.pid is None:
            raise TrialError("ovs-vswitchd does not run")
        return ovs_client.appctl(self._control(), command, *arguments)

    def groups(self, switch: str) -> str:
        """The groups of a switch, as it has them, one a line (ovs-ofctl(8), dump-groups). Errors: TrialError."""
        address = f"unix:{self.directory}/{switch}.mgmt"
        command = ["ovs-ofctl", "--protocols=OpenFlow15", "--no-names", "dump-groups", address]
        answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if answer.returncode:
            raise TrialError(f"ovs-ofctl: {answer.stderr.strip()}")
        return answer.stdout

    def configure_again(self) -> None:
        """Let ovs-vswitchd go through its configuration once more, when its connections to controllers are made.

        Only then does a connection heed its controller's ``max_backoff``: until then a controller that is lost is tried
        again after 1, 2, 4, 8 s, whatever was asked for (seen with Open vSwitch 3.1).
        """
        self.vsctl("set", "Open_vSwitch", ".", "external_ids:controllers=connected")

    def _daemon(self, program: str, socket: Callable[[], Path], *arguments: str) -> Daemon:
        """A program of Open vSwitch's; it is ready once its socket is there."""
        log = self.directory / f"{program}.out"
        command = (program, *arguments, "--log-file")
        return Daemon(
            program, command, log, ready=lambda: _absent(socket()), environment=self.environment(), ready_s=10
        )

    def _control(self) -> Path:
        """The socket at which ovs-vswitchd takes commands (ovs-appctl(8), under --target)."""
        return self.directory / f"ovs-vswitchd.{self.vswitchd.pid}.ctl"

    def settle(self) -> None:
        """Wait until ovs-vswitchd has carried out what the database says."""
        self._rows.settle()

    def remove_bridge(self, name: str) -> Bridge:
        """Take a bridge out of the kernel and the database; returns what is needed to put it back."""
        return self._rows.remove(name)

    def restore(self, bridge: Bridge) -> None:
        """Put back a bridge that was removed: ports, numbers, bonds and controller are the same, its tables empty."""
        self._rows.insert(bridge)

    def swap(self, first: str, second: str) -> None:
        """Each of two switch interfaces gets the other's port number, port or bond, and settings."""
        self._rows.swap(first, second)

    def program(self, switch: str, version: str, groups: Sequence[str], flows: Sequence[str]) -> None:
        """Give a bridge groups and flows of an OpenFlow version (ovs-ofctl(8)). Errors: TrialError with its output."""
        bridge = f"unix:{self.directory}/{switch}.mgmt"
        for verb, lines in (("add-groups", groups), ("add-flows", flows)):
            command = ["ovs-ofctl", f"--protocols={version}", verb, bridge, "-"]
            answer = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True)
            if answer.returncode:
                raise TrialError(f"ovs-ofctl {verb} {switch}: {answer.stderr.strip()}")

    def vsctl(self, *words: str) -> None:
        """Carry out commands of ovs-vsctl(8) in one transaction. Errors: TrialError with its output."""
        command = ["ovs-vsctl", "--timeout=60", f"--db={self.database}", *words]
        answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if answer.returncode:
            raise TrialError(f"ovs-vsctl: {answer.stderr.strip()}")


@contextlib.contextmanager
def running(directory: Path, clocks: Clocks | None = None) -> Iterator[OpenVSwitch]:
    """An Open vSwitch that lives as long as the block; with ``clocks`` its switches start at a drawn instant."""
    for program in ("ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl", "ovsdb-tool"):
        if not shutil.which(program):
            raise MachineError(f"{program} is not installed", "Type: apt-get install openvswitch-switch")
    directory.mkdir(parents=True)
    switch = OpenVSwitch(directory)
    environment = {**os.environ, **switch.environment()}
    database = directory / "conf.db"
    subprocess.run(["ovsdb-tool", "create", str(database), _schema()], check=True, env=environment)
    with switch.server:
        subprocess.run(["ovs-vsctl", "--no-wait", "init"], check=True, env=environment)
        margin_s = max(0.0, _OVS_NEEDS_MONOTONIC_S - time.monotonic())
        if clocks is None:
            time.sleep(margin_s)
        else:
            clocks.wait("ovs-vswitchd", _REVALIDATED_S, clocks.ahead(margin_s))
        with switch.vswitchd:
            yield switch


def _absent(path: Path) -> str:
    return "" if path.exists() else f"{path.name} in {path.parent}"
