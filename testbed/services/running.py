"""The services of a live network: their files written, their daemons started, waited for, ended; what they left."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from testbed.emulation.daemon import READY_S, Daemon
from testbed.emulation.namespace import set_kernel
from testbed.emulation.network import Network
from testbed.errors import MachineError, TrialError
from testbed.services.service import Service

#: Files that are a process's own: none of them is a result.
_OF_PROCESS = (".pid", ".lock", ".ctl", ".vty", ".so")


class Running:
    """The live daemon of a service; what is its own is in ``directory``."""

    def __init__(self, service: Service, network: Network, directory: Path) -> None:
        self.service, self.directory = service, directory
        self.daemon = Daemon(
            f"{service.name} of {service.node}",
            service.command(directory),
            directory / f"{service.name}.out",
            ready=lambda: service.missing(directory),
            clear=self._clear,
            environment=service.environment(directory),
            pid=network.pid(service.node),
            ready_s=READY_S + service.slow_s,
        )

    def prepare(self, network: Network) -> None:
        """Set what it needs of its machine's kernel. Errors: TrialError with what its command says."""
        pid = network.pid(self.service.node)
        set_kernel(pid, self.service.settings().items())
        if words := self.service.once(self.directory):
            command = ["mnexec", "-a", str(pid), *words]
            done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if done.returncode:
                raise TrialError(f"{self.service.program} of {self.service.node}: {' '.join(done.stderr.split())}")

    def unsettled(self) -> str:
        """What it has still under way; empty for nothing."""
        found = self.service.unsettled(self._log(), time.time()) or self.service.unjoined(self.directory)
        return found and f"{self.service.name} of {self.service.node}: {found}"

    def events(self, origin_s: float) -> list[dict[str, Any]]:
        """Its events on the trial's clock, which began at ``origin_s``."""
        return [
            {"t_s": round(event.pop("time") - origin_s, 9), **event, "host": self.service.node}
            for event in self.service.events(self._log())
        ]

    def keep(self, raw: Path) -> None:
        """What it read, wrote and printed becomes raw files of the trial: services/NODE/..."""
        place = raw / "services" / self.service.node
        place.mkdir(parents=True, exist_ok=True)
        for path in sorted(self.directory.rglob("*")):
            if path.is_file() and path.suffix not in _OF_PROCESS:
                shutil.copyfile(path, place / path.name)

    def _clear(self) -> None:
        """Remove the locks and sockets of one that was killed; others on its machine have theirs beside these."""
        for path in self.directory.iterdir():
            if path.suffix in _OF_PROCESS and path.name.startswith(self.service.name):
                path.unlink()

    def _log(self) -> str:
        """What it wrote to its log, and what it printed."""
        places = (self.directory / f"{self.service.name}.{ending}" for ending in ("log", "out"))
        return "".join(place.read_text(errors="replace") for place in places if place.exists())


@contextlib.contextmanager
def running(services: Sequence[Service], network: Network, scratch: Path, raw: Path) -> Iterator[list[Running]]:
    """The services' daemons while the block runs, each started at an instant of its own; then their raw files.

    Errors: MachineError for a program that is not installed; TrialError with the last line of a daemon that ends by
    itself, or with what it lacks.
    """
    found: list[Running] = []
    for service in services:
        if not shutil.which(service.program):
            raise MachineError(f"{service.program} is not installed", "Type: make setup-services")
        directory = scratch / "services" / service.node
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in service.files(directory).items():
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_text(text)
        found.append(Running(service, network, directory))
    with contextlib.ExitStack() as stack:
        for each in found:
            stack.callback(each.keep, raw)
        for each in found:
            each.prepare(network)
            if not each.service.command(each.directory):
                continue
            network.clocks.wait(f"{each.service.name} {each.service.node}", each.service.period_s)
            stack.enter_context(each.daemon)
            network.directories[f"{each.service.node}:{each.service.name}"] = each.directory
            network.daemons[f"{each.service.node}:{each.service.name}"] = each.daemon
        yield found
