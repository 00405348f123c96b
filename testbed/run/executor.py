"""Where a run's trials are carried out: in a guest kernel, or in this machine's own kernel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from testbed.backends import environment, guest, kernel, native
from testbed.backends.kernel import Kernel
from testbed.backends.watchdog import Watchdog
from testbed.design.trial import Trial
from testbed.errors import MachineError


class Backend(Protocol):
    """Where a trial runs."""

    @property
    def name(self) -> str:
        """``guest`` or ``native``, for run.json."""

    def run(self, directory: Path, trial: Trial, watchdog: Watchdog, cpu: int) -> None:
        """Carry out the trial whose trial.json is in ``directory``, on processor ``cpu``."""


@dataclass(frozen=True)
class GuestBackend:
    """Trials in a guest kernel."""

    kernel: Kernel
    name: str = "guest"

    def run(self, directory: Path, trial: Trial, watchdog: Watchdog, cpu: int) -> None:
        guest.run(
            self.kernel,
            directory,
            environment.trial_command(guest.DIRECTORY),
            seed=trial.seed,
            clock=trial.clock,
            watchdog=watchdog,
            cpu=cpu,
            needed=[Path(trial.experiment).parent] if trial.experiment.endswith(".py") else (),
        )


@dataclass(frozen=True)
class NativeBackend:
    """Trials in this machine's own kernel."""

    name: str = "native"

    def run(self, directory: Path, trial: Trial, watchdog: Watchdog, cpu: int) -> None:
        del cpu
        native.run(directory, environment.trial_command(directory.resolve()), watchdog=watchdog)


def choose_backend(wanted: str, clock: str) -> Backend:
    """The backend for ``auto``, ``guest`` or ``native``. Errors: MachineError with what to type."""
    if wanted == "native":
        if clock == "virtual":
            raise MachineError("the native backend has real time only", "Add: --clock real")
        if lacking := native.lacks():
            raise MachineError(f"the native backend lacks: {'; '.join(lacking)}", "Use --backend guest instead.")
        return NativeBackend()
    found = kernel.find()
    if found is None and clock == "real":
        found = kernel.find_debian_uml()
        if found is None and wanted == "auto" and not native.lacks():
            return NativeBackend()
    if found is None:
        raise MachineError("the guest kernel is not built", "Type: testbed kernel build (once, about 7 minutes)")
    if lacking := guest.missing():
        raise MachineError(
            f"the guest needs {', '.join(lacking)}, not installed", f"Type: apt-get install {' '.join(lacking)}"
        )
    return GuestBackend(found)
