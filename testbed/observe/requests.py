"""Requests to a web service at a constant rate: what its users feel of a failure, every wait counted.

    client's namespace, one process                     10.0.0.254:80
    a request every interval, whether or not   ------>  a balancer ----> one of its servers
    those before it have been answered         <------  200, Server: w2

A request's time counts from the instant at which it was due, whatever came in between (no coordinated omission: the
load does not slow down because the service does). It is sent on a new connection, or, with keep-alive, on one that has
answered before and is free; a client does not try again. A service that has a name is asked at the address that the
client's resolver has for it (testbed.observe.names). requests.csv has a row for each.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import itertools
import json
import select
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.emulation.clocks import Clocks
from testbed.emulation.namespace import inside
from testbed.errors import SpecError
from testbed.observe import child
from testbed.observe.names import Named, Resolver

if TYPE_CHECKING:
    from testbed.emulation.network import Network

COLUMNS = ("number", "due_s", "sent_s", "done_s", "status", "server")
#: What became of a request that was not answered, beside HTTP's status codes.
TIMEOUT, REFUSED, RESET, CLOSED, UNNAMED = "timeout", "refused", "reset", "closed", "unnamed"
#: The most requests that wait at a time: select(2) takes descriptors below 1024, and counts in microseconds.
MOST_WAITING = 900
_BYTES = 1 << 16
#: linux/in.h: a port is chosen when the other end is known.
_BIND_ADDRESS_NO_PORT = 24


@dataclass
class _Request:
    number: int
    due: float
    sent: float
    sock: socket.socket
    unsent: bytes
    heard: bytes = field(default=b"")


def parsed(heard: bytes) -> tuple[str, str, bool] | None:
    """Status, server, and whether the connection stays, of an answer that is whole; None: there is more to come.

    An answer without Content-Length is whole when its connection is closed, as the caller knows. RFC 9112, 6.3.
    """
    head, separator, body = heard.partition(b"\r\n\r\n")
    if not separator:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = fields.get("content-length", "")
    if length and len(body) < int(length):
        return None
    stays = bool(length) and fields.get("connection", "").lower() != "close"
    words = first.split(" ")
    return (words[1] if len(words) > 1 else "?"), fields.get("server", ""), stays


def check(interval_s: float, timeout_s: float) -> None:
    """Errors: SpecError if more requests may wait at a time than can be waited for."""
    if timeout_s / interval_s > MOST_WAITING:
        raise SpecError(
            f"with a request every {interval_s * 1e3:g} ms and a time-out of {timeout_s:g} s,"
            f" {timeout_s / interval_s:.0f} may wait at a time; wanted {MOST_WAITING} or fewer"
        )


@contextlib.contextmanager
def requesting(
    network: Network,
    client: str,
    service: tuple[str, int] | Named,
    interval_s: float,
    path: Path,
    *,
    clocks: Clocks,
    timeout_s: float,
    keep_alive: bool = False,
    sources: Sequence[str] = (),
) -> Iterator[None]:
    """Ask the service, by address and port or by name, every interval in the block; then write ``path``, as CSV.

    The first request is due at an instant drawn over the interval. A file of the same name with the ending .json says
    how was asked; names.csv beside it what the name server answered. Request n comes from the client's address
    ``sources[n % len(sources)]``, if there are any: clients.json lists them. Errors: SpecError if more may wait at a
    time than can be waited for.
    """
    check(interval_s, timeout_s)
    begin_s = clocks.start("requests", interval_s)
    load = _Load(service, interval_s, keep_alive, timeout_s, sources)

    def work() -> None:
        with inside(network.pid(client)):
            load.run(clocks, begin_s, path)

    process = child.fork(work)
    try:
        clocks.wait_until(begin_s)
        yield
    finally:
        child.end(process)
        about = {
            "client": client,
            "address": service.name if isinstance(service, Named) else service[0],
            "port": service.port if isinstance(service, Named) else service[1],
            "interval_s": interval_s,
            "due_s": round(begin_s, 9),
            "keep_alive": keep_alive,
            "timeout_s": timeout_s,
        }
        path.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n")
        if sources:
            path.with_name("clients.json").write_text(json.dumps(list(sources)) + "\n")


class _Load:
    """The requests of one client, all in one process."""

    def __init__(
        self,
        service: tuple[str, int] | Named,
        interval_s: float,
        keep_alive: bool,
        timeout_s: float,
        sources: Sequence[str] = (),
    ) -> None:
        self._sources = sources
        self._service, self._interval_s, self._keep_alive, self._timeout_s = service, interval_s, keep_alive, timeout_s
        said = "keep-alive" if keep_alive else "close"
        host = service.name if isinstance(service, Named) else service[0]
        self._text = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: {said}\r\n\r\n".encode()
        self._waiting: dict[int, _Request] = {}
        self._free: list[socket.socket] = []
        self._resolver: Resolver | None = None
        self._unnamed: dict[int, float] = {}  # what waits for the service's address, and when it was due
        self._rows: list[tuple[int, float, float, str, str]] = []

    def run(self, clocks: Clocks, begin_s: float, path: Path) -> None:
        """Ask from ``begin_s`` on until terminated, wait for the last answers, write all."""
        ended = child.asked_to_end()
        child.no_timer_slack()
        if isinstance(self._service, Named):
            self._resolver = Resolver(self._service)
        clocks.wait_until(begin_s)
        begin, number = clocks.origin_s + begin_s, 0
        while True:
            asks, due = not (ended() and number), begin + number * self._interval_s
            if asks and time.time() >= due:
                self._ask(number, due)
                number += 1
                continue
            if not asks and not self._waiting and not self._unnamed:
                break
            oldest = [next(iter(self._unnamed.values()), None)]  # they were made in this order
            oldest += [each.due for each in itertools.islice(self._waiting.values(), 1)]
            wake = min([due] * asks + [at + self._timeout_s for at in oldest if at is not None])
            if self._resolver and self._unnamed:
                wake = min(wake, self._resolver.ask(time.time()))
            self._wait(wake)
            self._give_up()
        self._write(path, clocks.origin_s, begin_s)

    def _ask(self, number: int, due: float) -> None:
        sock = self._free.pop() if self._free else None
        now = time.time()
        if sock is None:
            place = self._place(now)
            if place is None:
                self._unnamed[number] = due
                return
            sock = socket.socket(socket.AF_INET6 if ":" in place[0] else socket.AF_INET)
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._sources:
                sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
                sock.bind((self._sources[number % len(self._sources)], 0))
            code = sock.connect_ex(place)
            if code not in (0, errno.EINPROGRESS):
                self._done(_Request(number, due, now, sock, b""), _failure(code))
                return
        self._waiting[sock.fileno()] = _Request(number, due, now, sock, self._text)

    def _wait(self, until: float) -> None:
        """Write and read what may be, until something has happened or it is that time."""
        writers = [number for number, each in self._waiting.items() if each.unsent]
        readers = [number for number, each in self._waiting.items() if not each.unsent]
        idle = {sock.fileno(): sock for sock in self._free}
        names = [self._resolver.sock.fileno()] if self._resolver and self._resolver.sock else []
        timeout = max(0.0, until - time.time())
        readable, writable, _ = select.select([*readers, *idle, *names], writers, [], timeout)
        for number in writable:
            self._send(self._waiting[number])
        for number in readable:
            if number in names:
                self._named()
            elif number in idle:  # nothing was asked: the service has closed it
                self._free.remove(idle[number])
                idle[number].close()
            else:
                self._take(self._waiting[number])

    def _send(self, request: _Request) -> None:
        code = request.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if not code:
            try:
                request.unsent = request.unsent[request.sock.send(request.unsent) :]
            except OSError as error:
                code = error.errno or errno.EIO
        if code:
            self._done(request, _failure(code))

    def _take(self, request: _Request) -> None:
        try:
            octets = request.sock.recv(_BYTES)
        except OSError as error:
            self._done(request, _failure(error.errno or errno.EIO))
            return
        request.heard += octets
        found = parsed(request.heard)
        if found is not None:
            self._done(request, found[0], found[1], stays=found[2] and bool(octets))
        elif not octets:
            self._done(request, CLOSED)

    def _place(self, now: float) -> tuple[str, int] | None:
        """Where the service is; None: its name has to be asked for first."""
        if not isinstance(self._service, Named):
            return self._service
        address = self._resolver.address(now) if self._resolver else None
        return None if address is None else (address, self._service.port)

    def _named(self) -> None:
        """Send what has waited for the service's address, if that has come."""
        assert self._resolver is not None
        self._resolver.take(time.time())
        if self._resolver.address(time.time()) is not None:
            waiting, self._unnamed = self._unnamed, {}
            for number, due in waiting.items():
                self._ask(number, due)

    def _give_up(self) -> None:
        now = time.time()
        for number, due in [each for each in self._unnamed.items() if now >= each[1] + self._timeout_s]:
            self._rows.append((number, due, now, UNNAMED, ""))
            del self._unnamed[number]
        for request in [each for each in self._waiting.values() if now >= each.due + self._timeout_s]:
            self._done(request, TIMEOUT)

    def _done(self, request: _Request, status: str, server: str = "", *, stays: bool = False) -> None:
        self._rows.append((request.number, request.sent, time.time(), status, server))
        self._waiting.pop(request.sock.fileno(), None)
        if stays and self._keep_alive:
            self._free.append(request.sock)
        else:
            request.sock.close()

    def _write(self, path: Path, origin_s: float, begin_s: float) -> None:
        for sock in self._free:
            sock.close()
        if self._resolver:
            self._resolver.write(path.with_name("names.csv"), origin_s)
        with path.open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(COLUMNS)
            for number, sent, done, status, server in sorted(self._rows):
                times = (begin_s + number * self._interval_s, sent - origin_s, done - origin_s)
                rows.writerow((number, *(f"{at:.9f}" for at in times), status, server))


def _failure(code: int) -> str:
    """What became of a request by the error of its connection."""
    known = {errno.ECONNREFUSED: REFUSED, errno.ECONNRESET: RESET, errno.EPIPE: RESET, errno.ETIMEDOUT: TIMEOUT}
    return known.get(code, errno.errorcode.get(code, str(code)).lower())
