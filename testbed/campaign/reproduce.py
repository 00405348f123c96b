"""Carrying out a campaign again, and comparing its runs with results/reference/.

Two runs of one seed are compared trial by trial. With the same kernel, tools and code their metrics must be the same.
Otherwise numbers may differ a little, and the trials that both have must agree like this:

| metric | tolerance |
|---|---|
| status; truth values (within_bound, as_predicted ...); flows on each member that were predicted | none |
| goodput, median of a case | 1 % of its ideal; 5 % where TCP and not the links is the limit |
| outage_s, detection_s with a mean by theory, median of a case | 3 standard errors of such a difference, and 10 ms |
| outage_s with a bound by theory alone that the reference kept, median of a case of over 10 ms | the bound, and 10 ms |
| these elsewhere; reversion_outage_s, return_s, stall_s; median of a case | its trials' range, and 10 ms or a tenth |
| reordered_ratio; reordering_extent | 0.02; 2 packets |

Other metrics are not compared.
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
from testbed import theory
from testbed.campaign.steps import Step
from testbed.errors import SpecError, TestbedError
from testbed.experiment import discovery
from testbed.experiment.plan import factor_levels
from testbed.results import result
from testbed.results.result import Record, Run, quantities

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
TIMES = ("outage_s", "detection_s", "reversion_outage_s", "return_s", "stall_s")
#: Goodputs, each with its ideal.
GOODPUTS = {
    f"goodput_{when}mbps": f"ideal_{when}mbps"  # of a whole trial, and before, during and after a fault
    for when in ("", "before_", "during_", "after_")
}
#: Numbers whose medians may differ by so much.
NUMBERS = {"reordered_ratio": 0.02, "reordering_extent": 2.0}
_GOODPUT_PART, _LIMITED_PART = 0.01, 0.05
#: Below this part of the ideal TCP limits a flow, not the links, and small causes have larger effects.
_FULL = 0.95
#: The keys of run.json that must be the same for the same bytes.
_DECIDES = ("code", "kernel", "tools", "clock", "backend", "runtime")


@dataclass(frozen=True)
class Comparison:
    """``trials`` that both runs have, how many of them are ``identical`` in their metrics, and the differences."""

    trials: int
    identical: int
    differences: tuple[str, ...]


def compare(reference: Run, found: Run) -> Comparison:
    """The differences of ``found`` from ``reference`` beyond the tolerances, each in one sentence."""
    kept = {_key(record): record for record in reference.records}
    known = {_case(record) for record in reference.records}
    differences: list[str] = [f"damaged: {text}" for text in found.damaged]
    trials = identical = 0
    for case, records in found.cases():
        name = _case_name(found, case)
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
        every = [record for record in reference.records if _case(record) == _case(records[0])]
        differences += [f"{name}: {text}" for text in _differences(pairs, every)]
        if _same_origin(reference, found) and not all(same):
            numbers = ", ".join(str(after.number) for (_, after), alike in zip(pairs, same, strict=True) if not alike)
            differences.append(f"{name}: the same code and tools, but other metrics in trial {numbers}")
    if not trials and not differences:
        differences.append("no trial to compare")
    return Comparison(trials, identical, tuple(differences))


def _case(record: Record) -> str:
    return json.dumps(record.case, sort_keys=True)


def _key(record: Record) -> tuple[str, int]:
    return _case(record), record.repetition


def _case_name(run: Run, case: dict[str, Any]) -> str:
    return " ".join(f"{name}={case[name]}" for name in run.varied() if name in case) or run.experiment


def _same_origin(first: Run, second: Run) -> bool:
    """Whether everything is the same that could change a byte: code, kernel, tools, clock, backend."""
    return all(first.manifest.get(key) == second.manifest.get(key) is not None for key in _DECIDES)


def _differences(pairs: Sequence[tuple[Record, Record]], every: Sequence[Record]) -> list[str]:
    """The differences in pairs of trials of one case; ``every`` are all trials of that case in the reference."""
    found = []
    for before, after in pairs:
        if before.status != after.status:
            why = f" ({after.reason})" if after.reason else ""
            found.append(f"trial {after.number} is {after.status}{why}; the reference is {before.status}")
            continue
        found += [
            f"trial {after.number}: {name} is {after.metrics.get(name)}; the reference has {before.metrics[name]}"
            for name in EXACT
            if name in before.metrics and after.metrics.get(name) != before.metrics[name] and _predicted(before, name)
        ]
    old, new = [before for before, _ in pairs], [after for _, after in pairs]
    for name in (*GOODPUTS, *TIMES, *NUMBERS):
        first, second = quantities(old, name), quantities(new, name)
        if len(first) != len(second):
            found.append(f"{name} is known of {len(second)} trials; in the reference of {len(first)}")
        elif first:
            low, high = _agreeing(name, old, every)
            was, now = statistics.median(first), statistics.median(second)
            if not low <= now <= high:
                agrees = f"{max(low, 0):.4g} to {high:.4g} agrees with it"
                found.append(f"median {name} is {now:g}; the reference has {was:g}, and what is {agrees}")
    return found


def _predicted(record: Record, name: str) -> bool:
    """Whether a metric is more than chance: where flows go is chance if nothing is predicted for them."""
    return name != "measured_member_flows" or record.metrics.get("predicted_member_flows") is not None


def _agreeing(name: str, reference: Sequence[Record], every: Sequence[Record]) -> tuple[float, float]:
    """The lowest and highest median of a metric that agrees with the median of the ``reference``'s trials.

    ``every`` are all trials of the case in the reference, of which ``reference`` are some.
    """
    values = quantities(reference, name)
    was = statistics.median(values)
    if name in NUMBERS:
        return was - NUMBERS[name], was + NUMBERS[name]
    if name in GOODPUTS:
        ideal = next(iter(quantities(reference, GOODPUTS[name])), None) or was
        allowed = ideal * (_GOODPUT_PART if was >= _FULL * ideal else _LIMITED_PART)
        return was - allowed, was + allowed
    bounds, means = quantities(reference, "bound_s"), quantities(reference, "expected_s")
    if name in ("outage_s", "detection_s") and bounds and means:
        # The median of n values that are uniform over a width has the standard error width / (2 sqrt(n + 2))
        # (H. A. David, H. N. Nagaraja, Order Statistics, 2.3); the difference of two has sqrt(2) of it.
        width = 2 * (bounds[0] - means[0])
        allowed = min(width, 3 * math.sqrt(2) * width / (2 * math.sqrt(len(reference) + 2))) + theory.RELEARN_PAUSE_S
        return was - allowed, was + allowed
    if name == "outage_s" and bounds and theory.RELEARN_PAUSE_S < max(values) <= bounds[0] + theory.RELEARN_PAUSE_S:
        # Chance, with an unknown distribution: what is within the bound agrees (within_bound is compared as well).
        return 0.0, bounds[0] + theory.RELEARN_PAUSE_S
    # Chance here too, and nothing is known about its range but the trials.
    known = quantities(every, name)
    more = max(theory.RELEARN_PAUSE_S, was / 10)
    return min(known) - more, max(known) + more


def expected_s(step: Step, *, quick: bool, ryu: bool, processors: int, reference: Path = REFERENCE) -> float | None:
    """How long a step takes on that many idle processors, in seconds, from its trials' wall time in the reference.

    None if there is no reference.
    """
    if not (reference / step.name / "run.json").exists():
        return None
    experiment = discovery.experiment(step.experiment)
    topology = discovery.topology(step.topology or experiment.topology)
    levels = factor_levels(experiment, topology, step.settings(quick=quick, ryu=ryu), quick=False)
    walls_s = [
        record.wall_s
        for record in result.load(reference / step.name).records
        if record.repetition < step.trials_of_each(quick=quick)
        and all(record.case.get(name) in found for name, found in levels.items())
    ]
    return sum(walls_s) / max(1, min(processors, len(walls_s)))


def carry_out(step: Step, place: Path, *, quick: bool, ryu: bool) -> int:
    """Run one step into ``place``, or resume it there; returns the exit code of `testbed run`.

    Its output goes to the file ``place``.txt; its progress stays on the terminal.
    """
    again = ["--resume"] if place.exists() else []
    command = [sys.executable, "-m", "testbed", "run", *step.words(quick=quick, ryu=ryu), "--out", str(place), *again]
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".txt").open("w") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file)
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # the run receives it as well, and ends in order
                continue


def check_checkout(reference: Path = REFERENCE) -> None:
    """Errors: SpecError outside a checkout, which alone keeps references."""
    if not reference.parent.is_dir():
        raise SpecError(
            f"there is no {reference}: the runs to compare with are in a checkout of the repository only",
            "Type in a checkout: make reproduce",
        )


def check_reference(steps: Sequence[Step], reference: Path = REFERENCE) -> None:
    """Errors: TestbedError if one of these steps has no reference; SpecError outside a checkout."""
    check_checkout(reference)
    if lacking := [step.name for step in steps if not (reference / step.name / "run.json").exists()]:
        raise TestbedError(
            f"there is no reference of {', '.join(lacking)} in {reference}",
            "To make this run the reference, type: testbed reproduce --keep",
        )


def compare_with_reference(step: Step, place: Path, reference: Path = REFERENCE) -> Comparison:
    """The step's run compared with its reference. Errors: TestbedError if there is none."""
    check_reference([step], reference)
    return compare(result.load(reference / step.name), result.load(place))


def keep(step: Step, place: Path, reference: Path = REFERENCE) -> None:
    """Make the step's run the reference: run.json, trials.jsonl and the data of its figures."""
    target = reference / step.name
    shutil.rmtree(target, ignore_errors=True)
    (target / "figures").mkdir(parents=True)
    for name in ("run.json", "trials.jsonl"):
        shutil.copy(place / name, target)
    for table in sorted((place / "figures").glob("*.csv")):
        shutil.copy(table, target / "figures")
