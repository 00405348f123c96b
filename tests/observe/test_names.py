"""The resolver of a client, by RFC 1035; and requests to a service that has a name."""

from __future__ import annotations

import contextlib
import csv
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.emulation.clocks import Clocks
from testbed.measure.requests import load_requests
from testbed.observe import requests
from testbed.observe.names import Named, Resolver, answer, question
from testbed.observe.requests import requesting
from testbed.spec.site import RESOLVER_WAITS_S

NAME = "www.service.example"
#: RFC 1035, 4.1.2: labels of 3, 7 and 7 octets, the root; type A, class IN.
ASKED = b"\3www\7service\7example\0\0\1\0\1"


def reply(number: int, address: str, ttl_s: int, flags: int = 0x8400, answers: int = 1) -> bytes:
    """An answer as gdnsd 3.8.1 gives it: the name is a pointer to the question's (RFC 1035, 4.1.4)."""
    head = struct.pack("!6H", number, flags, 1, answers, 0, 0)
    return head + ASKED + b"\xc0\x0c" + struct.pack("!2HIH", 1, 1, ttl_s, 4) + socket.inet_aton(address)


def test_a_question_is_that_of_the_standard() -> None:
    assert question(7, NAME) == b"\0\7\1\0\0\1\0\0\0\0\0\0" + ASKED


def test_an_answer_gives_the_first_address_and_its_ttl() -> None:
    assert answer(reply(7, "10.3.0.4", 5), 7) == ("10.3.0.4", 5)
    alias = b"\xc0\x0c" + struct.pack("!2HIH", 5, 1, 60, 2) + b"\xc0\x10"  # a CNAME before it, RFC 1035, 3.3.1
    octets = reply(7, "10.3.0.4", 5, answers=2)
    head = len(ASKED) + 12
    assert answer(octets[:head] + alias + octets[head:], 7) == ("10.3.0.4", 5)


@pytest.mark.parametrize(
    "octets",
    [
        reply(8, "10.3.0.4", 5),  # to another question
        reply(7, "10.3.0.4", 5, flags=0x0100),  # a question
        reply(7, "10.3.0.4", 5, flags=0x8003),  # no such name
        reply(7, "10.3.0.4", 5, answers=0),
        reply(7, "10.3.0.4", 5)[:-1],
        b"",
    ],
)
def test_anything_else_is_no_answer(octets: bytes) -> None:
    assert answer(octets, 7) is None


@given(st.binary(max_size=80), st.integers(0, 60))
def test_damaged_answers_are_none(octets: bytes, place: int) -> None:
    answer(octets, 7)
    answer(reply(7, "10.3.0.4", 5)[:place] + octets, 7)


class NameServer:
    """A name server that answers with ``address``, or not at all while it is empty; it counts questions."""

    def __init__(self) -> None:
        self.address, self.questions = "127.0.0.1", 0
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 0))
        self.place = ("127.0.0.1", int(self._sock.getsockname()[1]))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                octets, peer = self._sock.recvfrom(512)
                self.questions += 1
                if self.address:
                    self._sock.sendto(reply(struct.unpack_from("!H", octets)[0], self.address, 3600), peer)

    def close(self) -> None:
        self._sock.close()


@pytest.fixture
def server() -> Iterator[NameServer]:
    found = NameServer()
    yield found
    found.close()


def come(resolver: Resolver, now: float) -> None:
    assert resolver.sock is not None
    resolver.sock.setblocking(True)
    resolver.sock.settimeout(30.0)
    resolver.take(now)


def test_an_answer_is_kept_for_its_ttl_and_no_longer(server: NameServer, tmp_path: Path) -> None:
    resolver = Resolver(Named(NAME, 80, (server.place,)))
    assert resolver.address(100.0) is None
    assert resolver.ask(100.0) == 100.0 + RESOLVER_WAITS_S
    come(resolver, 101.0)
    assert resolver.address(101.0) == resolver.address(101.0 + 3599.9) == "127.0.0.1"
    assert resolver.address(101.0 + 3600) is None
    resolver.write(tmp_path / "names.csv", 100.0)
    (row,) = csv.DictReader((tmp_path / "names.csv").open())
    assert row == {"asked_s": "0.000000000", "answered_s": "1.000000000", "address": "127.0.0.1", "ttl_s": "3600"}


