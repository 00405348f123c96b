"""FRR 8 as a speaker of BGP (RFC 4271), with BFD beside each session where that is wanted (RFC 5882).

    zebra   the kernel's routes            bgpd   the sessions            bfdd   BFD, where it is wanted
      ^------------- zebra.ctl --------------^------------------------------^

Each is a process of its own with a file of its own: in a common one, what another daemon alone knows ends the block
that it stands in. Each is asked at its vty socket, as vtysh does. They start in this order: one that finds no zebra
tries again after ten seconds. Manual: docs.frrouting.org, version 8.4; sources: frr 8.4.4.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from testbed.emulation import preloads
from testbed.errors import TrialError
from testbed.services.bgp import Neighbor, neighbors
from testbed.services.service import Service
from testbed.spec import Bgp, BgpSpeaker, Topology

_ANSWER_BYTES, _DEADLINE_S = 1 << 16, 10.0
#: The end of an answer at a vty socket: three zeros and a status (vtysh_client_run, vtysh/vtysh.c), of which 0 is
#: success (CMD_SUCCESS, lib/command.h).
_END = re.compile(rb"\0\0\0(.)$", re.DOTALL)
_TIME = r"^(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d+) "
#: A line of the log of bgpd about a session that is up or has gone, and why (peer_down_str, bgpd/bgp_fsm.c).
_SESSION = re.compile(
    _TIME
    + r"BGP: \[[\w-]+\] %ADJCHANGE: neighbor (?P<address>[\w.:]+)\S* in vrf \S+ (?P<state>Up|Down)(?: (?P<why>.*))?$",
    re.MULTILINE,
)
_HELD = re.compile(
    _TIME + r"BGP: \[[\w-]+\] %NOTIFICATION: sent to neighbor (?P<address>[\w.:]+) 4/0 \(Hold Timer Expired",
    re.MULTILINE,
)
_WHY = {"BFD down received": "bfd_down", "Interface down": "link_down"}
#: A line of the log of bfdd about a change of a session.
_BFD = re.compile(
    _TIME + r"BFD: \[[\w-]+\] state-change: \[.*?peer:(?P<address>[\w.:]+).*?\] (?P<old>[\w-]+) -> (?P<new>[\w-]+)",
    re.MULTILINE,
)
#: BFD's parameters, by this name.
_PROFILE = "testbed"
#: The route-maps of bgpd: for announcements to all, for those of a default route alone, and for none.
_NOTHING = "NOTHING"
#: Beside bgpd.conf: what it is usually, and without announcements; the commands that lead there have the same names.
_USUAL, _WITHDRAWN = "announced", "withdrawn"


@dataclass(frozen=True)
class FrrService(Service):
    """One daemon of a speaker's FRR."""

    speaker: BgpSpeaker
    neighbors: tuple[Neighbor, ...]
    group: Bgp

    @property
    def period_s(self) -> float:
        return float(self.group.keepalive_s)

    def environment(self, directory: Path) -> Mapping[str, str]:
        """Its main loop cuts time-outs to whole milliseconds, and then polls without one (fd_poll, lib/thread.c)."""
        return preloads.environment("polls", directory, "FRR")

    def command(self, directory: Path) -> Sequence[str]:
        """It stays root, in the group that FRR asks its user to be in, and no vty of its listens on TCP."""
        name = self.name
        places = {"-f": f"{name}.conf", "-i": f"{name}.pid", "-z": "zebra.ctl", **self._more}
        words = [word for flag, place in places.items() for word in (flag, str(directory / place))]
        return [self.program, *words, "--vty_socket", str(directory), "-u", "root", "-g", "frrvty", "-P", "0"]

    @property
    def _more(self) -> Mapping[str, str]:
        return {}

    def _without_session(self, up: Mapping[str, bool]) -> str:
        """The neighbors that it has no session with; ``up``: what it last said of each address."""
        waiting = [each.name for each in self.neighbors if not up.get(each.address)]
        return f"no session with {' and '.join(waiting)}" if waiting else ""

    def missing(self, directory: Path) -> str:
        try:
            asked(directory / f"{self.name}.vty", "show version")
        except OSError as error:
            return f"an answer at its vty socket: {error}"
        return ""


