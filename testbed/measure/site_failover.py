"""What the faults of sites cost the users of their service: which requests were hit, and who answered in the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed import stats
from testbed.design.trial import Measured, Trial
from testbed.measure.impact import rounded
from testbed.measure.raw import controller_trouble, fault_windows, read_timeline
from testbed.measure.requests import Request, felt, load_requests
from testbed.measure.table import Columns, read_csv
from testbed.theory import OutageBound, site_failover

#: Of a names.csv.
_NAME_COLUMNS: Columns = {"asked_s": float, "answered_s": float, "address": str, "ttl_s": int}


def hit_s(
    requests: Sequence[Request], begin_s: float, end_s: float, interval_s: float
) -> tuple[float | None, float | None]:
    """When, after ``begin_s``, the first and the last request was sent that failed or was late, of those due until
    ``end_s``; None: none was."""
    bad = [
        one.sent_s - begin_s
        for one in requests
        if begin_s <= one.due_s < end_s and not (one.answered and one.took_s <= interval_s)
    ]
    return (min(bad), max(bad)) if bad else (None, None)


def touches(request: Request, begin_s: float, end_s: float) -> bool:
    """Whether a request was under way in a window, at least for a part of its time."""
    return request.due_s < end_s and begin_s < request.done_s


def waited_s(requests: Sequence[Request], begin_s: float, end_s: float) -> float:
    """How long the request took that took longest, of those due in a window."""
    return max((one.took_s for one in requests if begin_s <= one.due_s < end_s), default=0.0)


def ends_at(requests: Sequence[Request], begin_s: float, end_s: float) -> str:
    """The server of the last request of a window that was answered; empty: none was."""
    return next((one.server for one in reversed(requests) if begin_s <= one.due_s < end_s and one.answered), "")


def measure(raw: Path, trial: Trial, interval_s: float) -> Measured:
    """The metrics of a trial of `site_failover` (results/README.md)."""
    topology, fault, place = trial.topology, str(trial.case["fault"]), str(trial.case["place"])
    timeline, requests = read_timeline(raw / "timeline.jsonl"), load_requests(raw / "requests.csv")
    windows = [(begin_s, end_s) for begin_s, end_s, _ in fault_windows(timeline) if end_s is not None]
    each = [felt(requests, *window, interval_s=interval_s) for window in windows]
    hits = [hit_s(requests, *window, interval_s) for window in windows]
    # Without one of several name servers no request fails; what counts is how long one waits.
    waits = place == "names" and len(topology.sites[0].name_servers) > 1
    outages = [(first_s if place == "names" else last_s) or 0.0 for first_s, last_s in hits]
    if waits:
        outages = [waited_s(requests, *window) for window in windows]
    servers = [ends_at(requests, *window) for window in windows]
    bound, found = site_failover.outage(topology, fault, place), stats.summary([one.failed_requests for one in each])
    own = site_failover.first(topology)
    outside = sum(not one.answered and not any(touches(one, *window) for window in windows) for one in requests)
    metrics: dict[str, Any] = {
        "faults": len(windows),
        "element": site_failover.element(topology, fault, place),
        "detections_s": [rounded(at) for at in outages],
        "detection_min_s": rounded(min(outages, default=0.0)),
        "detection_max_s": rounded(max(outages, default=0.0)),
        "requests": sum(one.requests for one in each),
        "failed_each": [one.failed_requests for one in each],
        "median_failed": found.median if found else None,
        "failed_requests": sum(one.failed_requests for one in each),
        "late_requests": sum(one.late for one in each),
        "failed_outside": outside,
        "longest_gap_s": rounded(max((one.longest_gap_s for one in each), default=0.0)),
        "server_before": own,
        "servers_after": servers,
        "names_asked": _asked(raw),
        "low_s": rounded(bound.low_s) if isinstance(bound, OutageBound) else None,
        "bound_s": rounded(bound.bound_s) if isinstance(bound, OutageBound) else None,
        "expected_s": rounded(bound.expected_s) if isinstance(bound, OutageBound) else None,
        "law_quantiles_s": [rounded(at) for at in bound.quantiles_s or ()] or None
        if isinstance(bound, OutageBound)
        else None,
        "why_no_bound": bound if isinstance(bound, str) else None,
        "within_bound": None,
    }
    if isinstance(bound, OutageBound):
        kept = all(bound.holds(at, interval_s) for at in outages)
        led = place == "names" or all(server not in ("", own) for server in servers)
        spared = not waits or metrics["failed_requests"] == 0
        metrics["within_bound"] = kept and led and spared and outside == 0
    warnings = tuple(controller_trouble(timeline))
    if len(windows) < int(trial.case["faults"]):
        return Measured(metrics, "failed", f"only {len(windows)} faults: the network did not come back", warnings)
    return Measured(metrics, warnings=warnings)


def _asked(raw: Path) -> int | None:
    """How many answers of the name server the client has used; None: it asked none."""
    path = raw / "names.csv"
    return sum(1 for _ in read_csv(path, _NAME_COLUMNS, "answer")) if path.exists() else None
