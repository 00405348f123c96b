"""Routers that stand in for one another by VRRP, version 3 (RFC 5798), as a value.

h1 --- 10.0.0.254, the virtual address --- r1, master   priority 200 --- 10.1.0.254 --- h2
                                      `--- r2, backup   priority 100 ---'
"""

from __future__ import annotations

from dataclasses import dataclass, field

from testbed.errors import SpecError
from testbed.spec import addressing, validation
from testbed.spec.bgp import BFD_MULT
from testbed.spec.bond import words

#: What keeps a router master on all sides or on none: it watches its interfaces on all sides, gives up all sides when
#: it loses one (a synchronisation group), or nothing (keepalived.conf(5): track_interface, vrrp_sync_group).
FOLLOWS = ("track", "group", "none")
#: The range of an interval between two advertisements, which is counted in centiseconds (RFC 5798, 5.2.7), and of a
#: priority that an operator may give (5.2.4): 255 is for the owner of the address.
ADVERT_MS = (10, 40_950)
PRIORITIES = (1, 254)
#: The virtual router identifier of the first subnet unless another is given, and the range of identifiers (RFC 5798,
#: 5.2.3).
FIRST_ID, IDS = 51, (1, 255)
#: The longest time before a router takes its addresses, in seconds (keepalived.conf(5), preempt_delay).
MOST_DELAY_S = 1000
#: The range of BFD's interval in milliseconds (keepalived warns beyond 10 s).
BFD_MS = (10, 10_000)
#: The subnets that a BFD session goes through: one each way.
MOST_BFD_SUBNETS = 2
#: With BFD: the interval of the routers that are not the best, the shortest that VRRP can count. keepalived cannot make
#: a router master when BFD says that a better one is gone: it can only let it begin as a backup then, which waits for
#: three intervals of its own.
BFD_ADVERT_MS = ADVERT_MS[0]


@dataclass(frozen=True, kw_only=True)
class VrrpOptions:
    """What is configured of a group of routers.

    ``advert_ms``: the master says every so many milliseconds that it lives. ``priorities``, joined by '+', one for each
    router: the highest is master. ``preempt``: a router of higher priority becomes master again when it returns,
    ``preempt_delay_s`` later. ``follow``: what one side of a router learns of its other sides. ``refresh_s``: a master
    announces its addresses again every so many seconds; 0: only when it becomes master. ``startup_delay_s``: a router
    that boots only listens for so long; behind LACP no frame passes in either direction for its first seconds.
    ``bfd_ms``: a router also watches the better ones by BFD (RFC 5880) at this interval, and takes over when it has
    received none of ``bfd_mult`` packets; 0: it waits for VRRP's advertisements.
    """

    advert_ms: int = field(default=1000, metadata={"setting": "vrrp_advert_ms"})
    priorities: str = field(default="200+100", metadata={"setting": "vrrp_priorities"})
    preempt: bool = field(default=True, metadata={"setting": "vrrp_preempt"})
    preempt_delay_s: float = field(default=0.0, metadata={"setting": "vrrp_preempt_delay_s"})
    follow: str = field(default=FOLLOWS[0], metadata={"setting": "vrrp_follow"})
    refresh_s: int = field(default=0, metadata={"setting": "vrrp_refresh_s"})
    startup_delay_s: float = field(default=0.0, metadata={"setting": "vrrp_startup_delay_s"})
    bfd_ms: int = field(default=0, metadata={"setting": "vrrp_bfd_ms"})
    bfd_mult: int = field(default=3, metadata={"setting": "vrrp_bfd_mult", "needs": ("vrrp_bfd_ms",)})

    def __post_init__(self) -> None:
        validation.at_least("vrrp_advert_ms", self.advert_ms, ADVERT_MS[0])
        validation.at_most("vrrp_advert_ms", self.advert_ms, ADVERT_MS[1])
        if self.advert_ms % 10:
            raise SpecError(
                f"vrrp_advert_ms is {self.advert_ms}; wanted a multiple of 10: VRRP counts centiseconds"
                " (RFC 5798, 5.2.7)"
            )
        validation.at_least("vrrp_preempt_delay_s", self.preempt_delay_s, 0)
        validation.at_most("vrrp_preempt_delay_s", self.preempt_delay_s, MOST_DELAY_S)
        if self.preempt_delay_s and not self.preempt:
            raise SpecError("vrrp_preempt_delay_s has no effect without vrrp_preempt", "Leave one of both out.")
        validation.choice("vrrp_follow", self.follow, FOLLOWS)
        validation.at_least("vrrp_refresh_s", self.refresh_s, 0)
        validation.at_most("vrrp_refresh_s", self.refresh_s, 3600)
        validation.at_least("vrrp_startup_delay_s", self.startup_delay_s, 0)
        validation.at_most("vrrp_startup_delay_s", self.startup_delay_s, MOST_DELAY_S)
        _ = self.numbers
        self._check_bfd()

    def _check_bfd(self) -> None:
        """A router that watches a better one gives up its addresses as soon as that one is back: nothing delays it."""
        if not self.bfd_ms:
            if self.bfd_mult != 3:
                raise SpecError("vrrp_bfd_mult has no effect without vrrp_bfd_ms", "For example: --set vrrp_bfd_ms=100")
            return
        if self.bfd_ms < BFD_MS[0]:
            raise SpecError(f"vrrp_bfd_ms is {self.bfd_ms}; wanted 0 (no BFD), or {BFD_MS[0]} to {BFD_MS[1]}")
        validation.at_most("vrrp_bfd_ms", self.bfd_ms, BFD_MS[1])
        validation.at_least("vrrp_bfd_mult", self.bfd_mult, BFD_MULT[0])
        validation.at_most("vrrp_bfd_mult", self.bfd_mult, BFD_MULT[1])
        for name, found, wanted in (
            ("preempt", self.preempt, True),
            ("preempt_delay_s", self.preempt_delay_s, 0.0),
            ("startup_delay_s", self.startup_delay_s, 0.0),
            ("follow", self.follow, FOLLOWS[0]),
        ):
            if found != wanted:
                text, types = (str(value).lower() for value in (found, wanted))
                raise SpecError(
                    f"vrrp_{name} is {text} with vrrp_bfd_ms; wanted {types}: a router gives up all its addresses"
                    " at once when BFD says that a better one is there, and takes all of them when it says it is gone",
                    f"Type: --set vrrp_{name}={types}, or leave vrrp_bfd_ms out.",
                )

    @property
    def numbers(self) -> tuple[int, ...]:
        """The priorities as numbers. Errors: SpecError if they are none."""
        found = words(self.priorities)
        if not found or not all(word.isascii() and word.isdigit() for word in found):
            raise SpecError(
                f"vrrp_priorities {self.priorities!r} is not numbers joined by '+', one for each router",
                "For example: --set vrrp_priorities=200+100",
            )
        return tuple(int(word) for word in found)

    def over(self, routers: tuple[str, ...], addresses: tuple[str, ...], *, first_id: int = FIRST_ID) -> Vrrp:
        """The group of these routers, with a virtual address for each subnet, and its first identifier."""
        return Vrrp(
            routers,
            addresses,
            self.numbers,
            self.advert_ms,
            self.preempt,
            self.preempt_delay_s,
            self.follow,
            self.refresh_s,
            self.startup_delay_s,
            first_id,
            self.bfd_ms,
            self.bfd_mult,
        )


