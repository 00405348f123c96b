"""A spanning tree protocol as a value: what is configured of it, the same on every bridge (IEEE 802.1D-2004)."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.errors import SpecError
from testbed.spec import validation

#: What is said of a bridge's ports to hosts: they are edge ports (AdminEdge), become such each time once no BPDU has
#: come for MigrateTime, 3 s (AutoEdge), or are never (IEEE 802.1D-2004, 17.13.1, 17.13.3).
EDGE_PORTS = ("admin", "auto", "none")
#: The ranges of the parameters, in seconds, and BPDUs in a second (802.1D-2004, Table 17-1; ovs-vswitchd.conf.db(5)).
MAX_AGE_S = (6, 40)
FORWARD_DELAY_S = (4, 30)
HOLD_COUNT = (1, 10)
#: RSTP's Hello Time, which is fixed (Table 17-1), and the recommended one of STP (802.1D-1998, Table 8-3).
HELLO_S = 2
HELLO_RANGE_S = (1, 10)
#: RSTP, and STP as it was before (IEEE 802.1D-2004, clause 17; 802.1D-1998, clause 8).
PROTOCOLS = ("rstp", "stp")


@dataclass(frozen=True, kw_only=True)
class SpanningTree:
    """The parameters of a spanning tree protocol.

    ``tree_root`` is the switch with the best bridge priority; empty: the first. ``max_age_s``: information of the root
    is passed on over so many bridges at most, less one, and a port without a partner waits so long first.
    ``forward_delay_s``: how long a port that has no agreement listens, and then learns; between bridges that speak RSTP
    only a former root port is held back by it. ``hold_count``: a port sends so many BPDUs in a second at most.
    """

    protocol: str = PROTOCOLS[0]
    tree_root: str = ""
    max_age_s: int = 20
    forward_delay_s: int = 15
    hold_count: int = 6
    edge_ports: str = EDGE_PORTS[0]
    hello_s: int = HELLO_S

    def __post_init__(self) -> None:
        for name, (low, high) in (
            ("hello_s", HELLO_RANGE_S),
            ("max_age_s", MAX_AGE_S),
            ("forward_delay_s", FORWARD_DELAY_S),
            ("hold_count", HOLD_COUNT),
        ):
            validation.at_least(name, getattr(self, name), low)
            validation.at_most(name, getattr(self, name), high)
        validation.choice("protocol", self.protocol, PROTOCOLS)
        validation.choice("edge_ports", self.edge_ports, EDGE_PORTS)
        least_s, most_s = 2 * (self.hello_s + 1), 2 * (self.forward_delay_s - 1)
        if not least_s <= self.max_age_s <= most_s:
            raise SpecError(
                f"max_age_s={self.max_age_s} does not go with forward_delay_s={self.forward_delay_s} and a Hello Time"
                f" of {self.hello_s} s; wanted 2 x (Hello Time + 1) = {least_s} to 2 x (forward_delay_s - 1) = {most_s}"
                " (IEEE 802.1D-2004, 17.14)",
                f"For example: --set max_age_s={most_s}"
                if most_s >= least_s
                else f"For example: --set max_age_s={least_s} --set forward_delay_s={self.hello_s + 2}",
            )
