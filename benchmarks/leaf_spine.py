"""How large a network one guest holds: leaf_spine with 8 spines, 16 leaves and 128 hosts on two leaves each.

Usage: python benchmarks/leaf_spine.py [--spines 8] [--leaves 16] [--hosts 128] [--pairs 1000]

Question      Is it built, does it converge, do hosts drawn at random reach each other, and how long does it take?
Procedure     1. The network is built and converges, as in any trial. Every member of every bond carries traffic by LACP
                 and each host has reached the 1st, 2nd, 4th, 8th ... after it.
              2. Of all pairs of hosts, --pairs are drawn from the seed. Between the two hosts of each, one datagram is
                 sent both ways on each of two flows.
Expectation   None is lost.

It prints when each phase began, on the trial's clock and on the wall, the guest's processor time and the largest memory
of its kernel's processes; and exits with 1 if a datagram was lost. Other work on the machine lengthens the wall time,
not the processor time.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.backends.watchdog import Watchdog
from testbed.design.factor import Factor
from testbed.design.trial import Measured, Trial
from testbed.experiment import discovery
from testbed.experiment.experiment import Experiment
from testbed.experiment.plan import plan
from testbed.measure.raw import read_json, read_timeline
from testbed.observe.reach import reaching

if TYPE_CHECKING:
    from processor import Use

    from testbed.lab.lab import Lab

_FLOWS = 2
#: How long datagrams may take, with the address resolution that comes first.
_WAIT_S = 1.0
#: A busy machine may be ten times slower.
_WALL_LIMIT_S = 3000.0


def procedure(lab: Lab) -> None:
    """Inside: test which pairs, drawn at random, reach each other."""
    hosts = [host.name for host in lab.topology.hosts]
    every = [(a, b) for place, a in enumerate(hosts) for b in hosts[place + 1 :]]
    pairs = lab.random.sample(every, min(int(lab.case["pairs"]), len(every)))
    with reaching(lab.network, hosts, _FLOWS) as reach:
        lost = reach.lost(pairs, wait_s=_WAIT_S)
    lab.write("mesh.json", {"pairs": len(pairs), "lost": {"-".join(pair): n for pair, n in lost.items() if n}})


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: how many datagrams were sent and lost, and when the network had converged."""
    mesh = read_json(raw / "mesh.json")
    times = {
        line["event"]: line["t_s"] for line in read_timeline(raw / "timeline.jsonl") if line["source"] == "network"
    }
    metrics = {
        "hosts": len(trial.topology.hosts),
        "pairs": mesh["pairs"],
        "datagrams": mesh["pairs"] * 2 * _FLOWS,
        "lost": sum(mesh["lost"].values()),
        "bonds_up_s": times["bonds_up"],
        "converged_s": times["converged"],
    }
    return Measured(metrics)


def leaf_spine() -> Experiment:
    """The experiment."""
    return Experiment(
        name="leaf_spine",
        title="A network of many hosts",
        question="Does a network of many dual-homed hosts build and converge, and do its hosts reach each other?",
        topology="leaf_spine",
        factors=(Factor("pairs", (1000,), "pairs of hosts that send each other datagrams", least=1),),
        procedure=procedure,
        measure=read,
        figures=(),
    )


class _Phases:
    """Prints what each phase of a trial has taken so far, on the wall and of the processor, when its log says so."""

    def __init__(self, log: Path) -> None:
        self._log, self._seen, self._began = log, 0, time.monotonic()

    def __call__(self, use: Use) -> None:
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        for line in lines[self._seen :]:
            spent = f"{time.monotonic() - self._began:7.1f} s of wall, {use.processor_s:7.1f} s of processor"
            print(f"{spent}: {line}", flush=True)
        self._seen = len(lines)


def main() -> None:
    """Run the one trial, and print what it took."""
    # Here: a trial, which loads this file, has neither.
    from processor import Use

    from testbed.run import execute, executor

    parser = argparse.ArgumentParser()
    for name, default in (("spines", 8), ("leaves", 16), ("hosts", 128), ("pairs", 1000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    case: dict[str, Any] = vars(parser.parse_args())
    experiment, function = leaf_spine(), discovery.topology("leaf_spine")
    source = str(Path(__file__).resolve())
    (trial,) = plan(experiment, function, [case], repetitions=1, seed=1, clock="virtual", source=source)
    backend = executor.choose_backend("auto", "virtual")
    watchdog = Watchdog(_WALL_LIMIT_S)
    cpu = min(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as place, Use(_Phases(Path(place) / trial.directory / "phase.log")) as use:
        record = execute.run_trial(backend, experiment, trial, Path(place), watchdog, cpu)
    print(f"{record.wall_s:.0f} s of wall, {use.processor_s:.0f} s of processor,", end=" ")
    print(f"{use.memory_bytes / 2**20:.0f} MiB in the largest process; {record.virtual_s:.1f} s of the trial's clock")
    print(f"{record.status} {record.reason}", record.metrics)
    sys.exit(0 if record.status == "ok" and record.metrics["lost"] == 0 else 1)


if __name__ == "__main__":
    main()
