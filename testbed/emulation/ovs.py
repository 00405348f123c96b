"""An Open vSwitch of the trial's own: its database, its sockets, its processes, in its own directory."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from testbed.emulation.ovsdb import Bridge, Database
from testbed.emulation.waiting import wait_for
from testbed.errors import MachineError, TrialError

_SCHEMAS = ("/usr/share/openvswitch/vswitch.ovsschema", "/usr/local/share/openvswitch/vswitch.ovsschema")
#: ovs-vswitchd counts processors, and so starts threads that handle packets, only once CLOCK_MONOTONIC has
#: passed 10 s; in a guest that has just booted it would run with none.
_OVS_NEEDS_MONOTONIC_S = 11.0


def _schema() -> str:
    for name in _SCHEMAS:
        if Path(name).exists():
            return name
    raise MachineError("Open vSwitch is not installed", "Type: apt-get install openvswitch-switch")


class OpenVSwitch:
    """A running ovsdb-server and ovs-vswitchd below ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.vswitchd: subprocess.Popen[bytes] | None = None
        self._rows = Database(self.database, lambda: self.vswitchd is not None)

    @property
    def database(self) -> str:
        """The database's socket, as Open vSwitch's programs take it."""
        return f"unix:{self.directory}/db.sock"

    def environment(self) -> dict[str, str]:
        """What makes Open vSwitch's programs talk to this one and to no other."""
        names = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")
        return {name: str(self.directory) for name in names}

    def appctl(self, command: str, *arguments: str) -> str:
        """Ask ovs-vswitchd (ovs-appctl(8)), without starting a program. Errors: TrialError with its answer."""
        import ovs.unixctl.client  # it brings eventlet along: half a second in a guest

        if self.vswitchd is None:
            raise TrialError("ovs-vswitchd does not run")
        path = self.directory / f"ovs-vswitchd.{self.vswitchd.pid}.ctl"
        failure, client = ovs.unixctl.client.UnixctlClient.create(str(path))
        if failure:
            raise TrialError(f"ovs-vswitchd does not answer: {os.strerror(failure)}")
        try:
            failure, error, result = client.transact(command, list(arguments))
        finally:
            client.close()
        if failure or error:
            raise TrialError(f"ovs-appctl {command}: {error or os.strerror(failure)}")
        return str(result)

    def configure_again(self) -> None:
        """Let ovs-vswitchd go through its configuration once more, when its connections to controllers are made.

        Only then does a connection heed its controller's ``max_backoff``: until then a controller that is lost is tried
        again after 1, 2, 4, 8 s, whatever was asked for (seen with Open vSwitch 3.1).
        """
        self.vsctl("set", "Open_vSwitch", ".", "external_ids:controllers=connected")

    def start_vswitchd(self) -> None:
        """Start ovs-vswitchd, and wait until it can be asked; what it prints is added to a file of its name."""
        self.vswitchd = self.start("ovs-vswitchd", self.database, "--log-file")
        control = self.directory / f"ovs-vswitchd.{self.vswitchd.pid}.ctl"
        wait_for("ovs-vswitchd", lambda: _absent(control), deadline_s=10)

    def stop_vswitchd(self) -> None:
        """End ovs-vswitchd in order, if it runs; the kernel's datapath stays with its ports and flows."""
        if self.vswitchd is not None:
            _stop(self.vswitchd)
            self.vswitchd = None

    def kill_vswitchd(self) -> None:
        """End ovs-vswitchd as a crash would (SIGKILL)."""
        if self.vswitchd is not None:
            self.vswitchd.kill()
            self.vswitchd.wait()
            self.vswitchd = None

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a program of Open vSwitch's as part of this one."""
        environment = {**os.environ, **self.environment()}
        with (self.directory / f"{command[0]}.out").open("ab") as log:
            # A process group of its own: Ctrl-C at the prompt of a live network is not for it.
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, process_group=0
            )

    def settle(self) -> None:
        """Wait until ovs-vswitchd has done what the database says."""
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

    def vsctl(self, *words: str) -> None:
        """Carry out commands of ovs-vsctl(8) in one transaction. Errors: TrialError with what it said."""
        command = ["ovs-vsctl", "--timeout=60", f"--db={self.database}", *words]
        answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if answer.returncode:
            raise TrialError(f"ovs-vsctl: {answer.stderr.strip()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def running(directory: Path) -> Iterator[OpenVSwitch]:
    """An Open vSwitch that lives as long as the block."""
    for program in ("ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovsdb-tool"):
        if not shutil.which(program):
            raise MachineError(f"{program} is not installed", "Type: apt-get install openvswitch-switch")
    directory.mkdir(parents=True)
    switch = OpenVSwitch(directory)
    environment = {**os.environ, **switch.environment()}
    database = directory / "conf.db"
    subprocess.run(["ovsdb-tool", "create", str(database), _schema()], check=True, env=environment)
    server = switch.start("ovsdb-server", str(database), f"--remote=punix:{directory}/db.sock", "--log-file")
    try:
        wait_for("ovsdb-server", lambda: _absent(directory / "db.sock"), deadline_s=10)
        subprocess.run(["ovs-vsctl", "--no-wait", "init"], check=True, env=environment)
        time.sleep(max(0.0, _OVS_NEEDS_MONOTONIC_S - time.monotonic()))
        switch.start_vswitchd()
        yield switch
    finally:
        switch.stop_vswitchd()
        _stop(server)


def _absent(path: Path) -> str:
    return "" if path.exists() else f"{path.name} in {path.parent}"
