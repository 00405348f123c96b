"""The switches' own Spanning Tree Protocol, as it was before RSTP."""

from __future__ import annotations

from testbed.errors import SpecError
from testbed.schemes.spanning import OPTIONS, Spanning
from testbed.spec import Topology

#: Port numbers have eight bits (IEEE 802.1D-1998, 9.2.7).
_MOST_PORTS = 255


class Stp(Spanning):
    """Open vSwitch's Spanning Tree (IEEE 802.1D-1998): loops of switches are allowed; timers, not handshakes.

    A port that is taken into the tree listens for Forward Delay, then learns for as long, before it forwards: 30 s. A
    bridge without another way to the root makes those below wait until their information of the root is older than Max
    Age, up to 20 s, first. There are no edge ports. The tree is known beforehand as with ``rstp``.

    It is Open vSwitch's, not the kernel's bridge, so that the datapath and what faults do to it are the same as with
    every other scheme.
    """

    name = protocol = "stp"
    idle = "Blocking"
    #: There is no option for the Hello Time. Open vSwitch 3.1 has 2 s if nothing is said of it, and 1 s whatever
    #: other_config:stp-hello-time says: with 3 s asked for it sent 60 BPDUs in 61 s.
    options = tuple(OPTIONS[name] for name in ("tree_root", "max_age_s", "forward_delay_s"))

    def check(self, topology: Topology) -> None:
        """As of every spanning tree; and a port's number has eight bits."""
        super().check(topology)
        for switch in topology.switches:
            if (count := len(topology.interfaces(switch.name))) > _MOST_PORTS:
                raise SpecError(f"switch {switch.name!r} has {count} ports; STP numbers {_MOST_PORTS} at most")

    def of_bridge(self, address: str) -> dict[str, object]:
        """Its address."""
        return {"system-id": f'"{address}"'}
