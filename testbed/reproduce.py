"""Carrying a campaign out again, and comparing what it gives with results/reference/.

Two runs of one seed are compared trial by trial. With the same kernel, the same tools and the same commit their metrics
must be the same. Otherwise numbers may shift a little, and what must agree is this, for the trials that both have:

| metric | tolerance |
|---|---|
| status; truth values (within_bound, as_predicted ...); flows on each member | none |
| goodput_mbps, median of a case | 1 % of ideal_mbps |
| outage_s, detection_s with a mean by theory, median of a case | 3 standard errors of such a difference, and 10 ms |
| outage_s with a bound by theory alone, median of a case whose reference has more than 10 ms | the bound, and 10 ms |
| outage_s, detection_s, reversion_outage_s, return_s elsewhere, median of a case | 10 ms, or a tenth if that is more |
| reordered_ratio; reordering_extent | 0.02; 2 packets |

What else a trial measures is not compared.
"""

from __future__ import annotations

import json
import math
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import testbed
from testbed import result, theory
from testbed.campaign import Step
from testbed.errors import TestbedError
from testbed.result import Record, Run, quantities

REFERENCE = Path(testbed.__file__).resolve().parent.parent / "results" / "reference"
#: Metrics that must be the same in every trial.
EXACT = (
    "within_bound",
    "within_standard",
    "as_predicted",
    "others_unharmed",
    "returned",
    "predicted_member_flows",
    "measured_member_flows",
)
#: Times whose medians are compared, in seconds.
TIMES = ("outage_s", "detection_s", "reversion_outage_s", "return_s")
#: Numbers whose medians may differ by so much.
NUMBERS = {"reordered_ratio": 0.02, "reordering_extent": 2.0}
_GOODPUT_PART = 0.01
#: What of a manifest must be the same for the same bytes.
_DECIDES = ("commit", "kernel", "tools", "clock", "backend")


@dataclass(frozen=True)
class Comparison:
    """Of ``trials`` that both runs have, how many have the same metrics; and in what the runs do not agree."""

    trials: int
    identical: int
    differences: tuple[str, ...]


def compare(reference: Run, found: Run) -> Comparison:
    """Where ``found`` differs from ``reference`` by more than is allowed; each difference in one sentence."""
    kept = {_key(record): record for record in reference.records}
    known = {_case(record) for record in reference.records}
    differences: list[str] = [f"damaged: {text}" for text in found.damaged]
    trials = identical = 0
    for case, records in found.cases():
        name = _words(found, case)
        if _case(records[0]) not in known:
            differences.append(f"{name}: the reference has no such case")
            continue
        pairs = [(kept[_key(record)], record) for record in records if _key(record) in kept]
        if not pairs:
            differences.append(f"{name}: the reference has none of its repetitions")
            continue
        trials += len(pairs)
        same = [before.metrics == after.metrics and before.status == after.status for before, after in pairs]
        identical += sum(same)
        differences += [f"{name}: {text}" for text in _differences(pairs)]
        if _same_origin(reference, found) and not all(same):
            numbers = ", ".join(str(after.number) for (_, after), alike in zip(pairs, same, strict=True) if not alike)
            differences.append(f"{name}: the same commit and tools, but other metrics in trial {numbers}")
    if not trials and not differences:
        differences.append("no trial to compare")
    return Comparison(trials, identical, tuple(differences))


def _case(record: Record) -> str:
    return json.dumps(record.case, sort_keys=True)


def _key(record: Record) -> tuple[str, int]:
    return _case(record), record.repetition


def _words(run: Run, case: dict[str, Any]) -> str:
    return " ".join(f"{name}={case[name]}" for name in run.varied()) or run.experiment


def _same_origin(first: Run, second: Run) -> bool:
    """Whether nothing differs that could change a byte: an unchanged commit, the kernel, the tools."""
    commit = str(first.manifest.get("commit") or "+")
    return not commit.endswith("+") and all(first.manifest.get(key) == second.manifest.get(key) for key in _DECIDES)


def _differences(pairs: Sequence[tuple[Record, Record]]) -> list[str]:
    found = []
    for before, after in pairs:
        if before.status != after.status:
            why = f" ({after.reason})" if after.reason else ""
            found.append(f"trial {after.number} is {after.status}{why}; the reference is {before.status}")
            continue
        found += [
            f"trial {after.number}: {name} is {after.metrics.get(name)}; the reference has {before.metrics[name]}"
            for name in EXACT
            if name in before.metrics and after.metrics.get(name) != before.metrics[name]
        ]
    old, new = [before for before, _ in pairs], [after for _, after in pairs]
    for name in ("goodput_mbps", *TIMES, *NUMBERS):
        first, second = quantities(old, name), quantities(new, name)
        if len(first) != len(second):
            found.append(f"{name} is known of {len(second)} trials; in the reference of {len(first)}")
        elif first:
            was, now = statistics.median(first), statistics.median(second)
            allowed = _allowed(name, old, was)
            if abs(now - was) > allowed:
                found.append(f"median {name} is {now:g}; the reference has {was:g}, give or take {allowed:.3g}")
    return found


def _allowed(name: str, reference: Sequence[Record], was: float) -> float:
    """How far the median of a metric may be from the reference's."""
    if name in NUMBERS:
        return NUMBERS[name]
    if name == "goodput_mbps":
        return _GOODPUT_PART * (next(iter(quantities(reference, "ideal_mbps")), None) or was)
    bounds, means = quantities(reference, "bound_s"), quantities(reference, "expected_s")
    if name in ("outage_s", "detection_s") and bounds and means:
        # The median of n values that are uniform over a width has the standard error width / (2 sqrt(n + 2))
        # (H. A. David, H. N. Nagaraja, Order Statistics, 2.3); the difference of two has sqrt(2) of it.
        width = 2 * (bounds[0] - means[0])
        return min(width, 3 * math.sqrt(2) * width / (2 * math.sqrt(len(reference) + 2))) + theory.TOLERANCE_S
    if name == "outage_s" and bounds and max(quantities(reference, name)) > theory.TOLERANCE_S:
        # Chance decides, by no known distribution: what keeps the bound agrees (within_bound is compared as well).
        return bounds[0] + theory.TOLERANCE_S
    return max(theory.TOLERANCE_S, was / 10)


def carry_out(step: Step, place: Path, *, quick: bool, ryu: bool) -> int:
    """Run one step into ``place``, or go on with what is there; the exit code of `testbed run`.

    What it prints for people goes into a file beside ``place``; its progress stays on the terminal.
    """
    again = ["--resume"] if place.exists() else []
    command = [sys.executable, "-m", "testbed", "run", *step.words(quick=quick, ryu=ryu), "--out", str(place), *again]
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".txt").open("w") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file)
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # the run has heard it as well, and ends in order
                continue


def judged(step: Step, place: Path, reference: Path = REFERENCE) -> Comparison:
    """The step's run compared with its reference. Errors: TestbedError if there is none."""
    if not (reference / step.name / "run.json").exists():
        raise TestbedError(
            f"there is no reference of {step.name} in {reference}", "Keep this one: testbed reproduce --keep"
        )
    return compare(result.load(reference / step.name), result.load(place))


def keep(step: Step, place: Path, reference: Path = REFERENCE) -> None:
    """Make the step's run the reference: run.json, trials.jsonl and what its figures show."""
    target = reference / step.name
    shutil.rmtree(target, ignore_errors=True)
    (target / "figures").mkdir(parents=True)
    for name in ("run.json", "trials.jsonl"):
        shutil.copy(place / name, target)
    for table in sorted((place / "figures").glob("*.csv")):
        shutil.copy(table, target / "figures")
