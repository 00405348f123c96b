"""A Linux bonding device as a value: its mode, its options, its members (kernel document: networking/bonding.rst)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from testbed import checks
from testbed.errors import SpecError, unknown

#: Bonding modes by the number that bonding.rst gives them.
MODES: tuple[str, ...] = (
    "balance-rr",
    "active-backup",
    "balance-xor",
    "broadcast",
    "802.3ad",
    "balance-tlb",
    "balance-alb",
)
#: In the order of the kernel's numbers (linux/if_bonding.h, BOND_XMIT_POLICY_*).
XMIT_HASH_POLICIES = ("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac")
LACP_RATES = ("slow", "fast")
PRIMARY_RESELECT = ("always", "better", "failure")
#: Modes in which the switch must treat the members as one LAG (bonding.rst, "Switch Configuration").
STATIC_LAG_MODES = ("balance-rr", "balance-xor", "broadcast")

#: Modes that have a primary (bonding.rst, "primary").
PRIMARY_MODES = ("active-backup", "balance-tlb", "balance-alb")


def parse_mode(text: str | int) -> str:
    """The mode's name from its name or its number (``4`` is ``802.3ad``)."""
    word = str(text)
    if word in MODES:
        return word
    if word.isdigit() and int(word) < len(MODES):
        return MODES[int(word)]
    raise unknown("bonding mode", word, MODES)


@dataclass(frozen=True, kw_only=True)
class BondOptions:
    """What may be asked of a bond, whatever its members are. Times are in milliseconds, as the kernel takes them.

    ``primary_member`` is the place of the primary among the members, from 0; -1: there is none. It counts where the
    mode has a primary.
    """

    mode: str = "802.3ad"
    miimon_ms: int = 100
    updelay_ms: int = 0
    downdelay_ms: int = 0
    lacp_rate: str = "fast"
    xmit_hash_policy: str = "layer3+4"
    primary_member: int = 0
    primary_reselect: str = "always"
    num_grat_arp: int = 1
    min_links: int = 0

    def __post_init__(self) -> None:
        checks.choice("bonding mode", self.mode, MODES)
        checks.choice("lacp_rate", self.lacp_rate, LACP_RATES)
        checks.choice("xmit_hash_policy", self.xmit_hash_policy, XMIT_HASH_POLICIES)
        checks.choice("primary_reselect", self.primary_reselect, PRIMARY_RESELECT)
        for option in ("miimon_ms", "updelay_ms", "downdelay_ms", "num_grat_arp", "min_links"):
            checks.at_least(option, getattr(self, option), 0)
        checks.at_least("primary_member", self.primary_member, -1)
        if self.num_grat_arp > 255:
            raise SpecError(f"num_grat_arp is {self.num_grat_arp}; wanted 0 to 255")
        if self.miimon_ms == 0:
            raise SpecError("miimon is 0: the bond would never notice a dead member; wanted 1 ms or more")

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
        checks.name("bond", self.name)
        if not self.members:
            raise SpecError(f"bond {self.name!r} has no member; wanted one interface or more")
        checks.unique(f"members of bond {self.name!r}", self.members)
        if self.primary_member >= len(self.members):
            raise SpecError(
                f"primary_member of bond {self.name!r} is {self.primary_member};"
                f" wanted a place among its {len(self.members)} members, from 0, or -1 for none"
            )

    @property
    def primary(self) -> str | None:
        """The interface that is preferred (bonding.rst, "primary"); None if there is none, or the mode has none."""
        if self.mode not in PRIMARY_MODES or self.primary_member < 0:
            return None
        return self.members[self.primary_member]
