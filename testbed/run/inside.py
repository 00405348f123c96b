"""Inside: build the network of one trial, run its procedure, write the raw files.

Usage: python -m testbed.run.inside DIRECTORY CODE

CODE holds the experiment, if it is a user's own file. DIRECTORY holds trial.json and receives the raw files;
outcome.json is written last, with the status and the reason.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from testbed.design.trial import Trial
from testbed.errors import TestbedError
from testbed.experiment import discovery, user_code
from testbed.lab import lab
from testbed.schemes import own_controller


class _Phases:
    """A line in phase.log when each phase begins, so that the watchdog outside can say where a trial was."""

    def __init__(self, directory: Path, origin_s: float) -> None:
        self._path = directory / "phase.log"
        self._origin_s = origin_s

    def enter(self, name: str) -> None:
        with self._path.open("a") as file:
            file.write(f"{name} (at {time.time() - self._origin_s:.3f} s of the trial's clock)\n")


def run(directory: Path, code: Path) -> None:
    """Carry out the trial whose trial.json is in ``directory``; ``code`` holds its experiment if it is a user's."""
    trial = Trial.from_json((directory / "trial.json").read_text())
    origin = time.time()
    phases = _Phases(directory, origin)
    outcome = {"status": "ok", "reason": ""}
    try:
        phases.enter("loading the experiment")
        own_controller.read_copies(code)
        own = discovery.file_of(trial.experiment) is not None
        experiment = discovery.load_experiment(str(code / trial.experiment) if own else trial.experiment)
        with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
            try:
                phases.enter("building the network")
                bench = stack.enter_context(lab.opened(trial, directory, Path(scratch)))
                phases.enter("waiting for convergence")
                bench.wait_converged()
                phases.enter("running the procedure")
                with user_code.calling_in_trial(experiment.procedure):
                    experiment.procedure(bench)
                bench.write("bonds.json", bench.bonds())
                phases.enter("ending the network")
            except BaseException:
                for log in Path(scratch).glob("ovs/*.log"):
                    shutil.copy(log, directory)
                raise
    except TestbedError as error:
        if error.__cause__ is not None:
            traceback.print_exc()  # goes to trial.log, which a failed trial keeps
        outcome = {"status": "failed", "reason": error.message + _advice(error.__cause__)}
    except Exception as error:
        traceback.print_exc()
        outcome = {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    text = json.dumps({**outcome, "virtual_s": round(time.time() - origin, 9)}, indent=1)
    (directory / "outcome.json").write_text(text + "\n")
    phases.enter("ended")


def _advice(cause: BaseException | None) -> str:
    """What to write into the experiment if it asked for what a trial does not see."""
    if isinstance(cause, ModuleNotFoundError):
        return f"; if it is installed, add to the Experiment: packages=({cause.name!r},)"
    if isinstance(cause, FileNotFoundError) and "/" not in str(cause.filename):
        return f"; if it is a program, add to the Experiment: programs=({cause.filename!r},)"
    return ""


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))