@dataclass(frozen=True)
class Zebra(FrrService):
    """What puts the routes of the others into the kernel."""

    name: ClassVar[str] = "zebra"
    program: ClassVar[str] = "zebra"

    source: str

    @property
    def period_s(self) -> float:
        """It has no timer of its own; the others of its machine start after it at once."""
        return 0.0

    def settings(self) -> Mapping[str, str]:
        """With ECMP a flow is placed by its addresses and ports (networking/ip-sysctl.rst)."""
        return {"ipv4/fib_multipath_hash_policy": "1"} if self.group.ecmp else {}

    def once(self, directory: Path) -> Sequence[str]:
        """A place for what a daemon writes when it crashes, which has no option (TMPBASEDIR, lib/zlog.c)."""
        del directory
        return ["mount", "-n", "-t", "tmpfs", "tmpfs", "/var/tmp"]

    def files(self, directory: Path) -> Mapping[str, str]:
        text = _head(self.name, directory)
        if self.source:
            text += f"route-map SOURCE permit 10\n set src {self.source}\nexit\nip protocol bgp route-map SOURCE\n"
        return {"zebra.conf": text}


@dataclass(frozen=True)
class Bfdd(FrrService):
    """What speaks BFD beside each session."""

    name: ClassVar[str] = "bfdd"
    program: ClassVar[str] = "bfdd"

    @property
    def period_s(self) -> float:
        return self.group.bfd_ms / 1e3

    @property
    def _more(self) -> Mapping[str, str]:
        return {"--bfdctl": "bfdd.ctl"}

    def files(self, directory: Path) -> Mapping[str, str]:
        text = f"""\
debug bfd peer
bfd
 profile {_PROFILE}
  detect-multiplier {self.group.bfd_mult}
  transmit-interval {self.group.bfd_ms}
  receive-interval {self.group.bfd_ms}
 exit
exit
"""
        return {"bfdd.conf": _head(self.name, directory) + text}

    def unsettled(self, log: str, now: float) -> str:
        """The sessions that are not up."""
        del now
        return self._without_session({found["address"]: found["new"] == "up" for found in _BFD.finditer(log)})

    def events(self, log: str) -> Iterator[dict[str, Any]]:
        interfaces = {each.address: each.interface for each in self.neighbors}
        for found in _BFD.finditer(log):
            yield {
                "time": _seconds(found["time"]),
                "source": "bfd",
                "event": "session",
                "interface": interfaces.get(found["address"]),
                "neighbor": found["address"],
                "old": found["old"],
                "new": found["new"],
            }


@dataclass(frozen=True)
class Bgpd(FrrService):
    """What speaks BGP."""

    name: ClassVar[str] = "bgpd"
    program: ClassVar[str] = "bgpd"

    identifier: str

    def files(self, directory: Path) -> Mapping[str, str]:
        """Beside its configuration the same again, and the one with which it announces nothing; and the commands that
        lead to each (`withdrawn`, `announced`)."""
        usual = configuration(self, directory)
        return {
            "bgpd.conf": usual,
            _USUAL + ".conf": usual,
            _WITHDRAWN + ".conf": configuration(self, directory, announces=False),
            _USUAL + ".commands": _commands(self, announces=True),
            _WITHDRAWN + ".commands": _commands(self, announces=False),
        }

    def unsettled(self, log: str, now: float) -> str:
        """The sessions that are not established."""
        del now
        return self._without_session({found["address"]: found["state"] == "Up" for found in _SESSION.finditer(log)})

    def events(self, log: str) -> Iterator[dict[str, Any]]:
        """As those of BIRD: why a session ends, and that it is left."""
        known = {each.address: each for each in self.neighbors}
        for found in (*_SESSION.finditer(log), *_HELD.finditer(log)):
            fields = found.groupdict()
            names = ["hold_expired"] if "state" not in fields else ["established"]
            if fields.get("state") == "Down":
                names = [*([_WHY[fields["why"]]] if fields["why"] in _WHY else ["closed"]), "left"]
            for name in names:
                yield {
                    "time": _seconds(found["time"]),
                    "source": "bgp",
                    "event": name,
                    "interface": known[found["address"]].interface,
                    "neighbor": known[found["address"]].name,
                }


def _head(name: str, directory: Path) -> str:
    """The beginning of every file: a log whose times are exact to the microsecond."""
    return f"log file {directory}/{name}.log debugging\nlog timestamp precision 6\n"


def of(topology: Topology) -> list[FrrService]:
    """The daemons of every BGP speaker."""
    found: list[FrrService] = []
    for group in topology.bgp:
        for speaker in group.speakers if group.daemon == "frr" else ():
            own = (speaker.machine, speaker, neighbors(topology, group, speaker), group)
            found.append(Zebra(*own, topology.loopback(speaker.machine)))
            if group.bfd_ms:
                found.append(Bfdd(*own))
            found.append(Bgpd(*own, topology.bgp_identifier(speaker.machine)))
    return found