@dataclass(frozen=True)
class Vrrp:
    """A group of routers with one virtual address, with its prefix length, in each of their subnets.

    The fields are those of `VrrpOptions`; ``priorities`` are of the routers, in their order. ``first_id`` is the
    virtual router identifier in the subnet of the first address; those of the next ones follow. In one subnet groups
    differ in it.
    """

    routers: tuple[str, ...]
    addresses: tuple[str, ...]
    priorities: tuple[int, ...]
    advert_ms: int
    preempt: bool
    preempt_delay_s: float
    follow: str
    refresh_s: int = 0
    startup_delay_s: float = 0.0
    first_id: int = FIRST_ID
    bfd_ms: int = 0
    bfd_mult: int = 3

    def __post_init__(self) -> None:
        validation.unique("routers of a VRRP group", self.routers)
        if not self.routers or not self.addresses:
            lacks = "virtual address" if self.routers else "router"
            raise SpecError(f"a VRRP group has no {lacks}; wanted one or more")
        validation.at_least("first virtual router identifier", self.first_id, IDS[0])
        validation.at_most("last virtual router identifier", self.identifiers[-1], IDS[1], "RFC 5798, 5.2.3")
        VrrpOptions(  # it refuses what cannot be configured
            advert_ms=self.advert_ms,
            preempt=self.preempt,
            preempt_delay_s=self.preempt_delay_s,
            follow=self.follow,
            refresh_s=self.refresh_s,
            startup_delay_s=self.startup_delay_s,
            bfd_ms=self.bfd_ms,
            bfd_mult=self.bfd_mult,
        )
        for address in self.addresses:
            validation.prefixed(address, f"the VRRP group of {' and '.join(self.routers)}")
        if self.bfd_ms and len(self.addresses) > MOST_BFD_SUBNETS:
            raise SpecError(
                f"vrrp_bfd_ms watches a way through {MOST_BFD_SUBNETS} subnets, one each way, and the group of"
                f" {' and '.join(self.routers)} has {len(self.addresses)}",
                "Leave vrrp_bfd_ms out.",
            )
        if len(self.priorities) != len(self.routers):
            raise SpecError(
                f"vrrp_priorities has {len(self.priorities)} numbers, and the group {len(self.routers)} routers;"
                " wanted one for each",
                f"For example: --set vrrp_priorities={'+'.join(str(200 - 50 * n) for n in range(len(self.routers)))}",
            )
        for priority in self.priorities:
            validation.at_least("a number of vrrp_priorities", priority, PRIORITIES[0])
            validation.at_most("a number of vrrp_priorities", priority, PRIORITIES[1], "255 owns the address")
        if len(set(self.priorities)) != len(self.priorities):
            raise SpecError(
                f"vrrp_priorities are {'+'.join(map(str, self.priorities))}: of two routers of one priority it is not"
                " known which becomes master",
                "Give each router a priority of its own.",
            )

    @property
    def ranked(self) -> tuple[str, ...]:
        """The routers, that of the highest priority first: it is master while all live."""
        return tuple(name for _, name in sorted(zip(self.priorities, self.routers, strict=True), reverse=True))

    def better(self, router: str) -> tuple[str, ...]:
        """The routers of higher priority than one of them, the best first."""
        return self.ranked[: self.ranked.index(router)]

    @property
    def identifiers(self) -> tuple[int, ...]:
        """The virtual router identifier of each subnet."""
        return tuple(self.first_id + place for place in range(len(self.addresses)))

    @property
    def ips(self) -> tuple[str, ...]:
        """The virtual addresses, without their prefix length."""
        return tuple(addressing.parsed(each)[0] for each in self.addresses)

    def address_in(self, subnet: str) -> str:
        """The group's address in a subnet, without its prefix length; empty: it has none there."""
        return next((ip for ip in self.ips if addressing.inside(ip, subnet)), "")