def test_a_question_without_an_answer_is_asked_again_after_a_second(server: NameServer) -> None:
    server.address = ""
    resolver = Resolver(Named(NAME, 80, (server.place,)))
    assert resolver.ask(100.0) == resolver.ask(100.0 + RESOLVER_WAITS_S / 2) == 100.0 + RESOLVER_WAITS_S
    assert resolver.ask(100.0 + RESOLVER_WAITS_S) == 100.0 + 2 * RESOLVER_WAITS_S
    last = time.monotonic() + 30.0
    while server.questions < 2:
        assert time.monotonic() < last
        time.sleep(0.01)
    assert server.questions == 2
    resolver.close()


def asked_of(server: NameServer, count: int) -> None:
    last = time.monotonic() + 30.0
    while server.questions < count:
        assert time.monotonic() < last
        time.sleep(0.01)
    assert server.questions == count


def test_each_question_goes_to_the_first_name_server_and_after_a_second_to_the_next(server: NameServer) -> None:
    """resolv.conf(5): in the order listed; the first again for the next name, though it did not answer."""
    silent = NameServer()
    silent.address = ""
    resolver = Resolver(Named(NAME, 80, (silent.place, server.place)))
    for now in (100.0, 10_000.0):
        assert resolver.ask(now) == now + RESOLVER_WAITS_S
        assert resolver.ask(now + RESOLVER_WAITS_S) == now + 2 * RESOLVER_WAITS_S
        come(resolver, now + RESOLVER_WAITS_S)
        assert resolver.address(now + RESOLVER_WAITS_S) == "127.0.0.1"
    asked_of(silent, 2)
    asked_of(server, 2)
    resolver.close()
    silent.close()


def test_a_name_server_that_refuses_is_left_at_once_and_a_round_takes_its_second(server: NameServer) -> None:
    """The port is closed: ICMP says so (RFC 1122, 3.2.2.1), and the C library asks the next one."""
    gone = NameServer()
    gone.close()
    resolver = Resolver(Named(NAME, 80, (gone.place, server.place)))
    resolver.ask(100.0)
    come(resolver, 100.0)  # the refusal
    assert resolver.ask(100.0) == 100.0 + RESOLVER_WAITS_S
    come(resolver, 100.0)
    assert resolver.address(100.0) == "127.0.0.1"
    alone = Resolver(Named(NAME, 80, (gone.place,)))
    alone.ask(100.0)
    come(alone, 100.0)
    assert alone.ask(100.0) == 100.0 + RESOLVER_WAITS_S and alone.sock is None


def asked(named: Named, path: Path, lasts_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask that service every 20 ms for so long, from this network."""
    monkeypatch.setattr(requests, "inside", lambda pid: contextlib.nullcontext())
    network: Any = SimpleNamespace(pid=lambda name: os.getpid())
    with requesting(network, "h1", named, 0.02, path, clocks=Clocks.begun(1), timeout_s=0.3):
        time.sleep(lasts_s)


@contextlib.contextmanager
def web_server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    with sock:
                        sock.recv(4096)
                        sock.sendall(b"HTTP/1.1 200 OK\r\nServer: w1\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield int(listener.getsockname()[1])


def test_requests_go_where_the_name_leads_by_one_question(
    server: NameServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web_server() as port:
        asked(Named(NAME, port, (server.place,)), tmp_path / "requests.csv", 0.5, monkeypatch)
    found = load_requests(tmp_path / "requests.csv")
    assert found and {(each.status, each.server) for each in found} == {("200", "w1")}
    assert server.questions == 1


def test_requests_without_an_address_fail_by_their_time_out(
    server: NameServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.address = ""
    asked(Named(NAME, 80, (server.place,)), tmp_path / "requests.csv", 0.2, monkeypatch)
    found = load_requests(tmp_path / "requests.csv")
    assert found and {each.status for each in found} == {"unnamed"}
    assert all(each.took_s >= 0.3 for each in found)
