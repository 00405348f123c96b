"""Which clients stayed with their server, of requests written by hand."""

from __future__ import annotations

from testbed.measure.requests import Request, same_server


def test_the_last_answer_before_counts_and_the_first_one_after() -> None:
    sources = ["a", "b", "c"]  # request n comes from sources[n % 3]
    said = ["w1", "w2", "w3", "w2", "w2", "", "w2", "w1", "w3", "w1", "w2", "w3"]
    requests = [
        Request(float(n), float(n), n + 0.5, "200" if server else "timeout", server) for n, server in enumerate(said)
    ]
    # Before 6: a had w2 last, b w2, c w3 (its second request failed); then a w2, b w1, c w3.
    assert same_server(requests, sources, 6.0, 12.0) == (2, 3)
    assert same_server(requests, sources, 6.0, 7.0) == (1, 1)  # only a asked in the window
