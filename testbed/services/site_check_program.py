"""The program that checks the server of a site, and has the BIRD beside it announce the service's address or not.

    python -m ... ADDRESS PORT INTERVAL_MS TIMEOUT_MS FALL RISE DIRECTORY      DIRECTORY is that of BIRD, and its own

One process, one thread. What it tells BIRD is a line of its log: the seconds since the epoch, and the word.
"""

from __future__ import annotations

import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from testbed.services import bird
from testbed.spec.server import HEALTH

#: A file that is written once it has begun; the reason that it has for withdrawing; its log.
READY, WHY, LOG = "site_check.ctl", "site_check", "site_check.log"
_BYTES = 1 << 12


@dataclass
class Health:
    """Whether a server is in service: ``fall`` failures in a row take it out, ``rise`` successes put it back."""

    fall: int
    rise: int
    up: bool = True
    against: int = 0

    def heard(self, good: bool) -> None:
        """The result of a check."""
        self.against = 0 if good == self.up else self.against + 1
        if self.against == (self.fall if self.up else self.rise):
            self.up, self.against = good, 0


def healthy(address: str, port: int, timeout_s: float) -> bool:
    """Whether a server answers within that time with 200 when it is asked for its health."""
    until = time.monotonic() + timeout_s
    text = f"GET {HEALTH} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode()
    try:
        with socket.create_connection((address, port), timeout_s) as sock:
            sock.sendall(text)
            heard = b""
            while b"\r\n" not in heard:
                sock.settimeout(max(until - time.monotonic(), 1e-6))
                more = sock.recv(_BYTES)
                if not more:
                    return False
                heard += more
    except OSError:
        return False
    return heard.split(b" ", 2)[1:2] == [b"200"]


def check(address: str, port: int, interval_s: float, timeout_s: float, health: Health, directory: Path) -> None:
    """Check until ended. What BIRD does not take, because it is halted, it is told again with the next check."""
    told, due = health.up, time.monotonic()
    (directory / READY).write_text("")
    with (directory / LOG).open("a", buffering=1) as log:
        while True:
            health.heard(healthy(address, port, timeout_s))
            if health.up != told:
                tell = bird.announced if health.up else bird.withdrawn
                if tell(directory, WHY):
                    told = health.up
                    log.write(f"{time.time():.6f} {'announced' if told else 'withdrawn'}\n")
            due += interval_s
            time.sleep(max(0.0, due - time.monotonic()))


def main(words: list[str]) -> None:
    """What the command line asks for. One that starts again goes on from what it told BIRD."""
    address, port, interval_ms, timeout_ms, fall, rise, place = words
    directory = Path(place)
    health = Health(int(fall), int(rise), up=not (directory / f"{WHY}{bird.HELD}").exists())
    check(address, int(port), int(interval_ms) / 1e3, int(timeout_ms) / 1e3, health, directory)


if __name__ == "__main__":
    main(sys.argv[1:])
