"""What the faults of a server cost: when its balancer took it out, and which requests failed until then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed import stats
from testbed.design.factor import Level
from testbed.design.trial import Measured, Trial
from testbed.faults import catalogue
from testbed.measure.impact import rounded
from testbed.measure.raw import Event, controller_trouble, fault_windows, read_timeline
from testbed.measure.requests import Request, felt, last_failed_s, load_requests
from testbed.spec import Topology
from testbed.theory import OutageBound, health_checks

#: How long a client waits for an answer, in seconds.
TIMEOUT_S = 1.0


def delay_s(case: Mapping[str, Level]) -> float:
    """What each direction of a server's cable takes longer, where it is slow."""
    if case["fault"] != health_checks.SLOW:
        return 0.0
    given = catalogue.valued("slow", catalogue.parameters_of("slow", case))
    return float(given["delay_ms"]) / 1e3


def taken_out(timeline: Sequence[Event], topology: Topology, server: str) -> list[float | None]:
    """For each fault, in order: seconds until the master took the server out; None: it did not in time."""
    said = [
        event["t_s"]
        for event in timeline
        if (event["source"], event["event"], event.get("state")) == ("balancer", "server", "down")
        and (event["host"], event["server"]) == (_master(topology), server)
    ]
    found: list[float | None] = []
    for begin_s, end_s, _ in fault_windows(timeline):
        last_s = float("inf") if end_s is None else end_s
        found.append(next((round(at - begin_s, 9) for at in said if begin_s <= at < last_s), None))
    return found


def measure(raw: Path, trial: Trial, server: str, interval_s: float) -> Measured:
    """The metrics of a trial with many faults of one server (results/README.md)."""
    timeline, requests = read_timeline(raw / "timeline.jsonl"), load_requests(raw / "requests.csv")
    group, fault = trial.topology.balancers[0], str(trial.case["fault"])
    windows = [(begin_s, end_s) for begin_s, end_s, _ in fault_windows(timeline) if end_s is not None]
    taken = taken_out(timeline, trial.topology, server)[: len(windows)]
    each = [felt(requests, *window, interval_s=interval_s) for window in windows]
    last = [last_failed_s(requests, *window) for window in windows]
    late_s = delay_s(trial.case)
    law = health_checks.detection(group, fault, late_s)
    share = health_checks.failing_share(group, fault, late_s, TIMEOUT_S)
    more = health_checks.interrupted(group, late_s, interval_s) if share == 0 else 0.0
    stays = isinstance(law, str)  # the server stays in: for all of the fault requests are placed on it
    placed = [
        _placed(requests, begin_s, end_s - begin_s if stays else at)
        for (begin_s, end_s), at in zip(windows, taken, strict=True)
    ]
    outside = sum(not one.answered for one in requests) - sum(one.failed_requests for one in each)
    found = stats.summary([one.failed_requests for one in each])
    metrics: dict[str, Any] = {
        "faults": len(windows),
        "detections_s": taken,
        "detection_min_s": min((at for at in taken if at is not None), default=None),
        "detection_max_s": max((at for at in taken if at is not None), default=None),
        "last_failed_s": [None if at is None else rounded(at) for at in last],
        "failed_each": [one.failed_requests for one in each],
        "median_failed": found.median if found else None,
        "failed_requests": sum(one.failed_requests for one in each),
        "requests": sum(placed),
        "failed_share": _share(each, placed),
        "failed_share_by_theory": None if share is None else rounded(share),
        "failed_outside": outside,
        "longest_gap_s": rounded(max((one.longest_gap_s for one in each), default=0.0)),
        "slowest_s": rounded(max((one.slowest_s or 0.0 for one in each), default=0.0)),
        "low_s": rounded(law.low_s) if isinstance(law, OutageBound) else None,
        "bound_s": rounded(law.bound_s) if isinstance(law, OutageBound) else None,
        "expected_s": rounded(law.expected_s) if isinstance(law, OutageBound) else None,
        "why_no_bound": law if isinstance(law, str) else None,
        "within_bound": _within(law, share, more, taken, [one.failed_requests for one in each], placed)
        and outside == 0,
    }
    warnings = tuple(controller_trouble(timeline))
    if None in taken and not stays:
        warnings = (*warnings, f"{_master(trial.topology)} did not take {server} out in {taken.count(None)} faults")
    return Measured(metrics, warnings=warnings)


def _master(topology: Topology) -> str:
    """The balancer that has the service's address while all live."""
    return topology.shared_by(topology.balancers[0].machines).ranked[0]


def _placed(requests: Sequence[Request], begin_s: float, detected_s: float | None) -> int:
    """How many requests were sent from the fault until it was detected."""
    return sum(begin_s <= one.sent_s < begin_s + (detected_s or 0.0) for one in requests)


def _share(each: Sequence[Any], placed: Sequence[int]) -> float | None:
    return rounded(sum(one.failed_requests for one in each) / sum(placed)) if sum(placed) else None


def _within(
    law: OutageBound | str,
    share: float | None,
    more: float,
    taken: Sequence[float | None],
    failed: Sequence[int],
    placed: Sequence[int],
) -> bool:
    """Whether the server was taken out as theory says, and as many requests failed: in turn it gets every nth one, and
    of each fault ``more`` fail at one instant."""
    if isinstance(law, str):
        told = all(at is None for at in taken)
    else:
        told = all(at is not None and law.holds(at, 0.0) for at in taken)
    if not told:
        return False
    if share is None:
        return True
    edge = 1.0 if share or more else 0.0
    return all(abs(bad - share * sent - more) <= edge for bad, sent in zip(failed, placed, strict=True))
