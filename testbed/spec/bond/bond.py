"""A Linux bond as a value: its options, checked when it is made, and its members."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from testbed.errors import SpecError, unknown
from testbed.spec import validation
from testbed.spec.bond import drivers, rules, teams
from testbed.spec.bond.option import DRIVER_MODES, EVERY_MODE, MODES, PRIMARY_MODES, options
from testbed.spec.bond.options import DRIVERS, OptionValues

#: Octets of PRP's redundancy control trailer, and of HSR's tag (IEC 62439-3, 4.2.7.3 and 5.7.1).
TRAILER_BYTES = 6


def parse_mode(text: str | int) -> str:
    """The mode's name from its name or its number (``4`` is ``802.3ad``)."""
    word = str(text)
    if word in EVERY_MODE:
        return word
    if word.isdigit() and int(word) < len(MODES):
        return MODES[int(word)]
    raise unknown("bonding mode", word, EVERY_MODE)


@dataclass(frozen=True, kw_only=True)
class BondOptions(OptionValues):
    """The options of a bond, whatever its members are (`OptionValues`): what its driver would refuse is refused."""

    def __post_init__(self) -> None:
        validation.choice("driver of a bond", self.driver, DRIVERS)
        object.__setattr__(self, "driver", drivers.named(self))
        if self.driver not in ("bonding", "team") or self.mode in DRIVER_MODES:
            validation.choice("mode", self.mode, EVERY_MODE)
            drivers.check(self)
        rules.check(self)
        if self.driver == "team":
            teams.check(self)

    def over(self, members: tuple[str, ...], name: str = "") -> Bond:
        """A bond with these options over these interfaces; named bond0, or after the driver that its mode brings."""
        own = name or f"{'bond' if self.driver in ('bonding', 'team') else self.driver}0"
        if not name and self.driver == "mptcp":
            own = members[0] if members else own  # it has no interface of its own: its address is the first way's
        return Bond(members, own, **{field.name: getattr(self, field.name) for field in dataclasses.fields(self)})


@dataclass(frozen=True)
class Bond(BondOptions):
    """A bonding device on a host. ``members`` are interface names of that host."""

    members: tuple[str, ...]
    name: str = "bond0"

    def __post_init__(self) -> None:
        super().__post_init__()
        validation.name("bond", self.name)
        if not self.members:
            raise SpecError(f"bond {self.name!r} has no member; wanted one interface or more")
        validation.unique(f"members of bond {self.name!r}", self.members)
        drivers.check_members(self, self.members)
        rules.check_members(self, self.name, self.members)

    @property
    def primary(self) -> str | None:
        """The interface that is preferred (bonding.rst, "primary"); None if there is none, or the mode has none."""
        if self.mode not in PRIMARY_MODES or self.primary_member < 0:
            return None
        return self.members[self.primary_member]

    @property
    def trailer_bytes(self) -> int:
        """What the driver adds to each packet, in octets, within the members' MTU."""
        return TRAILER_BYTES if self.driver == "hsr" else 0

    @property
    def active(self) -> str | None:
        """The interface to make the active member at the beginning; None if none is wanted."""
        return self.members[self.active_member] if self.active_member >= 0 else None


def newer(bond: BondOptions, kernel: tuple[int, int]) -> list[str]:
    """The options asked for that a kernel of this version does not have, each with the version that it needs."""
    return [
        f"{name}={value} (since Linux {first[0]}.{first[1]})"
        for name, each, value, asked in options(bond)
        if asked and (first := each.first_kernel(value)) > kernel
    ]
