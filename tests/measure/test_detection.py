"""Each fault of a timeline with the first report that follows it."""

from __future__ import annotations

from testbed.measure.detection import after_each_fault, expired_after_each_fault


def event(at_s: float, source: str, name: str, **details: object) -> dict[str, object]:
    return {"t_s": at_s, "source": source, "event": name, **details}


def test_each_fault_has_the_first_report_that_follows_it() -> None:
    down = {"host": "h1", "new": "down"}
    timeline = [
        event(0.5, "bond", "mii_status", **down),
        event(1.0, "fault", "begin"),
        event(1.01, "bond", "mii_status", host="h2", new="down"),
        event(1.05, "bond", "mii_status", **down),
        event(1.06, "bond", "mii_status", **down),
        event(2.0, "fault", "end"),
        event(3.0, "fault", "begin"),
        event(4.0, "fault", "end"),
        event(4.1, "bond", "mii_status", **down),
        event(5.0, "fault", "begin"),
        event(5.2, "lacp", "transition", machine="receive", new="EXPIRED"),
    ]
    assert after_each_fault(timeline, "h1") == [0.05, None, None]
    assert after_each_fault(timeline, "h2") == [0.01, None, None]
    assert expired_after_each_fault(timeline) == [None, None, 0.2]
