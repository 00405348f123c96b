"""Which requests a fault of a site has hit."""

from __future__ import annotations

from testbed.measure.requests import Request
from testbed.measure.site_failover import ends_at, hit_s, touches, waited_s


def request(due_s: float, took_s: float = 0.001, status: str = "200", server: str = "w1") -> Request:
    return Request(due_s, due_s, due_s + took_s, status, server if status == "200" else "")


def test_requests_are_hit_that_fail_or_are_late() -> None:
    asked = [request(10.0), request(10.02, status="refused"), request(10.04, 1.0), request(10.06), request(10.08)]
    first_s, last_s = hit_s(asked, 10.0, 11.0, 0.02)
    assert (first_s, last_s) == (10.02 - 10.0, 10.04 - 10.0)
    assert hit_s(asked, 10.05, 11.0, 0.02) == (None, None)
    assert hit_s(asked, 10.0, 10.03, 0.02) == (10.02 - 10.0, 10.02 - 10.0)


def test_who_answers_in_the_end() -> None:
    asked = [request(1.0), request(2.0, server="w2"), request(3.0, status="timeout"), request(9.0)]
    assert ends_at(asked, 0.0, 5.0) == "w2"
    assert ends_at(asked, 2.5, 5.0) == ""


def test_how_long_the_slowest_request_of_a_window_took() -> None:
    asked = [request(1.0, 3.0), request(2.0, 0.5), request(2.5, 1.0, status="timeout"), request(4.0, 2.0)]
    assert waited_s(asked, 2.0, 4.0) == 1.0
    assert waited_s(asked, 5.0, 6.0) == 0.0


def test_a_request_on_its_way_when_the_fault_begins_is_a_matter_of_the_fault() -> None:
    assert touches(request(9.9, 2.0), 10.0, 11.0) and touches(request(10.9, 2.0), 10.0, 11.0)
    assert not touches(request(9.9, 0.05), 10.0, 11.0) and not touches(request(11.1, 2.0), 10.0, 11.0)
