"""Where a run's trials are carried out: in a guest kernel, or in this machine's own kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from testbed.backends import environment, guest, kernel, native, readiness, runtime
from testbed.backends.kernel import Kernel
from testbed.backends.runtime import Runtime
from testbed.backends.watchdog import Watchdog
from testbed.design.trial import Trial
from testbed.errors import MachineError
from testbed.run import own_code


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
    #: What the guest sees as its files; None: this machine's.
    runtime: Runtime | None = None
    name: str = "guest"

    def run(self, directory: Path, trial: Trial, watchdog: Watchdog, cpu: int) -> None:
        place = environment.MACHINE if self.runtime is None else environment.IMAGE
        guest.run(
            self.kernel,
            directory,
            environment.trial_command(guest.DIRECTORY, guest.CODE, place),
            seed=trial.seed,
            clock=trial.clock,
            watchdog=watchdog,
            cpu=cpu,
            runtime=self.runtime,
            code=code if (code := _code(directory)).is_dir() else None,
        )


@dataclass(frozen=True)
class NativeBackend:
    """Trials in this machine's own kernel."""

    name: str = "native"

    def run(self, directory: Path, trial: Trial, watchdog: Watchdog, cpu: int) -> None:
        del cpu
        place = directory.resolve()
        native.run(directory, environment.trial_command(place, _code(place)), watchdog=watchdog)


def _code(directory: Path) -> Path:
    """Where the run of the trial in ``directory`` keeps the user's own code (testbed.run.own_code)."""
    return directory.resolve().parent.parent / own_code.NAME


def choose_backend(wanted: str, clock: str, packages: Sequence[str] = (), programs: Sequence[str] = ()) -> Backend:
    """The backend for ``auto``, ``guest`` or ``native``.

    In virtual time it has the runtime image, with these distributions and programs besides the testbed's own. Errors:
    MachineError with what to type, for whatever would fail every trial; SpecError for a distribution or program that is
    not installed.
    """
    if wanted == "native":
        if clock == "virtual":
            raise MachineError("the native backend has real time only", "Add: --clock real")
        if lacking := native.lacks():
            raise MachineError(f"the native backend lacks: {'; '.join(lacking)}", "Use --backend guest instead.")
        readiness.check(programs, in_guest=False)
        return NativeBackend()
    found = kernel.find()
    if found is None and clock == "real" and not kernel.entry().exists():
        found = kernel.find_debian_uml()
        if found is None and wanted == "auto" and not native.lacks():
            readiness.check(programs, in_guest=False)
            return NativeBackend()
    if found is None:
        raise MachineError(kernel.lacking(), "Type: testbed kernel build (once, about 7 minutes)")
    readiness.check(programs, in_guest=True)
    image = runtime.prepared(packages, programs) if clock == "virtual" else None
    readiness.check_boots(found, image)
    return GuestBackend(found, image)
