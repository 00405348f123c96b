"""A resolver that keeps answers, as a client's: one question to one name server over UDP (RFC 1035).

    address(now)   what was answered, while its TTL lasts; after that None, until it has been asked again

A question that is not answered is asked again each second (resolv.conf(5), timeout:1). What is kept is not used beyond
its TTL (RFC 1035, 3.2.1; RFC 8767 allows it, and is not implemented here). names.csv has a row for each answer.
"""

from __future__ import annotations

import contextlib
import csv
import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS = ("asked_s", "answered_s", "address", "ttl_s")
#: How long a resolver waits for an answer before it asks again.
RETRY_S = 1.0
#: RFC 1035, 3.2.2 and 3.2.4: an address, the Internet; 4.1.1: recursion desired, an answer; 2.3.4: the longest message.
_A, _IN, _RECURSION, _ANSWER, _BYTES = 1, 1, 0x0100, 0x8000, 512
_RCODE = 0x000F
#: RFC 1035, 4.1.4: a label that begins with two ones is a pointer, of two octets, and ends the name.
_POINTER = 0xC0


@dataclass(frozen=True)
class Named:
    """A service that is found by its ``name``, which the name ``server`` (an address and a port) answers for."""

    name: str
    port: int
    server: tuple[str, int]


def question(number: int, name: str) -> bytes:
    """The question for a name's IPv4 address (RFC 1035, 4.1)."""
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    return struct.pack("!6H", number, _RECURSION, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", _A, _IN)


def answer(octets: bytes, number: int) -> tuple[str, int] | None:
    """The first address of an answer to the question ``number``, and its TTL in seconds; None: it has none, or is
    no answer to it."""
    try:
        found, flags, questions, answers = struct.unpack_from("!4H", octets)
        if found != number or not flags & _ANSWER or flags & _RCODE:
            return None
        place = 12
        for _ in range(questions):
            place = _after_name(octets, place) + 4
        for _ in range(answers):
            place = _after_name(octets, place)
            kind, _, ttl_s, length = struct.unpack_from("!2HIH", octets, place)
            place += 10
            if kind == _A:
                return socket.inet_ntoa(octets[place : place + length]), ttl_s
            place += length
    except (struct.error, IndexError, OSError):
        return None
    return None


def _after_name(octets: bytes, place: int) -> int:
    """Where a name that begins at ``place`` has ended."""
    while length := octets[place]:
        if length >= _POINTER:
            return place + 2
        place += 1 + length
    return place + 1


@dataclass
class Resolver:
    """The resolver of a client, for one name. Times are seconds since the epoch."""

    named: Named
    sock: socket.socket
    _address: str = ""
    _until: float = 0.0
    _number: int = 0
    _asked: float | None = None
    _rows: list[tuple[float, float, str, int]] = field(default_factory=list)

    @classmethod
    def of(cls, named: Named) -> Resolver:
        """One with a socket of its own, in this process's network namespace."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.connect(named.server)
        return cls(named, sock)

    def address(self, now: float) -> str | None:
        """The address that is kept; None: none is, or no more."""
        return self._address if now < self._until else None

    def ask(self, now: float) -> float:
        """Ask, unless an answer is still waited for; returns when it is time to ask again."""
        if self._asked is None or now >= self._asked + RETRY_S:
            self._number, self._asked = (self._number + 1) % (1 << 16), now
            with contextlib.suppress(OSError):  # no route, or the port was closed the last time
                self.sock.send(question(self._number, self.named.name))
        return self._asked + RETRY_S

    def take(self, now: float) -> None:
        """Read what has come."""
        with contextlib.suppress(OSError):
            found = answer(self.sock.recv(_BYTES), self._number)
            if found is not None and self._asked is not None:
                self._rows.append((self._asked, now, *found))
                self._address, self._until, self._asked = found[0], now + found[1], None

    def write(self, path: Path, origin_s: float) -> None:
        """Write the answers, on the clock that began at ``origin_s``."""
        self.sock.close()
        with path.open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(COLUMNS)
            for asked, answered, address, ttl_s in self._rows:
                rows.writerow((f"{asked - origin_s:.9f}", f"{answered - origin_s:.9f}", address, ttl_s))
