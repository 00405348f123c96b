"""A Linux bond as a value: its options, checked when it is made, and its members."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from testbed.errors import SpecError, unknown
from testbed.spec import validation
from testbed.spec.bond import rules, teams
from testbed.spec.bond.option import MODES, PRIMARY_MODES, options
from testbed.spec.bond.options import DRIVERS, OptionValues


def parse_mode(text: str | int) -> str:
    """The mode's name from its name or its number (``4`` is ``802.3ad``)."""
    word = str(text)
    if word in MODES:
        return word
    if word.isdigit() and int(word) < len(MODES):
        return MODES[int(word)]
    raise unknown("bonding mode", word, MODES)


@dataclass(frozen=True, kw_only=True)
class BondOptions(OptionValues):
    """The options of a bond, whatever its members are (`OptionValues`): what its driver would refuse is refused."""

    def __post_init__(self) -> None:
        validation.choice("driver of a bond", self.driver, DRIVERS)
        rules.check(self)
        if self.driver == "team":
            teams.check(self)

    def over(self, members: tuple[str, ...], name: str = "bond0") -> Bond:
        """A bond with these options over these interfaces."""
        return Bond(members, name, **{field.name: getattr(self, field.name) for field in dataclasses.fields(self)})


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
        rules.check_members(self, self.name, self.members)

    @property
    def primary(self) -> str | None:
        """The interface that is preferred (bonding.rst, "primary"); None if there is none, or the mode has none."""
        if self.mode not in PRIMARY_MODES or self.primary_member < 0:
            return None
        return self.members[self.primary_member]

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
