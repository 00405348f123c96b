"""Whether traffic went on while an element had failed, by probes or by requests: an audit's raw files. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.measure.outage import load_probe, outage
from testbed.measure.raw import read_json
from testbed.measure.requests import Felt, felt, load_requests
from testbed.spec import Topology
from testbed.theory import reachability

Expected = Mapping[reachability.Pair, reachability.Expectation]
#: A web service has survived if the requests that were due in so many seconds before the repair were answered, each
#: within so many.
LAST_S, LATE_S = 0.25, 0.5


@dataclass(frozen=True)
class Seen:
    """What a trial shows: whether traffic went on before the repair, the outages, what was lost; ``apart``: what did
    not reach each other; ``differs``: pairs of which theory says otherwise."""

    survived: bool
    outage_s: float
    return_outage_s: float
    lost: int
    apart: list[str]
    differs: list[str]


def by_probes(
    raw: Path, topology: Topology, expected: Expected, begin_s: float, end_s: float, *, interval_s: float
) -> Seen:
    """By probes between the protected hosts, and single datagrams between all; the fault was from ``begin_s`` to
    ``end_s``."""
    protected = topology.protected_hosts()
    flows = load_probe(raw / "probe.csv")
    last_s = min(float(flow.sent_s[-1]) for flow in flows)
    during = [outage(flow, interval_s, begin_s, end_s) for flow in flows]
    after = [outage(flow, interval_s, end_s, last_s) for flow in flows]
    lost = {
        (pair[0], pair[1]): count for pair, count in ((e["pair"], e["lost"]) for e in read_json(raw / "reach.json"))
    }
    apart = [pair for pair, count in lost.items() if count and set(pair) <= set(protected)]
    wrong = [pair for pair in lost if reachability.agrees(expected[pair].connected, lost[pair] == 0) is False]
    return Seen(
        not apart and all(found.recovered for found in during),
        max(found.outage_s for found in during),
        max(found.outage_s for found in after),
        sum(found.lost for found in (*during, *after)),
        ["-".join(pair) for pair in apart],
        ["-".join(pair) for pair in wrong],
    )


def by_requests(
    raw: Path, topology: Topology, expected: Expected, begin_s: float, end_s: float, *, interval_s: float
) -> Seen:
    """By requests to the web service: an outage is a time without success, or from the first failure to the last."""
    pair = topology.ends()
    asked = load_requests(raw / "requests.csv")
    windows = ((begin_s, end_s), (end_s, asked[-1].due_s), (end_s - LAST_S, end_s))
    during, after, last = (felt(asked, *window, interval_s=interval_s) for window in windows)
    survived = not last.failed_requests and last.slowest_s is not None and last.slowest_s <= LATE_S
    must, name = reachability.must_connect(expected, pair), "-".join(pair)
    return Seen(
        survived,
        _outage_s(during, interval_s),
        _outage_s(after, interval_s),
        during.failed_requests + after.failed_requests,
        [] if survived else [name],
        [name] if reachability.agrees(must, survived) is False else [],
    )


def _outage_s(found: Felt, interval_s: float) -> float:
    """How long the service did not answer, or not every request."""
    return max(0.0, found.longest_gap_s - interval_s, found.failed_span_s)
