"""A resolver that keeps answers, as a client's: one question at a time to its name servers over UDP (RFC 1035).

    address(now)   what was answered, while its TTL lasts; after that None, until it has been asked again

Each question goes to the first name server. One that is not answered within a second goes to the next one, and after
the last one to the first again (RFC 1035, 7.2; resolv.conf(5), timeout:1). One that its machine refuses, or that a
router cannot deliver, goes to the next one at once, as with the GNU C library, which asks the kernel for such messages
(IP_RECVERR); after the last one the resolver waits for its second. What is kept is not used beyond its TTL (RFC 1035,
3.2.1; RFC 8767 allows it, and is not implemented here). names.csv has a row for each answer.
"""

from __future__ import annotations

import csv
import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path

from testbed.spec.site import RESOLVER_WAITS_S

COLUMNS = ("asked_s", "answered_s", "address", "ttl_s")
#: Linux's number of the option by which all ICMP errors reach a UDP socket (ip(7)), which the module socket lacks.
_IP_RECVERR = 11
#: RFC 1035, 3.2.2 and 3.2.4: an address, the Internet; 4.1.1: recursion desired, an answer; 2.3.4: the longest message.
_A, _IN, _RECURSION, _ANSWER, _BYTES = 1, 1, 0x0100, 0x8000, 512
_RCODE = 0x000F
#: RFC 1035, 4.1.4: a label that begins with two ones is a pointer, of two octets, and ends the name.
_POINTER = 0xC0


@dataclass(frozen=True)
class Named:
    """A service that is found by its ``name``, which any of the name ``servers`` (each an address and a port) answers
    for."""

    name: str
    port: int
    servers: tuple[tuple[str, int], ...]


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
    """The resolver of a client, for one name. Times are seconds since the epoch.

    ``sock`` has been connected to the name server that was asked last; each question has a new one, as with the GNU C
    library.
    """

    named: Named
    sock: socket.socket | None = None
    _address: str = ""
    _until: float = 0.0
    _number: int = 0
    _asked: float | None = None  # when the question was put first
    _due: float = 0.0  # when it is due at the next name server
    _place: int = 0  # that of the name server that is asked next
    _rows: list[tuple[float, float, str, int]] = field(default_factory=list)

    def address(self, now: float) -> str | None:
        """The address that is kept; None: none is, or no more."""
        return self._address if now < self._until else None

    def ask(self, now: float) -> float:
        """Ask, unless an answer is still waited for; returns when it is time to ask again."""
        if self._asked is None:
            self._asked, self._place, self._due = now, 0, now
        while now >= self._due:
            self._due = now + RESOLVER_WAITS_S
            server, self._place = self.named.servers[self._place], (self._place + 1) % len(self.named.servers)
            self._number = (self._number + 1) % (1 << 16)
            try:
                self._connect(server)
                assert self.sock is not None
                self.sock.send(question(self._number, self.named.name))
            except OSError:  # this machine has no route
                self._refused(now)
        return self._due

    def take(self, now: float) -> None:
        """Read what has come."""
        assert self.sock is not None
        try:
            octets = self.sock.recv(_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._refused(now)
            return
        found = answer(octets, self._number)
        if found is not None and self._asked is not None:
            self._rows.append((self._asked, now, *found))
            self._address, self._until, self._asked = found[0], now + found[1], None

    def _connect(self, server: tuple[str, int]) -> None:
        self.close()
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        self.sock.connect(server)

    def _refused(self, now: float) -> None:
        """The question has not reached the name server: it is due at the next one, unless that was the last one."""
        self.close()
        if self._place:
            self._due = now

    def close(self) -> None:
        """Close the socket that is open."""
        if self.sock is not None:
            self.sock.close()
        self.sock = None

    def write(self, path: Path, origin_s: float) -> None:
        """Write the answers, on the clock that began at ``origin_s``."""
        self.close()
        with path.open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(COLUMNS)
            for asked, answered, address, ttl_s in self._rows:
                rows.writerow((f"{asked - origin_s:.9f}", f"{answered - origin_s:.9f}", address, ttl_s))
