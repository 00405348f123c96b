"""A LAG of the switch side as a value: its ports, its LACP, its options (IEEE 802.1AX-2014, clause 6)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from testbed.errors import SpecError
from testbed.spec import validation
from testbed.spec.bond import DRIVER_MODES, LACP_RATES, STATIC_LAG_MODES, BondOptions, words

#: Whether the ports of a LAG speak LACP first, only when spoken to, or not at all: then it is static.
LACP = ("active", "passive", "off")
#: Whether collecting and distributing begin together, or one after the other (IEEE 802.1AX-2014, 6.4.15).
MUXES = ("independent", "coupled")
#: How ports are used while no partner responds.
FALLBACKS = ("none", "individual", "static")
#: A system has no more ports than port numbers, which have two octets (IEEE 802.1AX-2014, 6.3.4).
MOST_LINKS = 65535
#: Some 30 years.
MOST_SECONDS = 1e9
#: The modes of Open vSwitch's bonds (ovs-vswitchd.conf.db(5), bond_mode).
OVS_BOND_MODES = ("active-backup", "balance-slb", "balance-tcp")
#: The options of hosts' LAGs that a static one does not have.
_OF_LACP = ("lag_rate", "lag_port_priorities")
#: The LACP priority of a port unless another is given.
DEFAULT_PORT_PRIORITY = 32768


@dataclass(frozen=True, kw_only=True)
class LacpOptions:
    """The options of a LAG that speaks LACP, whatever its ports are (see testbed.lacp.LagConfig).

    ``mux``: ``independent`` sends on a port once the partner has set Collecting, ``coupled`` as soon as the partner
    is in sync. ``early_collecting`` accepts frames from a port as soon as a LACPDU has said that the port is in sync.
    More than ``max_active`` usable ports stand by (0: no limit). ``fallback`` applies while no partner responds; a port
    that was lost is selected again ``wait_to_restore_s`` after the partner's next LACPDU. ``ovs_bond_mode`` is how a
    bond of Open vSwitch sends (controller=ovs); empty: balance-tcp with LACP, balance-slb without.
    """

    mux: str = "independent"
    early_collecting: bool = True
    max_active: int = 0
    fallback: str = "none"
    wait_to_restore_s: float = 0.0
    ovs_bond_mode: str = ""

    def __post_init__(self) -> None:
        validation.choice("mux", self.mux, MUXES)
        validation.at_least("max_active", self.max_active, 0)
        validation.at_most("max_active", self.max_active, MOST_LINKS)
        validation.choice("fallback", self.fallback, FALLBACKS)
        validation.at_least("wait_to_restore_s", self.wait_to_restore_s, 0)
        validation.at_most("wait_to_restore_s", self.wait_to_restore_s, MOST_SECONDS)
        validation.choice("ovs_bond_mode", self.ovs_bond_mode, ("", *OVS_BOND_MODES))

    def over(self, name: str, ports: tuple[str, ...], **more: Any) -> Lag:
        """A LAG with these options of these switch interfaces; ``more`` is what else a `Lag` takes."""
        own = {each.name: getattr(self, each.name) for each in dataclasses.fields(LacpOptions)}
        return Lag(name, ports, **own, **more)


@dataclass(frozen=True, kw_only=True)
class LagOptions(LacpOptions):
    """The options of a topology's LAGs; those that ``--set`` calls ``lag_...`` are of the LAGs that lead to hosts.

    ``lacp`` is ``active``, ``passive`` or ``off`` (static), whatever the bond's mode, also before a bond that wants no
    LAG; empty: what the mode wants. ``rate`` is the rate that the switch asks for; empty: the bond's. ``priorities``
    of the ports are joined by '+', one for each member.
    """

    lacp: str = field(default="", metadata={"setting": "lag_lacp"})
    rate: str = field(default="", metadata={"setting": "lag_rate"})
    min_links: int = field(default=1, metadata={"setting": "lag_min_links"})
    priorities: str = field(default="", metadata={"setting": "lag_port_priorities"})

    def __post_init__(self) -> None:
        super().__post_init__()
        validation.choice("lag_lacp", self.lacp, ("", *LACP))
        validation.choice("lag_rate", self.rate, ("", *LACP_RATES))
        validation.at_least("lag_min_links", self.min_links, 1)
        for word in words(self.priorities):
            if not word.isascii() or not word.isdigit():
                raise SpecError(
                    f"lag_port_priorities {self.priorities!r} is not numbers joined by '+', one for each port",
                    "For example: lag_port_priorities=100+200",
                )

    @classmethod
    def settings(cls) -> list[str]:
        """What ``--set`` calls the options."""
        return [each.metadata.get("setting", each.name) for each in dataclasses.fields(cls)]

    def before(self, bond: BondOptions, name: str, ports: tuple[str, ...], **more: Any) -> Lag | None:
        """The LAG of the switch ports ``ports`` that lead to a bond; None if there is none.

        Errors: SpecError for an option that such a LAG does not have.
        """
        if self.lacp and bond.mode in DRIVER_MODES:
            raise SpecError(
                f"lag_lacp={self.lacp} cannot be had in mode {bond.mode}, whose ways lead to ports that are no LAG",
                "Leave lag_lacp out.",
            )
        wanted = "active" if bond.mode == "802.3ad" else "off" if bond.mode in STATIC_LAG_MODES else ""
        lacp = self.lacp or wanted
        if not lacp:
            return None
        asked = self._asked()
        if lacp == "off" and (given := [setting for setting in asked if setting in _OF_LACP]):
            raise SpecError(f"{given[0]} has no effect: the LAGs are static, and it is an option of LACP")
        priorities = tuple(int(word) for word in words(self.priorities))
        own = {"lacp": lacp, "rate": self.rate or bond.lacp_rate, "min_links": self.min_links}
        return self.over(name, ports, **own, port_priorities=priorities, **more)

    def check_unused(self) -> None:
        """Errors: SpecError if an option was set that is of a host's LAG, which a network does not have."""
        if asked := self._asked():
            raise SpecError(
                f"{asked[0]} has no effect: no host has a LAG here, as its bond's mode wants none, or it has no bond",
                "Leave it out, or with a bond set lag_lacp as well: active, passive or off.",
            )

    def _asked(self) -> list[str]:
        """What ``--set`` calls the options of hosts' LAGs that were set."""
        own = [each for each in dataclasses.fields(self) if "setting" in each.metadata]
        return [each.metadata["setting"] for each in own if getattr(self, each.name) != each.default]


