"""Routers that stand in for one another by VRRP, version 3 (RFC 5798), as a value.

h1 --- 10.0.0.254, the virtual address --- r1, master   priority 200 --- 10.1.0.254 --- h2
                                      `--- r2, backup   priority 100 ---'
"""

from __future__ import annotations

from dataclasses import dataclass, field

from testbed.errors import SpecError
from testbed.spec import addressing, validation
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
#: The longest start-up delay, in seconds.
MOST_STARTUP_S = 50


@dataclass(frozen=True, kw_only=True)
class VrrpOptions:
    """What is configured of a group of routers.

    ``advert_ms``: the master says every so many milliseconds that it lives. ``priorities``, joined by '+', one for each
    router: the highest is master. ``preempt``: a router of higher priority becomes master again when it returns,
    ``preempt_delay_s`` later. ``follow``: what one side of a router learns of its other sides. ``refresh_s``: a master
    announces its addresses again every so many seconds; 0: only when it becomes master. ``startup_delay_s``: a router
    that boots only listens for so long; behind LACP no frame passes in either direction for its first seconds.
    """

    advert_ms: int = field(default=1000, metadata={"setting": "vrrp_advert_ms"})
    priorities: str = field(default="200+100", metadata={"setting": "vrrp_priorities"})
    preempt: bool = field(default=True, metadata={"setting": "vrrp_preempt"})
    preempt_delay_s: float = field(default=0.0, metadata={"setting": "vrrp_preempt_delay_s"})
    follow: str = field(default=FOLLOWS[0], metadata={"setting": "vrrp_follow"})
    refresh_s: int = field(default=0, metadata={"setting": "vrrp_refresh_s"})
    startup_delay_s: float = field(default=0.0, metadata={"setting": "vrrp_startup_delay_s"})

    def __post_init__(self) -> None:
        validation.at_least("vrrp_advert_ms", self.advert_ms, ADVERT_MS[0])
        validation.at_most("vrrp_advert_ms", self.advert_ms, ADVERT_MS[1])
        if self.advert_ms % 10:
            raise SpecError(
                f"vrrp_advert_ms is {self.advert_ms}; wanted a multiple of 10: VRRP counts centiseconds"
                " (RFC 5798, 5.2.7)"
            )
        validation.at_least("vrrp_preempt_delay_s", self.preempt_delay_s, 0)
        validation.at_most("vrrp_preempt_delay_s", self.preempt_delay_s, 1000)  # keepalived.conf(5), preempt_delay
        if self.preempt_delay_s and not self.preempt:
            raise SpecError("vrrp_preempt_delay_s has no effect without vrrp_preempt", "Leave one of both out.")
        validation.choice("vrrp_follow", self.follow, FOLLOWS)
        validation.at_least("vrrp_refresh_s", self.refresh_s, 0)
        validation.at_most("vrrp_refresh_s", self.refresh_s, 3600)
        validation.at_least("vrrp_startup_delay_s", self.startup_delay_s, 0)
        validation.at_most(
            "vrrp_startup_delay_s", self.startup_delay_s, MOST_STARTUP_S, "a daemon is ready in a minute"
        )
        _ = self.numbers

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
        )
        for address in self.addresses:
            validation.prefixed(address, f"the VRRP group of {' and '.join(self.routers)}")
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
