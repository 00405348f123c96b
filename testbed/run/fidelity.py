"""Whether the machine kept up with a trial in real time, and the evidence for it (raw file fidelity.json).

In virtual time the question does not apply: the clock waits for the processor.
"""

from __future__ import annotations

import itertools
import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbed import rawfiles
from testbed.background import in_background
from testbed.errors import TrialError
from testbed.measure.outage import load_probe
from testbed.measure.raw import read_json

NAME = "fidelity.json"
#: How often the load of the processors is read, in seconds, and the file that it is read from (proc(5)).
PERIOD_S = 0.5
_STAT = Path("/proc/stat")
#: The part of a period that a processor may be busy. A busier one does not run at once what becomes due.
MOST_BUSY = 0.95
#: The part of a period that a hypervisor may give to other guests.
MOST_STOLEN = 0.01
#: A probe packet that leaves later than this shows a pause of its sender; and the share of such packets that may be.
MOST_LATE_S, MOST_LATE_SHARE = 0.001, 0.01
#: How long a frame of a probe may wait in a link's queue, by the link's rate, beyond the link's own delay.
MOST_QUEUED_S = 0.002
#: The phase of a trial in which it measures.
MEASURING = "running the procedure"


def cpu_times(text: str) -> dict[str, tuple[int, int, int]]:
    """For each processor the total, idle and stolen ticks, from the text of /proc/stat (proc(5))."""
    found = {}
    for line in text.splitlines():
        name, *words = line.split()
        if name.startswith("cpu") and name != "cpu":
            ticks = [int(word) for word in words[:8]]  # user time already includes guest time
            found[name] = (sum(ticks), ticks[3] + ticks[4], ticks[7] if len(ticks) > 7 else 0)
    return found


def _shares(before: dict[str, tuple[int, int, int]], after: dict[str, tuple[int, int, int]]) -> dict[str, Any]:
    busy, stolen = {}, {}
    for name, (total, idle, steal) in after.items():
        then = before.get(name)
        if then is None or total <= then[0]:
            continue
        busy[name] = round(1 - (idle - then[1]) / (total - then[0]), 4)
        stolen[name] = round((steal - then[2]) / (total - then[0]), 4)
    return {"busy": busy, "stolen": stolen}


def _phase(directory: Path) -> str:
    try:
        return rawfiles.tail(directory / "phase.log").splitlines()[-1].partition(" (at ")[0]
    except (OSError, IndexError, TrialError):
        return ""


@contextmanager
def watching(directory: Path) -> Iterator[None]:
    """Sample the load of the machine's processors while the block runs; then write the samples into ``directory``."""
    samples: list[dict[str, Any]] = []

    def look(ended: threading.Event) -> None:
        began = time.monotonic()
        before = cpu_times(_STAT.read_text())
        while not ended.wait(PERIOD_S):
            after = cpu_times(_STAT.read_text())
            sample = {"t_s": round(time.monotonic() - began, 3), "phase": _phase(directory)}
            samples.append({**sample, **_shares(before, after)})
            before = after

    try:
        with in_background("fidelity", look):
            yield
    finally:
        rawfiles.write(directory / NAME, json.dumps({"period_s": PERIOD_S, "samples": samples}, indent=1) + "\n")


def findings(directory: Path, cpu: int | None = None) -> list[str]:
    """The reasons why a trial's times are not valid; none if the machine kept up.

    ``cpu`` is the processor that the trial ran on; without it the busiest one counts.
    """
    found = []
    try:
        samples = rawfiles.loads(rawfiles.read(directory / NAME))["samples"]
    except (OSError, ValueError, KeyError, TypeError, TrialError):
        return [f"fidelity: {NAME} is missing or damaged: it is not known whether the machine kept up"]
    during = [sample for sample in samples if sample["phase"] == MEASURING]
    for key, most, text in (("busy", MOST_BUSY, "was busy"), ("stolen", MOST_STOLEN, "was given to others for")):
        shares = [_of(sample[key], cpu) for sample in during]
        if shares and max(shares) > most:
            over = sum(share > most for share in shares)
            found.append(
                f"fidelity: the processor {text} {max(shares) * 100:.0f} % of the time in {over} of {len(shares)}"
                f" periods of {PERIOD_S:g} s; wanted at most {most * 100:.0f} %"
            )
    probe = directory / "probe.csv"
    try:
        if rawfiles.exists(directory, probe.name) and (late := late_share(probe)) > MOST_LATE_SHARE:
            found.append(
                f"fidelity: {late * 100:.1f} % of the probe's packets left more than {MOST_LATE_S * 1e3:g} ms late;"
                f" wanted at most {MOST_LATE_SHARE * 100:g} %"
            )
    except TrialError as error:
        found.append(f"fidelity: {error.message}: it is not known whether the probe's packets left in time")
    try:
        return found + queued(directory)
    except (AttributeError, KeyError, TypeError, ValueError, TrialError) as error:
        return [*found, f"fidelity: queues.json is damaged ({error!r}): it is not known how long the queues were"]


def queued(directory: Path) -> list[str]:
    """Whether a link's queue was longer than a trial's probes alone can make it (raw file queues.json).

    A trial that fills the links on purpose, with iperf3, or whose fault slows a link down, has no finding.
    """
    there = [rawfiles.exists(directory, name) for name in ("queues.json", "probe.csv", "iperf3.json")]
    if there != [True, True, False]:
        return []
    found = read_json(directory / "trial.json")
    if found["case"].get("fault") in ("slow", "lossy") or found["case"].get("schedule"):
        return []
    seen = read_json(directory / "queues.json")["interfaces"]
    longest: dict[str, float] = {}
    for link in found["topology"]["links"]:
        for interface in (link["a_interface"], link["b_interface"]):
            octets = seen.get(interface, {}).get("backlog_bytes", 0)
            if link["rate_mbps"] is not None:
                longest[interface] = octets * 8 / link["rate_mbps"] / 1e6 - link["delay_ms"] / 1e3
    worst = max(longest, key=lambda name: longest[name], default=None)
    if worst is None or longest[worst] <= MOST_QUEUED_S:
        return []
    return [
        f"fidelity: the queue of {worst} held {longest[worst] * 1e3:.1f} ms of frames;"
        f" wanted at most {MOST_QUEUED_S * 1e3:g} ms where only probes are sent"
    ]


def _of(shares: dict[str, float], cpu: int | None) -> float:
    return shares[f"cpu{cpu}"] if f"cpu{cpu}" in shares else max(shares.values(), default=0.0)


def late_share(probe: Path) -> float:
    """The part of a probe.csv's packets, of its worst flow, that left late on the schedule of their flow.

    Errors: TrialError if the file is damaged.
    """
    worst = 0.0
    for flow in load_probe(probe):
        sent_s: list[float] = flow.sent_s.tolist()
        if len(sent_s) < 2:
            continue
        # The schedule is absolute, and its interval a round number: the median step, rounded. The packet that is the
        # earliest on that schedule is punctual.
        interval_s = float(f"{statistics.median(b - a for a, b in itertools.pairwise(sent_s)):.3g}")
        lateness_s = [at_s - number * interval_s for number, at_s in enumerate(sent_s)]
        latest_s = min(lateness_s) + MOST_LATE_S
        worst = max(worst, sum(each_s > latest_s for each_s in lateness_s) / len(lateness_s))
    return worst
