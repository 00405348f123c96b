"""A web server on a host, as a value (RFC 9110, RFC 9112)."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.spec import validation

#: The page that health checks ask for.
HEALTH = "/health"
#: The port of HTTP (RFC 9110, 4.2.1), and the last one there is.
PORT, MOST_PORTS = 80, 65_535


@dataclass(frozen=True)
class Server:
    """A web server on ``host``, at a port of all its addresses: it answers every request with 200 and its name."""

    host: str
    port: int = PORT

    def __post_init__(self) -> None:
        validation.at_least(f"port of the server on {self.host!r}", self.port, 1)
        validation.at_most(f"port of the server on {self.host!r}", self.port, MOST_PORTS)
