"""Requests at a constant rate: each counts from when it was due, whatever the service does."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.emulation.clocks import Clocks
from testbed.errors import SpecError
from testbed.measure.requests import Request, felt, last_failed_s, load_requests
from testbed.observe import requests
from testbed.observe.requests import parsed, requesting

ANSWER = b"HTTP/1.1 200 OK\r\nServer: w1\r\nContent-Length: 3\r\n\r\nw1\n"


@pytest.mark.parametrize(
    ("heard", "found"),
    [
        (ANSWER, ("200", "w1", True)),
        (ANSWER[:-1], None),
        (ANSWER[:20], None),
        (ANSWER.replace(b"Server", b"Connection: close\r\nServer"), ("200", "w1", False)),
        (b"HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", ("503", "", True)),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil closed", ("200", "", False)),
    ],
)
def test_an_answer_is_whole_by_its_length(heard: bytes, found: tuple[str, str, bool] | None) -> None:
    """RFC 9112, 6.3."""
    assert parsed(heard) == found


class Service:
    """A service that answers, or is silent while ``silent``; it counts connections."""

    def __init__(self) -> None:
        self.silent, self.connections = False, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = ("127.0.0.1", int(self._listener.getsockname()[1]))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            while sock.recv(4096):
                if not self.silent:
                    sock.sendall(ANSWER)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def service() -> Iterator[Service]:
    found = Service()
    yield found
    found.close()


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client is this process's own network."""
    monkeypatch.setattr(requests, "inside", lambda pid: contextlib.nullcontext())
    return SimpleNamespace(pid=lambda host: os.getpid())


def asked(network: Any, address: tuple[str, int], path: Path, seconds: float, **how: Any) -> list[Request]:
    clocks = Clocks.begun(1)
    with requesting(network, "h1", address, 0.02, path, clocks=clocks, **{"timeout_s": 2.0, **how}):
        clocks.wait_until(clocks.now() + seconds)
    return load_requests(path)


@pytest.mark.parametrize("keep_alive", [False, True])
def test_every_request_has_a_row_and_was_due_on_time(
    service: Service, network: Any, tmp_path: Path, keep_alive: bool
) -> None:
    found = asked(network, service.address, tmp_path / "requests.csv", 0.5, keep_alive=keep_alive)
    assert len(found) >= 20 and {(each.status, each.server) for each in found} == {("200", "w1")}
    steps = [b.due_s - a.due_s for a, b in itertools.pairwise(found)]
    assert steps == pytest.approx([0.02] * len(steps))
    assert all(each.due_s <= each.sent_s + 1e-6 and each.sent_s <= each.done_s for each in found)
    assert (service.connections < len(found)) is keep_alive


def test_the_load_goes_on_while_nobody_answers(service: Service, network: Any, tmp_path: Path) -> None:
    """No coordinated omission: those that wait do not hold back the next ones."""
    service.silent = True
    found = asked(network, service.address, tmp_path / "requests.csv", 0.4, timeout_s=0.3)
    assert len(found) >= 15 and {each.status for each in found} == {"timeout"}
    assert all(each.took_s >= 0.3 for each in found)


def test_who_is_refused_says_so(network: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = ("127.0.0.1", int(free.getsockname()[1]))
    assert {each.status for each in asked(network, address, tmp_path / "requests.csv", 0.1)} == {"refused"}


def test_more_than_can_be_waited_for_is_refused() -> None:
    with pytest.raises(SpecError, match="2000 may wait at a time; wanted 900 or fewer"):
        requests.check(0.001, 2.0)


def row(due_s: float, took_s: float = 0.001, status: str = "200", server: str = "w1") -> Request:
    return Request(due_s, due_s, due_s + took_s, status, server)


def test_what_a_window_felt() -> None:
    rows = [row(0.0), row(1.0), row(2.0, 1.5, "timeout", ""), row(3.0, 1.2, server="w2"), row(4.0), row(5.0)]
    found = felt(rows, 1.5, 4.5, interval_s=1.0)
    assert (found.requests, found.failed_requests, found.late) == (3, 1, 1)
    assert found.by_server == {"w1": 1, "w2": 1} and found.by_status == {"200": 2, "timeout": 1}
    assert found.longest_gap_s == pytest.approx(3.0)  # from 1.001 to 4.001; the late one came at 4.2
    assert found.slowest_s == pytest.approx(1.2) and found.failed_span_s == 0.0
    assert last_failed_s(rows, 1.5, 4.5) == pytest.approx(0.5) and last_failed_s(rows, 3.5, 9.0) is None


def test_a_gap_belongs_to_the_window_in_which_it_begins() -> None:
    rows = [row(0.0), row(1.0), *(row(float(at), 9.0, "timeout", "") for at in (2, 3, 4)), row(5.0)]
    assert felt(rows, 1.5, 3.5, interval_s=1.0).longest_gap_s == pytest.approx(4.0)
    assert felt(rows, 3.5, 6.0, interval_s=1.0).longest_gap_s == 0.0


def test_a_service_that_stays_away_counts_until_the_last_request_was_done() -> None:
    rows = [row(0.0), row(1.0, 2.0, "timeout", ""), row(2.0, 2.0, "timeout", "")]
    assert felt(rows, 0.5, 3.0, interval_s=1.0).longest_gap_s == pytest.approx(4.0 - 0.001)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 3.0)), min_size=1, max_size=30), st.integers(0, 30))
def test_two_windows_together_felt_what_one_over_both_felt(found: list[tuple[bool, float]], cut: int) -> None:
    rows = [row(float(at), took_s, "200" if good else "timeout") for at, (good, took_s) in enumerate(found)]
    whole = felt(rows, 0.0, 31.0, interval_s=1.0)
    parts = [felt(rows, 0.0, float(cut), interval_s=1.0), felt(rows, float(cut), 31.0, interval_s=1.0)]
    for name in ("requests", "failed_requests", "late"):
        assert sum(getattr(part, name) for part in parts) == getattr(whole, name)
    assert max(part.longest_gap_s for part in parts) == whole.longest_gap_s
