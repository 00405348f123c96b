"""What one option of the bonding driver is: how it is written, where it counts, how the kernel reads it.

The sources are the kernel's networking/bonding.rst and the tables of drivers/net/bonding/bond_options.c, whose limits
and refusals are repeated here so that a bond that cannot be is refused before anything is built.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from testbed.errors import SpecError
from testbed.spec import validation

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
#: Modes of other drivers than bonding, each with its driver: the kernel's hsr, which is PRP as well (IEC 62439-3), and
#: its next hops, and its Multipath TCP.
DRIVER_MODES = {"prp": "hsr", "hsr": "hsr", "ecmp": "nexthop", "mptcp": "mptcp"}
#: Every mode of every driver.
EVERY_MODE = (*MODES, *DRIVER_MODES)
#: Modes that have a primary and an active member (bonding.rst, "primary").
PRIMARY_MODES = ("active-backup", "balance-tlb", "balance-alb")
#: Modes that the ARP monitor serves; the others need the speed that MII monitoring keeps up to date.
ARP_MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast")
INT_MAX = 2**31 - 1
#: BOND_MAX_ARP_TARGETS and BOND_MAX_NS_TARGETS (net/bonding.h).
MAX_TARGETS = 16
#: For a list of targets: the addresses of all other hosts.
PEERS = "peers"
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


@dataclass(frozen=True)
class Option:
    """One option of a bond, or, with ``each``, of each of its members.

    ``attribute`` is its netlink attribute without IFLA_BOND_ (or IFLA_BOND_SLAVE_). ``words`` are its values by
    their numbers; else it is a number from ``low`` to ``high``, or what ``kind`` says. It counts in ``modes``; in
    others the kernel refuses it if ``refused``. ``needs`` names an option that must not be 0 with it;
    without the option ``idle_without`` the kernel takes it, but it has no effect. ``since`` is the first kernel that
    has it, and ``words_since`` the first that has a newer value of it. ``why`` is the reason of it all, in one
    sentence.
    """

    attribute: str
    why: str
    kernel: Any
    words: tuple[str, ...] = ()
    low: int = 0
    high: int = INT_MAX
    kind: str = "number"  # number | truth | word | place | mac | ipv4 | ipv6 (the last two: lists)
    modes: tuple[str, ...] = MODES
    refused: bool = False
    needs: str = ""
    idle_without: str = ""
    since: tuple[int, int] = (3, 13)
    words_since: tuple[tuple[str, tuple[int, int]], ...] = ()
    each: bool = False

    def check(self, name: str, value: Any) -> None:
        """Errors: SpecError if the kernel would not take the value."""
        if self.words:
            validation.choice(name, value, self.words)
        elif self.each:
            for word in words(value):
                if not re.fullmatch(r"-?\d+", word):
                    raise SpecError(
                        f"{name} {value!r} is not numbers joined by '+', one for each member",
                        f"For example: {name}=2+1",
                    )
                self._in_range(name, int(word))
        elif self.kind in ("ipv4", "ipv6"):
            _check_targets(name, value, int(self.kind[-1]))
        elif self.kind == "mac":
            if value and (not _MAC.fullmatch(value) or int(value[:2], 16) & 1):
                raise SpecError(f"{name} {value!r} is not a MAC address of one station, such as 02:00:00:00:00:01")
        elif self.kind != "truth":
            self._in_range(name, value)

    def _in_range(self, name: str, value: int) -> None:
        if not self.low <= value <= self.high:
            raise SpecError(f"{name} is {value}; wanted {self.low} to {self.high}")

    def number(self, value: Any) -> Any:
        """The value as netlink takes it: the number of a word, 0 or 1 for a truth value, else as it is."""
        return self.words.index(value) if self.words else int(value) if self.kind == "truth" else value

    def first_kernel(self, value: Any) -> tuple[int, int]:
        """The first kernel that has the option with this value."""
        return max(self.since, dict(self.words_since).get(str(value), (0, 0)))


def words(text: str) -> list[str]:
    """The words of a list, which are joined by '+'."""
    return text.split("+") if text else []


def option(default: Any, attribute: str, why: str, **details: Any) -> Any:
    """A dataclass field for an option: ``default`` is ours, the kernel's is the same unless ``kernel`` says so."""
    if isinstance(default, bool):
        details.setdefault("kind", "truth")
    return dataclasses.field(
        default=default, metadata={"option": Option(attribute, why, **{"kernel": default, **details})}
    )


def options(values: Any) -> Iterator[tuple[str, Option, Any, bool]]:
    """Each option of a BondOptions: its name, what it is, its value, and whether that was asked for."""
    for field in dataclasses.fields(values):
        if "option" in field.metadata:
            value = getattr(values, field.name)
            yield field.name, field.metadata["option"], value, value != field.default


def _check_targets(name: str, text: str, version: int) -> None:
    if text == PEERS:
        return
    found = words(text)
    validation.unique(f"addresses of {name}", found)
    if len(found) > MAX_TARGETS:
        raise SpecError(f"{name} has {len(found)} addresses; the kernel takes {MAX_TARGETS} at most")
    for word in found:
        try:
            address = ipaddress.ip_address(word)
        except ValueError:
            address = None
        # net/bonding.h, bond_is_ip_target_ok() and bond_is_ip6_target_ok()
        usable = address is not None and address.version == version
        if version == 4:
            usable = usable and word != "255.255.255.255" and not word.startswith("0.")
        elif address is not None:
            usable = usable and not (address.is_unspecified or address.is_loopback or address.is_multicast)
        if not usable:
            example = "10.0.0.2+10.0.0.3" if version == 4 else "2001:db8::2+2001:db8::3"
            raise SpecError(
                f"{name}: {word!r} is not the IPv{version} address of a host",
                f"For example: --set {name}={example}, or {PEERS} for all other hosts.",
            )