@dataclass(frozen=True)
class Lag(LacpOptions):
    """A link aggregation group on the switch side.

    ``ports`` are switch interfaces. With ``lacp`` of ``active`` or ``passive`` the group negotiates for ``system``;
    with ``off`` it is static: every port with carrier carries traffic, if there are ``min_links`` of them.
    ``port_priorities`` are the ports' LACP priorities, one for each port in the order of ``ports``; the lower is the
    better, and none given means 32768 for each (IEEE 802.1AX-2014, 6.3.4).
    """

    name: str
    ports: tuple[str, ...]
    lacp: str = "active"
    rate: str = "fast"
    key: int = 1
    min_links: int = 1
    system: str = "core"
    port_priorities: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        validation.name("LAG", self.name)
        validation.choice("LACP mode", self.lacp, LACP)
        validation.choice("LACP rate", self.rate, LACP_RATES)
        if not self.ports:
            raise SpecError(f"LAG {self.name!r} has no port; wanted one switch interface or more")
        validation.unique(f"ports of LAG {self.name!r}", self.ports)
        if not 1 <= self.key <= 65535:
            raise SpecError(f"key {self.key} of LAG {self.name!r} is not between 1 and 65535")
        validation.at_least(f"min_links of LAG {self.name!r}", self.min_links, 1)
        validation.at_most(f"min_links of LAG {self.name!r}", self.min_links, MOST_LINKS)
        if self.min_links > len(self.ports):
            raise SpecError(
                f"min_links of LAG {self.name!r} is {self.min_links}, but it has {len(self.ports)} ports:"
                " it would never be used"
            )
        if 0 < self.max_active < self.min_links:
            raise SpecError(
                f"max_active of LAG {self.name!r} is {self.max_active};"
                f" wanted 0, or its min_links ({self.min_links}) or more"
            )
        if self.port_priorities and len(self.port_priorities) != len(self.ports):
            raise SpecError(
                f"LAG {self.name!r} has {len(self.ports)} ports and {len(self.port_priorities)} port_priorities;"
                " wanted one for each port, or none"
            )
        for priority in self.port_priorities:
            if not 0 <= priority <= 65535:
                raise SpecError(f"port priority {priority} of LAG {self.name!r} is not between 0 and 65535")

    def priority(self, port: str) -> int:
        """The LACP priority of one of its ports."""
        return self.port_priorities[self.ports.index(port)] if self.port_priorities else DEFAULT_PORT_PRIORITY

    @property
    def priorities(self) -> str:
        """The ports' priorities as `LagOptions` has them."""
        return "+".join(map(str, self.port_priorities))
