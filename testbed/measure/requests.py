"""What users felt of a failure, by requests.csv: requests that failed, that were late, and how long none succeeded."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.measure.table import Columns, read_csv

#: Of a requests.csv.
REQUEST_COLUMNS: Columns = {
    "number": int,
    "due_s": float,
    "sent_s": float,
    "done_s": float,
    "status": str,
    "server": str,
}


@dataclass(frozen=True)
class Request:
    """One request: when it was due, sent and done, in seconds of the trial's clock, and what became of it."""

    due_s: float
    sent_s: float
    done_s: float
    status: str
    server: str

    @property
    def answered(self) -> bool:
        """Whether it succeeded (RFC 9110, 15.3)."""
        return self.status.startswith("2") and len(self.status) == 3

    @property
    def took_s(self) -> float:
        """How long its user waited: from when it was due."""
        return self.done_s - self.due_s


def load_requests(path: Path) -> list[Request]:
    """The requests of a file, in the order in which they were due. Errors: TrialError if it is damaged, or has none."""
    return [Request(*row[1:]) for row in read_csv(path, REQUEST_COLUMNS, "request")]


@dataclass(frozen=True)
class Felt:
    """What the users of a window felt: of ``requests`` that were due in it, and until it ended.

    ``late`` succeeded after more than an interval. ``failed_span_s``: from when the first one that failed was due to
    when the last one was. ``longest_gap_s``: the longest time between two successes, the second of which was first
    missing in the window. ``slowest_s``: of those that succeeded. ``by_server``: how many each answered.
    """

    requests: int
    failed_requests: int
    late: int
    failed_span_s: float
    longest_gap_s: float
    slowest_s: float | None
    by_server: dict[str, int]
    by_status: dict[str, int]

    def metrics(self) -> dict[str, Any]:
        """The same, as metrics of a trial (results/README.md)."""
        return {
            "requests": self.requests,
            "failed_requests": self.failed_requests,
            "late_requests": self.late,
            "failed_span_s": round(self.failed_span_s, 9),
            "longest_gap_s": round(self.longest_gap_s, 9),
            "slowest_s": None if self.slowest_s is None else round(self.slowest_s, 9),
            "by_server": self.by_server,
            "by_status": self.by_status,
        }


def felt(requests: list[Request], begin_s: float, end_s: float, *, interval_s: float) -> Felt:
    """What the users felt whose requests were due, every ``interval_s``, from ``begin_s`` to before ``end_s``."""
    own = [each for each in requests if begin_s <= each.due_s < end_s]
    good = [each for each in own if each.answered]
    bad = [each.due_s for each in own if not each.answered]
    return Felt(
        len(own),
        len(bad),
        sum(each.took_s > interval_s for each in good),
        max(bad) - min(bad) if bad else 0.0,
        _longest_gap_s(requests, begin_s, end_s, interval_s),
        max((each.took_s for each in good), default=None),
        dict(sorted(Counter(each.server for each in good).items())),
        dict(sorted(Counter(each.status for each in own).items())),
    )


def _longest_gap_s(requests: list[Request], begin_s: float, end_s: float, interval_s: float) -> float:
    """The longest time from one success to the next, if one was missing first within the window.

    Where none comes any more, until the last request was done.
    """
    done = sorted(each.done_s for each in requests if each.answered)
    edges = [*(done or [begin_s - interval_s]), max(each.done_s for each in requests)]
    steps = itertools.pairwise(edges)
    return max((b - a for a, b in steps if begin_s <= a + interval_s < end_s), default=0.0)


def same_server(requests: list[Request], sources: Sequence[str], begin_s: float, end_s: float) -> tuple[int, int]:
    """How many clients got their first answer of a request due in the window from the server of their last one before;
    and how many had both. Request n came from ``sources[n % len(sources)]``."""
    before, after = dict[str, str](), dict[str, str]()
    for number, each in enumerate(requests):
        client = sources[number % len(sources)]
        if each.answered and each.done_s < begin_s:
            before[client] = each.server
        elif each.answered and begin_s <= each.due_s < end_s:
            after.setdefault(client, each.server)
    both = before.keys() & after.keys()
    return sum(before[client] == after[client] for client in both), len(both)


def last_failed_s(requests: list[Request], begin_s: float, end_s: float) -> float | None:
    """How long after ``begin_s`` the last request of the window was sent that failed; None: none failed."""
    bad = [each.sent_s for each in requests if begin_s <= each.due_s < end_s and not each.answered]
    return max(bad) - begin_s if bad else None
