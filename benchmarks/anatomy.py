"""Where the time of a run goes: the phases of five reference trials, and what follows them.

Usage: python benchmarks/anatomy.py [--only NAME ...]

Question      Which part of a trial, and of a run of one trial, takes how much of its time?
Procedure     1. Each reference trial runs alone. Its log says when a phase begins; between two of these the wall time
                 and the processor time of all processes, the guest's included, are taken.
              2. What follows the trial, its figures and its report, is the last row.

It prints a row for each phase: seconds of wall and of processor, and the share of the trial's wall time. Other work on
the machine lengthens the wall time more than the processor time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from processor import Use

from testbed.results import result

#: By name: experiment, topology, levels. One of each kind of load: many short trials, an idle network, two dense probes
#: for two minutes, bandwidth, and many daemons.
TRIALS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "failover": ("failover", "single_switch", {"mode": "802.3ad", "fault": "carrier_loss"}),
    "idle": ("scaling", "leaf_spine", {"hosts": "4", "run_s": "100", "probes": "0"}),
    "probes": ("failover", "single_switch", {"mode": "802.3ad", "lacp_rate": "slow", "fault": "silent_loss"}),
    "bandwidth": (
        "aggregation",
        "single_switch",
        {
            "mode": "802.3ad",
            "members": "8",
            "flows": "16",
            "placement": "even",
            "rate_mbps": "10000",
            "duration_s": "1",
            "omit_s": "1",
        },
    ),
    "service": ("audit", "service", {"element": "f1"}),
}
#: What follows the last phase of the log.
_AFTER = "power-off, measuring, figures, report"
_INTERVAL_S = 0.05


class Phases:
    """When each phase began, on the wall and of the processor; sampled."""

    def __init__(self, run: Path) -> None:
        self.began: list[tuple[str, float, float]] = [("start and boot", time.monotonic(), 0.0)]
        self._run, self._seen = run, 0

    def __call__(self, use: Use) -> None:
        """Take note of the phases that have begun since the last sample."""
        logs = list(self._run.glob("raw/*/phase.log"))
        lines = logs[0].read_text().splitlines() if logs else []
        for line in lines[self._seen :]:
            name = line.partition(" (at ")[0]
            self.began.append((_AFTER if name == "ended" else name, time.monotonic(), use.processor_s))
        self._seen = len(lines)


def measured(words: list[str], run: Path) -> list[tuple[str, float, float]]:
    """The phases of a run of one trial: name, seconds of wall, seconds of processor. Errors: SystemExit if it fails."""
    phases = Phases(run)
    with Use(phases, _INTERVAL_S) as use:
        ended = subprocess.run([sys.executable, "-m", "testbed", *words], stdout=subprocess.DEVNULL)
        last_s = time.monotonic()
    if ended.returncode:
        raise SystemExit(f"testbed {' '.join(words)} ended with exit code {ended.returncode}")
    ends = [*phases.began[1:], ("", last_s, use.processor_s)]
    return [
        (name, until_s - since_s, until - since)
        for (name, since_s, since), (_, until_s, until) in zip(phases.began, ends, strict=True)
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(TRIALS), default=list(TRIALS), help="which trials")
    for name in parser.parse_args().only:
        experiment, topology, levels = TRIALS[name]
        with tempfile.TemporaryDirectory() as place:
            run = Path(place) / "run"
            words = [word for key, level in levels.items() for word in ("--set", f"{key}={level}")]
            rows = measured(
                [
                    "run",
                    experiment,
                    "--topology",
                    topology,
                    *words,
                    "--repetitions",
                    "1",
                    "--jobs",
                    "1",
                    "--out",
                    str(run),
                ],
                run,
            )
            record = result.load(run).records[0]
        whole_s = sum(wall_s for _, wall_s, _ in rows)
        speed = record.virtual_s / record.wall_s
        print(
            f"\n{name}: {record.virtual_s:.1f} s of the trial's clock, {speed:.1f} of them a second of wall", flush=True
        )
        for phase, wall_s, processor_s in rows:
            print(f"  {phase:50} {wall_s:7.2f} s  {processor_s:7.2f} s  {100 * wall_s / whole_s:5.1f} %", flush=True)


if __name__ == "__main__":
    main()
