"""A LAG of the switch side as a value: its ports, its LACP, its options (IEEE 802.1AX-2014, clause 6)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from testbed.errors import SpecError
from testbed.spec import validation
from testbed.spec.bond import LACP_RATES

#: Whether collecting and distributing begin together, or one after the other (IEEE 802.1AX-2014, 6.4.15).
MUXES = ("independent", "coupled")
#: How ports are used while no partner responds.
FALLBACKS = ("none", "individual", "static")
#: A system has no more ports than port numbers, which have two octets (IEEE 802.1AX-2014, 6.3.4).
MOST_LINKS = 65535
#: Some 30 years.
MOST_SECONDS = 1e9
#: The LACP priority of a port unless another is given.
DEFAULT_PORT_PRIORITY = 32768


@dataclass(frozen=True, kw_only=True)
class LagOptions:
    """The options of a LAG that speaks LACP, whatever its ports are (see testbed.lacp.LagConfig).

    ``mux``: ``independent`` sends on a port once the partner has set Collecting, ``coupled`` as soon as the partner
    is in sync. ``early_collecting`` accepts frames from a port as soon as a LACPDU has said that the port is in sync.
    More than ``max_active`` usable ports stand by (0: no limit). ``fallback`` applies while no partner responds; a port
    that was lost is selected again ``wait_to_restore_s`` after the partner's next LACPDU.
    """

    mux: str = "independent"
    early_collecting: bool = True
    max_active: int = 0
    fallback: str = "none"
    wait_to_restore_s: float = 0.0

    def __post_init__(self) -> None:
        validation.choice("mux", self.mux, MUXES)
        validation.at_least("max_active", self.max_active, 0)
        validation.at_most("max_active", self.max_active, MOST_LINKS)
        validation.choice("fallback", self.fallback, FALLBACKS)
        validation.at_least("wait_to_restore_s", self.wait_to_restore_s, 0)
        validation.at_most("wait_to_restore_s", self.wait_to_restore_s, MOST_SECONDS)

    def over(self, name: str, ports: tuple[str, ...], **more: Any) -> Lag:
        """A LAG with these options of these switch interfaces; ``more`` is what else a `Lag` takes."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(LagOptions)}
        return Lag(name, ports, **own, **more)


@dataclass(frozen=True)
class Lag(LagOptions):
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
        validation.choice("LACP mode", self.lacp, ("active", "passive", "off"))
        validation.choice("LACP rate", self.rate, LACP_RATES)
        if not self.ports:
            raise SpecError(f"LAG {self.name!r} has no port; wanted one switch interface or more")
        validation.unique(f"ports of LAG {self.name!r}", self.ports)
        if not 1 <= self.key <= 65535:
            raise SpecError(f"key {self.key} of LAG {self.name!r} is not between 1 and 65535")
        validation.at_least(f"min_links of LAG {self.name!r}", self.min_links, 1)
        validation.at_most(f"min_links of LAG {self.name!r}", self.min_links, MOST_LINKS)
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
