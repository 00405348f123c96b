"""Static routes of machines, and what takes a next hop out of them, as a value.

e1   10.1.0.0/24  via ia, and if that does not do via ib      track=none     the first next hop, come what may
                                                              track=carrier  not if its interface has no carrier
                                                              track=bfd      nor if BFD hears nothing of it (RFC 5880)
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from testbed.errors import SpecError
from testbed.spec import validation
from testbed.spec.bgp import BFD_MS, BFD_MULT

TRACKS = ("none", "carrier", "bfd")
#: What BFD has unless it is told otherwise: interval in milliseconds, and multiplier.
_BFD = (100, 3)
#: What the options need, where a topology may have BGP instead, and what those of BFD need.
_USED = ("routes_by=static",)
_WATCHED = (*_USED, "static_track=bfd")


@dataclass(frozen=True, kw_only=True)
class StaticOptions:
    """What is configured of static routes.

    ``track``: what takes a next hop out (`TRACKS`, each with what those before it do). ``bfd_ms`` and ``bfd_mult`` are
    BFD's interval and multiplier.
    """

    track: str = field(default=TRACKS[0], metadata={"setting": "static_track", "needs": _USED})
    bfd_ms: int = field(default=_BFD[0], metadata={"setting": "static_bfd_ms", "needs": _WATCHED})
    bfd_mult: int = field(default=_BFD[1], metadata={"setting": "static_bfd_mult", "needs": _WATCHED})

    def __post_init__(self) -> None:
        validation.choice("static_track", self.track, TRACKS)
        validation.at_least("static_bfd_ms", self.bfd_ms, BFD_MS[0])
        validation.at_most("static_bfd_ms", self.bfd_ms, BFD_MS[1])
        validation.at_least("static_bfd_mult", self.bfd_mult, BFD_MULT[0])
        validation.at_most("static_bfd_mult", self.bfd_mult, BFD_MULT[1])
        if self.track != "bfd" and (self.bfd_ms, self.bfd_mult) != _BFD:
            name, found = ("bfd_ms", self.bfd_ms) if self.bfd_ms != _BFD[0] else ("bfd_mult", self.bfd_mult)
            raise SpecError(
                f"static_{name}={found} has no effect with static_track={self.track}", "Type: --set static_track=bfd"
            )

    def over(self, routes: tuple[StaticRoute, ...]) -> StaticRoutes:
        """These routes, tracked so."""
        bfd_ms, bfd_mult = (self.bfd_ms, self.bfd_mult) if self.track == "bfd" else (0, _BFD[1])
        return StaticRoutes(routes, self.track, bfd_ms, bfd_mult)


@dataclass(frozen=True)
class StaticRoute:
    """A route of a machine to a prefix by the first of these next hops that does."""

    machine: str
    prefix: str
    next_hops: tuple[str, ...]

    def __post_init__(self) -> None:
        try:
            ipaddress.IPv4Network(self.prefix)
        except ValueError:
            raise SpecError(
                f"a static route of {self.machine!r} is to {self.prefix!r}; wanted an IPv4 prefix without host bits"
            ) from None
        what = f"next hops of {self.machine!r} to {self.prefix}"
        if not self.next_hops:
            raise SpecError(f"{what}: none; wanted one or more")
        validation.unique(what, self.next_hops)


@dataclass(frozen=True)
class StaticRoutes:
    """Routes that are tracked alike. The other fields are those of `StaticOptions`; ``bfd_ms`` is 0 without BFD."""

    routes: tuple[StaticRoute, ...]
    track: str
    bfd_ms: int
    bfd_mult: int
    #: What carries them out on each machine, and whether equal ones are used at once: as `testbed.spec.Bgp` has it.
    daemon: str = "bird"
    ecmp: bool = False

    def __post_init__(self) -> None:
        validation.choice("static_track", self.track, TRACKS)
        validation.choice("daemon of static routes", self.daemon, ("bird",))
        if self.ecmp or bool(self.bfd_ms) != (self.track == "bfd"):
            raise SpecError(f"static routes have ecmp {self.ecmp}, bfd_ms {self.bfd_ms} and track {self.track}")
        validation.unique("static routes", [f"{each.machine} to {each.prefix}" for each in self.routes])

    @property
    def process(self) -> str:
        """The process that has the routes of a machine, as an element that may fail."""
        return self.daemon

    @property
    def machines(self) -> tuple[str, ...]:
        """The machines that have such routes."""
        return tuple(dict.fromkeys(each.machine for each in self.routes))

    def of(self, machine: str) -> tuple[StaticRoute, ...]:
        """The routes of a machine."""
        return tuple(each for each in self.routes if each.machine == machine)
