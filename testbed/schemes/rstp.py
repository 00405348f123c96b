"""The switches' own Rapid Spanning Tree Protocol."""

from __future__ import annotations

from testbed.schemes.spanning import OPTIONS, Spanning


class Rstp(Spanning):
    """Open vSwitch's Rapid Spanning Tree (IEEE 802.1D-2004): loops of switches are allowed, and one way forwards.

    Bridges agree on a tree, and the ports that are not in it discard. Where a link of the tree is lost, an alternate
    port takes over at once, or after a handshake from bridge to bridge. A link that falls silent is noticed when no
    BPDU has come for three times the Hello Time, which is 2 s.

    Which tree that is, is known beforehand: the first switch, or ``tree_root``, has the best bridge priority, a link
    costs what its rate says, and each port has the number that OpenFlow gives it. Ports to hosts are edge ports unless
    ``edge_ports`` says otherwise. Each bridge starts its protocol at an instant of its own.
    """

    name = protocol = "rstp"
    idle = "Discarding"
    options = tuple(OPTIONS.values())

    def of_edge(self) -> dict[str, str]:
        """AdminEdge and AutoEdge. Open vSwitch heeds AdminEdge only when a port next loses carrier: until then AutoEdge
        finds it."""
        return {
            "port-admin-edge": str(self.tree.edge_ports == "admin").lower(),
            "port-auto-edge": str(self.tree.edge_ports != "none").lower(),
        }

    def of_bridge(self, address: str) -> dict[str, object]:
        """Its address, and Transmit Hold Count."""
        return {"address": f'"{address}"', "transmit-hold-count": self.tree.hold_count}
