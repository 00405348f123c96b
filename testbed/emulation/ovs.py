"""An Open vSwitch of the trial's own: its database, its sockets, its processes, in its own directory."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

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

        assert self.vswitchd is not None
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
    with contextlib.ExitStack() as stack:

        def start(*command: str) -> subprocess.Popen[bytes]:
            log = stack.enter_context((directory / f"{command[0]}.out").open("wb"))
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
            stack.callback(_stop, process)
            return process

        start("ovsdb-server", str(database), f"--remote=punix:{directory}/db.sock", "--log-file")
        wait_for("ovsdb-server", lambda: _absent(directory / "db.sock"), deadline_s=10)
        subprocess.run(["ovs-vsctl", "--no-wait", "init"], check=True, env=environment)
        time.sleep(max(0.0, _OVS_NEEDS_MONOTONIC_S - time.monotonic()))
        switch.vswitchd = start("ovs-vswitchd", switch.database, "--log-file")
        control = directory / f"ovs-vswitchd.{switch.vswitchd.pid}.ctl"
        wait_for("ovs-vswitchd", lambda: _absent(control), deadline_s=10)
        yield switch


def _absent(path: Path) -> str:
    return "" if path.exists() else f"{path.name} in {path.parent}"
