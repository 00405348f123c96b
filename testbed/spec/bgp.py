"""Machines that tell each other of the subnets that they reach, by BGP (RFC 4271) and BFD (RFC 5880), as a value.

AS 65001 e1 ---- session ---- ia AS 65010      a session is between two speakers in one subnet; each announces its own
            `--- session ---- ib AS 65020      prefixes and, to others than the one that it has them from, what it heard
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from testbed.errors import SpecError
from testbed.spec import addressing, validation

#: The AS numbers that a speaker may have: four octets (RFC 6793), without AS_TRANS, which stands for those that an old
#: speaker cannot count.
ASNS, AS_TRANS = (1, 2**32 - 1), 23456
#: The hold time is at least 3 s and fits in two octets (RFC 4271, 4.2); one without limit is not offered.
HOLD_S = (3, 65_535)
#: BFD's interval in milliseconds, and its Detect Mult, which is an octet (RFC 5880, 4.1).
BFD_MS, BFD_MULT = (10, 60_000), (1, 255)
#: The most times that a speaker repeats its AS number.
MOST_PREPENDED = 16
#: Every address: a default route, by the version of IP.
DEFAULTS = {4: "0.0.0.0/0", 6: "::/0"}
#: The daemon of every speaker: BIRD 2, or FRR 8.
DAEMONS = ("bird", "frr")
#: What all options need, where a topology has static routes instead.
_SPOKEN = ("routes_by=bgp",)
#: The least Detect Mult that FRR's bfdd takes (detect-multiplier, its manual).
FRR_LEAST_MULT = 2


@dataclass(frozen=True, kw_only=True)
class BgpOptions:
    """What is configured of the speakers of a network.

    ``hold_s``: a session ends when nothing has come for so long; ``keepalive_s``: how often something is sent. A
    session is also watched by BFD every ``bfd_ms`` (0: it is not), and ends after ``bfd_mult`` intervals without a
    packet. ``ecmp``: equal routes are used at once. ``daemon``: what speaks (`DAEMONS`).
    """

    hold_s: int = field(default=9, metadata={"setting": "bgp_hold_s", "needs": _SPOKEN})
    keepalive_s: int = field(default=3, metadata={"setting": "bgp_keepalive_s", "needs": _SPOKEN})
    bfd_ms: int = field(default=0, metadata={"setting": "bgp_bfd_ms", "needs": _SPOKEN})
    bfd_mult: int = field(default=3, metadata={"setting": "bgp_bfd_mult", "needs": (*_SPOKEN, "bgp_bfd_ms")})
    ecmp: bool = field(default=False, metadata={"setting": "bgp_ecmp", "needs": _SPOKEN})
    daemon: str = field(default=DAEMONS[0], metadata={"setting": "bgp_daemon", "needs": _SPOKEN})

    def __post_init__(self) -> None:
        validation.at_least("bgp_hold_s", self.hold_s, HOLD_S[0])
        validation.at_most("bgp_hold_s", self.hold_s, HOLD_S[1])
        validation.at_least("bgp_keepalive_s", self.keepalive_s, 1)
        if self.hold_s < 3 * self.keepalive_s:
            raise SpecError(
                f"bgp_hold_s is {self.hold_s} and bgp_keepalive_s {self.keepalive_s}; wanted a hold time of three"
                " keepalive times or more: one that is lost must not end a session (RFC 4271, 4.4)",
                f"For example: --set bgp_hold_s={3 * self.keepalive_s}",
            )
        if self.bfd_ms:
            if self.bfd_ms < BFD_MS[0]:
                raise SpecError(f"bgp_bfd_ms is {self.bfd_ms}; wanted 0 (no BFD), or {BFD_MS[0]} to {BFD_MS[1]}")
            validation.at_most("bgp_bfd_ms", self.bfd_ms, BFD_MS[1])
            validation.at_least("bgp_bfd_mult", self.bfd_mult, BFD_MULT[0])
            validation.at_most("bgp_bfd_mult", self.bfd_mult, BFD_MULT[1])
        elif self.bfd_mult != 3:
            raise SpecError("bgp_bfd_mult has no effect without bgp_bfd_ms", "For example: --set bgp_bfd_ms=100")
        validation.choice("bgp_daemon", self.daemon, DAEMONS)
        if self.daemon == "frr" and self.bfd_mult < FRR_LEAST_MULT:
            raise SpecError(
                f"bgp_bfd_mult is {self.bfd_mult} with bgp_daemon=frr, whose bfdd takes {FRR_LEAST_MULT} or more",
                "Type: --set bgp_bfd_mult=2, or --set bgp_daemon=bird",
            )

    def over(self, speakers: tuple[BgpSpeaker, ...], sessions: tuple[BgpSession, ...]) -> Bgp:
        """These speakers with these sessions."""
        return Bgp(
            speakers, sessions, self.hold_s, self.keepalive_s, self.bfd_ms, self.bfd_mult, self.ecmp, self.daemon
        )


@dataclass(frozen=True)
class BgpSpeaker:
    """A machine that speaks BGP, in the autonomous system ``asn``.

    ``announces``: the prefixes that are its own: subnets of its interfaces, while these have carrier, addresses on its
    loopback interface, or others, which it announces always. ``next_hop``: the address that it gives as the next hop of
    its announcements in the subnet of that address, such as a virtual one; empty: its own. ``default_to``: speakers to
    which it announces a default route, and nothing else. ``prepend``: how many times more its AS number stands in the
    paths that it announces, which makes them longer. ``transit``: it tells its neighbors what it heard from others; an
    edge does not, for that leaks routes (RFC 7908). ``anycast``: an address that it has on its loopback interface and
    announces, as other machines do (RFC 4786): packets go to the nearest of them. ``by_hand``: it announces nothing
    until an operator has it do so.
    """

    machine: str
    asn: int
    announces: tuple[str, ...] = ()
    next_hop: str = ""
    default_to: tuple[str, ...] = ()
    prepend: int = 0
    transit: bool = True
    anycast: str = ""
    by_hand: bool = False

    def __post_init__(self) -> None:
        what = f"AS number of {self.machine!r}"
        validation.at_least(what, self.asn, ASNS[0])
        validation.at_most(what, self.asn, ASNS[1], "it has four octets (RFC 6793)")
        if self.asn == AS_TRANS:
            raise SpecError(f"{what} is {AS_TRANS}, which is AS_TRANS (RFC 6793, 9); wanted another")
        validation.at_least(f"prepend of {self.machine!r}", self.prepend, 0)
        validation.at_most(f"prepend of {self.machine!r}", self.prepend, MOST_PREPENDED)
        if self.anycast:
            try:
                ipaddress.IPv4Address(self.anycast)
            except ValueError:
                raise SpecError(
                    f"anycast address {self.anycast!r} of {self.machine!r} is no IPv4 address without a prefix"
                ) from None
        validation.unique(f"prefixes of {self.machine!r}", self.prefixes)
        validation.unique(f"speakers that {self.machine!r} tells of a default route", self.default_to)
        for prefix in self.announces:
            try:
                ipaddress.ip_network(prefix)
            except ValueError:
                raise SpecError(
                    f"{self.machine!r} announces {prefix!r}; wanted a prefix without host bits, such as 10.1.0.0/24"
                ) from None

    def next_hop_in(self, subnet: str) -> str:
        """The next hop that it gives in a session in that subnet; empty: its own address there."""
        return self.next_hop if self.next_hop and addressing.inside(self.next_hop, subnet) else ""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Its own prefixes, that of its anycast address included."""
        return (*self.announces, *([f"{self.anycast}/32"] if self.anycast else []))


