"""Where the clock is real: whether the machine kept up with a trial, and the evidence (raw file fidelity.json).

In virtual time there is nothing to ask: the clock waits for the processor.
"""

from __future__ import annotations

import csv
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from testbed.background import in_background

NAME = "fidelity.json"
#: How often the processors are looked at, in seconds, and the file that the kernel tells it in (proc(5)).
PERIOD_S = 0.5
_STAT = Path("/proc/stat")
#: A processor with less to spare does not run what becomes due at once (the part of a period that it worked).
MOST_BUSY = 0.95
#: The part of a period that a hypervisor may give to others.
MOST_STOLEN = 0.01
#: A probe packet later than this is a pause of the sender; so many of them may be.
MOST_LATE_S, MOST_LATE_SHARE = 0.001, 0.01
#: Longer than this beyond the link's own delay, no frame of a probe may wait in a link's queue, by the link's rate.
MOST_QUEUED_S = 0.002
#: The phase of a trial in which its measurement is made.
MEASURING = "running the procedure"


def cpu_times(text: str) -> dict[str, tuple[int, int, int]]:
    """From the text of /proc/stat, for each processor: ticks in all, ticks idle, ticks stolen (proc(5))."""
    found = {}
    for line in text.splitlines():
        name, *words = line.split()
        if name.startswith("cpu") and name != "cpu":
            ticks = [int(word) for word in words[:8]]  # guest time is counted in user time already
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
        return (directory / "phase.log").read_text().splitlines()[-1].partition(" (at ")[0]
    except (OSError, IndexError):
        return ""


@contextmanager
def watching(directory: Path) -> Iterator[None]:
    """Look at the machine's processors while the block runs; then write what was seen into ``directory``."""
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
        (directory / NAME).write_text(json.dumps({"period_s": PERIOD_S, "samples": samples}, indent=1) + "\n")


def findings(directory: Path, cpu: int | None = None) -> list[str]:
    """Why a trial's times are not to be trusted; none if the machine kept up.

    ``cpu`` is the processor that the trial was kept on; without, the busiest one counts.
    """
    found = []
    try:
        samples = json.loads((directory / NAME).read_text())["samples"]
    except (OSError, ValueError, KeyError):
        return [f"fidelity: {NAME} is missing or damaged: nobody knows whether the machine kept up"]
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
    if probe.exists() and (late := late_share(probe)) > MOST_LATE_SHARE:
        found.append(
            f"fidelity: {late * 100:.1f} % of the probe's packets left more than {MOST_LATE_S * 1e3:g} ms late;"
            f" wanted at most {MOST_LATE_SHARE * 100:g} %"
        )
    return found + queued(directory)


def queued(directory: Path) -> list[str]:
    """Whether a link's queue held what a trial's probes alone cannot fill it with (raw file queues.json).

    Nothing is said of a trial that fills the links by intent, with iperf3, or whose fault slows a link down.
    """
    evidence, trial = directory / "queues.json", directory / "trial.json"
    if not evidence.exists() or not (directory / "probe.csv").exists() or (directory / "iperf3.json").exists():
        return []
    found = json.loads(trial.read_text())
    if found["case"].get("fault") in ("slow", "lossy") or found["case"].get("schedule"):
        return []
    seen = json.loads(evidence.read_text())["interfaces"]
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
    """The part of a probe.csv's packets, of its worst flow, that left late on the schedule of their flow."""
    sent: dict[str, dict[int, float]] = {}
    with probe.open(newline="") as file:
        for row in csv.DictReader(file):
            sent.setdefault(row["flow"], {})[int(row["seq"])] = float(row["sent_s"])
    worst = 0.0
    for packets in sent.values():
        numbers, times = np.array(sorted(packets)), np.array([packets[number] for number in sorted(packets)])
        if len(times) < 2:
            continue
        # The schedule is absolute and its interval a round number: the median step, rounded; the earliest is punctual.
        interval_s = float(f"{np.median(np.diff(times) / np.diff(numbers)):.3g}")
        late_s = times - numbers * interval_s
        worst = max(worst, float(np.mean(late_s - late_s.min() > MOST_LATE_S)))
    return worst
