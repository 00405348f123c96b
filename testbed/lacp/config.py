"""The configuration of a LAG and of a port: frozen values, checked when they are created (ValueError)."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Mode = Literal["active", "passive"]
Rate = Literal["fast", "slow"]
Fallback = Literal["none", "individual", "static"]
MuxControl = Literal["coupled", "independent"]

DEFAULT_PRIORITY = 0x8000
PortId = Hashable
"""The caller's name for a port, such as (dpid, port_no). It is opaque here, so a LAG may span switches."""


class SystemId(NamedTuple):
    """A system identifier; the numerically lower one has the higher priority (6.3.2)."""

    priority: int
    system: str


def _check_choice(owner: str, what: str, value: str, choices: object) -> None:
    allowed = get_args(choices)
    if value not in allowed:
        raise ValueError(f"{owner}: {what} is {value!r}; choose one of {', '.join(allowed)}")


def _check_between(owner: str, what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{owner}: {what} is {value}; it must be {low} to {high}")


@dataclass(frozen=True, slots=True)
class LagConfig:
    """One link aggregation group, which has one aggregator.

    key                 the actor's key, 1 to 65535, unique among the LAGs of a system
    mode                active: send LACPDUs in any case; passive: only if the partner is active
    rate                what we request from the partner: fast = short timeout (a LACPDU each second, expires
                        after 3 s), slow = long timeout (each 30 s, expires after 90 s)
    min_links           with fewer usable ports than this none carries traffic (see `selection`)
    max_active          usable ports beyond this number are standby; None is no limit
    fallback            ports whose partner does not respond: 'none' leaves them out, 'individual' lets one of
                        them forward (a host that boots before it starts LACP), 'static' lets all forward
    wait_to_restore_s   how long, in seconds, LACPDUs must arrive again before a port that was lost is selected
    mux                 the mux machine's control (6.4.15): 'coupled' collects and distributes as soon as the partner
                        is in sync, 'independent' distributes only once the partner is collecting
    aggregation         False: our ports may not be aggregated, each is an individual link
    early_collecting    accept frames from a port once our LACPDUs have Synchronization set, not only once the
                        partner's have: a quicker partner sends before that (Linux bonding about 100 ms before its
                        LACPDU), and its frames would be lost. Our LACPDUs do not change
    collector_max_delay the value in our LACPDUs, in tens of microseconds
    """

    name: str
    key: int
    mode: Mode = "active"
    rate: Rate = "fast"
    min_links: int = 1
    max_active: int | None = None
    fallback: Fallback = "none"
    wait_to_restore_s: float = 0.0
    mux: MuxControl = "coupled"
    aggregation: bool = True
    early_collecting: bool = False
    collector_max_delay: int = 0

    def __post_init__(self) -> None:
        owner = f"LAG {self.name!r}"
        _check_between(owner, "key", self.key, 1, 0xFFFF)
        _check_choice(owner, "mode", self.mode, Mode)
        _check_choice(owner, "rate", self.rate, Rate)
        _check_choice(owner, "fallback", self.fallback, Fallback)
        _check_choice(owner, "mux", self.mux, MuxControl)
        _check_between(owner, "min_links", self.min_links, 1, 0xFFFF)
        if self.max_active is not None:
            _check_between(owner, "max_active", self.max_active, self.min_links, 0xFFFF)
        if not 0 <= self.wait_to_restore_s < float("inf"):
            raise ValueError(f"{owner}: wait_to_restore_s is {self.wait_to_restore_s}; give seconds, 0 or more")
        _check_between(owner, "collector_max_delay", self.collector_max_delay, 0, 0xFFFF)


@dataclass(frozen=True, slots=True)
class PortConfig:
    """One port of a LAG. `number` is unique in the system, also across switches.

    A lower `priority` is better. With `lacp_enabled` False the port neither sends nor processes LACPDUs. It then
    carries traffic only if the LAG's fallback allows it; with fallback 'static' that is a static LAG.
    """

    port: PortId
    lag: str
    number: int
    priority: int = DEFAULT_PRIORITY
    lacp_enabled: bool = True

    def __post_init__(self) -> None:
        owner = f"port {self.port!r}"
        _check_between(owner, "number", self.number, 1, 0xFFFF)
        _check_between(owner, "priority", self.priority, 0, 0xFFFF)