@dataclass(frozen=True)
class BgpSession:
    """A session between two speakers by their addresses in a ``subnet`` that both are in."""

    one: str
    other: str
    subnet: str

    def __post_init__(self) -> None:
        if self.one == self.other:
            raise SpecError(f"a BGP session of {self.one!r} is with itself; wanted another speaker")

    def beyond(self, machine: str) -> str:
        """The speaker at the other end."""
        return self.other if machine == self.one else self.one


@dataclass(frozen=True)
class Bgp:
    """Speakers and their sessions. The other fields are those of `BgpOptions`."""

    speakers: tuple[BgpSpeaker, ...]
    sessions: tuple[BgpSession, ...]
    hold_s: int
    keepalive_s: int
    bfd_ms: int
    bfd_mult: int
    ecmp: bool
    daemon: str = DAEMONS[0]

    def __post_init__(self) -> None:
        BgpOptions(  # it refuses what cannot be configured
            hold_s=self.hold_s,
            keepalive_s=self.keepalive_s,
            bfd_ms=self.bfd_ms,
            bfd_mult=self.bfd_mult,
            daemon=self.daemon,
        )
        known = [each.machine for each in self.speakers]
        validation.unique("BGP speakers", known)
        validation.unique(
            "BGP sessions", [f"{'-'.join(sorted((s.one, s.other)))} in {s.subnet}" for s in self.sessions]
        )
        for name in (name for session in self.sessions for name in (session.one, session.other)):
            if name not in known:
                raise SpecError(f"a BGP session names {name!r}; the speakers are {', '.join(known) or 'none'}")
        for speaker in self.speakers:
            if self.daemon == "frr" and (speaker.anycast or speaker.next_hop):
                what = "an anycast address" if speaker.anycast else "a next hop that is not its own"
                raise SpecError(
                    f"bgp_daemon is frr, and {speaker.machine!r} announces {what}; wanted bird, which is told so here",
                    "Type: --set bgp_daemon=bird",
                )
            self._check_version(speaker)
            neighbors = [each.beyond(speaker.machine) for each in self.of(speaker.machine)]
            if not neighbors:
                raise SpecError(f"BGP speaker {speaker.machine!r} has no session; wanted one or more")
            for name in speaker.default_to:
                if name not in neighbors:
                    raise SpecError(
                        f"{speaker.machine!r} announces a default route to {name!r}, with which it has no session"
                    )

    def _check_version(self, speaker: BgpSpeaker) -> None:
        """Errors: SpecError for prefixes of another version of IP than that of the sessions."""
        for each in (*(session.subnet for session in self.of(speaker.machine)), *speaker.prefixes):
            if ipaddress.ip_network(each).version != self.ip_version:
                raise SpecError(
                    f"{speaker.machine!r} has {each} where BGP speaks IPv{self.ip_version}; wanted one of both"
                )
        if self.ip_version == 6 and self.daemon == "frr":
            raise SpecError("bgp_daemon is frr over IPv6; wanted bird", "Type: --set bgp_daemon=bird, or --set ip=4")

    @property
    def ip_version(self) -> int:
        """The version of IP of the sessions, and of what is announced."""
        return ipaddress.ip_network(self.sessions[0].subnet).version if self.sessions else 4

    @property
    def default(self) -> str:
        """The prefix of every address."""
        return DEFAULTS[self.ip_version]

    def speaker(self, machine: str) -> BgpSpeaker:
        """The speaker on a machine. Errors: StopIteration if there is none."""
        return next(each for each in self.speakers if each.machine == machine)

    @property
    def process(self) -> str:
        """The process that speaks BGP on each machine, as an element that may fail (ia:bird, ia:bgpd)."""
        return "bgpd" if self.daemon == "frr" else "bird"

    @property
    def processes(self) -> tuple[str, ...]:
        """All processes of the daemon on each machine, in the order in which they start."""
        if self.daemon != "frr":
            return (self.process,)
        return ("zebra", *(["bfdd"] if self.bfd_ms else []), self.process)

    def of(self, machine: str) -> tuple[BgpSession, ...]:
        """The sessions of a speaker."""
        return tuple(each for each in self.sessions if machine in (each.one, each.other))
