"""An experiment whose trial leaves what no trial may leave. Its factor ``victim`` is the path of a file outside."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.experiment import Experiment, Factor, Measured, Trial

if TYPE_CHECKING:
    from testbed.lab.lab import Lab


def procedure(lab: Lab) -> None:
    """Links under names that the outside writes, a pipe, a socket, a sparse file, a name, a deep tree, an input."""
    victim = str(lab.case["victim"])
    for name in ("files.json", ".files.json.part", "fidelity.json", "console.log"):
        (lab.raw / name).unlink(missing_ok=True)
        (lab.raw / name).symlink_to(victim)
    (lab.raw / "home").symlink_to(Path(victim).parent)
    os.mkfifo(lab.raw / "probe.csv")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(lab.raw / "rates.json"))
    with (lab.raw / "iperf3.json").open("wb") as file:
        file.truncate(1 << 40)
    (lab.raw / "\x1b]0;owned\x07\x1b[2J").touch()
    (lab.raw / Path(*["d"] * 500)).mkdir(parents=True)
    (lab.raw / "trial.json").write_text("{}")


def measure(raw: Path, trial: Trial) -> Measured:
    """Not reached."""
    return Measured({"read": len((raw / "home" / "victim").read_text())})


def hostile() -> Experiment:
    """The experiment."""
    return Experiment(
        name="hostile",
        title="Hostile",
        question="Does anything outside change?",
        topology="back_to_back",
        factors=(Factor("victim", ("/nowhere",), "a file of the machine's"),),
        procedure=procedure,
        measure=measure,
        figures=(),
    )
