"""What every BIRD 2 here has in common: how it is started and asked, and what its log says of BFD.

testbed.services.bird_ways configures it on hosts whose ways are joined by routing, testbed.services.bgp as a speaker of
BGP. Its manual: bird.network.cz, version 2.
"""

from __future__ import annotations

import re
import socket
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from testbed.errors import TrialError
from testbed.services.service import Service

_ANSWER_BYTES, _DEADLINE_S = 1 << 16, 10.0
#: Beside bird.conf: what it is usually, without announcements, and the end of a file's name that asks for the latter.
USUAL, WITHDRAWN, HELD = "announced.conf", "withdrawn.conf", ".withdraws"
#: The reason of a site that stands by, which its operator takes away, and gives it again.
BY_HAND = "by_hand"
#: The end of an answer: a code of four digits and a space; lines before it have a minus there, or a space first.
_END = re.compile(r"^\d{4} ", re.MULTILINE)
#: A line of `show protocols`: the name, the protocol, its table, and its state.
_PROTOCOL = re.compile(r"^(?:1002-| )(\S+)\s+(\S+)\s+\S+\s+(\S+)", re.MULTILINE)
#: What it says of a configuration that it takes, now or once what was there before is down.
_TAKEN = re.compile(r"^00(03|04|18) ", re.MULTILINE)
#: A line of the log, which begins each with the seconds since the epoch.
SESSION = re.compile(r"^([\d.]+) <TRACE> \w+: Session to (\S+) changed state from (\w+) to (\w+)", re.MULTILINE)


@dataclass(frozen=True)
class BirdService(Service):
    """The BIRD of a machine."""

    name: ClassVar[str] = "bird"
    program: ClassVar[str] = "bird"

    @abstractmethod
    def configuration(self, directory: Path) -> str:
        """The text of bird.conf."""

    def files(self, directory: Path) -> Mapping[str, str]:
        return {"bird.conf": self.configuration(directory)}

    def command(self, directory: Path) -> Sequence[str]:
        places = {"-c": "bird.conf", "-s": "bird.ctl", "-P": "bird.pid"}
        return [self.program, "-f", *(word for flag, name in places.items() for word in (flag, str(directory / name)))]

    def missing(self, directory: Path) -> str:
        try:
            return unready(asked(directory / "bird.ctl", "show protocols"))
        except OSError as error:
            return f"an answer at its control socket: {error}"


def head(identifier: str, directory: Path) -> str:
    """The beginning of every bird.conf: the router identifier, and a log whose times are seconds since the epoch."""
    return f"""\
router id {identifier};
log "{directory}/bird.log" all;
timeformat log "%s.%6f";
protocol device {{ }}
"""


def bfd(interfaces: str, interval_ms: int, multiplier: int) -> str:
    """BFD on these interfaces, quoted and joined by commas (RFC 5880, RFC 5881)."""
    return f"""\
protocol bfd {{
  debug {{ events }};
  interface {interfaces} {{
    min rx interval {interval_ms} ms;
    min tx interval {interval_ms} ms;
    multiplier {multiplier};
  }};
}}
"""


def bfd_events(log: str, interfaces: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The changes of BFD sessions; ``interfaces`` has that to each neighbor by its address."""
    for at, address, old, new in SESSION.findall(log):
        yield {
            "time": float(at),
            "source": "bfd",
            "event": "session",
            "interface": interfaces.get(address),
            "neighbor": address,
            "old": old,
            "new": new,
        }


def asked(place: Path, question: str) -> str:
    """BIRD's answer at its control socket, as `birdc` asks. Errors: OSError if it does not answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_DEADLINE_S)
        sock.connect(str(place))
        _answer(sock)  # its greeting
        sock.sendall(f"{question}\n".encode())
        return _answer(sock)


def _answer(sock: socket.socket) -> str:
    found = ""
    while not (_END.search(found) and found.endswith("\n")):
        more = sock.recv(_ANSWER_BYTES)
        if not more:
            raise OSError("the connection was closed")
        found += more.decode()
    return found


def withdrawn(directory: Path, why: str) -> bool:
    """BIRD announces nothing while there is a reason; ``why`` is one, by a name that a file may have.

    Returns whether it has taken that. Errors: as `configured`.
    """
    (directory / f"{why}{HELD}").touch()
    return _follow(directory)


def announced(directory: Path, why: str) -> bool:
    """The reason ``why`` for `withdrawn` is gone; without another one BIRD announces again. Returns as it does."""
    (directory / f"{why}{HELD}").unlink(missing_ok=True)
    return _follow(directory)


def _follow(directory: Path) -> bool:
    name = WITHDRAWN if any(directory.glob(f"*{HELD}")) else USUAL
    return configured(directory, (directory / name).read_text())


def configured(directory: Path, text: str) -> bool:
    """BIRD goes on with another bird.conf, also when it starts again. Returns whether it is there to take it now.

    Errors: TrialError with what it says if it refuses.
    """
    (directory / "bird.conf").write_text(text)
    try:
        said = asked(directory / "bird.ctl", "configure")
    except OSError:
        return False
    if not _TAKEN.search(said):
        raise TrialError(f"BIRD refuses its configuration: {' '.join(said.split())}")
    return True


def unready(answer: str) -> str:
    """The protocols of `show protocols` that are not up."""
    found = {name: state for name, _, state in _PROTOCOL.findall(answer) if name != "Name"}
    down = [f"{name} is {state}" for name, state in found.items() if state != "up"]
    return ", ".join(down) if found else "its protocols"