def configuration(service: Bgpd, directory: Path, *, announces: bool = True) -> str:
    """The text of bgpd.conf, or of one with which it ``announces`` nothing.

    Of equal paths the one of the lower identifier is the best, not the oldest. Its own prefixes are announced while the
    kernel has them.
    """
    group, speaker = service.group, service.speaker
    lines = [
        f"bgp router-id {service.identifier}",
        "bgp log-neighbor-changes",
        "no bgp ebgp-requires-policy",
        "bgp network import-check",
        "bgp bestpath compare-routerid",
        *(["bgp bestpath as-path multipath-relax"] if group.ecmp else []),
        f"timers bgp {group.keepalive_s} {group.hold_s}",
    ]
    for each in service.neighbors:
        lines += [f"neighbor {each.address} remote-as {each.asn}", f"neighbor {each.address} description {each.name}"]
        lines += [f"neighbor {each.address} timers connect 1"]
        lines += [f"neighbor {each.address} bfd profile {_PROFILE}"] if group.bfd_ms else []
    lines += ["address-family ipv4 unicast", *(f" network {prefix}" for prefix in speaker.prefixes)]
    lines += [f" maximum-paths {16 if group.ecmp else 1}"]
    for number, each in enumerate(service.neighbors, start=1):
        if each.asn == speaker.asn:
            lines += [f" neighbor {each.address} next-hop-self"]
        lines += [f" {line}" for line in _announcing(each, number, announces=announces) if not line.startswith("no ")]
    lines += ["exit-address-family"]
    return (
        _head(service.name, directory)
        + f"router bgp {speaker.asn}\n"
        + "".join(f" {line}\n" for line in lines)
        + "exit\n"
        + "bgp as-path access-list OWN permit ^$\n"
        + f"route-map {_NOTHING} deny 10\nexit\n"
        + "".join(_filter(speaker, each, number) for number, each in enumerate(service.neighbors, start=1))
    )


def _map(number: int) -> str:
    return f"TO{number}"


def _filter(speaker: BgpSpeaker, neighbor: Neighbor, number: int) -> str:
    """The route-map of what is announced to a neighbor; default-originate is not subject to it."""
    if neighbor.default:
        return f"route-map {_map(number)} deny 10\nexit\n"
    own = "" if speaker.transit else " match as-path OWN\n"
    longer = f" set as-path prepend {' '.join([str(speaker.asn)] * speaker.prepend)}\n" if speaker.prepend else ""
    return f"route-map {_map(number)} permit 10\n{own}{longer}exit\n"


def _announcing(neighbor: Neighbor, number: int, *, announces: bool) -> list[str]:
    """What is configured of the announcements to a neighbor."""
    default = [f"{'' if announces else 'no '}neighbor {neighbor.address} default-originate"] if neighbor.default else []
    return [*default, f"neighbor {neighbor.address} route-map {_map(number) if announces else _NOTHING} out"]


def _commands(service: Bgpd, *, announces: bool) -> str:
    """The commands that make it announce what it announces usually, or nothing."""
    lines = ["configure terminal", f"router bgp {service.speaker.asn}", "address-family ipv4 unicast"]
    for number, each in enumerate(service.neighbors, start=1):
        lines += _announcing(each, number, announces=announces)
    return "".join(f"{line}\n" for line in (*lines, "end"))


def withdrawn(directory: Path) -> None:
    """The speaker withdraws all that it announces, also when it starts again. Errors: TrialError as `asked`."""
    _follow(directory, _WITHDRAWN)


def announced(directory: Path) -> None:
    """It announces again what it announces usually. Errors: as `withdrawn`."""
    _follow(directory, _USUAL)


def _follow(directory: Path, name: str) -> None:
    (directory / "bgpd.conf").write_text((directory / f"{name}.conf").read_text())
    with contextlib.suppress(OSError):  # one that is not there reads its file when it starts
        asked(directory / "bgpd.vty", *(directory / f"{name}.commands").read_text().splitlines())


def asked(place: Path, *commands: str) -> str:
    """A daemon's answer to commands at its vty socket, as `vtysh` asks, with all rights.

    Errors: OSError if it does not answer; TrialError with what it says if it refuses.
    """
    found = ""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_DEADLINE_S)
        sock.connect(str(place))
        for command in ("enable", *commands):
            sock.sendall(command.encode() + b"\0")
            answer = b""
            while not (end := _END.search(answer)):
                more = sock.recv(_ANSWER_BYTES)
                if not more:
                    raise OSError("the connection was closed")
                answer += more
            found = answer[: end.start()].decode()
            if end[1] != b"\0":
                raise TrialError(f"FRR refuses {command!r}: {' '.join(found.split())}")
    return found


def _seconds(text: str) -> float:
    """The time of a line of the log, which is in UTC as all of a trial, in seconds since the epoch."""
    return datetime.datetime.strptime(f"{text} +0000", "%Y/%m/%d %H:%M:%S.%f %z").timestamp()
